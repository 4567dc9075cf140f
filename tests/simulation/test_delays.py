"""Delay differential equations against solutions by the method of steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import ModelError, UnsupportedError
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.symbolic import symbol
from abscopal.simulation.dataset import describe
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.solve import simulate
from abscopal.simulation.summaries import Summary


def lagged(history=None, **lag):
    """y' = -k·y(t - τ)."""
    m = ModelBuilder("lagged")
    k = m.parameter("k", "1/day", "rate", value=1.0)
    tau = m.parameter("tau", "day", "lag", value=lag.get("tau", 1.0))
    y = m.state("y", "1", "state", initial=1.0, lower=None)
    was = m.delayed("was", "1", "what it was", y, tau, history=history)
    m.rate("y", "loss", -k * was)
    m.quantity("shown", "1", "the past, doubled", 2 * was)
    m.impulse("add", "addition", [Argument("more", "1", "amount")])
    m.update("add", "y", y + m["more"])
    return m.build()


def by_steps(t, k, tau):
    """Σ (-k)ⁿ(t - (n-1)τ)ⁿ/n! over n with t > (n-1)τ: y = 1 before 0."""
    total, factorial = 1.0, 1.0
    for n in range(1, 60):
        if t <= (n - 1) * tau:
            break
        factorial *= n
        total += (-k) ** n * (t - (n - 1) * tau) ** n / factorial
    return total


@settings(max_examples=20, deadline=None)
@given(k=st.floats(0.1, 2.0), tau=st.floats(0.2, 2.0))
def test_linear_delay_equation_against_its_series(k, tau):
    days = np.linspace(0, 6, 13)
    found = simulate(lagged(), [], days, parameters={"k": k, "tau": tau})
    assert found.status == "ok"
    np.testing.assert_allclose(found["y"], [by_steps(t, k, tau) for t in days], atol=2e-7)
    shown = [2 * by_steps(max(t - tau, 0.0), k, tau) for t in days]
    np.testing.assert_allclose(found["shown"], shown, atol=4e-7)


def test_history_before_the_start():
    # y' = -y(t - 1) with y = t before 0: y = 1 - ((t-1)² - 1)/2 up to day 1
    history = TIME * ModelBuilder("units").parameter("one", "1/day", "unit")
    m = ModelBuilder("with history")
    one = m.parameter("one", "1/day", "unit", value=1.0)
    y = m.state("y", "1", "state", initial=1.0, lower=None)
    m.rate("y", "loss", -one * m.delayed("was", "1", "past", y, 1.0, history=history))
    days = np.linspace(0, 1, 5)
    np.testing.assert_allclose(simulate(m.build(), [], days)["y"], 1 - ((days - 1) ** 2 - 1) / 2, atol=1e-9)


def test_an_impulse_comes_back_after_the_lag():
    days = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    plain = simulate(lagged(), [], days)["y"]
    moved = simulate(lagged(), [Event(1.25, "add", {"more": 0.5})], days)["y"]
    first = days <= 2.25  # until the addition itself is felt, it only shifts the state
    np.testing.assert_allclose((moved - plain)[first], np.where(days >= 1.25, 0.5, 0)[first], atol=1e-8)
    assert abs((moved - plain)[-1] - (0.5 - 0.5 * (3.0 - 2.25))) < 1e-8


def test_logistic_with_delay_settles_or_oscillates_as_theory_says():
    """Hutchinson's equation: stable for r·τ < π/2, a limit cycle above."""
    m = ModelBuilder("Hutchinson")
    r = m.parameter("r", "1/day", "rate", value=1.0)
    N = m.state("N", "1", "cells", initial=0.5)
    m.rate("N", "growth", r * N * (1 - m.delayed("then", "1", "past", N, 1.0)))
    model, late = m.build(), np.linspace(150, 200, 400)
    calm = simulate(model, [], late, parameters={"r": 1.4})["N"]
    wild = simulate(model, [], late, parameters={"r": 1.8})["N"]
    assert np.ptp(calm) < 0.05
    assert np.ptp(wild) > 1.0


def test_two_lags_against_a_transit_free_sum():
    """Amount = dose that entered between t - τ₂ and t - τ₁, for a constant inflow."""
    m = ModelBuilder("pipeline")
    flow = m.parameter("flow", "mg/day", "inflow", value=3.0)
    G = m.state("G", "mg", "given so far", initial=0.0)
    m.rate("G", "inflow", flow)
    first = m.delayed("first", "mg", "after the first lag", G, 1.0, history=0)
    second = m.delayed("second", "mg", "after the second lag", G, m.parameter("b", "day", "lag", value=2.5), history=0)
    m.quantity("inside", "mg", "between", first - second)
    days = np.array([0.5, 1.5, 3.0, 4.0])
    found = simulate(m.build(), [], days)
    np.testing.assert_allclose(found["inside"], 3 * (np.maximum(days - 1, 0) - np.maximum(days - 2.5, 0)), atol=1e-9)


def test_what_delays_may_not_be():
    m = ModelBuilder("zero")
    m.delayed("was", "1", "past", m.state("y", "1", "state", initial=1.0), 0)
    with pytest.raises(ModelError, match="lag of 0"):
        m.build()
    with pytest.raises(ModelError, match="lag of was"):
        simulate(lagged(), [], [1.0], parameters={"tau": 0.0})
    m = ModelBuilder("a past that needs itself")
    y = m.state("y", "1", "state", initial=1.0)
    sums = m.quantity("sums", "1", "sum", y + symbol("was"))
    m.delayed("was", "1", "past of the sum", sums, 1.0)
    with pytest.raises(ModelError, match="needs itself"):
        m.build()
    m = ModelBuilder("wrong unit")
    y = m.state("y", "mg", "state", initial=1.0)
    m.delayed("was", "mL", "past", y, 1.0)
    with pytest.raises(ModelError, match="was is the past of"):
        m.build()


def test_the_past_of_a_past_and_of_what_holds_one():
    m = ModelBuilder("nested")
    y = m.state("y", "1", "state", initial=1.0)
    m.rate("y", "growth", m.parameter("k", "1/day", "rate", value=2.0))
    was = m.delayed("was", "1", "a day ago", y, 1.0)
    before = m.delayed("before", "1", "a day before that", was, 1.5)
    both = m.quantity("both", "1", "sum", y + was)
    m.quantity("out", "1", "twice past", before)
    m.quantity("out_both", "1", "past sum", m.delayed("were", "1", "sum half a day ago", both, 0.5))
    course = simulate(m.build(), [], [0.0, 0.75, 1.25, 2.0, 3.0, 4.0])
    t = course.t
    y_at = lambda s: 1 + 2 * np.maximum(s, 0)  # noqa: E731
    np.testing.assert_allclose(course["out"], y_at(t - 2.5), atol=1e-9)
    np.testing.assert_allclose(course["out_both"], y_at(t - 0.5) + y_at(t - 1.5), atol=1e-9)


def test_many_patients_one_by_one_with_their_own_lags_starts_and_courses():
    days, tau = np.array([0.5, 2.0, 3.5]), np.array([0.5, 1.0, 1.7])
    courses = [[], [Event(1.0, "add", {"more": 0.5}), Event(3.4, "add", {"more": 0.1})], []]
    given = {"parameters": {"tau": tau}, "initial": {"y": np.array([1.0, 1.0, 2.0])}, "horizon": 4.0}
    found = simulate_many(lagged(), courses, days, **given)
    assert found.status.values.tolist() == [5, 5, 5]
    np.testing.assert_allclose(found.y[0], [by_steps(t, 1.0, 0.5) for t in days], atol=1e-6)
    for k, start in ((1, 1.0), (2, 2.0)):
        alone = simulate(lagged(), courses[k], days, parameters={"tau": tau[k]}, initial={"y": start}, horizon=4.0)
        np.testing.assert_allclose(found.y[k], alone["y"], atol=1e-7)
        np.testing.assert_allclose(found.shown[k], alone["shown"], atol=1e-7)
        assert found.final.values[k, 0] == pytest.approx(alone["y"][-1], abs=1e-7)


def test_summaries_and_sensitivities_need_a_kernel():
    for asked in ({"summaries": [Summary("y", "minimum")]}, {"sensitivities": ["k"]}):
        with pytest.raises(UnsupportedError, match="value of the past, was"):
            simulate_many(lagged(), [], [1.0], **asked)


def test_a_run_that_fails_says_so():
    m = ModelBuilder("falls")
    y = m.state("y", "1", "state", initial=1.0)
    m.rate("y", "loss", -m.parameter("k", "1/day", "rate", value=1.0) * (1 + m.delayed("was", "1", "past", y, 1.0)))
    found = simulate(m.build(), [], [0.4, 2.0])
    assert "y fell to" in found.status
    assert found["y"][0] == pytest.approx(0.2)
    assert np.isnan(found["y"][1])
    many = simulate_many(m.build(), [], [0.4, 2.0])
    assert many.status.item() == 6
    assert many.y.values[0, 0] == pytest.approx(0.2)
    assert np.isnan(many.y.values[0, 1])
    assert "stopped by the reference solver" in describe(many, 0)
