"""PD-L1 on the tumour, raised by effectors and interferon; the brake it puts on effectors."""

from abscopal.equations.symbolic import minimum
from abscopal.immune.mechanisms.parts import Parts


def add_pd_l1_brake(p: Parts) -> None:
    """The inhibition I of each lesion, zero unless PD-L1 adds to it."""
    for i in range(p.lesions):
        p.m.quantity(f"I_{i}", "1", f"inhibition of effectors in lesion {i}")


def add_pd_l1(p: Parts) -> None:
    """P, the PD-L1 level of each lesion."""
    with p.m.mechanism("PD-L1", switch="pdl1", meaning="PD-L1 inhibits effectors"):
        iPD, Pb, KP, PS, kP, pE, pS = p.numbers("iPD Pb KP PS kP pE pS")
        for i, (P, E, S) in enumerate(p.each("P E S")):
            p.m.state(f"P_{i}", "1", f"PD-L1 in lesion {i}, from 0 to 1", initial=Pb)
            p.m.quantity(f"induced_{i}", "1", f"induction of PD-L1 in lesion {i}")
            p.m.contribute(f"induced_{i}", "effectors", pE * E / (E + KP), needs=["effectors"])
            p.m.contribute(f"induced_{i}", "interferon", pS * PS * S / (1 + S), needs=["sting"])
            p.m.rate(f"P_{i}", "turnover", kP * (minimum(1, Pb + (1 - Pb) * p.m[f"induced_{i}"]) - P))
            p.m.contribute(f"I_{i}", "PD-L1 not blocked", iPD * P * (1 - p.m["RO_1"]))
