import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.trials.bayes import bayes_pool, posterior
from abscopal.trials.binary import mantel_haenszel, peto
from abscopal.trials.checks import standard_error_from_events, standard_error_from_p
from abscopal.trials.evidence import load_trials, select
from abscopal.trials.flow import RETRACTED, WITHHELD, flow
from abscopal.trials.grade import grade_draft
from abscopal.trials.influence import cumulative, influence, leave_one_out
from abscopal.trials.pooling import pool
from abscopal.trials.regression import permutation_p
from abscopal.trials.subgroups import contrast, ratio_text


@pytest.fixture(scope="module")
def os_rows():
    return select(endpoint="OS")


def test_bayes_agrees_with_brute_force_integration(os_rows):
    y, s = os_rows["log_hr"].to_numpy(), os_rows["se"].to_numpy()
    mu, tau = np.meshgrid(np.linspace(-0.8, 0.8, 801), (np.arange(800) + 0.5) / 800 * 1.5, indexing="ij")
    total = s**2 + tau[..., None] ** 2
    log_p = -0.5 * (np.log(total) + (y - mu[..., None]) ** 2 / total).sum(-1) - 0.5 * (mu / 0.7) ** 2
    log_p -= 0.5 * (tau / 0.5) ** 2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    found = bayes_pool(y, s)
    marginal = p.sum(1)
    assert np.interp(0.5, np.cumsum(marginal) - marginal / 2, mu[:, 0]) == pytest.approx(np.log(found.hr), abs=2e-3)
    assert marginal[mu[:, 0] < 0].sum() == pytest.approx(found.p_benefit, abs=3e-3)


def test_bayes_grid_is_fine_enough(os_rows):
    coarse, fine = (
        posterior(os_rows["log_hr"], os_rows["se"], points=points)[1].quantile(0.975) for points in (2000, 8000)
    )
    assert coarse == pytest.approx(fine, abs=1e-5)


def test_bayes_prior_rules_a_single_trial_less_when_wide():
    narrow, wide = (bayes_pool([-0.5], [0.4], mean_sd=sd) for sd in (0.2, 5.0))
    assert abs(np.log(narrow.hr)) < abs(np.log(wide.hr)) < 0.5 + 1e-3
    assert wide.prediction_interval[0] < wide.interval[0] < wide.interval[1] < wide.prediction_interval[1]


def test_leaving_one_out_is_the_pool_without_it(os_rows):
    found = leave_one_out(os_rows)
    without = os_rows.drop(os_rows.index[3])
    assert found["hr"].iloc[3] == pytest.approx(pool(without["log_hr"], without["se"]).hr)
    assert len(found) == len(os_rows)


def test_cumulative_ends_at_the_pool(os_rows):
    found = cumulative(os_rows)
    assert found["hr"].iloc[-1] == pytest.approx(pool(os_rows["log_hr"], os_rows["se"]).hr)
    assert found["year"].is_monotonic_increasing


def test_influence_adds_up(os_rows):
    found = influence(os_rows)
    assert found["weight"].sum() == pytest.approx(100)
    assert found["baujat_q"].sum() == pytest.approx(pool(os_rows["log_hr"], os_rows["se"]).q)


def test_one_trial_cannot_be_left_out(os_rows):
    with pytest.raises(InputError, match="two or more"):
        leave_one_out(os_rows.head(1))


def test_dose_per_fraction_is_declared_not_identifiable(os_rows):
    found = contrast(os_rows, "dose_per_fraction")
    assert not found.identifiable
    assert "1 of 19" in ratio_text(found)


@pytest.mark.parametrize(("name", "ratio"), [("timing", 1.31), ("eni", 1.33)])
def test_contrasts_reach_the_stated_ratios(os_rows, name, ratio):
    found = contrast(os_rows, name)
    assert round(found.regression.slopes[name].ratio, 2) == ratio
    assert 0 < found.permutation_p < 0.2
    assert found.q_between >= 0


def test_nodes_with_timing_and_control_reach_the_stated_ratio(os_rows):
    found = contrast(os_rows, "eni", adjust=("timing", "control"))
    assert round(found.regression.slopes["eni"].ratio, 2) == 1.14


def test_permutation_of_a_strong_covariate_lists_every_arrangement():
    y, x = [0, 0.01, 0.02, 1, 1.01, 1.02], [0, 0, 0, 1, 1, 1]
    assert permutation_p(y, [0.1] * 6, x) == pytest.approx(2 / 20)


BCG = [((4, 119), (11, 128)), ((6, 300), (29, 274)), ((3, 228), (11, 209)), ((62, 13536), (248, 12619))]


def test_mantel_haenszel_by_hand_and_risk_difference_beside():
    found = mantel_haenszel(BCG)
    a, b, c, d = np.array([[*one, *two] for one, two in BCG], float).T
    n = a + b + c + d
    assert found.odds_ratio == pytest.approx((a * d / n).sum() / (b * c / n).sum())
    assert found.risk_difference < 0 > found.difference_interval[1]
    assert found.interval == pytest.approx(StratifiedTable([np.array(t) for t in BCG]).oddsratio_pooled_confint())


def test_risk_difference_of_one_trial_is_its_own():
    found = mantel_haenszel([((10, 30), (5, 45))])
    assert found.risk_difference == pytest.approx(10 / 40 - 5 / 50)
    half = 1.959964 * np.sqrt(0.25 * 0.75 / 40 + 0.1 * 0.9 / 50)
    assert found.difference_interval == pytest.approx((0.15 - half, 0.15 + half))


def test_peto_uses_trials_with_an_empty_arm():
    found = peto([((0, 100), (3, 97)), ((1, 99), (2, 98)), ((0, 50), (0, 50))])
    assert found.used == 2
    assert 0 < found.odds_ratio < 1
    assert "tell nothing" in found.notes[0]


@pytest.mark.parametrize("tables", [[], [((1, 2),)], [((0.5, 2), (1, 1))], [((-1, 2), (1, 1))], [((0, 5), (0, 5))]])
def test_counts_that_are_none_are_refused(tables):
    with pytest.raises(InputError, match="counts"):
        mantel_haenszel(tables)


def test_flow_accounts_for_every_row():
    for endpoint, which in (("OS", "ici"), (("PFS", "EFS"), "ici"), ("OS", "rt")):
        found = flow(endpoint, which)
        assert found.identified == len(found.included) + sum(len(step.trials) for step in found.excluded)
    reasons = {step.reason: step.trials for step in flow("OS").excluded}
    assert len(reasons[WITHHELD]) == 7
    assert any("Changhai" in trial for trial in reasons[RETRACTED])
    assert flow("OS").lines()[-1] == "= 19 pooled"


def test_grade_draft_lowers_for_what_is_there(os_rows):
    broad = grade_draft(os_rows, unreported=10)
    assert {d.domain for d in broad.downgrades} >= {"inconsistency", "reporting"}
    assert broad.certainty in {"low", "very low"}
    clean = grade_draft(select(endpoint="OS", timing="after", comparison_type="add_ici"), unreported=0)
    assert clean.certainty in {"high", "moderate"}
    assert broad.open_questions
    with pytest.raises(InputError, match="no trial"):
        grade_draft(os_rows.head(0), unreported=0)


def test_standard_errors_from_p_and_events():
    assert standard_error_from_p(0.73, 0.0104) == pytest.approx(0.1228, abs=2e-4)
    assert np.isnan(standard_error_from_p(1.0, 0.9))
    assert standard_error_from_events(400) == pytest.approx(0.1)


def test_swap_designs_are_flagged():
    table = load_trials()
    flagged = table["flags"].map(lambda found: "swap" in found)
    assert (flagged == (table["comparison_type"] == "swap_ici")).all()
    assert set(table.loc[table["poolable"], "se_basis"]) == {"interval"}


def test_a_table_of_your_own_is_read_and_checked(tmp_path):
    table = load("trials/rt_ici").table("trials")
    path = tmp_path / "mine.csv"
    table.head(5).to_csv(path, index=False)
    assert len(load_trials(path)) == 5
    table.head(2).rename(columns={"disease": "diseases"}).to_csv(path, index=False)
    with pytest.raises(InputError, match="'disease'"):
        load_trials(path)
    table.head(2).drop(columns="note").to_csv(path, index=False)
    with pytest.raises(InputError, match="no column note"):
        load_trials(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        load_trials(path)
    pd.DataFrame().to_csv(path)
    with pytest.raises(InputError):
        load_trials(path)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("hr", "abc", r"'abc' in column 'hr', line 2"),
        ("hr_lo", 0.0, r"column 'hr_lo', line 2"),
        ("hr_lo", 0.9, r"0 < hr_lo < hr < hr_hi"),
        ("n_control", "many", r"column 'n_control'"),
        ("ci_level", 150.0, r"between 50 and 100"),
        ("rate_exp", 101.0, r"between 0 and 100"),
        ("endpoint", "OSS", r"'OSS'"),
        ("trial", None, r"no trial in line 2"),
    ],
)
def test_cells_of_ones_own_table_are_checked(tmp_path, column, value, says):
    table = load("trials/rt_ici").table("trials").astype(object)
    table.loc[0, column] = value
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InputError, match=says):
        load_trials(tmp_path / "mine.csv")


def test_ones_own_table_gives_the_same_pool(tmp_path):
    load("trials/rt_ici").table("trials").to_csv(tmp_path / "mine.csv", index=False)
    mine = load_trials(tmp_path / "mine.csv")
    assert select(endpoint="OS", table=mine)["log_hr"].tolist() == select(endpoint="OS")["log_hr"].tolist()
    assert flow("OS", table=mine) == flow("OS")
    with pytest.raises(InputError, match="no such file"):
        load_trials(tmp_path / "other.csv")
