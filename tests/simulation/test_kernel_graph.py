"""The graph of a kernel: its values and derivatives against SymPy, its factors against a dense solve."""

import math
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.core.relational import Relational

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.python_code import python_functions
from abscopal.immune.model import diw_model
from abscopal.simulation.kernels.factor import factorise, markowitz_order, solved
from abscopal.simulation.kernels.graph import Graph
from abscopal.simulation.kernels.program import program

_APPLY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "neg": lambda a: -a,
    "inverse": lambda a: 1 / a, "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh,
    "erf": math.erf, "abs": abs,
    "power": lambda a, b: a**b, "max": max, "min": min, "select": lambda c, a, b: a if c else b,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b, "ne": lambda a, b: a != b,
    "and": lambda a, b: a and b, "or": lambda a, b: a or b, "not": lambda a: not a,
}  # fmt: skip


def evaluate(graph, outputs, leaves):
    """Values of nodes in plain Python; `leaves` maps a kind to a vector."""
    values = {}
    for node in graph.reachable(outputs):
        n = graph[node]
        if n.op == "number":
            values[node] = n.value
        elif n.op in leaves:
            values[node] = leaves[n.op][n.args[0]]
        else:
            values[node] = _APPLY[n.op](*(values[a] for a in n.args))
    return [values[node] for node in outputs]


@pytest.mark.parametrize("off", [{}, {"trex1": False, "treg": False}, {"pdl1": False}])
def test_rates_and_jacobian_of_the_dose_immune_model(off):
    model = diw_model(switches=off)
    made, plain = program(model), python_functions(model)
    parameters = model.parameter_vector()
    rng = np.random.default_rng(5)
    for _ in range(5):
        y = rng.uniform(0.1, 3, len(model.states)).tolist()
        leaves = {"state": y, "parameter": parameters, "time": [3.0]}
        np.testing.assert_allclose(
            evaluate(made.graph, made.rates, leaves), plain.rates(parameters)(y, 3.0), rtol=1e-12
        )
        dense = np.zeros((len(y), len(y)))
        for (i, j), value in zip(
            made.jacobian, evaluate(made.graph, list(made.jacobian.values()), leaves), strict=True
        ):
            dense[i, j] = -value
        np.testing.assert_allclose(dense, plain.jacobian(parameters)(y, 3.0), rtol=1e-10, atol=1e-12)


def test_equal_parts_are_one_node():
    g = Graph()
    x, k = g.leaf("state", 0), g.leaf("parameter", 0)
    assert g.mul(x, k) == g.mul(k, x)
    assert g.add(x, g.neg(x)) == g.zero
    assert g.mul(g.mul(k, x), k) == g.mul(g.mul(k, k), x)
    assert g[g.mul(k, k)].constant


def _single(expression):
    """A model with the quantity q and three states x, y, z and parameter p."""
    m = ModelBuilder("expression")
    m.parameter("p", "1", "parameter", value=1.3)
    for name in "xyz":
        m.state(name, "1", name, initial=1.0, lower=None)
        m.rate(name, "none", 0 * m.parameter("r", "1/day", "zero", value=1.0))
    m.quantity("q", "1", "expression", expression)
    return m.build()


_x, _y, _z, _p = sp.symbols("x y z p", real=True)
_leaves = st.sampled_from([_x, _y, _z, _p, sp.Integer(2), sp.Float(0.7)])


def _grow(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda ab: ab[0] + ab[1]), pair.map(lambda ab: ab[0] * ab[1]), pair.map(lambda ab: ab[0] - ab[1]),
        inner.map(lambda a: 1 / (1 + a**2)), inner.map(lambda a: sp.exp(-(a**2))),
        inner.map(lambda a: sp.log(1 + a**2)),
        inner.map(lambda a: sp.sqrt(1 + a**2)), inner.map(sp.tanh), inner.map(sp.erf),
        inner.map(lambda a: (1 + a**2) ** _p),
        pair.map(lambda ab: sp.Max(*ab)), pair.map(lambda ab: sp.Min(*ab)),
        pair.map(lambda ab: sp.Piecewise((ab[0], ab[0] < ab[1]), (ab[1] ** 2, True))),
        inner.map(lambda a: (1 + a**2) ** sp.Rational(3, 2)), inner.map(lambda a: (1 + a**2) ** -3),
    )  # fmt: skip


def _tied(expression, where):
    """Whether two sides of a comparison meet at the point: a slope there depends on the side taken."""
    for part in sp.preorder_traversal(expression):
        if isinstance(part, sp.Max | sp.Min | Relational):
            sides = sorted(float(side.evalf(30, subs=where)) for side in part.args)
            if any(high - low < 1e-4 for low, high in pairwise(sides)):
                return True
    return False


@settings(max_examples=60, deadline=None)
@given(
    expression=st.recursive(_leaves, _grow, max_leaves=8), point=st.lists(st.floats(0.2, 2.5), min_size=3, max_size=3)
)
def test_any_expression_and_its_slope_along_the_solution(expression, point):
    model = _single(expression)
    made = program(model, ("q",))
    where = dict(zip((_x, _y, _z), point, strict=True)) | {_p: 1.3}
    at = {str(symbol): value for symbol, value in where.items()}
    parameters = [at.get(parameter.name, 1.0) for parameter in model.parameters]
    slopes = [0.3, -0.2, 0.5]
    leaves = {"state": point, "parameter": parameters, "time": [0.0], "rate": slopes}
    value, slope = evaluate(made.graph, [made.quantities[0], made.observed[0][1]], leaves)
    exact = float(expression.evalf(30, subs=where))
    assert value == pytest.approx(exact, rel=1e-10, abs=1e-10)

    def shifted(h):
        return float(
            expression.evalf(30, subs={s: v + h * d for (s, v), d in zip(where.items(), [*slopes, 0], strict=True)})
        )

    h = 1e-6
    forward, backward = (shifted(h) - exact) / h, (exact - shifted(-h)) / h
    if not _tied(expression, where) and abs(forward - backward) < 1e-3 * (1 + abs(forward)):  # not at a corner
        assert slope == pytest.approx((forward + backward) / 2, rel=1e-4, abs=1e-4)


def test_a_condition_that_chooses_between_conditions():
    chosen = sp.ITE(_x < _y, _x < 1, _z < 1)
    model = _single(sp.Piecewise((_x, chosen), (_z, True)))
    made = program(model, ("q",))
    for point in ([0.5, 2.0, 3.0], [1.5, 2.0, 3.0], [3.0, 2.0, 0.5], [3.0, 2.0, 1.5]):
        leaves = {"state": point, "parameter": [1.0] * len(model.parameters), "time": [0.0], "rate": [0.0] * 3}
        x, y, z = point
        expected = x if (x < 1 if x < y else z < 1) else z
        assert evaluate(made.graph, [made.quantities[0]], leaves)[0] == expected


def test_markowitz_keeps_an_arrow_sparse():
    n = 12
    arrow = {(0, j) for j in range(n)} | {(j, 0) for j in range(n)} | {(j, j) for j in range(n)}
    assert markowitz_order(n, arrow)[0] != 0
    g = Graph()
    factors = factorise(g, n, {place: g.leaf("entry", k) for k, place in enumerate(sorted(arrow))}, g.leaf("shift"))
    assert len(factors.nodes) == len(arrow)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 9), density=st.floats(0, 1), seed=st.integers(0, 1000))
def test_factors_solve_the_system(n, density, seed):
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    places = [(int(i), int(j)) for i, j in np.argwhere(jacobian)]
    g = Graph()
    factors = factorise(g, n, {place: g.leaf("entry", k) for k, place in enumerate(places)}, g.leaf("shift"))
    shift = 10.0 * n
    stored = evaluate(
        g,
        [factors.nodes[p] for p in sorted(factors.nodes)],
        {"entry": [-jacobian[p] for p in places], "shift": [shift]},
    )
    read = {place: g.leaf("factor", k) for k, place in enumerate(sorted(factors.nodes))}
    right = rng.normal(size=n)
    solution = solved(g, factors, read, [g.leaf("right", k) for k in range(n)])
    found = evaluate(g, solution, {"factor": stored, "right": right.tolist()})
    np.testing.assert_allclose(found, np.linalg.solve(shift * np.eye(n) - jacobian, right), rtol=1e-10, atol=1e-13)
