"""Modulators: drugs and states of the body that change parameters between two times.

The table `immune/modulators:effects` names, for each modulator, the parameters it changes and by what
factor. Each has a level, 0 unless switched on between a start and a stop, and a switch of its own.
"""

from collections.abc import Sequence
from typing import Any

from abscopal.equations.pieces import Argument
from abscopal.immune.mechanisms.parts import DOSE_ENHANCEMENT, Parts

Effect = tuple[str, str, float]
"""Modulator, parameter and the factor that multiplies the parameter at level 1."""


def add_modulators(p: Parts, effects: Sequence[Effect]) -> None:
    """The level u of each modulator, and the factor of each parameter it acts on."""
    for target in sorted(p.modulated):
        what = "dose to tumour cells" if target == DOSE_ENHANCEMENT else target
        p.m.quantity(f"by_{target}", "1", f"factor of modulators on {what}", 1, combine="product")
    for name in dict.fromkeys(modulator for modulator, _, _ in effects):
        with p.m.mechanism(name.replace("_", " "), switch=name, meaning=f"modulator: {name.replace('_', ' ')}"):
            level: Any = p.m.rate_window(f"u_{name}", "day", f"level of {name.replace('_', ' ')}")
            for modulator, target, factor in effects:
                if modulator == name:
                    p.m.contribute(f"by_{target}", name, 1 + (factor - 1) * level)


def add_cyclophosphamide(p: Parts) -> None:
    """Low-dose cyclophosphamide: each dose removes a share of the Treg of every lesion and of the lymphocytes."""
    with p.m.mechanism("cyclophosphamide", switch="cyclophosphamide", meaning="low doses deplete Treg"):
        amount = Argument("mg_cyclophosphamide", "mg", "amount given; any low dose acts alike", source="amount")
        p.m.impulse("dose cyclophosphamide", "one low dose", [amount], trigger="drug:cyclophosphamide")
        with p.m.mechanism("Treg", switch="treg"):
            kept = p.number("cyR")
            for i, (R,) in enumerate(p.each("R")):
                p.m.update("dose cyclophosphamide", f"R_{i}", R * kept)
        with p.m.mechanism("lymphocytes", switch="lymphopenia"):
            p.m.update("dose cyclophosphamide", "L", p.m["L"] * p.number("cyL"))
