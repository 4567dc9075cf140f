"""A model for people: LaTeX equations and the table of states and parameters."""

import pandas as pd
import sympy as sp

from abscopal.equations.algebra import algebra
from abscopal.equations.model import Model
from abscopal.equations.symbolic import symbol


def latex(model: Model) -> str:
    """Quantities, rates and impulse updates as one LaTeX `align*` block."""
    made = algebra(model)
    lines = [f"{sp.latex(name)} &= {sp.latex(expression)}" for name, expression in made.assignments]
    lines += [
        rf"\frac{{d {sp.latex(state)}}}{{dt}} &= {sp.latex(rate)}"
        for state, rate in zip(made.states, made.rates, strict=True)
    ]
    lines += [
        rf"{sp.latex(symbol(update.state))} &\leftarrow {sp.latex(update.expression)}"
        rf" \qquad \text{{({update.impulse.replace('_', ' ')})}}"
        for update in model.updates
    ]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def table(model: Model) -> pd.DataFrame:
    """One row per active state, quantity and parameter.

    Returns
    -------
    DataFrame
        Columns symbol, kind, unit, value (default; for a state its initial value, as text), meaning,
        mechanism, key.
    """
    rows = [(s.name, "state", s.unit, str(s.initial), s.meaning, s.mechanism, "") for s in model.states]
    rows += [(q.name, "quantity", q.unit, "", q.meaning, q.mechanism, "") for q in model.quantities]
    rows += [
        (p.name, "parameter", p.unit, "" if p.value is None else f"{p.value:g}", p.meaning, "", p.key)
        for p in model.parameters
    ]
    return pd.DataFrame(rows, columns=["symbol", "kind", "unit", "value", "meaning", "mechanism", "key"])
