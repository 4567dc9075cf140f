"""The predictors that come with the package, and their card."""

from importlib.resources import files
from pathlib import Path

import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.knowledge.load import load
from abscopal.planning.prediction import predictors
from abscopal.planning.prediction.boosted import fit_boosted, pack_trees, unpack_trees, voxel_table
from abscopal.planning.prediction.by_shadow import fit_by_shadow
from abscopal.planning.prediction.extra import has_deep
from abscopal.planning.prediction.scores import dvh_metrics
from tests.planning.prediction.made_up import made_up_anatomy, made_up_example


def test_the_card_says_what_it_must() -> None:
    card = predictors.card()
    assert len(card.trained_on) == card.envelope.patients == 14
    assert all(name.startswith("train_") for name in card.trained_on)
    assert card.doi == "10.1002/mp.14845"
    assert any("no plan" in line for line in card.limits)
    scores = {one.name: one.validation_dose_score for one in card.standings}
    assert list(card.ranking) == sorted(card.ranking, key=scores.__getitem__)
    assert "Not a medical device" in card.research_use


def test_what_travels_is_small() -> None:
    folder = files("abscopal.planning.prediction").joinpath("weights")
    sizes = {one.name: len(one.read_bytes()) for one in folder.iterdir()}
    assert set(sizes) == {predictors.NETWORK, predictors.TREES, predictors.TABLES, predictors.CARD}
    assert max(sizes.values()) <= 2_000_000


@pytest.mark.parametrize("kind", ["distance", "shadow", "trees"])
def test_each_predictor_of_the_core_covers_the_targets(kind: str) -> None:
    try:
        found = predictors.predict_dose(made_up_anatomy(), kind)
    except UnsupportedError as refusal:  # another scikit-learn than the one the trees were grown with
        pytest.skip(str(refusal))
    assert found.by == kind
    metrics = dvh_metrics(found.dose, made_up_anatomy())
    assert 60 < metrics["PTV70", "D95"] < 75
    assert 45 < metrics["PTV56", "D95"] < metrics["PTV70", "D95"]
    assert found.flags  # a made-up patient is unlike the fourteen


def test_the_best_is_the_first_that_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = predictors.card().ranking
    monkeypatch.setattr(predictors, "has_deep", lambda: True)
    assert predictors.best_kind() == ranking[0]
    monkeypatch.setattr(predictors, "has_deep", lambda: False)
    assert predictors.best_kind() == next(kind for kind in ranking if kind != "network")


def test_names_and_weights_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="oracle"):
        predictors.load_predictor("oracle")
    with pytest.raises(InputError, match="--with network"):
        predictors.load_predictor("shadow", Path("weights.safetensors"))
    if not has_deep():
        with pytest.raises(UnsupportedError, match=r"abscopal\[deep\]"):
            predictors.load_predictor("network")


def test_trees_are_checked_by_their_answers() -> None:
    examples = [made_up_example(f"p{k}", 4.0 * k) for k in range(2)]
    baseline = fit_by_shadow(examples)
    model = fit_boosted(examples, baseline, voxels=500, trees=5)
    rows = voxel_table(examples[0].anatomy, baseline)[:20]
    answers = model.trees.predict(rows)
    again = unpack_trees(pack_trees(model), baseline, rows, answers)
    assert (again.predict(examples[0].anatomy) == model.predict(examples[0].anatomy)).all()
    with pytest.raises(UnsupportedError, match="scikit-learn"):
        unpack_trees(pack_trees(model), baseline, rows, answers + 0.1)


def test_the_leaderboard_is_read_and_not_for_comparison() -> None:
    table = load("planning/dose_prediction").table("leaderboard")
    assert table["dose_score_gy"].is_monotonic_increasing
    assert table.loc[table["rank"] == 1, "dvh_score_gy"].item() == 1.4776
