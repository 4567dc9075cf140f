import pytest

from abscopal.domain.errors import InputError, UnitError
from abscopal.stratification.columns import recognise
from abscopal.stratification.stratify import score_cohort
from abscopal.stratification.table import read_expression, read_patients

HEAD = "patient_id,cancer_type,age_years,tmb_mut_per_mb,pdl1_tps_pct,prior_systemic_therapy,albumin_g_dl,nlr\n"
ROW = "a1,NSCLC,65,10,50,1,3.8,5\n"


def table(tmp_path, text, **options):
    path = tmp_path / "patients.csv"
    path.write_text(text)
    return read_patients(path, **options)


def test_a_row_becomes_a_patient_with_the_published_score(tmp_path):
    found = table(tmp_path, HEAD + ROW)
    scores = {score.name: score for score in score_cohort(found.patients)[0]}
    assert scores["loris_pan"].value == pytest.approx(0.401768, abs=1e-5)
    assert scores["loris_nsclc"].value == pytest.approx(0.508446, abs=1e-5)
    assert scores["loris_pan"].inputs["NLR"] == 5
    assert found.flags == ()


def test_units_stated_in_names_are_converted(tmp_path):
    text = HEAD.replace("albumin_g_dl", "Albumin (g/L)").replace("pdl1_tps_pct", "PD-L1 TPS") + ROW.replace("3.8", "38")
    patient = table(tmp_path, text).patients[0]
    assert patient.labs.albumin == pytest.approx(3.8)
    assert patient.biomarkers.pd_l1_tps == 50


def test_albumin_in_the_wrong_unit_is_refused_with_the_right_one(tmp_path):
    with pytest.raises(UnitError, match="38 g/L") as caught:
        table(tmp_path, HEAD + ROW.replace("3.8", "38"))
    assert "line 2" in str(caught.value)
    fixed = table(tmp_path, HEAD + ROW.replace("3.8", "38"), units={"albumin_g_dl": "g/L"})
    assert fixed.patients[0].labs.albumin == pytest.approx(3.8)


def test_pd_l1_as_a_fraction_is_refused_until_it_is_said(tmp_path):
    text = HEAD + ROW.replace(",50,", ",0.5,") + ROW.replace(",50,", ",0.9,").replace("a1", "a2")
    with pytest.raises(UnitError, match="--unit pdl1_tps_pct=1"):
        table(tmp_path, text)
    assert table(tmp_path, text, units={"pdl1_tps_pct": "1"}).patients[1].biomarkers.pd_l1_tps == pytest.approx(90)


def test_counts_per_microlitre_and_months_are_converted(tmp_path):
    found = table(tmp_path, "id,disease,anc_per_ul,alc,age_months\nx,renal,5000,1,780\n").patients[0]
    assert found.labs.anc == pytest.approx(5)
    assert found.age == pytest.approx(65, abs=0.01)


def test_duplicates_unknown_cancers_and_unsafe_labels_are_flagged(tmp_path):
    text = HEAD + ROW + ROW + ROW.replace("a1", "Jane Doe").replace("NSCLC", "Glioma of Mars")
    found = table(tmp_path, text)
    assert any("a1 appears again" in flag for flag in found.flags)
    assert any("unknown cancer type 'Glioma of Mars'" in flag for flag in found.flags)
    assert [patient.pseudonym for patient in found.patients] == ["a1", "a1", "row-4"]
    assert "Jane" not in " ".join(found.flags)
    assert found.patients[2].disease == "other"
    scores = {score.name: score for score in score_cohort(found.patients)[2]}
    assert scores["loris_pan"].value is None


def test_columns_can_be_mapped_and_those_not_used_are_named(tmp_path):
    text = "id,disease,ALB,favourite_colour\nx,melanoma,4.2,red\n"
    found = table(tmp_path, text, columns={"ALB": "labs.albumin"})
    assert found.patients[0].labs.albumin == 4.2
    assert found.ignored == ("favourite_colour",)
    with pytest.raises(InputError, match=r"'labs\.albumin'"):
        table(tmp_path, text, columns={"ALB": "labs.albumen"})
    with pytest.raises(InputError, match="'ALB'"):
        table(tmp_path, text, columns={"ABL": "labs.albumin"})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no row"),
        ("id,disease\n", "no row"),
        ("id,id,disease\n1,2,renal\n", "two columns called id"),
        ("id,disease\na\n", "line 2"),
        ("id,disease\na,renal,extra\n", "line 2"),
        ("id,age\na,60\n", "no column for the cancer type"),
        ("id,disease,albumin\na,renal,high\n", "'high'"),
        ("id,disease,sex\na,renal,x\n", "female or male"),
        ("id,disease,psth\na,renal,maybe\n", "0 or 1"),
        ("id,disease,rt_fractions\na,renal,30.5\n", "integer"),
        ("id,disease,nlr,anc,alc\na,renal,3,10,1\n", "the same number"),
        ("id,disease,age\na,renal,1e400\n", "reading age"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        table(tmp_path, text)


def test_missing_words_are_missing(tmp_path):
    found = table(tmp_path, HEAD + "a1,NSCLC,NA,,nan,unknown,.,Not reported\n").patients[0]
    assert found.age is None
    assert found.labs.albumin is None


def test_names_with_and_without_units():
    assert recognise("Albumin (g/L)").unit == "g/L"
    assert recognise("platelets").unit == "1e9/L"
    assert recognise("BMI kg/m2").field == "bmi"
    assert recognise("integral_dose_gy_cm3").unit == "Gy*cm^3"
    assert recognise("colour") is None


def test_expression_is_read_for_known_patients_and_genes(tmp_path):
    people = table(tmp_path, "id,disease\na,melanoma\nb,melanoma\n")
    genes = tmp_path / "genes.csv"
    genes.write_text("gene,a,c\nGZMA,8,1\nPRF1,18,1\nNOTAGENE,5,1\n")
    found = read_expression(genes, "TPM", people)
    assert found.patients[0].expression.genes == {"GZMA": 8, "PRF1": 18}
    assert found.patients[1].expression is None
    genes.write_text("gene,a\nGZMA,-0.4\n")
    with pytest.raises(UnitError, match="never negative"):
        read_expression(genes, "TPM", people)
    genes.write_text("gene,a\nGZMA,1\nGZMA,2\n")
    with pytest.raises(InputError, match="GZMA again"):
        read_expression(genes, "TPM", people)
    genes.write_text("gene,z\nGZMA,1\n")
    with pytest.raises(InputError, match="named as the patients"):
        read_expression(genes, "TPM", people)
    genes.write_text("gene,a\nGZMA,1\n")
    with pytest.raises(InputError, match="NanoString"):
        read_expression(genes, "z-score", people)
