"""Infusions and beam-on times as rate windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.radiobiology.survival import dose_rate_log_kill, lea_catcheside, lq_log_kill
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from abscopal.simulation.windows import Infusion, window_events, windowed_regimen


def _drip() -> Model:
    """A drug that is infused into A and eliminated, and all that was given."""
    m = ModelBuilder("drip")
    k = m.parameter("k", "1/day", "elimination", value=0.8)
    A = m.state("A", "mg", "amount", initial=0)
    m.state("given", "mg", "given so far", initial=0)
    rate = m.infusion("drip", "A", "infusion", drug="thing")
    m.rate("given", "infusion", rate)
    m.rate("A", "elimination", -k * A)
    m.impulse("bolus", "bolus", [Argument("mg", "mg", "amount", source="amount")], trigger="drug:other")
    m.update("bolus", "A", A + m["mg"])
    return m.build()


DRIP = _drip()
TIGHT = Tolerance(1e-10, 1e-13)


def _infused(amount: float, begin: float, duration: float, t: float, k: float = 0.8) -> float:
    """Amount left of a constant infusion into one compartment."""
    on = min(max(t - begin, 0.0), duration)
    return amount / duration / k * -np.expm1(-k * on) * np.exp(-k * max(t - begin - duration, 0.0))


def test_window_is_a_state_and_two_impulses() -> None:
    assert [state.name for state in DRIP.states] == ["A", "given", "drip"]
    assert DRIP.states[2].unit == "mg/day"
    assert [impulse.name for impulse in DRIP.impulses] == ["drip_start", "drip_stop", "bolus"]
    assert DRIP.window("drip").trigger == "drug:thing"
    with pytest.raises(InputError, match="'drip'"):
        DRIP.window("trip")


@settings(max_examples=25, deadline=None)
@given(amount=st.floats(0, 1e4), begin=st.floats(0, 5), duration=st.floats(1e-6, 20), at=st.floats(0, 30))
def test_infusion_against_the_closed_form_and_its_whole_amount_arrives(
    amount: float, begin: float, duration: float, at: float
) -> None:
    times = sorted({at, 30.0})
    course = simulate(DRIP, window_events(DRIP, Infusion("drip", amount, begin, duration)), times, tolerance=TIGHT)
    assert course.status == "ok"
    exact = [_infused(amount, begin, duration, t) for t in times]
    assert course["A"] == pytest.approx(exact, rel=1e-7, abs=1e-8 * amount + 1e-10)
    assert course["given"][-1] == pytest.approx(amount, rel=1e-8, abs=1e-11)
    assert course["drip"][-1] == pytest.approx(0, abs=1e-14 * amount / duration)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 8), st.floats(0.01, 6)), min_size=2, max_size=5),
)
def test_overlapping_infusions_add(rows: list[tuple[float, float, float]]) -> None:
    infusions = [Infusion("drip", *row) for row in rows]
    course = simulate(DRIP, window_events(DRIP, infusions), [4.0, 20.0], tolerance=TIGHT)
    assert course.status == "ok"
    exact = [sum(_infused(*row, t) for row in rows) for t in (4.0, 20.0)]
    total = sum(row[0] for row in rows)
    assert course["A"] == pytest.approx(exact, rel=1e-7, abs=1e-8 * total + 1e-10)
    assert course["given"][-1] == pytest.approx(total, rel=1e-8, abs=1e-10)


def test_rate_just_before_and_just_after_start_and_stop() -> None:
    events = window_events(DRIP, Infusion("drip", 6.0, 1.0, 2.0))
    before, after = (simulate(DRIP, events, [1.0, 2.0, 3.0], side=side)["drip"] for side in ("before", "after"))
    assert before.tolist() == [0.0, 3.0, 3.0]
    assert after.tolist() == [3.0, 3.0, 0.0]


def test_infusion_tends_to_a_bolus_as_it_gets_shorter() -> None:
    bolus = simulate(DRIP, [Event(1.0, "bolus", {"mg": 10.0})], [3.0], tolerance=TIGHT)["A"][0]
    errors = []
    for duration in (0.1, 0.01, 0.001, 1e-6):
        events = window_events(DRIP, Infusion("drip", 10.0, 1.0, duration))
        errors.append(abs(simulate(DRIP, events, [3.0], tolerance=TIGHT)["A"][0] - bolus) / bolus)
    assert errors[:3] == pytest.approx([0.8 * d / 2 for d in (0.1, 0.01, 0.001)], rel=0.05)  # first order
    assert errors[3] < 1e-6


def test_infusion_that_crosses_the_horizon_is_refused_or_cut_there() -> None:
    infusion = Infusion("drip", 8.0, 8.0, 4.0)
    with pytest.raises(InputError, match=r"placing drip_stop in time.*day 12, after the horizon on day 10"):
        simulate(DRIP, window_events(DRIP, infusion), [10.0])
    cut = simulate(DRIP, window_events(DRIP, infusion, until=10.0), [10.0])
    assert cut["given"] == pytest.approx([4.0])  # the same rate for half the time
    whole = window_events(DRIP, infusion, until=12.0)
    assert whole == window_events(DRIP, infusion)
    with pytest.raises(InputError, match="start on day 8"):
        window_events(DRIP, infusion, until=8.0)


def test_infusion_before_the_start_is_refused() -> None:
    with pytest.raises(InputError, match=r"drip_start.*before the start on day 0"):
        simulate(DRIP, window_events(DRIP, Infusion("drip", 8.0, -1.0, 4.0)), [10.0])


@pytest.mark.parametrize(
    ("infusion", "named"),
    [
        (Infusion("drip", -1.0, 0.0, 1.0), "an amount of -1"),
        (Infusion("drip", float("nan"), 0.0, 1.0), "an amount of nan"),
        (Infusion("drip", float("inf"), 0.0, 1.0), "an amount of inf"),
        (Infusion("drip", 1.0, 0.0, 0.0), "a duration of 0"),
        (Infusion("drip", 1.0, 0.0, -1.0), "a duration of -1"),
        (Infusion("drip", 1.0, 0.0, float("nan")), "a duration of nan"),
        (Infusion("drip", 1.0, 0.0, float("inf")), "a duration of inf"),
        (Infusion("drip", 1.0, 1e6, 1e-12), "a duration of 1e-12"),  # ends when it begins, in floating point
        (Infusion("trip", 1.0, 0.0, 1.0), "'drip'"),
    ],
)
def test_infusions_that_mean_nothing_are_refused(infusion: Infusion, named: str) -> None:
    with pytest.raises(InputError, match=named):
        window_events(DRIP, infusion)


def test_regimen_with_an_infused_drug_and_a_bolus_of_another() -> None:
    regimen = Regimen(
        drug_doses=(
            DrugDose(drug="thing", mg=6, day=1),
            DrugDose(drug="other", mg=2, day=1),
            DrugDose(drug="thing", mg=6, day=2),
        )
    )
    events = windowed_regimen(DRIP, regimen, infusion_min={"thing": 30})
    assert sorted((event.day, event.impulse) for event in events) == [
        (1, "bolus"), (1, "drip_start"), (1 + 1 / 48, "drip_stop"), (2, "drip_start"), (2 + 1 / 48, "drip_stop"),
    ]  # fmt: skip
    course = simulate(DRIP, events, [5.0], tolerance=TIGHT)
    exact = 2 * np.exp(-3.2) + _infused(6, 1, 1 / 48, 5) + _infused(6, 2, 1 / 48, 5)
    assert course["A"] == pytest.approx([exact], rel=1e-8)
    with pytest.raises(InputError, match="'drug:thing'"):
        windowed_regimen(DRIP, regimen, infusion_min={"thin": 30})
    with pytest.raises(InputError, match="looking for a rate window"):
        windowed_regimen(DRIP, regimen, infusion_min={"other": 30})
    with pytest.raises(InputError, match="setting infusion times"):
        windowed_regimen(DRIP, regimen.without_drugs(), infusion_min={"thing": 30})


def test_switching_a_mechanism_off_removes_its_window() -> None:
    m = ModelBuilder("switched")
    A = m.state("A", "mg", "amount", initial=1)
    k = m.parameter("k", "1/day", "elimination", value=1)
    m.rate("A", "elimination", -k * A)
    with m.mechanism("drug", switch="drug"):
        m.infusion("drip", "A", "infusion")
    off = m.build().with_switches(drug=False)
    assert (off.windows, off.impulses, [state.name for state in off.states]) == ((), (), ["A"])


def test_infusion_into_a_concentration_with_a_bioavailability() -> None:
    m = ModelBuilder("concentration")
    V, F = m.parameter("V", "L", "volume", value=4.0), m.parameter("F", "1", "bioavailability", value=0.5)
    m.state("c", "mg/L", "concentration", initial=0)
    m.infusion("drip", "c", "infusion", unit="mg", share=F / V)
    model = m.build()
    course = simulate(model, window_events(model, Infusion("drip", 80.0, 0.0, 2.0)), [3.0])
    assert course["c"] == pytest.approx([10.0], rel=1e-6)


ALPHA, BETA, MU = 0.3, 0.03, np.log(2) * 24 / 1.5  # repair half-time of 1.5 h, for the test only


def _lesions() -> Model:
    """Linear-quadratic kill at any dose rate, and the same as an impulse."""
    m = ModelBuilder("unrepaired lesions")
    alpha, beta = m.parameter("alpha", "1/Gy", "alpha", value=ALPHA), m.parameter("beta", "1/Gy**2", "beta", value=BETA)
    mu = m.parameter("mu", "1/day", "repair rate", value=MU)
    U = m.state("U", "Gy", "dose not repaired yet", initial=0)
    E = m.state("E", "1", "log kill", initial=0)
    R = m.rate_window("R", "Gy", "dose rate", trigger="fraction")
    m.rate("U", "dose", R)
    m.rate("U", "repair", -mu * U)
    m.rate("E", "single hits", alpha * R)
    m.rate("E", "pairs", 2 * beta * R * U)
    m.impulse("fraction", "fraction", [Argument("d", "Gy", "dose", source="dose")], trigger="fraction")
    d = m["d"]
    m.update("fraction", "E", E + alpha * d + beta * d**2 + 2 * beta * d * U)
    m.update("fraction", "U", U + d)
    return m.build()


LESIONS = _lesions()


@settings(max_examples=25, deadline=None)
@given(dose=st.floats(0.1, 30), hours=st.floats(1e-3, 24))
def test_log_kill_of_one_exposure_against_lea_and_catcheside(dose: float, hours: float) -> None:
    duration = hours / 24
    events = window_events(LESIONS, Infusion("R", dose, 0.5, duration))
    found = simulate(LESIONS, events, [3.0], tolerance=TIGHT)["E"][0]
    assert found == pytest.approx(lq_log_kill(dose, ALPHA, BETA, float(lea_catcheside(duration, MU))), rel=1e-7)


def test_fractions_of_different_beam_on_times_against_the_piecewise_closed_form() -> None:
    regimen = Regimen(fraction_days=(0.0, 0.25, 1.0), fraction_doses=(2.0, 3.0, 8.0))
    minutes = [5.0, 20.0, 90.0]
    events = windowed_regimen(LESIONS, regimen, beam_on_s=[60 * m for m in minutes])
    found = simulate(LESIONS, events, [2.0], tolerance=TIGHT)
    on = [m / 1440 for m in minutes]
    spans = [on[0], 0.25 - on[0], on[1], 0.75 - on[1], on[2]]
    rates = [2 / on[0], 0, 3 / on[1], 0, 8 / on[2]]
    assert found["E"][0] == pytest.approx(dose_rate_log_kill(spans, rates, ALPHA, BETA, MU), rel=1e-8)


def test_dose_rate_limit_is_the_impulse() -> None:
    regimen = Regimen.equal_fractions(8, 3, interval=0.25)
    sudden = simulate(LESIONS, regimen, [2.0], tolerance=TIGHT)["E"][0]
    errors = []
    for seconds in (6000.0, 600.0, 60.0, 0.01):
        slow = simulate(LESIONS, windowed_regimen(LESIONS, regimen, beam_on_s=seconds), [2.0], tolerance=TIGHT)["E"][0]
        errors.append(abs(slow / sudden - 1))
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)  # first order in the beam-on time
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-6
    exact = dose_rate_log_kill([1e-9, 0.25, 1e-9, 0.25, 1e-9], [8e9, 0, 8e9, 0, 8e9], ALPHA, BETA, MU)
    assert sudden == pytest.approx(exact, rel=1e-6)


def test_beam_on_times_are_one_for_all_or_one_each() -> None:
    regimen = Regimen.equal_fractions(2, 3)
    with pytest.raises(InputError, match="2 times for 3 fractions"):
        windowed_regimen(LESIONS, regimen, beam_on_s=[60.0, 60.0])
    with pytest.raises(InputError, match="looking for a rate window"):
        windowed_regimen(DRIP, regimen, beam_on_s=60.0)
    one_for_all = windowed_regimen(LESIONS, regimen, beam_on_s=60)
    assert one_for_all == windowed_regimen(LESIONS, regimen, beam_on_s=np.array([60.0, 60.0, 60.0]))
    assert windowed_regimen(LESIONS, regimen) == tuple(
        Event(float(day), "fraction", {"d": 2.0}) for day in range(3)
    )  # without a time fractions stay impulses
