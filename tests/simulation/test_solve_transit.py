"""Delays by chains of compartments, against the Erlang distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate

TIGHT = Tolerance(1e-10, 1e-13)


def _delay(n: int) -> Model:
    """What leaves `start` passes through a chain before it arrives."""
    m = ModelBuilder("delay")
    k = m.parameter("k", "1/day", "speed of leaving", value=0.4)
    tau = m.parameter("tau", "day", "mean delay", value=3.0)
    start = m.state("start", "mg", "at the start", initial=1)
    end = m.state("end", "mg", "arrived", initial=0)
    m.transit("T", n, tau, flow=k * start, unit="mg", meaning="on the way", source="start", target="end")
    m.quantity("total", "mg", "all of it", start + end + sum(m[f"T_{j}"] for j in range(1, n + 1)))
    m.impulse("enter", "straight into the chain", [Argument("mg", "mg", "amount")])
    m.update("enter", "T_1", m["T_1"] + m["mg"])
    return m.build()


@settings(max_examples=12, deadline=None)
@given(n=st.integers(1, 12), tau=st.floats(0.2, 20))
def test_time_in_the_chain_is_erlang_distributed(n: int, tau: float) -> None:
    times = tau * np.array([0.1, 0.5, 1.0, 1.7, 4.0])
    course = simulate(
        _delay(n), [Event(0.0, "enter", {"mg": 5.0})], times,
        parameters={"tau": tau}, initial={"start": 0.0}, tolerance=TIGHT,
    )  # fmt: skip
    waiting = gamma(n, scale=tau / n)
    assert waiting.std() == pytest.approx(tau / np.sqrt(n))
    assert course["end"] == pytest.approx(5 * waiting.cdf(times), rel=1e-6, abs=1e-8)
    assert course[f"T_{n}"] * n / tau == pytest.approx(5 * waiting.pdf(times), rel=1e-6, abs=1e-8)  # what leaves


@settings(max_examples=12, deadline=None)
@given(n=st.integers(1, 10), tau=st.floats(0.2, 20), k=st.floats(0, 5), mg=st.floats(0, 100))
def test_nothing_is_lost_on_the_way(n: int, tau: float, k: float, mg: float) -> None:
    events = [Event(2.0, "enter", {"mg": mg})]
    course = simulate(_delay(n), events, [0.5, 2.0, 2.5, 50.0], parameters={"tau": tau, "k": k})
    assert course.status == "ok"
    assert course["total"] == pytest.approx([1, 1, 1 + mg, 1 + mg], rel=1e-9)
    assert (course.values >= 0).all()


def test_a_steady_flow_comes_out_as_it_went_in_after_the_delay() -> None:
    m = ModelBuilder("flow")
    tau, flow = m.parameter("tau", "day", "mean delay", value=2.0), m.parameter("flow", "mg/day", "flow", value=3.0)
    out = m.transit("T", 60, tau, flow=flow, unit="mg", meaning="on the way")
    m.quantity("out", "mg/day", "what leaves", out)
    course = simulate(m.build(), [], [1.0, 2.0, 3.5])
    assert course["out"] == pytest.approx(3 * gamma(60, scale=2 / 60).cdf([1.0, 2.0, 3.5]), rel=1e-4, abs=1e-6)
    assert course["out"][-1] == pytest.approx(3.0, rel=1e-3)
