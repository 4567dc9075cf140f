"""Mechanisms added after reference set B: what each does, and that off removes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.model import Model
from abscopal.immune.arms import arm, run_arms
from abscopal.immune.diseases import disease_draws, diseases
from abscopal.immune.draws import load_draws
from abscopal.immune.modalities import modalities, modality
from abscopal.immune.model import REPAIRS, diw_model
from abscopal.immune.modulation import modulator_events
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.many import simulate_many
from abscopal.simulation.solve import simulate

RT = Regimen.equal_fractions(8, 3, start=12)
ON = dict.fromkeys(REPAIRS, True)


def _model(**settings: bool) -> Model:
    return diw_model(switches=ON | settings)


def _with_drug(drug: str, *days: float, radiation: Regimen = RT) -> Regimen:
    doses = tuple(DrugDose(drug=drug, mg=0.18, day=day) for day in days)
    return radiation.model_copy(update={"drug_doses": doses})


@pytest.mark.parametrize("name", REPAIRS)
def test_off_removes_its_pieces(name: str) -> None:
    on, off = _model(), _model(**{name: False})
    pieces = (len(off.terms), len(off.states)), (len(on.terms), len(on.states))
    assert pieces[0] < pieces[1]
    assert simulate(off, _with_drug("anti-CTLA-4", 14), [34]).status == "ok"


def test_all_repairs_off_is_set_b() -> None:
    assert _model(**dict.fromkeys(REPAIRS, False)).digest == diw_model(parameter_set="set_b").digest


@settings(max_examples=10, deadline=None)
@given(
    draw=st.integers(0, len(load_draws("prior")) - 1), dose=st.floats(0.1, 30), n=st.integers(0, 8),
    drug=st.sampled_from(["anti-PD-1", "anti-CTLA-4"]), node=st.sampled_from([0.0, 4.0]),
)  # fmt: skip
def test_states_stay_positive_over_the_prior(draw: int, dose: float, n: int, drug: str, node: float) -> None:
    prior = load_draws("prior")
    values = dict(zip(prior.names, prior.values[draw].tolist(), strict=True))
    model = _model()
    regimen = _with_drug(drug, 12, 15, radiation=Regimen.equal_fractions(dose, n, start=12) if n else Regimen())
    course = simulate(
        model, regimen, np.linspace(0, 40, 41), parameters=values, fraction_arguments={"d_node": node} if n else None
    )
    assert course.status == "ok"
    assert (course.values[:, : len(model.states)] >= 0).all()
    for lesion in (0, 1):
        assert (course[f"H_{lesion}"] <= 1).all()
        assert (course[f"A_{lesion}"] <= course[f"E_{lesion}"] * (1 + 1e-6) + 1e-9).all()


def test_hypoxic_cells_survive_and_reoxygenate() -> None:
    days = [11.9, 12, 13, 40]
    course = simulate(_model(), Regimen.equal_fractions(15, 1, start=12), days, side="after")
    before, after, next_day, late = course["H_0"]
    assert after > 5 * before
    assert next_day < after
    assert late == pytest.approx(before, rel=0.02)
    without = simulate(_model(hypoxia=False), Regimen.equal_fractions(15, 1, start=12), days, side="after")
    assert course["V_0"][1] > 3 * without["V_0"][1]


def test_radiation_kills_more_effectors_the_younger_they_are() -> None:
    def kept(model: Model, kmat: float) -> float:
        course = simulate(model, RT, [13], parameters={"kmat": kmat}, side="both", horizon=14)
        return float(course["E_0"][1] / course["E_0"][0])

    assert kept(_model(), 0.1) < kept(_model(), 1) < kept(_model(), 1e3)
    assert kept(_model(), 1e3) == pytest.approx(kept(_model(arrivals=False), 1), rel=1e-2)


def test_late_blockade_finds_fewer_cells_to_revive() -> None:
    def gain(model: Model, day: float) -> float:
        course = simulate(model, _with_drug("anti-PD-1", day), [day + 4])
        plain = simulate(model, RT, [day + 4])
        return float(course["E_0"][0] / plain["E_0"][0])

    loss_with = gain(_model(), 24) / gain(_model(), 12)
    loss_without = gain(_model(terminal=False), 24) / gain(_model(terminal=False), 12)
    assert loss_with < loss_without


def test_depletion_before_radiation_leaves_fewer_treg_to_rise() -> None:
    early, late = (simulate(_model(), _with_drug("anti-CTLA-4", day), [14.5])["R_0"][0] for day in (5, 14))
    assert early < late


def test_low_doses_open_a_lesion_without_interferon() -> None:
    small = Regimen.equal_fractions(1, 2, start=12)
    on, off = (simulate(_model(sting=False, low_dose=is_on), small, [14])["entry_0"][0] for is_on in (True, False))
    assert on > off
    high = simulate(_model(sting=False), Regimen.equal_fractions(15, 2, start=12), [14])["entry_0"][0]
    assert high == pytest.approx(off, rel=1e-2)


def test_dose_to_the_node_lowers_priming_and_recovers() -> None:
    course = simulate(_model(), RT, [14, 60], fraction_arguments={"d_node": 4}, side="after")
    assert course["N"][0] < 0.05
    assert course["N"][1] > 0.9


def test_interferon_peaks_later_when_dna_waits_for_mitosis() -> None:
    days = np.arange(12.0, 30, 0.25)

    def peak(kmit: float) -> float:
        course = simulate(
            _model(trex1=False), Regimen.equal_fractions(8, 1, start=12), days, parameters={"kmit": kmit, "dS": 0.1}
        )
        return float(days[np.argmax(course["S_0"])] - 12)

    assert peak(0.1) > 5
    assert peak(3) <= 3


def test_no_immunity_beforehand_no_effectors() -> None:
    course = simulate(_model(), _with_drug("anti-PD-1", 12, 15), [40], parameters={"pre": 0, "C0": 0})
    assert course["E_0"][0] == 0
    alone = simulate(_model(killing=False), RT, [40])
    assert course["V_0"][0] == pytest.approx(alone["V_0"][0], rel=1e-6)


def test_equal_flows_change_nothing_and_permuted_lesions_permute() -> None:
    same = simulate(_model(), RT, [34])
    assert simulate(_model(trafficking=False), RT, [34])["V_1"] == pytest.approx(same["V_1"], rel=1e-6)
    model = diw_model(3, switches=ON, volumes=(60, 25, 25))
    one = simulate(model, RT, [34], parameters={"flow_1": 3.0})
    other = simulate(model, RT, [34], parameters={"flow_2": 3.0})
    assert one["E_1"] == pytest.approx(other["E_2"], rel=1e-5)
    assert one["E_1"] > one["E_2"]


def test_no_treatment_is_growth() -> None:
    course = simulate(_model(), [], np.arange(0.0, 31))
    assert (np.diff(course["V_0"] + course["M_0"]) > 0).all()


def test_a_uniform_histogram_is_no_histogram() -> None:
    uneven = diw_model(switches=ON, histograms={0: ((1.0, 0.25), (1.0, 0.75))})
    even, split = simulate(_model(), RT, [20, 34]), simulate(uneven, RT, [20, 34])
    for name in ("V_0", "V_1", "S_0", "C"):
        assert split[name] == pytest.approx(even[name], rel=1e-4, abs=1e-12)


def test_valleys_keep_interferon_that_peaks_lose() -> None:
    uneven = diw_model(switches=ON, histograms={0: ((1.0, 0.2), (0.3, 0.8))})
    twenty_four = Regimen.equal_fractions(24, 1, start=12)
    assert simulate(uneven, twenty_four, [16])["S_0"][0] > simulate(_model(), twenty_four, [16])["S_0"][0]


def test_modulator_acts_only_while_given() -> None:
    model = diw_model(switches=ON, modulators=("tgfb_blockade",))
    events = (*regimen_events(model, RT), *modulator_events(model, "tgfb_blockade", 12, 20))
    course = simulate(model, events, [11, 15, 25])
    assert course["by_KB"] == pytest.approx([1, 10, 1])
    assert simulate(model, RT, [34])["V_1"] == pytest.approx(simulate(_model(), RT, [34])["V_1"], rel=1e-6)
    blocked = simulate(model, events, [34])
    assert blocked["V_1"] < simulate(model, RT, [34])["V_1"]


def test_dose_enhancement_is_more_dose_to_tumour_cells() -> None:
    model = diw_model(switches=ON, modulators=("nanoparticle_high_z",))
    events = (*regimen_events(model, RT), *modulator_events(model, "nanoparticle_high_z", 11, 20))
    stronger = RT.model_copy(update={"fraction_doses": (10.4,) * 3})
    more = simulate(_model(), stronger, [12], side="after", horizon=20)
    assert simulate(model, events, [12], side="after", horizon=20)["V_0"] == pytest.approx(more["V_0"], rel=1e-6)


def test_cyclophosphamide_lowers_treg() -> None:
    model = diw_model(switches=ON, modulators=("cyclophosphamide",))
    course = simulate(model, [Event(10, "dose cyclophosphamide")], [10], side="both")
    assert course["R_1"][1] == pytest.approx(0.4 * course["R_1"][0])


def test_adenosine_is_off_unless_asked_for() -> None:
    assert "O_0" not in [state.name for state in _model().states]
    suppressed = simulate(_model(adenosine=True), RT, [20])
    assert suppressed["Sup_0"] > simulate(_model(), RT, [20])["Sup_0"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"modulators": ("tgfb",)}, {"parameter_set": "set_c"}, {"histograms": {0: ((1.0, 0.5),)}},
        {"histograms": {5: ((1.0, 1.0),)}},
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        diw_model(**arguments)  # type: ignore[arg-type]


def test_prior_draws_are_columns_for_many_patients() -> None:
    prior = load_draws("prior")
    columns = prior.columns()
    assert set(columns) == set(prior.names)
    many = simulate_many(_model(), RT, [34], parameters=columns, outputs=("V_0", "V_1"), threads=1)
    assert (many["status"] == 0).all()
    assert len(prior.subset(7)) == 7
    with pytest.raises(InputError, match="draws"):
        prior.subset(0)
    with pytest.raises(InputError, match="posterior"):
        load_draws("postrior")  # type: ignore[arg-type]


def test_every_modality_on_file_can_be_given() -> None:
    for one in modalities().values():
        model = diw_model(switches=ON, histograms={0: one.histogram} if one.histogram else None)
        course = Regimen(fraction_days=one.days(one.fractions), fraction_doses=(one.dose,) * one.fractions)
        events = [one.applied(e) for e in regimen_events(model, course, fraction_arguments={"d_node": 2.0})]
        assert events[0].arguments["d_node"] == 2 * one.node
        assert simulate(model, events, [60]).status == "ok"
    with pytest.raises(InputError, match="proton"):
        modality("protons")


def test_pulses_are_spaced_and_weekdays_skip_the_weekend() -> None:
    assert modalities()["pulsar"].days(2) == (0, 10)
    assert modalities()["conventional"].days(6) == (0, 1, 2, 3, 4, 7)


def test_the_arms_of_the_experiments_are_what_their_rows_say() -> None:
    eight = arm("TSA_8x3_c4")
    assert [(e.day, e.impulse) for e in eight.events] == [
        (12, "fraction"), (13, "fraction"), (14, "fraction"), (14, "dose anti-CTLA-4"), (17, "dose anti-CTLA-4"),
        (20, "dose anti-CTLA-4"),
    ]  # fmt: skip
    assert arm("TSA_8x3_c4_noIFN").overrides == {"kS": 0}
    apart = arm("B16_8x3_c4_nodebefore").events
    assert {e.day for e in apart if e.arguments.get("d_node")} == {5, 6, 7}
    assert all("d_0" not in e.arguments for e in apart if e.arguments.get("d_node"))
    with pytest.raises(InputError, match="TSA_8x3_c4"):
        arm("TSA_8x3_c5")


def test_arms_run_together_as_alone() -> None:
    prior = load_draws("prior").subset(3).columns()
    chosen = [arm("TSA_8x3_c4"), arm("CT26_2x5")]
    days = np.array([20.0, 34.0])
    both = run_arms(_model(), chosen, [prior, prior], outputs=("V_0", "V_1"), days=days, threads=1)
    alone = run_arms(_model(), chosen[:1], [prior], outputs=("V_0", "V_1"), days=days, threads=1)
    assert both.values["V_1"][0] == pytest.approx(alone.values["V_1"][0], rel=1e-9)
    assert (both.values["V_1"][1] == 0).all()  # one tumour only
    strong, weak = both.values["V_1"][0, 2], both.values["V_1"][0, 0]
    assert (strong <= weak * (1 + 1e-9)).all()


def test_a_disease_is_drawn_from_its_ranges_and_runs() -> None:
    draws = disease_draws("prostate", 300)
    ratio = draws["alpha"] / draws["beta"]
    assert 1.3 < np.median(ratio) < 1.7
    assert 0.8 < np.mean((ratio > 1) & (ratio < 3)) < 0.95  # the range on file holds about 90 %
    assert np.median(np.log(2) / draws["g"]) > 5 * np.median(np.log(2) / disease_draws("glioblastoma", 300)["g"])
    model = diw_model(parameter_set="posterior", volumes=(1e4, 1e4))
    many = simulate_many(model, RT, [60], parameters=disease_draws("NSCLC", 20), outputs=("V_0",), threads=1)
    assert (many["status"] == 0).all()
    with pytest.raises(InputError, match="melanoma"):
        disease_draws("melanomas")
    assert len(diseases()) == 12
