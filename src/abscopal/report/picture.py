"""The dose picture: three planes through the centre of the high dose, in patient axes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.dose.dicom.intake import Case
from abscopal.dose.grid import DoseGrid, Volume
from abscopal.dose.structures import Structure, occupancy
from abscopal.drawing import PALETTE, canvas, to_svg

FloatArray = NDArray[np.float64]
STEP = 1.5  # mm between drawn points
LUNG_TO_BONE = (-900, 300)  # HU shown from black to white
LETTER: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 7,
    "fontweight": "bold",
    "color": "#ffffff",
    "bbox": {"boxstyle": "round,pad=0.15", "facecolor": "#000000", "edgecolor": "none", "alpha": 0.6},
}
SHOWN_FROM = 0.05  # of the prescription; less is not coloured


@dataclass(frozen=True)
class _Plane:
    """One plane: which LPS axes run right and down, and the letters at its four edges."""

    title: str
    across: int
    down: int
    fixed: int
    letters: tuple[str, str, str, str]
    flip_down: bool


# Letters: left edge, right edge, top, bottom of the picture. Axial follows the radiological
# convention: the patient's left is on the reader's right.
PLANES = (
    _Plane("axial", 0, 1, 2, ("R", "L", "A", "P"), flip_down=False),
    _Plane("coronal", 0, 2, 1, ("R", "L", "S", "I"), flip_down=True),
    _Plane("sagittal", 1, 2, 0, ("A", "P", "S", "I"), flip_down=True),
)


def draw_dose(case: Case, prescription_gy: float) -> str:
    """CT (where there is one), dose wash and structure outlines in three planes, as SVG."""
    centre = _hot_centre(case.dose)
    extent = _extent(case.dose)
    size = extent[1] - extent[0]
    heights = max(float(size[plane.down]) for plane in PLANES)
    widths = [float(size[plane.across]) for plane in PLANES]
    inches = 7.6 / sum(widths)
    solids = [_filled(structure, case.dose) for structure in case.structures.values() if not structure.is_empty]
    with canvas(8.6, heights * inches + 0.5, columns=3, width_ratios=widths) as (figure, axes):
        for axis, plane in zip(axes, PLANES, strict=True):
            points = _draw_plane(axis, plane, case, centre, extent, prescription_gy)
            _outline(axis, plane, solids, points)
        figure.colorbar(axes[-1].images[-1], ax=list(axes), label="dose [Gy]", shrink=0.85)
        return to_svg(figure, "Dose in axial, coronal and sagittal planes through the centre of the high dose")


def _hot_centre(dose: DoseGrid) -> FloatArray:
    hot = np.argwhere(dose.values >= 0.9 * dose.values.max())
    k, j, i = hot.mean(axis=0)
    return np.asarray((dose.affine @ np.array([i, j, k, 1.0]))[:3], dtype=np.float64)


def _extent(dose: DoseGrid) -> FloatArray:
    """Lowest and highest LPS coordinate of the grid's voxel centres, shape (2, 3)."""
    nz, ny, nx = dose.values.shape
    corners = np.array([[i, j, k, 1.0] for i in (0, nx - 1) for j in (0, ny - 1) for k in (0, nz - 1)]) @ dose.affine.T
    return np.stack([corners[:, :3].min(axis=0), corners[:, :3].max(axis=0)])


def _mesh(plane: _Plane, centre: FloatArray, extent: FloatArray, step: float) -> tuple[FloatArray, list[float]]:
    across = np.arange(extent[0, plane.across], extent[1, plane.across] + step, step)
    down = np.arange(extent[0, plane.down], extent[1, plane.down] + step, step)
    points = np.empty((down.size, across.size, 3))
    points[..., plane.across] = across
    points[..., plane.down] = down[:, None]
    points[..., plane.fixed] = centre[plane.fixed]
    box = [across[0] - step / 2, across[-1] + step / 2, down[-1] + step / 2, down[0] - step / 2]
    return points, [float(edge) for edge in box]


def _draw_plane(
    axis: Any, plane: _Plane, case: Case, centre: FloatArray, extent: FloatArray, prescription_gy: float
) -> FloatArray:
    """Draw CT, dose and letters; returns the points drawn, shape (rows, columns, 3), in mm."""
    points, box = _mesh(plane, centre, extent, STEP)
    if case.ct is not None and _covers(case.ct):
        axis.imshow(_sample(case.ct, points), cmap="gray", vmin=LUNG_TO_BONE[0], vmax=LUNG_TO_BONE[1], extent=box)
    dose = case.dose.sample(points.reshape(-1, 3)).reshape(points.shape[:2])
    shown = np.ma.masked_less(dose, SHOWN_FROM * prescription_gy)
    axis.imshow(shown, cmap="turbo", alpha=0.5, vmin=0, vmax=1.1 * prescription_gy, extent=box)
    axis.set_title(f"{plane.title}, {'xyz'[plane.fixed]} = {centre[plane.fixed]:.0f} mm".replace("-", "−"))
    axis.set_axis_off()
    if plane.flip_down:
        axis.invert_yaxis()
    for letter, (x, y) in zip(plane.letters, ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
        axis.text(x, y, letter, transform=axis.transAxes, **LETTER)
    return points


def _covers(ct: Volume) -> bool:
    """Whether the CT has enough slices to fill a plane; a single slice would leave a stripe."""
    return len(ct.values) > 1


def _sample(ct: Volume, points: FloatArray) -> FloatArray:
    from scipy.ndimage import map_coordinates

    flat = np.column_stack([points.reshape(-1, 3), np.ones(points[..., 0].size)])
    index = (flat @ np.linalg.inv(ct.affine).T)[:, 2::-1].T
    values = map_coordinates(ct.values, index, order=1, mode="constant", cval=-1000.0)
    return np.asarray(values, dtype=np.float64).reshape(points.shape[:2])


def _filled(structure: Structure, dose: DoseGrid) -> DoseGrid:
    """A structure's occupancy of the dose grid, to be sampled like a dose."""
    return replace(dose, values=occupancy(structure, dose), kind="physical", alpha_beta=None)


def _outline(axis: Any, plane: _Plane, solids: list[DoseGrid], points: FloatArray) -> None:
    """The line where a structure fills half of a voxel."""
    for index, solid in enumerate(solids):
        level = solid.sample(points.reshape(-1, 3)).reshape(points.shape[:2])
        if level.max() > 0.5 > level.min():
            across, down = points[..., plane.across], points[..., plane.down]
            colour = PALETTE[index % len(PALETTE)]
            axis.contour(across, down, level, levels=[0.5], colors=[colour], linewidths=0.9)
