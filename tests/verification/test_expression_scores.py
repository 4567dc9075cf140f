"""T-cell-inflamed profile, IMPRES and CYT: the checks that follow from their definitions."""

import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.stratification.scores.expression import cytolytic_activity, score_genes, t_cell_inflamed
from abscopal.stratification.stratify import score_patient

SHEET = load("scores/expression")
GEP = list(SHEET.table("gep")["gene"])
KEEPERS = list(SHEET.table("gep_housekeepers")["gene"])
PAIRS = list(SHEET.table("impres")[["first", "second"]].itertuples(index=False, name=None))


def scored(genes, unit="TPM"):
    patient = Patient.model_validate({"disease": "melanoma", "expression": {"unit": unit, "genes": genes}})
    return {score.name: score for score in score_patient(patient)}


def test_profile_of_equal_expression_is_zero_and_of_ten_times_more_is_the_sum_of_weights():
    equal = dict.fromkeys([*GEP, *KEEPERS], 7.0)
    assert t_cell_inflamed(equal) == pytest.approx(0.0, abs=1e-12)
    assert t_cell_inflamed(equal | dict.fromkeys(GEP, 70.0)) == pytest.approx(1.142788, abs=1e-9)
    assert SHEET.table("gep")["weight"].sum() == pytest.approx(1.142788, abs=1e-9)
    assert (len(GEP), len(KEEPERS), len(PAIRS)) == (18, 11, 15)


def test_profile_has_a_cut_off_on_its_own_platform_only():
    genes = dict.fromkeys([*GEP, *KEEPERS], 7.0)
    assert "trial cut-off" in scored(genes, "NanoString")["gep"].category
    assert "no cut-off for this platform" in scored(genes)["gep"].category
    assert "logarithm" in scored(genes | {"CCL5": 0.0})["gep"].not_computable
    assert "SDHA" in scored({g: v for g, v in genes.items() if g != "SDHA"})["gep"].not_computable


def test_older_gene_names_are_known():
    genes = dict.fromkeys([*GEP, *KEEPERS], 7.0)
    genes["C14orf102"] = genes.pop("NRDE2")
    assert scored(genes)["gep"].value == pytest.approx(0.0, abs=1e-12)
    assert "C10orf54" in score_genes()


def test_impres_counts_pairs():
    names = {gene for pair in PAIRS for gene in pair}
    assert scored(dict.fromkeys(names, 1.0))["impres"].value == 0
    one = dict.fromkeys(names, 1.0) | {"TNFRSF14": 2.0}
    assert scored(one)["impres"].value == 1
    values = {"PDCD1": 5, "TNFSF4": 1, "CD27": 6, "CTLA4": 4, "CD40": 10, "CD28": 9, "CD86": 8, "CD80": 3, "TNFSF9": 2,
              "CD274": 4, "VSIR": 3, "HAVCR2": 7, "CD200": 1, "CD276": 2, "TNFRSF14": 12}  # fmt: skip
    assert scored({g: float(v) for g, v in values.items()})["impres"].value == 15
    assert "counts" in scored(values, "counts")["impres"].not_computable


def test_cytolytic_activity_of_the_worked_example():
    assert cytolytic_activity(8, 18) == pytest.approx(12.0108, abs=5e-5)
    assert scored({"GZMA": 8.0, "PRF1": 18.0})["cyt"].value == pytest.approx(12.0108, abs=5e-5)
    logged = {"GZMA": 3.169925001442312, "PRF1": 4.247927513443585}
    assert scored(logged, "log2(TPM+1)")["cyt"].value == pytest.approx(12.0108, abs=5e-5)
    assert "TPM" in scored({"GZMA": 8.0, "PRF1": 18.0}, "FPKM")["cyt"].not_computable


def test_centred_expression_is_refused():
    with pytest.raises(InputError, match="not centred"):
        Patient.model_validate({"disease": "melanoma", "expression": {"unit": "TPM", "genes": {"CD8A": -0.4}}})
