"""Published and independently computed figures reproduced by the learning room.

Rossi recidivism data: coefficients as printed by Fox and Weisberg, Cox Proportional-Hazards Regression for Survival
Data, appendix to An R Companion to Applied Regression (recalled; lifelines ships the data). RIHT: see `test_ntcp`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abscopal.learning.estimators.cox import PenalisedCox
from abscopal.learning.metrics.brier import brier, brier_at
from abscopal.learning.metrics.calibration import calibration
from abscopal.learning.metrics.discrimination import auc, harrell_c
from abscopal.learning.product_limit import cumulative_incidence
from abscopal.toxicity.learned import check_histograms

DATA = Path(__file__).parents[3] / "shared" / "data"
RIHT, LORIS = DATA / "predict-riht", DATA / "loris-icb"
needs_riht = pytest.mark.skipif(not RIHT.is_dir(), reason="the open thyroid cohort is not on this machine")
needs_loris = pytest.mark.skipif(not LORIS.is_dir(), reason="the open ICI cohorts are not on this machine")

ROSSI = {
    "fin": -0.37942,
    "age": -0.05744,
    "race": 0.31390,
    "wexp": -0.14980,
    "mar": -0.43370,
    "paro": -0.08487,
    "prio": 0.09150,
}


def test_rossi_coefficients_and_concordance():
    from lifelines.datasets import load_rossi

    rows = load_rossi()
    y = rows[["week", "arrest"]].to_numpy(float)
    model = PenalisedCox(penalizer=0.0).fit(rows[list(ROSSI)].to_numpy(float), y)
    np.testing.assert_allclose(model.coef_, list(ROSSI.values()), atol=6e-6)
    c = harrell_c(y[:, 0], y[:, 1].astype(int), model.predict(rows[list(ROSSI)].to_numpy(float)))
    assert round(c, 2) == 0.64


@needs_riht
@pytest.mark.parametrize(("file", "printed"), [("data_training.csv", 0.5351), ("data_validation.csv", 0.6133)])
def test_cumulative_incidence_of_hypothyroidism(file, printed):
    rows = pd.read_csv(RIHT / file)
    curve = cumulative_incidence(rows["g1_time"].to_numpy(), rows["g1_event"].to_numpy())
    assert round(float(curve.value[-1]), 4) == printed


@needs_riht
def test_cox_of_the_thyroid_cohort():
    """As recomputed with the data: .04007 per Gy, -.0772 per cc, -.01634, -.00427; C .6737 and .5465."""
    rows, other = (pd.read_csv(RIHT / name) for name in ("data_training.csv", "data_validation.csv"))

    def features(table):
        columns = (table["Thyroid_mean"] / 100, table["Thyroid_volume"], table["Sex"], table["Age"])
        return np.column_stack(columns).astype(float)

    y, z = (table[["g1_time", "g1_event"]].to_numpy(float) for table in (rows, other))
    model = PenalisedCox(penalizer=0.0).fit(features(rows), y)
    np.testing.assert_allclose(model.coef_, [0.04007, -0.0772, -0.01634, -0.00427], atol=6e-5)
    assert round(harrell_c(y[:, 0], y[:, 1].astype(int), model.predict(features(rows))), 4) == 0.6737
    assert round(harrell_c(z[:, 0], z[:, 1].astype(int), model.predict(features(other))), 4) == 0.5465


@needs_riht
@pytest.mark.parametrize(
    ("name", "c", "score"), [("hypo_boomsma", 0.6719, 0.2061), ("hypo_ronjom_logistic", 0.6744, 0.1726)]
)
def test_published_thyroid_models(name, c, score):
    """C to four digits; the Brier score within 1e-4: ours takes the censoring curve just before each event."""
    from abscopal.toxicity.models import probabilities
    from abscopal.toxicity.table import find_model

    rows = pd.read_csv(RIHT / "data_training.csv")
    given = {"Dmean": rows["Thyroid_mean"] / 100, "volume_cc": rows["Thyroid_volume"]}
    p = np.asarray(probabilities(find_model(name), {key: given[key].to_numpy() for key in given}))
    time, event = rows["g1_time"].to_numpy(), rows["g1_event"].to_numpy()
    assert round(harrell_c(time, event, p), 4) == c
    assert brier_at(time, event, p[:, None], np.array([2.0]))[0] == pytest.approx(score, abs=1.1e-4)


@needs_riht
def test_the_one_histogram_that_disagrees_with_its_mean():
    notes = check_histograms(pd.read_csv(RIHT / "data_training.csv"), "Thyroid")
    assert any("1 of 378 patients" in note for note in notes)


@needs_loris
def test_class_balanced_score_is_no_probability():
    """LORIS on its training cohort: AUC .741, calibration in the large -.86 (computed with the data)."""
    from abscopal.stratification.scores.loris import loris

    rows = pd.read_csv(LORIS / "chowell_train.csv")
    columns = {
        "tmb_mut_per_mb": "TMB", "prior_systemic_therapy": "PSTH", "albumin_g_dl": "albumin", "nlr": "NLR",
        "age_years": "age",
    }  # fmt: skip
    values = rows[list(columns)].rename(columns=columns).to_dict("records")
    types = rows["cancer_type"].replace("Head & Neck", "Head&Neck")
    p = np.array([loris("pan", one, kind).p for one, kind in zip(values, types, strict=True)])
    response = rows["response"].to_numpy(float)
    assert round(auc(response, p), 3) == 0.741
    assert round(calibration(response, p, "binary").in_the_large, 2) == -0.86
    assert brier(response, p) > 0.19
