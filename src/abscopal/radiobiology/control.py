"""Tumour control from the number of clonogens expected to survive."""

import numpy as np
from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.radiobiology.checks import Dose, FloatArray, non_negative


def tcp_poisson(clonogen_density: float, volume: float, survival: Dose) -> Dose:
    r"""Probability that no clonogen survives, when survivors are Poisson distributed.

    .. math:: \mathrm{TCP} = e^{-\rho V \bar S}

    Parameters
    ----------
    clonogen_density : float
        rho. [cm^-3]
    volume : float
        Tumour volume. [cm³]
    survival : float or array, shape (*n,)
        Surviving fraction of the whole course, voxel-averaged. [1]

    Returns
    -------
    float or array, shape (*n,)
        [1]

    Raises
    ------
    InputError
        A negative input.

    Notes
    -----
    Uniform sensitivity: population curves are shallower than this.
    """
    doing = "computing TCP"
    cells = non_negative(clonogen_density, "clonogen density [1/cm^3]", doing) * non_negative(
        volume, "volume [cm^3]", doing
    )
    probability: Dose = np.exp(-cells * non_negative(survival, "survival", doing))
    return probability


def tcp_of_voxels(clonogens: ArrayLike, log_kill: ArrayLike) -> float:
    """Poisson TCP of voxels with their own clonogen numbers and log kill of the course.

    Parameters
    ----------
    clonogens, log_kill : array, shape (m,)
        Clonogens in each voxel [1] and E = -ln S there over the whole course [1].

    Raises
    ------
    InputError
        Arrays of different length or a negative entry.
    """
    doing = "computing TCP of voxels"
    cells = non_negative(_vector(clonogens), "clonogen number", doing)
    kill = non_negative(_vector(log_kill), "log kill", doing)
    if cells.shape != kill.shape:
        raise InputError(
            doing=doing,
            found=f"{cells.size} clonogen numbers and {kill.size} log kills",
            expected="one of each for every voxel",
            try_="flattening both in the same order",
        )
    return float(np.exp(-(cells @ np.exp(-kill))))


def _vector(values: ArrayLike) -> FloatArray:
    return np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel()
