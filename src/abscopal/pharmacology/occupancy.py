"""Share of a target that a drug occupies."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError


def occupancy(concentration: ArrayLike, k50: float) -> NDArray[np.float64]:
    r"""Occupied share of the target, :math:`c/(c+K_{50})`.

    Parameters
    ----------
    concentration : array, shape (*n,)
        [mg/L]
    k50 : float
        Concentration of half occupancy. [mg/L]

    Returns
    -------
    array, shape (*n,)
        From 0 to 1. [1]

    Raises
    ------
    InputError
        A negative concentration, or a `k50` that is not positive.

    Examples
    --------
    >>> float(occupancy(3.0, k50=3.0))
    0.5
    """
    c = np.asarray(concentration, dtype=np.float64)
    if not k50 > 0 or (c < 0).any():
        raise InputError(
            doing="computing an occupancy",
            found=f"K50 = {k50:g} and a lowest concentration of {c.min():g} mg/L",
            expected="a positive K50 and concentrations that are not negative",
            try_="checking their units, mg/L",
        )
    return c / (c + k50)
