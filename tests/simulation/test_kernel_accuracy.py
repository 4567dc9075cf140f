"""Compiled solutions against matrix exponentials, published solutions, exact ones and the LSODA reference."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from abscopal.simulation.summaries import Summary
from abscopal.simulation.windows import Infusion, window_events
from tests.simulation.models import (
    decay,
    forced_predator,
    hires,
    infused,
    linear,
    reversible_chain,
    robertson,
    van_der_pol,
)

ROOT = Path(__file__).parents[2]
TIGHT = Control(relative=1e-9, absolute=1e-12)


def states(result, patient=0):
    """Array of shape (n_t, n_states)."""
    return np.column_stack([result[str(name)].values[patient] for name in result.state.values])


@settings(max_examples=25, deadline=None)
@given(n=st.sampled_from([2, 5]), seed=st.integers(0, 10_000), stiffness=st.floats(0, 3))
def test_linear_models_against_matrix_exponentials(n, seed, stiffness):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, n)) - np.diag(n + rng.random(n) * 10**stiffness)
    times = np.array([0.1, 0.5, 2.0])
    parameters = {f"k_{i}_{j}": matrix[i, j] for i in range(n) for j in range(n)}
    found = states(simulate_many(linear(n), [], times, parameters=parameters, outputs="states", control=TIGHT))
    exact = np.array([expm(matrix * t) @ np.ones(n) for t in times])
    np.testing.assert_allclose(found, exact, rtol=2e-6, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(rates=st.lists(st.floats(0, 1e4), min_size=6, max_size=6), t=st.floats(0.1, 50))
def test_mass_is_conserved_and_stays_positive(rates, t):
    names = ["f0", "b0", "f1", "b1", "f2", "b2"]
    result = simulate_many(reversible_chain(4), [], [t / 2, t], parameters=dict(zip(names, rates, strict=True)))
    found = states(result)
    assert result.status.item() == 0
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-9)
    assert (found >= 0).all()


@pytest.mark.parametrize(("method", "order"), [("rosenbrock", 4), ("explicit", 5)])
def test_order_of_convergence(method, order):
    """One step per output when the tolerance never binds: the error falls by 2 to the order when steps are halved."""
    loose = Control(relative=1e12, first_step=1e12, floor=0.0, negative=1e12, method=method)
    model = forced_predator()
    exact = states(simulate_many(model, [], [6.0], control=Control(relative=1e-12, absolute=1e-14)))[-1]
    errors = []
    for n in (32, 64, 128, 256):
        result = simulate_many(model, [], np.linspace(0, 6, n + 1)[1:], outputs="states", control=loose)
        assert result.steps.item() == n
        errors.append(np.abs(states(result)[-1] / exact - 1).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - order) < 0.55).all(), orders
    assert abs(orders[-1] - order) < 0.3


def test_stiff_patients_are_found_one_by_one():
    """The choice of method looks at each patient alone; either method reaches the same end."""
    k = np.array([0.3, 4.0, 5e3, 0.5, 1e6])
    rates = dict.fromkeys(("f0", "f1", "f2", "b0", "b1", "b2"), k)
    result = simulate_many(reversible_chain(4), [], [7.0], parameters=rates)
    assert result.stiff.values.tolist() == [False, False, True, False, True]
    for method in ("rosenbrock", "explicit"):
        some = {name: value[:3] for name, value in rates.items()}
        other = simulate_many(reversible_chain(4), [], [7.0], parameters=some, control=Control(method=method))
        assert (other.status == 0).all()
        np.testing.assert_allclose(other.final, result.final[:3], rtol=2e-5)


ROBERTSON = {  # Mazzia & Magherini, Test Set for IVP Solvers, problem ROBER, t = 1e11
    "x": 0.2083340149701255e-07, "y": 0.8333360770334713e-13, "z": 0.9999999791665050,
}  # fmt: skip
VAN_DER_POL = {"u": 0.1706167732170483e01, "v": -0.8928097010247975}  # same, problem VDPOL, t = 2
HIRES = (  # same, problem HIRES, t = 321.8122
    0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
    0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
)  # fmt: skip


def test_robertson_against_the_ivp_test_set():
    result = simulate_many(robertson(), [], [1e11], control=Control(relative=1e-9, absolute=1e-20))
    for name, value in ROBERTSON.items():
        assert result[name].item() == pytest.approx(value, rel=1e-6), name


def test_robertson_at_forty():
    """Hairer and Wanner 1996, section IV.10; the state every stiff code prints."""
    result = simulate_many(robertson(), [], [40.0], control=Control(relative=1e-8, absolute=1e-14))
    for name, value in {"x": 0.7158, "y": 9.185e-6, "z": 0.2842}.items():
        assert result[name].item() == pytest.approx(value, rel=2e-4), name


def test_van_der_pol_against_the_ivp_test_set():
    result = simulate_many(van_der_pol(), [], [2.0], control=Control(relative=1e-9, absolute=1e-12, first_step=1e-6))
    for name, value in VAN_DER_POL.items():
        assert result[name].item() == pytest.approx(value, rel=1e-6), name


def test_hires_against_the_ivp_test_set():
    result = simulate_many(hires(), [], [321.8122], control=Control(relative=1e-9, absolute=1e-14))
    np.testing.assert_allclose(states(result)[0], HIRES, rtol=1e-6)


REGIMEN = Regimen.equal_fractions(
    8, 3, start=7,
    drug_doses=[DrugDose(drug=drug, mg=0.2, day=day) for drug in ("anti-PD-1", "anti-CTLA-4") for day in (7, 10, 13)],
)  # fmt: skip


@pytest.mark.parametrize("method", ["explicit", "rosenbrock"])
@pytest.mark.parametrize(
    "off", [{}, {"trex1": False}, {"treg": False}, {"lymphopenia": False, "mdsc": False}, {"sting": False}]
)
def test_dose_immune_model_against_lsoda(off, method):
    model, times = diw_model(switches=off), np.linspace(0, 60, 31)
    reference = simulate(model, REGIMEN, times, tolerance=Tolerance(relative=1e-10, absolute=1e-13))
    result = simulate_many(model, REGIMEN, times, control=Control(relative=1e-7, method=method))
    for name in reference.names:
        scale = np.abs(reference[name]) + 1e-3 * np.abs(reference[name]).max() + 1e-300
        assert (np.abs(result[name].values[0] - reference[name]) / scale).max() < 1e-5, name


def test_event_is_exact_on_both_sides():
    day = 1.3
    before, after = (
        simulate_many(decay(), [Event(day, "bolus", {"mg": 2.0})], [0.5, day, 2.0], side=side, control=TIGHT)
        for side in ("before", "after")
    )
    assert before.A.values[0, 1] == pytest.approx(np.exp(-0.5 * day), rel=1e-8)
    assert after.A.values[0, 1] == before.A.values[0, 1] + 2.0
    assert after.A.values[0, 2] == before.A.values[0, 2]
    assert after.half.values[0, 1] == after.A.values[0, 1] / 2


def test_events_together_at_the_start_and_at_the_end():
    course = [Event(0.0, "bolus", {"mg": 1.0}), Event(0.0, "kill", {"d": 2.0}), Event(3.0, "bolus", {"mg": 5.0})]
    result = simulate_many(decay(), course, [0.0, 3.0], side="after", control=TIGHT)
    at_start = 2.0 * np.exp(-0.6)
    np.testing.assert_allclose(result.A.values[0], [at_start, at_start * np.exp(-1.5) + 5], rtol=1e-8)
    np.testing.assert_allclose(result.final.values[0, 0], result.A.values[0, 1], rtol=0)


def test_short_infusion_approaches_a_bolus():
    """Richardson: the difference is proportional to the duration."""

    def end(duration):
        flow = [Event(1.0, "flow", {"flow_rate": 2.0 / duration}), Event(1.0 + duration, "flow", {"flow_rate": 0.0})]
        return simulate_many(decay(), flow, [3.0], control=TIGHT).A.item()

    bolus = simulate_many(decay(), [Event(1.0, "bolus", {"mg": 2.0})], [3.0], control=TIGHT).A.item()
    gaps = [end(duration) - bolus for duration in (1e-2, 1e-3, 1e-4)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.02)
    assert abs(gaps[2]) < 1e-4


@settings(max_examples=20, deadline=None)
@given(cut=st.floats(0.5, 59.5))
def test_splitting_a_run_gives_the_same_end(cut):
    model, control = diw_model(), Control(relative=1e-9)
    course = simulate_many(model, REGIMEN, [60.0], control=control)
    from abscopal.simulation.events import regimen_events

    events = regimen_events(model, REGIMEN)
    first = simulate_many(model, [e for e in events if e.day <= cut], [cut], control=control)
    rest = [e for e in events if e.day > cut]
    second = simulate_many(model, rest, [60.0], start=cut, initial=first.final.values, control=control)
    np.testing.assert_allclose(second.final.values, course.final.values, rtol=1e-6, atol=1e-9)


def test_summaries_against_a_fine_trajectory():
    model, control = diw_model(), Control(relative=1e-8)
    wanted = [
        Summary("V_0", "minimum"), Summary("V_0", "maximum"), Summary("V_0", "area"), Summary("V_0", "above", 200.0),
        Summary("V_0", "below", 10.0), Summary("V_1", "crossing", 100.0), Summary("V_0", "above", 1e9, label="never"),
        Summary("kill_0", "maximum"),
    ]  # fmt: skip
    kept = simulate_many(model, REGIMEN, [60.0], outputs=(), summaries=wanted, control=control)
    days = np.linspace(0, 60, 40_001)
    fine = simulate_many(model, REGIMEN, days, outputs=["V_0", "V_1", "kill_0"], side="after", control=control)
    V_0, V_1, kill = (fine[name].values[0] for name in ("V_0", "V_1", "kill_0"))
    step = days[1]
    assert kept.V_0_minimum.item() == pytest.approx(V_0.min(), rel=1e-6)
    assert kept.V_0_maximum.item() == pytest.approx(V_0.max(), rel=1e-6)
    assert kept.kill_0_maximum.item() == pytest.approx(kill.max(), rel=1e-6)
    assert kept.V_0_area.item() == pytest.approx(np.trapezoid(V_0, days), rel=2e-4)  # jumps smear the trapezoid
    assert 0 <= days[np.argmax(V_0 >= 200)] - kept.V_0_above.item() <= step
    assert 0 <= days[np.argmax(V_0 <= 10)] - kept.V_0_below.item() <= step
    assert 0 <= days[np.argmax(V_1 >= 100)] - kept.V_1_crossing.item() <= step
    assert kept.never.item() == np.inf


def test_summaries_of_a_decay_are_exact():
    k = np.array([0.1, 0.5, 2.0])
    wanted = [
        Summary("A", "area"), Summary("A", "below", np.array([0.9, 0.5, 0.1])), Summary("A", "minimum"),
        Summary("A", "above", 0.5, label="at_start"), Summary("half", "crossing", 0.25),
    ]  # fmt: skip
    control = Control(relative=1e-9, absolute=0.0, floor=0.0)
    result = simulate_many(decay(), [], [10.0], parameters={"k": k}, outputs=(), summaries=wanted, control=control)
    np.testing.assert_allclose(result.A_area, (1 - np.exp(-10 * k)) / k, rtol=1e-7)
    np.testing.assert_allclose(result.A_below, -np.log([0.9, 0.5, 0.1]) / k, rtol=1e-6)
    np.testing.assert_allclose(result.A_minimum, np.exp(-10 * k), rtol=1e-7)
    np.testing.assert_array_equal(result.at_start, [0, 0, 0])
    np.testing.assert_allclose(result.half_crossing, np.log(2) / k, rtol=1e-7)


@pytest.mark.parametrize("method", ["explicit", "rosenbrock"])
def test_infusions_and_transit_delays_against_lsoda(method):
    """Windows that overlap, one of them a minute long."""
    given = [Infusion("drip", 50.0, 0.5, 0.25), Infusion("drip", 20.0, 0.6, 2.0), Infusion("drip", 5.0, 4.0, 1 / 1440)]
    model, days = infused(), np.linspace(0, 12, 25)
    course = window_events(model, given)
    reference = simulate(model, course, days, tolerance=Tolerance(relative=1e-10, absolute=1e-12))
    result = simulate_many(model, course, days, control=Control(relative=1e-8, method=method))
    assert result.status.item() == 0
    for name in reference.names:
        scale = np.abs(reference[name]).max() + 1e-9
        assert (np.abs(result[name].values[0] - reference[name]) / scale).max() < 1e-6, name


def test_area_under_an_infusion_is_the_amount_over_the_clearance():
    wanted = [Summary("P", "area"), Summary("P", "maximum")]
    amounts = np.array([10.0, 50.0, 90.0])
    courses = [window_events(infused(), Infusion("drip", amount, 1.0, 0.5)) for amount in amounts]
    result = simulate_many(infused(), courses, [80.0], outputs=(), summaries=wanted, control=Control(relative=1e-9))
    np.testing.assert_allclose(result.P_area, amounts / 0.7, rtol=1e-6)
    np.testing.assert_allclose(result.P_maximum, amounts / 0.5 / 0.7 * (1 - np.exp(-0.35)), rtol=1e-7)


@pytest.mark.slow
def test_hundred_thousand_patients_with_summaries_fit_in_a_gigabyte_and_a_half():
    program = """
import resource
import numpy as np
from abscopal.domain.regimen import Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary
model = diw_model()
values = np.array(model.parameter_vector())
matrix = values * np.exp(0.2 * np.random.default_rng(1).standard_normal((100_000, len(values))))
wanted = [Summary(name, kind) for name in ("V_0", "V_1", "L") for kind in ("minimum", "maximum", "area")]
result = simulate_many(model, Regimen.equal_fractions(8, 3), [60.0], parameters=matrix, outputs=(), summaries=wanted)
assert (result.status == 0).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert float(done.stdout) < 1.5
