"""Complication models against printed figures, our own arithmetic on the rows, and an open cohort.

`formula_check_*` columns of the model table are arithmetic on each row's own parameters, made
independently of this code. Printed figures carry their locator. The open thyroid cohort is Tsai et
al., Radiother Oncol 2023;189:109911, doi 10.1016/j.radonc.2023.109911 (data under MIT licence).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.exposure import mean_difference
from abscopal.toxicity.forms import independent_causes, relative_rate, shift_odds
from abscopal.toxicity.immune_events import immune_rate
from abscopal.toxicity.models import probabilities, probability
from abscopal.toxicity.table import find_model, load_models

RIHT = Path(__file__).parents[3] / "shared" / "data" / "predict-riht"
needs_riht = pytest.mark.skipif(not RIHT.is_dir(), reason="the open thyroid cohort is not on this machine")

# data row NCKUH_003, as quoted in the notes of the thyroid rows
NCKUH_003 = {
    "Dmean": 49.724, "volume_cc": 18.6, "female": 0.0, "V30_pct": 96.6786, "V30_cc": 18.6 * 0.966786,
    "V50_pct": 60.8697, "pituitary_max": 71.63, "chemo": 1.0,
}  # fmt: skip
WRITTEN = {
    "MLD_Gy": "MLD", "gEUD_Gy": "gEUD", "MED_Gy": "MED", "OTT_d": "OTT_days", "parotid_ipsi": "parotid_one",
    "parotid_contra": "parotid_other", "inf": "pcm_inferior", "med": "pcm_medius", "sup": "pcm_superior",
    "oral": "oral_cavity", "site": "tumour_site", "D": "Dmean_contra", "pcm_sup": "pcm_superior",
    "supraglottic": "supraglottic_larynx", "D40": "gEUD", "uniform_dose": "dvh", "GTV": "GTV_cc", "V70": "V70_pct",
    "anticoag": "anticoagulant",
}  # fmt: skip
OWN = {"rp_quantec_mld": {"MLD_Gy": "b1"}, "xer_beetz_2012": {"baseline": "baseline_score"}}

CHECKS = load("ntcp/models").table("models").dropna(subset=["formula_check_output"])
MODEL_CHECKS = [row for row in CHECKS.to_dict("records") if find_model(row["id"]).role == "model"]


def inputs_of(row):
    given = json.loads(row["formula_check_input"])
    if "row" in given:
        return {p.name: NCKUH_003[p.name] for p in find_model(row["id"]).predictors}
    names = WRITTEN | OWN.get(row["id"], {})
    values = {names.get(name, name): value for name, value in given.items() if name != "risk_factors"}
    return {name: "grade_0_1" if value == "0-1" else value for name, value in values.items()}


@pytest.mark.parametrize("row", MODEL_CHECKS, ids=lambda row: row["id"])
def test_formula_check(row):
    found = probability(row["id"], inputs_of(row))
    assert found == pytest.approx(row["formula_check_output"], abs=5.1e-7)


def test_every_evaluable_model_is_checked():
    assert {row["id"] for row in MODEL_CHECKS} == {m.id for m in load_models().values() if m.role == "model"}
    assert len(CHECKS) == 56


@pytest.mark.parametrize(
    ("name", "base", "shifted"), [("rp_ici_offset_pacific", 0.25, 0.34), ("rp_ici_offset_fda_rt90", 0.038, 0.068)]
)
def test_offset_formula_checks(name, base, shifted):
    """The odds ratio is rounded to three decimals, which moves the shifted rate by up to 7e-5."""
    assert shift_odds(base, find_model(name).parameters["OR"]) == pytest.approx(shifted, abs=7e-5)


def test_darby_formula_check_is_a_ratio():
    assert relative_rate(5.0, find_model("heart_mce_darby").parameters["err_per_gy"]) == pytest.approx(1.37)


@pytest.mark.parametrize(
    ("dose", "formula", "table"),
    [(7, 0.0480, 0.05), (13, 0.0969, 0.10), (20, 0.2059, 0.20), (24, 0.3003, 0.30), (27, 0.3851, 0.40)],
)
def test_quantec_lung_five_points(dose, formula, table):
    """Recalled table and recalled coefficients: consistent within 1.5 points; informs, proves nothing."""
    found = probability("rp_quantec_mld", {"b1": float(dose)})
    assert found == pytest.approx(formula, abs=5e-5)
    assert found == pytest.approx(table, abs=0.015)


@pytest.mark.parametrize(("dose", "formula", "printed"), [(25, 0.175, 0.17), (30, 0.268, 0.26)])
def test_parotid_printed_range(dose, formula, printed):
    """Michigan-Utrecht abstract: 25 to 30 Gy gives 17 to 26 %, tolerance 1 point.

    The dossier's four-digit 0.2676 at 30 Gy is Phi(-0.62); the unrounded argument is -0.62030 and
    gives 0.26753 (docs/validation/toxicity.md), so its three-digit figures are the target.
    """
    found = probability("xer_parotid_mich_utrecht", {"gEUD": float(dose)})
    assert found == pytest.approx(formula, abs=5e-4)
    assert found == pytest.approx(printed, abs=0.01)


ALL_ADVERSE = dict.fromkeys(
    ("older_age_gt63", "mid_or_lower_location", "pulmonary_comorbidity", "sequential_chemo"), 1.0
)


@pytest.mark.parametrize(
    ("factors", "dose"),
    [
        ({}, 24.38),
        ({"current_smoker": 1.0}, 28.07),
        (ALL_ADVERSE, 6.49),
    ],
)  # fmt: skip
def test_appelt_dose_for_one_in_five(factors, dose):
    """Mean lung dose giving 20 %: reference, current smoker, all adverse factors (computed)."""
    found = brentq(lambda x: probability("rp_appelt_clinical", {"MLD": x, **factors}) - 0.2, 0, 60)
    assert found == pytest.approx(dose, abs=0.005)


@pytest.mark.parametrize(("name", "expected"), [("rild_dawson_primary", 0.033), ("rild_dawson_mets", 0.0035)])
def test_no_liver_disease_below_31_gray(name, expected):
    assert probability(name, {"gEUD": 31.0}) == pytest.approx(expected, abs=5e-4)


def test_printed_cardiac_constraint_doses_are_risks_near_their_cohort():
    """Conference abstract: constraints of 31 Gy (heart) and 21 Gy (left ventricle); no risk is printed with them."""
    assert 0.3 < probability("heart_rs_aapm26", {"dvh": 31.0}) < 0.5
    assert 0.2 < probability("lv_rs_aapm26", {"dvh": 21.0}) < 0.35


# the open thyroid cohort ------------------------------------------------------------------------

# model: C and Brier at 2 years, development; the same, external (recomputed at its origin)
BASELINES = {
    "hypo_boomsma": (0.6719, 0.2061, 0.5276, 0.3491),
    "hypo_ronjom_logistic": (0.6744, 0.1726, 0.5339, 0.2672),
    "hypo_ronjom_mixture": (0.6741, 0.1976, 0.5339, 0.3521),
    "hypo_bakhshandeh": (0.6372, 0.2107, 0.5590, 0.3247),
    "hypo_cella_v30pct": (0.5658, 0.3104, 0.3819, 0.5471),
    "hypo_cella_v30cc": (0.5918, 0.2926, 0.3668, 0.5326),
    "hypo_luo": (0.5539, 0.3526, 0.6583, 0.3925),
}


class Cohort:
    def __init__(self, file):
        self.rows = pd.read_csv(RIHT / file)
        self.time = self.rows["g1_time"].to_numpy(float)
        self.event = self.rows["g1_event"].to_numpy() > 0
        rows = self.rows
        self.predictors = pd.DataFrame(
            {
                "Dmean": rows["Thyroid_mean"] / 100, "gEUD": rows["Thyroid_mean"] / 100,
                "volume_cc": rows["Thyroid_volume"], "female": (rows["Sex"] == 2).astype(float),
                "V30_pct": rows["Thyroid_V30"], "V30_cc": rows["Thyroid_V30"] / 100 * rows["Thyroid_volume"],
                "V50_pct": rows["Thyroid_V50"], "pituitary_max": rows["Sella_nondeformed_max"] / 100,
                "chemo": (rows[["Induction", "Concurrent", "Adjuvant"]] > 0).any(axis=1).astype(float),
            }
        )  # fmt: skip

    def predict(self, name):
        model = find_model(name)
        return probabilities(model, {p.name: self.predictors[p.name].to_numpy() for p in model.predictors})


@pytest.fixture(scope="module")
def cohorts():
    return Cohort("data_training.csv"), Cohort("data_validation.csv")


def kaplan_meier(time, event, at):
    times = np.unique(time[event])
    steps = np.array([1 - (event & (time == t)).sum() / (time >= t).sum() for t in times])
    return np.r_[1.0, np.cumprod(steps)][np.searchsorted(times, at, side="right")]


def censoring(cohort, at):
    """Kaplan-Meier of being uncensored; at a tie, events leave the risk set before censorings."""
    time, event = cohort.time, cohort.event
    times = np.unique(time[~event])
    steps = [1 - (~event & (time == t)).sum() / ((time >= t).sum() - (event & (time == t)).sum()) for t in times]
    return np.r_[1.0, np.cumprod(steps)][np.searchsorted(times, at, side="right")]


def harrell(cohort, p):
    concordant = comparable = 0.0
    for i in np.flatnonzero(cohort.event):
        later = (cohort.time > cohort.time[i]) | ((cohort.time == cohort.time[i]) & ~cohort.event)
        comparable += later.sum()
        concordant += (p[i] > p[later]).sum() + 0.5 * (p[i] == p[later]).sum()
    return concordant / comparable


def brier(cohort, reference, p, horizon=2.0):
    """IPCW Brier score with the censoring distribution of `reference`."""
    died, alive = (cohort.time <= horizon) & cohort.event, cohort.time > horizon
    weight = np.zeros(p.size)
    weight[died] = 1 / censoring(reference, cohort.time[died])
    weight[alive] = 1 / censoring(reference, horizon)
    return float(np.mean(weight * (died - p) ** 2))


@needs_riht
def test_cohort_incidence(cohorts):
    for cohort, printed in zip(cohorts, (0.5351, 0.6133), strict=True):
        last = kaplan_meier(cohort.time, cohort.event, cohort.time.max())
        assert 1 - last == pytest.approx(printed, abs=5e-5)


@needs_riht
@pytest.mark.parametrize("name", BASELINES)
def test_discrimination_and_brier_on_the_open_cohort(cohorts, name):
    """Every printed digit. The external Brier score uses the development cohort's censoring."""
    development, external = cohorts
    dev, ext = development.predict(name), external.predict(name)
    found = (
        harrell(development, dev), brier(development, development, dev),
        harrell(external, ext), brier(external, development, ext),
    )  # fmt: skip
    assert tuple(round(value, 4) for value in found) == BASELINES[name]


@needs_riht
def test_histograms_of_the_cohort_integrate_to_their_mean(cohorts):
    """377 of 378 within 0.5 Gy; NCKUH_495 is 3.3 Gy off."""
    rows = cohorts[0].rows
    volumes = np.column_stack([np.ones(len(rows)), *(rows[f"Thyroid_V{x}"] / 100 for x in range(1, 81))])
    differences = np.array(
        [
            mean_difference(DVH("Glnd_Thyroid", np.arange(81.0), fraction, 1.0, mean / 100, 0.0, 80.0))
            for fraction, mean in zip(volumes, rows["Thyroid_mean"], strict=True)
        ]
    )
    tolerance = load("ntcp/models")["mean_tolerance"]
    wrong = rows.loc[np.abs(differences) > tolerance, "StudyID"].tolist()
    assert wrong == ["NCKUH_495"]
    assert differences[np.abs(differences) > tolerance][0] == pytest.approx(-3.3, abs=0.05)


@needs_riht
def test_quoted_row_is_in_the_cohort(cohorts):
    development = cohorts[0]
    row = development.predictors.loc[development.rows["StudyID"] == "NCKUH_003"].iloc[0]
    for name in ("Dmean", "volume_cc", "V30_pct", "V50_pct", "female", "chemo"):
        assert row[name] == pytest.approx(NCKUH_003[name], abs=5e-5), name


def test_independent_causes_understate_the_trial_that_added_an_ici():
    """PACIFIC: 25 % any-grade pneumonitis without the ICI, 34 % with it; a miss of 6 to 7 points, told in the docs."""
    alone, together = find_model("rp_ici_offset_pacific").published[::-1]
    rates = [immune_rate("pneumonitis", name, "any").rate for name in ("anti-PD-1", "ICI")]
    found = [float(independent_causes(alone, rate)) for rate in rates]
    assert [round(value, 3) for value in found] == [0.270, 0.278]
    with_rule = [
        float(independent_causes(alone, shift_odds(rate, ratio)))
        for rate in rates
        for ratio in load("ntcp/irae").vector("lung_odds_ratio")
    ]
    assert (min(with_rule), max(with_rule)) == (pytest.approx(0.280, abs=5e-4), pytest.approx(0.302, abs=5e-4))
    assert max(with_rule) < together
