"""Published models by name, and the same regimens through several of them."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.published.catalogue import cards, published, published_names, require_published
from abscopal.immune.published.compare import compare_regimens, ensemble_window, log_effect

QUICK = ["kosinsky2018", "brueningk2021", "cho2023"]
PD1 = tuple(DrugDose(drug="nivolumab", mg=240, day=day) for day in (0.0, 3.0))
ARMS = {
    "5 x 2": Regimen.equal_fractions(2.0, 5),
    "5 x 2 + drug": Regimen.equal_fractions(2.0, 5, drug_doses=PD1),
    "1 x 8": Regimen.equal_fractions(8.0, 1),
}


def test_every_model_has_a_card_and_every_card_says_what_it_is() -> None:
    known = {card.name: card for card in cards()}
    assert len(known) == len(cards())
    for name in published_names():
        card = published(name).card
        assert card.status == "implemented"
        assert card.checked
        assert card.missing
    for card in known.values():
        assert card.missing
        assert (card.status == "not recovered") == (not card.checked)


def test_what_was_not_recovered_is_refused_with_what_is_missing() -> None:
    with pytest.raises(UnsupportedError, match="parameter table"):
        published("serre2016")
    with pytest.raises(InputError, match="kosinsky2018"):
        published("kosinsky")
    with pytest.raises(InputError, match="no name"):
        require_published([])
    assert [model.name for model in require_published(["all"])] == published_names()


def test_a_drug_becomes_the_models_own_dose_or_is_refused() -> None:
    _, events = published("kosinsky2018").course(ARMS["5 x 2 + drug"])
    given = [event for event in events if event.impulse.startswith("dose")]
    assert [event.arguments for event in given] == [{"mg_anti_PD_1": 0.2}] * 2
    ctla4 = Regimen(drug_doses=(DrugDose(drug="ipilimumab", mg=3, day=0.0),))
    with pytest.raises(UnsupportedError, match="anti-CTLA-4"):
        published("kosinsky2018").course(ctla4)
    with pytest.raises(UnsupportedError, match="12 Gy"):
        published("kosinsky2018").course(Regimen.equal_fractions(12.0, 1))


@pytest.mark.parametrize("name", ["kosinsky2018", "brueningk2021"])  # Cho's kills lymphocytes with more dose
def test_more_dose_and_a_drug_leave_less_tumour(name: str) -> None:
    model = published(name)
    effects = [log_effect(model, Regimen.equal_fractions(dose, 3), 20.0) for dose in (1.0, 2.0, 4.0)]
    assert effects == sorted(effects, reverse=True)
    assert log_effect(model, ARMS["5 x 2 + drug"], 20.0) < log_effect(model, ARMS["5 x 2"], 20.0)
    assert log_effect(model, Regimen(), 20.0) == pytest.approx(0.0, abs=1e-9)


def test_ranks_tau_and_reasons() -> None:
    arms = ARMS | {"1 x 12": Regimen.equal_fractions(12.0, 1)}
    result = compare_regimens(arms, require_published(QUICK), readout=20.0)
    assert result.reasons == {("kosinsky2018", "1 x 12"): "a fraction of 12 Gy"}
    assert np.isnan(result.effect[0, 3])
    assert sorted(result.ranks[0][:3]) == [1.0, 2.0, 3.0]
    assert set(result.tau) == {(a, b) for i, a in enumerate(QUICK) for b in QUICK[i + 1 :]}
    assert all(tau is None or -1 <= tau <= 1 for tau in result.tau.values())
    both = compare_regimens(arms, [published("cho2023")] * 2, readout=20.0)
    assert next(iter(both.tau.values())) == pytest.approx(1.0)


def test_the_window_of_an_ensemble_leaves_out_what_a_model_refuses() -> None:
    doses = [2.0, 6.0, 10.0, 14.0]
    over = ensemble_window(require_published(QUICK), 3, doses, readout=20.0)
    assert over.inside.any(axis=1).all()
    assert np.isnan(over.effect[0, 3])
    assert not over.inside[0, 3]
    ctla4 = Regimen(drug_doses=(DrugDose(drug="anti-CTLA-4", mg=1, day=0.0),))
    assert ensemble_window(require_published(QUICK), 1, [2.0, 4.0], drugs=ctla4, readout=20.0).models == ("cho2023",)


def test_only_models_with_another_lesion_are_asked_about_it() -> None:
    result = compare_regimens({"5 x 2": ARMS["5 x 2"]}, [published("cho2023")], readout=20.0, site="other")
    assert result.reasons[("cho2023", "5 x 2")] == "one lesion only"


def test_impossible_comparisons_are_refused() -> None:
    with pytest.raises(InputError, match="0 regimens"):
        compare_regimens({}, [published("cho2023")])
    with pytest.raises(InputError, match="readout after -1"):
        compare_regimens(ARMS, [published("cho2023")], readout=-1.0)


def test_what_a_drug_adds_to_radiation() -> None:
    model, arm = published("kosinsky2018"), ARMS["5 x 2 + drug"]
    added = log_effect(model, arm, 20.0, over="radiation")
    whole, alone = log_effect(model, arm, 20.0), log_effect(model, ARMS["5 x 2"], 20.0)
    assert added == pytest.approx(whole - alone, abs=1e-5)
    assert log_effect(model, ARMS["5 x 2"], 20.0, over="radiation") == pytest.approx(0.0, abs=1e-9)
