"""Weighted averages of the past against quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad

from abscopal.equations.builder import ModelBuilder
from abscopal.immune.published.memory import legendre_memory
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate


@pytest.mark.parametrize("states", [8, 16])
def test_average_of_a_growing_exponential(states: int) -> None:
    m = ModelBuilder("memory")
    one = m.parameter("one", "1/day", "unit", value=1.0)
    u = m.state("u", "1", "what is remembered", initial=1.0)
    m.rate("u", "growth", 0.7 * one * u)
    legendre_memory(m, "held", "1", "average", u, 2.0, lambda s: 0.75 * s * (2.0 - s), states=states)
    days = np.array([6.0, 8.0])  # the start, a jump, is forgotten by then
    found = simulate(m.build(), [], days, tolerance=Tolerance(relative=1e-9, absolute=1e-12))["held"]
    expected = [quad(lambda s, t=t: 0.75 * s * (2.0 - s) * np.exp(0.7 * (t - s)), 0.0, 2.0)[0] for t in days]
    assert found == pytest.approx(expected, rel=1e-5 if states == 8 else 1e-7)


def test_nothing_is_remembered_before_the_start() -> None:
    m = ModelBuilder("memory")
    u = m.state("u", "1", "constant", initial=3.0)
    m.rate("u", "nothing", 0 * m.parameter("one", "1/day", "unit", value=1.0) * u)
    legendre_memory(m, "held", "1", "average", u, 2.0, lambda _s: 0.5)
    found = simulate(m.build(), [], [0.0, 0.5, 1.0, 4.0])["held"]
    # A step is the hardest thing to remember: right to a few per cent while it enters, exact once it fills the window.
    assert found == pytest.approx([0.0, 0.75, 1.5, 3.0], abs=0.06)
    assert found[-1] == pytest.approx(3.0, rel=1e-4)
