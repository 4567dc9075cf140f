"""A case of the user's own on the predictors' grid, and the immune figures of a predicted dose."""

from dataclasses import replace

import numpy as np
import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.dose.grid import DoseGrid
from abscopal.planning.prediction.anatomy import Anatomy
from abscopal.planning.prediction.from_case import anatomy_of, prescribed_by_name, to_model_order, to_patient_order
from abscopal.planning.prediction.immune import immune_figures, predicted_immune_dose, rough_body
from tests.planning.prediction.made_up import ball, made_up_anatomy, made_up_case


def test_a_case_lands_on_the_working_grid() -> None:
    placed = anatomy_of(made_up_case())
    anatomy = placed.anatomy
    assert anatomy.voxel_mm == (4.5, 4.5, 3.0)
    assert set(anatomy.masks) == {"PTV70", "PTV56", "LeftParotid"}
    assert placed.prescribed == {"PTV_7000": 70.0, "PTV_5600": 56.0}
    assert placed.scale == 1.0
    assert anatomy.volume_cm3("PTV70") == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.1)
    assert anatomy.volume_cm3("LeftParotid") == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.2)
    assert not (anatomy.masks["PTV70"] & anatomy.masks["PTV56"]).any()
    assert np.unique(anatomy.ct.round()).max() == 1000.0
    planes = np.flatnonzero(anatomy.region.any(axis=(0, 1)))
    height = (planes[-1] - planes[0] + 1) * 3.0
    assert height == pytest.approx(2 * 42 + 2 * 55, abs=10)


def test_left_stays_left_and_the_head_end_comes_first() -> None:
    """The left parotid lies at +50 mm along x and +30 mm along z (towards the head)."""
    anatomy = anatomy_of(made_up_case()).anatomy
    place = np.argwhere(anatomy.masks["LeftParotid"]).mean(axis=0) * np.array(anatomy.voxel_mm)
    target = np.argwhere(anatomy.masks["PTV70"]).mean(axis=0) * np.array(anatomy.voxel_mm)
    assert place[1] - target[1] == pytest.approx(40.0, abs=3)
    assert place[2] - target[2] == pytest.approx(-30.0, abs=3)
    assert place[0] - target[0] == pytest.approx(10.0, abs=3)


def test_a_dose_goes_back_to_where_it_came_from() -> None:
    placed = anatomy_of(made_up_case())
    dose = placed.anatomy.masks["PTV70"] * 70.0
    grid = placed.dose_grid(dose)
    assert grid.sample(np.array([[10.0, 0.0, 0.0], [-60.0, 0.0, 0.0]])) == pytest.approx([70.0, 0.0])
    values = np.random.default_rng(0).random((3, 4, 5))
    assert np.allclose(to_patient_order(to_model_order(values)), values, atol=1e-6)
    assert np.abs(placed.sampled(grid) - dose).max() < 1e-3


def test_other_prescriptions_are_scaled_and_said() -> None:
    case = made_up_case({"PTV_High": 66.0, "PTV_Low": 52.8})
    placed = anatomy_of(case, {"PTV_High": 66.0, "PTV_Low": 52.8})
    assert placed.scale == pytest.approx(66 / 70)
    assert {"PTV70", "PTV56"} <= set(placed.anatomy.masks)
    assert any("scaled by" in note for note in placed.anatomy.notes)
    assert placed.dose_grid(placed.anatomy.masks["PTV70"] * 70.0).max == pytest.approx(66.0)


def test_targets_are_clipped_below_the_skin() -> None:
    case = made_up_case({"PTV_7000": 70.0})
    case = replace(case, structures={**case.structures, "PTV_7000": ball(1, "PTV_7000", (70.0, 0.0, 0.0), 20.0, None)})
    anatomy = anatomy_of(case).anatomy
    y, x, _ = np.nonzero(anatomy.masks["PTV70"])
    radius = np.hypot((x + 0.5) * 4.5 - 100.0, (y + 0.5) * 4.5 - 100.0)
    assert radius.max() < 78.0


def test_without_a_body_contour_the_ct_says_where_the_body_is() -> None:
    anatomy = anatomy_of(made_up_case(body=False)).anatomy
    assert any("no body contour" in note for note in anatomy.notes)
    one_slice = anatomy.region[:, :, anatomy.shape[2] // 2].sum() * 4.5**2
    assert one_slice == pytest.approx(np.pi * 80**2, rel=0.1)


@pytest.mark.parametrize(
    ("name", "dose"),
    [
        ("PTV_7000", 70.0),
        ("PTV70", 70.0),
        ("PTV_63.5", 63.5),
        ("PTV56Gy", 56.0),
        ("PTVn_5412", 54.12),
        ("PTV6996cGy", 69.96),
    ],
)
def test_doses_are_read_from_names(name: str, dose: float) -> None:
    assert prescribed_by_name({name: ball(1, name, (0, 0, 0), 10.0, None)}) == {name: dose}


def test_names_that_say_no_dose() -> None:
    names = ("PTV", "PTV_High", "PTV_7", "CTV_7000", "PTV_7000-Cord", "PTV1")
    assert prescribed_by_name({name: ball(1, name, (0, 0, 0), 10.0, None) for name in names}) == {}


def test_cases_that_cannot_be_used() -> None:
    with pytest.raises(InputError, match="say no dose"):
        anatomy_of(made_up_case({"PTV_High": 70.0}))
    with pytest.raises(InputError, match="PTV_X"):
        anatomy_of(made_up_case(), {"PTV_X": 70.0})
    with pytest.raises(InputError, match="PTV_7000 7000 Gy"):
        anatomy_of(made_up_case(), {"PTV_7000": 7000.0})
    with pytest.raises(UnsupportedError, match="Parotid_L"):
        anatomy_of(made_up_case(head=False))
    case = made_up_case()
    far = replace(case, structures={**case.structures, "PTV_7000": ball(1, "PTV_7000", (0, 0, 900), 10.0, None)})
    with pytest.raises(InputError, match="no target"):
        anatomy_of(far, {"PTV_7000": 70.0})


def test_immune_figures_by_hand() -> None:
    anatomy = made_up_anatomy()
    body = rough_body(anatomy)
    assert (body == anatomy.region).all()
    found = immune_figures(np.full(anatomy.shape, 2.0), anatomy, n_fractions=45)
    litres = body.sum() * anatomy.voxel_cm3 / 1000
    assert found.integral == pytest.approx(2 * litres)
    assert found.elective_mean == 2.0
    assert found.body_terms == pytest.approx((0.45 + 0.35 * 0.85) * 2 * litres / 62.0)
    assert immune_figures(np.zeros(anatomy.shape), anatomy.without("PTV56")).elective_mean is None


def test_a_hole_in_the_ct_is_body() -> None:
    anatomy = made_up_anatomy()
    ct = anatomy.ct.copy()
    ct[12, 14, 11] = 0.0
    assert rough_body(Anatomy(ct, anatomy.masks, np.roll(anatomy.region, 0), anatomy.voxel_mm))[12, 14, 11]


def test_edric_says_what_is_missing_and_nodes_are_read() -> None:
    case = made_up_case()
    placed = anatomy_of(case)
    structures = {**case.structures, "LN_Neck_L": ball(9, "LN_Neck_L", (40.0, 0.0, 0.0), 12.0, "LN_Neck_L")}
    found = predicted_immune_dose(structures, placed.dose_grid(np.full(placed.anatomy.shape, 10.0)))
    assert found.edric.value is None
    assert "Lungs" in found.edric.not_computable
    nodes = next(one for one in found.indices if one.name == "nodes")
    assert nodes.value == pytest.approx(10.0)
    chest = {
        **structures,
        "Heart": ball(7, "Heart", (0, 0, -60), 20, "Heart"),
        "Lungs": ball(8, "Lungs", (0, 40, -60), 25, "Lungs"),
    }
    whole = predicted_immune_dose(chest, placed.dose_grid(np.full(placed.anatomy.shape, 10.0)))
    assert whole.edric.value is not None
    assert "predicted dose" in whole.edric.notes[-1]


def test_a_dose_grid_is_physical() -> None:
    placed = anatomy_of(made_up_case())
    grid = placed.dose_grid(np.zeros(placed.anatomy.shape))
    assert isinstance(grid, DoseGrid)
    assert grid.kind == "physical"
    assert grid.frame_of_reference_uid == "1.2.3"
