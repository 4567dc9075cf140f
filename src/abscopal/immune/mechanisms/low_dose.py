"""The low-dose route: 0.5 to 2 Gy turn macrophages and vessels towards letting T cells in, without STING."""

from abscopal.equations.symbolic import exp, saturation
from abscopal.immune.mechanisms.parts import Parts


def add_low_dose(p: Parts) -> None:
    """F, readiness of the vessels and macrophages of each lesion to admit T cells after a low dose."""
    with p.m.mechanism("low dose", switch="low_dose", meaning="low doses open lesions to T cells, apart from STING"):
        wLD, kLD, dLD, dhi = p.numbers("wLD kLD dLD dhi")
        for i, (F, d) in enumerate(p.each("F d")):
            p.m.state(f"F_{i}", "1", f"low-dose opening of lesion {i}", initial=0)
            p.m.rate(f"F_{i}", "closing", -kLD * F)
            p.m.contribute(f"entry_{i}", "low dose", wLD * F / (1 + F), needs=["effectors"])
            opened = p.average(i, lambda dose: saturation(dose, dLD) * exp(-dose / dhi), d)
            p.m.update("fraction", f"F_{i}", F + opened)
