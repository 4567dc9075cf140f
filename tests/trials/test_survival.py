import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time

from abscopal.domain.errors import InputError
from abscopal.trials.reconstruct import reconstruct
from abscopal.trials.survival import (
    compare,
    kaplan_meier,
    landmark_difference,
    number_at_risk,
    restricted_mean,
    rmst_difference,
)


@pytest.fixture(scope="module")
def arms():
    rng = np.random.default_rng(3)
    a = np.repeat([False, True], 150)
    t = rng.exponential(np.where(a, 15, 10))
    c = rng.uniform(2, 30, 300)
    return np.minimum(t, c), t <= c, a


def test_log_rank_against_lifelines(arms):
    t, e, a = arms
    theirs = logrank_test(t[a], t[~a], e[a], e[~a])
    assert compare(t, e, a).z[0] ** 2 == pytest.approx(theirs.test_statistic, rel=1e-9)


def test_hazard_ratio_against_lifelines(arms):
    t, e, a = arms
    frame = pd.DataFrame({"t": t, "e": e.astype(int), "a": a.astype(float)})
    theirs = CoxPHFitter().fit(frame, "t", "e").summary.loc["a"]
    ours = compare(t, e, a)
    assert ours.log_hr[0] == pytest.approx(theirs["coef"], rel=1e-5)
    assert ours.se[0] == pytest.approx(theirs["se(coef)"], rel=1e-4)


def test_hazard_ratio_with_ties_against_efron(arms):
    t, e, a = arms
    coarse = np.ceil(t / 2) * 2
    frame = pd.DataFrame({"t": coarse, "e": e.astype(int), "a": a.astype(float)})
    theirs = CoxPHFitter().fit(frame, "t", "e").summary.loc["a"]
    assert compare(coarse, e, a).log_hr[0] == pytest.approx(theirs["coef"], abs=0.3 * theirs["se(coef)"])


def test_replicates_are_analysed_as_if_alone(arms):
    t, e, a = arms
    order = np.random.default_rng(0).permutation(300)
    both = compare(np.stack([t, t[order]]), np.stack([e, e[order]]), np.stack([a, a[order]]))
    assert both.log_hr[0] == pytest.approx(both.log_hr[1], abs=1e-9)
    keep = np.arange(300) < 200
    assert compare(t, e, a, keep).log_hr[0] == pytest.approx(compare(t[keep], e[keep], a[keep]).log_hr[0], abs=1e-9)


def test_an_arm_without_events_has_no_hazard_ratio():
    found = compare([1.0, 2.0, 3.0, 4.0], [True, True, False, False], [False, False, True, True])
    assert np.isnan(found.log_hr[0])


def test_curve_and_restricted_mean_against_lifelines(arms):
    t, e, a = arms
    theirs = KaplanMeierFitter().fit(t[a], e[a])
    ours = kaplan_meier(t[a], e[a])
    when = np.linspace(0, 25, 40)
    assert ours.at(when) == pytest.approx(theirs.predict(when).to_numpy(), abs=1e-12)
    assert ours.median == theirs.median_survival_time_
    mean, se = restricted_mean(t[a], e[a], 20)
    assert mean == pytest.approx(restricted_mean_survival_time(theirs, t=20), rel=1e-9)
    rng = np.random.default_rng(1)
    own = [rng.choice(np.flatnonzero(a), a.sum()) for _ in range(300)]
    assert se == pytest.approx(np.std([restricted_mean(t[one], e[one], 20)[0] for one in own]), rel=0.15)
    assert number_at_risk([1.0, 2.0, 3.0], [0, 2, 2.5]).tolist() == [3, 2, 1]


def test_differences_favour_the_arm_that_lives_longer(arms):
    t, e, a = arms
    assert rmst_difference(t, e, a, 20).value > 0
    found = landmark_difference(t, e, a, 12)
    assert found.value == pytest.approx(found.experimental - found.control)


def test_restricted_mean_beyond_the_follow_up_is_refused():
    with pytest.raises(InputError, match="longest time followed"):
        restricted_mean([1.0, 2.0], [True, False], 5)


def digitised(t, e, every=0.25):
    curve = kaplan_meier(t, e)
    points = np.arange(0, t.max(), every)
    risk = np.arange(0, t.max(), 3.0)
    return points, np.round(curve.at(points), 3), risk, number_at_risk(t, risk)


@pytest.mark.parametrize("known", [True, False])
def test_reconstruction_meets_its_acceptance_on_known_truth(arms, known):
    t, e, a = arms
    sides = []
    for arm in (False, True):
        part = a == arm
        found = reconstruct(*digitised(t[part], e[part]), total_events=int(e[part].sum()) if known else None)
        assert found.rmse < 0.02
        assert found.worst < 0.05
        assert len(found.time) == part.sum()
        truth = kaplan_meier(t[part], e[part]).median
        assert kaplan_meier(found.time, found.event).median == pytest.approx(truth, rel=0.05)
        sides.append(found)
    time = np.concatenate([side.time for side in sides])
    event = np.concatenate([side.event for side in sides])
    arm = np.repeat([False, True], [len(side.time) for side in sides])
    assert np.exp(compare(time, event, arm).log_hr[0]) == pytest.approx(np.exp(compare(t, e, a).log_hr[0]), abs=0.03)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"survival": [100, 80, 50]}, "percent"),
        ({"times": [0, 2, 1]}, "ascend"),
        ({"at_risk": [50, 60]}, "rise"),
        ({"risk_times": [1, 6]}, "from 0"),
        ({"survival": [1.0, 0.5]}, "unlike length"),
    ],
)
def test_curves_that_cannot_be_are_refused(change, says):
    given = {"times": [0, 1, 2], "survival": [1, 0.9, 0.8], "risk_times": [0, 6], "at_risk": [50, 40]} | change
    with pytest.raises(InputError, match=says):
        reconstruct(**given)
