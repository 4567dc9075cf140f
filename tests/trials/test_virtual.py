import numpy as np
import pandas as pd
import pytest

from abscopal.domain.errors import InputError
from abscopal.immune.diseases import settings
from abscopal.knowledge.load import load
from abscopal.simulation.chunk_store import ChunkStore
from abscopal.trials.calibrate import LINKS, _calibration, usable_rows
from abscopal.trials.design import parse_design
from abscopal.trials.known_designs import design_of
from abscopal.trials.lesions import best_response, diameters, progression_month
from abscopal.trials.operating import sweep
from abscopal.trials.population_layer import (
    HORIZON,
    baseline,
    chemo_ratio,
    expected_log_hr,
    hazards,
    ici_with_chemoradiation,
)
from abscopal.trials.response import respond
from abscopal.trials.score import Forecast, crps
from abscopal.trials.virtual import run_trial

SMALL = {"draws": 3, "patients": 12}


@pytest.fixture(scope="module")
def pacific():
    design = design_of("PACIFIC")
    return design.model_copy(update={"population": design.population.model_copy(update={"n": 120})})


@pytest.fixture(scope="module")
def library(pacific):
    return respond(pacific, **SMALL)


def test_both_arms_are_the_same_until_they_differ(pacific, library):
    early = library.months < 1.9  # the first dose of the consolidation falls on day 60
    for name in ("burden", "lymphocytes"):
        one, two = (getattr(library, name)[arm.name][..., early] for arm in pacific.arms)
        assert one == pytest.approx(two, abs=1e-3)


def test_radiation_lowers_lymphocytes_and_elective_nodes_more(pacific, library):
    text = pacific.model_dump(mode="json")
    for arm in text["arms"]:
        arm["radiation"]["target"] = "elective"
    wide = respond(parse_design(text), **SMALL)
    involved, elective = (one.lymphocytes["control"][..., 1].mean() for one in (library, wide))
    assert elective < involved < 1


def test_baseline_meets_its_median():
    assert set(load("trials/virtual").table("presets")["preset"]) == set(settings())
    for preset in settings():
        for endpoint, name in (("OS", "os"), ("PFS", "pfs")):
            row = load("trials/virtual").table("presets").set_index("preset").loc[preset]
            if row[f"{name}_median"] <= HORIZON:
                found = np.interp(row[f"{name}_median"], np.arange(HORIZON + 1), np.exp(-baseline(preset, endpoint)))
                assert found == pytest.approx(0.5, abs=0.02)


def test_a_constant_effect_comes_back_as_the_hazard_ratio():
    design = design_of("NIVOPOSTOP (GORTEC 2018-01)")
    same = np.zeros((2, 3, 5, HORIZON))
    found = hazards(design, same, "PFS", 1.0, trial_effect=[-0.4, 0.0, 0.3], toxicity=False)
    assert expected_log_hr(found, None, (24, 36)) == pytest.approx([-0.4, 0.0, 0.3], abs=0.01)


def test_frailty_pulls_the_marginal_hazard_ratio_towards_one():
    design = design_of("NIVOPOSTOP (GORTEC 2018-01)")
    spread = np.random.default_rng(0).normal(0, 2, (1, 1, 400, 1)) * np.ones((2, 1, 1, HORIZON))
    found = hazards(design, spread, "PFS", 1.0, trial_effect=-0.5, toxicity=False)
    assert -0.45 < expected_log_hr(found, None, (24, 36))[0] < 0


def test_selection_at_the_landmark_leaves_fewer_frail_patients():
    design = design_of("IMvoke010")
    spread = np.random.default_rng(0).normal(0, 2, (1, 1, 400, 1)) * np.ones((2, 1, 1, HORIZON))
    found = hazards(design, spread, "PFS", 1.0, trial_effect=-0.5, toxicity=False)
    assert expected_log_hr(found, found, (24, 36))[0] < expected_log_hr(found, None, (24, 36))[0] < 0


def test_chemotherapy_and_toxicity_act_where_they_are_given():
    assert chemo_ratio(design_of("CheckMate 498", "OS"), "OS") == pytest.approx(1 / 0.69)
    assert chemo_ratio(design_of("PACIFIC"), "PFS") == 1
    assert ici_with_chemoradiation(design_of("PACIFIC-2").arms[1])
    assert not ici_with_chemoradiation(design_of("PACIFIC").arms[1])
    assert not ici_with_chemoradiation(design_of("I-SABR").arms[1])


def test_recist_on_known_diameters(pacific, library):
    size = diameters(library, pacific)
    seen = progression_month(library, pacific)
    for arm, draw, patient in np.argwhere(np.isfinite(seen))[:5]:
        course = size[arm, draw, patient]
        visit = round(seen[arm, draw, patient] / pacific.assessment.interval_months)
        assert course[visit] >= 1.2 * course[:visit].min()
    responders = best_response(library, design_of("PACIFIC", "ORR"))
    assert set(np.unique(responders)) <= {0.0, 1.0}


def test_a_trial_is_the_same_for_the_same_seed_and_summarised(pacific):
    one, two = (run_trial(pacific, 12, seed=3, **SMALL) for _ in range(2))
    pd.testing.assert_frame_equal(one.replicates, two.replicates)
    assert len(one.replicates) == 12
    (comparison,) = one.summary["comparisons"]
    low, high = comparison["hazard_ratio_interval_90"]
    assert low < comparison["hazard_ratio"] < high
    assert one.curves["survival"].between(0, 1).all()
    assert (one.curves.groupby("arm")["at_risk"].first() > 0).all()
    assert set(one.benefit["covariate"]) == {"all", "pd_l1", "tumour_volume", "lymphocytes", "growth"}


def test_a_stopped_run_goes_on_and_another_trial_is_refused(pacific, tmp_path):
    pytest.importorskip("zarr")
    whole = run_trial(pacific, 120, **SMALL, out=tmp_path, chunk=50)
    store = ChunkStore(tmp_path / "replicates-120.zarr")
    assert store.tries().tolist() == [1, 1, 1]
    store._group["chunk_sha256"][1] = 0  # as if killed before the second chunk was done
    again = run_trial(pacific, 120, **SMALL, out=tmp_path)
    assert ChunkStore(tmp_path / "replicates-120.zarr").tries().tolist() == [1, 2, 1]
    pd.testing.assert_frame_equal(whole.replicates, again.replicates)
    longer = pacific.model_copy(update={"analysis": pacific.analysis.model_copy(update={"follow_up_months": 48.0})})
    with pytest.raises(InputError, match="differs in design"):
        run_trial(longer, 120, **SMALL, out=tmp_path)
    with pytest.raises(InputError, match="chunks of 70"):
        run_trial(pacific, 120, **SMALL, chunk=70)
    with pytest.raises(InputError, match="differs in"):
        run_trial(pacific, 120, **SMALL, seed=1, out=tmp_path)


def test_no_choice_of_chunks_or_number_changes_a_replicate(pacific, tmp_path):
    pytest.importorskip("zarr")
    plain = run_trial(pacific, 130, **SMALL).replicates
    pd.testing.assert_frame_equal(plain, run_trial(pacific, 130, **SMALL, out=tmp_path / "a", chunk=50).replicates)
    pd.testing.assert_frame_equal(plain, run_trial(pacific, 130, **SMALL, out=tmp_path / "b", chunk=200).replicates)
    pd.testing.assert_frame_equal(plain.head(70), run_trial(pacific, 70, **SMALL).replicates)


@pytest.mark.slow
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_local_workers_give_the_same_bits(pacific):
    pytest.importorskip("distributed")
    plain = run_trial(pacific, 130, **SMALL).replicates
    pd.testing.assert_frame_equal(plain, run_trial(pacific, 130, **SMALL, workers=2, chunk=50).replicates)


def test_no_effect_is_found_as_often_as_alpha_says(pacific):
    found = run_trial(pacific, 400, null=True, **SMALL)
    share = (found.replicates["p"] < 0.05).mean()
    assert abs(share - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)
    assert abs(found.replicates["log_hr"].mean()) < 4 * found.replicates["log_hr"].std() / 20


def test_rates_are_analysed_as_odds_and_say_that_they_are_not_calibrated():
    found = run_trial(design_of("PACIFIC-2", "ORR"), 20, **SMALL)
    assert found.replicates["rate_exp"].between(0, 1).all()
    assert "odds_ratio" in found.summary["comparisons"][0]
    assert found.summary["calibration"] == "not calibrated"
    assert "NOT CALIBRATED" in found.summary["calibration_note"]


def test_more_patients_more_power(pacific):
    easy = pacific.model_copy(update={"analysis": pacific.analysis.model_copy(update={"alpha": 0.2})})
    found = sweep(easy, {"patients": [40, 800]}, 60, **SMALL).table
    assert found["probability_of_success"].iloc[1] >= found["probability_of_success"].iloc[0]
    with pytest.raises(InputError, match="'target'"):
        sweep(easy, {"targets": ["involved"]}, 2)
    for name, value in (("patients", float("nan")), ("dose_per_fraction", 0.0), ("ici_start", float("inf"))):
        with pytest.raises(InputError, match="finite number"):
            sweep(easy, {name: [value]}, 2)
    with pytest.raises(InputError, match="nothing to vary"):
        sweep(easy, {}, 2)


def test_no_withheld_row_is_calibrated_on():
    for endpoint in ("OS", "PFS"):
        rows = usable_rows(endpoint)
        assert (rows["pool"] != "holdout").all()
        assert rows["log_hr"].notna().all()
        assert rows["trial"].is_unique
    with pytest.raises(InputError, match="OS or PFS"):
        usable_rows("ORR")


def calibration(y, s, expected, *, constant):
    names = tuple(f"t{k}" for k in range(len(y)))
    return _calibration("PFS", names, np.array(y), np.array(s), np.ones(len(y), bool), expected, constant=constant)


def test_calibration_finds_the_link_that_made_the_data():
    x = np.linspace(-1, 1, 9)
    expected = (x[:, None] * 0.2 * LINKS)[:, None, None, :]
    found = calibration(x * 0.2 * 2.0, np.full(9, 0.02), expected, constant=False)
    assert found.marginal("link") @ LINKS == pytest.approx(2.0, abs=0.1)


def test_calibration_without_a_mechanism_is_the_bayesian_pool():
    from abscopal.trials.bayes import bayes_pool

    rng = np.random.default_rng(0)
    y, s = rng.normal(-0.2, 0.3, 12), np.full(12, 0.15)
    found = calibration(y, s, np.zeros((12, 1, 1, LINKS.size)), constant=True)
    effect = found.sample(20_000)["effect"]
    assert effect.median() == pytest.approx(np.log(bayes_pool(y, s).hr), abs=0.01)
    assert np.exp(effect.quantile(0.975)) == pytest.approx(bayes_pool(y, s).interval[1], rel=0.02)


def test_a_trial_left_out_does_not_inform():
    expected = np.zeros((3, 1, 1, LINKS.size))
    found = calibration([0.0, 0.0, -3.0], [0.1] * 3, expected, constant=True)
    assert abs(found.without("t2").sample(500)["effect"].mean()) < 0.2
    assert found.sample(500)["effect"].mean() < -0.3


def test_crps_of_a_normal_against_its_closed_form():
    draws = np.random.default_rng(0).standard_normal(40_000)
    assert crps(draws, 0.0) == pytest.approx(0.23379, abs=0.004)
    assert Forecast("x", np.zeros(5000)).observed(0.2).std() == pytest.approx(0.2, rel=0.05)
