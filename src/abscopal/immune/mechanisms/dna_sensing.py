"""Cytosolic DNA after radiation, its degradation by TREX1, and the type I interferon signal."""

from abscopal.equations.symbolic import hill
from abscopal.immune.mechanisms.parts import Parts


def add_dna_sensing(p: Parts) -> None:
    """Q cytosolic DNA, X TREX1 and S the cGAS-STING-interferon signal of each lesion."""
    with p.m.mechanism("DNA sensing", switch="sting", meaning="cytosolic DNA raises type I interferon"):
        kQ, KQ, h, kS, dS, phiS = p.numbers("kQ KQ h kS dS phiS")
        for i, (Q, S, d) in enumerate(p.each("Q S d")):
            p.m.state(f"Q_{i}", "Gy", f"cytosolic DNA in lesion {i}, as the dose that made it", initial=0)
            p.m.state(f"S_{i}", "arb_unit", f"interferon signal in lesion {i}", initial=0)
            p.m.rate(f"Q_{i}", "turnover", -kQ * Q)
            p.m.rate(f"S_{i}", "sensing, with feed-forward", kS * hill(Q, KQ, h) * (1 + phiS * S / (1 + S)))
            p.m.rate(f"S_{i}", "decay", -dS * S)
            p.m.update("fraction", f"Q_{i}", Q + d)
        _add_trex1(p)


def _add_trex1(p: Parts) -> None:
    with p.m.mechanism("TREX1", switch="trex1", meaning="high single doses induce TREX1, which degrades the DNA"):
        kX, kdX, dX, nX = p.numbers("kX kdX dX nX")
        for i, (Q, X, d) in enumerate(p.each("Q X d")):
            p.m.state(f"X_{i}", "arb_unit", f"TREX1 in lesion {i}", initial=0)
            p.m.rate(f"Q_{i}", "degraded by TREX1", -kX * X * Q)
            p.m.rate(f"X_{i}", "decay", -kdX * X)
            p.m.update("fraction", f"X_{i}", X + hill(d, dX, nX))
