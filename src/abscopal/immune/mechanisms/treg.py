"""Regulatory T cells: spared by low doses, raised by high ones, blocked in part by anti-CTLA-4."""

import sympy as sp

from abscopal.equations.symbolic import exp, hill
from abscopal.immune.mechanisms.parts import Parts


def add_treg(p: Parts) -> None:
    """R, Treg of each lesion relative to baseline."""
    with p.m.mechanism("Treg", switch="treg", meaning="regulatory T cells suppress effectors"):
        KR, kR, bR = p.numbers("KR kR bR")
        for i, (R,) in enumerate(p.each("R")):
            p.m.state(f"R_{i}", "1", f"Treg in lesion {i}, relative to baseline", initial=1)
            p.m.rate(f"R_{i}", "return to baseline", kR * (1 - R))
            p.m.contribute(f"Sup_{i}", "Treg", R * (1 - bR * p.m["RO_4"]) / KR)
            killed, risen = _fraction(p, i)
            p.m.update("fraction", f"R_{i}", R * killed + risen, unless="ctla4_depletion")
        _add_depletion(p)


def _fraction(p: Parts, lesion: int) -> tuple[sp.Expr, sp.Expr]:
    """Share of Treg left by a fraction, and the rise it causes."""
    aR, rR, dR, nR = p.numbers("aR rR dR nR")
    d = p.m[f"d_{lesion}"]
    return (
        p.average(lesion, lambda dose: exp(-aR * dose), d),
        rR * p.average(lesion, lambda dose: hill(dose, dR, nR), d),
    )


def _add_depletion(p: Parts) -> None:
    """Anti-CTLA-4 depletes Treg, and the rise after radiation multiplies those that are there.

    Given before radiation it leaves few to multiply; given later it meets the risen ones.
    """
    with p.m.mechanism("Treg depletion", switch="ctla4_depletion", meaning="anti-CTLA-4 depletes Treg in lesions"):
        kdep = p.number("kdep")
        for i, (R,) in enumerate(p.each("R")):
            p.m.rate(f"R_{i}", "depletion by anti-CTLA-4", -kdep * p.m["RO_4"] * R)
            killed, risen = _fraction(p, i)
            p.m.update("fraction", f"R_{i}", R * (killed + risen))
