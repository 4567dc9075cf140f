"""Impulses that conditions set off, against closed forms."""

import numpy as np
import pytest
import sympy as sp

from abscopal.domain.errors import ModelError
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import TIME, Argument
from abscopal.simulation.events import Event
from abscopal.simulation.solve import simulate


def filling(**further):
    """A tank that fills at a constant rate and is emptied when it is full."""
    m = ModelBuilder("tank")
    r, full = m.parameter("r", "L/day", "inflow", value=2.0), m.parameter("full", "L", "limit", value=5.0)
    A = m.state("A", "L", "content", initial=0.0)
    n = m.state("n", "1", "times emptied", initial=0.0)
    m.rate("A", "inflow", r)
    m.impulse("empty", "emptied", [])
    m.update("empty", "A", 0 * A)
    m.update("empty", "n", n + 1)
    m.when("empty", full <= A, **further)
    return m.build()


def test_a_state_that_reaches_its_limit_again_and_again():
    days = np.array([1.0, 2.4, 2.6, 7.4, 7.6, 12.0])
    found = simulate(filling(), [], days)
    np.testing.assert_allclose(found["A"], np.mod(2 * days, 5.0), atol=1e-9)
    np.testing.assert_array_equal(found["n"], np.floor(2 * days / 5))


def test_a_delay_counts_from_the_turning():
    found = simulate(filling(delay=sp.Rational(1, 2)), [], [2.9, 3.1, 6.0])
    np.testing.assert_allclose(found["A"], [5.8, 0.2, 6.0], atol=1e-8)


def test_not_persistent_is_called_off():
    m = ModelBuilder("called off")
    m.state("s", "1", "switch", initial=0.0)
    hit = m.state("hit", "1", "hits", initial=0.0)
    one = m.parameter("one", "1/day", "unit", value=1.0)
    m.impulse("hit_it", "hit", [])
    m.update("hit_it", "hit", hit + 1)
    m.when("hit_it", (one * TIME > 1) & (one * TIME < 2), delay=sp.Rational(3, 2), persistent=False)
    m.when("hit_it", one * TIME > 3, delay=sp.Rational(1, 2))
    m.rate("s", "none", 0 * one)
    found = simulate(m.build(), [], [2.9, 3.4, 3.6])
    np.testing.assert_array_equal(found["hit"], [0, 0, 1])


def test_priorities_order_what_is_due_at_once_and_values_may_be_of_the_turning():
    for then, wanted in ((True, 2 * 1.0), (False, 2 * 11.0)):
        m = ModelBuilder("order")
        one = m.parameter("one", "1/day", "unit", value=1.0)
        x = m.state("x", "1", "value", initial=1.0)
        m.rate("x", "none", 0 * one)
        m.impulse("double", "twice", [])
        m.update("double", "x", 2 * x)
        m.impulse("add", "more", [])
        m.update("add", "x", x + 10)
        m.when("double", one * TIME >= 1, priority=sp.Integer(1), values_then=then)
        m.when("add", one * TIME >= 1, priority=sp.Integer(2), values_then=then)
        assert simulate(m.build(), [], [1.0], side="after")["x"][0] == wanted


def test_at_the_start_only_what_was_false_before():
    for initially, wanted in ((True, 10.0), (False, 0.0)):
        m = ModelBuilder("start")
        r = m.parameter("r", "L/day", "inflow", value=1.0)
        A = m.state("A", "L", "content", initial=10.0)
        m.rate("A", "none", 0 * r)
        m.impulse("empty", "emptied", [])
        m.update("empty", "A", 0 * A)
        m.when("empty", m.parameter("low", "L", "limit", value=1.0) < A, initially=initially)
        assert simulate(m.build(), [], [0.0], side="after")["A"][0] == wanted


def test_an_impulse_at_a_known_time_can_set_a_condition_off():
    m = ModelBuilder("chain")
    A, B = m.state("A", "mg", "amount", initial=0.0), m.state("B", "1", "seen", initial=0.0)
    m.rate("A", "loss", -m.parameter("k", "1/day", "rate", value=1.0) * A)
    m.impulse("dose", "bolus", [Argument("mg", "mg", "amount")])
    m.update("dose", "A", A + m["mg"])
    m.impulse("see", "seen", [])
    m.update("see", "B", B + 1)
    m.when("see", m.parameter("limit", "mg", "limit", value=1.0) < A)
    found = simulate(m.build(), [Event(1.0, "dose", {"mg": 2.0}), Event(4.0, "dose", {"mg": 0.5})], [1.0, 5.0])
    np.testing.assert_array_equal(found["B"], [0, 1])
    np.testing.assert_allclose(found["A"][1], 2 * np.exp(-4) + 0.5 * np.exp(-1), rtol=1e-7)


def test_conditions_without_end_are_reported():
    m = ModelBuilder("endless")
    one = m.parameter("one", "1/day", "unit", value=1.0)
    x = m.state("x", "1", "value", initial=0.0)
    m.rate("x", "growth", one)
    for name, new, condition in (("up", x + 2, x < 3), ("down", x - 2, x >= 3)):
        m.impulse(name, name, [])
        m.update(name, "x", new)
        m.when(name, condition, initially=True)
    found = simulate(m.build(), [], [5.0])
    assert "without end" in found.status
    assert np.isnan(found["x"][0])


def test_conditions_are_checked_when_the_model_is_built():
    m = ModelBuilder("wrong")
    A = m.state("A", "mg", "amount", initial=0.0)
    m.impulse("dose", "bolus", [Argument("mg", "mg", "amount")])
    m.update("dose", "A", A + m["mg"])
    m.when("dose", m.parameter("limit", "mg", "limit", value=1.0) < A)
    with pytest.raises(ModelError, match="impulse with arguments"):
        m.build()
    m = ModelBuilder("wrong unit")
    A = m.state("A", "mg", "amount", initial=0.0)
    m.impulse("see", "seen", [])
    m.when("see", m.parameter("limit", "L", "limit", value=1.0) < A)
    with pytest.raises(ModelError, match="condition of 'see'"):
        m.build()
