"""Regulatory T cells: spared by low doses, raised by high ones, blocked in part by anti-CTLA-4."""

from abscopal.equations.symbolic import exp, hill
from abscopal.immune.mechanisms.parts import Parts


def add_treg(p: Parts) -> None:
    """R, Treg of each lesion relative to baseline."""
    with p.m.mechanism("Treg", switch="treg", meaning="regulatory T cells suppress effectors"):
        KR, kR, aR, rR, dR, nR, bR = p.numbers("KR kR aR rR dR nR bR")
        for i, (R, d) in enumerate(p.each("R d")):
            p.m.state(f"R_{i}", "1", f"Treg in lesion {i}, relative to baseline", initial=1)
            p.m.rate(f"R_{i}", "return to baseline", kR * (1 - R))
            p.m.contribute(f"Sup_{i}", "Treg", R * (1 - bR * p.m["RO_4"]) / KR)
            p.m.update("fraction", f"R_{i}", R * exp(-aR * d) + rR * hill(d, dR, nR))
