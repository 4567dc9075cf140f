"""A fit from table to file and back, its card, its validation, and files that mean harm."""

import io
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from abscopal.domain.errors import InputError
from abscopal.learning.card import checklist
from abscopal.learning.estimators.imputed import MultiplyImputed
from abscopal.learning.estimators.stored_trees import trees_are_sound
from abscopal.learning.estimators.tabular import TableModel
from abscopal.learning.fit import Request, fit_model
from abscopal.learning.outcome import Outcome
from abscopal.learning.storage import CARD, ESTIMATOR, load_model, save_model
from abscopal.learning.validate import validate_column, validate_model
from tests.learning.simulated import binary_table, survival_table

TOXIC = Outcome("binary", "toxic")
OS = Outcome("survival", "os_event", "os_months", "month")
QUICK = Request(terms=["dose", "log:volume", "site"], families=("logistic",), n_folds=3, n_resamples=30)

SMALL = replace(QUICK, terms=["dose", "site"], n_resamples=0, n_folds=2)


@pytest.fixture(scope="module")
def fitted():
    return fit_model(binary_table(), TOXIC, QUICK)


def test_card_tells_what_was_done(fitted):
    card = fitted.card
    assert (card.n, card.n_parameters) == (400, 4)
    assert card.internal[0].estimate < card.apparent[0].estimate + 0.02
    assert card.importances[0].name == "dose"
    assert next(c for c in card.coefficients if c.name == "dose").per_unit == pytest.approx(0.15, abs=0.06)
    assert len(checklist(card)) == 27
    assert any("left to the author" in row.answer for row in checklist(card))


def test_coefficients_reproduce_the_probability(fitted):
    """The card alone is enough to compute the model by hand."""
    table = binary_table(seed=8)
    X = fitted.estimator.encoder_.transform(table)
    eta = fitted.card.intercept + X @ np.array([c.per_unit for c in fitted.card.coefficients])
    np.testing.assert_allclose(1 / (1 + np.exp(-eta)), fitted.probabilities(table)[:, 0], atol=1e-9)


@pytest.mark.parametrize("family", ["logistic", "boosting", "stack"])
def test_round_trip_of_a_binary_model(tmp_path, family):
    table = binary_table(200)
    model = fit_model(
        table, TOXIC, replace(QUICK, terms=["dose", "site"], families=(family,), n_resamples=0, n_folds=2)
    )
    again = load_model(save_model(model, tmp_path / "m.abscopal"))
    np.testing.assert_array_equal(again.probabilities(table), model.probabilities(table))
    assert again.card == model.card


@pytest.mark.parametrize("family", ["cox", "weibull", "boosting", "forest"])
def test_round_trip_of_a_survival_model(tmp_path, family):
    table = survival_table(200)
    model = fit_model(table, OS, Request(["a", "b"], families=(family,), n_folds=2, n_resamples=0))
    again = load_model(save_model(model, tmp_path / "m.abscopal"))
    np.testing.assert_array_equal(again.probabilities(table, [2.0, 6.0]), model.probabilities(table, [2.0, 6.0]))


def test_competing_events_end_to_end():
    table = survival_table(240)
    rng = np.random.default_rng(0)
    table["os_event"] = np.where(table["os_event"] == 1, rng.choice([1, 2], len(table)), 0)
    model = fit_model(table, replace(OS, kind="competing"), Request(["a", "b"], n_folds=2, n_resamples=0))
    assert model.card.family in {"fine-gray", "cause-specific"}
    assert model.card.competing_events > 0


def test_bootstrap_optimism_lowers_the_apparent_figure():
    request = replace(SMALL, internal="bootstrap")
    card = fit_model(binary_table(120), TOXIC, request).card
    row = next(o for o in card.optimism if o.name == "auc")
    assert row.optimism > 0
    assert row.corrected == pytest.approx(row.apparent - row.optimism)


def test_noise_alone_is_not_mistaken_for_signal():
    """Selection inside the validation: twelve noise features, and the interval of the AUC holds 0.5."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(300, 12)), columns=[f"x{i}" for i in range(12)])
    table["toxic"] = rng.integers(0, 2, 300)
    request = Request([f"x{i}" for i in range(12)], families=("logistic",), n_folds=3, n_resamples=60)
    card = fit_model(table, TOXIC, request).card
    low, high = card.internal[0].interval
    assert low < 0.5 < high + 0.05
    assert card.apparent[0].estimate > card.internal[0].estimate


def test_a_choice_among_columns_is_made_inside():
    table = binary_table().assign(decoy=lambda t: t["noise"])
    model = fit_model(table, TOXIC, replace(QUICK, terms=["any", "site"], alternatives={"any": ["decoy", "dose"]}))
    assert model.card.terms == ("dose", "site")
    assert model.card.asked_terms == ("any", "site")
    assert model.card.n_parameters == 4


def test_missing_cells_at_fit_and_prediction(tmp_path):
    table = binary_table()
    table.loc[::4, "dose"] = np.nan
    table = table.iloc[:200]
    model = fit_model(table, TOXIC, replace(SMALL, terms=["dose", "volume"], n_imputations=2))
    assert "25 %" in model.card.missing_rule
    p = load_model(save_model(model, tmp_path / "m.abscopal")).probabilities(table)
    assert np.isfinite(p).all()


def test_validation_of_a_model(fitted):
    found = validate_model(fitted, binary_table(300, seed=9), n_resamples=40)
    assert found.transport.verdict == "alike"
    assert {s.name for s in found.subgroups} >= {"sex = f", "sex = m"}
    assert found.figures[0].interval[0] < found.figures[0].estimate < found.figures[0].interval[1]
    assert len(found.decision.threshold) == 60


def test_transport_names_what_changed(fitted):
    other = binary_table(200, seed=10).assign(dose=lambda t: t["dose"] + 30, site="larynx")
    found = fitted.transport(other)
    assert found.verdict == "unlike"
    assert found.unknown_levels == {"site": ("larynx",)}
    assert found.out_share > 0.9
    assert next(f for f in found.features if f.name == "dose").flagged


def test_days_against_months_in_a_validation_are_flagged():
    table = survival_table(200)
    model = fit_model(table, OS, Request(["a", "b"], families=("cox",), n_folds=2, n_resamples=0))
    long = survival_table(200, seed=11).assign(os_months=lambda t: t["os_months"] * 10)
    found = validate_model(model, long, n_resamples=0)
    assert any("UNIT IN DOUBT" in note for note in found.notes)


def test_a_column_of_probabilities():
    table = binary_table().assign(p=0.3)
    found = validate_column(table, "p", TOXIC, n_resamples=0)
    assert found.figures[0].estimate == pytest.approx(0.5)
    with pytest.raises(InputError, match="no probability"):
        validate_column(table.assign(p=30.0), "p", TOXIC, n_resamples=0)


def test_the_table_fitted_on_is_no_validation():
    table = binary_table(200)
    model = fit_model(table, TOXIC, replace(SMALL, input_sha256="ab"))
    assert "NOT A VALIDATION" in validate_model(model, table, n_resamples=0, input_sha256="ab").notes[0]
    assert validate_model(model, table, n_resamples=0, input_sha256="cd").notes == ()


def test_a_small_subgroup_gives_no_figures(fitted):
    few = binary_table(200, seed=12)
    few["sex"] = ["x"] * 4 + ["f"] * 196
    found = validate_model(fitted, few, n_resamples=0)
    assert next(s for s in found.subgroups if s.name == "sex = x").reason


def repack(path, **parts):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {CARD if name == "card" else ESTIMATOR: data for name, data in parts.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


class Harm:
    def __reduce__(self):
        return (print, ("never",))


def test_hostile_model_files_are_refused(tmp_path, fitted):
    path = save_model(fitted, tmp_path / "m.abscopal")
    (tmp_path / "pickle").write_bytes(pickle.dumps(Harm()))
    (tmp_path / "text").write_text("no model")
    with zipfile.ZipFile(tmp_path / "more", "w") as archive:
        archive.writestr("../../escape", "x")
    for name in ("pickle", "text", "more", "absent"):
        with pytest.raises(InputError, match="reading the model"):
            load_model(tmp_path / name)
    repack(path, card=b"{}")
    with pytest.raises(InputError, match="schema"):
        load_model(path)


def test_an_estimator_of_another_type_is_refused(tmp_path, fitted):
    from skops.io import dumps

    path = save_model(fitted, tmp_path / "m.abscopal")
    repack(path, estimator=dumps(io.BytesIO))
    with pytest.raises(InputError, match="reading the model"):
        load_model(path)
    repack(path, estimator=dumps({"a": 1}))
    with pytest.raises(InputError, match="kind"):
        load_model(path)
    repack(path, estimator=pickle.dumps(Harm()))
    with pytest.raises(InputError):
        load_model(path)


def test_a_tree_whose_branches_lead_outside_is_refused():
    boosting = HistGradientBoostingClassifier(max_iter=5)
    table = binary_table(200)
    model = TableModel(["dose", "volume"], MultiplyImputed(boosting)).fit(table, table["toxic"].to_numpy())
    assert trees_are_sound(model)
    nodes = model.estimator_.estimators_[0]._predictors[0][0].nodes
    nodes["left"][0] = 10_000
    assert not trees_are_sound(model)


@pytest.mark.parametrize(("terms", "word"), [(["doze"], "dose"), (["dose", "toxic"], "outcome column")])
def test_wrong_features(terms, word):
    with pytest.raises(InputError, match=word):
        fit_model(binary_table(), TOXIC, replace(QUICK, terms=terms))


def test_unknown_family():
    with pytest.raises(InputError, match="logistic"):
        fit_model(binary_table(), TOXIC, replace(QUICK, families=("logistics",)))


def test_text_among_numbers():
    table = binary_table()
    table["dose"] = table["dose"].astype(object)
    table.loc[0, "dose"] = "high"
    with pytest.raises(InputError, match="dose"):
        fit_model(table, TOXIC, QUICK)


def test_a_model_with_imputation_is_read_wherever_skops_was_imported_first(tmp_path):
    """What skops trusts by itself depends on what was imported before it; what we read must not."""
    table = binary_table().iloc[:200].copy()
    table.loc[::4, "dose"] = np.nan
    model = fit_model(table, TOXIC, replace(SMALL, terms=["dose", "volume"], n_imputations=2))
    path = save_model(model, tmp_path / "m.abscopal")
    code = (
        "import sys, pathlib, skops.io; from abscopal.learning import storage; "
        "storage.load_model(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=120)
