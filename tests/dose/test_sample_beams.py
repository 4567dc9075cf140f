"""The analytic dose model against its own closed forms in simple phantoms."""

import numpy as np
import pytest

from abscopal.dose.sample.beams import FieldSetup, Phantom, depth_dose, depth_of_maximum, plan_fields
from abscopal.dose.sample.shapes import blend_of_spheres
from abscopal.knowledge.load import load

AXES = tuple(np.arange(-120.0, 121.0, 3.0) for _ in range(3))
ORIGIN = np.zeros(3)


def block(density: float = 1.0) -> Phantom:
    """A cube from -100 to 100 mm."""
    inside = [np.abs(axis) <= 100 for axis in AXES]
    shape = inside[2][:, None, None] & inside[1][None, :, None] & inside[0][None, None, :]
    return Phantom(np.where(shape, density, 0.0), AXES, 0.25)


def one_field(gantry: float, phantom: Phantom, margin: float = 0.0, grid=AXES):
    target = blend_of_spheres(np.zeros((1, 3)), np.array([25.0]), 1.0)
    return plan_fields(phantom, [FieldSetup(gantry, 10.0, target, ORIGIN)], ORIGIN, margin, grid)[0]


def test_depth_dose_peaks_at_one_near_15_mm() -> None:
    depth = np.arange(0.0, 300.0, 0.1)
    curve = depth_dose(depth)
    assert curve.max() == pytest.approx(1.0, abs=1e-6)
    assert depth[curve.argmax()] == pytest.approx(depth_of_maximum(), abs=0.1)
    assert depth_of_maximum() == pytest.approx(15.0, abs=0.5)
    assert curve[2000] / curve[1000] == pytest.approx(np.exp(-100 * load("dose/thorax_phantom")["attenuation"]))


def test_dose_along_the_axis_is_attenuation_and_inverse_square() -> None:
    line = (np.array([-3.0, 0.0, 3.0]), np.arange(-60.0, 61.0, 3.0), np.array([-3.0, 0.0, 3.0]))
    dose = one_field(0.0, block(), grid=line).dose[1, :, 1]
    depth = 101.5 + line[1]
    expected = depth_dose(depth) / (1000 + line[1]) ** 2
    np.testing.assert_allclose(dose / dose[20], expected / expected[20], rtol=0.004)


def test_each_field_gives_its_weight_at_its_point() -> None:
    field = one_field(77.0, block())
    assert field.at_point == pytest.approx(10.0)
    assert field.dose[40, 40, 40] == pytest.approx(10.0)
    assert field.times(2.0).reference == pytest.approx(2 * field.reference)


@pytest.mark.parametrize(
    ("gantry", "entry", "exit_"), [(0, (0, -60), (0, 60)), (90, (60, 0), (-60, 0)), (180, (0, 60), (0, -60))]
)
def test_gantry_angles_follow_the_supine_patient(gantry: float, entry: tuple, exit_: tuple) -> None:
    dose = one_field(gantry, block()).dose[40]
    near, far = (dose[40 + y // 3, 40 + x // 3] for x, y in (entry, exit_))
    assert near > 1.5 * far


def test_penumbra_is_an_error_function_and_wider_in_lung() -> None:
    sheet = load("dose/thorax_phantom")
    fine = (np.arange(-45.0, 45.5, 0.5), np.array([-3.0, 0.0, 3.0]), np.array([-3.0, 0.0, 3.0]))
    for density, key in ((1.0, "penumbra_water_mm"), (0.25, "penumbra_lung_mm")):
        across = one_field(0.0, block(density), grid=fine).dose[1, 1]
        right = slice(90, None)
        ratio = across[right] / across[90]
        x80, x20 = (np.interp(-level, -ratio, fine[0][right]) for level in (0.8, 0.2))
        assert x20 - x80 == pytest.approx(1.683 * sheet[key], rel=0.08)  # scatter lengthens the foot
        assert (x20 + x80) / 2 == pytest.approx(25.0, abs=1.0)


def test_aperture_opens_to_the_outline_and_margin() -> None:
    aperture = one_field(40.0, block(), margin=6.0).aperture
    for low, high in aperture.jaws():
        assert (low, high) == (pytest.approx(-31, abs=2), pytest.approx(31, abs=2))
    tips = aperture.leaves(np.arange(-50.0, 51.0, 5.0))
    assert (tips[1] >= tips[0]).all()
    assert tips[1, 10] == pytest.approx(31, abs=2)
    assert tips[0, 0] == tips[1, 0]


def test_lung_attenuates_less_than_water() -> None:
    water, lung = (one_field(0.0, block(density)).dose[40, :, 40] for density in (1.0, 0.25))
    assert lung[60] / lung[40] > water[60] / water[40] * 1.15
