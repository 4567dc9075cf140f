"""The dose picture: three planes through the centre of the high dose, in patient axes."""

from typing import Any

import numpy as np

from abscopal.dose.dicom.intake import Case
from abscopal.dose.planes import LUNG_TO_BONE, PLANES, SHOWN_FROM, Cut, Cutter
from abscopal.drawing import PALETTE, canvas, to_svg
from abscopal.report.words import Words

STEP = 1.5  # mm between drawn points
LETTER: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 7,
    "fontweight": "bold",
    "color": "#ffffff",
    "bbox": {"boxstyle": "round,pad=0.15", "facecolor": "#000000", "edgecolor": "none", "alpha": 0.6},
}


def draw_dose(case: Case, prescription_gy: float, say: Words) -> str:
    """CT (where there is one), dose wash and structure outlines in three planes, as SVG."""
    cutter = Cutter(case.dose, STEP, case.structures, case.ct)
    size = cutter.extent[1] - cutter.extent[0]
    heights = max(float(size[plane.down]) for plane in PLANES)
    widths = [float(size[plane.across]) for plane in PLANES]
    inches = 7.6 / sum(widths)
    colours = {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(case.structures)}
    with canvas(8.6, heights * inches + 0.5, columns=3, width_ratios=widths) as (figure, axes):
        for axis, plane in zip(axes, PLANES, strict=True):
            cut = cutter.cut(plane, float(cutter.hot_centre[plane.fixed]))
            _draw(axis, cut, prescription_gy, colours, _title(cut, say))
        figure.colorbar(axes[-1].images[-1], ax=list(axes), label=say("dose [Gy]"), shrink=0.85)
        return to_svg(figure, say("Dose in axial, coronal and sagittal planes through the centre of the high dose"))


def _draw(axis: Any, cut: Cut, prescription_gy: float, colours: dict[str, str], title: str) -> None:
    plane = cut.plane
    across, down = _edges(cut.across), _edges(cut.down)
    box = (across[0], across[1], down[1], down[0])
    if cut.ct is not None:
        axis.imshow(cut.ct, cmap="gray", vmin=LUNG_TO_BONE[0], vmax=LUNG_TO_BONE[1], extent=box)
    shown = np.ma.masked_less(cut.dose, SHOWN_FROM * prescription_gy)
    axis.imshow(shown, cmap="turbo", alpha=0.5, vmin=0, vmax=1.1 * prescription_gy, extent=box)
    axis.set_title(title)
    axis.set_axis_off()
    if plane.flip_down:
        axis.invert_yaxis()
    for letter, (x, y) in zip(plane.letters, ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
        axis.text(x, y, letter, transform=axis.transAxes, **LETTER)
    for label, level in cut.filled.items():
        axis.contour(cut.across, cut.down, level, levels=[0.5], colors=[colours[label]], linewidths=0.9)


def _title(cut: Cut, say: Words) -> str:
    at = f"{cut.position:.0f}".replace("-", "−")
    return {
        "axial": say("axial, z = {position} mm", position=at),
        "coronal": say("coronal, y = {position} mm", position=at),
        "sagittal": say("sagittal, x = {position} mm", position=at),
    }[cut.plane.title]


def _edges(centres: Any) -> tuple[float, float]:
    """Outer edges of the first and last pixel."""
    half = STEP / 2
    return float(centres[0]) - half, float(centres[-1]) + half
