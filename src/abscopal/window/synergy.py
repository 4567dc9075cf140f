"""How much more two treatments do together than either alone would let expect."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
Scalar = float | FloatArray
Verdict = Literal["index", "RT alone", "beyond both maxima"]


@dataclass(frozen=True)
class Synergy:
    """Interaction of radiation (RT) and checkpoint inhibition (ICI) in one lesion at one time.

    Volumes are ratios to no treatment; the effect is one minus that ratio.

    Attributes
    ----------
    y_rt, y_ici, y_both : float
        Volume ratio under each arm. [1]
    bliss_excess : float
        Effect of both, less what independent action gives; positive is synergy. [1]
    log_synergy : float
        S_B = log10(y_rt y_ici / y_both); positive is synergy. [1]
    hsa_excess : float
        Effect of both, less that of the better single arm. [1]
    """

    y_rt: float
    y_ici: float
    y_both: float
    bliss_excess: float
    log_synergy: float
    hsa_excess: float


@dataclass(frozen=True)
class Loewe:
    """Dose additivity of one combination.

    Attributes
    ----------
    index : float or None
        Combination index, d/D_RT + c/C_ICI; under 1 is synergy. None when neither treatment alone reaches the
        effect. [1]
    dose_reduction : float or None
        D_RT/d: how many times the dose per fraction radiation alone would need. None when no dose does. [1]
    verdict : {"index", "RT alone", "beyond both maxima"}
        `index`: both reach the effect alone. `RT alone`: ICI never does, so its term is zero. `beyond both
        maxima`: the index is undefined.
    """

    index: float | None
    dose_reduction: float | None
    verdict: Verdict


def interaction(y_rt: float, y_ici: float, y_both: float) -> Synergy:
    r"""Bliss excess, its logarithmic form and the excess over the highest single agent.

    .. math:: e_{exp} = e_{RT} + e_{ICI} - e_{RT} e_{ICI}, \qquad S_B = \log_{10}\frac{y_{RT} y_{ICI}}{y_{both}}

    Parameters
    ----------
    y_rt, y_ici, y_both : float
        Volume under each arm over volume without treatment, at the same time. [1]

    Raises
    ------
    InputError
        A ratio that is not positive and finite.

    Examples
    --------
    >>> together = interaction(0.8, 0.5, 0.4)
    >>> round(together.bliss_excess, 12), round(together.log_synergy, 12), round(together.hsa_excess, 12)
    (0.0, 0.0, 0.1)
    """
    for name, y in (("RT", y_rt), ("ICI", y_ici), ("RT and ICI", y_both)):
        if not 0 < y < float("inf"):
            raise InputError(
                doing="computing synergy",
                found=f"a volume ratio of {y:g} under {name}",
                expected="a positive, finite ratio to the untreated volume",
                try_="an earlier readout, before the lesion is eradicated",
            )
    effects = (1 - y_rt, 1 - y_ici, 1 - y_both)
    return Synergy(
        y_rt=y_rt,
        y_ici=y_ici,
        y_both=y_both,
        bliss_excess=y_rt * y_ici - y_both,  # without the rounding of 1 - y
        log_synergy=float(log_synergy(y_rt, y_ici, y_both)),
        hsa_excess=float(hsa_excess(*effects)),
    )


def bliss_excess(e_rt: Scalar, e_ici: Scalar, e_both: Scalar) -> Scalar:
    """Effect of both, less that of independent action; for effects in 0 to 1 or probabilities."""
    return e_both - (e_rt + e_ici - e_rt * e_ici)


def hsa_excess(e_rt: Scalar, e_ici: Scalar, e_both: Scalar) -> Scalar:
    """Effect of both, less that of the better single arm."""
    return e_both - np.maximum(e_rt, e_ici)


def log_synergy(y_rt: Scalar, y_ici: Scalar, y_both: Scalar) -> Scalar:
    """S_B = log10(y_rt y_ici / y_both) of volume ratios; positive is synergy."""
    return np.log10(y_rt) + np.log10(y_ici) - np.log10(y_both)


def smallest_dose(doses: ArrayLike, effects: ArrayLike, wanted: float) -> float:
    """The smallest dose whose effect alone reaches `wanted`, by linear interpolation; infinite if none does.

    Parameters
    ----------
    doses, effects : array, shape (n,)
        Ascending doses from zero. The effect may fall again at higher doses; the first crossing counts.
    """
    x, e = np.asarray(doses, dtype=np.float64), np.asarray(effects, dtype=np.float64)
    reached = np.flatnonzero(e >= wanted)
    if not reached.size:
        return float("inf")
    k = int(reached[0])
    if k == 0 or e[k] == e[k - 1]:
        return float(x[k])
    return float(x[k - 1] + (x[k] - x[k - 1]) * (wanted - e[k - 1]) / (e[k] - e[k - 1]))


def loewe(dose: float, needed_rt: float, needed_ici: float) -> Loewe:
    """Combination index and dose-reduction index of `dose` with one unit of ICI.

    Parameters
    ----------
    dose : float
        Dose per fraction of the combination. [Gy]
    needed_rt : float
        Dose per fraction at which radiation alone has the combination's effect, infinite if none. [Gy]
    needed_ici : float
        Multiple of the ICI doses at which ICI alone has it, infinite if none. [1]

    Examples
    --------
    >>> loewe(8.0, 16.0, float("inf"))
    Loewe(index=0.5, dose_reduction=2.0, verdict='RT alone')
    >>> loewe(8.0, float("inf"), float("inf")).verdict
    'beyond both maxima'
    """
    if np.isinf(needed_rt) and np.isinf(needed_ici):
        return Loewe(None, None, "beyond both maxima")
    terms = [given / needed if needed > 0 else float("inf") for given, needed in ((dose, needed_rt), (1.0, needed_ici))]
    reduction = None if np.isinf(needed_rt) else needed_rt / dose
    # An effect of nothing needs no dose of either: additivity says nothing then.
    index = None if np.isinf(sum(terms)) else sum(terms)
    return Loewe(index, reduction, "RT alone" if np.isinf(needed_ici) else "index")
