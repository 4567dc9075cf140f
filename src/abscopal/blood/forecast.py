"""Lymphocyte course of one patient with its uncertainty: sampled beforehand, updated by counts after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.blood.exposure import BloodDose
from abscopal.blood.lymphocytes import BLOOD_ONLY, FOLLOW_UP
from abscopal.blood.plan_exposure import Bins
from abscopal.blood.pools import SHEET, Pools, SurvivalTable, blood_counts, blood_only
from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
LYMPHOCYTES = "blood/lymphocytes"
HIGHEST_ALPHA = 2.5  # 1/Gy, beyond every in-vivo value
GRID_REACH = 3.5  # prior standard deviations the grid of the posterior reaches


@dataclass(frozen=True, eq=False)
class Forecast:
    """ALC over time for a population of plausible patients.

    Attributes
    ----------
    t : array, shape (m,)
        [day]
    median, low, high : array, shape (m,)
        Pointwise, of the interval `level`. [1e9/L]
    level : float
        [1]
    nadir, alpha, recovery : tuple of float
        Median, lower and upper end. [1e9/L], [Gy^-1], [day^-1]
    nadir_day : tuple of float
        [day]
    recovery_days : tuple of float or None
        Days from the last fraction until the count is back; None where the quantile is not
        back within the horizon. [day]
    p_recovered : float
        Share back within the horizon. [1]
    p_grade3, p_grade4 : float
        Probability that the nadir is grade 3 or worse, grade 4. [1]
    status : str
    notes : tuple of str
    """

    t: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    nadir: tuple[float, float, float]
    nadir_day: tuple[float, float, float]
    alpha: tuple[float, float, float]
    recovery: tuple[float, float, float]
    recovery_days: tuple[float | None, float | None, float | None]
    p_recovered: float
    p_grade3: float
    p_grade4: float
    status: str
    notes: tuple[str, ...]


def forecast_alc(
    baseline: float,
    dose: BloodDose,
    fraction_days: Sequence[float],
    *,
    pools: Pools | None = None,
    organ_bins: Mapping[str, Bins] | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.9,
    horizon: float | None = None,
) -> Forecast:
    """ALC with an interval over patients: alpha and recovery rate drawn from their assumed spread.

    Parameters
    ----------
    baseline : float
        [1e9/L]
    dose : BloodDose
        Of one fraction; all are taken as equal.
    fraction_days : sequence of float
        [day]
    pools : Pools, optional
        `pools.lymphoid_pools()` for exchange with organs; blood alone when None.
    organ_bins : mapping, optional
        Pool to its dose in one fraction.
    draws, seed : int
    level : float
        Of the interval. [1]
    horizon : float, optional
        Last day; 60 days after the last fraction when None. [day]

    Returns
    -------
    Forecast

    Raises
    ------
    InputError
        A baseline that is not positive, no fraction, no draw, a level outside 0 to 1.
    """
    _check(baseline, fraction_days, draws, level)
    rng = np.random.default_rng(seed)
    (alpha0, alpha_sd), (sigma0, sigma_sd) = _priors()
    alpha = np.minimum(alpha0 * np.exp(alpha_sd * rng.standard_normal(draws)), HIGHEST_ALPHA)
    sigma = sigma0 * np.exp(sigma_sd * rng.standard_normal(draws))
    weights = np.full(draws, 1.0 / draws)
    notes = (f"interval of {draws} draws (seed {seed}) over alpha and recovery, whose spread is assumed",)
    return _forecast(
        baseline, dose, fraction_days, pools or blood_only(), organ_bins, alpha, sigma, weights, level, horizon, notes
    )


def calibrate_alc(
    baseline: float,
    dose: BloodDose,
    fraction_days: Sequence[float],
    count_days: ArrayLike,
    counts: ArrayLike,
    *,
    pools: Pools | None = None,
    organ_bins: Mapping[str, Bins] | None = None,
    points: int = 41,
    level: float = 0.9,
    horizon: float | None = None,
) -> Forecast:
    """Forecast after counts of this patient: posterior of alpha and recovery on a grid.

    Parameters
    ----------
    count_days : array, shape (m,)
        Ascending; a count on the day of a fraction counts as taken before it. [day]
    counts : array, shape (m,)
        Positive. [1e9/L]
    points : int
        Of the grid along each parameter.

    Returns
    -------
    Forecast
        Of the course itself, without the error of a single count.

    Raises
    ------
    InputError
        Counts that are not positive, days that do not ascend or match.

    Notes
    -----
    Log-normal priors and errors of the knowledge sheet `blood/lymphoid`, all assumed. Other
    parameters as in `forecast_alc`.
    """
    _check(baseline, fraction_days, points, level)
    when, seen = np.atleast_1d(np.asarray(count_days, float)), np.atleast_1d(np.asarray(counts, float))
    if (
        when.shape != seen.shape
        or not np.all(np.isfinite(when) & np.isfinite(seen) & (seen > 0.0))
        or np.any(np.diff(when) < 0)
    ):
        raise InputError(
            doing="calibrating the lymphocyte course",
            found=f"days {when.tolist()} with counts {seen.tolist()}",
            expected="ascending days, each with a count above zero",
            try_="the unit 1e9/L; a count below the limit of detection as that limit",
        )
    reach = np.linspace(-GRID_REACH, GRID_REACH, points)
    (alpha0, alpha_sd), (sigma0, sigma_sd) = _priors()
    z_alpha, z_sigma = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    alpha = np.minimum(alpha0 * np.exp(alpha_sd * z_alpha), HIGHEST_ALPHA)
    sigma = sigma0 * np.exp(sigma_sd * z_sigma)
    used = pools or blood_only()
    log_weight = -0.5 * (z_alpha**2 + z_sigma**2)
    if when.size:
        survival = SurvivalTable(used, dose, organ_bins, HIGHEST_ALPHA)(alpha)
        before = np.nextafter(when, -np.inf)  # blood is drawn before the fraction of the day
        expected = baseline * blood_counts(used, survival, sigma, fraction_days, before)
        error = load(SHEET)["count_error"]
        log_weight = log_weight - 0.5 * np.sum((np.log(seen / expected) / error) ** 2, axis=1)
    weights = np.exp(log_weight - log_weight.max())
    notes = (f"posterior of alpha and recovery after {when.size} counts; priors and count error are assumed",)
    return _forecast(
        baseline, dose, fraction_days, used, organ_bins, alpha, sigma, weights / weights.sum(), level, horizon, notes
    )


def _forecast(
    baseline: float, dose: BloodDose, fraction_days: Sequence[float], pools: Pools,
    organ_bins: Mapping[str, Bins] | None, alpha: FloatArray, sigma: FloatArray, weights: FloatArray,
    level: float, horizon: float | None, notes: tuple[str, ...],
) -> Forecast:  # fmt: skip
    last = float(max(fraction_days))
    end = last + FOLLOW_UP if horizon is None else horizon
    days = np.asarray(fraction_days, dtype=np.float64)
    t = np.unique(np.concatenate([np.arange(0.0, end, 0.5), [end], days[days <= end]]))
    survival = SurvivalTable(pools, dose, organ_bins, HIGHEST_ALPHA)(alpha)
    counts = baseline * blood_counts(pools, survival, sigma, fraction_days, t)
    tail = (1.0 - level) / 2.0
    shares = (0.5, tail, 1.0 - tail)
    median, low, high = (np.array([_quantile(column, weights, share) for column in counts.T]) for share in shares)
    nadir, place = counts.min(axis=1), counts.argmin(axis=1)
    limits = load(LYMPHOCYTES).vector("grade_limits")
    back = _days_to_recovery(counts, t, place, baseline, last)

    def spread(values: FloatArray) -> tuple[float, float, float]:
        first, second, third = (_quantile(values, weights, share) for share in shares)
        return first, second, third

    times = spread(back)
    travelled = pools.notes if len(pools.names) > 1 else (BLOOD_ONLY,)
    return Forecast(
        t=t,
        median=median,
        low=low,
        high=high,
        level=level,
        nadir=spread(nadir),
        nadir_day=spread(t[place]),
        alpha=spread(alpha),
        recovery=spread(sigma),
        recovery_days=(_finite(times[0]), _finite(times[1]), _finite(times[2])),
        p_recovered=float(weights[np.isfinite(back)].sum()),
        p_grade3=float(weights[nadir < limits[1]].sum()),
        p_grade4=float(weights[nadir < limits[2]].sum()),
        status="assumed",
        notes=(*notes, *travelled, "probabilities are those of the model, not observed frequencies"),
    )


def _days_to_recovery(
    counts: FloatArray, t: FloatArray, nadir: NDArray[np.intp], baseline: float, last: float
) -> FloatArray:
    """Days from the last fraction until the count is back for good; infinite where it is not by the last day."""
    target = min(load(LYMPHOCYTES)["lower_limit_of_normal"], load(SHEET)["recovered_share"] * baseline)
    after = (np.arange(t.size) >= nadir[:, None]) & (t >= last) & (counts >= target)
    first = after.argmax(axis=1)
    return np.where(after.any(axis=1), t[first] - last, np.inf)


def _priors() -> tuple[tuple[float, float], tuple[float, float]]:
    sheet, spread = load(LYMPHOCYTES), load(SHEET)
    return (sheet["alpha"], spread["alpha_spread"]), (sheet["recovery_rate"], spread["recovery_spread"])


def _quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), share * (1.0 - 1e-12))
    return float(values[order][min(int(reached), values.size - 1)])


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _check(baseline: float, fraction_days: Sequence[float], draws: int, level: float) -> None:
    wrong = {
        f"a baseline of {baseline:g} 1e9/L": not (np.isfinite(baseline) and baseline > 0.0),
        "no fraction": len(fraction_days) == 0,
        f"{draws} draws": draws < 1,
        f"a level of {level:g}": not 0.0 < level < 1.0,
    }
    found = [text for text, bad in wrong.items() if bad]
    if found:
        raise InputError(
            doing="forecasting the lymphocyte count",
            found=", ".join(found),
            expected="a positive baseline, fractions, draws, and a level between 0 and 1",
            try_="checking the unit of the count (1e9/L)",
        )
