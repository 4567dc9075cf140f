"""What --outcome means, and who gets a number."""

import pytest

from abscopal.domain.errors import InputError, UnitError
from abscopal.learning.fit import Request, fit_model
from abscopal.stratification.models import outcome_of, predict
from tests.learning.simulated import survival_table

COLUMNS = ("os_months", "os_event", "response")


@pytest.mark.parametrize(
    ("text", "kind", "event"),
    [
        ("response", "binary", "response"),
        ("os_months,os_event", "survival", "os_event"),
        ("os_months,event", "survival", "os_event"),
    ],
)
def test_outcomes(text, kind, event):
    found = outcome_of(text, COLUMNS)
    assert (found.kind, found.event) == (kind, event)
    assert found.unit == ("month" if kind == "survival" else "")


def test_unusable_outcomes():
    with pytest.raises(InputError, match="TIME,EVENT"):
        outcome_of("a,b,c", COLUMNS)
    with pytest.raises(UnitError, match="--unit"):
        outcome_of("time,event", COLUMNS)


@pytest.fixture(scope="module")
def model():
    request = Request(["a", "b"], families=("cox",), n_folds=2, n_resamples=0)
    return fit_model(survival_table(), outcome_of("os_months,event", COLUMNS), request)


def test_a_patient_unlike_the_cohort_gets_no_number(model):
    table = survival_table(5, seed=30)
    table.loc[2, "a"] = 40.0
    found = predict(model, table)
    assert [risk is None for risk in found.risk] == [False, False, True, False, False]
    assert found.evidence == "prognostic"
    assert "1 of 5" in found.notes[-1]
    assert predict(model, table, allow_outside=True).risk[2] is not None


def test_a_category_the_cohort_did_not_hold_gets_no_number():
    cohort = survival_table(200).assign(site=["1", "2"] * 100)
    cohort["site"] = cohort["site"].astype(int)
    outcome = outcome_of("os_months,event", COLUMNS)
    request = Request(["a", "category:site"], families=("cox",), n_folds=2, n_resamples=0)
    found = predict(fit_model(cohort, outcome, request), survival_table(3, seed=31).assign(site=[1.0, 3.0, 2.0], a=0.1))
    assert [risk is None for risk in found.risk] == [False, True, False]
    assert found.transport.unknown_levels == {"category:site": ("3",)}


def test_a_missing_feature_is_named(model):
    with pytest.raises(InputError, match="'b'"):
        predict(model, survival_table(5).drop(columns="b"))
