"""A model for people: LaTeX equations and the table of states and parameters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import sympy as sp
from sympy.core.alphabets import greeks

from abscopal.equations.algebra import algebra
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME
from abscopal.equations.symbolic import symbol, symbols_of


@dataclass(frozen=True)
class Equation:
    """One equation of a model in LaTeX.

    Attributes
    ----------
    kind : {"quantity", "rate", "update", "delay"}
    name : str
        Of the quantity or state.
    left, relation, right : str
        LaTeX.
    impulse : str
        Of an update.
    """

    kind: Literal["quantity", "rate", "update", "delay"]
    name: str
    left: str
    relation: str
    right: str
    impulse: str = ""


def equations(model: Model) -> tuple[Equation, ...]:
    """Quantities in the order they are computed, the rate of each state, updates at impulses, values of the past."""
    made = algebra(model)
    written = _Names()
    found = [Equation("quantity", str(q), written(q), "=", written(e)) for q, e in made.assignments]
    found += [
        Equation("rate", str(state), rf"\frac{{d {written(state)}}}{{dt}}", "=", written(rate))
        for state, rate in zip(made.states, made.rates, strict=True)
    ]
    found += [
        Equation("update", u.state, written(symbol(u.state)), r"\leftarrow", written(u.expression), u.impulse)
        for u in model.updates
    ]
    ago: Any = symbol("t")
    found += [
        Equation("delay", d.name, written(symbol(d.name)), "=", f"{written(d.of)} \\;|\\; {written(ago - d.lag)}")
        for d in model.delays
    ]
    return tuple(found)


def latex(model: Model) -> str:
    """Quantities, rates and impulse updates as one LaTeX `align*` block."""
    lines = []
    for e in equations(model):
        at = rf" \qquad \text{{({e.impulse.replace('_', ' ')})}}" if e.impulse else ""
        lines.append(f"{e.left} &{e.relation} {e.right}{at}")
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


class _Names:
    """Prints expressions with symbols set as in a paper: words upright, what follows an underscore below."""

    def __call__(self, expression: sp.Expr) -> str:
        names = {used: name_in_latex(used.name) for used in symbols_of(expression) | {TIME}}
        printer: Any = sp.latex
        made: str = printer(expression, symbol_names=names, mul_symbol=r" \, ")
        return made


def name_in_latex(name: str) -> str:
    r"""`kill_0` as `\mathrm{kill}_{0}`, `alpha` as `\alpha`, `f_E_1` as `f_{E,1}`."""
    head, *below = name.split("_")
    if not below:
        return _word(head)
    return f"{_word(head)}_{{{_joined(below)}}}"


def _joined(parts: Iterable[str]) -> str:
    return ",".join(_word(part) for part in parts)


def _word(text: str) -> str:
    if text.lower() in greeks:
        return rf"\{text}" if text in greeks else rf"\{text.capitalize()}"
    return text if len(text) <= 1 or text.isdigit() else rf"\mathrm{{{text}}}"


def table(model: Model) -> pd.DataFrame:
    """One row per active state, quantity and parameter.

    Returns
    -------
    DataFrame
        Columns symbol, kind, unit, value (default; for a state its initial value, as text), meaning,
        mechanism, key.
    """
    rows = [(s.name, "state", s.unit, _number(s.initial), s.meaning, s.mechanism, "") for s in model.states]
    rows += [(q.name, "quantity", q.unit, "", q.meaning, q.mechanism, "") for q in model.quantities]
    rows += [(d.name, "delay", d.unit, _number(d.lag), d.meaning, d.mechanism, "") for d in model.delays]
    rows += [
        (p.name, "parameter", p.unit, "" if p.value is None else f"{p.value:g}", p.meaning, "", p.key)
        for p in model.parameters
    ]
    return pd.DataFrame(rows, columns=["symbol", "kind", "unit", "value", "meaning", "mechanism", "key"])


def _number(initial: sp.Expr) -> str:
    return f"{float(initial):g}" if initial.is_number else str(initial)
