"""The tensor a network sees: image, masks, distances, field shadow and the baseline's dose."""

import numpy as np
from numpy.typing import NDArray

from abscopal.planning.prediction.anatomy import ORGANS, STRUCTURES, Anatomy
from abscopal.planning.prediction.by_shadow import DoseByShadow
from abscopal.planning.prediction.geometry import field_shadow, signed_distance

DOSE_SCALE = 70.0
"""Doses are divided by this inside a network [Gy]."""
DISTANCE_SCALE = 100.0  # mm
CUMULATIVE = {"distance>=56": 56.0, "distance>=63": 63.0, "distance>=70": 70.0}
CHANNELS = ("ct", *STRUCTURES, "region", *CUMULATIVE, "depth", "shadow", "baseline")
"""The channel layout. A network trained on another one is refused."""
ORGAN_ROWS = tuple(CHANNELS.index(name) for name in ORGANS)
BASELINE_ROW = CHANNELS.index("baseline")
LAYOUT = 1


def channels(anatomy: Anatomy, baseline: DoseByShadow) -> NDArray[np.float32]:
    """Everything a network sees of a patient.

    Parameters
    ----------
    anatomy : Anatomy
    baseline : DoseByDistance
        Fitted on the same patients as the network.

    Returns
    -------
    array, shape (18, a, b, c)
        In the order of `CHANNELS`: CT as (number - 1000) / 1000 within -1 to 1, masks as 0 and 1, distances
        in units of 100 mm within -1 to 1, doses in units of 70 Gy. [1]
    """
    rows = [np.clip(anatomy.ct / 1000.0 - 1.0, -1.0, 1.0)]
    empty = np.zeros(anatomy.shape, dtype=bool)
    rows += [anatomy.masks.get(name, empty) for name in STRUCTURES]
    rows.append(anatomy.region)
    rows += [_near(anatomy.at_least(level), anatomy) for level in CUMULATIVE.values()]
    rows.append(-_near(anatomy.region, anatomy))
    shadow = field_shadow(anatomy)
    rows += [np.clip(shadow, 0.0, 3.0), baseline.given(anatomy, shadow) / DOSE_SCALE]
    return np.stack([np.asarray(row, dtype=np.float32) for row in rows])


def _near(mask: NDArray[np.bool_], anatomy: Anatomy) -> NDArray[np.float64]:
    return np.clip(signed_distance(mask, anatomy.voxel_mm) / DISTANCE_SCALE, -1.0, 1.0)
