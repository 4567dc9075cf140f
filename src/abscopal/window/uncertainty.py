"""How far the bounds move when the fitted parameters do, and when a mechanism is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.window.experiment import RULES, Experiment, reference_experiment
from abscopal.window.surface import Window, find_window

FloatArray = NDArray[np.float64]
SCATTERED = (
    "g", "alpha", "kk", "kin", "KQ", "h", "kS", "dX", "KA", "kD", "s0",
    "pT", "e4", "wS", "kEp", "Emax", "kex", "rR", "v",
)  # fmt: skip
"""Parameters scattered by default: those the search set, with `dX`, which places the upper bound."""
ABLATIONS = ("trex1", "treg", "lymphopenia", "pdl1", "mdsc", "tgfb", "exhaustion")


@dataclass(frozen=True)
class Spread:
    """Median and 5th to 95th percentile of a bound; None where that percentile is an open bound."""

    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class WindowUncertainty:
    """Bounds over draws of scattered parameters. Not a posterior: no data weigh the draws.

    Attributes
    ----------
    d_lo, d_peak, d_hi : Spread
        Over the draws that have a window; an open bound counts as beyond every dose. [Gy]
    gain_max : Spread
        [1]
    p_open : float
        Share of draws with a window whose upper bound is open. [1]
    p_no_window : float
        Share of draws without a window. [1]
    lows, peaks, highs : array, shape (n_draws,)
        Bounds per draw; infinite where the upper bound is open, minus infinite where the lower one
        is, NaN for no window. [Gy]
    """

    d_lo: Spread
    d_peak: Spread
    d_hi: Spread
    gain_max: Spread
    p_open: float
    p_no_window: float
    lows: FloatArray
    peaks: FloatArray
    highs: FloatArray
    draws: int
    seed: int
    scatter: float
    parameters: tuple[str, ...]
    notes: tuple[str, ...]


def window_uncertainty(
    n: int = 3,
    *,
    draws: int | None = None,
    seed: int = 0,
    scatter: float | None = None,
    parameters: Sequence[str] = SCATTERED,
    doses: ArrayLike | None = None,
    level: float = 0.5,
    experiment: Experiment | None = None,
) -> WindowUncertainty:
    """Bounds of the window under log-normal scatter of the fitted parameters.

    Parameters
    ----------
    n : int
        Number of fractions.
    draws : int, optional
        By default 100.
    seed : int
        Draw k is the same whatever the number of draws.
    scatter : float, optional
        Standard deviation of each parameter's logarithm; by default 0.2. [1]
    parameters : sequence of str
        Names to scatter, independently of each other.
    doses, level, experiment
        As in `find_window`.

    Raises
    ------
    InputError
        No draw, a negative scatter, or a parameter the model does not have.
    """
    setup = experiment or reference_experiment()
    rules = load(RULES)
    width = rules["scatter"] if scatter is None else scatter
    count = int(rules["draws"]) if draws is None else draws
    base = _base_values(setup, parameters)
    _check(count, width)
    windows = [
        find_window(n=n, doses=doses, level=level, experiment=replace(setup, parameters=values))
        for values in track(_draw_all(base, setup.parameters, count, width, seed), "window uncertainty", count)
    ]
    return _summary(windows, count, seed, width, tuple(parameters))


def ablate_window(
    mechanisms: Sequence[str] = ABLATIONS,
    *,
    n: int = 3,
    doses: ArrayLike | None = None,
    level: float = 0.5,
    experiment: Experiment | None = None,
) -> dict[str, Window]:
    """The window of the full model and, beside it, with each mechanism left out.

    Parameters
    ----------
    mechanisms : sequence of str
        Switches of the model.
    n, doses, level, experiment
        As in `find_window`.

    Returns
    -------
    dict
        `"full"`, then `"no <mechanism>"` for each.

    Raises
    ------
    InputError
        Unknown mechanism, with the close match.
    """
    setup = experiment or reference_experiment()
    known = list(setup.model.switches)
    for name in mechanisms:
        if name not in known:
            raise unknown_name("leaving out a mechanism", name, known)
    models = {"full": setup.model} | {f"no {name}": setup.model.with_switches(**{name: False}) for name in mechanisms}
    return {
        label: find_window(n=n, doses=doses, level=level, experiment=replace(setup, model=model))
        for label, model in track(models.items(), "ablations", len(models))
    }


def _base_values(setup: Experiment, names: Sequence[str]) -> dict[str, float]:
    defaults = {p.name: p.value for p in setup.model.pieces.parameters if p.value is not None}
    base = {**defaults, **setup.parameters}
    for name in names:
        if name not in base:
            raise unknown_name("scattering a parameter", name, sorted(base))
    return {name: base[name] for name in names}


def _check(count: int, width: float) -> None:
    if count < 1 or not 0 <= width < float("inf"):
        raise InputError(
            doing="scattering the parameters of the window",
            found=f"{count} draws with a scatter of {width:g}",
            expected="at least one draw and a scatter that is not negative",
            try_="draws=100, scatter=0.2",
        )


def _draw_all(
    base: Mapping[str, float], fixed: Mapping[str, float], count: int, width: float, seed: int
) -> list[dict[str, float]]:
    """Parameter sets; each has its own random stream, so that more draws keep the first ones."""
    centre = np.array(list(base.values()))
    streams = np.random.SeedSequence(seed).spawn(count)
    rows = [centre * np.exp(width * np.random.default_rng(stream).standard_normal(len(centre))) for stream in streams]
    return [{**fixed, **dict(zip(base, row.tolist(), strict=True))} for row in rows]


def _summary(
    windows: list[Window], count: int, seed: int, width: float, parameters: tuple[str, ...]
) -> WindowUncertainty:
    found = np.array([window.bounds.found for window in windows])
    lows = np.array([_or(window.d_lo, -np.inf, window.bounds.found) for window in windows])
    highs = np.array([_or(window.d_hi, np.inf, window.bounds.found) for window in windows])
    peaks = np.array([_or(window.d_peak, np.nan, window.bounds.found) for window in windows])
    gains = np.array([window.bounds.gain_max for window in windows])
    return WindowUncertainty(
        d_lo=_spread(lows[found]),
        d_peak=_spread(peaks[found]),
        d_hi=_spread(highs[found]),
        gain_max=_spread(gains),
        p_open=float(np.isinf(highs[found]).mean()) if found.any() else 0.0,
        p_no_window=float(1 - found.mean()),
        lows=lows,
        peaks=peaks,
        highs=highs,
        draws=count,
        seed=seed,
        scatter=width,
        parameters=parameters,
        notes=(
            *windows[0].notes,
            f"Scatter of {width:.0%} on {len(parameters)} parameters, independent and log-normal, {count} draws, "
            f"seed {seed}. This is parameter scatter around one fitted set, not a posterior: no data weigh the draws.",
        ),
    )


def _or(value: float | None, otherwise: float, found: bool) -> float:
    if not found:
        return float("nan")
    return otherwise if value is None else value


def _spread(values: FloatArray) -> Spread:
    """Percentiles that are members of the sample, so that an open bound stays open."""
    if not values.size:
        return Spread(None, None, None)
    low, median, high = (float(q) for q in np.percentile(values, [5, 50, 95], method="inverted_cdf"))
    return Spread(*(q if np.isfinite(q) else None for q in (median, low, high)))
