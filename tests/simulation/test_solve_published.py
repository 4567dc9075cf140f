"""Stiff problems against the published reference solutions of the Test Set for IVP Solvers.

Mazzia and Magherini, Test Set for Initial Value Problem Solvers, University of Bari. The reference solutions are
those in its source files `rober.f` and `vdpol.f` (revision 1.2 of 2006-10-02, read in public copies of them), each
"computed using double precision RADAU" at a tolerance of 1.1e-18. Status: read; the authors' names are recalled.
"""

import pytest

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate

ROBER = {"x": 0.2083340149701255e-07, "y": 0.8333360770334713e-13, "z": 0.9999999791665050}  # t = 1e11
VDPOL = {"u": 0.1706167732170483e01, "v": -0.8928097010247975e00}  # t = 2


def _robertson() -> Model:
    m = ModelBuilder("Robertson")
    a, b, c = (m.parameter(n, "1/day", n, value=v) for n, v in (("k1", 0.04), ("k2", 1e4), ("k3", 3e7)))
    x, y, z = (m.state(n, "1", n, initial=v) for n, v in (("x", 1), ("y", 0), ("z", 0)))
    for target, sign in (("x", -1), ("y", 1)):
        m.rate(target, "first", sign * a * x)
        m.rate(target, "second", -sign * b * y * z)
    m.rate("y", "third", -c * y**2)
    m.rate("z", "third", c * y**2)
    return m.build()


def _van_der_pol() -> Model:
    m = ModelBuilder("Van der Pol")
    eps = m.parameter("eps", "day", "small parameter", value=1e-6)
    one = m.parameter("one", "1/day", "unit of frequency", value=1.0)
    u = m.state("u", "1", "position", initial=2, lower=None)
    v = m.state("v", "1/day", "velocity", initial=0, lower=None)
    m.rate("u", "velocity", v)
    m.rate("v", "force", ((1 - u**2) * v - u * one) / eps)
    return m.build()


def test_robertson_at_1e11() -> None:
    course = simulate(_robertson(), [], [1e11], tolerance=Tolerance(1e-10, 1e-20))
    assert course.status == "ok"
    for name, value in ROBER.items():
        assert course[name][0] == pytest.approx(value, rel=1e-6), name


def test_van_der_pol_at_2() -> None:
    course = simulate(_van_der_pol(), [], [2.0], tolerance=Tolerance(1e-11, 1e-13))
    assert course.status == "ok"
    for name, value in VDPOL.items():
        assert course[name][0] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("relative", [1e-5, 1e-7, 1e-9])
def test_error_follows_the_tolerance(relative: float) -> None:
    course = simulate(_van_der_pol(), [], [2.0], tolerance=Tolerance(relative, relative * 1e-2))
    error = max(abs(course[name][0] / value - 1) for name, value in VDPOL.items())
    assert error < 30 * relative
