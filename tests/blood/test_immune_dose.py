"""EDRIC from a plan: what it takes, what it refuses, what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.blood.immune_dose import cohort_context, edric, edric_from_case, outcome_associations
from abscopal.domain.errors import InputError

FULL = {"Lung_L": 10.0, "Lung_R": 20.0, "Heart": 8.0, "Liver": 5.0}
VOLUMES = {"Lung_L": 1000.0, "Lung_R": 3000.0, "Heart": 600.0, "Liver": 1500.0}
doses = st.floats(0.0, 60.0)


@given(doses, doses, st.floats(0.0, 5e5), st.integers(1, 45))
def test_components_add_up_and_scale_with_dose(lung: float, heart: float, integral: float, n: int) -> None:
    one, two = edric(lung, heart, integral, n), edric(2 * lung, 2 * heart, 2 * integral, n)
    assert one.value is not None
    assert two.value == pytest.approx(2 * one.value)
    assert sum(one.components.values()) == pytest.approx(one.value)
    assert set(one.components) == {"lung", "heart", "large vessels", "slow organs"}


def test_liver_adds_a_term() -> None:
    chest, oesophagus = edric(10, 10, 1e5, 30), edric(10, 10, 1e5, 30, mean_liver=5.0)
    assert (chest.form, oesophagus.form) == ("chest", "oesophagus")
    assert oesophagus.value == pytest.approx((chest.value or 0.0) + oesophagus.components["liver"])


def test_many_fractions_are_marked_as_extrapolated() -> None:
    assert not edric(10, 10, 1e5, 45).extrapolated
    beyond = edric(10, 10, 1e5, 46)
    assert beyond.extrapolated
    assert "46 fractions" in beyond.notes[0]


def test_two_lungs_are_weighed_by_volume() -> None:
    found = edric_from_case(FULL, VOLUMES, 1e5, 30)
    assert found.inputs["mean lung dose"] == pytest.approx(17.5)
    assert found.value == pytest.approx(edric(17.5, 8.0, 1e5, 30).value)
    assert (found.status, found.notes) == ("read", ())


def test_a_contour_of_both_lungs_comes_first() -> None:
    assert edric_from_case({**FULL, "Lungs": 12.0}, {}, 1e5, 30).inputs["mean lung dose"] == 12.0
    without_target = edric_from_case({"Lungs-GTV": 11.0, "Heart": 1.0}, {}, 1e5, 30)
    assert "Lungs-GTV stands for both lungs" in without_target.notes


def test_one_lung_is_not_computable_unless_allowed() -> None:
    breast = {"Lung_L": 0.91, "Heart": 0.65}
    refused = edric_from_case(breast, {"Lung_L": 1200.0}, 9000.0, 7)
    assert refused.value is None
    assert refused.not_computable.startswith("not computable: needs Lung_R")
    allowed = edric_from_case(breast, {"Lung_L": 1200.0}, 9000.0, 7, allow_one_lung=True)
    assert allowed.inputs["mean lung dose"] == pytest.approx(0.45 * 0.91)
    assert allowed.value == pytest.approx(edric(0.45 * 0.91, 0.65, 9000.0, 7).value)
    assert allowed.status == "assumed"
    assert "unirradiated" in allowed.notes[0]


def test_everything_missing_is_named_at_once() -> None:
    empty = edric_from_case({}, {}, None, None, form="oesophagus")
    for need in ("Lungs", "Heart", "Liver", "External", "number of fractions"):
        assert need in empty.not_computable
    assert "volume of Lung_L" in edric_from_case(FULL, {}, 1e5, 30).not_computable


def test_liver_form_uses_the_liver_of_the_plan() -> None:
    assert edric_from_case(FULL, VOLUMES, 1e5, 30, form="oesophagus").components["liver"] > 0.0


@pytest.mark.parametrize("bad", [(-1.0, 1.0, 1.0, 30), (1.0, float("nan"), 1.0, 30), (1.0, 1.0, 1.0, 0)])
def test_impossible_doses_are_refused(bad: tuple[float, float, float, int]) -> None:
    with pytest.raises(InputError, match="EDRIC"):
        edric(*bad)


def test_cohort_values_come_with_their_status() -> None:
    lung = cohort_context(["NSCLC"])
    assert {row.value for row in lung} == {5.6, 6.3, 6.26}
    assert all(row.status == "read" for row in cohort_context())
    assert len(cohort_context()) > len(lung)
    assert {row.value for row in edric(1, 1, 1, 30, mean_liver=1.0).context} == {3.6, 4.38}
    assert set(lung) < set(edric(1, 1, 1, 30).context)


def test_misprinted_and_recalled_associations_carry_their_mark() -> None:
    by_status = {row.hazard_ratio: row for row in outcome_associations()}
    assert (by_status[1.072].status, by_status[1.17].status, by_status[1.12].status) == (
        "uncertain",
        "recalled",
        "read",
    )
    assert ".1072" in by_status[1.072].remark
    assert by_status[1.207].p_value is None
