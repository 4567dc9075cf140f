"""Implicit solids and their contours against closed forms."""

import numpy as np
import pytest

from abscopal.dose.sample.shapes import (
    FAR,
    Solid,
    Tube,
    blend_of_spheres,
    difference,
    ellipsoid,
    intersection,
    side,
    stack,
    standing,
    union,
)
from abscopal.dose.sample.thorax import outline
from abscopal.dose.structures import Structure

AXIS = np.arange(-40.0, 40.5, 1.0)


def volume(solid: Solid) -> float:
    """Volume by counting, a boundary voxel in part, in mm3."""
    return float(np.clip(0.5 - solid.on_grid(AXIS, AXIS, AXIS, 2.0), 0, 1).sum())


def ball(radius: float, centre: tuple[float, float, float] = (0, 0, 0)) -> Solid:
    return blend_of_spheres(np.array([centre], dtype=float), np.array([radius]), 1.0)


def test_one_sphere_is_exact() -> None:
    assert volume(ball(20.0)) == pytest.approx(4 / 3 * np.pi * 20**3, rel=2e-3)
    assert ball(20.0).field(np.array([30.0]), np.array([0.0]), np.array([0.0]))[0] == pytest.approx(10.0)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, 1), (0.6, -0.5, -0.6), (-0.1, 0.2, 0.9)])
def test_turned_ellipsoid_keeps_its_volume_and_its_box(axis: tuple[float, float, float]) -> None:
    solid = ellipsoid((2, -3, 1), (28, 15, 10), axis)
    assert volume(solid) == pytest.approx(4 / 3 * np.pi * 28 * 15 * 10, rel=0.01)
    inside = np.argwhere(solid.field(AXIS[None, None, :], AXIS[None, :, None], AXIS[:, None, None]) < 0)[:, ::-1]
    for column, (low, high) in zip(AXIS[inside].T, solid.box, strict=True):
        assert low <= column.min() < low + 2
        assert high - 2 < column.max() <= high


def test_straight_tube_is_a_capsule() -> None:
    tube = Tube(np.array([[-15.0, 0, 0], [15, 0, 0]]), np.array([8.0, 8.0])).solid()
    assert volume(tube) == pytest.approx(np.pi * 8**2 * 30 + 4 / 3 * np.pi * 8**3, rel=0.01)


def test_tube_passes_through_its_points() -> None:
    points = np.array([[-20.0, 0, 0], [0, 10, 5], [20, 0, -10]])
    field = Tube(points, np.array([4.0, 6, 5])).solid().field(*points.T)
    np.testing.assert_allclose(field, [-4, -6, -5], atol=1e-9)


def test_set_operations_add_up() -> None:
    first, second = ball(18.0), ball(14.0, (12, 0, 0))
    both = volume(intersection(first, second))
    assert volume(union(first, second)) == pytest.approx(volume(first) + volume(second) - both, rel=2e-3)
    assert volume(difference(first, second)) == pytest.approx(volume(first) - both, rel=2e-3)
    assert volume(intersection(first, side(0.0, 1))) == pytest.approx(volume(first) / 2, rel=0.01)


def test_operations_agree_on_open_grids_and_on_points() -> None:
    solid = difference(ball(18.0), Tube(np.array([[0.0, 0, -30], [0, 0, 30]]), np.array([5.0, 5])).solid())
    grid = solid.on_grid(AXIS, AXIS, AXIS, 2.0)
    k, j, i = np.nonzero(np.abs(grid) < 2)
    np.testing.assert_allclose(solid.field(AXIS[i], AXIS[j], AXIS[k]), grid[k, j, i])


def test_grown_sphere_and_field_far_away() -> None:
    assert volume(ball(15.0).grown(5.0)) == pytest.approx(volume(ball(20.0)), rel=1e-6)
    assert ball(5.0).on_grid(AXIS, AXIS, AXIS)[0, 0, 0] == FAR


def test_stack_has_elliptic_sections() -> None:
    z = np.array([-40.0, 40.0])
    solid = stack(z, np.array([30.0, 30.0]), np.array([20.0, 20.0]), np.array([0.0, 0.0]), 2.0)
    assert volume(solid) == pytest.approx(np.pi * 30 * 20 * AXIS.size, rel=0.01)


def test_standing_continues_the_section_downward() -> None:
    solid = standing(ball(20.0), 0.0)
    below = solid.field(np.array([0.0]), np.array([0.0]), np.array([-35.0]))
    assert below[0] == pytest.approx(-20.0)
    assert solid.field(np.array([0.0]), np.array([0.0]), np.array([25.0]))[0] == pytest.approx(5.0)


@pytest.mark.parametrize("step", [1.0, 2.5])
def test_contours_are_sub_voxel_accurate(step: float) -> None:
    heights = np.arange(-30.0, 31.0, 1.0)
    contours = outline(ball(20.0, (3.3, -1.7, 0.2)), heights, step)
    found = Structure(1, "ball", contours=contours).slabs().volume_cm3()
    assert found == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.006)


def test_hole_is_an_inner_contour() -> None:
    hollow = difference(ball(20.0), ball(8.0))
    assert len(outline(hollow, np.array([0.0]), 1.0)) == 2
    shell = Structure(1, "shell", contours=outline(hollow, np.arange(-24.0, 25.0), 1.0)).slabs().volume_cm3()
    assert shell == pytest.approx(4 / 3 * np.pi * (2.0**3 - 0.8**3), rel=0.006)
