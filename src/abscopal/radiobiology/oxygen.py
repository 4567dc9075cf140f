"""Oxygen enhancement: how much less the same dose does where oxygen is low."""

import numpy as np

from abscopal.radiobiology.checks import Dose, non_negative, positive


def oxygen_enhancement_ratio(po2: Dose, maximum: float, half_pressure: float) -> Dose:
    r"""Oxygen enhancement ratio at a partial pressure (Alper–Howard-Flanders form).

    .. math:: \mathrm{OER}(p) = \frac{m p + K}{p + K}

    Parameters
    ----------
    po2 : float or array, shape (*n,)
        Oxygen partial pressure p. [mmHg]
    maximum : float
        OER of full oxygenation m. [1]
    half_pressure : float
        Pressure K of half the effect. [mmHg]

    Returns
    -------
    float or array, shape (*n,)
        Between 1 (anoxic) and m. [1]

    Raises
    ------
    InputError
        A negative pressure, or a parameter that is not positive.
    """
    doing = "computing the OER"
    p = non_negative(po2, "pO2 [mmHg]", doing)
    k = positive(half_pressure, "K [mmHg]", doing)
    return (positive(maximum, "maximum OER", doing) * p + k) / (p + k)


def oxygen_modification_factor(po2: Dose, maximum: float, half_pressure: float) -> Dose:
    """OER over its maximum: the factor by which dose is replaced, 1 where fully oxygenated.

    Parameters and errors as `oxygen_enhancement_ratio`.
    """
    return oxygen_enhancement_ratio(po2, maximum, half_pressure) / maximum


def oxygen_effective_dose(dose: Dose, po2: Dose, maximum: float, half_pressure: float) -> Dose:
    """Dose to fully oxygenated cells with the same effect as `dose` at `po2`, in Gy.

    Parameters
    ----------
    dose, po2 : float or array, broadcastable
        [Gy], [mmHg]
    maximum, half_pressure
        As in `oxygen_enhancement_ratio`.
    """
    d = non_negative(dose, "dose [Gy]", "computing the oxygen-effective dose")
    return d * oxygen_modification_factor(po2, maximum, half_pressure)


def reoxygenating_po2(time: Dose, hypoxic: float, oxic: float, rate: float) -> Dose:
    """Partial pressure of a hypoxic part relaxing to that of the oxic part, in mmHg.

    Parameters
    ----------
    time : float or array, shape (*n,)
        Since reoxygenation began. [day]
    hypoxic, oxic : float
        Pressure at the start and in the limit. [mmHg]
    rate : float
        [day^-1]

    Raises
    ------
    InputError
        A negative time, pressure or rate.
    """
    doing = "computing reoxygenation"
    start = non_negative(hypoxic, "hypoxic pO2 [mmHg]", doing)
    gap = non_negative(oxic, "oxic pO2 [mmHg]", doing) - start
    exponent = non_negative(time, "time [day]", doing) * non_negative(rate, "rate [1/day]", doing)
    left: Dose = np.exp(-exponent)
    return start + gap * (1.0 - left)
