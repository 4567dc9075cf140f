"""What a dose prediction sees of a patient: image, organs, targets, and where dose can be.

Arrays are ordered as in OpenKBP: axis 0 from anterior to posterior, axis 1 from the patient's right to
the left, axis 2 from superior to inferior.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
ORGANS = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
SHEET = "planning/dose_prediction"
LEVELS = dict(zip(("PTV56", "PTV63", "PTV70"), load(SHEET).vector("levels"), strict=True))
"""Targets and the dose prescribed to them in `FRACTIONS` [Gy]."""
TARGETS = tuple(LEVELS)
STRUCTURES = (*ORGANS, *TARGETS)
FRACTIONS = int(load(SHEET)["fractions"])
LARGEST_AXIS = 512
LARGEST_GRID = 20_000_000
SMALLEST_VOXEL, LARGEST_VOXEL = 0.5, 15.0  # mm


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One patient as a dose predictor sees them.

    Attributes
    ----------
    ct : array, shape (a, b, c)
        CT number on a scale with air at 0 and water near 1000. [1]
    masks : mapping of str to array of bool, shape (a, b, c)
        Organs and targets by their OpenKBP names; only those contoured. Targets do not overlap.
    region : array of bool, shape (a, b, c)
        Voxels that can receive dose.
    voxel_mm : tuple of float
        Voxel size along the three axes. [mm]
    notes : tuple of str
        What had to be assumed to build it.
    """

    ct: NDArray[np.float32]
    masks: Mapping[str, Mask]
    region: Mask
    voxel_mm: tuple[float, float, float]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along the three axes."""
        a, b, c = self.ct.shape
        return a, b, c

    @property
    def voxel_cm3(self) -> float:
        """Volume of one voxel, in cm3."""
        return float(np.prod(self.voxel_mm)) / 1000.0

    @property
    def target(self) -> Mask:
        """The union of all targets."""
        return self.at_least(0.0)

    @property
    def region_box(self) -> tuple[slice, slice, slice]:
        """The smallest box that holds the region."""
        a, b, c = ndimage.find_objects(self.region.astype(np.uint8))[0]
        return a, b, c

    def at_least(self, level: float) -> Mask:
        """The union of the targets prescribed `level` [Gy] or more."""
        union = np.zeros(self.shape, dtype=bool)
        for name in TARGETS:
            if name in self.masks and LEVELS[name] >= level:
                union |= self.masks[name]
        return union

    def volume_cm3(self, name: str) -> float:
        """Volume of a structure, 0 where it is not contoured [cm3]."""
        return float(self.masks[name].sum()) * self.voxel_cm3 if name in self.masks else 0.0

    def mirrored(self) -> "Anatomy":
        """The patient with left and right exchanged, the parotids renamed."""
        swapped = {"LeftParotid": "RightParotid", "RightParotid": "LeftParotid"}
        masks = {swapped.get(name, name): mask[:, ::-1] for name, mask in self.masks.items()}
        return replace(self, ct=self.ct[:, ::-1], masks=MappingProxyType(masks), region=self.region[:, ::-1])

    def without(self, *names: str) -> "Anatomy":
        """The patient as if these structures had not been contoured."""
        masks = {name: mask for name, mask in self.masks.items() if name not in names}
        return replace(self, masks=MappingProxyType(masks))


@dataclass(frozen=True, eq=False)
class Example:
    """An anatomy with the dose of its plan.

    Attributes
    ----------
    name : str
    anatomy : Anatomy
    dose : array, shape (a, b, c)
        Dose of the whole plan; zero outside the region. [Gy]
    """

    name: str
    anatomy: Anatomy
    dose: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.dose.shape != self.anatomy.shape or not np.isfinite(self.dose).all() or self.dose.min() < 0:
            raise InputError(
                doing=f"reading the dose of {self.name}",
                found=f"an array of shape {self.dose.shape} that may hold negative or missing values",
                expected=f"finite doses of at least 0 Gy on the grid {self.anatomy.shape}",
                try_="exporting the dose again",
            )


def _check(anatomy: Anatomy) -> None:
    shape = anatomy.ct.shape
    doing = "building the input of a dose prediction"
    if len(shape) != 3 or min(shape) < 1 or max(shape) > LARGEST_AXIS or np.prod(shape) > LARGEST_GRID:
        raise InputError(
            doing=doing, found=f"a CT of shape {shape}",
            expected=f"three axes of at most {LARGEST_AXIS} voxels, {LARGEST_GRID} voxels in all",
            try_="cropping to the head and neck, or a coarser grid",
        )  # fmt: skip
    if not all(SMALLEST_VOXEL <= size <= LARGEST_VOXEL for size in anatomy.voxel_mm):
        raise InputError(
            doing=doing, found=f"voxels of {anatomy.voxel_mm} mm",
            expected=f"sizes from {SMALLEST_VOXEL} to {LARGEST_VOXEL} mm", try_="checking the unit of the voxel size",
        )  # fmt: skip
    unknown = sorted(set(anatomy.masks) - set(STRUCTURES))
    misshapen = [name for name, mask in anatomy.masks.items() if mask.shape != shape]
    if unknown or misshapen or anatomy.region.shape != shape:
        raise InputError(
            doing=doing, found=f"structures {unknown or misshapen or 'region'} that do not fit",
            expected=f"masks of shape {shape} named among {', '.join(STRUCTURES)}",
            try_="leaving out other structures; see docs/dose-prediction.md",
        )  # fmt: skip
    if not np.isfinite(anatomy.ct).all():
        raise InputError(
            doing=doing, found="CT numbers that are not finite", expected="finite CT numbers", try_="another export"
        )
    if not anatomy.target.any() or not anatomy.region.any():
        raise InputError(
            doing=doing, found="no voxel that can receive dose" if anatomy.target.any() else "no target volume",
            expected=f"at least one of {', '.join(TARGETS)} inside the body",
            try_="naming the targets with --target PTV_70=70",
        )  # fmt: skip
