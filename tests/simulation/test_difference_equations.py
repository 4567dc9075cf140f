"""Difference equations, the steps of a clock, against closed forms, and together with fractions and rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.regimen import Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import Argument
from abscopal.equations.symbolic import exp
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.solve import simulate
from abscopal.simulation.summaries import Summary


def growing(every=1.0, first=None):
    """N(k+1) = r·N(k) + b, killed by fractions at their own time."""
    m = ModelBuilder("growing")
    r, b = m.parameter("r", "1", "factor", value=1.1), m.parameter("b", "1", "arrivals", value=3.0)
    N = m.state("N", "1", "cells", initial=100.0)
    m.clock("day", "one day", every=every, first=first)
    m.update("day", "N", r * N + b)
    m.impulse("fraction", "fraction", [Argument("d", "Gy", "dose", source="dose")], trigger="fraction")
    m.update("fraction", "N", N * exp(-m.parameter("alpha", "1/Gy", "sensitivity", value=0.2) * m["d"]))
    m.quantity("double", "1", "twice as many", 2 * N)
    return m.build()


def closed(k, r, b, start=100.0):
    return start * r**k + b * (k if r == 1 else (r**k - 1) / (r - 1))


@settings(max_examples=30, deadline=None)
@given(r=st.floats(0, 1.5), b=st.floats(0, 10), every=st.sampled_from([0.25, 1.0, 7.0]), n=st.integers(1, 40))
def test_affine_recursion_against_its_closed_form(r, b, every, n):
    days = every * np.arange(n + 1)
    result = simulate_many(growing(every), [], days, parameters={"r": r, "b": b})
    np.testing.assert_allclose(result.N.values[0], closed(np.arange(n + 1), r, b), rtol=1e-12)
    np.testing.assert_allclose(result.double.values[0], 2 * result.N.values[0])


def test_between_steps_nothing_moves_and_reference_and_kernel_agree():
    days = np.array([0.0, 0.5, 1.0, 1.999, 2.0, 7.3])
    found = simulate_many(growing(), [], days)
    np.testing.assert_allclose(found.N.values[0], closed(np.floor(days), 1.1, 3.0), rtol=1e-12)
    np.testing.assert_allclose(simulate(growing(), [], days)["N"], found.N.values[0], rtol=1e-12)


def test_a_step_comes_before_the_report_and_the_fraction_of_its_day():
    regimen = Regimen.equal_fractions(2, 3, start=1)
    kill = np.exp(-0.4)
    n1 = 113.0
    n2 = 1.1 * kill * n1 + 3
    for side, first, second in (("before", n1, n2), ("after", kill * n1, kill * n2)):
        for one in (
            simulate_many(growing(), regimen, [1.0, 2.0, 3.0], side=side).N.values[0],
            simulate(growing(), regimen, [1.0, 2.0, 3.0], side=side)["N"],
        ):
            np.testing.assert_allclose(one[:2], [first, second], rtol=1e-12)
    both = simulate(growing(), regimen, [1.0], horizon=3.0, side="both")
    np.testing.assert_allclose(both["N"], [n1, kill * n1], rtol=1e-12)


def test_recursion_of_second_order_by_a_state_that_remembers():
    m = ModelBuilder("Fibonacci")
    now, before = m.state("now", "1", "this one", initial=1.0), m.state("before", "1", "the one before", initial=0.0)
    m.clock("next", "next number", every=1.0)
    m.update("next", "now", now + before)
    m.update("next", "before", now)
    result = simulate_many(m.build(), [], np.arange(11.0))
    assert result.now.values[0].tolist() == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]


def test_steps_among_rates_and_their_summaries_and_sensitivities():
    m = ModelBuilder("decay with weekly addition")
    k, w = m.parameter("k", "1/day", "rate", value=0.3), m.parameter("w", "mg", "weekly amount", value=5.0)
    A = m.state("A", "mg", "amount", initial=0.0)
    m.rate("A", "loss", -k * A)
    m.clock("week", "one week", every=7.0)
    m.update("week", "A", A + w)
    result = simulate_many(
        m.build(), [], [6.0, 7.0, 20.9, 21.0], summaries=[Summary("A", "maximum")], sensitivities=["w", "k"]
    )
    x = np.exp(-0.3 * 7)
    before = 5 * np.exp(-0.3 * 6.9) * (1 + x)
    third = 5 * (1 + x + x * x)
    np.testing.assert_allclose(result.A.values[0], [0, 5, before, third], rtol=1e-6)
    assert result.A_maximum.item() == pytest.approx(third, rel=1e-6)
    slopes = result.sensitivity.sel(output="A").values[0]
    np.testing.assert_allclose(slopes[:, 0], np.array([0, 1, before / 5, third / 5]), rtol=1e-6)
    assert slopes[3, 1] == pytest.approx(-7 * 5 * (x + 2 * x * x), rel=1e-5)


def test_a_clock_with_a_first_step_and_a_later_start():
    result = simulate_many(growing(every=2.0, first=0.5), [], [3.0, 4.5, 5.0], start=2.5, parameters={"b": 0.0})
    np.testing.assert_allclose(result.N.values[0], [100, 110, 110])  # a step on the first day is over


def test_explicit_events_of_a_clock_are_further_steps():
    result = simulate_many(growing(), [Event(0.5, "day")], [1.0], parameters={"b": 0.0})
    np.testing.assert_allclose(result.N.values[0], [121.0])


def test_the_reference_takes_each_step_once_where_the_kernel_gave_up():
    found = simulate_many(growing(), [Event(0.5, "day")], [1.0, 5.0], horizon=9.0, control=Control(max_steps=2))
    assert found.status.item() == 5
    np.testing.assert_allclose(found.N.values[0], closed(np.array([2, 6]), 1.1, 3.0), rtol=1e-9)


def test_patients_differ_and_equal_single_runs():
    r = np.linspace(0.9, 1.1, 9)
    together = simulate_many(growing(), Regimen.equal_fractions(2, 3, start=1), [9.0], parameters={"r": r})
    alone = simulate_many(growing(), Regimen.equal_fractions(2, 3, start=1), [9.0], parameters={"r": r[4]})
    assert together.N.values[4, 0] == alone.N.values[0, 0]


@pytest.mark.parametrize("every", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clock_that_does_not_go_forward_is_refused(every):
    with pytest.raises(ModelError, match="clock 'tick'"):
        ModelBuilder("wrong").clock("tick", "step", every=every)


def test_more_steps_than_memory_holds_are_refused():
    with pytest.raises(InputError, match="clock 'day'"):
        simulate_many(growing(every=1e-6), [], [100.0])
