from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from abscopal.trials.design import parse_design
from abscopal.trials.known_designs import design_of
from abscopal.trials.response_calibration import (
    EXPONENTS,
    ResponseCalibration,
    _log_likelihood,
    identified,
    leave_one_out,
    prior_marginal,
    write_response_layer,
)
from abscopal.trials.response_layer import calibration_note, drawn_rates, is_fitted, response_rows, response_sets
from abscopal.trials.virtual import run_trial

SMALL = {"draws": 3, "patients": 12}
SCALES = np.linspace(0, 4, 5)


@cache
def made_up(rates, sizes=(200, 200), trials=2):
    """A calibration on trials whose model gives a known share at each scale, and whose counts are `rates`."""
    control = np.tile(logit(np.linspace(0.02, 0.9, SCALES.size)), (trials, 1))[:, :, None]
    effect = np.full((trials, SCALES.size, 1), 1.0)
    counts = tuple((round(rates[1] * sizes[0]), sizes[0], round(rates[0] * sizes[1]), sizes[1]) for _ in range(trials))
    found = np.stack([_log_likelihood(*one) for one in zip(counts, control, effect, strict=True)])
    return ResponseCalibration(tuple("abcdefgh"[:trials]), counts, SCALES, control, effect, found)


def test_scale_and_exponent_that_made_the_counts_come_back():
    share = np.linspace(0.02, 0.9, SCALES.size)[2]
    tested = 1 / (1 + np.exp(-(logit(share) + 0.8)))
    found = made_up((share, tested))
    assert SCALES[np.argmax(found.marginal("scale"))] == 2.0
    assert found.marginal("exponent") @ EXPONENTS == pytest.approx(0.8, abs=0.15)
    told = identified(found)
    assert told["scale"]["identified"]
    assert told["exponent"]["identified"]


def test_without_information_the_prior_stays():
    found = made_up((0.5, 0.5), sizes=(0, 0))
    assert found.marginal("scale") == pytest.approx(np.full(5, 1 / 5))
    assert found.marginal("exponent") == pytest.approx(prior_marginal("exponent"))
    assert not identified(found)["scale"]["identified"]


def test_a_trial_left_out_does_not_inform_its_own_prediction():
    first, second = made_up((0.2, 0.3)), made_up((0.2, 0.3))
    counts = ((180, 200, 190, 200), *second.counts[1:])
    changed = ResponseCalibration(
        second.trials, counts, SCALES, second.control, second.effect,
        np.concatenate([_log_likelihood(counts[0], second.control[0], second.effect[0])[None],
                        second.log_likelihood[1:]]),
    )  # fmt: skip
    assert (first.predict("a", 500) == changed.predict("a", 500)).all()
    scored = leave_one_out(first)
    assert scored["covered"].all()
    assert set(scored["predictor"]) == {"response layer", "pooled mean"}


def test_rows_are_of_three_trials_and_none_is_withheld():
    rows = response_rows()
    assert list(rows["trial"]) == ["PEMBRO-RT", "MDACC pembrolizumab +/- RT", "MSKCC nivolumab +/- SBRT"]
    assert (rows["pool"] != "holdout").all()
    assert rows[["responders_exp", "responders_ctrl"]].to_numpy().tolist() == [[13, 7], [9, 10], [9, 10]]


def test_only_response_outside_the_field_on_an_ici_is_called_fitted():
    fitted = design_of("PEMBRO-RT", "abscopal ORR")
    assert is_fitted(fitted)
    assert calibration_note(fitted) == ("fitted", "fitted to 3 trials in HNSCC metastatic and NSCLC metastatic")
    assert calibration_note(design_of("NRG-LU002", "abscopal ORR"))[1].endswith("NSCLC oligometastatic by assumption")
    for trial, endpoint in (("PEMBRO-RT", "ORR"), ("PACIFIC", "abscopal ORR"), ("PACIFIC", "pCR")):
        assert calibration_note(design_of(trial, endpoint))[0] == "not calibrated"
    assert calibration_note(design_of("PACIFIC", "OS"))[0] == "fitted"


def test_the_shipped_layer_gives_rates_as_seen_on_an_ici_alone():
    """Not a check of the fit by itself: the pooled control rate of the three trials is 27 of 110."""
    found = run_trial(design_of("PEMBRO-RT", "abscopal ORR"), 150, draws=20, patients=20)
    told = found.summary["comparisons"][0]
    assert 0.12 < told["rate_ctrl"]["median"] < 0.35
    low, high = told["odds_ratio_interval_90"]
    assert low < 1 < high
    null = run_trial(design_of("PEMBRO-RT", "abscopal ORR"), 300, null=True, **SMALL).replicates
    assert abs(null["log_odds_ratio"].mean()) < 4 * null["log_odds_ratio"].std() / np.sqrt(300)


def test_rates_of_several_arms_keep_the_control_first():
    sets = pd.DataFrame({"place": [0], "draw": [0], "exponent": [1.0], "spread": [1e-9]})
    rates = {0: np.array([[0.2], [0.5], [0.8]])}
    found = drawn_rates(rates, sets, 4, np.random.default_rng(0))
    assert found == pytest.approx(np.repeat([[0.2], [0.5], [0.8]], 4, axis=1), abs=1e-6)


def test_a_layer_is_written_as_it_is_read(tmp_path):
    write_response_layer(tmp_path, made_up((0.2, 0.3)), "0" * 64)
    assert list(pd.read_csv(tmp_path / "response_layer.csv").columns) == list(response_sets().columns)
    assert 'status = "fitted"' in (tmp_path / "response_layer.toml").read_text()


def test_an_arm_without_ici_is_not_called_fitted():
    text = design_of("PEMBRO-RT", "abscopal ORR").model_dump(mode="json")
    text["arms"][0] |= {"ici": [], "radiation": text["arms"][1]["radiation"]}
    assert not is_fitted(parse_design(text))
