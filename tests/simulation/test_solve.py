import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from abscopal.domain.errors import ConvergenceError, InputError, ModelError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import require_ok, simulate


def _chain() -> Model:
    """A drug passing from A to B and out."""
    m = ModelBuilder("chain")
    k, q = m.parameter("k", "1/day", "first", value=0.8), m.parameter("q", "1/day", "second", value=0.3)
    A, B = m.state("A", "mg", "a", initial=1), m.state("B", "mg", "b", initial=0)
    m.rate("A", "out", -k * A)
    m.rate("B", "in", k * A)
    m.rate("B", "out", -q * B)
    m.quantity("total", "mg", "sum", A + B)
    m.impulse("give", "bolus", [Argument("mg", "mg", "amount", source="amount")], trigger="drug:thing")
    m.update("give", "A", A + m["mg"])
    m.impulse("halve", "fraction", [Argument("d", "Gy", "dose", source="dose")], trigger="fraction")
    D = m.parameter("D", "Gy", "halving dose", value=1.0)
    m.update("halve", "B", B / (1 + m["d"] / D))
    return m.build()


CHAIN = _chain()
MATRIX = np.array([[-0.8, 0.0], [0.8, -0.3]])


def test_linear_model_against_the_matrix_exponential() -> None:
    times = np.array([0.0, 0.3, 2.0, 11.0])
    course = simulate(CHAIN, [], times)
    exact = np.array([expm(MATRIX * t) @ [1.0, 0.0] for t in times])
    assert course.values[:, :2] == pytest.approx(exact, rel=2e-5, abs=1e-8)
    assert course["total"] == pytest.approx(course["A"] + course["B"])
    assert course.units == ("mg", "mg", "mg")


def test_values_just_before_and_just_after_an_impulse() -> None:
    event = [Event(2.0, "give", {"mg": 5.0})]
    before, after = (simulate(CHAIN, event, [2.0], side=side)["A"][0] for side in ("before", "after"))
    assert before == pytest.approx(np.exp(-1.6), rel=1e-5)
    assert after == pytest.approx(before + 5.0, rel=1e-9)
    both = simulate(CHAIN, [*event, Event(2.0, "give", {"mg": 1.0})], [1.0, 2.0, 3.0], side="both")
    assert both.t.tolist() == [1.0, 2.0, 2.0, 3.0]
    assert both["A"][2] - both["A"][1] == pytest.approx(6.0)


def test_impulse_at_the_start_and_at_the_end() -> None:
    events = [Event(0.0, "give", {"mg": 1.0}), Event(4.0, "give", {"mg": 1.0})]
    course = simulate(CHAIN, events, [0.0, 4.0], side="both")
    assert course["A"] == pytest.approx([1, 2, 2 * np.exp(-3.2), 1 + 2 * np.exp(-3.2)], rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(split=st.floats(0.1, 9.9), dose=st.floats(0.0, 10.0))
def test_looking_in_between_changes_nothing(split: float, dose: float) -> None:
    events = [Event(5.0, "give", {"mg": dose})]
    whole = simulate(CHAIN, events, [10.0])
    split_up = simulate(CHAIN, events, sorted({split, 10.0}))
    assert split_up.values[-1] == pytest.approx(whole.values[-1], rel=2e-5, abs=1e-8)


def test_regimen_becomes_events_with_fractions_first_on_one_day() -> None:
    regimen = Regimen(
        fraction_days=(1.0, 2.0), fraction_doses=(2.0, 3.0), drug_doses=(DrugDose(drug="thing", mg=4, day=1.0),)
    )
    events = regimen_events(CHAIN, regimen)
    assert [(event.day, event.impulse, dict(event.arguments)) for event in events] == [
        (1.0, "halve", {"d": 2.0}), (1.0, "give", {"mg": 4.0}), (2.0, "halve", {"d": 3.0}),
    ]  # fmt: skip
    assert simulate(CHAIN, regimen, [3.0]).values == pytest.approx(simulate(CHAIN, events, [3.0]).values)


def test_unknown_drug_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="'thing'"):
        simulate(CHAIN, Regimen(drug_doses=(DrugDose(drug="thin", mg=1, day=0),)), [1.0])


def test_event_before_the_start_is_refused() -> None:
    with pytest.raises(InputError, match="before the start on day 0"):
        simulate(CHAIN, [Event(-1.0, "give", {"mg": 1.0})], [1.0])


def test_regimen_longer_than_the_horizon_is_refused_in_four_parts() -> None:
    with pytest.raises(InputError, match="after the horizon on day 10") as caught:
        simulate(CHAIN, [Event(30.0, "give", {"mg": 1.0})], [10.0])
    assert set(caught.value.parts()) == {"error", "doing", "found", "expected", "try"}
    assert simulate(CHAIN, [Event(30.0, "give", {"mg": 1.0})], [10.0], horizon=40).status == "ok"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event(1.0, "gift", {}), "'give'"),
        (Event(1.0, "give", {"g": 1.0}), "'mg'"),
        (Event(1.0, "give", {"mg": -1.0}), "not negative"),
        (Event(1.0, "give", {"mg": float("nan")}), "not negative"),
        (Event(float("nan"), "give", {"mg": 1.0}), "horizon"),
    ],
)
def test_bad_events_are_refused(event: Event, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(CHAIN, [event], [2.0])


@pytest.mark.parametrize("times", [[], [1.0, 1.0], [2.0, 1.0], [-1.0], [float("nan")]])
def test_bad_times_are_refused(times: list[float]) -> None:
    with pytest.raises(InputError, match="days to report"):
        simulate(CHAIN, [], times)


def test_model_without_radiation_refuses_fractions() -> None:
    m = ModelBuilder("drug only")
    m.state("A", "mg", "a", initial=1)
    with pytest.raises(InputError, match="no impulse for a fraction"):
        simulate(m.build(), Regimen.equal_fractions(2, 1), [1.0])


def _runaway(lower: float | None = 0.0, *, sink: bool = False) -> Model:
    m = ModelBuilder("runaway")
    k = m.parameter("k", "1/(mg*day)", "growth", value=1.0)
    s = m.parameter("s", "mg/day", "sink", value=1.0)
    A = m.state("A", "mg", "a", initial=1, lower=lower)
    m.rate("A", "grows without limit" if not sink else "constant loss", -s if sink else k * A**2)
    return m.build()


def test_a_run_that_fails_says_so_and_gives_no_numbers() -> None:
    course = simulate(_runaway(), [], [0.5, 2.0])  # infinite at day 1
    assert course.status.startswith("stopped between day 0 and day 2")
    assert np.isnan(course["A"]).all()
    with pytest.raises(ConvergenceError, match="stopped between"):
        require_ok(course, "testing")


def test_a_state_that_falls_below_its_limit_is_not_clipped_silently() -> None:
    course = simulate(_runaway(sink=True), [], [0.5, 1.5])
    assert "A fell to -0.5 on day 1.5" in course.status
    free = simulate(_runaway(lower=None, sink=True), [], [0.5, 1.5])
    assert free.status == "ok"
    assert free["A"] == pytest.approx([0.5, -0.5])


def test_rounding_below_zero_is_set_to_zero() -> None:
    course = simulate(CHAIN, [], np.linspace(0, 400, 50))
    assert course.status == "ok"
    assert (course.values >= 0).all()
    assert 0 <= course.stats["largest rounding below a limit"] < 1e-6


def test_stiff_robertson_problem_against_radau() -> None:
    m = ModelBuilder("Robertson")
    a, b, c = (m.parameter(n, "1/day", n, value=v) for n, v in (("a", 0.04), ("b", 1e4), ("c", 3e7)))
    x, y, z = (m.state(n, "1", n, initial=v) for n, v in (("x", 1), ("y", 0), ("z", 0)))
    m.rate("x", "r", -a * x + b * y * z)
    m.rate("y", "r", a * x - b * y * z - c * y**2)
    m.rate("z", "r", c * y**2)
    course = simulate(m.build(), [], [0.4, 40.0, 4000.0], tolerance=Tolerance(1e-9, 1e-13))

    def rates(_t: float, u: np.ndarray) -> list[float]:
        slow, fast, pair = 0.04 * u[0], 1e4 * u[1] * u[2], 3e7 * u[1] ** 2
        return [-slow + fast, slow - fast - pair, pair]

    oracle = solve_ivp(rates, (0, 4000), [1, 0, 0], "Radau", [0.4, 40, 4000], rtol=1e-10, atol=1e-14)
    assert course.values == pytest.approx(oracle.y.T, rel=1e-6)
    assert course.values.sum(axis=1) == pytest.approx(1.0, rel=1e-9)


def test_tighter_tolerance_reaches_the_same_answer() -> None:
    loose, tight = (simulate(CHAIN, [], [5.0], tolerance=Tolerance(relative=r)).values for r in (1e-6, 1e-10))
    assert loose == pytest.approx(tight, rel=1e-5)


def test_a_zero_where_an_equation_divides_is_refused_naming_it() -> None:
    m = ModelBuilder("logistic")
    K, g = m.parameter("K", "mg", "capacity", value=0.0), m.parameter("g", "1/day", "growth", value=0.0)
    A = m.state("A", "mg", "a", initial=1)
    m.rate("A", "growth", g * A * (1 - A / K))
    with pytest.raises(ModelError, match="zero: K, g"):
        simulate(m.build(), [], [1.0])


def test_an_impulse_below_the_limit_stops_the_run() -> None:
    m = ModelBuilder("overdrawn")
    A = m.state("A", "mg", "a", initial=1)
    m.impulse("take", "removal", [Argument("mg", "mg", "amount")])
    m.update("take", "A", A - m["mg"])
    model = m.build()
    fine = simulate(model, [Event(1.0, "take", {"mg": 0.5})], [2.0])
    assert fine["A"] == pytest.approx([0.5])
    gone = simulate(model, [Event(1.0, "take", {"mg": 3.0})], [0.5, 2.0])
    assert gone.status == "stopped at take on day 1: A fell to -2 on day 1"
    assert gone["A"][0] == 1
    assert np.isnan(gone["A"][1])
