"""LORIS, Chang et al., Nat Cancer 2024;5:1158: examples with the authors' full-precision coefficients (computed)."""

import math

import pytest

from abscopal.knowledge.load import load
from abscopal.stratification.scores.loris import loris, recalibrated, stratum


def values(tmb, psth, albumin, nlr, age, pd_l1=None):
    found = {"TMB": tmb, "PSTH": psth, "albumin": albumin, "NLR": nlr, "age": age, "PD_L1": pd_l1}
    return {name: value for name, value in found.items() if value is not None}


EXAMPLES = [
    ("pan", "NSCLC", (10, 1, 3.8, 5, 65), 0.401768),
    ("pan", "Melanoma", (30, 0, 4.2, 2, 50), 0.810375),
    ("pan", "Pancreatic", (2, 1, 3.0, 12, 70), 0.079472),
    ("pan", "NSCLC", (120, 0, 4.5, 40, 92), 0.855182),
    ("pan", "NSCLC", (50, 0, 4.5, 25, 85), 0.855182),
    ("nsclc", None, (10, 1, 3.8, 5, 65, 50), 0.508446),
    ("nsclc", None, (20, 0, 4.2, 2, 65, 90), 0.794583),
    ("nsclc", None, (3, 1, 3.0, 12, 65, 0), 0.254821),
    ("pan_no_psth", "NSCLC", (10, 1, 3.8, 5, 65, 50), 0.477269),
    ("pan_no_tmb", "NSCLC", (10, 1, 3.8, 5, 65, 50), 0.404440),
    ("pan_no_cancer_type", None, (10, 1, 3.8, 5, 65, 50), 0.407605),
    ("nsclc_no_psth", None, (10, 1, 3.8, 5, 65, 50), 0.558530),
    ("nsclc_tmb_pd_l1", None, (10, 1, 3.8, 5, 65, 50), 0.555416),
]


@pytest.mark.parametrize(("model", "cancer_type", "inputs", "expected"), EXAMPLES)
def test_published_examples(model, cancer_type, inputs, expected):
    """The six-decimal coefficient tables reproduce every check to 1e-5."""
    assert loris(model, values(*inputs), cancer_type).p == pytest.approx(expected, abs=1e-5)


def test_readme_rounding_of_the_pan_cancer_example():
    """The repository's rounded coefficients: 0.0371, -0.8775, 0.5382, -0.033, 0.0049, -2.0886; NSCLC +0.0008."""
    from scipy.special import expit

    total = -2.0886 + 0.0371 * 10 - 0.8775 + 0.5382 * 3.8 - 0.033 * 5 + 0.0049 * 65 + 0.0008
    assert expit(total) == pytest.approx(0.402360, abs=2e-5)
    full = loris("pan", values(10, 1, 3.8, 5, 65), "NSCLC").p
    assert abs(expit(total) - full) < 1e-3


def test_clipping_is_said():
    found = loris("pan", values(120, 0, 4.5, 40, 92), "NSCLC")
    assert found.clipped == (
        "TMB 120 counted as 50, as published",
        "NLR 40 counted as 25, as published",
        "age 92 counted as 85, as published",
    )


@pytest.mark.parametrize(
    ("p", "rate"), [(0.1, 6), (0.3, 6), (0.31, 16), (0.4, 16), (0.45, 20), (0.5, 20), (0.55, 37), (0.6, 37), (0.61, 54)]
)
def test_strata_of_the_test_cohort(p, rate):
    assert stratum(p)[1] == rate


def test_recalibration_is_the_stated_platt_scaling():
    assert recalibrated(0.5) == pytest.approx(1 / (1 + math.exp(0.87242)), abs=1e-12)
    assert recalibrated(0.2) < 0.2
    assert recalibrated(0.8) < 0.8


def test_coefficient_table_is_complete():
    table = load("scores/loris").table("coefficients")
    assert table.groupby("model", sort=False).size().to_dict() == {
        "pan": 22, "pan_no_psth": 21, "pan_no_tmb": 21, "pan_no_cancer_type": 6,
        "nsclc": 7, "nsclc_no_psth": 6, "nsclc_tmb_pd_l1": 3,
    }  # fmt: skip
