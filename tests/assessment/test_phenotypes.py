import json

import numpy as np
import pytest

from abscopal.assessment.phenotypes import LIMITS, window_phenotypes
from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.report.phenotype_page import phenotype_document, phenotypes_csv, render_phenotypes
from abscopal.stratification.mechanistic import known_covariates, mapping, parameter_draws


def patient(label, lesions=(), **fields):
    known = [
        {"name": f"l{i}", "site": site, "volume": f"{volume} cm^3", "irradiated": hit}
        for i, (site, volume, hit) in enumerate(lesions)
    ]
    return Patient.model_validate({"pseudonym": label, "disease": "NSCLC", "lesions": known, **fields})


GENES = ("AR", "PRKCB", "ABL1", "PAK2", "RELA", "IRF1", "JUN", "HDAC1", "STAT1", "SUMO1")


def ranked(order):
    return {"unit": "TPM", "genes": {gene: float(place) for place, gene in enumerate(order, 1)}}


@pytest.fixture(scope="module")
def found():
    coefficients = load("scores/radiosensitivity").table("rsi").set_index("gene")["coefficient"]
    resistant = ranked(sorted(GENES, key=lambda gene: coefficients[gene]))  # the largest RSI there is
    people = [
        patient("nothing"),
        patient("lymphopenic", labs={"alc": "0.3 1e9/L"}),
        patient("braked", biomarkers={"pd_l1_tps": "100 percent"}, labs={"nlr": 15, "alc": "3 1e9/L"}),
        patient("resistant", expression=resistant, labs={"alc": "2 1e9/L"}),
    ]
    return window_phenotypes(people, draws=60, seed=1)


def test_the_strongest_departure_names_the_phenotype(found):
    by_label = {one.label: one for one in found.patients}
    assert by_label["lymphopenic"].phenotype == "lymphocyte-limited"
    assert by_label["resistant"].phenotype == "RT-resistant"
    braked, nothing = by_label["braked"].shares, by_label["nothing"].shares
    assert braked["needs brake release"] > nothing["needs brake release"]
    for one in found.patients:
        assert sum(one.shares.values()) == pytest.approx(1)
        assert one.gain.low <= one.gain.median <= one.gain.high


def test_a_patient_of_whom_nothing_is_known_is_the_prior(found):
    nothing = found.patients[0]
    assert nothing.phenotype == "undetermined"
    assert nothing.from_data == 0
    assert nothing.shift == pytest.approx(0, abs=1e-12)
    assert nothing.used == ()
    assert nothing.gain == found.nobody
    assert 0 <= found.between_patients < 1
    assert found.patients[1].lacking


def test_results_repeat_and_do_not_depend_on_company(found):
    again = window_phenotypes([patient("lymphopenic", labs={"alc": "0.3 1e9/L"})], draws=60, seed=1)
    assert again.patients[0] == found.patients[1]


def test_it_says_mechanistic_and_never_benefit(found):
    text = json.dumps(phenotype_document(found), allow_nan=False) + render_phenotypes(found)
    assert "mechanistic" in text
    assert "mouse-calibrated" in text
    assert "benefit" not in text.casefold()
    assert len(phenotypes_csv(found).splitlines()) == 5


def test_covariates_come_from_the_patient():
    one = patient("a", lesions=[("lung", 30, True), ("Liver", 5, False)], labs={"anc": "6 1e9/L", "alc": "2 1e9/L"})
    known = known_covariates(one)
    assert known == {"nlr": 3, "alc": 2, "irradiated_volume": 30, "other_volume": 5, "liver_metastasis": 1}


def test_mapping_is_declared_and_draws_stay_in_range():
    limits = set(load("scores/phenotypes").table("reliefs")["phenotype"])
    assert limits == set(LIMITS)
    assert {link.status for link in mapping()} == {"assumed"}
    sheet = load("immune/diw")
    draws = parameter_draws({"alc": 0.1, "tmb": 500, "pd_l1_tps": 100, "nlr": 60, "rsi": 0.99, "gep": 5}, 200, 0)
    for name, values in draws.items():
        assert np.isfinite(values).all()
        limits = None if name.startswith("V0") else sheet.number(name).range
        if limits is not None:
            assert (values >= limits[0]).all()
            assert (values <= limits[1]).all()


def test_fewer_lymphocytes_mean_fewer_in_the_model():
    low, high = (parameter_draws({"alc": alc}, 50, 0)["L0"] for alc in (0.5, 2.0))
    assert (low < high).all()


def test_impossible_requests_are_refused():
    for people, draws in (([], 60), ([patient("a")], 5), ([patient("a")] * 50_000, 60)):
        with pytest.raises(InputError, match="phenotypes"):
            window_phenotypes(people, draws=draws)
