"""Implicit solids: functions of position that are negative inside, near a distance in mm outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

FloatArray = NDArray[np.float64]
Field = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""f(x, y, z) on broadcastable LPS coordinates in mm; negative inside."""
Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Bounds in x, y and z that enclose the solid, in mm."""

FAR = 1000.0
"""Field value given where a point lies outside the box of a solid, in mm."""
NEAR = 12.0
"""Composites follow a part exactly to this distance outside its box; wider than any pixel, in mm."""
TINY = 1e-9


@dataclass(frozen=True)
class Solid:
    """An implicit solid with the box outside which it is certainly absent.

    Attributes
    ----------
    field : callable
        Negative inside; near the surface, about the distance to it. [mm]
    box : tuple of three pairs
        Bounds in x, y and z. [mm]
    """

    field: Field
    box: Box

    def on_grid(self, x: FloatArray, y: FloatArray, z: FloatArray, margin: float = 0.0) -> FloatArray:
        """Field on the grid of three ascending axes, shape (nz, ny, nx); `FAR` outside the box, in mm."""
        values = np.full((z.size, y.size, x.size), FAR)
        kx, ky, kz = (
            slice(*np.searchsorted(axis, (low - margin, high + margin)))
            for axis, (low, high) in zip((x, y, z), self.box, strict=True)
        )
        if values[kz, ky, kx].size:
            values[kz, ky, kx] = self.field(x[None, None, kx], y[None, ky, None], z[kz, None, None])
        return values

    def grown(self, margin: float) -> "Solid":
        """The solid expanded by `margin` (exact for spheres and tubes, near it elsewhere), in mm."""
        field = self.field
        grow = max(margin, 0.0)
        box = tuple((low - grow, high + grow) for low, high in self.box)
        return Solid(lambda x, y, z: field(x, y, z) - margin, (box[0], box[1], box[2]))


def _within(solid: Solid, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Field of a part; on an open grid it is worked out only near the part's box."""
    open_grid = all(c.ndim == 3 and c.size == c.shape[axis] for c, axis in ((x, 2), (y, 1), (z, 0)))
    if open_grid:
        return solid.on_grid(x.ravel(), y.ravel(), z.ravel(), NEAR)
    return solid.field(x, y, z)


def union(*solids: Solid) -> Solid:
    """Points inside any of the solids."""
    box = tuple(
        (min(solid.box[axis][0] for solid in solids), max(solid.box[axis][1] for solid in solids)) for axis in range(3)
    )
    return Solid(lambda x, y, z: _reduce(np.minimum, [_within(s, x, y, z) for s in solids]), (box[0], box[1], box[2]))


def intersection(first: Solid, *others: Solid) -> Solid:
    """Points inside all of the solids; the box is that of the first."""
    return Solid(lambda x, y, z: _reduce(np.maximum, [s.field(x, y, z) for s in (first, *others)]), first.box)


def difference(solid: Solid, *removed: Solid) -> Solid:
    """Points of `solid` outside all of `removed`."""
    return Solid(
        lambda x, y, z: _reduce(np.maximum, [solid.field(x, y, z), *(-_within(s, x, y, z) for s in removed)]), solid.box
    )


def _reduce(operation: Callable[[FloatArray, FloatArray], FloatArray], fields: Sequence[FloatArray]) -> FloatArray:
    result = fields[0]
    for field in fields[1:]:
        result = operation(result, field)
    return result


def _radial(gauge: FloatArray, radius: FloatArray) -> FloatArray:
    """Distance along the ray from the centre to the surface where the gauge is one."""
    return radius - radius / np.maximum(gauge, TINY)


def ellipsoid(
    centre: Sequence[float], half_axes: Sequence[float], long_axis: Sequence[float] = (1.0, 0.0, 0.0)
) -> Solid:
    """Ellipsoid whose first half axis points along `long_axis`; lengths in mm."""
    frame = _frame(np.asarray(long_axis, dtype=float))
    scaled = frame / np.asarray(half_axes, dtype=float)[:, None]
    x0, y0, z0 = (float(c) for c in centre)

    def field(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        dx, dy, dz = x - x0, y - y0, z - z0
        square = sum(((row[0] * dx + row[1] * dy + row[2] * dz) ** 2 for row in scaled), np.zeros(()))
        return _radial(np.sqrt(square), np.sqrt(dx**2 + dy**2 + dz**2))

    reach = np.sqrt(((frame * np.asarray(half_axes, dtype=float)[:, None]) ** 2).sum(axis=0))
    return Solid(field, _box(np.asarray(centre, dtype=float), reach))


def _frame(axis: FloatArray) -> FloatArray:
    """Rows: the unit axis and two perpendicular ones (the world axes where the axis is x)."""
    first = axis / np.linalg.norm(axis)
    helper = np.array([0.0, 0.0, 1.0]) if abs(first[2]) < np.sqrt(0.5) else np.array([0.0, 1.0, 0.0])
    second = np.cross(helper, first)
    second /= np.linalg.norm(second)
    return np.array([first, second, np.cross(first, second)])


def _box(centre: FloatArray, reach: FloatArray) -> Box:
    low, high = centre - reach, centre + reach
    return ((low[0], high[0]), (low[1], high[1]), (low[2], high[2]))


def blend_of_spheres(centres: FloatArray, radii: FloatArray, blend: float) -> Solid:
    """Spheres, shapes (n, 3) and (n,), joined smoothly over `blend`, all in mm.

    The log-sum-exp minimum of the distances; it bulges by at most ``blend * log(n)``.
    """

    def field(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        parts = [
            np.sqrt((x - c[0]) ** 2 + (y - c[1]) ** 2 + (z - c[2]) ** 2) - r
            for c, r in zip(centres, radii, strict=True)
        ]
        nearest = _reduce(np.minimum, parts)
        total = sum((np.exp((nearest - part) / blend) for part in parts), np.zeros(()))
        return nearest - blend * np.log(total)

    spare = blend * np.log(len(radii))
    low, high = (centres - radii[:, None]).min(axis=0) - spare, (centres + radii[:, None]).max(axis=0) + spare
    return Solid(field, _box((low + high) / 2, (high - low) / 2))


@dataclass(frozen=True)
class Tube:
    """A tube of changing radius along a smooth curve through given points.

    Attributes
    ----------
    points : array, shape (n, 3)
        Points of the centre line, LPS. [mm]
    radii : array, shape (n,)
        [mm]
    refine : int
        Straight pieces per pair of points.
    """

    points: FloatArray
    radii: FloatArray
    refine: int = 3

    @cached_property
    def line(self) -> FloatArray:
        """Centre line and radius, shape (m, 4), in mm."""
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])
        fine = np.interp(np.arange((arc.size - 1) * self.refine + 1) / self.refine, np.arange(arc.size), arc)
        return np.asarray(PchipInterpolator(arc, np.column_stack([self.points, self.radii]))(fine), dtype=np.float64)

    def solid(self, *, flatten: float = 1.0) -> Solid:
        """The tube as a solid; `flatten` > 1 shortens its depth (y) by that factor."""
        line = self.line

        def field(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
            best = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf)
            for start, end in pairwise(line):
                np.minimum(best, _capsule(x, y, z, start, end, flatten), out=best)
            return best

        low = (line[:, :3] - line[:, 3:]).min(axis=0)
        high = (line[:, :3] + line[:, 3:]).max(axis=0)
        return Solid(field, _box((low + high) / 2, (high - low) / 2))


def _capsule(
    x: FloatArray, y: FloatArray, z: FloatArray, start: FloatArray, end: FloatArray, flatten: float
) -> FloatArray:
    """Distance to a straight piece of centre line less the radius there, in mm."""
    along = end[:3] - start[:3]
    dx, dy, dz = x - start[0], y - start[1], z - start[2]
    t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / max(float(along @ along), TINY), 0.0, 1.0)
    gap = np.sqrt((dx - t * along[0]) ** 2 + (flatten * (dy - t * along[1])) ** 2 + (dz - t * along[2]) ** 2)
    return np.asarray(gap - (start[3] + t * (end[3] - start[3])), dtype=np.float64)


def stack(
    z_knots: FloatArray, half_width: FloatArray, half_depth: FloatArray, y_centre: FloatArray, exponent: float
) -> Solid:
    """Superelliptic sections, each of shape (n,), interpolated along z without overshoot, in mm."""
    knots = PchipInterpolator(z_knots, np.column_stack([half_width, half_depth, y_centre]), extrapolate=False)

    def field(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        a, b, y0 = np.moveaxis(knots(np.clip(z, z_knots[0], z_knots[-1])), -1, 0)
        dy = y - y0
        gauge = (np.abs(x / a) ** exponent + np.abs(dy / b) ** exponent) ** (1.0 / exponent)
        return _radial(gauge, np.hypot(x, dy))

    wide, deep, shift = float(half_width.max()), float(half_depth.max()), float(np.abs(y_centre).max())
    return Solid(
        field,
        ((-wide, wide), (-deep - shift, deep + shift), (float(z_knots[0]), float(z_knots[-1]))),
    )


def side(threshold: float, sign: int) -> Solid:
    """Half space with ``sign * x > threshold``, in mm."""
    everywhere = (-FAR, FAR)
    return Solid(lambda x, y, z: threshold - sign * x + 0 * (y + z), (everywhere, everywhere, everywhere))


def standing(solid: Solid, z_foot: float) -> Solid:
    """The part of `solid` above `z_foot`, its section there continued downward without end, in mm."""
    return Solid(lambda x, y, z: solid.field(x, y, np.maximum(z, z_foot)), (*solid.box[:2], (-FAR, solid.box[2][1])))
