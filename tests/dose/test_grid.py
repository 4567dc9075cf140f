import numpy as np
import pytest

from abscopal.domain.errors import DicomError, InputError
from abscopal.dose.grid import DoseGrid, Volume


def grid(values, spacing=(2.0, 2.5, 3.0), origin=(-5.0, 4.0, 10.0), **more) -> DoseGrid:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return DoseGrid(np.asarray(values, dtype=float), affine, more.pop("kind", "physical"), **more)


def linear(shape=(4, 5, 6)) -> DoseGrid:
    k, j, i = np.indices(shape)
    return grid(1 + 2 * i + 3 * j + 5 * k)


def test_trilinear_sampling_is_exact_on_a_linear_field() -> None:
    points = np.random.default_rng(3).uniform([-5, 4, 10], [5, 14, 19], (50, 3))
    index = (points - [-5, 4, 10]) / [2.0, 2.5, 3.0]
    np.testing.assert_allclose(linear().sample(points), 1 + index @ [2, 3, 5], rtol=1e-12)


def test_outside_is_zero_and_not_covered_while_the_outer_half_voxel_is() -> None:
    dose = linear()
    edge, beyond = [-5.9, 4.0, 10.0], [-6.1, 4.0, 10.0]
    np.testing.assert_array_equal(dose.covers(np.array([edge, beyond])), [True, False])
    np.testing.assert_allclose(dose.sample(np.array([edge, beyond])), [1.0, 0.0])


def test_resampling_to_its_own_grid_changes_nothing() -> None:
    dose = linear()
    other = Volume(np.zeros(dose.values.shape), dose.affine)
    np.testing.assert_allclose(dose.resample(other).values, dose.values, rtol=1e-12)


def test_resampling_to_a_shifted_grid_follows_the_field() -> None:
    dose = linear()
    affine = dose.affine.copy()
    affine[:3, 3] += [1.0, 0, 0]  # half a voxel
    moved = dose.resample(Volume(np.zeros((4, 5, 4)), affine))
    np.testing.assert_allclose(moved.values, dose.values[:, :, :4] + 1.0, rtol=1e-12)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_lattice_and_values_do_not_depend_on_how_the_array_is_stored(order, flips) -> None:
    dose = linear()
    turned, affine = turn(dose, order, flips)
    stored = DoseGrid(turned, affine, "physical")
    assert stored.lattice == dose.lattice
    np.testing.assert_array_equal(stored.on_lattice(), dose.values)
    np.testing.assert_array_equal(stored.from_lattice(dose.values), turned)


def turn(dose: DoseGrid, order, flips):
    """The same dose with index axes (i, j, k) along patient axes `order`, some running backwards."""
    values = np.transpose(dose.values, [2 - order[2 - axis] for axis in range(3)])
    affine = np.eye(4)
    affine[:3, :3] = dose.affine[:3, :3][:, order] * np.array(flips)
    start = dose.affine[:3, 3].copy()
    for index_axis, (patient_axis, flip) in enumerate(zip(order, flips, strict=True)):
        if flip < 0:
            values = np.flip(values, 2 - index_axis)
            start[patient_axis] += dose.affine[patient_axis, patient_axis] * (values.shape[2 - index_axis] - 1)
    affine[:3, 3] = start
    return values, affine


def test_oblique_grid_is_refused() -> None:
    angle = np.radians(5)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    with pytest.raises(DicomError, match="oblique"):
        _ = DoseGrid(np.ones((3, 3, 3)), affine, "physical").lattice


def test_negative_and_nan_doses_are_refused() -> None:
    with pytest.raises(DicomError, match="at least 0 Gy"):
        grid([[[1.0, -0.1]]])
    with pytest.raises(DicomError, match="finite"):
        grid([[[1.0, np.nan]]])


def test_kind_and_alpha_beta_belong_together() -> None:
    with pytest.raises(InputError):
        grid([[[1.0]]], kind="EQD2")
    with pytest.raises(InputError):
        grid([[[1.0]]], alpha_beta=3.0)


def test_eqd2_voxel_by_voxel_once_only() -> None:
    converted = grid([[[0.0, 10.0, 60.0]]]).to_eqd2(alpha_beta=3.0, n_fractions=5)
    np.testing.assert_allclose(converted.values[0, 0], [0.0, 10.0, 60 * 15 / 5])
    assert (converted.kind, converted.alpha_beta) == ("EQD2", 3.0)
    with pytest.raises(InputError, match="EQD2"):
        converted.to_eqd2(3.0, 5)


def test_voxel_volume_and_maximum() -> None:
    assert linear().voxel_volume_cm3 == pytest.approx(0.015)
    assert linear().max == 1 + 2 * 5 + 3 * 4 + 5 * 3
