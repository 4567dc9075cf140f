"""From contoured organs to compartments, with what is assumed said aloud."""

import pytest

from abscopal.blood.circulation import load_network
from abscopal.blood.exposure import mean_blood_dose
from abscopal.blood.organs import TUMOUR, assign_organs, blood_dose_for_case, remainder_body_mean, used_structures
from abscopal.blood.tailor import head_and_neck_network
from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

THORAX = {"Lungs": 12.0, "Heart": 6.0, "GreatVes": 15.0, "Esophagus": 18.0, "Liver": 3.0}


def test_every_compartment_is_in_the_table_once() -> None:
    listed = list(load("blood/circulation").table("organs")["compartment"])
    vessels = set(head_and_neck_network(load_network("male")).compartments)
    assert sorted(listed) == sorted(vessels | {TUMOUR})


def test_structures_reach_their_compartments() -> None:
    found = {item.compartment: item for item in assign_organs(load_network("male"), THORAX, 1.0)}
    assert found["left_heart"].dose == found["coronary"].dose == 6.0
    assert found["lung"].dose == found["bronchial"].dose == 12.0
    assert found["aorta"].basis == found["superior_vena_cava"].basis == "GreatVes"
    assert found["stomach_oesophagus"].dose == pytest.approx((18.0 + 1.0) / 2)
    assert found["stomach_oesophagus"].missing == ("Stomach",)
    assert (found["brain"].dose, found["brain"].basis) == (1.0, "body mean")
    assert not found["red_marrow"].contoured


def test_own_contour_comes_before_the_group_and_both_lungs_before_sides() -> None:
    organs = {**THORAX, "A_Aorta": 20.0, "Lung_L": 1.0, "Lung_R": 2.0}
    found = {item.compartment: item.dose for item in assign_organs(load_network("male"), organs, None)}
    assert (found["aorta"], found["pulmonary_artery"], found["lung"]) == (20.0, 15.0, 12.0)
    del organs["Lungs"]
    found = {item.compartment: item.dose for item in assign_organs(load_network("male"), organs, None)}
    assert found["lung"] == 1.5


def test_mean_is_the_identity_over_the_assigned_doses() -> None:
    network = load_network("male")
    assigned = {item.compartment: item.dose for item in assign_organs(network, THORAX, 1.0)}
    dose = blood_dose_for_case(THORAX, 30, "male", 90.0, 1.0)
    assert dose.course(30).mean == pytest.approx(mean_blood_dose(network, assigned), abs=1e-12)


def test_notes_name_what_is_missing_and_what_is_assumed() -> None:
    dose = blood_dose_for_case(THORAX, 30, "female", None, None)
    text = "\n".join(dose.notes)
    for words in ("94.5/92.5", "not contoured, so zero dose is assumed", "Spleen", "120 s is assumed", "upper bound"):
        assert words in text
    assert dose.beam_on == 120.0
    assert dose.sources["brain"] == "zero"


def test_body_mean_adds_dose_but_not_touched_blood() -> None:
    without, with_body = (blood_dose_for_case({"Brain": 60.0}, 30, "male", 60.0, body) for body in (None, 1.5))
    assert with_body.mean > without.mean
    assert with_body.v_any == pytest.approx(without.v_any, abs=1e-12)


def test_remainder_takes_each_organ_out_once() -> None:
    means = {**THORAX, "Lung_L": 10.0, "Lung_R": 14.0}
    volumes = {"Lungs": 3000.0, "Lung_L": 1400.0, "Lung_R": 1600.0, "Heart": 600.0}
    expected = (2e5 - 12.0 * 3000.0 - 6.0 * 600.0) / (62000.0 - 3600.0)
    assert remainder_body_mean(2e5, means, volumes) == pytest.approx(expected)
    assert remainder_body_mean(1e4, means, volumes) == 0.0


def test_no_fraction_is_refused() -> None:
    with pytest.raises(InputError, match="0 fractions"):
        blood_dose_for_case(THORAX, 0, "male", 60.0, None)


def test_the_gonads_of_either_sex_are_named() -> None:
    notes = "\n".join(blood_dose_for_case(THORAX, 30, "female", 90.0, 1.0).notes)
    assert "Testes or Ovaries" in notes


def test_heart_chambers_have_their_own_dose_and_the_heart_is_counted_once() -> None:
    chambers = {"Heart": 6.0, "Atrium_L": 9.0, "Ventricle_L": 3.0, "Atrium_R": 12.0}
    found = {item.compartment: item for item in assign_organs(load_network("male"), chambers, 1.0)}
    assert found["left_heart"].dose == 6.0
    assert found["left_heart"].basis == "mean of Atrium_L, Ventricle_L"
    assert found["right_heart"].basis == "Heart"  # one chamber of two is less than the whole heart
    assert used_structures(chambers) == {"Heart"}
    volumes = {"Heart": 700.0, "Atrium_L": 80.0, "Ventricle_L": 200.0}
    alone = remainder_body_mean(50_000.0, {"Heart": 6.0}, {"Heart": 700.0})
    assert remainder_body_mean(50_000.0, chambers, volumes) == pytest.approx(alone)
