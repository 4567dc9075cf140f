r"""Closed forms of complication probability. Pure functions of numbers; nothing is looked up.

Symbols: gEUD, TD50, m, n = 1/a (Lyman, Kutcher, Burman); gamma50 the normalised slope at 50 %;
s the seriality (Källman). Dose is in the convention of the model that supplies the parameters.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

FloatArray = NDArray[np.float64]


def geud(dose: FloatArray, volume: FloatArray, a: float) -> float:
    r"""Generalised equivalent uniform dose, finite for any positive exponent.

    .. math:: \mathrm{gEUD} = D_{max} \left(\sum_i v_i (D_i / D_{max})^a\right)^{1/a}

    Parameters
    ----------
    dose : array, shape (m,)
        Dose of each bin. [Gy]
    volume : array, shape (m,)
        Volume of each bin, in any unit.
    a : float
        Volume exponent, positive; 1 is the mean, large is the maximum. [1]

    Returns
    -------
    float
        [Gy]

    References
    ----------
    Niemierko A, Med Phys 1997 (form recalled).
    """
    filled = volume > 0
    dose, share = dose[filled], volume[filled] / volume[filled].sum()
    top = float(dose.max())
    return top * float(share @ (dose / top) ** a) ** (1 / a) if top > 0 else 0.0


def lkb(geud_gy: float, td50: float, m: float) -> float:
    r"""Lyman-Kutcher-Burman probability, :math:`\Phi((\mathrm{gEUD} - TD_{50}) / (m\,TD_{50}))`.

    Parameters
    ----------
    geud_gy, td50 : float
        [Gy]
    m : float
        Inverse slope. [1]
    """
    return float(ndtr((geud_gy - td50) / (m * td50)))


def log_logit(geud_gy: float, td50: float, gamma50: float) -> float:
    r"""Niemierko's log-logistic probability, :math:`1 / (1 + (TD_{50}/\mathrm{gEUD})^{4\gamma_{50}})`.

    Parameters
    ----------
    geud_gy, td50 : float
        [Gy]
    gamma50 : float
        Normalised slope at 50 %. [1]
    """
    return float(expit(4 * gamma50 * np.log(geud_gy / td50))) if geud_gy > 0 else 0.0


def logistic(score: float) -> float:
    """1 / (1 + exp(-score))."""
    return float(expit(score))


def poisson_response(dose: FloatArray, d50: float, gamma: float) -> FloatArray:
    r"""Probability of a uniformly irradiated organ, :math:`2^{-\exp(e\gamma(1 - D/D_{50}))}`.

    Parameters
    ----------
    dose : array, shape (m,)
        [Gy]
    d50 : float
        [Gy]
    gamma : float
        Slope in the form with e·gamma. [1]
    """
    return np.exp2(-np.exp(np.e * gamma * (1 - dose / d50)))


def relative_seriality(dose: FloatArray, volume: FloatArray, d50: float, gamma: float, s: float) -> float:
    r"""Relative-seriality probability of an organ.

    .. math:: \mathrm{NTCP} = \left(1 - \prod_i (1 - P(D_i)^s)^{v_i}\right)^{1/s}

    Parameters
    ----------
    dose, volume : array, shape (m,)
        Bins; volume in any unit. [Gy], [any]
    d50, gamma, s : float
        [Gy], [1], [1]

    References
    ----------
    Källman P, Ågren A, Brahme A, Int J Radiat Biol 1992 (form recalled).
    """
    filled = volume > 0
    share = volume[filled] / volume[filled].sum()
    damaged = poisson_response(dose[filled], d50, gamma) ** s
    if (damaged >= 1).any():
        return 1.0
    return float((-np.expm1(share @ np.log1p(-damaged))) ** (1 / s))


def shift_odds(probability: float, odds_ratio: float) -> float:
    """The probability after its odds are multiplied by `odds_ratio`."""
    if probability in (0.0, 1.0):
        return probability
    return float(expit(logit(probability) + np.log(odds_ratio)))


def relative_rate(dose: float, excess_per_gray: float) -> float:
    """Linear excess relative rate, 1 + k·D: a ratio of rates, never a probability."""
    return 1 + excess_per_gray * dose
