"""The influence matrix: geometry, means, files, cache and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.planning.influence import InfluenceMatrix, Prescription, cached, from_arrays, region_of
from tests.planning.made_up import CENTRE, SHAPE, affine, occupancies


def test_the_dose_of_a_bixel_lies_where_the_bixel_is(matrix: InfluenceMatrix) -> None:
    central = int(np.flatnonzero((matrix.bixels.across == 0) & (matrix.bixels.along == 0))[0])
    one = np.zeros(matrix.n_bixels)
    one[central] = 2.0
    dose = matrix.dose(one)
    at = dose.sample(np.stack([CENTRE, CENTRE + np.array([10.0, 0, 0])]))
    assert at[0] > 3 * at[1] > 0
    assert dose.kind == "physical"
    np.testing.assert_array_equal(dose.affine, affine())


def test_mean_row_is_the_mean_of_the_dose_image(matrix: InfluenceMatrix) -> None:
    w = np.random.default_rng(0).random(matrix.n_bixels)
    dose = matrix.dose(w).values
    for name, filled in occupancies().items():
        expected = float((dose * filled).sum() / filled.sum())
        assert matrix.mean_row(name) @ w == pytest.approx(expected, rel=1e-12)
        assert matrix.region(name).mean(dose.ravel()) == pytest.approx(expected, rel=1e-12)


def test_a_region_keeps_what_other_regions_also_fill(matrix: InfluenceMatrix) -> None:
    assert set(matrix.region("PTV").voxels) <= set(matrix.region("External").voxels)


def test_saved_and_read_back_the_same(matrix: InfluenceMatrix, tmp_path) -> None:
    matrix.save(tmp_path / "m.npz")
    back = InfluenceMatrix.load(tmp_path / "m.npz")
    assert back.digest() == matrix.digest()
    assert back.prescription == Prescription(50.0, 25)
    assert back.bixels.gantry.tolist() == matrix.bixels.gantry.tolist()


def test_the_cache_computes_once_and_survives_a_damaged_file(matrix: InfluenceMatrix, tmp_path) -> None:
    calls = []

    def compute() -> InfluenceMatrix:
        calls.append(1)
        return matrix

    for _ in range(2):
        assert cached(tmp_path, {"ct": "a"}, compute).digest() == matrix.digest()
    assert len(calls) == 1
    cached(tmp_path, {"ct": "b"}, compute)
    assert len(calls) == 2
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:1000])
    cached(tmp_path, {"ct": "a"}, compute)
    assert len(calls) == 3


def test_a_pickle_is_refused(tmp_path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, facts=np.array([object()], dtype=object))
    with pytest.raises(InputError, match="archive written by abscopal"):
        InfluenceMatrix.load(path)


def test_parts_that_do_not_fit_are_named(matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="the target GTV among no regions"):
        replace(matrix, targets=("GTV",))
    with pytest.raises(InputError, match="rows for a grid"):
        replace(matrix, shape=(1, 2, 3))
    with pytest.raises(InputError, match="negative or not finite"):
        replace(matrix, matrix=-matrix.matrix)
    with pytest.raises(InputError, match=r"looking for a structure.*Try: 'Heart'"):
        matrix.region("Hert")
    with pytest.raises(InputError, match="weights of shape"):
        matrix.dose(np.ones(3))


def test_a_structure_off_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="fills no voxel"):
        region_of("Liver", np.zeros(SHAPE), SHAPE, 0.5)
    with pytest.raises(InputError, match="part of each voxel"):
        region_of("Liver", np.full(SHAPE, 2.0), SHAPE, 0.5)


@pytest.mark.parametrize("text", ["50", "50/0", "0/5", "50/5/2", "-50/5", "fifty/5", "nan/5", "50/2.5"])
def test_prescriptions_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="50/5"):
        Prescription.parse(text)


def test_a_matrix_without_a_target_is_refused() -> None:
    filled = {"PTV": np.ones((1, 1, 2))}
    with pytest.raises(InputError, match="no target"):
        from_arrays(np.ones((2, 3)), (1, 1, 2), np.eye(4), filled, targets=(), prescription=Prescription(2.0, 1))
