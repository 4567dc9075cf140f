"""Baseline: the mean dose at each signed distance from the nearest target, one curve per target level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import TARGETS, Anatomy, Example, FloatArray
from abscopal.planning.prediction.geometry import remembered, target_distances

NEAREST_MM, FARTHEST_MM = -30.0, 200.0


@dataclass(frozen=True, eq=False)
class DoseByDistance:
    """Mean dose by distance.

    Attributes
    ----------
    step_mm : float
        Width of a distance bin. [mm]
    curves : array, shape (3, n)
        Mean dose at the bin centres for PTV56, PTV63 and PTV70. [Gy]
    """

    step_mm: float
    curves: FloatArray

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid, 0 outside the region."""
        level, distance = nearest_target(anatomy)
        centres = _centres(self.step_mm)
        dose = np.zeros(anatomy.shape)
        for row, curve in enumerate(self.curves):
            here = anatomy.region & (level == row)
            dose[here] = np.interp(distance[here], centres, curve)
        return dose


def fit_by_distance(examples: Sequence[Example], step_mm: float, *, need_all: bool = True) -> DoseByDistance:
    """Average the dose of the examples by distance to the nearest target.

    Parameters
    ----------
    examples : sequence of Example
    step_mm : float
        [mm]
    need_all : bool
        Refuse where a target level is in no example; otherwise its curve is zero.

    Raises
    ------
    InputError
        No example, a width that is not positive, or a target level that no example has near any voxel.
    """
    if not examples or not 0.1 <= step_mm <= 50.0:
        raise InputError(
            doing="averaging dose by distance", found=f"{len(examples)} patients and bins of {step_mm:g} mm",
            expected="at least one patient and bins of 0.1 to 50 mm", try_="step_mm=2",
        )  # fmt: skip
    n = len(_centres(step_mm))
    total, count = np.zeros((len(TARGETS), n)), np.zeros((len(TARGETS), n))
    for example in examples:
        level, distance = nearest_target(example.anatomy)
        inside = example.anatomy.region
        bin_ = np.clip(((distance[inside] - NEAREST_MM) / step_mm).astype(int), 0, n - 1)
        flat = level[inside] * n + bin_
        total += np.bincount(flat, example.dose[inside], minlength=total.size).reshape(total.shape)
        count += np.bincount(flat, minlength=total.size).reshape(total.shape)
    if need_all and not count.any(axis=1).all():
        raise InputError(
            doing="averaging dose by distance", found="a target level that no patient has",
            expected="each of PTV56, PTV63 and PTV70 in at least one patient", try_="more patients",
        )  # fmt: skip
    return DoseByDistance(step_mm, np.stack([_filled(*row, step_mm) for row in zip(total, count, strict=True)]))


@remembered
def nearest_target(anatomy: Anatomy) -> tuple[NDArray[np.int64], FloatArray]:
    """Which target is nearest (row of `TARGETS`), and its signed distance [mm]."""
    by_name = target_distances(anatomy)
    distances = np.stack([by_name[name] for name in TARGETS])
    return np.argmin(distances, axis=0), distances.min(axis=0)


def _centres(step_mm: float) -> FloatArray:
    return np.arange(NEAREST_MM, FARTHEST_MM, step_mm) + step_mm / 2


def _filled(total: FloatArray, count: FloatArray, step_mm: float) -> FloatArray:
    """The bin means, empty bins filled from their neighbours."""
    seen = count > 0
    if not seen.any():
        return np.zeros_like(total)
    centres = _centres(step_mm)
    return np.asarray(np.interp(centres, centres[seen], total[seen] / count[seen]), dtype=np.float64)
