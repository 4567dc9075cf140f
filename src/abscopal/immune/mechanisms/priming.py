"""Antigen release from every lesion and activation of cross-presenting dendritic cells."""

from abscopal.equations.symbolic import exp
from abscopal.immune.mechanisms.parts import Parts


def add_antigen(p: Parts) -> None:
    """Antigen flux of each lesion and their sum."""
    with p.m.mechanism("antigen", switch="priming", meaning="antigen with adjuvant activates dendritic cells"):
        (rV,) = p.numbers("rV")
        kM = p.number("kM")
        p.m.quantity("J", "mm^3/day", "antigen flux from all lesions")
        for i, (V, M, kill, rel) in enumerate(p.each("V M kill rel")):
            p.m.quantity(f"rel_{i}", "mm^3/day", f"antigen flux from lesion {i}")
            p.m.contribute(f"rel_{i}", "doomed cells", kM * M)
            p.m.contribute(f"rel_{i}", "cells killed by effectors", kill * V)
            p.m.contribute(f"rel_{i}", "spontaneous loss", rV * V)
            p.m.contribute("J", f"lesion {i}", rel)


def add_priming(p: Parts) -> None:
    """D, activated antigen-bearing dendritic cells in the draining node.

    The published form multiplies `J/(J+KA)` by an adjuvanticity divided by J; written here as one
    fraction over `J+KA`, which is the same and has no singularity when there is no antigen.
    """
    with p.m.mechanism("priming", switch="priming", meaning="antigen with adjuvant activates dendritic cells"):
        kD, KA, s0, KS, dD, D0, nodeD = p.numbers("kD KA s0 KS dD D0 nodeD")
        D = p.m.state("D", "arb_unit", "activated antigen-bearing dendritic cells in the node", initial=D0)
        p.m.quantity("adjuvanted", "mm^3/day", "antigen flux weighted by its adjuvanticity")
        p.m.contribute("adjuvanted", "basal", s0 * p.m["J"])
        for i, (rel, S) in enumerate(p.each("rel S")):
            p.m.contribute("adjuvanted", f"interferon in lesion {i}", rel * S / (S + KS), needs=["sting"])
        p.m.rate("D", "activation", kD * p.m["adjuvanted"] / (p.m["J"] + KA))
        p.m.rate("D", "loss", -dD * D)
        p.m.update("fraction", "D", D * exp(-nodeD * p.m["d_node"]))
