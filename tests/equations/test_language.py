"""Piecewise, Hill and saturating terms: units, derivatives, generated code, jumps."""

import numpy as np
import pytest
import sympy as sp

from abscopal.domain.errors import ModelError
from abscopal.equations.algebra import algebra
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME
from abscopal.equations.python_code import python_functions
from abscopal.equations.symbolic import derivative, exp, hill, piecewise, saturation, symbol
from abscopal.immune.model import diw_model
from abscopal.simulation.solve import simulate


def _builder() -> ModelBuilder:
    m = ModelBuilder("terms")
    for name, unit, value in (("k", "1/day", 0.7), ("K", "mg", 2.0), ("n", "1", 2.5), ("a", "mg", 1.0)):
        m.parameter(name, unit, name, value=value)
    m.state("x", "mg", "amount", initial=1.5)
    return m


def _terms(m: ModelBuilder) -> dict[str, sp.Expr]:
    k, K, n, a, x = (m[name] for name in ("k", "K", "n", "a", "x"))
    return {
        "hill": k * K * hill(x, K, n),
        "saturation": k * K * saturation(x, K),
        "bend": k * piecewise((x < a, x), (x < K, (a + x) / 2), otherwise=(a + K) / 2),
        "both": k * piecewise(((x > a) & (x < K), (x - a) * (K - x) / K), otherwise=0),
        "within": (x - a) * piecewise((x < a, k), otherwise=2 * k),
        "root": k * K * (x / K) ** (n - 2),
        "guarded": k * a * piecewise((x > a, sp.log(x / a)), otherwise=0),
        "size": k * sp.Abs(x - a),
    }


def _model(term: str) -> Model:
    m = _builder()
    m.rate("x", term, _terms(m)[term])
    return m.build()


TERMS = list(_terms(_builder()))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("x", [0.3, 1.3, 1.7, 2.6])
def test_jacobian_of_each_term_against_central_differences(term: str, x: float) -> None:
    model = _model(term)
    functions, p = python_functions(model), model.parameter_vector()
    rates, h = functions.rates(p), 1e-6
    slope = (rates([x + h], 0.0)[0] - rates([x - h], 0.0)[0]) / (2 * h)
    assert functions.jacobian(p)([x], 0.0)[0][0] == pytest.approx(slope, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("term", TERMS)
def test_parameter_derivatives_of_each_term_against_central_differences(term: str) -> None:
    model = _model(term)
    made, p = algebra(model), model.parameter_vector()
    rows = made.derivatives(made.parameters)
    for j, parameter in enumerate(made.parameters):
        up, down = (list(p), list(p))
        up[j], down[j] = p[j] + 1e-6, p[j] - 1e-6
        bind = python_functions(model).rates
        slope = (bind(up)([1.3], 0.0)[0] - bind(down)([1.3], 0.0)[0]) / 2e-6
        values = dict(zip(made.parameters, p, strict=True)) | {symbol("x"): 1.3}
        assert float(rows[0].get(parameter, sp.Integer(0)).subs(values)) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("term", TERMS)
def test_scalar_array_and_latex_of_each_term(term: str) -> None:
    model = _model(term)
    functions, p = python_functions(model), model.parameter_vector()
    points = np.array([1.1, 1.3, 1.7, 2.6])
    arrays = functions.array_rates([points], 0.0, p)[0]
    assert arrays == pytest.approx([functions.rates(p)([x], 0.0)[0] for x in points], rel=1e-12)
    assert ("cases" in model.latex()) == (term in {"bend", "both", "within", "guarded"})


def test_hill_and_saturation_have_their_values() -> None:
    x, K, n = symbol("x"), symbol("K"), symbol("n")
    at = {K: 2, n: 3}
    assert hill(x, K, n).subs({x: 2} | at) == sp.Rational(1, 2)
    assert hill(x, K, n).subs({x: 4} | at) == sp.Rational(8, 9)
    assert hill(x, K, n).subs({x: sp.Rational(-1, 10**9)} | at) == 0
    assert saturation(x, K).subs({x: 6} | at) == sp.Rational(3, 4)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5])
def test_a_power_of_zero_has_finite_slopes(n: float) -> None:
    model = _model("hill").with_values({"n": n})
    jacobian = python_functions(model).jacobian(model.parameter_vector())
    at_zero = jacobian([0.0], 0.0)[0][0]
    assert at_zero == 0.0  # the corner of a rounding error below zero
    if n >= 1:
        above = jacobian([1e-12], 0.0)[0][0]
        assert above == pytest.approx(0.7 if n == 1 else 0.0, abs=1e-6)


def test_slope_of_a_power_at_zero_is_its_limit() -> None:
    x, p = symbol("x"), symbol("p")
    slopes = [derivative(x**p, x).subs({p: power, x: 0}) for power in (1, 2, sp.Rational(3, 2), sp.Rational(1, 2))]
    assert slopes == [1, 0, 0, 0]  # the last is infinite, and zero here
    assert derivative(x**p, p).subs({p: 2, x: 0}) == 0
    assert derivative(sp.Heaviside(x), x) == 0


def test_jacobian_of_the_dose_immune_model_can_be_evaluated_at_its_start() -> None:
    model = diw_model()  # no dose yet, so powers of zero
    functions, p = python_functions(model), model.parameter_vector()
    y = functions.initial(p)
    found = np.array(functions.jacobian(p)(y, 0.0))
    assert np.isfinite(found).all()
    h = 1e-7
    for j, state in enumerate(model.states):
        if y[j] == 0:
            continue  # corners of Max; no two-sided slope
        up, down = list(y), list(y)
        up[j], down[j] = y[j] + h, y[j] - h
        slope = (np.array(functions.rates(p)(up, 0.0)) - functions.rates(p)(down, 0.0)) / (2 * h)
        assert found[:, j] == pytest.approx(slope, rel=1e-5, abs=1e-6), state.name


def test_a_value_that_its_condition_excludes_is_not_evaluated() -> None:
    m = _builder()
    k, a, x = m["k"], m["a"], m["x"]
    term = piecewise((x > 0, a * sp.log(1 + x / a) * (a / x)), otherwise=a)
    m.rate("x", "first", -k * term)
    m.state("y", "mg", "other", initial=0)
    m.rate("y", "second", k * term + k * term**2 / a)
    model = m.build()
    functions, p = python_functions(model), model.parameter_vector()
    assert functions.rates(p)([0.0, 0.0], 0.0) == pytest.approx([-0.7, 1.4])
    assert np.isfinite(functions.jacobian(p)([0.0, 0.0], 0.0)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: piecewise((m["x"] < m["n"], m["x"]), otherwise=m["a"]),  # compares mg with a number
        lambda m: piecewise((m["x"] < m["a"], m["x"]), otherwise=m["n"]),  # values of two units
        lambda m: piecewise(((m["x"] < m["a"]) & (m["x"] < m["k"]), m["x"]), otherwise=m["a"]),
        lambda m: m["a"] * hill(m["x"], m["n"], m["n"]),
        lambda m: m["a"] * hill(m["x"], m["a"], m["a"]),
        lambda m: m["a"] * saturation(m["x"], m["n"]),
    ],
)
def test_units_inside_helpers_are_checked(wrong) -> None:
    m = _builder()
    m.rate("x", "wrong", m["k"] * wrong(m), discontinuous=True)
    with pytest.raises(ModelError, match=r"'wrong' of x.*(different units|plain number)"):
        m.build()


JUMPS = {
    "switch in time": lambda m: m["k"] * m["a"] * piecewise((m["n"] * m["a"] < m["k"] * m["a"] * TIME, 1), otherwise=0),
    "threshold": lambda m: m["k"] * piecewise((m["x"] < m["a"], m["x"]), otherwise=2 * m["x"]),
    "step": lambda m: m["k"] * m["a"] * sp.Heaviside(m["x"] - m["a"]),
    "hole": lambda m: m["k"] * piecewise((m["x"] < m["a"], 0), (m["x"] < m["K"], m["x"]), otherwise=m["K"]),
}


@pytest.mark.parametrize("name", list(JUMPS))
def test_a_rate_that_jumps_is_refused_unless_declared(name: str) -> None:
    m = _builder()
    m.rate("x", name, JUMPS[name](m))
    with pytest.raises(ModelError, match=f"'{name}' of x, which jumps where .* = 0"):
        m.build()
    m = _builder()
    m.rate("x", name, JUMPS[name](m), discontinuous=True)
    assert m.build().states[0].name == "x"


def test_a_jump_that_reaches_a_rate_through_quantities_is_refused_and_an_observable_is_not() -> None:
    m = _builder()
    m.quantity("seen", "1", "above a", piecewise((m["x"] < m["a"], 0), otherwise=1))
    assert [quantity.name for quantity in m.build().quantities] == ["seen"]
    m.quantity("used", "1/day", "speed", m["k"] * m["seen"])
    m.rate("x", "loss", -m["used"] * m["x"])
    with pytest.raises(ModelError, match="base of seen, which jumps"):
        m.build()
    m = _builder()
    m.quantity("seen", "1", "above a", piecewise((m["x"] < m["a"], 0), otherwise=1), discontinuous=True)
    m.rate("x", "loss", -m["k"] * m["seen"] * m["x"])
    course = simulate(m.build(), [], [0.2, 5.0])
    assert course["x"] == pytest.approx([1.5 * np.exp(-0.14), 1.0], rel=1e-4)  # falls to the threshold and stays


def test_a_condition_too_complicated_to_judge_is_refused_as_such() -> None:
    m = _builder()
    x, a = m["x"], m["a"]
    m.rate("x", "odd", m["k"] * piecewise((exp(x / a) < (x / a) ** 2 + 3, x), otherwise=a))
    with pytest.raises(ModelError, match="cannot be seen not to jump"):
        m.build()


def test_continuous_forms_are_accepted_however_they_are_written() -> None:
    m = _builder()
    k, K, a, x = m["k"], m["K"], m["a"], m["x"]
    m.rate("x", "at zero", -k * piecewise((x > 0, x), otherwise=0))
    m.rate("x", "root", -k * sp.sqrt(a) * piecewise((x > K, sp.sqrt(x - K)), otherwise=0))
    m.rate("x", "removable", k * a * piecewise((sp.Ne(x, 0), (1 - exp(-x / a)) * a / x), otherwise=1))
    m.rate("x", "sum of steps", k * (x - a) * sp.Heaviside(x - a))
    assert len(m.build().terms) == 4
