"""Contours of a field on axial planes: where a sampled function passes through zero."""

from collections.abc import Iterable

import numpy as np
from contourpy import contour_generator

from abscopal.dose.grid import FloatArray

MIN_AREA_MM2 = 2.0


def outline_planes(
    x: FloatArray, y: FloatArray, planes: Iterable[tuple[float, FloatArray]], level: float = 0.0
) -> tuple[FloatArray, ...]:
    """Closed contours at which a function has a value, plane by plane.

    Parameters
    ----------
    x, y : array, shapes (nx,), (ny,)
        Where the function is sampled, ascending, LPS; it must not reach the level on the border. [mm]
    planes : iterable of (float, array of shape (ny, nx))
        Height z [mm] and values.
    level : float
        Between grid points the function is taken as linear.

    Returns
    -------
    tuple of array, shape (m, 3)
        LPS, without a repeated last point; the border of a hole is a contour of its own. Contours around less than
        2 mm² are left out. [mm]
    """
    contours = []
    for height, values in planes:
        for line in contour_generator(x, y, values).lines(level):
            points = np.asarray(line, dtype=float)[:-1]
            if len(points) >= 3 and _area(points) > MIN_AREA_MM2:
                contours.append(np.column_stack([points, np.full(len(points), height)]))
    return tuple(contours)


def _area(points: FloatArray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
