"""Schedules compared at equal effect: BED, EQD2, and the dose per fraction that keeps BED.

Every function takes the dose of *one fraction* and the fraction count, never a bare total:
a total alone does not define an isoeffective dose.
"""

import math

import numpy as np

from abscopal.radiobiology.checks import Dose, non_negative, positive, whole_fractions


def bed(dose_per_fraction: Dose, n_fractions: int, alpha_beta: float) -> Dose:
    r"""Biologically effective dose of equal fractions with full repair between them.

    .. math:: \mathrm{BED} = n d \left(1 + \frac{d}{\alpha/\beta}\right)

    Parameters
    ----------
    dose_per_fraction : float or array, shape (*n,)
        Physical dose of one fraction. [Gy]
    n_fractions : int
        Number of fractions. [1]
    alpha_beta : float
        Fractionation sensitivity of the tissue. [Gy]

    Returns
    -------
    float or array, shape (*n,)
        [Gy]

    Raises
    ------
    InputError
        Negative dose, fewer than one fraction, or an alpha/beta that is not positive.

    Notes
    -----
    Repopulation is left out; see `bed_with_repopulation`. Above about 10 Gy per fraction the
    linear-quadratic form itself is in doubt; see `survival.lql_log_kill`.

    Examples
    --------
    >>> bed(2.0, 30, alpha_beta=10.0)
    72.0
    """
    doing = "computing BED"
    d = non_negative(dose_per_fraction, "dose per fraction [Gy]", doing)
    ab = positive(alpha_beta, "alpha/beta [Gy]", doing)
    return whole_fractions(n_fractions, doing) * d * (d + ab) / ab


def eqd2(dose_per_fraction: Dose, n_fractions: int, alpha_beta: float) -> Dose:
    r"""Total dose in 2 Gy fractions with the same BED.

    .. math:: \mathrm{EQD2} = n d \, \frac{d + \alpha/\beta}{2 + \alpha/\beta}

    Parameters
    ----------
    dose_per_fraction : float or array, shape (*n,)
        Physical dose of one fraction. [Gy]
    n_fractions : int
        Number of fractions. [1]
    alpha_beta : float
        Fractionation sensitivity of the tissue. [Gy]

    Returns
    -------
    float or array, shape (*n,)
        [Gy]

    Raises
    ------
    InputError
        As `bed`.

    Examples
    --------
    >>> eqd2(18.0, 3, alpha_beta=10.0)
    126.0
    """
    doing = "computing EQD2"
    d = non_negative(dose_per_fraction, "dose per fraction [Gy]", doing)
    ab = positive(alpha_beta, "alpha/beta [Gy]", doing)
    return whole_fractions(n_fractions, doing) * d * (d + ab) / (2.0 + ab)


def eqd2_of_total(total_dose: Dose, n_fractions: int, alpha_beta: float) -> Dose:
    """EQD2 of a total dose given in `n_fractions` equal parts, such as a plan's dose grid.

    Parameters
    ----------
    total_dose : float or array, shape (*n,)
        Physical dose of the whole course at each point. [Gy]
    n_fractions, alpha_beta
        As in `eqd2`.

    Returns
    -------
    float or array, shape (*n,)
        [Gy]

    Raises
    ------
    InputError
        As `bed`.
    """
    n = whole_fractions(n_fractions, "computing EQD2")
    return eqd2(non_negative(total_dose, "total dose [Gy]", "computing EQD2") / n, n, alpha_beta)


def bed_with_repopulation(
    dose_per_fraction: Dose,
    n_fractions: int,
    alpha_beta: float,
    *,
    overall_time: float,
    kick_off: float,
    alpha: float,
    doubling_time: float,
) -> Dose:
    r"""BED less what tumour repopulation after the kick-off time gives back.

    .. math:: \mathrm{BED}_T = \mathrm{BED} - \frac{\ln 2 \; \max(0, T - T_k)}{\alpha\, T_{pot}}

    Parameters
    ----------
    overall_time, kick_off : float
        Time from first to last fraction T, and the time T_k when fast repopulation starts. [day]
    alpha : float
        Linear sensitivity. [Gy^-1]
    doubling_time : float
        Potential doubling time T_pot. [day]

    Returns
    -------
    float or array, shape (*n,)
        Negative when repopulation outruns the dose; it is not clipped. [Gy]

    Raises
    ------
    InputError
        Negative dose or time, or an alpha, alpha/beta or doubling time that is not positive.
    """
    doing = "computing BED with repopulation"
    elapsed = non_negative(overall_time, "overall time [day]", doing)
    late = max(0.0, elapsed - non_negative(kick_off, "T_k [day]", doing))
    rate = positive(alpha, "alpha [1/Gy]", doing) * positive(doubling_time, "T_pot [day]", doing)
    return bed(dose_per_fraction, n_fractions, alpha_beta) - math.log(2.0) * late / rate


def isoeffective_dose_per_fraction(bed_target: Dose, n_fractions: int, alpha_beta: float) -> Dose:
    r"""Dose per fraction that gives `bed_target` in `n_fractions` equal fractions.

    .. math:: d = \frac{2B/n}{1 + \sqrt{1 + 4B/(n\,\alpha/\beta)}}

    the positive root of `bed(d, n, alpha/beta) = B`, in the form that keeps its digits when
    the dose per fraction is small.

    Parameters
    ----------
    bed_target : float or array, shape (*n,)
        [Gy]
    n_fractions : int
        [1]
    alpha_beta : float
        [Gy]

    Returns
    -------
    float or array, shape (*n,)
        [Gy]

    Raises
    ------
    InputError
        Negative BED, fewer than one fraction, or an alpha/beta that is not positive.

    Examples
    --------
    >>> round(float(isoeffective_dose_per_fraction(72.0, 3, alpha_beta=10.0)), 6)
    11.278821
    """
    doing = "finding the dose per fraction of equal BED"
    share = non_negative(bed_target, "BED [Gy]", doing) / whole_fractions(n_fractions, doing)
    root: Dose = np.sqrt(1.0 + 4.0 * share / positive(alpha_beta, "alpha/beta [Gy]", doing))
    return 2.0 * share / (1.0 + root)
