"""Gain against dose per fraction, for one family of schedules or a whole map."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import isoeffective_dose_per_fraction
from abscopal.window.arms import RULES
from abscopal.window.bounds import Bounds, window_bounds
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import Experiment, reference_experiment

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Family = Literal["n fixed", "total dose fixed", "iso-BED10"]
FAMILIES: tuple[Family, ...] = ("n fixed", "total dose fixed", "iso-BED10")


@dataclass(frozen=True)
class Window:
    """The gain of one family of schedules against dose per fraction, and its bounds.

    Attributes
    ----------
    doses : array, shape (n_d,)
        Ascending dose per fraction. [Gy]
    n_fractions : array, shape (n_d,)
    gain : array, shape (n_d,)
        log10 gain in the lesion that is not irradiated. [1]
    level : float
        Share of the largest gain that bounds the window. [1]
    bounds : Bounds
        d_lo, peak and d_hi with their open flags.
    """

    family: Family
    doses: FloatArray
    n_fractions: IntArray
    gain: FloatArray
    level: float
    bounds: Bounds
    notes: tuple[str, ...]

    @property
    def d_lo(self) -> float | None:
        """Lower bound, None when open or when there is no window, in Gy."""
        return self.bounds.low

    @property
    def d_peak(self) -> float | None:
        """Dose per fraction of the largest gain, in Gy."""
        return self.bounds.peak

    @property
    def d_hi(self) -> float | None:
        """Upper bound, None when open or when there is no window, in Gy."""
        return self.bounds.high

    def at_level(self, level: float) -> "Window":
        """The same curve with bounds at another share of its maximum."""
        return window_of(self.family, self.doses, self.n_fractions, self.gain, level, self.notes)

    def text(self) -> str:
        """The window in words."""
        if not self.bounds.found:
            return f"no window (largest gain {self.bounds.gain_max:.2f})"
        low = "open" if self.d_lo is None else f"{self.d_lo:.1f}"
        high = "open" if self.d_hi is None else f"{self.d_hi:.1f}"
        return f"{low} to {high} Gy, peak {self.d_peak:.3g} Gy (gain {self.bounds.gain_max:.2f})"


@dataclass(frozen=True)
class Surface:
    """The map: gain and synergy over dose per fraction and number of fractions.

    Attributes
    ----------
    doses : array, shape (n_d,)
        [Gy]
    n_fractions : array, shape (n_n,)
    gain, bliss_excess, log_synergy : array, shape (n_n, n_d)
        Of one animal, or the median over the animals; synergies are None when not asked for. [1]
    readout_day : array, shape (n_n,)
        Day of the mouse clock on which each row is read. [day]
    animals : array, shape (n_animals, n_n, n_d), optional
        Gain of every animal of an ensemble. [1]
    """

    doses: FloatArray
    n_fractions: IntArray
    gain: FloatArray
    bliss_excess: FloatArray | None
    log_synergy: FloatArray | None
    readout_day: FloatArray
    notes: tuple[str, ...]
    animals: FloatArray | None = None

    def window(self, n: int, level: float = 0.5) -> Window:
        """The window of the row with `n` fractions.

        Raises
        ------
        InputError
            The map has no such row.
        """
        counts = np.full(len(self.doses), n, dtype=np.int64)
        return window_of("n fixed", self.doses, counts, self.gain[self.row(n)], level, self.notes)

    def row(self, n: int) -> int:
        """Place of the row with `n` fractions.

        Raises
        ------
        InputError
            The map has no such row.
        """
        rows = np.flatnonzero(self.n_fractions == n)
        if not rows.size:
            raise InputError(
                doing="reading a window from the map",
                found=f"{n} fractions",
                expected="one of " + ", ".join(str(k) for k in self.n_fractions),
                try_=f"find_window(n={n})",
            )
        return int(rows[0])


def find_window(
    family: Family = "n fixed",
    *,
    n: int = 3,
    doses: ArrayLike | None = None,
    total_dose: float | None = None,
    bed10: float | None = None,
    level: float = 0.5,
    experiment: Experiment | None = None,
) -> Window:
    """At which dose per fraction the abscopal gain is large, for a fixed ICI schedule.

    The gain is log10 of the volume of the lesion that is not irradiated under ICI alone, over that
    under radiation and ICI. The bounds depend on the family; show families together.

    Parameters
    ----------
    family : {"n fixed", "total dose fixed", "iso-BED10"}
    n : int
        Number of fractions of the first family.
    doses : array, optional
        Doses per fraction of the first family; by default 1 to 30 Gy by 1. [Gy]
    total_dose, bed10 : float, optional
        Of the second and third family; by default those of 3 × 8 Gy. Their doses per fraction are
        those of whole numbers of fractions that lie inside the dose range. [Gy]
    level : float
        Share of the largest gain that bounds the window. [1]
    experiment : Experiment, optional
        By default the reference experiment: anti-CTLA-4 on days 2, 5 and 8 after the first fraction.

    Returns
    -------
    Window
        A bound outside the dose range is open, never clipped; a largest gain under 0.1 is no window.

    Raises
    ------
    InputError
        Unknown family, doses that do not ascend or are not positive, a family without any schedule.
    ConvergenceError
        A schedule could not be solved.
    """
    setup = experiment or reference_experiment()
    pairs = family_schedules(family, n=n, doses=doses, total_dose=total_dose, bed10=bed10)
    arms = setup.arms([setup.schedule(dose, count) for dose, count in pairs])
    x = np.array([dose for dose, _ in pairs])
    counts = np.array([count for _, count in pairs], dtype=np.int64)
    return window_of(family, x, counts, arms.gain()[0], level, setup.notes())


def gain_surface(
    doses: ArrayLike | None = None,
    n_fractions: Sequence[int] | None = None,
    *,
    experiment: Experiment | None = None,
    ensemble: Ensemble | None = None,
    synergy: bool = True,
) -> Surface:
    """The map of gain, and of synergy, over dose per fraction and number of fractions.

    Parameters
    ----------
    doses : array, shape (n_d,), optional
        Ascending doses per fraction; by default 17 from 1 to 30 Gy. [Gy]
    n_fractions : sequence of int, length n_n, optional
        By default 11 from 1 to 30.
    experiment : Experiment, optional
        By default the reference experiment.
    ensemble : Ensemble, optional
        Animals to solve it for; without, the one animal of the experiment's parameters.
    synergy : bool
        Also simulate radiation alone, for Bliss excess and S_B; doubles the time.

    Raises
    ------
    InputError
        Doses or fraction numbers that do not ascend or are not positive.
    ConvergenceError
        A schedule could not be solved.
    """
    setup = experiment or reference_experiment()
    rules = load(RULES)
    x = ascending(rules.vector("map_doses") if doses is None else doses, "doses per fraction")
    default = [int(k) for k in rules.vector("map_fractions")]
    counts = ascending(default if n_fractions is None else n_fractions, "numbers of fractions").astype(np.int64)
    schedules = [setup.schedule(float(dose), int(count)) for count in counts for dose in x]
    arms = setup.arms(schedules, ensemble, radiation_alone=synergy)
    shape = (len(counts), len(x))
    gains = arms.gain().reshape(-1, *shape)
    bliss = log_s = None
    if synergy:
        rt, ici, both = (arms.ratio(arm) for arm in ("rt", "ici", "both"))
        bliss = np.median(rt * ici - both, axis=0).reshape(shape)
        log_s = np.median(np.log10(rt * ici / both), axis=0).reshape(shape)
    return Surface(
        doses=x,
        n_fractions=counts,
        gain=np.median(gains, axis=0),
        bliss_excess=bliss,
        log_synergy=log_s,
        readout_day=np.array([setup.readout_day(setup.schedule(1.0, int(count))) for count in counts]),
        notes=(*setup.notes(), *(ensemble.notes if ensemble else ()), *unsolved_note(arms.solved)),
        animals=None if ensemble is None else gains,
    )


def surfaces_over(
    intervals: Sequence[float],
    ici_starts: Sequence[float],
    doses: ArrayLike | None = None,
    n_fractions: Sequence[int] | None = None,
    *,
    experiment: Experiment | None = None,
    ensemble: Ensemble | None = None,
) -> dict[tuple[float, float], Surface]:
    """The map for each interval between fractions and each day of the first ICI dose.

    Parameters
    ----------
    intervals : sequence of float
        [day]
    ici_starts : sequence of float
        Counted from the first fraction. [day]
    doses, n_fractions, experiment, ensemble
        As in `gain_surface`.

    Returns
    -------
    dict
        From (interval, ICI start) to the map.

    Raises
    ------
    InputError
        As `gain_surface`; no interval or start, an interval that is not positive.
    """
    setup = experiment or reference_experiment()
    gaps = ascending(intervals, "days between fractions")
    if not len(ici_starts):
        raise _bad_days("no day")
    found = {}
    for gap in gaps.tolist():
        for start in ici_starts:
            here = replace(setup.starting_ici(finite_day(start)), interval=gap, weekdays=False, fraction_days=())
            found[gap, start] = gain_surface(doses, n_fractions, experiment=here, ensemble=ensemble, synergy=False)
    return found


def gain(radiation: Regimen, experiment: Experiment | None = None) -> float:
    """log10 gain of one radiation schedule (day 0 the first fraction) in the lesion not irradiated."""
    return (experiment or reference_experiment()).gain(radiation)


def window_of(
    family: Family, x: FloatArray, counts: IntArray, gains: FloatArray, level: float, notes: tuple[str, ...]
) -> Window:
    """The window of one curve under the rules of the sheet."""
    bounds = window_bounds(x, gains, level=level, min_gain=load(RULES)["min_gain"])
    return Window(family, x, counts, gains, level, bounds, notes)


def family_schedules(
    family: Family,
    *,
    n: int = 3,
    doses: ArrayLike | None = None,
    total_dose: float | None = None,
    bed10: float | None = None,
) -> list[tuple[float, int]]:
    """Dose per fraction and number of fractions of each member of a family, doses ascending.

    Raises
    ------
    InputError
        An unknown family, doses that do not ascend, or no schedule in the dose range.
    """
    rules = load(RULES)
    low, high = rules.vector("dose_range")
    if family == "n fixed":
        grid = np.arange(low, high + rules["dose_step"] / 2, rules["dose_step"]) if doses is None else doses
        return [(float(dose), n) for dose in ascending(grid, "doses per fraction")]
    if family == "total dose fixed":
        total = rules["family_total_dose"] if total_dose is None else total_dose
        pairs = [(total / k, k) for k in range(1, int(total / low) + 1)]
    elif family == "iso-BED10":
        target = rules["family_bed10"] if bed10 is None else bed10
        ratio = rules["family_alpha_beta"]
        pairs = [(float(isoeffective_dose_per_fraction(target, k, ratio)), k) for k in range(1, int(target / low) + 1)]
    else:
        raise unknown_name("choosing a family of schedules", family, list(FAMILIES))
    found = sorted((dose, k) for dose, k in pairs if low <= dose <= high)
    if found:
        return found
    raise InputError(
        doing=f"listing the schedules of the family {family}",
        found="none",
        expected=f"a dose per fraction between {low:g} and {high:g} Gy in some number of fractions",
        try_="a larger total dose or BED",
    )


def unsolved_note(solved: NDArray[np.bool_]) -> tuple[str, ...]:
    """Says how many animals were left out because a schedule could not be solved."""
    lost = int((~solved).sum())
    return (f"{lost} of {len(solved)} animals are left out: a schedule could not be solved.",) if lost else ()


def ascending(values: ArrayLike, what: str) -> FloatArray:
    """Positive, ascending values, or the error that says why not."""
    x = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if x.size and np.isfinite(x).all() and (x > 0).all() and (np.diff(x) > 0).all():
        return x
    raise InputError(
        doing="setting up the dose-immune map",
        found=f"{what} {np.array2string(x, threshold=6)}",
        expected="positive values in ascending order",
        try_="sorting them and leaving out zeros and doubles",
    )


def finite_day(day: float) -> float:
    """The day, or the error that says why not."""
    if np.isfinite(day):
        return float(day)
    raise _bad_days(f"{day}")


def _bad_days(found: str) -> InputError:
    return InputError(
        doing="placing the first ICI dose",
        found=found,
        expected="finite days counted from the first fraction, negative before it",
        try_="-7, 0 or 5",
    )
