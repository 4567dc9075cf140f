"""Baseline: the doses of the most similar training patients, carried over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import LEVELS, ORGANS, Anatomy, Example, FloatArray
from abscopal.planning.prediction.by_distance import DoseByDistance, fit_by_distance
from abscopal.planning.prediction.geometry import remembered, signed_distance

Transfer = Literal["place", "distance"]


@dataclass(frozen=True, eq=False)
class Atlas:
    """Nearest neighbours in the geometry of targets and organs.

    Attributes
    ----------
    examples : tuple of Example
        The patients to choose from, each also as its mirror image.
    neighbours : int
        How many are averaged, weighted by one over their distance.
    transfer : {"place", "distance"}
        `place` lays the neighbour's dose on the patient with the targets' centres joined and their extents
        matched; `distance` takes the neighbour's own mean dose at each distance from its targets.
    fallback : DoseByDistance
        Used where a neighbour has no voxel.
    """

    examples: tuple[Example, ...]
    neighbours: int
    transfer: Transfer
    fallback: DoseByDistance
    _table: FloatArray

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid, 0 outside the region."""
        nearest, weights = self.nearest(anatomy)
        dose = np.zeros(anatomy.shape)
        for index, weight in zip(nearest, weights, strict=True):
            dose += weight * self._carried(self.examples[index], anatomy)
        return np.where(anatomy.region, dose, 0.0)

    def nearest(self, anatomy: Anatomy) -> tuple[list[int], FloatArray]:
        """The neighbours' places in `examples`, and their weights, which sum to 1."""
        known = np.isfinite(self._table).any(axis=0)
        table = self._table[:, known]
        spread = np.nanstd(table, axis=0)
        spread[spread == 0] = 1.0
        gap = (table - geometry_features(anatomy)[known]) / spread
        away = np.sqrt(np.nanmean(gap**2, axis=1))  # the volumes are always known
        away[np.isnan(away)] = np.inf
        nearest = np.argsort(away, kind="stable")[: self.neighbours]
        closeness = 1.0 / np.maximum(away[nearest], 1e-6)
        return [int(index) for index in nearest], closeness / closeness.sum()

    def _carried(self, example: Example, anatomy: Anatomy) -> FloatArray:
        if self.transfer == "distance":
            missing = [name for name in LEVELS if name in anatomy.masks and name not in example.anatomy.masks]
            if missing:
                return self.fallback.predict(anatomy)
            return _own_curve(example, self.fallback).predict(anatomy)
        index = _matching_index(example.anatomy, anatomy)
        dose = ndimage.map_coordinates(example.dose, index, order=1, mode="constant", cval=np.nan, output=np.float64)
        known = ndimage.map_coordinates(example.anatomy.region.astype(np.float32), index, order=0, mode="constant") > 0
        return np.where(known & np.isfinite(dose), dose, self.fallback.predict(anatomy))


def fit_atlas(examples: Sequence[Example], neighbours: int, transfer: Transfer, fallback: DoseByDistance) -> Atlas:
    """An atlas of these patients and their mirror images.

    Raises
    ------
    InputError
        No patient, or more neighbours than patients.
    """
    if not 1 <= neighbours <= len(examples):
        raise InputError(
            doing="building an atlas", found=f"{neighbours} neighbours of {len(examples)} patients",
            expected="at least one, and no more than there are patients", try_="neighbours=3",
        )  # fmt: skip
    both = (*examples, *(mirrored(one) for one in examples))
    table = np.array([geometry_features(one.anatomy) for one in both])
    return Atlas(both, neighbours, transfer, fallback, table)


def mirrored(example: Example) -> Example:
    """The patient with left and right exchanged."""
    return Example(f"{example.name} mirrored", example.anatomy.mirrored(), example.dose[:, ::-1])


@remembered
def geometry_features(anatomy: Anatomy) -> FloatArray:
    """What two patients are compared by.

    Returns
    -------
    array, shape (20,)
        Cube root of the volume prescribed at least each level [mm]; extent of the target along the axes [mm];
        mean and least signed distance of each organ from the target [mm], nan where it is not contoured.
    """
    volumes = [(1000 * anatomy.voxel_cm3 * anatomy.at_least(level).sum()) ** (1 / 3) for level in LEVELS.values()]
    box = ndimage.find_objects(anatomy.target.astype(np.uint8))[0]
    extents = [(part.stop - part.start) * size for part, size in zip(box, anatomy.voxel_mm, strict=True)]
    distance = signed_distance(anatomy.target, anatomy.voxel_mm)
    organs = []
    for name in ORGANS:
        inside = distance[anatomy.masks[name]] if name in anatomy.masks else np.array([np.nan])
        organs += [float(inside.mean()), float(inside.min())]
    return np.array([*volumes, *extents, *organs], dtype=np.float64)


def _own_curve(example: Example, fallback: DoseByDistance) -> DoseByDistance:
    """The curves of one patient; levels the patient lacks keep the average ones."""
    present = [row for row, name in enumerate(LEVELS) if name in example.anatomy.masks]
    curves = fallback.curves.copy()
    curves[present] = fit_by_distance([example], fallback.step_mm, need_all=False).curves[present]
    return DoseByDistance(fallback.step_mm, curves)


def _matching_index(atlas: Anatomy, patient: Anatomy) -> FloatArray:
    """For each voxel of the patient, the place in the atlas with the same position relative to the target's box."""
    axes = []
    boxes = (ndimage.find_objects(one.target.astype(np.uint8))[0] for one in (atlas, patient))
    for theirs, ours, n in zip(*boxes, patient.shape, strict=True):
        relative = (np.arange(n) + 0.5 - (ours.start + ours.stop) / 2) / (ours.stop - ours.start)
        axes.append(relative * (theirs.stop - theirs.start) + (theirs.start + theirs.stop) / 2 - 0.5)
    return np.stack(np.meshgrid(*axes, indexing="ij"))
