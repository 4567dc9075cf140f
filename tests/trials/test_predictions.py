import json
from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.trials.calibrate import LINKS, _calibration
from abscopal.trials.explain import PUZZLES, explain, variants
from abscopal.trials.known_designs import design_of
from abscopal.trials.layer_file import layer_sets
from abscopal.trials.predictions import predict_withheld, verify, withheld_trials

FROZEN = Path(__file__).parents[2] / "validation" / "predictions" / "trials"


def test_frozen_predictions_are_as_they_were_and_complete():
    assert verify(FROZEN) == 8
    found = {json.loads(path.read_text())["trial"] for path in FROZEN.glob("*.json")}
    assert found == set(withheld_trials())


def test_each_prediction_says_what_it_was_made_from_and_holds_both_baselines():
    for path in FROZEN.glob("*.json"):
        content = json.loads(path.read_text())
        assert len(content["parameters_sha256"]) == len(content["layer_sha256"]) == 64
        assert set(content["endpoints"]) == set(withheld_trials()[content["trial"]])
        for endpoint, one in content["endpoints"].items():
            if endpoint in {"OS", "PFS", "EFS"}:
                assert 0 <= one["mechanism and constant"]["p_hr_below_1"] <= 1
                assert "pooled mean" in one
                assert content["design"]["arms"][0]["ici"] or "meta-regression" in one


def test_a_changed_prediction_is_found(tmp_path):
    for path in FROZEN.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = next(tmp_path.glob("*.json"))
    victim.write_text(victim.read_text().replace("0.5", "0.4", 1))
    with pytest.raises(InputError, match="missing or changed"):
        verify(tmp_path)


def test_a_trial_with_an_outcome_is_not_predicted_as_withheld():
    with pytest.raises(InputError, match="PACIFIC-5"):
        predict_withheld("PACIFIC", {})


def test_the_shipped_layer_has_sets_for_both_end_points():
    for endpoint in ("OS", "PFS"):
        sets = layer_sets(endpoint)
        assert len(sets) == 200
        assert (sets["link"] >= 0).all()
        assert (sets["deviation"] > 0).all()


def test_every_puzzle_has_variants_of_timing_and_dose():
    for trial in PUZZLES:
        names = " ".join(variants(design_of(trial)))
        assert "timing" in names
        assert "dose per fraction" in names


def test_toxic_deaths_carry_nothing_in_a_consolidation(monkeypatch):
    expected = np.zeros((1, 3, 40, LINKS.size))
    flat = _calibration("PFS", ("x",), np.zeros(1), np.ones(1), np.ones(1, bool), expected, constant=True)
    monkeypatch.setattr("abscopal.trials.calibrate.LINKS", LINKS[:3])
    monkeypatch.setattr(type(flat), "sample", lambda _self, n: _few(n))
    found = explain("PACIFIC", flat, patients=3, sets=20).set_index("feature")
    assert found.loc["toxic deaths", "carried"] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(found["carried"]).all()


def _few(n):
    import pandas as pd

    return pd.DataFrame({"factor": np.zeros(n, int), "draw": np.arange(n) % 3, "link_place": np.ones(n, int)})
