import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.dose.dvh import dvh_of_samples
from abscopal.toxicity.assess import assess_toxicity
from abscopal.toxicity.cohort import Cohort, Histograms, cohort_risks

RNG = np.random.default_rng(11)
FRACTIONS = np.array([30, 30, 5, 20, 30, 5])
AGES = np.array([50.0, 70.0, 71.0, 40.0, 64.0, 63.0])
LABELS = {"lungs": "Lungs-GTV", "esophagus": "Esophagus", "heart": "Heart", "thyroid": "Glnd_Thyroid"}


def dvh(name, top, volume):
    return dvh_of_samples(name, top * RNG.beta(1, 2, 400), np.full(400, volume / 400))


PATIENTS = [{name: dvh(name, RNG.uniform(20, 60), 50.0) for name in LABELS.values()} for _ in FRACTIONS]


@pytest.fixture(scope="module")
def cohort():
    organs = {label: Histograms.of([p[name] for p in PATIENTS], bin_gy=0.01) for label, name in LABELS.items()}
    return Cohort(organs, FRACTIONS, {"age": AGES})


def test_a_cohort_gives_what_one_patient_at_a_time_gives(cohort):
    """Every model, point and interval, against the single-patient path."""
    found = cohort_risks(cohort, draws=200)
    for i, (patient, n, age) in enumerate(zip(PATIENTS, FRACTIONS.tolist(), AGES.tolist(), strict=True)):
        answer = assess_toxicity(patient, n, {"age": age}, draws=200)
        for risk in answer.risks:
            if risk.model not in found["model"]:
                continue
            here = found.sel(model=risk.model, patient=i)
            expected = pytest.approx((risk.probability, *risk.interval), abs=2e-3)
            assert (float(here["probability"]), float(here["low"]), float(here["high"])) == expected, risk.model
    assert {risk.model for risk in answer.risks} <= set(found["model"].values)


def test_what_a_model_lacks_is_said(cohort):
    lacking = cohort_risks(cohort, draws=10).attrs["not_computable"]
    assert lacking["brain_necrosis_gay"] == "not computable: needs histograms of brain"
    assert "covariate female" in lacking["hypo_cella_v30pct"]
    assert "rp_quantec_mld" not in lacking


def test_figures_of_a_histogram(cohort):
    hist = cohort.organs["thyroid"]
    ours = [patient["Glnd_Thyroid"] for patient in PATIENTS]
    assert hist.figure("mean") == pytest.approx([d.mean for d in ours], abs=0.01)
    assert hist.figure("max") == pytest.approx([d.maximum for d in ours], abs=0.02)
    assert hist.figure("V20_pct") == pytest.approx([100 * d.volume_at_dose(20) for d in ours], abs=1e-6)
    assert hist.figure("V20_cc") == pytest.approx([50 * d.volume_at_dose(20) for d in ours], abs=1e-6)
    assert hist.figure("D40_pct") == pytest.approx([d.dose_at_volume(40) for d in ours], abs=1e-6)
    assert hist.figure("D5_cc") == pytest.approx([d.dose_at_cm3(5) for d in ours], abs=1e-6)
    assert hist.figure("V300_pct") == pytest.approx(np.zeros(6))


def test_lengths_that_differ_are_refused(cohort):
    with pytest.raises(InputError, match="another number of patients in age"):
        Cohort(cohort.organs, FRACTIONS, {"age": AGES[:2]})


def test_threads_and_chunks_change_nothing(cohort):
    one = cohort_risks(cohort, ["oes_late_chen", "heart_rs_aapm26"], draws=50, workers=1)
    two = cohort_risks(cohort, ["oes_late_chen", "heart_rs_aapm26"], draws=50, workers=2)
    assert one.equals(two)
