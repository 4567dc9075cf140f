import math
from typing import get_args

import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Disease
from abscopal.trials.nearest import log_dose_ratio, nearest_trials
from abscopal.trials.summary import INSUFFICIENT, evidence_summary


def test_nearest_to_conventional_lung_with_consolidation_is_pacific():
    rows = nearest_trials("NSCLC", 2.0, "adjuvant")
    assert len(rows) == 8
    first = rows[0]
    assert (first.trial, first.endpoint, first.hr, first.interval, first.year) == (
        "PACIFIC",
        "OS",
        0.72,
        (0.59, 0.89),
        2022,
    )
    assert (first.disease_match, first.sequence_match, first.log_dose_ratio) == ("same", "same", 0.0)
    assert first.interval_level == 95


def test_order_is_disease_then_sequence_then_dose():
    rank = {"same": 0, "related": 1, "other": 2}
    rows = nearest_trials("head_and_neck", 6.0, "concurrent", n=200)
    keys = [
        (rank[r.disease_match], rank[r.sequence_match], math.inf if r.log_dose_ratio is None else r.log_dose_ratio)
        for r in rows
    ]
    assert keys == sorted(keys)
    assert len({key[:2] for key in keys}) > 4


def test_withheld_and_retracted_trials_are_never_listed():
    rows = nearest_trials("pancreatic", None, n=500)
    assert not any("Changhai" in row.trial for row in rows)
    assert not any(row.note == "outcome withheld" for row in rows)
    assert all(row.hr > 0 for row in rows)


@pytest.mark.parametrize("disease", get_args(Disease))
def test_every_disease_of_a_patient_is_answered(disease):
    assert len(nearest_trials(disease, 8.0, None, n=3)) == 3


def test_a_label_of_the_table_works_too():
    assert nearest_trials("soft tissue sarcoma", 2.0)[0].disease == "soft tissue sarcoma"


def test_flags_and_notes_travel_with_the_row():
    rows = {(r.trial, r.endpoint): r for r in nearest_trials("NSCLC", 2.0, "adjuvant", n=500)}
    assert "maturity" in rows["GEMSTONE-301", "OS"].flags
    assert rows["GEMSTONE-301", "OS"].status == "recalled"
    assert rows["CheckMate 577", "OS"].interval_level == 95.87


@pytest.mark.parametrize(
    ("cell", "dose", "expected"),
    [("2", 2.0, 0.0), ("2", 8.0, math.log(4)), ("8|12.5|3", 3.0, 0.0), ("15-20|12-12.5|10-11", 18.0, 0.0),
     ("15-20|12-12.5|10-11", 30.0, math.log(1.5)), ("15-20", 10.0, math.log(1.5)), ("", 2.0, None), ("2", None, None)],
)  # fmt: skip
def test_dose_distance(cell, dose, expected):
    assert log_dose_ratio(cell, dose) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("NSCL", 2.0), "'NSCLC'"), (("NSCLC", 2.0, "adjuvent"), "'adjuvant'"),
     (("NSCLC", -1.0), "positive number of Gy")],
)  # fmt: skip
def test_bad_questions_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        nearest_trials(*arguments)


def test_adding_rt_to_ici_is_insufficient_evidence():
    for endpoint, printed in (("OS", 0.8745), ("PFS", 0.8563)):
        answer = evidence_summary(endpoint=endpoint)[-1]
        assert answer.question == "adding RT to ICI"
        assert answer.verdict == INSUFFICIENT
        assert INSUFFICIENT in answer.statement
        assert answer.pool.k == 2
        assert answer.pool.prediction_interval is None
        assert answer.pool.hr == pytest.approx(printed, abs=5e-5)


def test_added_ici_states_the_prediction_interval():
    answer = evidence_summary()[0]
    assert answer.pool.k == 14
    assert answer.verdict == "mean effect, uncertain in a new setting"
    assert "0.85 (0.76 to 0.94)" in answer.statement
    assert "0.64 and 1.12" in answer.statement
    assert "includes harm" in answer.statement
    assert "without immature estimates" in answer.sensitivity


def test_the_pool_of_the_patients_timing_is_added():
    answers = evidence_summary(disease="NSCLC", sequence="concurrent")
    assert [a.pool.k for a in answers] == [14, 6, 2]
    assert answers[1].verdict == "no mean effect shown"
    assert any("trials are in NSCLC" in caveat for caveat in answers[1].caveats)
    assert answers[1].in_disease == 1


def test_an_estimated_variance_of_zero_promises_nothing_for_a_new_setting():
    answer = evidence_summary(disease="melanoma", sequence="sequential")[1]
    assert answer.pool.tau2 == 0
    assert answer.pool.prediction_interval[1] < 1
    assert answer.verdict == "mean effect, uncertain in a new setting"
    assert "takes the trials to agree" in answer.statement
    assert answer.in_disease == 0


def test_an_endpoint_nobody_reported_is_answered_without_numbers():
    answer = evidence_summary(endpoint="EFS")[-1]
    assert answer.pool is None
    assert answer.verdict == INSUFFICIENT
    assert answer.statement == (
        "Adding RT to ICI: insufficient evidence; "
        "no EFS hazard ratio from trials that randomised RT with ICI in both arms."
    )


def test_every_order_of_ici_and_rt_is_answered():
    for sequence in ("adjuvant", "both", "concurrent", "sequential", "neoadjuvant", None):
        for endpoint in ("OS", "PFS", "EFS", "pCR"):
            for answer in evidence_summary(disease="melanoma", sequence=sequence, endpoint=endpoint):
                assert answer.verdict
                assert (answer.pool is None) == (not answer.trials)


def test_zero_variance_is_not_called_agreement():
    answer = evidence_summary(sequence="adjuvant")[1]
    assert answer.pool.tau2 == 0
    assert any("does not show that the trials agree" in caveat for caveat in answer.caveats)
