"""How much more two treatments do together than either alone would let expect."""

from dataclasses import dataclass
from math import log10

from abscopal.domain.errors import InputError


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
    return Synergy(
        y_rt=y_rt,
        y_ici=y_ici,
        y_both=y_both,
        bliss_excess=y_rt * y_ici - y_both,  # (1 - y_both) - (1 - y_rt y_ici)
        log_synergy=log10(y_rt * y_ici / y_both),
        hsa_excess=min(y_rt, y_ici) - y_both,
    )
