import numpy as np
import pytest

from abscopal.domain.errors import DicomError
from abscopal.dose.grid import DoseGrid
from abscopal.dose.structures import Structure, occupancy
from tests.dose.build import circle, sphere, square


def grid(shape=(30, 33, 35), spacing=(2.0, 2.5, 3.0), origin=(-33.0, -40.0, -45.0)) -> DoseGrid:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return DoseGrid(np.ones(shape), affine, "physical")


def volume(structure: Structure, on: DoseGrid | None = None, **options) -> float:
    on = on or grid()
    return float(occupancy(structure, on, **options).sum()) * on.voxel_volume_cm3


def test_cylinder_between_dose_planes() -> None:
    disc = Structure(1, "disc", contours=tuple(circle(17.3, z) for z in np.arange(-20.2, 20, 2.0)))
    expected = np.pi * 17.3**2 * 2.0 * len(disc.contours) / 1000
    assert volume(disc) == pytest.approx(expected, rel=2e-4)
    assert disc.slabs().volume_cm3() == pytest.approx(expected, rel=2e-4)


def test_sphere() -> None:
    ball = Structure(1, "ball", contours=tuple(sphere(15.0, (1.3, -2.2, 0.7), 0.5)))
    assert volume(ball) == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=1e-3)


def test_annulus_is_even_odd() -> None:
    ring = [circle(r, z) for z in (-3.0, 0.0, 3.0) for r in (20.0, 12.0)]
    structure = Structure(1, "ring", contours=tuple(ring))
    assert volume(structure) == pytest.approx(np.pi * (20**2 - 12**2) * 9 / 1000, rel=3e-4)
    centre = occupancy(structure, grid())[15, 16, 16]
    assert centre == 0.0


def test_island_inside_a_hole_counts_again() -> None:
    nested = [square(half, 0.0) for half in (20.0, 12.0, 6.0)]
    structure = Structure(1, "nested", contours=tuple(nested))
    assert volume(structure, thickness=4.0) == pytest.approx((40**2 - 24**2 + 12**2) * 4 / 1000, rel=1e-6)


def test_keyhole_equals_a_hole() -> None:
    outer, inner = square(20.0, 0.0), square(8.0, 0.0)
    keyhole = np.vstack([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])
    joined = Structure(1, "keyhole", contours=(keyhole,))
    holed = Structure(1, "holed", contours=(outer, inner))
    np.testing.assert_allclose(occupancy(joined, grid()), occupancy(holed, grid()), atol=1e-12)


def test_partial_voxels_of_a_box_are_exact_in_x_and_z() -> None:
    box = Structure(1, "box", contours=tuple(square(10.25, z) for z in (-2.0, 0.0, 2.0)))
    share = occupancy(box, grid())
    x_lower = -34.0 + 2.0 * np.arange(35)
    expected = np.clip(np.minimum(x_lower + 2, 10.25) - np.maximum(x_lower, -10.25), 0, None) / 2
    np.testing.assert_allclose(share[15, 16], expected, atol=1e-12)
    z_lower = -46.5 + 3.0 * np.arange(30)
    overlap = np.clip(np.minimum(z_lower + 3, 3.0) - np.maximum(z_lower, -3.0), 0, None) / 3
    np.testing.assert_allclose(share[:, 16, 16], overlap, atol=1e-12)


@pytest.mark.parametrize(("end_cap", "length"), [(0.0, 6.0), (0.5, 9.0), (1.0, 12.0)])
def test_end_caps_are_a_parameter(end_cap: float, length: float) -> None:
    box = Structure(1, "box", contours=tuple(square(10.0, z) for z in (-3.0, 0.0, 3.0)))
    assert volume(box, end_cap=end_cap) == pytest.approx(400 * length / 1000, rel=1e-9)
    assert f"{end_cap:g} slice" in box.slabs(end_cap=end_cap).notes[0]


def test_unequal_plane_spacing() -> None:
    box = Structure(1, "box", contours=tuple(square(10.0, z) for z in (0.0, 2.0, 4.0, 8.0)))
    assert volume(box) == pytest.approx(400 * (8 + 1 + 2) / 1000, rel=1e-9)
    assert any("unequal" in note for note in box.slabs().notes)


def test_wide_gap_stays_open() -> None:
    planes = (-30.0, -27.0, -24.0, 12.0, 15.0, 18.0)
    pair = Structure(1, "pair", contours=tuple(square(5.0, z) for z in planes))
    assert volume(pair) == pytest.approx(100 * 18 / 1000, rel=1e-9)
    assert any("gap" in note for note in pair.slabs().notes)


def test_single_plane_takes_the_grid_spacing_unless_told() -> None:
    plate = Structure(1, "plate", contours=(square(10.0, 0.4),))
    assert volume(plate) == pytest.approx(400 * 3 / 1000, rel=1e-9)
    assert volume(plate, thickness=5.0) == pytest.approx(400 * 5 / 1000, rel=1e-9)
    with pytest.raises(DicomError, match="single plane"):
        plate.slabs()


def test_empty_and_degenerate_structures_fill_nothing() -> None:
    line = np.array([[0.0, 0, 0], [5, 0, 0], [9, 0, 0]])
    point = Structure(3, "point", contours=(np.zeros((1, 3)),))
    assert Structure(1, "empty").is_empty
    assert point.is_empty
    assert volume(Structure(1, "empty")) == 0.0
    assert volume(Structure(2, "line", contours=(line,))) == 0.0


def test_contours_off_the_grid_are_cut() -> None:
    box = Structure(1, "box", contours=tuple(square(10.0, z, (-34.0, 0.0)) for z in (-3.0, 0.0, 3.0)))
    assert volume(box) == pytest.approx(200 * 9 / 1000, rel=1e-9)
    assert box.slabs().volume_cm3() == pytest.approx(400 * 9 / 1000, rel=1e-9)


def test_non_axial_contour_is_refused() -> None:
    sagittal = np.array([[0.0, 0, 0], [0, 10, 0], [0, 10, 10], [0, 0, 10]])
    with pytest.raises(DicomError, match="axial"):
        occupancy(Structure(1, "sagittal", contours=(sagittal,)), grid())


def test_direction_and_start_of_a_contour_do_not_matter() -> None:
    points = circle(11.0, 0.0, (2.2, 3.1), n=17)
    forward = occupancy(Structure(1, "a", contours=(points,)), grid())
    turned = occupancy(Structure(1, "b", contours=(np.roll(points[::-1], 5, axis=0),)), grid())
    np.testing.assert_allclose(forward, turned, atol=1e-12)


def test_vertices_on_scan_lines_do_not_leak() -> None:
    """Every vertex lies exactly on a scan line or voxel edge of the grid."""
    diamond = np.array([[0.0, -10.0, 0], [10, 0, 0], [0, 10, 0], [-10, 0, 0]])
    exact = grid(spacing=(2.0, 2.0, 3.0), origin=(-33.0, -33.0, -45.0))
    structure = Structure(1, "diamond", contours=(diamond,))
    assert volume(structure, exact, thickness=3.0) == pytest.approx(200 * 3 / 1000, rel=1e-3)
