"""Plans side by side: equal coverage, refused at unequal BED, and each row against the room it comes from."""

from dataclasses import replace

import numpy as np
import pytest

from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing
from abscopal.blood.forecast import forecast_alc
from abscopal.blood.immune_dose import edric
from abscopal.blood.plan_exposure import blood_dose_of_plan
from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose
from abscopal.planning.compare import PlanComparison, Setting, compare_plans, equal_coverage, summary
from abscopal.planning.course import PlannedCourse, respond_in_parts, tumour_parts
from abscopal.planning.influence import InfluenceMatrix, Prescription
from abscopal.radiobiology.isoeffect import bed
from abscopal.regimens.judge import respond
from abscopal.window.ensemble import parameter_scatter
from abscopal.window.experiment import reference_experiment

DRUGS = (DrugDose(drug="pembrolizumab", mg=200, day=0.0), DrugDose(drug="pembrolizumab", mg=200, day=21.0))
SETTING = Setting(alpha_beta=10.0, alc=1.8, known={"age": 66.0}, drugs=DRUGS, draws=8, parameter_set="set_b")


def course(matrix: InfluenceMatrix, name: str, beams: tuple[int, ...], **changes: object) -> PlannedCourse:
    """Even weights on the middle bixels of some beams, scaled to 50 Gy of D95%."""
    lit = np.isin(matrix.bixels.beam, beams) & (np.hypot(matrix.bixels.across, matrix.bixels.along) <= 32)
    return PlannedCourse(name, matrix, lit.astype(float), **changes).scaled_to(50.0)


@pytest.fixture(scope="module")
def compared(matrix: InfluenceMatrix) -> PlanComparison:
    two = course(matrix, "two beams", (0, 3))
    return compare_plans(
        course(matrix, "five beams", (0, 1, 2, 3, 4)), [replace(two, weights=0.8 * two.weights)], SETTING
    )


def test_every_plan_is_brought_to_the_coverage_of_the_reference(compared: PlanComparison) -> None:
    row = compared.row("PTV D95%")
    assert row.values[0].value == pytest.approx(50.0, abs=0.02)
    assert row.values[1].value == pytest.approx(row.values[0].value, abs=0.02)
    assert compared.factors == pytest.approx((1.0, 1.25), rel=1e-3)
    assert any("two beams was scaled by 1.2" in note for note in compared.notes)


def test_dose_rows_are_those_of_the_regions(compared: PlanComparison, matrix: InfluenceMatrix) -> None:
    for k, one in enumerate(compared.courses):
        dose = matrix.voxel_dose(one.weights)
        means = {name: region.mean(dose) for name, region in matrix.regions.items()}
        body = matrix.region("External")
        expected = edric(means["Lungs"], means["Heart"], means["External"] * body.volume_cm3, 25).value
        assert compared.row("EDRIC").values[k].value == pytest.approx(expected, rel=1e-5)
        assert compared.row("Mean dose, spleen").values[k].value == pytest.approx(means["Spleen"], rel=1e-9)
        assert compared.row("Mean dose, contoured nodes").values[k].value == pytest.approx(means["LN_Mediast"])
        assert compared.row("PTV mean").values[k].value == pytest.approx(means["PTV"], rel=1e-9)


def test_blood_and_lymphocytes_are_those_of_the_blood_room(compared: PlanComparison) -> None:
    one = compared.courses[1]
    blood = blood_dose_of_plan(one.dvhs, 25, load_network("male"), constant_timing(None))
    assert compared.row("Mean blood dose").values[1].value == pytest.approx(blood.course(25).mean)
    ahead = forecast_alc(1.8, blood, one.days)
    nadir = compared.row("ALC nadir").values[1]
    assert (nadir.value, nadir.low, nadir.high) == pytest.approx(ahead.nadir)
    assert nadir.low < nadir.value < nadir.high


def test_what_is_missing_is_named(compared: PlanComparison) -> None:
    row = compared.row("Mean dose, thymus")
    assert row.values == (None, None)
    assert row.needs == "not computable: needs Thymus"


def test_window_and_complications_carry_intervals_and_paired_changes(compared: PlanComparison) -> None:
    gain = compared.row("Window gain, other lesion, log₁₀ over ICI alone")
    assert all(value.low <= value.value <= value.high for value in gain.values)
    assert gain.changes[0].value == 0.0
    lungs = next(row for row in compared.rows if row.group == "complications" and "neumonitis" in row.label)
    assert lungs.values[0].low < lungs.values[0].value < lungs.values[0].high
    (against,) = compared.toxicity
    assert (against.first, against.second) == ("five beams", "two beams")
    assert len(summary(compared)["rows"]) == len(compared.rows)


def test_a_spared_node_raises_the_window_gain(matrix: InfluenceMatrix) -> None:
    """A beam past the node against one through it: the tumour gets nearly the same."""
    through, past = course(matrix, "through", (1,)), course(matrix, "past", (3,))
    assert past.candidate().node_gy < 0.7 * through.candidate().node_gy
    made = compare_plans(through, [past], replace(SETTING, draws=4))
    row = made.row("Window gain, other lesion, log₁₀ over ICI alone")
    assert row.changes[1].value > 0


def test_without_a_count_there_is_no_forecast(matrix: InfluenceMatrix) -> None:
    made = compare_plans(
        course(matrix, "a", (0, 2)), [course(matrix, "b", (1, 3))], Setting(10.0, draws=2, parameter_set="set_b")
    )
    assert made.row("ALC nadir").needs.endswith("lymphocyte count before treatment")
    assert any("no checkpoint inhibitor" in note for note in made.notes)


def test_plans_without_a_body_lack_what_needs_it(matrix: InfluenceMatrix) -> None:
    bare = replace(matrix, regions={name: matrix.region(name) for name in ("PTV", "Heart")})
    made = compare_plans(course(bare, "a", (0, 2)), [course(bare, "b", (1, 3))], replace(SETTING, draws=2))
    assert "External" in made.row("EDRIC").needs
    assert "External" in made.row("Mean blood dose").needs
    assert made.row("ALC nadir").values == (None, None)
    assert any("No draining node" in note for note in made.notes)


def test_unequal_tumour_bed_is_refused(matrix: InfluenceMatrix) -> None:
    other = course(replace(matrix, prescription=Prescription(50.0, 5)), "5 × 10", (0, 2))
    with pytest.raises(InputError, match=r"unequal tumour BED.*BED 60.0 Gy.*BED 100.0 Gy"):
        compare_plans(course(matrix, "25 × 2", (0, 2)), [other], SETTING)


def test_other_fractions_at_equal_bed_are_compared(matrix: InfluenceMatrix) -> None:
    first = course(matrix, "25 × 2", (0, 2, 3))
    few = course(replace(matrix, prescription=Prescription(35.21, 5)), "5 × 7.04", (0, 2, 3))
    made = compare_plans(first, [few], replace(SETTING, draws=2))
    aim = equal_coverage(first.coverage, first, few, 10.0)
    assert made.row("PTV D95%").values[1].value == pytest.approx(aim, abs=0.02)
    assert bed(aim / 5, 5, 10.0) == pytest.approx(bed(first.coverage / 25, 25, 10.0))
    assert made.row("EDRIC").values[1].value < made.row("EDRIC").values[0].value


def test_names_and_coverage_that_do_not_do(matrix: InfluenceMatrix) -> None:
    one = course(matrix, "a", (0, 2))
    with pytest.raises(InputError, match="a name of its own"):
        compare_plans(one, [one], SETTING)
    with pytest.raises(InputError, match="D95% of 0 Gy"):
        compare_plans(one, [PlannedCourse("none", matrix, np.zeros(matrix.n_bixels))], SETTING)


def test_an_even_tumour_in_parts_answers_as_one_dose(matrix: InfluenceMatrix) -> None:
    setup = reference_experiment()
    draws = parameter_scatter(setup.model, 3)
    one = course(matrix, "a", (0,)).candidate()
    parts = tumour_parts(np.full(40, one.dose), np.linspace(0.1, 1.0, 40))
    assert parts.shares.sum() == pytest.approx(1)
    whole, split = respond([one], setup, draws), respond_in_parts({("a", 25): parts})([one], setup, draws)
    for name in ("local", "distant", "gain", "control"):
        np.testing.assert_allclose(getattr(split, name), getattr(whole, name), rtol=1e-9)


def test_a_cold_part_costs_local_control(matrix: InfluenceMatrix) -> None:
    setup = reference_experiment()
    draws = parameter_scatter(setup.model, 3)
    one = course(matrix, "a", (0,)).candidate()
    cold = tumour_parts(np.array([0.0] + [2.5] * 4), np.ones(5))
    assert cold.doses.tolist() == pytest.approx([1e-6, 2.5, 2.5, 2.5, 2.5])
    even, uneven = (
        respond_in_parts({("a", 25): parts})([one], setup, draws)
        for parts in (tumour_parts(np.full(5, 2.0), np.ones(5)), cold)
    )
    assert (uneven.local < even.local).all()
