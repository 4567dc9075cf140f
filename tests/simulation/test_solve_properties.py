"""Properties of any solution: linear models, conservation, positivity, impulses, splitting, starting states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.regimen import Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.immune.model import diw_model
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate

TIGHT = Tolerance(1e-10, 1e-13)


def _linear(n: int) -> Model:
    """y' = A y with every entry a parameter, and an impulse that adds to the first state."""
    m = ModelBuilder("linear")
    y = [m.state(f"y{i}", "1", f"state {i}", initial=1, lower=None) for i in range(n)]
    for i in range(n):
        for j in range(n):
            m.rate(f"y{i}", f"from {j}", m.parameter(f"a_{i}_{j}", "1/day", "entry", value=0.0, minimum=None) * y[j])
    m.impulse("add", "added to the first", [Argument("d", "1", "amount")])
    m.update("add", "y0", y[0] + m["d"])
    return m.build()


LINEAR = _linear(3)


def _entries(seed: int, stiffness: float) -> tuple[np.ndarray, dict[str, float]]:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3, 3)) - np.diag(3 + rng.random(3) * 10**stiffness)
    return A, {f"a_{i}_{j}": float(A[i, j]) for i in range(3) for j in range(3)}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), stiffness=st.floats(0, 4), day=st.floats(0, 2), d=st.floats(0, 5))
def test_linear_models_with_an_impulse_against_matrix_exponentials(
    seed: int, stiffness: float, day: float, d: float
) -> None:
    A, values = _entries(seed, stiffness)
    event = [Event(day, "add", {"d": d})]
    course = simulate(LINEAR, event, [2.0], parameters=values, tolerance=TIGHT, side="after")
    at_event = expm(A * day) @ np.ones(3) + [d, 0, 0]
    assert course.values[-1] == pytest.approx(expm(A * (2 - day)) @ at_event, rel=1e-6, abs=1e-8)


def _network(seed: int) -> tuple[Model, np.ndarray]:
    """Random mass action among four species: A + B -> C + D and its kind; the total is conserved."""
    rng = np.random.default_rng(seed)
    m = ModelBuilder("mass action")
    species = [m.state(f"s{i}", "mol", f"species {i}", initial=float(rng.integers(0, 3))) for i in range(4)]
    for r in range(5):
        ins, outs = rng.integers(0, 4, 2), rng.integers(0, 4, 2)
        k = m.parameter(f"k{r}", "1/(mol*day)", f"reaction {r}", value=float(10 ** rng.uniform(-2, 3)))
        speed = k * species[ins[0]] * species[ins[1]]
        for place, (i, o) in enumerate(zip(ins, outs, strict=True)):
            m.rate(f"s{i}", f"reaction {r}, used {place}", -speed)
            m.rate(f"s{o}", f"reaction {r}, made {place}", speed)
    return m.build(), rng.uniform(0.01, 5, 6).cumsum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mass_action_is_conserved_and_never_negative(seed: int) -> None:
    model, times = _network(seed)
    course = simulate(model, [], times, tolerance=Tolerance(1e-8, 1e-12))
    assert course.status == "ok"
    total = sum(float(state.initial) for state in model.states)
    assert course.values.sum(axis=1) == pytest.approx(total, rel=1e-7, abs=1e-10)
    assert (course.values >= 0).all()
    assert course.stats["largest rounding below a limit"] <= 1e-6 * max(total, 1)


@settings(max_examples=20, deadline=None)
@given(day=st.floats(0.01, 1.9), d=st.floats(0, 100), seed=st.integers(0, 100))
def test_outputs_just_before_and_just_after_an_impulse(day: float, d: float, seed: int) -> None:
    A, values = _entries(seed, 1.0)
    both = simulate(LINEAR, [Event(day, "add", {"d": d})], [day, 2.0], parameters=values, side="both", tolerance=TIGHT)
    assert both.t.tolist() == [day, day, 2.0]
    assert both.values[0] == pytest.approx(expm(A * day) @ np.ones(3), rel=1e-7, abs=1e-9)
    assert (both.values[1] - both.values[0])[1:].tolist() == [0.0, 0.0]
    assert both["y0"][1] == both["y0"][0] + d  # to the last bit
    for side, row in (("before", 0), ("after", 1)):
        one = simulate(LINEAR, [Event(day, "add", {"d": d})], [day, 2.0], parameters=values, side=side, tolerance=TIGHT)
        assert one.values[0].tolist() == both.values[row].tolist()


@settings(max_examples=15, deadline=None)
@given(split=st.one_of(st.floats(0.5, 33.5), st.sampled_from([12.0, 14.0])))
def test_splitting_a_run_at_any_time_gives_the_same_end(split: float) -> None:
    model = diw_model()
    fractions = [Event(day, "fraction", {"d_0": 8.0}) for day in (12.0, 13.0, 14.0)]
    whole = simulate(model, fractions, [34.0], tolerance=Tolerance(1e-9, 1e-12))
    first = simulate(
        model, [e for e in fractions if e.day <= split], [split], side="after", tolerance=Tolerance(1e-9, 1e-12)
    )
    second = simulate(
        model, [e for e in fractions if e.day > split], [34.0], start=split,
        initial={state.name: first[state.name][-1] for state in model.states}, tolerance=Tolerance(1e-9, 1e-12),
    )  # fmt: skip
    assert second.values == pytest.approx(whole.values, rel=1e-6, abs=1e-9)


def test_time_of_day_does_not_matter_to_equations_without_time() -> None:
    model = diw_model()
    early = simulate(model, Regimen.equal_fractions(8, 3), [20.0], tolerance=Tolerance(1e-9, 1e-12))
    late = simulate(
        model, Regimen.equal_fractions(8, 3, start=500), [520.0], start=500.0, tolerance=Tolerance(1e-9, 1e-12)
    )
    assert late.values == pytest.approx(early.values, rel=1e-6, abs=1e-10)


def test_initial_states_replace_those_of_the_model() -> None:
    course = simulate(LINEAR, [], [0.0, 1.0], initial={"y1": 4.0})
    assert course.values.tolist() == [[1, 4, 1], [1, 4, 1]]
    with pytest.raises(InputError, match="'y1'"):
        simulate(LINEAR, [], [1.0], initial={"y11": 4.0})
    with pytest.raises(ModelError, match="y1 = nan"):
        simulate(LINEAR, [], [1.0], initial={"y1": float("nan")})


def test_initial_states_that_parameters_push_below_the_limit_are_refused_naming_them() -> None:
    m = ModelBuilder("difference")
    a, b = m.parameter("a", "mg", "all", value=2.0), m.parameter("b", "mg", "bound", value=1.0)
    m.state("free", "mg", "what is left", initial=a - b)
    model = m.build()
    assert simulate(model, [], [0.0])["free"].tolist() == [1.0]
    with pytest.raises(ModelError, match="free = -1"):
        simulate(model, [], [1.0], parameters={"b": 3.0})
    with pytest.raises(ModelError, match="free = -1"):
        simulate(model, [], [1.0], initial={"free": -1.0})


@pytest.mark.parametrize("horizon", [1.0, float("nan"), float("inf")])
def test_horizon_before_the_last_day_or_not_finite_is_refused(horizon: float) -> None:
    with pytest.raises(InputError, match="choosing the horizon"):
        simulate(LINEAR, [], [2.0], horizon=horizon)


@pytest.mark.parametrize(
    "wrong", [{"relative": 0.0}, {"relative": float("nan")}, {"absolute": -1.0}, {"negative": float("inf")}]
)
def test_tolerances_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Tolerance(**wrong)


@pytest.mark.parametrize("gap", [5e-324, 1e-20, 1e-15, 1e-13, 1e-12, 1e-9])
def test_events_and_outputs_however_close_are_solved(gap: float) -> None:
    _, values = _entries(1, 3.0)
    events = [Event(0.0, "add", {"d": 1.0}), Event(gap, "add", {"d": 1.0})]
    close = simulate(LINEAR, events, [gap, 1.0], parameters=values, tolerance=TIGHT)
    together = simulate(LINEAR, [Event(0.0, "add", {"d": 2.0})], [1.0], parameters=values, tolerance=TIGHT)
    assert close.status == "ok"
    assert close["y0"][0] == pytest.approx(2.0, rel=1e-5)
    assert close.values[1] == pytest.approx(together.values[0], rel=1e-5, abs=1e-9)
