import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.registry import find
from abscopal.immune.exposure import drug_exposure
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load, record_use
from abscopal.simulation.events import Event
from abscopal.simulation.solve import simulate

RT = Regimen.equal_fractions(8, 3, start=12)
BLOOD = 0.05769


def _ici(*days: float) -> Regimen:
    return Regimen(drug_doses=tuple(DrugDose(drug="anti-CTLA-4", mg=0.18, day=day) for day in days))


def test_everything_off_is_logistic_growth_with_lq_l() -> None:
    full = diw_model(lesions=1)
    model = full.with_switches(**dict.fromkeys(full.switches, False))
    assert [state.name for state in model.states] == ["V_0", "M_0"]
    course = simulate(model, Regimen.equal_fractions(12, 1, start=5), [5], side="both")
    # before the fraction there is no doomed volume, so growth is logistic in closed form
    g, K, V0 = 0.1793, 3000, 60
    grown = K / (1 + (K / V0 - 1) * np.exp(-g * 5))
    survival = np.exp(-(0.2 * 10 + 0.015 * 10**2 + (0.2 + 2 * 0.015 * 10) * (12 - 10)))
    assert course["V_0"] == pytest.approx([grown, grown * survival], rel=1e-6)
    assert course["M_0"] == pytest.approx([0, grown * (1 - survival)], rel=1e-6)


def test_untreated_lesions_grow_steadily_until_they_are_full() -> None:
    course = simulate(diw_model(), [], np.arange(0.0, 61))
    for lesion in (0, 1):
        volume = course[f"V_{lesion}"] + course[f"M_{lesion}"]
        assert (np.diff(volume)[:40] > 0).all()
        # near capacity the immune response that growth itself raised takes back a few per cent
        assert volume[60] > 0.96 * volume.max()


def test_no_irradiated_lesion_is_ici_alone() -> None:
    drugs = _ici(14, 17, 20).drug_doses
    nobody = diw_model(irradiated=(), volumes=(60, 25))
    treated = simulate(nobody, RT.model_copy(update={"drug_doses": drugs}), [34])
    ici_only = simulate(diw_model(), Regimen(drug_doses=drugs), [34])
    assert treated.values == pytest.approx(ici_only.values, rel=1e-5)


def test_lesions_do_not_depend_on_their_order() -> None:
    one = simulate(diw_model(irradiated=(0,)), RT, [34])
    other = simulate(diw_model(irradiated=(1,)), RT, [34])
    assert one["V_0"] == pytest.approx(other["V_1"], rel=1e-5)
    assert one["E_1"] == pytest.approx(other["E_0"], rel=1e-5)


@pytest.mark.parametrize("lesions", [1, 3, 5])
def test_any_number_of_lesions(lesions: int) -> None:
    model = diw_model(lesions)
    assert len(model.states) == 11 * lesions + 4 + 2
    assert simulate(model, RT, [34]).status == "ok"


@pytest.mark.parametrize("name", [name for name, on in diw_model(parameter_set="set_b").switches.items() if on])
def test_each_switch_removes_its_terms_and_the_rest_still_runs(name: str) -> None:
    full, model = diw_model(), diw_model(switches={name: False})
    assert len(model.terms) < len(full.terms)
    course = RT if name == "ctla4_blockade" else RT.model_copy(update={"drug_doses": _ici(14).drug_doses})
    off, on = simulate(model, course, [34]), simulate(full, course, [34])
    assert off.status == "ok"
    if name != "pd1_blockade":  # no anti-PD-1 is given here
        expected = on["V_1"][0] + on["M_1"][0]
        assert name == "ctla4_blockade" or abs(off["V_1"][0] + off["M_1"][0] - expected) > 1e-3 * expected


def test_a_drug_whose_target_is_switched_off_is_refused() -> None:
    with pytest.raises(InputError, match="anti-PD-1"):
        simulate(diw_model(switches={"ctla4_blockade": False}), _ici(14), [34])


@settings(max_examples=12, deadline=None)
@given(
    dose=st.floats(0.1, 30), n=st.integers(1, 8), drugs=st.booleans(), node=st.sampled_from([0.0, 2.0]),
    kk=st.floats(0.05, 1), kS=st.floats(0.5, 4),
)  # fmt: skip
def test_states_stay_positive(dose: float, n: int, drugs: bool, node: float, kk: float, kS: float) -> None:
    regimen = Regimen.equal_fractions(dose, n, start=12, drug_doses=_ici(14, 17).drug_doses if drugs else ())
    model = diw_model()
    course = simulate(
        model, regimen, np.linspace(0, 40, 81), parameters={"kk": kk, "kS": kS}, fraction_arguments={"d_node": node}
    )
    assert course.status == "ok"
    assert (course.values[:, : len(model.states)] >= 0).all()
    assert (course["P_0"] <= 1).all()


@pytest.mark.parametrize(
    ("n", "dose", "left"), [(30, 2, 0.329), (15, 4, 0.491), (5, 10, 0.774), (3, 8, 0.858), (1, 20, 0.950)]
)
def test_lymphocytes_left_without_recovery(n: int, dose: float, left: float) -> None:
    # dossier 2.8 [COMPUTED], share of blood 0.05 and radiosensitivity 0.65 per Gy
    parameters = {"v": 0.05, "aL": 0.65, "kL": 0.0}
    course = simulate(diw_model(), Regimen.equal_fractions(dose, n), [n + 1], parameters=parameters)
    assert course["L"][0] == pytest.approx(left, abs=0.0005)
    assert course["L"][0] == pytest.approx((1 - 0.05 * (1 - np.exp(-0.65 * dose))) ** n, rel=1e-9)


def test_trex1_jump_is_deliberately_not_additive() -> None:
    model = diw_model()
    whole = simulate(model, [Event(12, "fraction", {"d_0": 16})], [12], side="after")
    halves = simulate(model, [Event(12, "fraction", {"d_0": 8})] * 2, [12], side="after")
    assert whole["Q_0"] == pytest.approx(halves["Q_0"])
    assert whole["X_0"] > 10 * halves["X_0"]


def test_lesion_of_zero_volume_needs_no_guard() -> None:
    # the published antigen term divides by the total flux, which is zero here
    assert simulate(diw_model(volumes=(0, 0)), RT, [34]).status == "ok"


def test_every_constant_of_the_equations_is_sourced() -> None:
    model = diw_model()
    sheet = load("immune/diw").content.numbers
    assert all(parameter.key.split(":")[1] in sheet for parameter in model.parameters)
    for piece in (*model.terms, *model.updates):
        constants = {float(abs(number)) for number in piece.expression.atoms() if number.is_number}
        assert constants <= {0.0, 1.0, 2.0}, piece.label  # 2 is the square of the linear-quadratic law


def test_what_was_used_is_recorded() -> None:
    with record_use() as usage:
        diw_model(switches={"trex1": False})
    assert "immune/diw:KQ" in usage.keys
    assert "immune/diw:dX" not in usage.keys


@pytest.mark.parametrize(
    "arguments", [{"lesions": 0}, {"irradiated": (2,)}, {"volumes": (1.0,)}], ids=["none", "index", "volumes"]
)
def test_bad_lesions_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match="lesions"):
        diw_model(**arguments)  # type: ignore[arg-type]


def test_unknown_switch_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="'trex1'"):
        diw_model(switches={"trex": False})


def test_the_model_is_found_by_name() -> None:
    assert find("immune", "diw").target is diw_model


def test_exposure_to_a_patients_drug() -> None:
    doses = [DrugDose(drug="nivolumab", mg=240, day=14 * k - 28) for k in range(4)]
    course = drug_exposure(doses, [-28, 0, 30], weight=70, sex="male", side="after")
    assert course.status == "ok"
    assert course["C"][1] > course["C"][0]
    assert course["CL"][2] < course["CL"][0]
