"""Absolute lymphocyte count (ALC) over a course: kill at fractions, recovery between them.

The law is generic: L' = sigma (L_set - L), and at a fraction L becomes L times the surviving
fraction of that fraction. The solution between fractions is exact; no step size enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.blood.exposure import BloodDose
from abscopal.domain.errors import InputError
from abscopal.domain.trajectory import Trajectory
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
SHEET = "blood/lymphocytes"
FOLLOW_UP = 60.0  # days drawn after the last fraction when no horizon is asked for

BLOOD_ONLY = (
    "kill is from dose to circulating blood alone; most lymphocytes are in nodes, spleen and marrow, "
    "so depletion is under-predicted where these are irradiated"
)


@dataclass(frozen=True)
class AlcPrediction:
    """ALC curve with a band over radiosensitivity.

    Attributes
    ----------
    central, resistant, sensitive : Trajectory
        Column `ALC` [1e9/L] on one time axis [day]: at the default alpha and at the lower and
        upper end of the band.
    nadir : float
        Lowest count of the central curve. [1e9/L]
    nadir_band : tuple of float
        Lowest counts at the upper and lower end of alpha, ascending. [1e9/L]
    nadir_day : float
        [day]
    grade : int
        CTCAE grade of the central nadir, 0 to 4.
    grade_band : tuple of int
        Grades of the nadir band, ascending.
    alpha : float
        [Gy^-1]
    alpha_band : tuple of float
        [Gy^-1]
    status : str
        `"assumed"` where the recovery rate is ours, else `"computed"`.
    notes : tuple of str
    """

    central: Trajectory
    resistant: Trajectory
    sensitive: Trajectory
    nadir: float
    nadir_band: tuple[float, float]
    nadir_day: float
    grade: int
    grade_band: tuple[int, int]
    alpha: float
    alpha_band: tuple[float, float]
    recovery_rate: float
    status: str
    notes: tuple[str, ...]


def alc_course(
    baseline: float,
    surviving_fraction_per_fraction: ArrayLike,
    fraction_days: Sequence[float],
    recovery: float | None = None,
    *,
    set_point: float | None = None,
    horizon: float | None = None,
    step: float = 0.5,
) -> Trajectory:
    r"""ALC over a course, exactly: :math:`L' = \sigma (L_{set} - L)` between fractions, L·SF at each.

    Parameters
    ----------
    baseline : float
        Count before the first fraction. [1e9/L]
    surviving_fraction_per_fraction : float or array, shape (n,)
        One value for all fractions, or one for each. [1]
    fraction_days : sequence of float, length n
        Ascending. [day]
    recovery : float, optional
        sigma; the assumed value of the knowledge sheet when None. [day^-1]
    set_point : float, optional
        Count recovery tends to; the baseline when None. [1e9/L]
    horizon : float, optional
        Last day; 60 days after the last fraction when None. [day]
    step : float
        Spacing of the drawn points. Two points, before and after, mark each fraction. [day]

    Returns
    -------
    Trajectory
        Column `ALC` in 1e9/L.

    Raises
    ------
    InputError
        Negative counts, a surviving fraction outside [0, 1], fractions that do not ascend, or
        a horizon before the last fraction.
    """
    days = np.asarray(fraction_days, dtype=np.float64).ravel()
    survival = np.broadcast_to(np.asarray(surviving_fraction_per_fraction, dtype=np.float64), days.shape)
    sigma = load(SHEET)["recovery_rate"] if recovery is None else recovery
    target = baseline if set_point is None else set_point
    last = float(days.max(initial=0.0))
    end = last + FOLLOW_UP if horizon is None else horizon
    _check_course(baseline, target, sigma, survival, days, end, step)
    start = min(0.0, float(days.min(initial=0.0)))
    times: list[FloatArray] = []
    counts: list[FloatArray] = []
    now, count = start, baseline
    for day, kept in [*zip(days.tolist(), survival.tolist(), strict=True), (end, None)]:
        grid = np.append(np.arange(now, day, step), day)
        course = target + (count - target) * np.exp(-sigma * (grid - now))
        times.append(grid)
        counts.append(course)
        now, count = day, float(course[-1]) * (1.0 if kept is None else kept)
    values = np.concatenate(counts)[:, None]
    return Trajectory(np.concatenate(times), values, ("ALC",), ("1e9/L",), stats={"fractions": float(days.size)})


def predict_alc(
    baseline: float,
    dose: BloodDose,
    fraction_days: Sequence[float],
    *,
    alpha: float | None = None,
    recovery: float | None = None,
    lower_limit_of_normal: float | None = None,
    horizon: float | None = None,
) -> AlcPrediction:
    """ALC over a course from the blood dose of one fraction, with nadir, grade and their bands.

    Parameters
    ----------
    baseline : float
        [1e9/L]
    dose : BloodDose
        Of one fraction; all fractions are taken as equal.
    fraction_days : sequence of float
        [day]
    alpha : float, optional
        Replaces the default sensitivity; the band stays that of the knowledge sheet, widened
        to hold it. [Gy^-1]
    recovery, horizon : float, optional
        As in `alc_course`.
    lower_limit_of_normal : float, optional
        Of this patient's laboratory. [1e9/L]

    Returns
    -------
    AlcPrediction

    Raises
    ------
    InputError
        As `alc_course`.
    """
    sheet = load(SHEET)
    central_alpha = sheet["alpha"] if alpha is None else alpha
    low, high = sheet.vector("alpha_band")
    band = (min(low, central_alpha), max(high, central_alpha))
    rate = sheet["recovery_rate"] if recovery is None else recovery
    curves = [
        alc_course(baseline, dose.surviving_fraction(a), fraction_days, rate, horizon=horizon)
        for a in (central_alpha, *band)
    ]
    nadirs = [float(curve["ALC"].min()) for curve in curves]
    grades = [ctcae_grade(nadir, lower_limit_of_normal) for nadir in nadirs]
    notes = _prediction_notes(band, rate, assumed=recovery is None)
    if lower_limit_of_normal is None and 0 in grades:
        normal = sheet["lower_limit_of_normal"]
        notes += (f"grades 0 and 1 are told apart at {normal:g} 10⁹/L, a common limit; laboratories differ",)
    return AlcPrediction(
        central=curves[0],
        resistant=curves[1],
        sensitive=curves[2],
        nadir=nadirs[0],
        nadir_band=(nadirs[2], nadirs[1]),
        nadir_day=float(curves[0].t[int(curves[0]["ALC"].argmin())]),
        grade=grades[0],
        grade_band=(grades[1], grades[2]),
        alpha=central_alpha,
        alpha_band=band,
        recovery_rate=rate,
        status="assumed" if recovery is None else "computed",
        notes=notes,
    )


def alc_day_loop(baseline: float, surviving_fraction: float, n_fractions: int, n_days: int, recovery: float) -> float:
    """Count at the end of a day loop: kill on five of seven days, then a day of recovery.

    The discrete form of `alc_course` as public code runs it, for verification: day 1 is the
    first fraction, and each day kills first and recovers after.

    Parameters
    ----------
    baseline : float
        Count at the start and set point. [1e9/L]
    recovery : float
        [day^-1]

    Returns
    -------
    float
        [1e9/L]
    """
    count, given = baseline, 0
    returned = -np.expm1(-recovery)
    for day in range(n_days):
        if given < n_fractions and day % 7 < 5:
            count, given = count * surviving_fraction, given + 1
        count += returned * (baseline - count)
    return float(count)


def passing_share_survival(share: float, alpha: float, dose: float) -> float:
    r"""Surviving fraction when a share of blood gets the whole fraction and the rest nothing.

    .. math:: 1 - v\,(1 - e^{-\alpha_L d})

    Parameters
    ----------
    share : float
        v, share of blood that passes the field in one fraction. [1]
    alpha : float
        [Gy^-1]
    dose : float
        Dose of the fraction. [Gy]

    Returns
    -------
    float
        [1]
    """
    if not (0.0 <= share <= 1.0 and alpha >= 0.0 and dose >= 0.0):
        raise InputError(
            doing="computing survival of a passing share of blood",
            found=f"share {share:g}, alpha {alpha:g} /Gy, dose {dose:g} Gy",
            expected="a share between 0 and 1, and an alpha and a dose of zero or more",
            try_="checking percent against fraction",
        )
    return 1.0 + share * float(np.expm1(-alpha * dose))


def ctcae_grade(alc: float, lower_limit_of_normal: float | None = None) -> int:
    """CTCAE grade of a lymphocyte count, 0 (none) to 4.

    Parameters
    ----------
    alc : float
        [1e9/L]
    lower_limit_of_normal : float, optional
        Of the laboratory; the recalled common limit of the knowledge sheet when None. [1e9/L]

    Raises
    ------
    InputError
        A negative count.

    Examples
    --------
    >>> [ctcae_grade(count) for count in (1.2, 0.9, 0.6, 0.3, 0.1)]
    [0, 1, 2, 3, 4]
    """
    if not (np.isfinite(alc) and alc >= 0.0):
        raise InputError(
            doing="grading lymphopenia",
            found=f"ALC = {alc:g} 1e9/L",
            expected="a count of zero or more",
            try_="checking the unit: 1e9/L",
        )
    sheet = load(SHEET)
    normal = sheet["lower_limit_of_normal"] if lower_limit_of_normal is None else lower_limit_of_normal
    limits = sheet.vector("grade_limits")
    # A laboratory limit below the grade 2 count must not hide grade 2 and worse.
    below = [alc < limit for limit in (max(normal, limits[0]), *limits)]
    return sum(below)


def _prediction_notes(band: tuple[float, float], rate: float, *, assumed: bool) -> tuple[str, ...]:
    notes = [
        BLOOD_ONLY,
        f"band over alpha {band[0]:g} to {band[1]:g} per Gy only; recovery is not varied in it",
        "blood is taken as fully mixed between fractions and every fraction as equal",
    ]
    if assumed:
        notes.append(f"recovery rate {rate:g} per day is assumed; recovery in patients is slow and often incomplete")
    return tuple(notes)


def _check_course(
    baseline: float, target: float, sigma: float, survival: FloatArray, days: FloatArray, end: float, step: float
) -> None:
    problems = {
        f"baseline {baseline:g} and set point {target:g} 1e9/L": not (
            np.isfinite(baseline) and np.isfinite(target) and min(baseline, target) >= 0.0
        ),
        f"recovery rate {sigma:g} per day": not (np.isfinite(sigma) and sigma >= 0.0),
        f"surviving fractions {survival.tolist()}": not bool(np.all((survival >= 0.0) & (survival <= 1.0))),
        f"fraction days {days.tolist()}": not bool(np.all(np.isfinite(days)) and np.all(np.diff(days) >= 0.0)),
        f"a horizon of day {end:g} with the last fraction on day {days.max(initial=0.0):g}": end
        < days.max(initial=0.0),
        f"a step of {step:g} day": not step > 0.0,
    }
    found = [text for text, wrong in problems.items() if wrong]
    if found:
        raise InputError(
            doing="computing the lymphocyte course",
            found=", ".join(found),
            expected="counts and rates of zero or more, survival within [0, 1], ascending days and a later horizon",
            try_="checking the unit of the count (1e9/L) and the order of the days",
        )
