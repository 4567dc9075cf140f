import json
from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.trials.calibrate import LINKS, _calibration, calibration_from
from abscopal.trials.calibration_file import load_calibration, save_calibration
from abscopal.trials.design import parse_design
from abscopal.trials.event_share import assumed_share, event_share, implied_shares
from abscopal.trials.evidence import load_trials
from abscopal.trials.explain import PUZZLES, explain, variants
from abscopal.trials.known_designs import design_of, known_trials
from abscopal.trials.layer_file import layer_sets
from abscopal.trials.predictions import (
    kind_of,
    predict_design,
    predict_withheld,
    timing_of,
    verify,
    withheld_named,
    withheld_trials,
    write_predictions,
)

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


def test_a_frozen_set_is_not_replaced_without_a_reason():
    with pytest.raises(InputError, match="a reason to replace it"):
        write_predictions(FROZEN, {})


def test_withheld_trials_are_found_by_number_and_near_names_are_offered():
    assert withheld_named("nct03706690") == "PACIFIC-5"
    with pytest.raises(InputError, match="leaves it out"):
        withheld_named("NCT02125461")
    with pytest.raises(InputError, match="'CHEERS'"):
        withheld_named("CHEER")


@pytest.fixture
def layer():
    """A small calibration made by hand: the mechanism does nothing, three reported trials."""
    expected = np.zeros((3, 3, 40, LINKS.size))
    names = ("PACIFIC", "PACIFIC-2", "GEMSTONE-301")
    parts = np.log([0.55, 0.85, 0.64]), np.array([0.105, 0.139, 0.146]), np.ones(3, bool)
    return calibration_from("PFS", names, *parts, expected)


def test_a_calibration_is_read_as_it_was_written(layer, tmp_path):
    save_calibration(tmp_path, layer)
    again = load_calibration(tmp_path, "PFS")
    assert again.trials == layer.trials
    assert (again.log_weight == layer.log_weight).all()
    with pytest.raises(InputError, match="no readable file"):
        load_calibration(tmp_path, "OS")
    (tmp_path / "calibration-OS.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="no readable file"):
        load_calibration(tmp_path, "OS")


def test_a_design_of_ones_own_is_predicted_beside_both_baselines(layer, monkeypatch):
    monkeypatch.setattr("abscopal.trials.predictions.expected_grid", lambda *_: np.zeros((3, 40, LINKS.size)))
    found = predict_design(design_of("PACIFIC"), layer)
    one = found["arms"]["experimental"]
    assert (one["timing"], one["comparison_type"]) == ("after", "add_ici")
    assert set(one) >= {"mechanism and constant", "mechanism alone", "meta-regression", "pooled mean"}
    assert one["events_per_patient"]["assumed"] == 0.6
    assert 0.4 < one["mechanism and constant"]["hr_median"] < 1
    with pytest.raises(InputError, match="PFS, EFS or OS"):
        predict_design(design_of("UNION", "pCR"), layer)


def test_timing_and_kind_of_a_design_are_those_of_the_table():
    table = load_trials().set_index("trial")
    for trial in known_trials():
        row = table.loc[[trial]].iloc[0]
        design = design_of(trial)
        if row["comparison_type"] in {"add_ici", "swap_ici"} and row["pool"] == "ici":
            assert kind_of(design) in {"add_ici", "swap_ici"}
    assert kind_of(design_of("CheckMate 498")) == "swap_ici"
    assert kind_of(design_of("PEMBRO-RT")) == "add_rt"
    assert kind_of(design_of("ECOG-ACRIN EA5181")) == "timing"
    assert [timing_of(design_of(t)) for t in ("PACIFIC", "PACIFIC-2", "KEYNOTE-689")] == ["after", "during", "during"]
    text = design_of("PACIFIC-2").model_dump(mode="json")
    text["arms"][1]["ici"][0] |= {"offset_days": -60, "doses": 2}
    assert timing_of(parse_design(text)) == "before"


def test_events_per_patient_come_back_from_a_standard_error():
    table = implied_shares()
    assert "PACIFIC-5" not in set(table["trial"])
    pacific = table.loc[(table["trial"] == "PACIFIC") & (table["endpoint"] == "OS"), "share"].iloc[0]
    error = np.log(0.89 / 0.59) / (2 * 1.959964)
    assert pacific == pytest.approx(1 / (error**2 * (476 / 713) * (237 / 713)) / 713, rel=1e-6)
    assert event_share("NSCLC", "OS").trials >= 3
    elsewhere = event_share("rectal cancer", "PFS")
    assert elsewhere.of.startswith("all diseases")
    assert elsewhere.value < assumed_share()


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
