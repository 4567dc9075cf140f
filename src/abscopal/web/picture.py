"""A plane of a case for the screen: CT and dose wash as pixels, structures as lines."""

from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps
from PIL import Image

from abscopal.dose.planes import LUNG_TO_BONE, SHOWN_FROM, Cut

PALE = 235  # grey of the page behind a case without CT


def png(cut: Cut, dose_max: float, wash: float) -> Image.Image:
    """CT in grey with the dose over it, turned as the plane is shown.

    Parameters
    ----------
    cut : Cut
    dose_max : float
        Dose of the last colour. [Gy]
    wash : float
        Opacity of the dose, 0 to 1.
    """
    if cut.ct is None:
        grey = np.full(cut.dose.shape, PALE, dtype=np.float64)
    else:
        low, high = LUNG_TO_BONE
        grey = 255 * np.clip((cut.ct - low) / (high - low), 0, 1)
    colour = 255 * colormaps["turbo"](cut.dose / dose_max)[..., :3]
    share = np.where(cut.dose >= SHOWN_FROM * dose_max, wash, 0.0)[..., None]
    mixed = (1 - share) * grey[..., None] + share * colour
    return Image.fromarray(_turned(cut, mixed).astype(np.uint8))


def outlines(cut: Cut) -> dict[str, Any]:
    """Outline of each structure as polygons with corners in fractions of width and height."""
    rows, columns = cut.dose.shape
    found = {}
    for label, level in cut.filled.items():
        lines: list[Any] = list(contour_generator(z=_turned(cut, level)).lines(0.5) or [])
        # Pixel centres lie half a pixel inside the picture.
        found[label] = [
            [[round((x + 0.5) / columns, 4), round((y + 0.5) / rows, 4)] for x, y in line] for line in lines
        ]
    return {
        "at": cut.position,
        "width_mm": float(np.ptp(cut.across)) + float(cut.across[1] - cut.across[0]),
        "height_mm": float(np.ptp(cut.down)) + float(cut.down[1] - cut.down[0]),
        "outlines": found,
        "max_gy": float(cut.dose.max()),
    }


def _turned(cut: Cut, values: Any) -> Any:
    """Rows from the top of the picture down."""
    return values[::-1] if cut.plane.flip_down else values
