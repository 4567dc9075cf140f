"""LORIS on the authors' open cohorts: per-patient output, discrimination, strata, calibration.

Chang et al., Nat Cancer 2024;5:1158, data of the public repository (see its PROVENANCE). Figures
are those recomputed from the authors' own per-patient output.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from abscopal.stratification.scores.loris import loris, recalibrated, stratum

COHORTS = Path(__file__).parents[3] / "shared" / "data" / "loris-icb"
pytestmark = pytest.mark.skipif(not COHORTS.is_dir(), reason="the open ICI cohorts are not on this machine")

COLUMNS = {
    "tmb_mut_per_mb": "TMB", "pdl1_tps_pct": "PD_L1", "prior_systemic_therapy": "PSTH", "albumin_g_dl": "albumin",
    "nlr": "NLR", "age_years": "age",
}  # fmt: skip


def score(name, model="pan"):
    rows = pd.read_csv(COHORTS / f"{name}.csv")
    if model == "nsclc":
        rows = rows.loc[(rows["cancer_type"] == "NSCLC") & rows["pdl1_tps_pct"].notna()]
    known = [column for column in COLUMNS if column in rows]
    values = rows[known].rename(columns=COLUMNS).to_dict("records")
    types = rows["cancer_type"].replace("Head & Neck", "Head&Neck") if model == "pan" else [None] * len(rows)
    return rows, np.array([loris(model, one, kind).p for one, kind in zip(values, types, strict=True)])


def auc(p, response):
    positive = response.to_numpy() == 1
    ranks = rankdata(p)
    n, m = positive.sum(), (~positive).sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)


@pytest.fixture(scope="module")
def pan_test():
    return score("chowell_test")


def test_per_patient_output_of_the_authors():
    """841 patients without an ICI, four decimals."""
    rows, p = score("msk_nonicb")
    assert len(rows) == 841
    np.testing.assert_allclose(p, rows["loris_as_published"], atol=5e-5)


@pytest.mark.parametrize(("cohort", "printed"), [("chowell_train", 0.741), ("msk1", 0.699), ("kato", 0.793)])
def test_pan_cancer_auc(cohort, printed):
    rows, p = score(cohort)
    assert round(auc(p, rows["response"]), 3) == printed


def test_pan_cancer_auc_of_the_temporal_test(pan_test):
    rows, p = pan_test
    assert round(auc(p, rows["response"]), 3) == 0.754


@pytest.mark.parametrize(
    ("cohort", "n", "printed"), [("msk1", 74, 0.658), ("vanguri_nsclc", 201, 0.767), ("ravi_nsclc", 193, 0.755)]
)
def test_lung_auc(cohort, n, printed):
    rows, p = score(cohort, "nsclc")
    assert len(rows) == n
    assert round(auc(p, rows["response"]), 3) == printed


def test_observed_response_by_stratum(pan_test):
    rows, p = pan_test
    labels = pd.Series([stratum(one) for one in p])
    observed = rows["response"].to_numpy()
    for (_, printed), index in labels.groupby(labels).groups.items():
        assert round(100 * observed[list(index)].mean()) == printed


def test_recalibration_lowers_the_brier_score(pan_test):
    """0.191 to 0.152 on the temporal test."""
    rows, p = pan_test
    response = rows["response"].to_numpy()
    scaled = np.array([recalibrated(one) for one in p])
    assert round(float(np.mean((p - response) ** 2)), 3) == 0.191
    assert round(float(np.mean((scaled - response) ** 2)), 3) == 0.152
