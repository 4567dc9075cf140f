import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.patient import DrugSchedule
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.exposure import drug_exposure
from abscopal.knowledge.load import load, record_use, sheet_names
from abscopal.pharmacology.drugs import DEFAULT_ROWS, DRUG_CLASSES, drug_class, kinetics_of, simulable_rows
from abscopal.pharmacology.kinetics import half_life, kinetics_model
from abscopal.pharmacology.occupancy import occupancy
from abscopal.pharmacology.schedules import expand_schedules
from abscopal.simulation.solve import simulate


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Pembrolizumab", "anti-PD-1"),
        ("atezolizumab", "anti-PD-L1"),
        ("ipilimumab", "anti-CTLA-4"),
        ("anti-pd-1", "anti-PD-1"),
    ],
)
def test_drug_class(name: str, expected: str) -> None:
    assert drug_class(name) == expected


def test_unknown_drug_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="'pembrolizumab'"):
        drug_class("pembrolizumap")


def test_every_default_row_is_simulable_and_every_drug_sheet_has_a_class() -> None:
    sheets = [name.removeprefix("drugs/") for name in sheet_names() if name.startswith("drugs/")]
    assert set(sheets) <= set(DRUG_CLASSES)
    assert all(row in simulable_rows(drug) for drug, row in DEFAULT_ROWS.items())


@pytest.mark.parametrize(
    ("drug", "row"), [("avelumab", "centanni_2019"), ("tremelimumab", "label"), ("dostarlimab", None)]
)
def test_incomplete_kinetics_are_refused(drug: str, row: str | None) -> None:
    with pytest.raises(UnsupportedError, match="no complete two-compartment"):
        kinetics_of(drug, row=row)


def test_a_default_row_with_a_doubtful_number_says_so() -> None:
    assert kinetics_of("avelumab").notes[0] == "uncertain in its source: Q of masters_2022"
    assert not any("uncertain" in note for note in kinetics_of("cemiplimab").notes)


def test_central_and_peripheral_volumes_have_their_own_exponents() -> None:
    light, typical = kinetics_of("avelumab", weight=40).parameters, kinetics_of("avelumab").parameters
    assert light["V1"] / typical["V1"] == pytest.approx(0.5**0.4694)
    assert light["V2"] / typical["V2"] == pytest.approx(0.5**0.5826)
    light, typical = kinetics_of("tremelimumab", weight=35.5).parameters, kinetics_of("tremelimumab").parameters
    assert (light["V1"] / typical["V1"], light["V2"] / typical["V2"]) == (pytest.approx(0.5**0.606), 1)


def test_label_row_of_pembrolizumab_is_not_a_model() -> None:
    with pytest.raises(UnsupportedError, match="ahamadi_2017"):
        kinetics_of("pembrolizumab", row="label")


def test_unknown_row_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="ahamadi_2017"):
        kinetics_of("pembrolizumab", row="ahamadi")


def test_weight_scales_pembrolizumab_by_its_exponents() -> None:
    light, typical = kinetics_of("pembrolizumab", weight=50).parameters, kinetics_of("pembrolizumab").parameters
    assert light["CL0"] / typical["CL0"] == pytest.approx((50 / 76.8) ** 0.595)
    assert light["Q"] / typical["Q"] == pytest.approx((50 / 76.8) ** 0.595)
    assert light["V1"] / typical["V1"] == pytest.approx((50 / 76.8) ** 0.489)


def test_men_clear_nivolumab_faster() -> None:
    man, woman = (kinetics_of("nivolumab", weight=80, sex=sex) for sex in ("male", "female"))
    assert man.parameters["CL0"] / woman.parameters["CL0"] == pytest.approx(np.exp(0.165))
    assert woman.notes == ()
    assert "sex not given" in kinetics_of("nivolumab", weight=80).notes[-1]


def test_ipilimumab_with_nivolumab_takes_the_other_change_of_clearance() -> None:
    assert kinetics_of("ipilimumab", partner="nivolumab").parameters["Emax"] == -0.266
    assert kinetics_of("ipilimumab", partner="durvalumab").parameters["Emax"] == -0.0644


def test_tremelimumab_with_durvalumab_is_cleared_more_slowly_with_time() -> None:
    alone, together = kinetics_of("tremelimumab"), kinetics_of("tremelimumab", partner="Durvalumab")
    assert (alone.parameters["Emax"], alone.parameters["hill"]) == (0.151, 14.5)
    assert (together.parameters["Emax"], together.parameters["hill"]) == (-0.187, 3.2)


def test_half_life_is_the_terminal_slope_of_the_solution() -> None:
    person = kinetics_of("atezolizumab")
    concentration = simulate_after_one_dose(person, [300.0, 400.0])
    slope = np.log(concentration[0] / concentration[1]) / 100
    assert np.log(2) / slope == pytest.approx(half_life(person), rel=1e-5)


def simulate_after_one_dose(person, days):  # type: ignore[no-untyped-def]
    return drug_exposure([DrugDose(drug=person.drug, mg=1200, day=0)], days, row=person.row)["C"]


def test_saturable_elimination_lowers_the_trough() -> None:
    dose = Regimen(drug_doses=(DrugDose(drug="durvalumab", mg=1500, day=0),))
    model = kinetics_model(kinetics_of("durvalumab", row="baverel_2018"))
    linear = model.with_switches(saturable=False)
    assert simulate(model, dose, [28])["C"][0] < simulate(linear, dose, [28])["C"][0] - 1


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=5), st.floats(1e-3, 1e3))
def test_occupancy_is_between_zero_and_one_and_rises(concentrations: list[float], k50: float) -> None:
    c = np.sort(np.array(concentrations))
    share = occupancy(c, k50)
    assert ((share >= 0) & (share < 1)).all()
    assert (np.diff(share) >= 0).all()


def test_occupancy_refuses_a_negative_concentration() -> None:
    with pytest.raises(InputError, match="not negative"):
        occupancy([-1.0], 1.0)


def test_schedules_expand_by_day() -> None:
    a = DrugSchedule(name="Nivolumab", dose="240 mg", first_day="0 day", interval="14 day", doses=3)
    b = DrugSchedule(name="ipilimumab", dose="80 mg", first_day="-7 day", interval="42 day", doses=2)
    doses = expand_schedules([a, b])
    assert [(dose.drug, dose.day, dose.mg) for dose in doses] == [
        ("ipilimumab", -7, 80),
        ("nivolumab", 0, 240),
        ("nivolumab", 14, 240),
        ("nivolumab", 28, 240),
        ("ipilimumab", 35, 80),
    ]


def test_schedule_of_an_unknown_drug_is_refused() -> None:
    schedule = DrugSchedule(name="nivolumap", dose="240 mg", first_day="0 day", interval="14 day", doses=1)
    with pytest.raises(InputError, match="'nivolumab'"):
        expand_schedules([schedule])


def test_exposure_refuses_two_drugs_in_one_call() -> None:
    doses = [DrugDose(drug="nivolumab", mg=240, day=0), DrugDose(drug="ipilimumab", mg=80, day=0)]
    with pytest.raises(InputError, match="doses of one drug"):
        drug_exposure(doses, [1.0])


def test_what_was_used_is_recorded() -> None:
    with record_use() as usage:
        kinetics_of("nivolumab", weight=70, sex="male")
    assert "drugs/nivolumab:bajaj_2017_male_log_clearance" in usage.keys
    assert load("drugs/nivolumab").content.numbers["liu_2017_Emax"].status == "uncertain"
