"""Axial polygons to voxel volume fractions, by scan lines with analytic coverage along x.

Every voxel row is cut into thin scan lines. A polygon edge crosses a scan line at a known x, so the
length of the line inside the contours is exact in x; in y it is a midpoint sum over scan lines; in z
every contour plane stands for a slab, and slabs share voxels in proportion to their overlap. Holes,
keyholes and islands all follow from the even-odd rule across the contours of one plane.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import DicomError, InputError
from abscopal.dose.grid import FloatArray, Lattice

PLANE_TOLERANCE_MM = 0.05  # contours closer than this in z share a plane
AXIAL_TOLERANCE_MM = 0.5  # a contour may be this far from flat
SCAN_LINE_MM = 0.1  # widest scan line; an edge along x is placed to half of it
MIN_SCAN_LINES = 4  # per voxel row
ROUNDING = 1e-9  # running sums leave this much behind where a contour ends
GAP_FACTOR = 2.5  # wider than this many median spacings is a gap between two pieces


@dataclass(frozen=True)
class Slabs:
    """Contours grouped by plane, each plane standing for the slab from `bottom` to `top`.

    Attributes
    ----------
    polygons : tuple of array, shape (n, 2)
        Vertices (x, y). [mm]
    plane : array of int, shape (n_polygons,)
        Plane of each polygon.
    bottom, top : array, shape (n_planes,)
        Lower and upper z of each slab. [mm]
    notes : tuple of str
        Choices that were made in z.
    """

    polygons: tuple[FloatArray, ...]
    plane: NDArray[np.int64]
    bottom: FloatArray
    top: FloatArray
    notes: tuple[str, ...]

    @property
    def low(self) -> FloatArray:
        """Lower corner (x, y, z) of the box around all slabs, in mm."""
        corner = np.min([polygon.min(axis=0) for polygon in self.polygons], axis=0)
        return np.array([*corner, self.bottom.min()])

    @property
    def high(self) -> FloatArray:
        """Upper corner (x, y, z), in mm."""
        corner = np.max([polygon.max(axis=0) for polygon in self.polygons], axis=0)
        return np.array([*corner, self.top.max()])

    def volume_cm3(self) -> float:
        """Enclosed volume, wherever it lies, in cm3."""
        extent = np.concatenate(self.polygons)[:, 1]
        height = float(np.ptp(extent))
        if height == 0.0:
            return 0.0
        line = min(SCAN_LINE_MM, height / 400)
        hits = _crossings(self, float(extent.min()), line, int(np.ceil(height / line)))
        length = -(hits.sign * hits.x)
        area = np.bincount(hits.plane, weights=length, minlength=len(self.bottom)) * line
        return float(area @ (self.top - self.bottom)) / 1000.0

    def between(self, low: float, high: float) -> "Slabs":
        """Slabs that reach into the range of z from `low` to `high` in mm, possibly none.

        Plane numbers are kept, so that slabs of other ranges still line up.
        """
        reached = (self.top > low) & (self.bottom < high)
        kept = np.flatnonzero(reached[self.plane])
        polygons = tuple(self.polygons[index] for index in kept)
        return Slabs(polygons, self.plane[kept], self.bottom, self.top, self.notes)


def slabs(
    contours: Sequence[FloatArray], *, name: str = "", end_cap: float = 0.5, thickness: float | None = None
) -> Slabs:
    """Group axial contours into planes and give each plane its slab.

    A slab reaches half way to the neighbouring planes. The first and last plane reach outwards by
    `end_cap` times the spacing next to them. Planes further apart than 2.5 times the median spacing
    bound a gap: the pieces on both sides are closed like ends, with the median spacing.

    Parameters
    ----------
    contours : sequence of array, shape (n, 3)
        At least one with three points or more. [mm]
    end_cap : float
        0 (flat on the last contour) to 1; half a slice by default. [1]
    thickness : float, optional
        Slab thickness of a single plane. [mm]

    Raises
    ------
    DicomError
        A contour is not axial, or a single plane comes without thickness.
    """
    if not 0 <= end_cap <= 1:
        raise InputError(
            doing=f"closing the ends of '{name}'",
            found=f"an end cap of {end_cap:g} slices",
            expected="a number from 0 to 1",
            try_="0.5, half a slice",
        )
    solid = [np.asarray(contour, dtype=np.float64) for contour in contours if len(contour) >= 3]
    _require_axial(solid, name)
    z, plane = _planes(np.array([contour[:, 2].mean() for contour in solid]))
    bottom, top, notes = _extent(z, name, end_cap, thickness)
    return Slabs(tuple(contour[:, :2] for contour in solid), plane, bottom, top, notes)


def _require_axial(contours: list[FloatArray], name: str) -> None:
    for contour in contours:
        tilt = float(np.ptp(contour[:, 2]))
        if not tilt <= AXIAL_TOLERANCE_MM:
            raise DicomError(
                doing=f"reading the contours of '{name}'",
                found=f"a contour that spans {tilt:.1f} mm along the patient's axis",
                expected="contours on axial planes",
                try_="exporting the structure on the axial planning CT",
            )


def _planes(heights: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    order = np.argsort(heights, kind="stable")
    jump = np.diff(heights[order], prepend=heights[order[0]]) > PLANE_TOLERANCE_MM
    plane = np.empty(len(heights), dtype=np.int64)
    plane[order] = np.cumsum(jump)
    return np.bincount(plane, weights=heights) / np.bincount(plane), plane


def _extent(
    z: FloatArray, name: str, end_cap: float, thickness: float | None
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    if len(z) == 1:
        if thickness is None or thickness <= 0:
            raise DicomError(
                doing=f"giving '{name}' a volume",
                found="contours on a single plane",
                expected="a slab thickness for it",
                try_="thickness=<slice spacing in mm>",
            )
        note = f"drawn on one plane; taken as {thickness:g} mm thick"
        return z - thickness / 2, z + thickness / 2, (note,)
    gap = np.diff(z)
    typical = float(np.median(gap))
    broken = gap > GAP_FACTOR * typical
    reach = np.where(broken, end_cap * typical, gap / 2)
    ends = end_cap * np.where(broken, typical, gap)[[0, -1]]
    notes = [f"ends closed {end_cap:g} slice ({ends[0]:.2g} and {ends[1]:.2g} mm) beyond the last contours"]
    if broken.any():
        notes.append(f"{broken.sum()} gap(s) up to {gap.max():.3g} mm between planes left open")
    elif gap.max() - gap.min() > PLANE_TOLERANCE_MM * 2:
        notes.append(f"unequal plane spacing, {gap.min():.3g} to {gap.max():.3g} mm")
    return z - np.append(ends[0], reach), z + np.append(reach, ends[1]), tuple(notes)


@dataclass(frozen=True)
class _Crossings:
    """Where contours enter (+1) and leave (-1) scan lines, sorted by plane, line, x."""

    plane: NDArray[np.int64]
    line: NDArray[np.int64]
    x: FloatArray
    sign: FloatArray


def _crossings(pieces: Slabs, y0: float, line: float, n_lines: int) -> _Crossings:
    """Crossings with lines at ``y0 + (s + 1/2) line``, s = 0 .. n_lines - 1."""
    head = np.concatenate(pieces.polygons)
    tail = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in pieces.polygons])
    plane = np.repeat(pieces.plane, [len(polygon) for polygon in pieces.polygons])
    row_head = np.ceil((head[:, 1] - y0) / line - 0.5)
    row_tail = np.ceil((tail[:, 1] - y0) / line - 0.5)
    first = np.clip(np.minimum(row_head, row_tail), 0, n_lines).astype(np.int64)
    count = np.clip(np.maximum(row_head, row_tail), 0, n_lines).astype(np.int64) - first
    edge = np.repeat(np.arange(len(head)), count)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    row = first[edge] + within
    y = y0 + (row + 0.5) * line
    slope = (tail[edge, 0] - head[edge, 0]) / (tail[edge, 1] - head[edge, 1])
    x = head[edge, 0] + (y - head[edge, 1]) * slope
    key = plane[edge] * n_lines + row
    order = np.lexsort((x, key))
    sign = np.ones(len(order))
    sign[1::2] = -1.0  # every line is crossed an even number of times
    return _Crossings(plane[edge][order], row[order], x[order], sign)


def coverage(pieces: Slabs, lattice: Lattice) -> FloatArray:
    """Volume fraction of every voxel of `lattice` inside the slabs.

    Returns
    -------
    array, shape (nz, ny, nx)
        0 to 1. What lies off the lattice is left out.
    """
    nx, ny, nz = lattice.shape
    filled = np.zeros((nz, ny, nx))
    bottom = float(lattice.lower[2])
    pieces = pieces.between(bottom, bottom + nz * lattice.spacing[2])
    if 0 in lattice.shape or not pieces.polygons:
        return filled
    overlap = _slab_overlap(pieces, lattice)
    for plane, area in _plane_areas(pieces, lattice):
        for k in np.flatnonzero(overlap[:, plane]):
            filled[k] += overlap[k, plane] * area
    filled[filled < ROUNDING] = 0.0
    return np.minimum(filled, 1.0, out=filled)


def _slab_overlap(pieces: Slabs, lattice: Lattice) -> FloatArray:
    """Share of each slice's thickness in each slab, shape (nz, n_planes)."""
    bottom = lattice.lower[2] + lattice.spacing[2] * np.arange(lattice.shape[2])[:, None]
    shared: FloatArray = np.minimum(bottom + lattice.spacing[2], pieces.top) - np.maximum(bottom, pieces.bottom)
    overlap: FloatArray = np.maximum(shared, 0.0) / lattice.spacing[2]
    return overlap


def _plane_areas(pieces: Slabs, lattice: Lattice) -> Iterator[tuple[int, FloatArray]]:
    """Area fraction of every pixel inside the contours of each plane, shape (ny, nx)."""
    nx, ny, _ = lattice.shape
    n_lines = max(MIN_SCAN_LINES, int(np.ceil(lattice.spacing[1] / SCAN_LINE_MM)))
    hits = _crossings(pieces, float(lattice.lower[1]), lattice.spacing[1] / n_lines, ny * n_lines)
    at = np.clip((hits.x - lattice.lower[0]) / lattice.spacing[0], 0.0, nx)
    pixel = np.minimum(at.astype(np.int64), nx)
    beyond = at - pixel
    row = hits.line // n_lines
    bounds = np.searchsorted(hits.plane, np.arange(len(pieces.bottom) + 1))
    width = nx + 2  # a pixel's share spills into its right neighbour, then the running sum carries it on
    for plane in range(len(pieces.bottom)):
        part = slice(bounds[plane], bounds[plane + 1])
        cell = row[part] * width + pixel[part]
        weight = hits.sign[part] / n_lines
        step: FloatArray = np.zeros(ny * width)
        step += np.bincount(cell, weight * (1 - beyond[part]), minlength=ny * width)
        step += np.bincount(cell + 1, weight * beyond[part], minlength=ny * width)
        yield plane, np.cumsum(step.reshape(ny, width), axis=1)[:, :nx]
