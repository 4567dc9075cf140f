"""Cell survival after dose: LQ, LQ-L, dose rate and incomplete repair.

Functions return the *log kill* E = -ln S where the sum over fractions is a sum of E, and
`survival` turns it into a fraction. The quadratic term's reduction by repair during or
between irradiations is the Lea–Catcheside factor G.
"""

from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.radiobiology.checks import Dose, FloatArray, non_negative, positive, whole_fractions

SERIES_BELOW = 0.02  # of mu T: the closed form of G loses its digits by cancellation there


def survival(log_kill: Dose) -> Dose:
    """Surviving fraction exp(-E) of a log kill E."""
    fraction: Dose = np.exp(-non_negative(log_kill, "log kill", "computing survival"))
    return fraction


def lq_log_kill(dose: Dose, alpha: float, beta: float, g: float = 1.0) -> Dose:
    r"""Linear-quadratic log kill of one exposure.

    .. math:: E = \alpha D + \beta G D^2

    Parameters
    ----------
    dose : float or array, shape (*n,)
        Physical dose of the exposure. [Gy]
    alpha, beta : float
        [Gy^-1], [Gy^-2]
    g : float
        Lea–Catcheside factor, 1 for an acute exposure. [1]

    Returns
    -------
    float or array, shape (*n,)
        E = -ln S. [1]

    Raises
    ------
    InputError
        A negative dose or parameter.

    Examples
    --------
    >>> round(lq_log_kill(2.0, alpha=0.3, beta=0.03), 12)
    0.72
    """
    doing = "computing LQ kill"
    d = non_negative(dose, "dose [Gy]", doing)
    quadratic = non_negative(beta, "beta [1/Gy^2]", doing) * non_negative(g, "G", doing)
    return d * (non_negative(alpha, "alpha [1/Gy]", doing) + quadratic * d)


def lql_log_kill(dose: Dose, alpha: float, beta: float, transition: float) -> Dose:
    r"""Linear-quadratic-linear log kill: the LQ curve, then its tangent from `transition` on.

    .. math:: E = \alpha d_T + \beta d_T^2 + (\alpha + 2\beta d_T)(D - d_T), \quad D > d_T

    Parameters
    ----------
    dose : float or array, shape (*n,)
        Physical dose of one acute fraction. [Gy]
    alpha, beta : float
        [Gy^-1], [Gy^-2]
    transition : float
        Dose d_T at which the curve turns straight. [Gy]

    Returns
    -------
    float or array, shape (*n,)
        Continuous with its first derivative at d_T, and never above the LQ kill. [1]

    Raises
    ------
    InputError
        A negative dose or parameter.
    """
    doing = "computing LQ-L kill"
    d = non_negative(dose, "dose [Gy]", doing)
    below: Dose = np.minimum(d, non_negative(transition, "transition dose [Gy]", doing))
    slope = non_negative(alpha, "alpha [1/Gy]", doing) + 2.0 * non_negative(beta, "beta [1/Gy^2]", doing) * transition
    return below * (alpha + beta * below) + slope * (d - below)


def lea_catcheside(duration: Dose, repair_rate: float) -> Dose:
    r"""Lea–Catcheside factor of a constant dose rate with mono-exponential repair.

    .. math:: G = \frac{2\,(\mu T - 1 + e^{-\mu T})}{(\mu T)^2}

    Parameters
    ----------
    duration : float or array, shape (*n,)
        Irradiation time T, in any unit of time.
    repair_rate : float
        mu = ln 2 / repair half-time, in the inverse of that unit.

    Returns
    -------
    float or array, shape (*n,)
        1 as T goes to 0, falling towards 2/(mu T). [1]

    Raises
    ------
    InputError
        A negative time or rate.
    """
    doing = "computing the Lea–Catcheside factor"
    x = np.asarray(
        non_negative(duration, "duration", doing) * non_negative(repair_rate, "repair rate", doing), dtype=np.float64
    )
    series = 1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0 * (1.0 - x / 6.0 * (1.0 - x / 7.0))))
    large = np.maximum(x, SERIES_BELOW)
    factor = np.where(x < SERIES_BELOW, series, 2.0 * (large + np.expm1(-large)) / large**2)[()]
    return cast("Dose", factor)


def incomplete_repair_factor(n_fractions: int, interval: float, repair_rate: float) -> float:
    r"""What unrepaired damage adds to the quadratic term of equal acute fractions.

    The quadratic term becomes :math:`\beta n d^2 (1 + h_n)` with

    .. math:: h_n = \frac{2}{n} \sum_{k=1}^{n-1} (n-k)\,\theta^k, \qquad \theta = e^{-\mu \Delta t}

    which is the closed form 2θ/(n(1-θ))·(n - (1-θⁿ)/(1-θ)) without its 0/0 at θ = 1.

    Parameters
    ----------
    n_fractions : int
        [1]
    interval, repair_rate : float
        Time between fractions and repair rate, in inverse units of each other.

    Returns
    -------
    float
        From 0 (full repair) to n-1 (none: one exposure of n·d). [1]

    Raises
    ------
    InputError
        Fewer than one fraction, a negative time or rate.
    """
    doing = "computing incomplete repair between fractions"
    n = whole_fractions(n_fractions, doing)
    decay = non_negative(repair_rate, "repair rate", doing) * non_negative(interval, "interval", doing)
    k = np.arange(1, n)
    return float(2.0 / n * np.sum((n - k) * np.exp(-decay * k)))


def fractionated_log_kill(
    dose_per_fraction: Dose, n_fractions: int, alpha: float, beta: float, *, interval: float, repair_rate: float
) -> Dose:
    """LQ log kill of equal acute fractions with incomplete repair between them.

    Parameters
    ----------
    dose_per_fraction : float or array, shape (*n,)
        [Gy]
    n_fractions, alpha, beta, interval, repair_rate
        As in `lq_log_kill` and `incomplete_repair_factor`.

    Returns
    -------
    float or array, shape (*n,)
        E of the whole course. [1]
    """
    unrepaired = 1.0 + incomplete_repair_factor(n_fractions, interval, repair_rate)
    return n_fractions * lq_log_kill(dose_per_fraction, alpha, beta, g=unrepaired)


def dose_rate_log_kill(
    durations: ArrayLike, dose_rates: ArrayLike, alpha: float, beta: float, repair_rate: float
) -> float:
    r"""LQ log kill of any piecewise constant dose rate, exactly.

    Solves :math:`U' = R - \mu U,\; E' = \alpha R + 2 \beta R U` segment by segment in closed
    form; a beam pause is a segment of rate zero.

    Parameters
    ----------
    durations : array, shape (m,)
        Length of each segment, in any unit of time.
    dose_rates : array, shape (m,)
        Dose rate of each segment. [Gy per that unit]
    alpha, beta : float
        [Gy^-1], [Gy^-2]
    repair_rate : float
        In the inverse of the unit of time.

    Returns
    -------
    float
        E = -ln S. [1]

    Raises
    ------
    InputError
        Arrays of different length, a negative time, rate or parameter.
    """
    doing = "computing the kill of a varying dose rate"
    spans = non_negative(_vector(durations), "duration", doing)
    rates = non_negative(_vector(dose_rates), "dose rate", doing)
    if spans.shape != rates.shape:
        raise InputError(
            doing=doing,
            found=f"{spans.size} durations and {rates.size} dose rates",
            expected="one dose rate for each segment",
            try_="giving pauses as segments of rate zero",
        )
    mu = non_negative(repair_rate, "repair rate", doing)
    unrepaired, lesion_product = 0.0, 0.0
    for span, rate in zip(spans.tolist(), rates.tolist(), strict=True):
        carried = span * _mean_decay(mu * span)
        lesion_product += rate * (unrepaired * carried + rate * span**2 * lea_catcheside(1.0, mu * span) / 2.0)
        unrepaired = unrepaired * float(np.exp(-mu * span)) + rate * carried
    dose = float(np.sum(spans * rates))
    linear = non_negative(alpha, "alpha [1/Gy]", doing) * dose
    return linear + 2.0 * non_negative(beta, "beta [1/Gy^2]", doing) * lesion_product


def lea_catcheside_of_rates(durations: ArrayLike, dose_rates: ArrayLike, repair_rate: float) -> float:
    """Lea–Catcheside factor of any piecewise constant dose rate; see `dose_rate_log_kill`.

    Raises
    ------
    InputError
        As `dose_rate_log_kill`, and a total dose of zero, for which G has no meaning.
    """
    dose = float(np.sum(_vector(durations) * _vector(dose_rates)))
    positive(dose, "total dose [Gy]", "computing the Lea–Catcheside factor")
    return dose_rate_log_kill(durations, dose_rates, 0.0, 1.0, repair_rate) / dose**2


def _mean_decay(x: float) -> float:
    """Mean of exp(-x u) over u in [0, 1]."""
    return 1.0 if x == 0.0 else float(-np.expm1(-x) / x)


def _vector(values: ArrayLike) -> FloatArray:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
