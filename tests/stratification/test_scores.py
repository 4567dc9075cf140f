import sys

import numpy as np
import pandas as pd
import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.patient import Patient
from abscopal.stratification.scores.cohort import cohort_scores, tide_scores, top_within, with_tide
from abscopal.stratification.scores.radiomics import RadiomicSignature, extract_features, read_features, read_signature
from abscopal.stratification.stratify import score_patient


def scored(**fields):
    return {score.name: score for score in score_patient(Patient.model_validate({"disease": "NSCLC", **fields}))}


def test_muscle_index_against_two_rules():
    body = {"height": "170 cm", "l3_muscle_area": "130 cm^2", "sex": "male"}
    found = scored(**body, bmi="24 kg/m^2")["smi"]
    assert found.value == pytest.approx(130 / 1.7**2)
    assert found.category == "Prado: low (cut-off 52.4); Martin: not low (cut-off 43)"
    assert "Martin: low (cut-off 53)" in scored(**body, bmi="27 kg/m^2")["smi"].category
    assert "Martin: needs the BMI" in scored(**body)["smi"].category
    assert "sex" in scored(height="170 cm", l3_muscle_area="130 cm^2")["smi"].not_computable


def test_dose_to_immune_cells_of_the_worked_example():
    """MLD 15, MHD 10, 30 fractions, integral dose 150,000: 4.2764 Gy (computed)."""
    course = {"mean_lung_dose": "15 Gy", "mean_heart_dose": "10 Gy", "integral_dose": "150000 Gy*cm^3", "fractions": 30}
    found = scored(radiotherapy=course)["edric"]
    assert found.value == pytest.approx(4.2764, abs=5e-5)
    assert found.category == "below 6.4 Gy"
    assert any("association" in note for note in found.notes)
    assert "radiotherapy.integral_dose" in scored()["edric"].not_computable


@pytest.mark.parametrize(
    ("value", "akkermansia", "category"),
    [
        (0.5, None, "SIG1+"),
        (0.8, None, "SIG2+"),
        (0.6, 0, "SIG1+"),
        (0.6, 2, "SIG2+"),
        (0.6, 5, "SIG1+"),
        (0.6, None, "grey"),
    ],
)
def test_microbiome_classes(value, akkermansia, category):
    stool = {"toposcore": value} | ({} if akkermansia is None else {"akkermansia": f"{akkermansia} percent"})
    found = scored(microbiome=stool)["toposcore"]
    assert found.category.startswith(category)
    assert found.status == "uncertain"


def test_blood_burden_combined_score_and_lymphocyte_grade():
    found = scored(
        biomarkers={"btmb": "16 mutation/megabase", "pd_l1_cps": 20}, labs={"alc": "0.9 1e9/L", "alc_lln": "1 1e9/L"}
    )
    assert found["btmb"].category.startswith("high")
    assert found["pd_l1_cps"].category == "20 or more"
    assert any("head and neck" in note for note in found["pd_l1_cps"].notes)
    assert found["alc_grade"].value == 1


def test_ratio_and_index_as_written_are_taken():
    found = scored(labs={"nlr": 5, "albumin": "4 g/dL"}, bmi="25 kg/m^2")
    assert found["nlr"].value == 5
    assert found["ali"].value == pytest.approx(25 * 4 / 5)
    assert found["bmi"].value == 25


def test_top_share_is_taken_inside_groups_with_ties():
    values, groups = [1, 2, 3, 4, 5, 5, 10, 20, 30, 40], ["a"] * 6 + ["b"] * 4
    np.testing.assert_array_equal(np.flatnonzero(top_within(values, groups, 0.2)), [4, 5, 9])


def test_cohort_scores_need_a_cohort():
    one = Patient.model_validate({"disease": "renal", "biomarkers": {"tmb": "5 mutation/megabase"}})
    top, gep = cohort_scores([one])[0]
    assert "at least 10 patients" in top.not_computable
    assert gep.value is None
    many = [
        one.model_copy(update={"biomarkers": one.biomarkers.model_copy(update={"tmb": float(i)})}) for i in range(20)
    ]
    tops = [row[0].category.startswith("in the top") for row in cohort_scores(many)]
    assert tops == [i >= np.quantile(range(20), 0.8) for i in range(20)]


def matrix(samples=12):
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.gamma(2, 5, (6, samples)), index=list("ABCDEF"), columns=[f"s{i}" for i in range(samples)])


def test_tide_is_left_to_its_own_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tidepy.pred", None)
    with pytest.raises(UnsupportedError, match=r"abscopal\[tide\]"):
        tide_scores(matrix(), cancer="NSCLC", pretreated=False)
    with pytest.raises(InputError, match="Melanoma, NSCLC or Other"):
        tide_scores(matrix(), cancer="lung", pretreated=False)
    with pytest.raises(InputError, match="at least 10 samples"):
        tide_scores(matrix(3), cancer="NSCLC", pretreated=False)


def test_tide_gets_logged_values_less_the_mean_of_each_gene(monkeypatch):
    seen = {}

    class Module:
        @staticmethod
        def TIDE(values, **options):
            seen.update(options, values=values)
            columns = ["TIDE", "Dysfunction", "Exclusion", "MDSC", "CAF", "TAM M2", "MSI Score"]
            found = pd.DataFrame(0.5, index=values.columns[::-1], columns=columns)
            return found.assign(Responder=False, **{"CTL.flag": True})

    monkeypatch.setitem(sys.modules, "tidepy", Module)
    monkeypatch.setitem(sys.modules, "tidepy.pred", Module)
    people = [Patient(disease="NSCLC", pseudonym="s3"), Patient(disease="NSCLC", pseudonym="other")]
    rows = with_tide(people, [(), ()], matrix(), "NSCLC", pretreated=True)
    np.testing.assert_allclose(seen["values"].mean(axis=1), 0, atol=1e-12)
    expected = np.log2(matrix() + 1)
    np.testing.assert_allclose(seen["values"], expected.sub(expected.mean(axis=1), axis=0))
    assert (seen["ignore_norm"], seen["pretreat"]) == (True, True)
    assert rows[0][0].inputs["part"] == "dysfunction"
    assert rows[1][0].value is None


SIGNATURE = """
name = "example"
source = "filled in by the reader"
population = "somebody's patients"
resampling = [1.0, 1.0, 1.0]
bin_width = 25.0
intercept = 0.5
cutoff = 0.6
[[features]]
name = "stat_mean"
ibsi = "Q4LE"
coefficient = 2.0
mean = 10.0
scale = 5.0
"""


def test_a_signature_the_user_fills_in(tmp_path):
    path = tmp_path / "signature.toml"
    path.write_text(SIGNATURE)
    signature = read_signature(path)
    found = signature.score({"stat_mean": 15.0})
    assert found.value == pytest.approx(2.5)
    assert found.category == "at or above 0.6"
    assert "stat_mean" in signature.score({}).not_computable
    features = tmp_path / "features.csv"
    features.write_text("lesion,stat_mean\nx,15\ny,\n")
    rows = read_features(features)
    assert signature.score(rows[0]).value == pytest.approx(2.5)
    assert signature.score(rows[1]).value is None


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("scale = 5.0", "scale = 0.0", "greater than 0"),
        ("Q4LE", "not-ibsi", "IBSI"),
        ("bin_width = 25.0", "", "bin_width"),
        ("[1.0, 1.0, 1.0]", "[1.0, 1.0, -1.0]", "above zero"),
        ("coefficient = 2.0", "coefficient = nan", "finite"),
        ('name = "example"', "name = ", "signature.toml"),
    ],
)
def test_impossible_signatures_are_refused(tmp_path, old, new, match):
    path = tmp_path / "signature.toml"
    path.write_text(SIGNATURE.replace(old, new))
    with pytest.raises(InputError, match=match):
        read_signature(path)


def test_extraction_asks_for_the_processing_of_the_signature(monkeypatch, tmp_path):
    seen = {}

    class Module:
        @staticmethod
        def extract_features(**options):
            seen.update(options)
            return [pd.DataFrame({"sample_name": ["x"], "stat_mean": [15.0], "count": np.array([3])})]

    monkeypatch.setitem(sys.modules, "mirp", Module)
    path = tmp_path / "signature.toml"
    path.write_text(SIGNATURE)
    signature = read_signature(path)
    found = extract_features(signature, tmp_path / "ct", tmp_path / "contour")
    assert found == {"stat_mean": 15.0, "count": 3.0}
    assert signature.score(found).value == pytest.approx(2.5)
    assert seen["new_spacing"] == [1.0, 1.0, 1.0]
    assert seen["base_discretisation_method"] == "fixed_bin_size"
    assert seen["base_discretisation_bin_width"] == 25.0


def test_extraction_needs_its_package_and_a_region(monkeypatch, tmp_path):
    signature = RadiomicSignature.model_validate(
        {"name": "x", "source": "x", "population": "x", "resampling": (1, 1, 1), "bin_width": 25,
         "features": [{"name": "f", "coefficient": 1}]}
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "mirp", None)
    with pytest.raises(UnsupportedError, match=r"abscopal\[radiomics\]"):
        extract_features(signature, tmp_path, tmp_path)
    with pytest.raises(UnsupportedError, match="ring"):
        extract_features(signature.model_copy(update={"ring": 5.0}), tmp_path, tmp_path)
