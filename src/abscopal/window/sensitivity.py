"""Which parameters, and which groups of them, move the bounds of the window: Sobol indices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.knowledge.schema import Number
from abscopal.window.arms import RULES
from abscopal.window.bounds import window_bounds
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import Experiment, reference_experiment

FloatArray = NDArray[np.float64]
SHEET = "immune/sensitivity"
OUTPUTS = ("lower bound", "peak", "upper bound", "largest gain", "gain left at the top dose")


@dataclass(frozen=True)
class Index:
    """Sobol indices of one parameter or factor for one output.

    Attributes
    ----------
    name, output : str
    first, total : float
        Share of the variance explained by it alone, and with all its interactions. [1]
    first_half, total_half : float
        Half widths of their 90 % intervals. [1]
    published : bool
        One of the four leading factors of Hadjigeorgiou et al. 2026.
    """

    name: str
    output: str
    first: float
    total: float
    first_half: float
    total_half: float
    published: bool


@dataclass(frozen=True)
class Sensitivity:
    """Indices of every output, by factor and by parameter, largest total first.

    Attributes
    ----------
    factors, parameters : tuple of Index
    censored : float
        Share of samples whose upper bound is open; there the top of the dose range stands in. [1]
    no_window : float
        Share of samples whose largest gain is too small to speak of a window. [1]
    n : int
        Samples of the Saltelli design of the factors.
    """

    factors: tuple[Index, ...]
    parameters: tuple[Index, ...]
    censored: float
    no_window: float
    n: int
    notes: tuple[str, ...]

    def leading(self, output: str, count: int = 4) -> tuple[Index, ...]:
        """The factors with the largest total index."""
        rows = [row for row in self.factors if row.output == output]
        return tuple(sorted(rows, key=lambda row: -row.total)[:count])

    def overlap(self, output: str, count: int = 4) -> int:
        """How many of the leading factors are among the four of the published model."""
        return sum(row.published for row in self.leading(output, count))


def window_sensitivity(
    n: int = 3,
    *,
    samples: int | None = None,
    seed: int = 0,
    level: float = 0.5,
    parameters: Sequence[str] | None = None,
    experiment: Experiment | None = None,
) -> Sensitivity:
    """Sobol indices of the window's bounds, first for groups of parameters, then for each parameter.

    Parameters
    ----------
    n : int
        Number of fractions.
    samples : int, optional
        Base samples of the Saltelli design, a power of two; by default those of the sheet.
    seed : int
    level : float
        Share of the largest gain that bounds the window. [1]
    parameters : sequence of str, optional
        By default every parameter of the sheet's table that the model has.
    experiment : Experiment, optional

    Returns
    -------
    Sensitivity
        By Saltelli's estimators, with bootstrap intervals (SALib).

    Raises
    ------
    InputError
        A number of samples that is not a power of two of at least 8, or a parameter without a factor.
    ConvergenceError
        No sample could be solved.
    """
    setup = experiment or reference_experiment()
    sheet = load(SHEET)
    base = int(sheet["samples"]) if samples is None else samples
    if base < 8 or base & (base - 1):
        raise InputError(
            doing="computing Sobol indices", found=f"{base} base samples", expected="a power of two of at least 8",
            try_="512",
        )  # fmt: skip
    table = _chosen(setup, parameters)
    ends = {str(name): _range(setup, str(name)) for name in table.index}
    groups = dict(zip(ends, table["factor"].astype(str), strict=True))
    by_factor, told, size = _indices(setup, ends, groups, n, base, seed, level)
    alone = {name: name for name in ends}
    by_parameter, _, _ = _indices(setup, ends, alone, n, base, seed, level)
    told_by = [value == "yes" for value in table["published"]]
    published = dict(zip(groups.values(), told_by, strict=True)) | dict(zip(ends, told_by, strict=True))
    return Sensitivity(
        factors=_rows(by_factor, published),
        parameters=_rows(by_parameter, published),
        censored=told[0],
        no_window=told[1],
        n=size,
        notes=(*setup.notes(), *_notes(table, told)),
    )


def _chosen(setup: Experiment, parameters: Sequence[str] | None) -> pd.DataFrame:
    table = load(SHEET).table("factors").set_index("parameter")
    known = {p.name for p in setup.model.parameters if p.value is not None and p.value > 0}
    if parameters is None:
        return table[table.index.isin(known)]
    missing = [name for name in parameters if name not in table.index or name not in known]
    if missing or not parameters:
        raise InputError(
            doing="choosing the parameters to vary",
            found=f"{', '.join(missing) or 'none'}",
            expected="parameters of the model that the sheet puts into a factor",
            try_=", ".join(table.index[:4]),
        )
    return table.loc[list(parameters)]


def _range(setup: Experiment, name: str) -> tuple[float, float]:
    """log10 of the ends: the spread of the sheet around the value, inside the parameter's own range."""
    parameter = next(p for p in setup.model.parameters if p.name == name)
    value = float(setup.parameters.get(name, parameter.value or 0.0))
    factor = load(SHEET)["spread"]
    low, high = value / factor, value * factor
    known = _number(parameter.key)
    if known is not None and known.range is not None and known.range[0] <= value <= known.range[1]:
        low, high = max(low, known.range[0]), min(high, known.range[1])
    return float(np.log10(low)), float(np.log10(high))


def _number(key: str) -> Number | None:
    sheet, _, name = key.partition(":")
    return load(sheet).content.numbers.get(name) if sheet and name else None


def _indices(
    setup: Experiment,
    ends: dict[str, tuple[float, float]],
    groups: dict[str, str],
    n: int,
    base: int,
    seed: int,
    level: float,
) -> tuple[dict[str, pd.DataFrame], tuple[float, float], int]:
    """Indices by output; shares of open tops and of no window; number of samples."""
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    names = list(ends)
    problem = {
        "num_vars": len(names),
        "names": names,
        "bounds": [list(ends[name]) for name in names],
        "groups": [groups[name] for name in names],
    }
    x = 10 ** sample.sample(problem, base, calc_second_order=False, seed=seed)
    found, told = _outputs(setup, dict(zip(names, x.T, strict=True)), n, level)
    order = list(dict.fromkeys(groups[name] for name in names))
    tables = {}  # seed + 1: to SALib's bootstrap, a seed of 0 is none
    for output, values in found.items():
        if np.ptp(values) == 0:
            continue  # nothing varies, nothing to explain
        s: Mapping[str, FloatArray] = analyze.analyze(  # type: ignore[no-untyped-call]
            problem, values, calc_second_order=False, conf_level=0.9, seed=seed + 1
        )
        columns = {key: np.asarray(s[key]) for key in ("S1", "ST", "S1_conf", "ST_conf")}
        tables[output] = pd.DataFrame(columns, index=order)
    return tables, told, len(x)


def _outputs(
    setup: Experiment, columns: dict[str, FloatArray], n: int, level: float
) -> tuple[dict[str, FloatArray], tuple[float, float]]:
    doses = np.array(load(SHEET).vector("doses"))
    size = len(next(iter(columns.values())))
    ensemble = Ensemble(columns, size, 1, ())
    arms = setup.arms([setup.schedule(float(dose), n) for dose in doses], ensemble)
    gains = np.full((size, len(doses)), np.nan)
    gains[arms.solved] = arms.gain()
    # Sobol's estimators need every sample: one that could not be solved takes the mean curve.
    gains[~arms.solved] = np.nanmean(gains, axis=0)
    bounds = [window_bounds(doses, row, level=level, min_gain=-np.inf) for row in gains]
    peaks = np.array([b.peak for b in bounds], dtype=np.float64)
    lows = np.array([doses[0] if b.low is None else b.low for b in bounds])
    highs = np.array([doses[-1] if b.high is None else b.high for b in bounds])
    largest = np.array([b.gain_max for b in bounds])
    found = dict(zip(OUTPUTS, (lows, peaks, highs, largest, gains[:, -1]), strict=True))
    open_top = float(np.mean([b.open_high for b in bounds]))
    return found, (open_top, float((largest < load(RULES)["min_gain"]).mean()))


def _rows(tables: dict[str, pd.DataFrame], published: dict[str, bool]) -> tuple[Index, ...]:
    rows = [
        Index(
            str(name), output, float(r["S1"]), float(r["ST"]), float(r["S1_conf"]), float(r["ST_conf"]),
            bool(published[str(name)]),
        )
        for output, table in tables.items()
        for name, r in table.iterrows()
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (OUTPUTS.index(row.output), -row.total)))


def _notes(table: pd.DataFrame, told: tuple[float, float]) -> tuple[str, ...]:
    sheet = load(SHEET)
    top = sheet.vector("doses")[-1]
    return (
        f"{len(table)} parameters vary independently and log-uniformly by a factor of {sheet['spread']:g} each way, "
        "inside the range of their sheet: sensitivity of the structure, not of a calibrated model.",
        f"Upper bounds that are open ({100 * told[0]:.0f} % of samples) count as {top:g} Gy in these indices, and "
        f"{100 * told[1]:.0f} % of samples have a largest gain too small to speak of a window; the gain left at "
        f"{top:g} Gy is never censored.",
        "Which parameter stands for which published factor is our reading of an abstract.",
    )
