r"""Closed forms of complication probability. Pure functions of numbers; nothing is looked up.

Symbols: gEUD, TD50, m, n = 1/a (Lyman, Kutcher, Burman); gamma50 the normalised slope at 50 %;
s the seriality (Källman). Dose is in the convention of the model that supplies the parameters.

Every function takes floats or arrays. Histograms are `dose`, shape (m,), with `volume`, shape
(m,) or (n, m) for n patients; their parameters may be arrays of shape (d,), one entry for each
draw, and the result then has shape (d,) or (n, d).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

FloatArray = NDArray[np.float64]
Real = float | FloatArray
LEAST_SUM = 1e-290
"""A sum of scaled powers below this has lost its digits; the patient is scaled by their own maximum."""
MOST_EXPONENT = 690.0
"""Exponents are held within ±690, where exp neither overflows nor vanishes."""


def geud(dose: FloatArray, volume: FloatArray, a: Real) -> FloatArray:
    r"""Generalised equivalent uniform dose, finite for any positive exponent.

    .. math:: \mathrm{gEUD} = D_{max} \left(\sum_i v_i (D_i / D_{max})^a\right)^{1/a}

    Parameters
    ----------
    dose : array, shape (m,)
        Dose of each bin. [Gy]
    volume : array, shape (m,) or (n, m)
        Volume of each bin, in any unit.
    a : float or array, shape (d,)
        Volume exponent, positive; 1 is the mean, large is the maximum. [1]

    Returns
    -------
    array, shape (n,), (d,) or (n, d), or a scalar
        [Gy]

    References
    ----------
    Niemierko A, Med Phys 1997 (form recalled).
    """
    share, exponent = _shares(volume), np.atleast_1d(np.asarray(a, dtype=np.float64))
    found = _scaled_geud(dose, share, exponent)
    lost = np.flatnonzero((found <= 0).any(axis=1))
    for row in lost:
        found[row] = _scaled_geud(dose, share[row : row + 1], exponent)[0]
    return _shaped(found, volume, a)


def _scaled_geud(dose: FloatArray, share: FloatArray, a: FloatArray) -> FloatArray:
    filled = (share > 0).any(axis=0)
    dose, share = dose[filled], share[:, filled]
    top = float(dose.max())
    if top <= 0:
        return np.zeros((share.shape[0], a.size))
    total = share @ (dose[:, np.newaxis] / top) ** a
    return np.where(total > LEAST_SUM, top * total ** (1 / a), 0.0)


def lkb(geud_gy: Real, td50: Real, m: Real) -> FloatArray:
    r"""Lyman-Kutcher-Burman probability, :math:`\Phi((\mathrm{gEUD} - TD_{50}) / (m\,TD_{50}))`.

    Parameters
    ----------
    geud_gy, td50 : float or array
        [Gy]
    m : float or array
        Inverse slope. [1]
    """
    return np.asarray(ndtr((geud_gy - td50) / (m * td50)))


def log_logit(geud_gy: Real, td50: Real, gamma50: Real) -> FloatArray:
    r"""Niemierko's log-logistic probability, :math:`1 / (1 + (TD_{50}/\mathrm{gEUD})^{4\gamma_{50}})`.

    Parameters
    ----------
    geud_gy, td50 : float or array
        [Gy]
    gamma50 : float or array
        Normalised slope at 50 %. [1]
    """
    with np.errstate(divide="ignore"):
        return np.asarray(expit(4 * gamma50 * np.log(geud_gy / td50)))


def logistic(score: Real) -> FloatArray:
    """1 / (1 + exp(-score))."""
    return np.asarray(expit(score))


def poisson_response(dose: Real, d50: Real, gamma: Real) -> FloatArray:
    r"""Probability of a uniformly irradiated organ, :math:`2^{-\exp(e\gamma(1 - D/D_{50}))}`.

    Parameters
    ----------
    dose : float or array
        [Gy]
    d50 : float or array
        [Gy]
    gamma : float or array
        Slope in the form with e·gamma. [1]
    """
    return np.asarray(np.exp2(-np.exp(_poisson_exponent(dose, d50, gamma))))


def _poisson_exponent(dose: Real, d50: Real, gamma: Real) -> FloatArray:
    return np.clip(np.e * gamma * (1 - dose / d50), -MOST_EXPONENT, MOST_EXPONENT)


def relative_seriality(dose: FloatArray, volume: FloatArray, d50: Real, gamma: Real, s: Real) -> FloatArray:
    r"""Relative-seriality probability of an organ.

    .. math:: \mathrm{NTCP} = \left(1 - \prod_i (1 - P(D_i)^s)^{v_i}\right)^{1/s}

    Parameters
    ----------
    dose : array, shape (m,)
        Dose of each bin. [Gy]
    volume : array, shape (m,) or (n, m)
        Volume of each bin, in any unit.
    d50, gamma, s : float or array, shape (d,)
        [Gy], [1], [1]

    References
    ----------
    Källman P, Ågren A, Brahme A, Int J Radiat Biol 1992 (form recalled).
    """
    share, seriality = _shares(volume), np.atleast_1d(np.asarray(s, dtype=np.float64))
    surviving = seriality * np.log(2) * np.exp(_poisson_exponent(dose[:, np.newaxis], d50, gamma))
    total = share @ _log_of_rest(surviving)
    return _shaped((-np.expm1(total)) ** (1 / seriality), volume, d50, gamma, s)


def _log_of_rest(y: FloatArray) -> FloatArray:
    """ln(1 - exp(-y)), to full precision where exp(-y) rounds to 0 or to 1."""
    small = np.minimum(y, np.log(2))
    return np.where(y > small, np.log1p(-np.exp(-np.maximum(y, np.log(2)))), np.log(-np.expm1(-small)))


def shift_odds(probability: Real, odds_ratio: Real) -> FloatArray:
    """The probability after its odds are multiplied by `odds_ratio`; 0 and 1 stay."""
    return np.asarray(expit(logit(probability) + np.log(odds_ratio)))


def steepen(probability: Real, slope: Real) -> FloatArray:
    """The probability after its log odds are multiplied by `slope`; 0, one half and 1 stay."""
    return np.asarray(expit(slope * logit(probability)))


def independent_causes(one: Real, other: Real, k: float = 1.0) -> FloatArray:
    r"""Probability of a complication that either of two independent causes brings about.

    .. math:: p = 1 - (1 - p_1)(1 - p_2)^k

    Parameters
    ----------
    one, other : float or array
        [1]
    k : float
        Multiplies the cumulative hazard of the second cause; 1 for independent causes. [1]
    """
    return np.asarray(1 - (1 - one) * (1 - np.asarray(other)) ** k)


def relative_rate(dose: float, excess_per_gray: float) -> float:
    """Linear excess relative rate, 1 + k·D: a ratio of rates, never a probability."""
    return 1 + excess_per_gray * dose


def _shares(volume: FloatArray) -> FloatArray:
    rows = np.atleast_2d(volume)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _shaped(result: FloatArray, volume: FloatArray, *parameters: Real) -> FloatArray:
    """Drop the axis of patients or draws where none was given."""
    if all(np.ndim(value) == 0 for value in parameters):
        result = result[:, 0]
    return result[0] if np.ndim(volume) == 1 else result
