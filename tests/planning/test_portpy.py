"""Arrays in PortPy's layout on a regular grid."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.planning.influence import Prescription
from abscopal.planning.portpy import from_portpy

RX = Prescription(50.0, 5)
PLACE = {"resolution_xyz_mm": (2.0, 2.0, 3.0), "origin_xyz_mm": (-10.0, 5.0, 0.0)}


def made_up() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A CT of 2 × 4 × 6 voxels in optimisation voxels of 2 × 2, the first column of them outside the body."""
    blocks = np.arange(2 * 2 * 3).reshape(2, 2, 3)
    blocks[:, :, 0] = -1
    numbers = np.unique(blocks[blocks >= 0], return_inverse=True)[1]
    blocks[blocks >= 0] = numbers
    place = blocks.repeat(2, axis=1).repeat(2, axis=2)
    doses = np.random.default_rng(0).random((numbers.max() + 1, 4))
    ptv = np.zeros(place.shape)
    ptv[0, 1:3, 3:6] = 1
    return doses, place, {"PTV": ptv, "External": (place >= 0).astype(float)}


def test_every_voxel_has_the_dose_of_its_row_for_the_whole_course() -> None:
    doses, place, masks = made_up()
    matrix = from_portpy(doses, place, masks, targets=("PTV",), prescription=RX, **PLACE)
    w = np.array([1.0, 2.0, 0.5, 3.0])
    expected = np.where(place >= 0, 5 * (doses @ w)[place], 0.0)
    np.testing.assert_allclose(matrix.dose(w).values, expected)
    assert matrix.region("PTV").volume_cm3 == pytest.approx(6 * 0.012)


def test_blocks_of_the_ct_become_voxels_with_partial_volumes() -> None:
    doses, place, masks = made_up()
    matrix = from_portpy(doses, place, masks, targets=("PTV",), prescription=RX, block=(1, 2, 2), **PLACE)
    assert matrix.shape == (2, 2, 3)
    np.testing.assert_allclose(matrix.affine[:3, 3], [-9.0, 6.0, 0.0])
    np.testing.assert_allclose(np.diag(matrix.affine)[:3], [4.0, 4.0, 3.0])
    assert matrix.region("PTV").volume_cm3 == pytest.approx(6 * 0.012)
    assert sorted(matrix.region("PTV").shares.tolist()) == [0.25, 0.25, 0.5, 0.5]
    fine = from_portpy(doses, place, masks, targets=("PTV",), prescription=RX, **PLACE)
    np.testing.assert_allclose(matrix.mean_row("External"), fine.mean_row("External"))


def test_a_map_to_rows_that_are_not_there_is_refused() -> None:
    doses, place, masks = made_up()
    with pytest.raises(InputError, match="up to row 7 for 3 rows"):
        from_portpy(doses[:3], place, masks, targets=("PTV",), prescription=RX, **PLACE)
    with pytest.raises(InputError, match="masks of other shapes: PTV"):
        from_portpy(doses, place, {"PTV": np.ones((1, 1, 1))}, targets=("PTV",), prescription=RX, **PLACE)
