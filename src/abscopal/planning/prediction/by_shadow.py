"""Mean dose by distance to the nearest target and by the shadow of the fields: where a network starts from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.planning.prediction.anatomy import SHEET, TARGETS, Anatomy, Example, FloatArray
from abscopal.planning.prediction.by_distance import nearest_target
from abscopal.planning.prediction.geometry import field_shadow

DISTANCES = np.arange(-30.0, 120.0, 2.0)  # mm
SHADOWS = np.arange(0.02, 1.6, 0.05)  # share of the mean primary dose in the targets
SHAPE = (len(TARGETS), len(DISTANCES) + 1, len(SHADOWS) + 1)


@dataclass(frozen=True, eq=False)
class DoseByShadow:
    """Mean dose by distance and shadow.

    Attributes
    ----------
    table : array, shape (3, 76, 33)
        By nearest target level, distance bin and shadow bin; the first and last bins are open. [Gy]
    """

    table: FloatArray

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid, 0 outside the region."""
        return self.given(anatomy, field_shadow(anatomy))

    def given(self, anatomy: Anatomy, shadow: FloatArray) -> FloatArray:
        """The same, from a field shadow that is already known."""
        dose = np.zeros(anatomy.shape)
        dose[anatomy.region] = self.table[_bins(anatomy, shadow)]
        return dose


def fit_by_shadow(examples: Sequence[Example]) -> DoseByShadow:
    """Average the dose of the examples over bins, blurred by less than a bin; empty bins take their nearest.

    Raises
    ------
    InputError
        No example, or a target level that is nearest to no voxel of any.
    """
    total, count = np.zeros(SHAPE), np.zeros(SHAPE)
    for example in examples:
        flat = np.ravel_multi_index(_bins(example.anatomy, field_shadow(example.anatomy)), SHAPE)
        total += np.bincount(flat, example.dose[example.anatomy.region], minlength=total.size).reshape(SHAPE)
        count += np.bincount(flat, minlength=total.size).reshape(SHAPE)
    if not count.any(axis=(1, 2)).all():
        raise InputError(
            doing="averaging dose by distance and field shadow", found="a target level that no patient has",
            expected="each of PTV56, PTV63 and PTV70 in at least one patient", try_="more patients",
        )  # fmt: skip
    return DoseByShadow(np.stack([_filled(*level) for level in zip(total, count, strict=True)]))


def _bins(anatomy: Anatomy, shadow: FloatArray) -> tuple[NDArray[np.int64], ...]:
    level, distance = nearest_target(anatomy)
    inside = anatomy.region
    return level[inside], np.digitize(distance[inside], DISTANCES), np.digitize(shadow[inside], SHADOWS)


def _filled(total: FloatArray, count: FloatArray) -> FloatArray:
    sheet = load(SHEET)
    blurred = [ndimage.gaussian_filter(part, sheet["bin_blur"], mode="nearest") for part in (total, count)]
    enough = blurred[1] >= sheet["least_voxels_in_bin"]
    enough |= ~enough.any() & (blurred[1] == blurred[1].max())  # small examples: at least the fullest bin
    mean = np.divide(blurred[0], blurred[1], out=np.zeros_like(total), where=enough)
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    return np.asarray(mean[tuple(nearest)], dtype=np.float64)
