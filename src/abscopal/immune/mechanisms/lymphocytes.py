"""Circulating lymphocytes killed as they pass the field, or in an irradiated node."""

from abscopal.equations.symbolic import exp
from abscopal.immune.mechanisms.parts import Parts


def add_lymphocytes(p: Parts) -> None:
    """L, lymphocytes of the blood relative to baseline; fewer of them, less priming."""
    with p.m.mechanism("lymphocytes", switch="lymphopenia", meaning="radiation kills circulating lymphocytes"):
        aL, v, kL, nodeL = p.numbers("aL v kL nodeL")
        L = p.m.state("L", "1", "circulating lymphocytes, relative to baseline", initial=p.number("L0"))
        p.m.rate("L", "recovery", kL * (1 - L))
        p.m.contribute("lymphocyte_share", "lymphocytes", L, needs=["effectors"])
        passed = 1 - v * (1 - exp(-aL * p.m["d_blood"]))
        p.m.update("fraction", "L", L * passed * exp(-nodeL * p.m["d_node"]))
