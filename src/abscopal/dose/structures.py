"""Structures: named sets of axial contours, and the fraction of each voxel they fill."""

from dataclasses import dataclass

import numpy as np

from abscopal.dose.grid import DoseGrid, FloatArray, Volume
from abscopal.dose.rasterise import Slabs, coverage, slabs

END_CAP = 0.5


@dataclass(frozen=True, eq=False)
class Structure:
    """One region of interest.

    Attributes
    ----------
    number : int
        ROINumber in the file.
    name : str
        ROIName as in the file.
    standard_name : str, optional
        TG-263 name, None where no unambiguous one was found.
    role : str
        RTROIInterpretedType, '' when absent.
    contours : tuple of array, shape (n, 3)
        Closed planar polygons in patient LPS, the last point joined to the first. [mm]
    color : tuple of int, optional
        Display colour, 0-255.
    """

    number: int
    name: str
    standard_name: str | None = None
    role: str = ""
    contours: tuple[FloatArray, ...] = ()
    color: tuple[int, int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no contour encloses anything."""
        return not any(len(contour) >= 3 for contour in self.contours)

    @property
    def label(self) -> str:
        """The TG-263 name, or the name in the file."""
        return self.standard_name or self.name

    def slabs(self, *, end_cap: float = END_CAP, thickness: float | None = None) -> Slabs:
        """The contours as slabs of constant cross-section; see `abscopal.dose.rasterise.slabs`."""
        return slabs(self.contours, name=self.name, end_cap=end_cap, thickness=thickness)


def occupancy(
    structure: Structure,
    grid: DoseGrid | Volume,
    *,
    end_cap: float = END_CAP,
    thickness: float | None = None,
) -> FloatArray:
    """Fraction of each voxel that lies inside the structure.

    Parameters
    ----------
    structure : Structure
    grid : DoseGrid or Volume
        Any spacing, offset and patient orientation; oblique grids are refused.
    end_cap : float
        How far the structure reaches beyond its first and last contour, in units of the plane
        spacing there. [1]
    thickness : float, optional
        Slab thickness of a structure drawn on a single plane; the grid's slice spacing by default. [mm]

    Returns
    -------
    array, shape (nz, ny, nx)
        Volume fraction 0 to 1, in the grid's own index order. What lies off the grid is not in it.

    Raises
    ------
    DicomError
        The grid is oblique, or a contour is not axial.
    """
    lattice = grid.lattice
    filled = np.zeros(lattice.shape[::-1])
    if structure.is_empty:
        return filled
    pieces = structure.slabs(end_cap=end_cap, thickness=thickness or lattice.spacing[2])
    window, (i, j, k) = lattice.window(pieces.low, pieces.high)
    nx, ny, nz = window.shape
    filled[k : k + nz, j : j + ny, i : i + nx] = coverage(pieces, window)
    return grid.from_lattice(filled)
