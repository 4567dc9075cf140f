r"""A stated analytic dose model for static, conformal photon fields.

For a point at distance :math:`t` from the source along the field axis, projected to
:math:`(u, v)` in the isocentre plane,

.. math::

    D = w \, \left(\frac{SAD}{t}\right)^2 \frac{T(d)}{T(d_{max})}
        \left[(1-s)\,\tfrac12 \operatorname{erfc}\frac{a(u,v)}{\sqrt2\,\sigma} + s\,e^{-a_+/\lambda} + l\right],
    \qquad T(d) = e^{-\mu d}\,(1 - (1-f)\,e^{-\beta d}),

with :math:`d` the water-equivalent depth along the ray through the CT, :math:`a` the distance
outside the aperture (the beam's-eye outline of the target and a margin), :math:`\sigma` the
penumbra, wider in lung, :math:`s` and :math:`\lambda` share and reach of scatter, :math:`l`
leakage. Heterogeneity enters through :math:`d` and :math:`\sigma` only: there is no transport of
electrons or scatter, so doses at lung-tissue borders are those of an equivalent-path-length
algorithm. Every number is in the knowledge sheet `dose/thorax_phantom`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import erfc

from abscopal.dose.sample.anatomy import SHEET
from abscopal.dose.sample.shapes import Solid
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Axes = tuple[FloatArray, FloatArray, FloatArray]
"""Ascending voxel centres along x, y and z of the patient (LPS), in mm."""

RAY_STEP_MM = 4.0
OUTLINE_STEP_MM = 2.0
OUTLINE_REACH_MM = 110.0


@dataclass(frozen=True)
class Aperture:
    """Distance outside the field's edge in the isocentre plane.

    Attributes
    ----------
    u, v : array, shapes (nu,), (nv,)
        Positions across the field: u towards the patient's left at gantry 0, v towards the head. [mm]
    distance : array, shape (nv, nu)
        Distance to the field's edge, negative inside. [mm]
    """

    u: FloatArray
    v: FloatArray
    distance: FloatArray

    def jaws(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Extent of the open field in u and in v, in mm."""
        inside = self.distance <= 0
        columns, rows = self.u[inside.any(axis=0)], self.v[inside.any(axis=1)]
        return (float(columns[0]), float(columns[-1])), (float(rows[0]), float(rows[-1]))

    def leaves(self, boundaries: FloatArray) -> FloatArray:
        """Left and right leaf tips, shape (2, n), for leaf pairs between `boundaries`, in mm.

        A pair that meets no open part of the field is closed at the centre of the field.
        """
        tips = np.full((2, boundaries.size - 1), float(np.mean(self.jaws()[0])))
        for pair, (low, high) in enumerate(pairwise(boundaries)):
            rows = (self.v >= low) & (self.v <= high)
            open_here = self.u[(self.distance[rows] <= 0).any(axis=0)]
            if open_here.size:
                tips[:, pair] = open_here[0], open_here[-1]
        return tips


@dataclass(frozen=True)
class FieldDose:
    """One field and its dose over the whole course.

    Attributes
    ----------
    number : int
    gantry : float
        IEC 61217. [degree]
    dose : array, shape (nz, ny, nx)
        [Gy]
    reference : float
        Dose at the depth of maximum at the isocentre distance in water, over the course. [Gy]
    at_point : float
        Dose at `point` over the course. [Gy]
    point : array, shape (3,)
        Where the field's weight is given, LPS. [mm]
    aperture : Aperture
    """

    number: int
    gantry: float
    dose: FloatArray
    reference: float
    at_point: float
    point: FloatArray
    aperture: Aperture

    def times(self, factor: float) -> "FieldDose":
        """The field with its dose multiplied by `factor`."""
        return replace(
            self,
            dose=self.dose * factor,
            reference=self.reference * factor,
            at_point=self.at_point * factor,
        )

    def within(self, inside: NDArray[np.bool_]) -> "FieldDose":
        """The field with no dose outside the body."""
        return replace(self, dose=np.where(inside, self.dose, 0.0))


@dataclass(frozen=True)
class Phantom:
    """What the dose model needs to know of the patient.

    Attributes
    ----------
    density : array, shape (nz, ny, nx)
        Relative to water. [1]
    axes : tuple of array
        Voxel centres of `density`. [mm]
    lung_density : float
        [1]
    """

    density: FloatArray
    axes: Axes
    lung_density: float

    def at(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Density at points (LPS): 0 beside the image, its end slices continued beyond them."""
        return _trilinear(self.density, self.axes, x, y, np.clip(z, self.axes[2][0], self.axes[2][-1]))

    def corners(self) -> FloatArray:
        """The eight outermost voxel centres, shape (3, 8), LPS, in mm."""
        ends = [axis[[0, -1]] for axis in self.axes]
        return np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)

    def lung_share(self, blur_mm: float) -> "Phantom":
        """The same grid holding 0 in water-like and 1 in lung-like surroundings."""
        spacing = [float(axis[1] - axis[0]) for axis in self.axes[::-1]]
        smooth = gaussian_filter(self.density, [blur_mm / step for step in spacing])
        return replace(self, density=np.clip((1.0 - smooth) / (1.0 - self.lung_density), 0.0, 1.0))


def relative_density(hounsfield: FloatArray) -> FloatArray:
    """Density relative to water from Hounsfield units by a bilinear calibration."""
    below, above = load(SHEET).vector("density_per_hu")
    return np.maximum(1.0 + np.where(hounsfield < 0, below, above) * hounsfield, 0.0)


def depth_dose(depth: FloatArray) -> FloatArray:
    """Tissue-maximum ratio of the model, 1 at the depth of maximum; `depth` in mm of water."""
    curve = _build_up_and_fall(depth)
    return np.asarray(curve / _build_up_and_fall(np.array([depth_of_maximum()]))[0], dtype=np.float64)


def depth_of_maximum() -> float:
    """Depth where the depth dose is highest, in mm of water."""
    sheet = load(SHEET)
    mu, beta, loss = sheet["attenuation"], sheet["buildup"], 1.0 - sheet["surface_fraction"]
    return float(np.log(loss * (mu + beta) / mu) / beta)


def _build_up_and_fall(depth: FloatArray) -> FloatArray:
    sheet = load(SHEET)
    rise = 1.0 - (1.0 - sheet["surface_fraction"]) * np.exp(-sheet["buildup"] * depth)
    return np.asarray(np.exp(-sheet["attenuation"] * depth) * rise, dtype=np.float64)


@dataclass(frozen=True)
class FieldSetup:
    """How one field is placed and weighted.

    Attributes
    ----------
    gantry : float
        IEC 61217. [degree]
    weight : float
        Dose at `point`. [Gy]
    target : Solid
        What the aperture follows.
    point : array, shape (3,)
        Where the weight is given, LPS. [mm]
    """

    gantry: float
    weight: float
    target: Solid
    point: FloatArray


def plan_fields(
    phantom: Phantom, setups: Sequence[FieldSetup], isocentre: FloatArray, margin: float, axes: Axes
) -> tuple[FieldDose, ...]:
    """Dose of conformal fields, each giving its weight at its point.

    Parameters
    ----------
    phantom : Phantom
    setups : sequence of FieldSetup
    isocentre : array, shape (3,)
        LPS. [mm]
    margin : float
        From the target's beam's-eye outline to the field edge. [mm]
    axes : tuple of array
        Voxel centres of the dose grid. [mm]

    Returns
    -------
    tuple of FieldDose
    """
    lung = phantom.lung_share(load(SHEET)["penumbra_blur_mm"])
    points = np.stack([grid.transpose(2, 1, 0) for grid in np.meshgrid(*axes, indexing="ij")])
    share = lung.at(*points)
    fields = []
    for number, setup in enumerate(setups, start=1):
        beam = _Beam(setup.gantry, isocentre, load(SHEET)["sad_mm"])
        aperture = beam.aperture(setup.target, margin)
        dose = beam.unit_dose(phantom, aperture, points, share)
        at_point = float(_trilinear(dose, axes, *setup.point.reshape(3, 1))[0])
        field = FieldDose(number, setup.gantry, dose, 1.0, at_point, setup.point, aperture)
        fields.append(field.times(setup.weight / at_point))
    return tuple(fields)


@dataclass(frozen=True)
class _Beam:
    """Geometry of one field: source, axis and the two directions across it."""

    gantry: float
    isocentre: FloatArray
    sad: float

    @property
    def frame(self) -> FloatArray:
        """Rows: across (u), towards the head (v), away from the source."""
        angle = np.deg2rad(self.gantry)
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, s, 0.0], [0.0, 0.0, 1.0], [-s, c, 0.0]])

    @property
    def source(self) -> FloatArray:
        return np.asarray(self.isocentre - self.sad * self.frame[2], dtype=np.float64)

    def project(self, points: FloatArray) -> FloatArray:
        """(u, v) in the isocentre plane and the distance along the axis, shape (3, ...)."""
        shift = points - self.source.reshape(3, *(1,) * (points.ndim - 1))
        u, v, t = np.tensordot(self.frame, shift, axes=1)
        return np.stack([u * self.sad / t, v * self.sad / t, t])

    def place(self, u: FloatArray, v: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Patient positions on the grid t x v x u, each of shape (nt, nv, nu)."""
        scale = t[:, None, None] / self.sad
        across, up, away = self.frame
        x, y, z = (
            self.source[k]
            + scale * (u[None, None, :] * across[k] + v[None, :, None] * up[k])
            + t[:, None, None] * away[k]
            for k in range(3)
        )
        return x, y, z

    def aperture(self, target: Solid, margin: float) -> Aperture:
        """The target's outline as seen from the source, and a margin."""
        corners = np.stack(np.meshgrid(*target.box, indexing="ij")).reshape(3, -1)
        low, high = self.project(corners).min(axis=1), self.project(corners).max(axis=1)
        u, v = (_steps(low[k] - OUTLINE_REACH_MM, high[k] + OUTLINE_REACH_MM, OUTLINE_STEP_MM) for k in range(2))
        depth = _steps(low[2], high[2], OUTLINE_STEP_MM)
        nearest = np.full((v.size, u.size), np.inf)
        for t in depth:
            np.minimum(nearest, target.field(*self.place(u, v, np.array([t])))[0], out=nearest)
        return Aperture(u, v, nearest - margin)

    def unit_dose(self, phantom: Phantom, aperture: Aperture, points: FloatArray, lung: FloatArray) -> FloatArray:
        """Dose at points (3, nz, ny, nx) for 1 Gy at the depth of maximum at the isocentre distance."""
        place = self.project(points)
        depth = self._water_depth(phantom, place)
        inverse_square = (self.sad / place[2]) ** 2
        return np.asarray(inverse_square * depth_dose(depth) * _profile(aperture, place, lung), dtype=np.float64)

    def _water_depth(self, phantom: Phantom, place: FloatArray) -> FloatArray:
        """Water-equivalent depth at projected points, by tracing a fan of rays through the image. [mm]."""
        low = place.reshape(3, -1).min(axis=1) - RAY_STEP_MM
        high = place.reshape(3, -1).max(axis=1) + RAY_STEP_MM
        low[2] = min(low[2], self.project(phantom.corners())[2].min())  # rays start before the image
        u, v, t = (_steps(low[k], high[k], RAY_STEP_MM) for k in range(3))
        slant = np.sqrt(1.0 + (u[None, :] ** 2 + v[:, None] ** 2) / self.sad**2)
        density = phantom.at(*self.place(u, v, t))
        passed = (np.cumsum(density, axis=0) - density / 2) * RAY_STEP_MM * slant
        return _trilinear(passed, (u, v, t), *place)


def _profile(aperture: Aperture, place: FloatArray, lung: FloatArray) -> FloatArray:
    """Fluence across the field: penumbra by density, scatter, leakage."""
    sheet = load(SHEET)
    index = [(place[k] - axis[0]) / OUTLINE_STEP_MM for k, axis in ((1, aperture.v), (0, aperture.u))]
    outside = map_coordinates(aperture.distance, index, order=1, mode="nearest")
    water, aerated = (
        0.5 * erfc(outside / (np.sqrt(2.0) * sheet[key])) for key in ("penumbra_water_mm", "penumbra_lung_mm")
    )
    scatter = sheet["scatter_fraction"]
    tail = np.exp(-np.maximum(outside, 0.0) / sheet["scatter_reach_mm"])
    direct = (1.0 - lung) * water + lung * aerated
    return np.asarray((1.0 - scatter) * direct + scatter * tail + sheet["leakage"], dtype=np.float64)


def _steps(low: float, high: float, step: float) -> FloatArray:
    return np.asarray(low + step * np.arange(int(np.ceil((high - low) / step)) + 1), dtype=np.float64)


def _trilinear(values: FloatArray, axes: Axes, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Values, shape (n3, n2, n1), at points on the axes (1, 2, 3); 0 outside."""
    index = [(p - axis[0]) / (axis[1] - axis[0]) for p, axis in zip((z, y, x), axes[::-1], strict=True)]
    return np.asarray(map_coordinates(values, index, order=1, mode="constant"), dtype=np.float64)
