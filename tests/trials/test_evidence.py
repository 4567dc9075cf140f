import pandas as pd
import pytest

from abscopal.domain.errors import InputError, KnowledgeError
from abscopal.knowledge.load import load, record_use
from abscopal.trials.checks import information_bound, inversion, log_symmetry
from abscopal.trials.evidence import OUTCOMES, check_schema, load_trials, select
from abscopal.trials.pooling import pool


@pytest.fixture(scope="module")
def trials():
    return load_trials()


def flags(trials, trial, endpoint):
    row = trials.loc[(trials["trial"] == trial) & (trials["endpoint"] == endpoint)]
    assert len(row) == 1
    return row["flags"].iloc[0]


def test_table_has_its_published_size(trials):
    assert len(trials) == 142
    assert trials["trial"].nunique() == 84


def test_withheld_rows_carry_no_outcome(trials):
    withheld = trials.loc[trials["pool"] == "holdout"]
    assert withheld["trial"].nunique() == 8
    assert withheld[list(OUTCOMES)].isna().all(axis=None)
    assert not withheld["poolable"].any()
    assert withheld["note"].eq("outcome withheld").all()


@pytest.mark.parametrize("column", OUTCOMES)
def test_a_filled_withheld_cell_is_refused(column):
    table = load("trials/rt_ici").table("trials").astype({column: object})
    table.loc[table["pool"] == "holdout", column] = 1
    with pytest.raises(KnowledgeError, match="held-out"):
        check_schema(table)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("sequence", "later", "later"), ("pool", "all", "all"), ("hr_lo", 5.0, "hr_lo < hr"),
     ("ci_level", None, "ci_level")],
)  # fmt: skip
def test_a_broken_row_is_refused(column, value, message):
    table = load("trials/rt_ici").table("trials")
    table.loc[0, column] = value
    with pytest.raises(KnowledgeError, match=message):
        check_schema(table)


def test_a_duplicated_row_is_refused():
    table = load("trials/rt_ici").table("trials")
    with pytest.raises(KnowledgeError, match="two rows"):
        check_schema(pd.concat([table, table.iloc[[0]]]))


@pytest.mark.parametrize(
    ("trial", "endpoint", "check", "says"),
    [
        ("Toripalimab with cisplatin omitted during RT", "PFS", "log_symmetry", "geometric centre 1.09"),
        ("Pooled PEMBRO-RT + MDACC", "OS", "information_bound", "0.113 is below 0.164"),
        ("Changhai SBRT + pembrolizumab + trametinib", "OS", "retraction", "retracted"),
        ("Pooled PEMBRO-RT + MDACC", "PFS", "overlap", "PEMBRO-RT and MDACC"),
        ("Schoenfeld NCI ETCTN (low-dose arm)", "PFS", "overlap", "control arm"),
        ("POLARSTAR (sequential arm)", "pCR", "overlap", "control arm"),
        ("IMvoke010", "EFS", "inversion", "1.06"),
        ("DIPPER", "EFS", "inversion", "1.79"),
        ("SU2C-SARC032", "EFS", "level", "90 %"),
        ("CheckMate 73L (arm A vs C)", "PFS", "level", "96 %"),
        ("CheckMate 577", "OS", "level", "95.87 %"),
        ("GEMSTONE-301", "OS", "maturity", "immature"),
    ],
)
def test_each_check_trips_on_its_row(trials, trial, endpoint, check, says):
    assert says in flags(trials, trial, endpoint)[check]


def test_computed_checks_trip_nowhere_else(trials):
    for check in ("log_symmetry", "information_bound"):
        assert trials["flags"].map(lambda found, check=check: check in found).sum() == 1


def test_every_known_issue_names_a_row(trials):
    issues = load("trials/rt_ici").table("issues")
    assert set(issues["trial"]) <= set(trials["trial"])
    assert trials["flags"].map(lambda found: bool(set(found) - {"swap"})).sum() == 20


def test_clean_values_trip_nothing():
    assert log_symmetry(0.7, 0.49, 1.0, 95, 0.15) == ""
    assert information_bound(0.5, 1.0, 95, 1000, 2) == ""
    assert information_bound(0.5, 1.0, 95, float("nan"), 2) == ""
    assert inversion(0.7, 0.7, 0.02) == ""


def test_retracted_and_overlapping_rows_are_never_poolable(trials):
    named = trials["trial"].str.contains("Changhai|Pooled|POLARSTAR|Schoenfeld")
    assert named.sum() == 10
    assert not trials.loc[named, "poolable"].any()


def test_immature_estimate_moves_the_overall_pool():
    """Loader duty 7: 0.917 -> 0.942 overall, 0.802 -> 0.819 for ICI after RT."""
    for timing, printed in ((None, (0.917, 0.942)), ("after", (0.802, 0.819))):
        rows = select(timing=timing)
        without = rows.loc[rows["trial"] != "GEMSTONE-301"]
        found = tuple(round(pool(part["log_hr"], part["se"]).hr, 3) for part in (rows, without))
        assert found == printed


def test_selection_refuses_unknown_names():
    with pytest.raises(InputError, match="'PFS'"):
        select(endpoint="PFSS")
    with pytest.raises(InputError, match="'after'"):
        select(timing="aftr")


def test_selection_filters():
    assert set(select(disease="NSCLC")["disease"]) == {"NSCLC"}
    assert not select(without_flag="maturity")["trial"].str.contains("GEMSTONE").any()
    assert select(endpoint="pCR").empty


def test_use_of_the_table_is_recorded():
    with record_use() as used:
        select()
    assert {"trials/rt_ici:trials", "trials/rt_ici:issues", "trials/rt_ici:log_symmetry_limit"} <= set(used.keys)


def test_dose_immune_observations_load_and_stay_sealed():
    table = load("evidence/dose_immune").table("observations")
    assert len(table) == 174
    assert table["confidence"].value_counts().to_dict() == {"read": 137, "recalled": 35, "uncertain": 2}
    split = table["note"].str.extract(r"SPLIT=(\w+)", expand=False)
    assert split.value_counts().to_dict() == {"validation": 102, "calibration": 41, "sealed": 19}
    sealed = table.loc[split == "sealed"]
    assert sealed[["arm_value", "control_value"]].isna().all(axis=None)
    assert sealed["note"].eq("outcome sealed: predict before it is opened. SPLIT=sealed").all()
    assert table.loc[split != "sealed", "arm_value"].notna().all()
