"""Samstein et al., Nat Genet 2019;51:202: TMB among the top fifth of its histology and survival under an ICI."""

from pathlib import Path

import pandas as pd
import pytest
from lifelines import CoxPHFitter

from abscopal.stratification.scores.cohort import top_within

FILE = Path(__file__).parents[3] / "shared" / "data" / "samstein-tmb-2018" / "tmb_mskcc_2018.csv"


@pytest.mark.skipif(not FILE.is_file(), reason="the open TMB cohort is not on this machine")
def test_hazard_ratio_of_the_top_fifth():
    """0.619 (0.515 to 0.744), 1,661 patients, 488 with TMB of 10 or more."""
    rows = pd.read_csv(FILE)
    assert len(rows) == 1661
    assert (rows["tmb_mut_per_mb"] >= 10).sum() == 488
    frame = rows[["os_months", "os_event", "cancer_type"]].assign(
        top=top_within(rows["tmb_mut_per_mb"], rows["cancer_type"], 0.2).astype(float)
    )
    fitted = CoxPHFitter().fit(frame, "os_months", "os_event", strata=["cancer_type"]).summary.loc["top"]
    assert [round(fitted[name], 3) for name in ("exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%")] == [
        0.619, 0.515, 0.744,
    ]  # fmt: skip
