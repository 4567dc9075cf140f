"""Designs of several arms, and looks before the end."""

import tomllib

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.trials.design import parse_design
from abscopal.trials.enrol import dealt
from abscopal.trials.examples import example_design
from abscopal.trials.interim import conditional_power, efficacy_bounds
from abscopal.trials.population_layer import HORIZON, hazards
from abscopal.trials.replicate_analysis import alpha_of, bounds_of
from abscopal.trials.virtual import run_trial

SMALL = {"draws": 3, "patients": 12}


def content():
    found = tomllib.loads(example_design("consolidation"))
    found["population"]["n"] = 210
    found["analysis"] |= {"events": 120, "interim": []}
    third = found["arms"][1] | {"name": "early", "ici": [found["arms"][1]["ici"][0] | {"offset_days": 3}]}
    return found | {"arms": [*found["arms"], third]}


def with_looks(**analysis):
    found = tomllib.loads(example_design("consolidation"))
    found["population"]["n"] = 210
    found["analysis"] |= {"events": 120} | analysis
    return parse_design(found)


def test_each_arm_is_compared_with_the_named_control():
    text = content()
    text["analysis"]["control"] = "early"
    found = run_trial(parse_design(text), 20, **SMALL)
    assert found.summary["control"] == "early"
    assert [c["arm"] for c in found.summary["comparisons"]] == ["placebo", "anti-PD-L1"]
    assert list(found.replicates["arm"].unique()) == ["placebo", "anti-PD-L1"]
    assert len(found.replicates) == 40
    assert set(found.curves["arm"]) == {"placebo", "anti-PD-L1", "early"}
    single = [c["probability_of_success"] for c in found.summary["comparisons"]]
    assert max(single) <= found.summary["probability_of_success"] <= sum(single) + 1e-12


def test_alpha_is_shared_between_comparisons_unless_told():
    text = content()
    assert alpha_of(parse_design(text)) == 0.025
    text["analysis"]["multiplicity"] = "none"
    assert alpha_of(parse_design(text)) == 0.05


def test_patients_are_dealt_in_the_ratio_of_the_allocations():
    text = content()
    text["randomisation"]["block"] = 5  # 1 : 2 : 2
    arms = dealt(parse_design(text), 210, 7, np.random.default_rng(0))
    assert (np.stack([(arms == k).sum(axis=1) for k in range(3)]).T == [42, 84, 84]).all()
    assert all(sorted(row[:5]) == [0, 1, 1, 2, 2] for row in arms)
    text["randomisation"]["block"] = 4
    arms = dealt(parse_design(text), 210, 7, np.random.default_rng(0))
    assert (np.stack([(arms == k).sum(axis=1) for k in range(3)]).T == [42, 84, 84]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"control": "placebos"}, r"analysis.control.*'placebo'"),
        ({"interim": [{"information": 0.5}]}, r"analysis.interim\[0\]: stops nothing"),
        ({"events": None, "interim": [{"information": 0.5, "efficacy": True}]}, r"analysis.events, which is missing"),
        (
            {"interim": [{"information": 0.5, "efficacy": True}, {"information": 0.5, "efficacy": True}]},
            r"analysis.interim\[1\].information: 0.5 is not after 0.5",
        ),
        ({"endpoint": "pCR", "interim": [{"information": 0.5, "efficacy": True}]}, r"pCR is a rate"),
        ({"spending": "Haybittle"}, r"analysis.spending"),
    ],
)
def test_impossible_analyses_are_refused(change, says):
    text = content()
    text["analysis"] |= change
    with pytest.raises(InputError, match=says):
        parse_design(text)


def test_arms_that_overlap_or_are_empty_are_refused():
    text = content()
    same = text["arms"][1] | {"name": "again"}
    with pytest.raises(InputError, match=r"arms\[3\]: gives exactly what arms\[1\] gives"):
        parse_design(text | {"arms": [*text["arms"], same]})
    with pytest.raises(InputError, match=r"arms\[2\].name: 'placebo' is also the name of arms\[0\]"):
        parse_design(text | {"arms": [*text["arms"][:2], text["arms"][2] | {"name": "placebo"}]})
    with pytest.raises(InputError, match=r"arms\[2\].allocation: 0.0 of 210 patients"):
        parse_design(text | {"arms": [*text["arms"][:2], text["arms"][2] | {"allocation": 1e-4}]})


def test_looks_spend_no_more_than_alpha():
    design = with_looks(
        interim=[{"information": t, "efficacy": True} for t in (0.5, 0.75)], spending="Pocock", alpha=0.2
    )
    found = run_trial(design, 400, null=True, **SMALL).replicates
    beyond = found["won"].mean()  # one of the two sides
    assert beyond < 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)
    assert (found["stopped"] == "efficacy").any()
    ended = found.loc[found["stopped"] == "efficacy"]
    assert (ended["events"] < 120).all()
    assert ended["months"].mean() < found.loc[found["stopped"] == "", "months"].mean()


def test_a_look_without_efficacy_leaves_the_final_test_as_it_is():
    assert bounds_of(with_looks(interim=[{"information": 0.5, "futility_hr": 1.0}])) == ({}, None)
    looks, final = bounds_of(with_looks(interim=[{"information": 0.5, "efficacy": True}]))
    assert looks == pytest.approx({0.5: 2.963}, abs=1e-3)
    assert final == pytest.approx(1.969, abs=1e-3)


def test_futility_stops_trials_without_an_effect_and_few_others():
    rule = [{"information": 0.6, "futility_power": 0.2}]
    idle = run_trial(with_looks(interim=rule), 100, null=True, **SMALL).summary["comparisons"][0]
    assert idle["stopped_for_futility"] > 0.5
    assert idle["stopped_for_efficacy"] == 0


def test_conditional_power_in_closed_form():
    assert conditional_power(1.96, 0.5, 1.96) == pytest.approx(0.8744, abs=1e-3)  # 1 - Phi((1.96 - 2.772)/0.7071)
    assert conditional_power(0.0, 0.5, 1.96) == pytest.approx(0.00278, abs=1e-4)


@pytest.mark.parametrize("information", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.1]])
def test_bounds_refuse_shares_that_do_not_ascend(information):
    with pytest.raises(InputError, match="ascending"):
        efficacy_bounds(information, 0.05, "Pocock")


def test_each_tested_arm_has_an_effect_of_its_own():
    design = parse_design(content() | {"randomisation": {"at": "RTstart"}})
    same = np.zeros((3, 2, 5, HORIZON))
    found = hazards(design, same, "PFS", 1.0, trial_effect=[[-0.4, 0.0], [0.3, 0.1]], toxicity=False)
    ends = found.cumulative[:, :, 0, -1]
    assert np.log(ends[1:] / ends[0]) == pytest.approx(np.array([[-0.4, 0.0], [0.3, 0.1]]))
