import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from abscopal.domain.regimen import DrugDose, Regimen


def test_weekdays_skip_weekends() -> None:
    regimen = Regimen.equal_fractions(2, 7, weekdays=True)
    assert regimen.fraction_days == (0, 1, 2, 3, 4, 7, 8)


@given(st.floats(0.1, 30), st.integers(1, 40))
def test_totals_are_derived(dose: float, n: int) -> None:
    regimen = Regimen.equal_fractions(dose, n)
    assert regimen.total_dose == pytest.approx(n * dose)
    assert regimen.without_radiation().total_dose == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"fraction_days": (0.0, 1.0), "fraction_doses": (2.0,)},
        {"fraction_days": (1.0, 0.0), "fraction_doses": (2.0, 2.0)},
        {"fraction_days": (0.0,), "fraction_doses": (-2.0,)},
        {"fraction_days": (0.0,), "fraction_doses": (float("nan"),)},
        {"unknown": 1},
    ],
)
def test_inconsistent_regimens_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Regimen.model_validate(fields)


def test_last_day_counts_drugs() -> None:
    regimen = Regimen.equal_fractions(8, 3, drug_doses=[DrugDose(drug="pembrolizumab", mg=200, day=21)])
    assert regimen.last_day == 21
    assert regimen.without_drugs().last_day == 2


def test_a_regimen_comes_back_from_its_file() -> None:
    drugs = (DrugDose(drug="anti-PD-1", mg=0.2, day=-3), DrugDose(drug='odd "name"', mg=1, day=4.5))
    made = Regimen.equal_fractions(8, 3, interval=2, drug_doses=drugs)
    again = Regimen.model_validate(tomllib.loads(made.to_toml()))
    assert again.model_copy(update={"name": made.name}) == made
