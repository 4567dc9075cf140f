import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abscopal.domain.errors import DicomError, InputError
from abscopal.dose.dvh import combine_dvh, compute_dvh, dvh_of_samples
from abscopal.dose.grid import DoseGrid
from abscopal.dose.structures import Structure
from tests.dose.build import circle, sphere, square
from tests.dose.test_grid import turn

doses = arrays(float, st.integers(1, 40), elements=st.floats(0, 80))


def slanted(x, y, z):
    """Slopes without common multiples, so that no sub-voxel lies on the edge of a bin."""
    return 50.0037 + np.sqrt(0.2) * x + np.sqrt(0.07) * y + np.sqrt(0.05) * z


def grid(function, shape=(30, 33, 35), spacing=(2.0, 2.5, 3.0), origin=(-33.0, -40.0, -45.0)) -> DoseGrid:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    k, j, i = np.indices(shape)
    x, y, z = (origin[a] + spacing[a] * n for a, n in enumerate((i, j, k)))
    return DoseGrid(np.broadcast_to(np.asarray(function(x, y, z), dtype=float), shape).copy(), affine, "physical")


def uniform(dose: float) -> DoseGrid:
    return grid(lambda x, _y, _z: dose + 0 * x)


def ball(radius=12.0, centre=(1.3, -2.2, 0.7), step=1.0, name="ball") -> Structure:
    return Structure(1, name, contours=tuple(sphere(radius, centre, step)))


def test_uniform_dose() -> None:
    dvh = compute_dvh(ball(), uniform(7.3))
    for figure in (dvh.mean, dvh.minimum, dvh.maximum, dvh.gEUD(8), dvh.gEUD(-8)):
        assert figure == pytest.approx(7.3)
    assert dvh.dose_at_volume(50) == pytest.approx(7.3)
    assert (dvh.volume_at_dose(7.0), dvh.volume_at_dose(7.5)) == (1.0, 0.0)


def test_one_cm3_in_a_steep_gradient() -> None:
    """3 Gy per mm: voxel centres alone would place the edges of the DVH several Gy off."""
    radius = (3 / 4 / np.pi) ** (1 / 3) * 10
    dvh = compute_dvh(ball(radius, step=0.25), grid(lambda x, _y, _z: 150 + 3.0 * x))
    assert dvh.volume_cm3 == pytest.approx(1.0, rel=2e-3)
    assert dvh.mean == pytest.approx(150 + 3 * 1.3, abs=0.02)
    for x in (-4.0, 0.0, 3.0):  # cap of a sphere beyond the plane at distance x from its centre
        share = (radius - x) ** 2 * (2 * radius + x) / (4 * radius**3)
        half_sub_voxel = 3.0 * 2.0 / 12 / 2  # gradient times half of a twelfth of the voxel
        assert dvh.dose_at_volume(100 * share) == pytest.approx(150 + 3 * (1.3 + x), abs=half_sub_voxel)
    assert dvh.maximum == pytest.approx(150 + 3 * (1.3 + radius), abs=2 * half_sub_voxel)


def test_metrics_of_a_linear_ramp() -> None:
    dose = np.linspace(0, 10, 100_001)
    dvh = dvh_of_samples("ramp", dose, np.full(dose.size, 50 / dose.size))
    assert dvh.dose_at_volume(30) == pytest.approx(7.0, abs=1e-3)
    assert dvh.dose_at_cm3(5.0) == pytest.approx(9.0, abs=1e-3)
    assert dvh.volume_at_dose(2.5) == pytest.approx(0.75, abs=1e-4)
    assert (dvh.dose_at_volume(0), dvh.dose_at_volume(100)) == (10.0, 0.0)
    assert dvh.gEUD(1) == pytest.approx(5.0, abs=0.005)  # half a bin
    assert dvh.gEUD(40) == pytest.approx(10 * (1 / 41) ** (1 / 40), rel=1e-4)
    assert dvh.gEUD(-5) == pytest.approx(0.0, abs=0.1)
    assert dvh.integral_dose == pytest.approx(250.0)


def test_geud_of_huge_doses_and_exponents_stays_finite() -> None:
    dvh = dvh_of_samples("hot", np.array([1.0, 4000.0]), np.array([9.0, 1.0]))
    assert dvh.gEUD(40) == pytest.approx(4000 * 0.1 ** (1 / 40), rel=1e-4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda dvh: dvh.dose_at_volume(101),
        lambda dvh: dvh.dose_at_volume(float("nan")),
        lambda dvh: dvh.dose_at_cm3(8.0),
        lambda dvh: dvh.volume_at_dose(-1),
        lambda dvh: dvh.gEUD(0),
    ],
)
def test_questions_without_an_answer_are_refused(ask) -> None:
    dvh = dvh_of_samples("organ", np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    with pytest.raises(InputError, match="DVH of organ"):
        ask(dvh)


def test_eqd2_of_a_histogram_equals_the_histogram_of_eqd2() -> None:
    dose = grid(lambda x, _y, _z: 30 + 0.5 * x)
    late = compute_dvh(ball(), dose).to_eqd2(3.0, 5)
    direct = compute_dvh(ball(), dose.to_eqd2(3.0, 5))
    assert late.kind == direct.kind == "EQD2"
    assert late.mean == pytest.approx(direct.mean, rel=1e-3)
    for percent in (5, 50, 95):
        assert late.dose_at_volume(percent) == pytest.approx(direct.dose_at_volume(percent), rel=2e-3)
    with pytest.raises(InputError, match="EQD2"):
        late.to_eqd2(3.0, 5)


def test_union_difference_and_their_volumes() -> None:
    dose = grid(lambda x, _y, _z: 20 + 0.2 * x)
    planes = (-6.0, -3.0, 0.0, 3.0)  # faces along x lie on voxel faces, where volumes are exact
    left = Structure(1, "l", contours=tuple(square(7.5, z, (15.0, 1.25)) for z in planes))
    right = Structure(2, "r", contours=tuple(square(7.5, z, (-15.0, 1.25)) for z in planes))
    core = Structure(3, "gtv", contours=tuple(square(2.5, z, (15.0, 1.25)) for z in planes[1:3]))
    lungs = combine_dvh("Lungs", [left, right], dose)
    assert lungs.volume_cm3 == pytest.approx(2 * 225 * 12 / 1000, rel=1e-6)
    assert lungs.mean == pytest.approx(20.0, abs=1e-3)
    spared = combine_dvh("Lungs-GTV", [left, right], dose, exclude=[core])
    assert spared.volume_cm3 == pytest.approx((2 * 225 * 12 - 25 * 6) / 1000, rel=1e-6)
    lost = 20 * 2 * 225 * 12 - (20 + 0.2 * 15) * 25 * 6
    assert spared.integral_dose == pytest.approx(lost / 1000, rel=1e-4)
    assert lungs.outside_fraction == spared.outside_fraction == 0.0


def test_a_structure_counted_twice_is_one() -> None:
    """The box ends on voxel faces: a voxel that two structures share in part has no exact union."""
    box = Structure(1, "box", contours=tuple(square(10.0, z, (0.0, 1.25)) for z in (-3.0, 0.0)))
    dose = uniform(5.0)
    assert combine_dvh("twice", [box, box], dose).volume_cm3 == pytest.approx(compute_dvh(box, dose).volume_cm3)


def test_what_lies_off_the_grid_is_reported_and_not_zero() -> None:
    half_out = Structure(1, "arm", contours=tuple(square(10.0, z, (-34.0, 0.0)) for z in (-3.0, 0.0, 3.0)))
    dvh = compute_dvh(half_out, uniform(4.0))
    assert dvh.outside_fraction == pytest.approx(0.5, abs=1e-3)
    assert dvh.minimum == dvh.mean == pytest.approx(4.0)
    assert dvh.volume_cm3 == pytest.approx(1.8, rel=1e-6)
    assert any("50.0 % of 3.6 cm3 lies off the dose grid" in note for note in dvh.notes)


def test_ends_that_reach_beyond_the_last_dose_slice_are_off_the_grid() -> None:
    tall = Structure(1, "tall", contours=tuple(square(10.0, z) for z in np.arange(-60.0, 61, 3.0)))
    dvh = compute_dvh(tall, uniform(4.0))
    assert dvh.outside_fraction == pytest.approx(1 - 90 / 123, abs=1e-3)


@pytest.mark.parametrize(
    "structure",
    [
        Structure(1, "empty"),
        Structure(1, "line", contours=(np.array([[0.0, 0, 0], [5, 0, 0], [9, 0, 0]]),)),
        Structure(1, "far", contours=(square(5.0, 0.0, (500.0, 0.0)),)),
    ],
    ids=["empty", "zero volume", "off the grid"],
)
def test_structures_without_a_dvh_are_refused(structure: Structure) -> None:
    with pytest.raises(DicomError) as refusal:
        compute_dvh(structure, uniform(4.0))
    assert all(refusal.value.parts().values())


def test_notes_state_end_caps_and_supersampling() -> None:
    notes = compute_dvh(ball(), uniform(4.0)).notes
    assert "0.5 slice" in notes[0]
    assert "divided by" in notes[1]


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    dose = grid(slanted)
    whole = compute_dvh(ball(), dose)
    monkeypatch.setattr("abscopal.dose.dvh.CHUNK_VOXELS", 1)
    sliced = compute_dvh(ball(), dose)
    assert sliced.mean == pytest.approx(whole.mean, rel=1e-12)
    np.testing.assert_allclose(sliced.volume_fraction, whole.volume_fraction, atol=1e-12)


@given(doses)
def test_cumulative_curve_starts_at_one_and_never_rises(dose: np.ndarray) -> None:
    dvh = dvh_of_samples("any", dose, np.linspace(1, 2, dose.size))
    assert dvh.edges[0] == 0.0
    assert dvh.volume_fraction[0] == 1.0
    assert dvh.volume_fraction[-1] == 0.0
    assert (np.diff(dvh.volume_fraction) <= 0).all()
    assert dvh.minimum <= dvh.mean <= dvh.maximum
    centres, fractions = dvh.differential()
    assert fractions.sum() == pytest.approx(1.0)
    assert fractions @ centres == pytest.approx(dvh.mean, abs=0.005 + 1e-9)


@given(doses, st.randoms(use_true_random=False))
def test_voxel_order_does_not_matter(dose: np.ndarray, random) -> None:
    volumes = np.linspace(1, 2, dose.size)
    order = list(range(dose.size))
    random.shuffle(order)
    first, second = dvh_of_samples("a", dose, volumes), dvh_of_samples("b", dose[order], volumes[order])
    assert first.mean == pytest.approx(second.mean)
    np.testing.assert_allclose(first.volume_fraction, second.volume_fraction, atol=1e-12)


@given(doses, st.floats(0, 100), st.floats(1, 40))
def test_doubling_the_dose_doubles_every_dose_metric(dose: np.ndarray, percent: float, a: float) -> None:
    volumes = np.linspace(1, 2, dose.size)
    once = dvh_of_samples("a", dose, volumes, bin_gy=0.01)
    twice = dvh_of_samples("b", 2 * dose, volumes, bin_gy=0.02)
    assert twice.mean == pytest.approx(2 * once.mean)
    assert twice.dose_at_volume(percent) == pytest.approx(2 * once.dose_at_volume(percent), abs=1e-9)
    assert twice.gEUD(a) == pytest.approx(2 * once.gEUD(a), abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1, -1])] * 3))
def test_flips_and_rotations_of_the_grid_leave_the_dvh_unchanged(order, flips) -> None:
    dose = grid(slanted)
    values, affine = turn(dose, order, flips)
    straight, turned = compute_dvh(ball(), dose), compute_dvh(ball(), DoseGrid(values, affine, "physical"))
    assert turned.mean == pytest.approx(straight.mean, rel=1e-12)
    np.testing.assert_allclose(turned.volume_fraction, straight.volume_fraction, atol=1e-12)


@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
@settings(max_examples=15, deadline=None)
def test_moving_structure_and_field_together_moves_nothing(dx: float, dy: float, dz: float) -> None:
    """The volume and mean of a ball in a linear field do not depend on where voxels fall."""
    dose = grid(lambda x, y, _z: 40 + 0.5 * (x - dx) + 0.3 * (y - dy))
    moved = Structure(1, "b", contours=tuple(circle(9.0, z + dz, (dx, dy)) for z in (-4.0, -2.0, 0.0, 2.0, 4.0)))
    dvh = compute_dvh(moved, dose)
    assert dvh.volume_cm3 == pytest.approx(np.pi * 81 * 10 / 1000, rel=1e-3)
    assert dvh.mean == pytest.approx(40.0, abs=0.01)
