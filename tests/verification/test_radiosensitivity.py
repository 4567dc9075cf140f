"""RSI, GARD and RxRSI: worked examples computed from the published coefficients and the linear-quadratic form.

Eschrich 2009 (coefficients read), Scott 2017 (form recalled): the examples check the arithmetic.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.stratification.scores.radiosensitivity import (
    gard,
    linear_radiosensitivity,
    radiosensitivity_index,
    rx_rsi,
)
from abscopal.stratification.stratify import score_patient

RANKS = {"AR": 1, "PRKCB": 2, "ABL1": 3, "PAK2": 4, "RELA": 5, "IRF1": 6, "JUN": 7, "HDAC1": 8, "STAT1": 9, "SUMO1": 10}


def test_index_of_the_worked_ranks():
    assert radiosensitivity_index(RANKS) == pytest.approx(0.139488, abs=5e-7)


@pytest.mark.parametrize(
    ("rsi", "alpha", "conventional", "five_fractions", "dose"),
    [
        (0.139488, 0.884888, 59.0933, 69.2444, 33.506),
        (0.30, 0.501986, 36.1192, 50.0993, 54.818),
        (0.45, 0.299254, 23.9552, 39.9627, 82.654),
    ],
)
def test_worked_examples(rsi, alpha, conventional, five_fractions, dose):
    """60 Gy in 30, 50 Gy in 5, and the dose at 2 Gy for a target of 33."""
    assert linear_radiosensitivity(rsi) == pytest.approx(alpha, abs=2e-6)
    assert gard(rsi, 30, 2.0) == pytest.approx(conventional, abs=2e-4)
    assert gard(rsi, 5, 10.0) == pytest.approx(five_fractions, abs=2e-4)
    assert rx_rsi(rsi, 33.0, 2.0) == pytest.approx(dose, abs=1e-3)


def test_attainable_range():
    """Ranks alone reach from -0.605 to 1.219."""
    coefficients = sorted(load("scores/radiosensitivity").table("rsi")["coefficient"])
    ranks = range(1, 11)
    assert sum(c * r for c, r in zip(coefficients, ranks, strict=True)) == pytest.approx(1.219, abs=5e-4)
    assert sum(c * r for c, r in zip(coefficients[::-1], ranks, strict=True)) == pytest.approx(-0.605, abs=5e-4)


@given(st.permutations(sorted(RANKS)), st.floats(0.1, 50), st.floats(0.2, 3))
def test_only_ranks_count(order, scale, power):
    """A monotone change of unit leaves the index as it is; the same coefficients on raw values would not."""
    values = {gene: float(place) for place, gene in enumerate(order, 1)}
    changed = {gene: scale * value**power for gene, value in values.items()}
    assert radiosensitivity_index(changed) == pytest.approx(radiosensitivity_index(values), abs=1e-12)


@pytest.mark.parametrize("wrong", [{"AR": -1.2}, {"AR": float("nan")}])
def test_centred_values_are_refused(wrong):
    with pytest.raises(InputError, match="not centred"):
        radiosensitivity_index(RANKS | wrong)
    with pytest.raises(InputError, match="RELA"):
        radiosensitivity_index({gene: v for gene, v in RANKS.items() if gene != "RELA"})


def scored(genes, **course):
    patient = Patient.model_validate(
        {"disease": "NSCLC", "expression": {"unit": "TPM", "genes": genes}, "radiotherapy": course}
    )
    return {score.name: score for score in score_patient(patient)}


def test_a_patient_gets_the_index_the_dose_and_the_target():
    found = scored(RANKS, fractions=30, dose_per_fraction="2 Gy")
    assert found["rsi"].value == pytest.approx(0.139488, abs=5e-7)
    assert "radiosensitive" in found["rsi"].category
    assert found["gard"].value == pytest.approx(59.0933, abs=2e-4)
    assert found["gard"].category == "at or above 33"
    assert found["gard"].evidence == "predictive"
    assert found["rxrsi"].value == pytest.approx(33.506, abs=1e-3)
    assert found["rxrsi"].unit == "Gy"
    assert "radiotherapy.fractions" in scored(RANKS)["gard"].not_computable
    assert "RELA" in scored({g: v for g, v in RANKS.items() if g != "RELA"})["rsi"].not_computable


def test_an_index_below_zero_is_lifted_and_flagged():
    low = sorted(load("scores/radiosensitivity").table("rsi").itertuples(index=False), key=lambda row: -row.coefficient)
    found = scored({row.gene: float(rank) for rank, row in enumerate(low, 1)})["rsi"]
    assert found.value == 0.01
    assert any("counted as 0.01" in note for note in found.notes)


def test_ties_share_ranks_and_are_flagged():
    found = scored(dict.fromkeys(RANKS, 3.0))["rsi"]
    mean = 5.5 * load("scores/radiosensitivity").table("rsi")["coefficient"].sum()
    assert found.value == pytest.approx(mean)
    assert any("average ranks" in note for note in found.notes)


def test_every_order_of_three_genes_keeps_the_sum_of_ranks():
    for order in itertools.permutations(("AR", "JUN", "STAT1")):
        genes = RANKS | {gene: 100.0 + place for place, gene in enumerate(order)}
        assert 0.01 <= scored(genes)["rsi"].value < 1.3
