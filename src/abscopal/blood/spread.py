"""How unevenly an organ is irradiated: its dose relative to its own mean, in a few bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spread:
    """Distribution of dose within an organ, relative to its mean.

    Attributes
    ----------
    relative : array, shape (m,)
        Dose of each bin over the organ's mean; the weighted mean is 1. [1]
    share : array, shape (m,)
        Share of the organ's blood in each bin; sums to 1. [1]
    """

    relative: FloatArray
    share: FloatArray


def spread_of(doses: ArrayLike, shares: ArrayLike) -> Spread:
    """Spread of doses with shares of volume; blood is taken as even over the organ.

    Parameters
    ----------
    doses : array, shape (m,)
        [Gy]
    shares : array, shape (m,)
        In any unit; normalised here.

    Raises
    ------
    InputError
        Negative or non-finite entries, or nothing to normalise by.
    """
    dose, share = np.asarray(doses, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    usable = dose.shape == share.shape and dose.size > 0 and bool(np.all(np.isfinite(dose) & np.isfinite(share)))
    if not usable or dose.min() < 0.0 or share.min() < 0.0 or not float(dose @ share) > 0.0:
        raise InputError(
            doing="describing the spread of dose in an organ",
            found=f"{dose.size} doses and {share.size} shares, not all finite and of zero or more, or no dose at all",
            expected="matching doses and shares with a positive mean dose",
            try_="the differential DVH of the organ",
        )
    share = share / share.sum()
    kept = share > 0.0
    return Spread(dose[kept] / float(dose @ share), share[kept])
