"""Tables that would make a fit worthless are refused or flagged, with four-part messages."""

import numpy as np
import pandas as pd
import pytest

from abscopal.domain.errors import InputError, UnitError
from abscopal.learning.checks import check_duplicates, check_event_order, check_leakage, check_sample_size
from abscopal.learning.outcome import Outcome
from abscopal.learning.table import outcome_values, read_table, unit_of
from tests.learning.simulated import binary_table, survival_table

OS = Outcome("survival", "os_event", "os_months", "month", 6.0)
TOXIC = Outcome("binary", "toxic")


def refusal(error, *words):
    text = str(error.value)
    assert all(part in text for part in ("while ", "found ", "expected ", "Try: "))
    for word in words:
        assert word in text


def test_one_class_only():
    with pytest.raises(InputError) as error:
        outcome_values(binary_table().assign(toxic=0), TOXIC)
    refusal(error, "only the value 0")


def test_unknown_codes():
    with pytest.raises(InputError) as error:
        outcome_values(survival_table().assign(os_event=2), OS)
    refusal(error, "--competing")


def test_days_in_a_column_of_months():
    with pytest.raises(UnitError) as error:
        outcome_values(survival_table().assign(os_months=lambda t: 300 * t["os_months"]), OS)
    refusal(error, "--unit day")


@pytest.mark.parametrize(
    ("column", "stated", "unit"),
    [
        ("os_months", None, "month"),
        ("g1_time", "year", "year"),
        ("OS.days", None, "day"),
        ("os_months", "month", "month"),
    ],
)
def test_units_are_read_or_stated(column, stated, unit):
    assert unit_of(column, stated) == unit


@pytest.mark.parametrize(("column", "stated"), [("time", None), ("os_months", "day"), ("time", "fortnight")])
def test_units_are_never_guessed(column, stated):
    with pytest.raises(UnitError) as error:
        unit_of(column, stated)
    refusal(error, "--unit")


def test_negative_times():
    with pytest.raises(InputError) as error:
        outcome_values(survival_table().assign(os_months=-1.0), OS)
    refusal(error, "below zero")


def test_missing_outcomes_are_left_out_and_said():
    table = survival_table()
    table.loc[:4, "os_event"] = np.nan
    kept, y, notes = outcome_values(table, OS)
    assert len(kept) == len(y) == len(table) - 5
    assert "5 of 300" in notes[0]


def test_events_after_the_end_of_follow_up():
    table = survival_table().assign(pfs_months=lambda t: t["os_months"] + 1.0, pfs_event=1)
    with pytest.raises(InputError) as error:
        check_event_order(table)
    refusal(error, "300 patients", "pfs_months")
    assert check_event_order(table.assign(pfs_event=0)) == []


def test_patients_given_twice():
    table = binary_table()
    twice = pd.concat([table, table.iloc[:3]], ignore_index=True)
    with pytest.raises(InputError) as error:
        check_duplicates(twice)
    refusal(error, "3 rows")
    assert check_duplicates(table) == []
    with pytest.raises(InputError) as error:
        check_duplicates(table.assign(patient_id=1))
    refusal(error, "patient_id")
    assert "on request" in check_duplicates(twice, allowed=True)[0]


@pytest.mark.parametrize(
    "name", ["pfs_event", "os_months", "best_response", "irAE_grade", "early_irae", "survival_flag"]
)
def test_features_known_only_afterwards_by_name(name):
    table = binary_table().assign(**{name: 1.0})
    with pytest.raises(InputError) as error:
        check_leakage(table, ["dose", name], TOXIC, table["toxic"].to_numpy(float))
    refusal(error, name)


def test_a_feature_measured_after_the_start():
    table = binary_table().assign(nlr=2.0, nlr_measured_day=0)
    assert check_leakage(table, ["nlr"], TOXIC, table["toxic"].to_numpy(float)) == []
    table.loc[3, "nlr_measured_day"] = 21
    with pytest.raises(InputError) as error:
        check_leakage(table, ["nlr"], TOXIC, table["toxic"].to_numpy(float))
    refusal(error, "after the start")


def test_a_feature_that_is_the_outcome_in_disguise():
    table = binary_table()
    table["marker"] = table["toxic"] + 0.01 * table["noise"]
    with pytest.raises(InputError) as error:
        check_leakage(table, ["marker"], TOXIC, table["toxic"].to_numpy(float))
    refusal(error, "marker", "concordance")
    assert check_leakage(table, ["dose"], TOXIC, table["toxic"].to_numpy(float)) == []


def test_a_name_that_only_sounds_like_an_outcome():
    table = binary_table().assign(tumour_grade=1.0)
    y = table["toxic"].to_numpy(float)
    assert "stated" in check_leakage(table, ["tumour_grade"], TOXIC, y, known_before=("tumour_grade",))[0]


def test_events_per_parameter():
    y = np.r_[np.ones(20), np.zeros(80)]
    assert check_sample_size(2, y, TOXIC) == []
    assert "few events" in check_sample_size(3, y, TOXIC)[0]
    with pytest.raises(InputError) as error:
        check_sample_size(5, y, TOXIC)
    refusal(error, "4.0 per parameter")
    assert "TOO FEW" in check_sample_size(5, y, TOXIC, allowed=True)[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "No columns"), ("a,b\n", "0 rows"), ("a,a\n1,2\n", "twice"), ("a,b\n1,2,3\n1,2,3,4,5\n", "line")],
)
def test_unreadable_tables(tmp_path, text, word):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_table(tmp_path / "t.csv")
    refusal(error, word)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(bytes(range(128, 256)) * 20)
    with pytest.raises(InputError):
        read_table(tmp_path / "t.csv")
