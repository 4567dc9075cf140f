"""Gain against dose per fraction, for one family of schedules or a whole map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import isoeffective_dose_per_fraction
from abscopal.window.bounds import Bounds, window_bounds
from abscopal.window.experiment import RULES, Experiment, reference_experiment

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
        return _window(self.family, self.doses, self.n_fractions, self.gain, level, self.notes)

    def text(self) -> str:
        """The window in words."""
        if not self.bounds.found:
            return f"no window (largest gain {self.bounds.gain_max:.2f})"
        low = "open" if self.d_lo is None else f"{self.d_lo:.1f}"
        high = "open" if self.d_hi is None else f"{self.d_hi:.1f}"
        return f"{low} to {high} Gy per fraction, peak {self.d_peak:g} Gy (gain {self.bounds.gain_max:.2f})"


@dataclass(frozen=True)
class Surface:
    """The map: gain and synergy over dose per fraction and number of fractions.

    Attributes
    ----------
    doses : array, shape (n_d,)
        [Gy]
    n_fractions : array, shape (n_n,)
    gain, bliss_excess, log_synergy : array, shape (n_n, n_d)
        Synergies are NaN-free, or None when not asked for. [1]
    readout_day : array, shape (n_n,)
        Day of the mouse clock on which each row is read. [day]
    """

    doses: FloatArray
    n_fractions: IntArray
    gain: FloatArray
    bliss_excess: FloatArray | None
    log_synergy: FloatArray | None
    readout_day: FloatArray
    notes: tuple[str, ...]

    def window(self, n: int, level: float = 0.5) -> Window:
        """The window of the row with `n` fractions.

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
        counts = np.full(len(self.doses), n, dtype=np.int64)
        return _window("n fixed", self.doses, counts, self.gain[rows[0]], level, self.notes)


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
        Unknown family, doses that do not ascend or are not positive.
    ConvergenceError
        A schedule could not be solved.
    """
    setup = experiment or reference_experiment()
    schedules = _schedules(family, n, doses, total_dose, bed10)
    gains = [setup.gain(setup.schedule(dose, count)) for dose, count in track(schedules, "window", len(schedules))]
    x = np.array([dose for dose, _ in schedules])
    counts = np.array([count for _, count in schedules], dtype=np.int64)
    return _window(family, x, counts, np.array(gains), level, setup.notes())


def gain_surface(
    doses: ArrayLike | None = None,
    n_fractions: Sequence[int] | None = None,
    *,
    experiment: Experiment | None = None,
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
    x = _ascending(rules.vector("map_doses") if doses is None else doses, "doses per fraction")
    default = [int(k) for k in rules.vector("map_fractions")]
    counts = _ascending(default if n_fractions is None else n_fractions, "numbers of fractions").astype(np.int64)
    cells = [(i, j) for i in range(len(counts)) for j in range(len(x))]
    gain, bliss, log_s = (np.zeros((len(counts), len(x))) for _ in range(3))
    for i, j in track(cells, "dose-immune map", len(cells)):
        radiation = setup.schedule(float(x[j]), int(counts[i]))
        gain[i, j] = setup.gain(radiation)
        if synergy:
            both = setup.synergy(radiation)
            bliss[i, j], log_s[i, j] = both.bliss_excess, both.log_synergy
    return Surface(
        doses=x,
        n_fractions=counts,
        gain=gain,
        bliss_excess=bliss if synergy else None,
        log_synergy=log_s if synergy else None,
        readout_day=np.array([setup.readout_day(setup.schedule(1.0, int(count))) for count in counts]),
        notes=setup.notes(),
    )


def gain(radiation: Regimen, experiment: Experiment | None = None) -> float:
    """log10 gain of one radiation schedule (day 0 the first fraction) in the lesion not irradiated."""
    return (experiment or reference_experiment()).gain(radiation)


def _window(
    family: Family, x: FloatArray, counts: IntArray, gains: FloatArray, level: float, notes: tuple[str, ...]
) -> Window:
    bounds = window_bounds(x, gains, level=level, min_gain=load(RULES)["min_gain"])
    return Window(family, x, counts, gains, level, bounds, notes)


def _schedules(
    family: Family, n: int, doses: ArrayLike | None, total_dose: float | None, bed10: float | None
) -> list[tuple[float, int]]:
    """Dose per fraction and number of fractions of each member of a family, doses ascending."""
    rules = load(RULES)
    low, high = rules.vector("dose_range")
    if family == "n fixed":
        grid = np.arange(low, high + rules["dose_step"] / 2, rules["dose_step"]) if doses is None else doses
        return [(float(dose), n) for dose in _ascending(grid, "doses per fraction")]
    if family == "total dose fixed":
        total = rules["family_total_dose"] if total_dose is None else total_dose
        pairs = [(total / k, k) for k in range(1, int(total / low) + 1)]
    elif family == "iso-BED10":
        target = rules["family_bed10"] if bed10 is None else bed10
        ratio = rules["family_alpha_beta"]
        pairs = [(float(isoeffective_dose_per_fraction(target, k, ratio)), k) for k in range(1, int(target / low) + 1)]
    else:
        raise unknown_name("choosing a family of schedules", family, list(FAMILIES))
    return sorted((dose, k) for dose, k in pairs if low <= dose <= high)


def _ascending(values: ArrayLike, what: str) -> FloatArray:
    x = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if x.size and np.isfinite(x).all() and (x > 0).all() and (np.diff(x) > 0).all():
        return x
    raise InputError(
        doing="setting up the dose-immune map",
        found=f"{what} {np.array2string(x, threshold=6)}",
        expected="positive values in ascending order",
        try_="sorting them and leaving out zeros and doubles",
    )
