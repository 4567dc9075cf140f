"""From a model's symbols to the graph of its kernel."""

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from abscopal.domain.errors import UnsupportedError
from abscopal.equations.algebra import Algebra
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME
from abscopal.simulation.kernels.graph import Graph

_COMPARISONS = {
    "StrictLessThan": ("lt", False),
    "LessThan": ("le", False),
    "StrictGreaterThan": ("lt", True),
    "GreaterThan": ("le", True),
    "Equality": ("eq", False),
    "Unequality": ("ne", False),
}
_FUNCTIONS = {"exp": "exp", "log": "log", "tanh": "tanh", "erf": "erf", "Abs": "abs"}


class Translator:
    """Writes SymPy expressions into a graph.

    Parameters
    ----------
    graph : Graph
    made : Algebra
        Its states, parameters and quantities are known by name.
    non_negative : set of states
        Whose powers may treat a rounding error below zero as zero; the solver refuses anything larger.
    """

    def __init__(self, graph: Graph, model: Model, made: Algebra) -> None:
        self.graph = graph
        self._non_negative = {state.name for state in model.states if state.lower is not None and state.lower >= 0}
        self._nodes: dict[sp.Basic, int] = {TIME: graph.leaf("time")}
        self._nodes |= {state: graph.leaf("state", k) for k, state in enumerate(made.states)}
        self._nodes |= {parameter: graph.leaf("parameter", k) for k, parameter in enumerate(made.parameters)}
        for name, expression in made.assignments:
            self._nodes[name] = self(expression)

    def with_arguments(self, arguments: Mapping[sp.Symbol, int]) -> None:
        """Let further symbols stand for the arguments of an impulse, by place."""
        for symbol, place in arguments.items():
            self._nodes[symbol] = self.graph.leaf("argument", place)

    def __call__(self, expression: sp.Basic) -> int:
        """The node of an expression.

        Raises
        ------
        UnsupportedError
            A function that kernels do not have.
        """
        if expression not in self._nodes:
            self._nodes[expression] = self._translate(expression)
        return self._nodes[expression]

    def _translate(self, e: Any) -> int:  # noqa: PLR0911 - one return per kind of expression
        g = self.graph
        if e.is_number:
            return g.number(float(e))
        if isinstance(e, sp.Add):
            return g.total(self(a) for a in e.args)
        if isinstance(e, sp.Mul):
            return g.product(self(a) for a in e.args)
        if isinstance(e, sp.Pow):
            return self._power(*e.as_base_exp())
        if isinstance(e, sp.Max | sp.Min):
            return self._chain("max" if isinstance(e, sp.Max) else "min", e.args)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, Relational | sp.And | sp.Or | sp.Not | sp.ITE) or e in (sp.true, sp.false):
            return self._condition(e)
        name = type(e).__name__
        if name in _FUNCTIONS:
            return g.apply(_FUNCTIONS[name], self(e.args[0]))
        if name == "Heaviside":
            x = self(e.args[0])
            half = g.apply("select", g.apply("eq", x, g.zero), g.number(0.5), g.zero)
            return g.apply("select", g.apply("lt", g.zero, x), g.one, half)
        raise UnsupportedError(
            doing="compiling a model",
            found=f"the function {name} in {e}",
            expected="arithmetic, powers, exp, log, tanh, erf, Max, Min, Abs and Piecewise",
            try_="solving this model one patient at a time with the reference solver",
        )

    def _power(self, base: Any, exponent: Any) -> int:
        g = self.graph
        if exponent.is_number:
            known = float(exponent)
            whole = known == int(known)
            return g.numeric_power(self(base) if whole else self._floored(base), known)
        return g.apply("power", self._floored(base), self(exponent))

    def _floored(self, base: sp.Basic) -> int:
        """The base of a real power: a state that is never negative counts as zero just below it."""
        if getattr(base, "name", "") in self._non_negative:
            return self.graph.apply("max", self.graph.zero, self(base))
        return self(base)

    def _chain(self, op: str, args: tuple[sp.Basic, ...]) -> int:
        nodes = sorted(self(a) for a in args)
        result = nodes[0]
        for node in nodes[1:]:
            result = self.graph.apply(op, result, node)
        return result

    def _piecewise(self, e: Any) -> int:
        result = self.graph.number(float("nan"))
        for value, condition in reversed(e.args):
            chosen = self(value)
            result = (
                chosen if condition in (True, sp.true) else self.graph.apply("select", self(condition), chosen, result)
            )
        return result

    def _condition(self, e: Any) -> int:
        g = self.graph
        if e in (sp.true, sp.false):
            return g.apply("le" if e == sp.true else "lt", g.zero, g.zero)
        if isinstance(e, Relational):
            op, swapped = _COMPARISONS[type(e).__name__]
            left, right = self(e.lhs), self(e.rhs)
            return g.apply(op, right, left) if swapped else g.apply(op, left, right)
        if isinstance(e, sp.Not):
            return g.apply("not", self(e.args[0]))
        if isinstance(e, sp.ITE):
            which, yes, no = (self(a) for a in e.args)
            return g.apply("or", g.apply("and", which, yes), g.apply("and", g.apply("not", which), no))
        result = self(e.args[0])
        for other in e.args[1:]:
            result = g.apply("and" if isinstance(e, sp.And) else "or", result, self(other))
        return result
