"""Geometry that dose follows: distance to the targets, and the shadow that nine fields cast through them."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from abscopal.knowledge.load import load
from abscopal.planning.prediction.anatomy import LEVELS, SHEET, TARGETS, Anatomy, FloatArray, Mask

T = TypeVar("T")
FAR_MM = 1000.0


def remembered(compute: Callable[[Anatomy], T]) -> Callable[[Anatomy], T]:
    """Compute once for each anatomy, and forget with it; several predictors ask the same of one patient."""
    known: WeakKeyDictionary[Anatomy, T] = WeakKeyDictionary()

    @wraps(compute)
    def answer(anatomy: Anatomy) -> T:
        if anatomy not in known:
            known[anatomy] = compute(anatomy)
        return known[anatomy]

    return answer


def signed_distance(mask: Mask, voxel_mm: tuple[float, float, float]) -> FloatArray:
    """Distance to the surface of a mask, negative inside.

    Parameters
    ----------
    mask : array of bool, shape (a, b, c)
    voxel_mm : tuple of float
        [mm]

    Returns
    -------
    array, shape (a, b, c)
        Euclidean, half a voxel from the surface at the voxels next to it; 1000 where the mask is empty. [mm]
    """
    if not mask.any():
        return np.full(mask.shape, FAR_MM)
    half = min(voxel_mm) / 2
    outside = ndimage.distance_transform_edt(~mask, sampling=voxel_mm)
    if mask.all():
        return np.full(mask.shape, -FAR_MM)
    inside = ndimage.distance_transform_edt(mask, sampling=voxel_mm)
    return np.asarray(np.where(mask, half - inside, outside - half), dtype=np.float64)


def target_distances(anatomy: Anatomy) -> dict[str, FloatArray]:
    """Signed distance [mm] to each target level, 1000 mm where the patient has none at that level."""
    empty = np.zeros(anatomy.shape, dtype=bool)
    return {name: signed_distance(anatomy.masks.get(name, empty), anatomy.voxel_mm) for name in TARGETS}


def prescribed(anatomy: Anatomy) -> FloatArray:
    """Prescribed dose [Gy] in the targets, 0 elsewhere."""
    dose = np.zeros(anatomy.shape)
    for name, level in LEVELS.items():
        if name in anatomy.masks:
            dose[anatomy.masks[name]] = level
    return dose


@remembered
def field_shadow(anatomy: Anatomy) -> FloatArray:
    r"""Primary dose of equispaced open fields shaped to the targets, as a share of its mean in the targets.

    Every ray carries the highest prescription it meets, loses ``exp(-μ·depth)`` on its way (depth in
    water, from the CT) and spreads with the inverse square:

    .. math:: S = \sum_g \max_{ray}(P)\, e^{-\mu t_g} \left(\frac{A}{A + s_g}\right)^2

    with the source-axis distance A and s the distance beyond the isocentre. No scatter, no modulation: a
    feature for predictors, not a dose.

    Returns
    -------
    array, shape (a, b, c)
        [1]
    """
    sheet = load(SHEET)
    n = int(sheet["fields"])
    angles = np.deg2rad(sheet["first_gantry_angle"] + 360.0 / n * np.arange(n))
    setup = _Setup.of(anatomy)
    total = sum((_one_field(setup, float(angle)) for angle in angles), start=np.zeros(anatomy.shape, dtype=np.float32))
    mean = float(total[anatomy.target].mean())
    return np.asarray(total / mean, dtype=np.float64) if mean > 0 else np.zeros(anatomy.shape)


class _Setup:
    """A patient around the isocentre, and the fan of rays that every field uses."""

    def __init__(self, anatomy: Anatomy) -> None:
        sheet = load(SHEET)
        self.sad, self.attenuation = sheet["source_axis_distance"], sheet["attenuation"]
        self.penumbra, self.step = sheet["penumbra"], sheet["ray_step"]
        self.size = np.array(anatomy.voxel_mm)
        self.centre = np.array(ndimage.center_of_mass(anatomy.target))
        self.water = np.clip(anatomy.ct / 1000.0, 0.0, 2.0).astype(np.float32) * anatomy.region
        self.aim = prescribed(anatomy).astype(np.float32)
        corner = np.array(anatomy.shape)
        reach = float(np.linalg.norm((np.maximum(self.centre, corner - self.centre) * self.size)[:2]))
        self.along: NDArray[np.float32] = np.arange(-reach, reach + self.step, self.step, dtype=np.float32)
        self.across = self.along
        z = (np.arange(corner[2]) - self.centre[2]) * self.size[2]
        self.heights: NDArray[np.float32] = z.astype(np.float32)
        i, j, k = (np.arange(n, dtype=np.float32) for n in anatomy.shape)
        self.y = ((i - self.centre[0]) * self.size[0]).astype(np.float32)[:, None, None]
        self.x = ((j - self.centre[1]) * self.size[1]).astype(np.float32)[None, :, None]
        self.z = ((k - self.centre[2]) * self.size[2]).astype(np.float32)[None, None, :]

    @classmethod
    def of(cls, anatomy: Anatomy) -> "_Setup":
        return cls(anatomy)


def _one_field(setup: _Setup, angle: float) -> NDArray[np.float32]:
    """Primary dose of one open field on the voxels, in arbitrary units."""
    toward = np.array([np.cos(angle), -np.sin(angle)])  # travel along (y, x): gantry 0 enters from the front
    side = np.array([np.sin(angle), np.cos(angle)])
    s, u, v = np.meshgrid(setup.along, setup.across, setup.heights, indexing="ij", sparse=True)
    widening = (setup.sad + s) / setup.sad
    y = s * toward[0] + u * widening * side[0]
    x = s * toward[1] + u * widening * side[1]
    z = np.broadcast_to(v * widening, (s.size, u.size, v.size))
    index = np.stack([
        np.broadcast_to(y, z.shape) / setup.size[0] + setup.centre[0],
        np.broadcast_to(x, z.shape) / setup.size[1] + setup.centre[1],
        z / setup.size[2] + setup.centre[2],
    ]).astype(np.float32)  # fmt: skip
    depth = np.cumsum(ndimage.map_coordinates(setup.water, index, order=1, output=np.float32), axis=0) * setup.step
    aim = ndimage.map_coordinates(setup.aim, index, order=1, output=np.float32).max(axis=0)
    aim = ndimage.gaussian_filter(aim, [setup.penumbra / setup.step, setup.penumbra / setup.size[2]])
    primary = (aim[None] * np.exp(-setup.attenuation * depth) / widening**2).astype(np.float32)
    s_at = setup.y * toward[0] + setup.x * toward[1]
    narrow = setup.sad / (setup.sad + s_at)
    u_at = (setup.y * side[0] + setup.x * side[1]) * narrow
    shape = setup.water.shape
    back = np.stack([
        np.broadcast_to((s_at - setup.along[0]) / setup.step, shape),
        np.broadcast_to((u_at - setup.across[0]) / setup.step, shape),
        np.broadcast_to(setup.z * narrow / setup.size[2] + setup.centre[2], shape),
    ]).astype(np.float32)  # fmt: skip
    return np.asarray(ndimage.map_coordinates(primary, back, order=1, output=np.float32))
