"""Cuts through a case in patient axes: CT, dose and the outlines of the structures in one plane."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abscopal.dose.grid import DoseGrid, Volume
from abscopal.dose.structures import Structure, occupancy

FloatArray = NDArray[np.float64]
LUNG_TO_BONE = (-900.0, 300.0)  # HU shown from black to white
SHOWN_FROM = 0.05  # of the reference dose; less is not coloured
AIR = -1000.0  # HU outside the CT


@dataclass(frozen=True)
class Plane:
    """One plane: which LPS axes run right and down, and the letters at its four edges.

    Attributes
    ----------
    across, down, fixed : int
        Index of the LPS axis.
    letters : tuple of str
        Left edge, right edge, top, bottom of the picture.
    flip_down : bool
        Whether the `down` axis is drawn upwards.
    """

    title: str
    across: int
    down: int
    fixed: int
    letters: tuple[str, str, str, str]
    flip_down: bool


# Axial follows the radiological convention: the patient's left is on the reader's right.
PLANES = (
    Plane("axial", 0, 1, 2, ("R", "L", "A", "P"), flip_down=False),
    Plane("coronal", 0, 2, 1, ("R", "L", "S", "I"), flip_down=True),
    Plane("sagittal", 1, 2, 0, ("A", "P", "S", "I"), flip_down=True),
)


@dataclass(frozen=True)
class Cut:
    """What one plane shows.

    Attributes
    ----------
    across, down : array, shape (columns,), (rows,)
        Patient coordinates of the pixel centres along the two axes of the plane. [mm]
    position : float
        Patient coordinate of the plane. [mm]
    ct : array, shape (rows, columns), optional
        None where the CT does not fill a plane. [HU]
    dose : array, shape (rows, columns)
        [Gy]
    filled : mapping of str to array, shape (rows, columns)
        Fraction of each point that a structure fills, for the structures that meet the plane. [1]
    """

    plane: Plane
    across: FloatArray
    down: FloatArray
    position: float
    ct: FloatArray | None
    dose: FloatArray
    filled: Mapping[str, FloatArray]


class Cutter:
    """Cuts a case into planes over the extent of its dose grid.

    Parameters
    ----------
    dose : DoseGrid
    step : float
        Distance between points. [mm]
    structures : mapping of str to Structure
        To be outlined.
    ct : Volume, optional
    """

    def __init__(
        self, dose: DoseGrid, step: float, structures: Mapping[str, Structure] | None = None, ct: Volume | None = None
    ) -> None:
        self._ct = ct if ct is not None and _fills_planes(ct) else None
        self._dose = dose
        self._step = step
        self._structures = structures or {}
        self.extent = _extent(dose)
        self.hot_centre = _hot_centre(dose)

    @cached_property
    def _solids(self) -> dict[str, DoseGrid]:
        return {
            label: _filled(structure, self._dose)
            for label, structure in self._structures.items()
            if not structure.is_empty
        }

    @property
    def has_ct(self) -> bool:
        """Whether there is a CT that fills a plane."""
        return self._ct is not None

    def cut(self, plane: Plane, position: float, dose: DoseGrid | None = None) -> Cut:
        """The plane at the patient coordinate `position`, in mm; of another dose than the case's where one is given."""
        low, high = self.extent
        across = np.arange(low[plane.across], high[plane.across] + self._step, self._step)
        down = np.arange(low[plane.down], high[plane.down] + self._step, self._step)
        points = np.empty((down.size, across.size, 3))
        points[..., plane.across] = across
        points[..., plane.down] = down[:, None]
        points[..., plane.fixed] = position
        filled = {label: _at(solid, points) for label, solid in self._solids.items()}
        return Cut(
            plane=plane,
            across=across,
            down=down,
            position=position,
            ct=None if self._ct is None else _hounsfield(self._ct, points),
            dose=_at(dose or self._dose, points),
            filled={label: level for label, level in filled.items() if level.max() > 0.5 > level.min()},
        )


def _hot_centre(dose: DoseGrid) -> FloatArray:
    hot = np.argwhere(dose.values >= 0.9 * dose.values.max())
    k, j, i = hot.mean(axis=0)
    return np.asarray((dose.affine @ np.array([i, j, k, 1.0]))[:3], dtype=np.float64)


def _extent(dose: DoseGrid) -> FloatArray:
    """Lowest and highest LPS coordinate of the grid's voxel centres, shape (2, 3)."""
    nz, ny, nx = dose.values.shape
    corners = np.array([[i, j, k, 1.0] for i in (0, nx - 1) for j in (0, ny - 1) for k in (0, nz - 1)]) @ dose.affine.T
    return np.stack([corners[:, :3].min(axis=0), corners[:, :3].max(axis=0)])


def _fills_planes(ct: Volume) -> bool:
    """Whether the CT has enough slices to fill a plane; a single slice would leave a stripe."""
    return len(ct.values) > 1


def _at(grid: DoseGrid, points: FloatArray) -> FloatArray:
    return grid.sample(points.reshape(-1, 3)).reshape(points.shape[:2])


def _hounsfield(ct: Volume, points: FloatArray) -> FloatArray:
    from scipy.ndimage import map_coordinates

    flat = np.column_stack([points.reshape(-1, 3), np.ones(points[..., 0].size)])
    index = (flat @ np.linalg.inv(ct.affine).T)[:, 2::-1].T
    values = map_coordinates(ct.values, index, order=1, mode="constant", cval=AIR)
    return np.asarray(values, dtype=np.float64).reshape(points.shape[:2])


def _filled(structure: Structure, dose: DoseGrid) -> DoseGrid:
    """A structure's occupancy of the dose grid, to be sampled like a dose."""
    return replace(dose, values=occupancy(structure, dose), kind="physical", alpha_beta=None)
