"""Writing a published model: its sourced numbers as parameters, and impulses with the triggers of a regimen."""

import sympy as sp

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import Argument
from abscopal.knowledge.load import load


def numbers(m: ModelBuilder, sheet: str, names: str) -> tuple[sp.Symbol, ...]:
    """Declare numbers of a knowledge sheet, written with spaces between, as parameters."""
    read = load(sheet)
    made = []
    for name in names.split():
        number = read.content.numbers[name]
        made.append(m.parameter(name, number.unit, number.meaning, value=read[name], key=f"{sheet}:{name}"))
    return tuple(made)


def fraction(m: ModelBuilder, meaning: str = "one fraction of radiation") -> sp.Symbol:
    """Declare the impulse `fraction` and return its dose."""
    m.impulse("fraction", meaning, [Argument("d", "Gy", "dose of the fraction", source="dose")], trigger="fraction")
    return m["d"]


def drug(m: ModelBuilder, name: str) -> sp.Symbol:
    """Declare the impulse `dose <name>` of a drug or class and return its amount."""
    amount = f"mg_{name.replace('-', '_')}"
    argument = Argument(amount, "mg", f"amount of {name}", source="amount")
    m.impulse(f"dose {name}", f"one dose of {name}", [argument], trigger=f"drug:{name}")
    return m[amount]
