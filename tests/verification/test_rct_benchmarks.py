"""Open randomised trials: the main effects that their publications report, by the benefit estimators.

Colon (Moertel 1990): levamisole with 5-FU lowers mortality by about a third, levamisole alone does not (recalled).
"""

from pathlib import Path

import pytest

from abscopal.stratification.benefit.analyse import analyse_benefit
from abscopal.stratification.benefit.trial import read_trial

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "rct-benchmarks"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the open trials are not on this machine")
COLON = ["num_age", "num_nodes", "fac_sex", "fac_obstruct", "fac_perfor", "fac_adhere", "fac_node4"]


def colon(arm):
    return read_trial(
        FOLDER / "colon.csv", arm="fac_rx", treated=arm, control="Obs", time="time", event="event", unit="day",
        covariates=COLON, missing="drop", patient="pid",
    )  # fmt: skip


def test_levamisole_with_fluorouracil_is_shown_and_alone_is_not():
    both, alone = analyse_benefit(colon("Lev+5FU")), analyse_benefit(colon("Lev"))
    assert both.average.low > 0
    assert 0.55 < both.hazard_ratio.value < 0.80
    assert both.hazard_ratio.high < 1
    assert alone.verdict.startswith("not shown")
    assert both.verdict_rt.startswith("Insufficient evidence")


def test_chemotherapy_added_to_radiotherapy_in_the_pharynx_trial_is_not_shown():
    trial = read_trial(
        FOLDER / "pharynx_rtog.csv", arm="fac_treatm", treated="2", control="1", time="time", event="event",
        unit="year",
        covariates=["num_age", "num_cond", "num_tstage", "num_nstage"], patient="pid",
    )  # fmt: skip
    found = analyse_benefit(trial)
    assert found.verdict.startswith("not shown")
    assert found.verdict_heterogeneity.startswith("not shown")
