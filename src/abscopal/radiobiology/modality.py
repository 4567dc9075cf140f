"""What changes when dose is not uniform photon dose: RBE, spatial fractionation, FLASH."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.radiobiology.checks import Dose, FloatArray, non_negative, positive
from abscopal.radiobiology.survival import lq_log_kill

DoseRateRegime = Literal["conventional", "FLASH"]


def rbe_weighted(physical_dose: Dose, rbe: float) -> Dose:
    """Dose weighted by a constant relative biological effectiveness.

    Parameters
    ----------
    physical_dose : float or array, shape (*n,)
        [Gy]
    rbe : float
        [1]

    Returns
    -------
    float or array, shape (*n,)
        [Gy(RBE)]

    Raises
    ------
    InputError
        A negative dose, or an RBE that is not positive.
    """
    doing = "weighting dose by RBE"
    return non_negative(physical_dose, "dose [Gy]", doing) * positive(rbe, "RBE", doing)


def voxel_averaged_survival(
    doses: ArrayLike, volumes: ArrayLike, alpha: float, beta: float, n_fractions: int = 1
) -> float:
    r"""Survival of a target whose voxels get different doses (GRID, lattice, microbeam).

    .. math:: \bar S = \sum_i v_i\, e^{-n(\alpha d_i + \beta d_i^2)}

    Parameters
    ----------
    doses : array, shape (m,)
        Dose of one fraction to each voxel. [Gy]
    volumes : array, shape (m,)
        Volume of each voxel in any unit; normalised here.
    alpha, beta : float
        [Gy^-1], [Gy^-2]
    n_fractions : int
        Fractions that all repeat this pattern in register. [1]

    Returns
    -------
    float
        [1]

    Raises
    ------
    InputError
        Arrays of different length, negative values, or no volume.
    """
    d, share = _weighted(doses, volumes, "averaging survival over voxels")
    return float(share @ np.exp(-n_fractions * lq_log_kill(d, alpha, beta)))


def uniform_dose_of_survival(survival: Dose, alpha: float, beta: float) -> Dose:
    r"""Uniform single dose with a given survival: the inverse of the LQ curve.

    .. math:: D = \frac{-2 \ln S}{\alpha + \sqrt{\alpha^2 - 4\beta \ln S}}

    which is (-α + √(α²-4β ln S))/(2β) in the form that also holds at β = 0.

    Parameters
    ----------
    survival : float or array, shape (*n,)
        In (0, 1]. [1]
    alpha, beta : float
        Alpha positive. [Gy^-1], [Gy^-2]

    Returns
    -------
    float or array, shape (*n,)
        [Gy]

    Raises
    ------
    InputError
        A survival that is zero or above one (up to rounding), or a bad parameter.
    """
    doing = "inverting the LQ curve"
    log_survival: Dose = np.log(positive(survival, "survival", doing))
    kill: Dose = non_negative(-log_survival, "-ln survival", doing)
    a = positive(alpha, "alpha [1/Gy]", doing)
    root: Dose = np.sqrt(a * a + 4.0 * non_negative(beta, "beta [1/Gy^2]", doing) * kill)
    return 2.0 * kill / (a + root)


def equivalent_uniform_dose(doses: ArrayLike, volumes: ArrayLike, alpha: float, beta: float) -> float:
    """Uniform single dose with the voxel-averaged survival of `doses` (Niemierko's EUD with LQ).

    Never above the mean dose where the survival curve is convex over the doses, and always
    between the lowest and the highest voxel dose.

    Parameters
    ----------
    doses, volumes, alpha, beta
        As in `voxel_averaged_survival`, one fraction.

    Returns
    -------
    float
        [Gy]
    """
    d, share = _weighted(doses, volumes, "computing the EUD")
    # Survival relative to the coldest voxel, so that hot voxels cannot underflow the mean.
    kill = lq_log_kill(d, alpha, beta)
    coldest = float(np.min(kill))
    total = max(coldest, coldest - float(np.log(share @ np.exp(coldest - kill))))
    a = positive(alpha, "alpha [1/Gy]", "computing the EUD")
    return float(2.0 * total / (a + np.sqrt(a * a + 4.0 * beta * total)))


def generalised_eud(doses: ArrayLike, volumes: ArrayLike, a: float) -> float:
    r"""Generalised equivalent uniform dose.

    .. math:: \mathrm{gEUD} = \left(\sum_i v_i D_i^a\right)^{1/a}

    Parameters
    ----------
    doses, volumes : array, shape (m,)
        Dose and volume of each voxel or DVH bin. [Gy], [any]
    a : float
        1 is the mean, large positive tends to the maximum, negative to the minimum. Not n of
        the Lyman model, which is 1/a. [1]

    Returns
    -------
    float
        0 for negative `a` when any voxel gets nothing. [Gy]

    Raises
    ------
    InputError
        a = 0, negative values, or no volume.
    """
    doing = "computing gEUD"
    d, share = _weighted(doses, volumes, doing)
    if a == 0.0 or not np.isfinite(a):
        raise InputError(
            doing=doing,
            found=f"a = {a:g}",
            expected="a finite exponent other than zero",
            try_="a = 1 for the mean dose",
        )
    reached = d[share > 0.0]
    # Scaled by the dose that dominates the sum, so that no power overflows.
    scale = float(np.max(reached) if a > 0.0 else np.min(reached))
    if scale == 0.0:
        return 0.0
    with np.errstate(over="ignore"):  # a ratio too large to write counts for nothing at negative a
        powers = (reached / scale) ** a
    return scale * float((share[share > 0.0] @ powers) ** (1.0 / a))


@dataclass(frozen=True)
class FlashEstimate:
    """Band of the conventional dose that would do the same harm to normal tissue.

    Attributes
    ----------
    low, high : float
        Equal where FLASH sparing is not claimed. [Gy]
    regime : str
        `"FLASH"` when both the dose-rate and the dose threshold are met.
    notes : tuple of str
        What the reader must be told.
    """

    low: float
    high: float
    regime: DoseRateRegime
    notes: tuple[str, ...]


def flash_equivalent_dose(dose: float, mean_dose_rate: float) -> FlashEstimate:
    """Conventional dose equivalent in normal tissue of a dose given at `mean_dose_rate`.

    Parameters
    ----------
    dose : float
        Dose of one fraction. [Gy]
    mean_dose_rate : float
        [Gy/s]

    Returns
    -------
    FlashEstimate
        A band from dose / (largest modifying factor) to dose / (smallest). Every number in
        it is marked uncertain; never use it to choose a dose.

    Raises
    ------
    InputError
        A negative dose or rate.
    """
    doing = "estimating FLASH sparing"
    sheet = load("radiobiology/modality")
    d = non_negative(dose, "dose [Gy]", doing)
    fast = non_negative(mean_dose_rate, "dose rate [Gy/s]", doing) >= sheet["flash_dose_rate"]
    if not (fast and d >= sheet["flash_minimum_dose"]):
        return FlashEstimate(d, d, "conventional", ("below the dose or dose rate at which FLASH sparing is reported",))
    least, most = sheet.vector("flash_dose_modifying_factor")
    note = f"FLASH dose-modifying factor {least:g} to {most:g} is uncertain: a range for discussion, not a prediction"
    return FlashEstimate(d / most, d / least, "FLASH", (note,))


def _weighted(doses: ArrayLike, volumes: ArrayLike, doing: str) -> tuple[FloatArray, FloatArray]:
    d = non_negative(np.atleast_1d(np.asarray(doses, dtype=np.float64)), "dose [Gy]", doing)
    v = non_negative(np.atleast_1d(np.asarray(volumes, dtype=np.float64)), "volume", doing)
    if d.shape != v.shape:
        raise InputError(
            doing=doing,
            found=f"doses of shape {d.shape} and volumes of shape {v.shape}",
            expected="one volume for each dose",
            try_="flattening both in the same order",
        )
    return d.ravel(), v.ravel() / positive(float(v.sum()), "total volume", doing)
