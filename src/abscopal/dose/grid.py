"""Dose and image grids: values, and where they lie in the patient.

Positions are DICOM patient coordinates (LPS: left, posterior, superior positive) in mm. Arrays are
ordered `(k, j, i)` = (slice, row, column); the affine maps the index `(i, j, k, 1)` to LPS. Work on
contours is done on a `Lattice`, the same grid with its axes permuted and flipped until all three point
along +x, +y, +z, so that every patient orientation takes one and the same path.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import DicomError, InputError
from abscopal.radiobiology.isoeffect import eqd2_of_total

FloatArray = NDArray[np.float64]
Real = TypeVar("Real", bound=np.floating)
DoseKind = Literal["physical", "EQD2", "RBE"]
OBLIQUE_TOLERANCE = 1e-3  # direction cosine; half a millimetre over half a metre


@dataclass(frozen=True)
class Lattice:
    """A regular grid whose axes point along +x, +y and +z of the patient.

    Attributes
    ----------
    origin : tuple of float
        Centre of the first voxel, (x, y, z). [mm]
    spacing : tuple of float
        Voxel size, positive. [mm]
    shape : tuple of int
        Number of voxels (nx, ny, nz); arrays on the lattice are (nz, ny, nx).
    """

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def voxel_volume_cm3(self) -> float:
        """Volume of one voxel, in cm3."""
        return float(np.prod(self.spacing)) / 1000.0

    @property
    def lower(self) -> FloatArray:
        """Outer corner of the first voxel (x, y, z), in mm."""
        return np.array(self.origin) - np.array(self.spacing) / 2

    @property
    def upper(self) -> FloatArray:
        """Outer corner of the last voxel (x, y, z), in mm."""
        return np.asarray(self.lower + np.array(self.spacing) * np.array(self.shape), dtype=np.float64)

    def window(self, low: FloatArray, high: FloatArray) -> tuple["Lattice", tuple[int, int, int]]:
        """The part that covers the box from `low` to `high`, and the index (i, j, k) where it starts.

        The part is empty along an axis where the box lies off the lattice.
        """
        step, size = np.array(self.spacing), np.array(self.shape)
        first = np.clip(np.floor((low - self.lower) / step), 0, size).astype(int)
        last = np.clip(np.ceil((high - self.lower) / step), first, size).astype(int)
        start = np.array(self.origin) + first * step
        return Lattice(_three(start), self.spacing, _three_int(last - first)), _three_int(first)

    def refined(self, factor: int) -> "Lattice":
        """The same region in voxels `factor` times smaller along each axis."""
        step = np.array(self.spacing) / factor
        return Lattice(_three(self.lower + step / 2), _three(step), _three_int(np.array(self.shape) * factor))


def _three(values: FloatArray) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))


def _three_int(values: NDArray[np.int64]) -> tuple[int, int, int]:
    return (int(values[0]), int(values[1]), int(values[2]))


class _Placed:
    """What every grid with values and an affine can do."""

    values: NDArray[np.floating]
    affine: FloatArray

    @property
    def lattice(self) -> Lattice:
        """The grid's geometry with ascending patient axes.

        Raises
        ------
        DicomError
            The grid is oblique to the patient axes.
        """
        return _orientation(self.affine, self.values.shape).lattice

    def on_lattice(self) -> NDArray[np.floating]:
        """The values ordered (z, y, x) with ascending patient axes (a view)."""
        return _orientation(self.affine, self.values.shape).to_lattice(self.values)

    def from_lattice(self, values: FloatArray) -> FloatArray:
        """An array on the lattice, put back in this grid's own index order (a view)."""
        return _orientation(self.affine, self.values.shape).from_lattice(values)


@dataclass(frozen=True, eq=False)
class Volume(_Placed):
    """Image values on a grid; for CT in Hounsfield units.

    Attributes
    ----------
    values : array, shape (nz, ny, nx)
    affine : array, shape (4, 4)
        Maps the index (i, j, k, 1) to patient LPS. [mm]
    frame_of_reference_uid : str
    """

    values: NDArray[np.floating]
    affine: FloatArray
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        _check_grid(self.values, self.affine)


@dataclass(frozen=True, eq=False)
class DoseGrid(_Placed):
    """Absorbed or converted dose on a grid. The kind is always stated; nothing converts silently.

    Attributes
    ----------
    values : array, shape (nz, ny, nx)
        Dose of the whole plan, finite and not negative. [Gy]
    affine : array, shape (4, 4)
        Maps the index (i, j, k, 1) to patient LPS. [mm]
    kind : {"physical", "EQD2", "RBE"}
    alpha_beta : float, optional
        The α/β behind an EQD2 grid; None for the other kinds. [Gy]
    frame_of_reference_uid : str
    """

    values: FloatArray
    affine: FloatArray
    kind: DoseKind
    alpha_beta: float | None = None
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        _check_grid(self.values, self.affine)
        if not np.isfinite(self.values).all() or self.values.min() < 0:
            raise DicomError(
                doing="building a dose grid",
                found=f"doses from {self.values.min():g} to {self.values.max():g} Gy",
                expected="finite doses of at least 0 Gy",
                try_="exporting the dose again; difference or uncertainty grids cannot be used as a dose",
            )
        if (self.kind == "EQD2") != (self.alpha_beta is not None):
            raise InputError(
                doing="building a dose grid",
                found=f"kind {self.kind} with alpha_beta {self.alpha_beta}",
                expected="an α/β for EQD2 and none otherwise",
                try_="DoseGrid.to_eqd2 to convert a physical dose",
            )

    @property
    def voxel_volume_cm3(self) -> float:
        """Volume of one voxel, in cm3."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def max(self) -> float:
        """Highest voxel dose, in Gy."""
        return float(self.values.max())

    def on_lattice(self) -> FloatArray:
        """The dose [Gy] ordered (z, y, x) with ascending patient axes (a view)."""
        return _orientation(self.affine, self.values.shape).to_lattice(self.values)

    def covers(self, points_lps: FloatArray) -> NDArray[np.bool_]:
        """Whether each point (n, 3) [mm] lies inside a voxel of the grid."""
        _, inside = _continuous_index(self, points_lps)
        return inside

    def sample(self, points_lps: FloatArray) -> FloatArray:
        """Trilinear dose at points; 0 outside the grid.

        Parameters
        ----------
        points_lps : array, shape (n, 3)
            Patient positions. [mm]

        Returns
        -------
        array, shape (n,)
            Dose. Between the outermost voxel centres and the grid's edge the nearest value holds. Use
            `covers` to tell a dose of zero from a position outside the grid. [Gy]
        """
        from scipy.ndimage import map_coordinates

        index, inside = _continuous_index(self, points_lps)
        values = map_coordinates(self.values, index[:, ::-1].T, order=1, mode="nearest")
        return np.where(inside, values, 0.0)

    def resample(self, other: "DoseGrid | Volume") -> "DoseGrid":
        """Put the dose on the grid of `other`, trilinear, 0 Gy outside this grid."""
        k, j, i = np.indices(other.values.shape, dtype=np.float64).reshape(3, -1)
        points = np.stack([i, j, k, np.ones_like(i)], axis=1) @ other.affine.T
        values = self.sample(points[:, :3]).reshape(other.values.shape)
        return replace(self, values=values, affine=other.affine.copy())

    def to_eqd2(self, alpha_beta: float, n_fractions: int) -> "DoseGrid":
        """The dose in 2 Gy fractions with the same effect, voxel by voxel.

        Each voxel gets its total in `n_fractions` equal parts: ``EQD2 = D (D/n + α/β) / (2 Gy + α/β)``
        (linear-quadratic, no time factor).

        Parameters
        ----------
        alpha_beta : float
            α/β of the tissue. [Gy]
        n_fractions : int
            Number of equal fractions of the plan.

        Raises
        ------
        InputError
            The grid already is EQD2, or a number is not positive.
        """
        require_convertible(self.kind, alpha_beta, n_fractions)
        values = eqd2_of_total(self.values, n_fractions, alpha_beta)
        return replace(self, values=values, kind="EQD2", alpha_beta=alpha_beta)


def require_convertible(kind: DoseKind, alpha_beta: float, n_fractions: int) -> None:
    """Refuse a second conversion to EQD2 and numbers that are not positive."""
    if kind == "EQD2" or alpha_beta <= 0 or n_fractions < 1:
        raise InputError(
            doing="converting a dose to EQD2",
            found=f"a dose of kind {kind}, α/β {alpha_beta:g} Gy, {n_fractions} fractions",
            expected="a physical or RBE-weighted dose, α/β above 0 and at least one fraction",
            try_="the dose as it was planned, and the tissue's α/β from `abscopal knowledge list`",
        )


@dataclass(frozen=True)
class _Orientation:
    """How array axes (k, j, i) map to patient axes (z, y, x), and which of them run backwards."""

    lattice: Lattice
    order: tuple[int, ...]
    flipped: tuple[int, ...]

    def to_lattice(self, values: NDArray[Real]) -> NDArray[Real]:
        return np.flip(np.transpose(values, self.order), self.flipped)

    def from_lattice(self, values: NDArray[Real]) -> NDArray[Real]:
        return np.transpose(np.flip(values, self.flipped), np.argsort(self.order))


def _orientation(affine: FloatArray, shape: tuple[int, ...]) -> _Orientation:
    directions = affine[:3, :3]
    spacing = np.linalg.norm(directions, axis=0)
    cosines = directions / spacing
    along = np.argmax(np.abs(cosines), axis=0)  # patient axis of each index axis
    off_axis = np.abs(np.abs(cosines[along, [0, 1, 2]]) - 1)
    if sorted(along) != [0, 1, 2] or off_axis.max() > OBLIQUE_TOLERANCE:
        raise DicomError(
            doing="placing a grid in the patient",
            found=f"a grid oblique to the patient axes (direction cosines {np.round(cosines, 3).tolist()})",
            expected="rows, columns and slices along the patient's left-right, front-back and head-feet axes",
            try_="exporting the dose on an axial grid",
        )
    index_of = np.argsort(along)  # index axis (i, j, k) that runs along x, y, z
    sign = cosines[[0, 1, 2], index_of]
    size = np.array(shape[::-1])[index_of]
    step = spacing[index_of]
    first = affine[:3, 3] + np.where(sign < 0, sign * step * (size - 1), 0.0)
    order = tuple(int(2 - index_of[axis]) for axis in (2, 1, 0))
    flipped = tuple(2 - axis for axis in range(3) if sign[axis] < 0)
    return _Orientation(Lattice(_three(first), _three(step), _three_int(size)), order, flipped)


def _continuous_index(grid: DoseGrid, points_lps: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    points = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3)
    index = (points - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
    size = np.array(grid.values.shape[::-1])
    inside: NDArray[np.bool_] = np.all((index >= -0.5) & (index <= size - 0.5), axis=1)
    return index, inside


def _check_grid(values: NDArray[np.floating], affine: FloatArray) -> None:
    invertible = affine.shape == (4, 4) and bool(np.isfinite(affine).all()) and np.linalg.det(affine[:3, :3]) != 0
    if values.ndim != 3 or values.size == 0 or not invertible:
        raise DicomError(
            doing="building a grid",
            found=f"values of shape {values.shape} and an affine of shape {affine.shape}",
            expected="three-dimensional values and an invertible (4, 4) affine",
            try_="checking pixel spacing, image orientation and frame offsets of the file",
        )
