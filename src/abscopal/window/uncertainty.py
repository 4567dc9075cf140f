"""How far the bounds move over draws, and when a mechanism is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.progress import track
from abscopal.domain.registry import unknown_name
from abscopal.immune.model import REPAIRS
from abscopal.knowledge.load import load
from abscopal.window.arms import RULES
from abscopal.window.bounds import Bounds, window_bounds
from abscopal.window.ensemble import Ensemble, standard_ensemble
from abscopal.window.experiment import Experiment, reference_experiment
from abscopal.window.surface import FAMILIES, Family, Surface, Window, family_schedules, find_window, unsolved_note

FloatArray = NDArray[np.float64]
ABLATIONS = ("sting", "trex1", "treg", "lymphopenia", "pdl1", "mdsc", "tgfb", "exhaustion")


@dataclass(frozen=True)
class Spread:
    """Median and 5th to 95th percentile; None where that percentile is an open bound."""

    median: float | None
    low: float | None
    high: float | None

    def text(self, form: str = ".3g") -> str:
        """Median with the interval."""
        median, low, high = ("open" if q is None else f"{q:{form}}" for q in (self.median, self.low, self.high))
        return f"{median} ({low} to {high})"


@dataclass(frozen=True)
class WindowUncertainty:
    """Bounds over the animals of an ensemble.

    Attributes
    ----------
    family : str
    doses : array, shape (n_d,)
        [Gy]
    gain : array, shape (3, n_d)
        5th percentile, median and 95th percentile of the gain at each dose. [1]
    d_lo, d_peak, d_hi : Spread
        Over the animals that have a window; an open bound counts as beyond every dose. [Gy]
    gain_max : Spread
        [1]
    p_open : float
        Share of animals with a window whose upper bound is open. [1]
    p_no_window : float
        Share of animals without a window. [1]
    p_upper_below, p_peak_inside : float
        Shares, of animals with a window, with an upper bound under 18 Gy and a peak in 6 to 12 Gy (values of
        the sheet). [1]
    lows, peaks, highs : array, shape (n_animals,)
        Bounds per animal; infinite where the upper bound is open, minus infinite where the lower one
        is, NaN for no window. [Gy]
    """

    family: Family
    doses: FloatArray
    gain: FloatArray
    d_lo: Spread
    d_peak: Spread
    d_hi: Spread
    gain_max: Spread
    p_open: float
    p_no_window: float
    p_upper_below: float
    p_peak_inside: float
    lows: FloatArray
    peaks: FloatArray
    highs: FloatArray
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of animals."""
        return len(self.lows)

    def text(self) -> str:
        """The bounds in words."""
        if self.p_no_window == 1:
            return f"no window in any of {self.n} animals (largest gain {self.gain_max.text('.2f')})"
        return (
            f"{self.d_lo.text()} to {self.d_hi.text()} Gy, peak {self.d_peak.text()} Gy; "
            f"open top {100 * self.p_open:.0f} %, no window {100 * self.p_no_window:.0f} %"
        )


@dataclass(frozen=True)
class BoundSetter:
    """What leaving out one mechanism does to a bound.

    Attributes
    ----------
    mechanism : str
    low_shift, high_shift : float
        log2 of the bound without the mechanism over the bound with it; infinite where it opens. [1]
    gain_ratio : float
        Largest gain without it over that with it. [1]
    no_window : bool
        Nothing is left that could be called a window.
    """

    mechanism: str
    low_shift: float
    high_shift: float
    gain_ratio: float
    no_window: bool


def window_uncertainty(
    n: int = 3,
    *,
    family: Family = "n fixed",
    ensemble: Ensemble | None = None,
    doses: ArrayLike | None = None,
    total_dose: float | None = None,
    bed10: float | None = None,
    level: float = 0.5,
    experiment: Experiment | None = None,
) -> WindowUncertainty:
    """Bounds of the window over the animals of an ensemble, solved together.

    Parameters
    ----------
    n, family, doses, total_dose, bed10, level, experiment
        As in `find_window`.
    ensemble : Ensemble, optional
        By default `standard_ensemble` with the sheet's number of draws and no variation between animals.

    Raises
    ------
    InputError
        As `find_window`.
    ConvergenceError
        No animal could be solved.
    """
    setup = experiment or reference_experiment()
    draws = int(load(RULES)["draws"])
    animals = ensemble or standard_ensemble(setup.model, setup.parameter_set, draws, animals=0, fixed=setup.parameters)
    pairs = family_schedules(family, n=n, doses=doses, total_dose=total_dose, bed10=bed10)
    arms = setup.arms([setup.schedule(dose, count) for dose, count in pairs], animals)
    notes = (*setup.notes(), *animals.notes, *unsolved_note(arms.solved))
    return summarise_windows(family, np.array([dose for dose, _ in pairs]), arms.gain(), level, notes)


def family_uncertainty(
    n: int = 3,
    *,
    ensemble: Ensemble | None = None,
    level: float = 0.5,
    total_dose: float | None = None,
    bed10: float | None = None,
    experiment: Experiment | None = None,
) -> dict[Family, WindowUncertainty]:
    """The three families side by side: the bounds depend on which is meant.

    Parameters
    ----------
    n, ensemble, level, total_dose, bed10, experiment
        As in `window_uncertainty`.
    """
    return {
        family: window_uncertainty(
            n, family=family, ensemble=ensemble, level=level, total_dose=total_dose, bed10=bed10, experiment=experiment
        )
        for family in FAMILIES
    }


def surface_uncertainty(surface: Surface, n: int, level: float = 0.5) -> WindowUncertainty:
    """The bounds of one row of a map that was solved for an ensemble; of one animal otherwise."""
    row = surface.row(n)
    gains = surface.gain[None, row] if surface.animals is None else surface.animals[:, row]
    return summarise_windows("n fixed", surface.doses, gains, level, surface.notes)


def ablate_window(
    mechanisms: Sequence[str] | None = None,
    *,
    n: int = 3,
    family: Family = "n fixed",
    doses: ArrayLike | None = None,
    level: float = 0.5,
    experiment: Experiment | None = None,
) -> dict[str, Window]:
    """The window of the full model and, beside it, with each mechanism left out.

    Parameters
    ----------
    mechanisms : sequence of str, optional
        Switches of the model; by default the immune ones that are on.
    n, family, doses, level, experiment
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
    known = setup.model.switches
    chosen = [name for name in (*ABLATIONS, *REPAIRS) if known.get(name)] if mechanisms is None else mechanisms
    for name in chosen:
        if name not in known:
            raise unknown_name("leaving out a mechanism", name, list(known))
    models = {"full": setup.model} | {f"no {name}": setup.model.with_switches(**{name: False}) for name in chosen}
    return {
        label: find_window(family, n=n, doses=doses, level=level, experiment=replace(setup, model=model))
        for label, model in track(models.items(), "ablations", len(models))
    }


def bound_setters(windows: Mapping[str, Window]) -> tuple[BoundSetter, ...]:
    """What each ablation does to the bounds, the largest effect on the upper bound first.

    A local ablation: everything else stays as it was fitted with the mechanism in place.

    Parameters
    ----------
    windows : mapping
        From `ablate_window`.
    """
    full = windows["full"].bounds
    rows = [
        BoundSetter(
            mechanism=label.removeprefix("no "),
            low_shift=_shift(window.bounds, full, "low"),
            high_shift=_shift(window.bounds, full, "high"),
            gain_ratio=window.bounds.gain_max / full.gain_max if full.gain_max else float("nan"),
            no_window=not window.bounds.found,
        )
        for label, window in windows.items()
        if label != "full"
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.high_shift), -abs(row.low_shift))))


def setter_text(setters: Sequence[BoundSetter], bound: str, *, least: float = 0.1) -> str:
    """Which mechanism sets a bound (`low` or `high`), in words.

    Parameters
    ----------
    least : float
        log2 shift below which a bound is said not to depend on the mechanism. [1]
    """
    moved = [(row.mechanism, getattr(row, f"{bound}_shift")) for row in setters if not row.no_window]
    strong = sorted(((name, s) for name, s in moved if abs(s) >= least), key=lambda pair: -abs(pair[1]))
    name = "upper" if bound == "high" else "lower"
    needed = [row.mechanism for row in setters if row.no_window]
    ending = f"; without {', '.join(needed)} there is no window" if needed else ""
    if not strong:
        return f"no single mechanism sets the {name} bound{ending}"
    told = ", ".join(f"without {what} it {_moves(shift)}" for what, shift in strong[:3])
    return f"{name} bound: {told}{ending}"


def _moves(shift: float) -> str:
    return "opens" if np.isinf(shift) else f"moves by a factor {2**shift:.2f}"


def _shift(without: Bounds, full: Bounds, name: str) -> float:
    """log2 ratio of a bound; infinite where only one of the two is open."""
    a, b = getattr(without, name), getattr(full, name)
    if not (without.found and full.found) or (a is None and b is None):
        return 0.0
    if a is None or b is None:
        return float("inf") if a is None else float("-inf")
    return float(np.log2(a / b))


def summarise_windows(
    family: Family, doses: FloatArray, gains: FloatArray, level: float, notes: tuple[str, ...]
) -> WindowUncertainty:
    """Bounds over animals from their gains, shape (n_animals, n_d)."""
    rules = load(RULES)
    found = [window_bounds(doses, row, level=level, min_gain=rules["min_gain"]) for row in gains]
    has = np.array([b.found for b in found])
    lows = np.array([_or(b.low, -np.inf, b.found) for b in found])
    highs = np.array([_or(b.high, np.inf, b.found) for b in found])
    peaks = np.array([_or(b.peak, np.nan, b.found) for b in found])
    below, (peak_low, peak_high) = rules["asked_upper"], rules.vector("asked_peak")
    return WindowUncertainty(
        family=family,
        doses=doses,
        gain=np.percentile(gains, [5, 50, 95], axis=0),
        d_lo=spread(lows[has]),
        d_peak=spread(peaks[has]),
        d_hi=spread(highs[has]),
        gain_max=spread(np.array([b.gain_max for b in found])),
        p_open=_share(np.isinf(highs[has])),
        p_no_window=float(1 - has.mean()),
        p_upper_below=_share(highs[has] < below),
        p_peak_inside=_share((peaks[has] >= peak_low) & (peaks[has] <= peak_high)),
        lows=lows,
        peaks=peaks,
        highs=highs,
        notes=notes,
    )


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else 0.0


def _or(value: float | None, otherwise: float, found: bool) -> float:
    if not found:
        return float("nan")
    return otherwise if value is None else value


def spread(values: FloatArray) -> Spread:
    """Percentiles that are members of the sample, so that an open bound stays open."""
    if not values.size:
        return Spread(None, None, None)
    low, median, high = (float(q) for q in np.percentile(values, [5, 50, 95], method="inverted_cdf"))
    return Spread(*(q if np.isfinite(q) else None for q in (median, low, high)))
