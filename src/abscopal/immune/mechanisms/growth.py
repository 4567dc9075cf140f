"""Growth of each lesion, radiation kill, clearance of doomed cells, and killing by effectors."""

import sympy as sp

from abscopal.equations.pieces import Argument
from abscopal.equations.symbolic import exp, maximum, minimum
from abscopal.immune.mechanisms.parts import Parts


def lq_l_survival(d: sp.Expr, alpha: sp.Expr, beta: sp.Expr, dT: sp.Expr) -> sp.Expr:
    """Surviving fraction: linear-quadratic up to `dT`, then a straight line of the same slope."""
    low, high = minimum(d, dT), maximum(0, d - dT)
    return exp(-(alpha * low + beta * low**2 + (alpha + 2 * beta * dT) * high))


def add_growth(p: Parts) -> None:
    """V viable and M doomed volume of each lesion; the fraction impulse."""
    g, K, kM, alpha, beta, dT = p.numbers("g K kM alpha beta dT")
    with p.m.mechanism("growth and radiation"):
        p.m.impulse("fraction", "one fraction of radiation", _fraction_arguments(p), trigger="fraction")
        for i, (V, M, kill) in enumerate(p.each("V M kill")):
            start = p.number("V_irradiated" if i in p.irradiated else "V_other", name=f"V0_{i}")
            p.m.state(f"V_{i}", "mm^3", f"viable volume of lesion {i}", initial=start)
            p.m.state(f"M_{i}", "mm^3", f"doomed volume of lesion {i}", initial=0)
            p.m.quantity(f"kill_{i}", "1/day", f"rate of killing by effectors in lesion {i}")
            p.m.rate(f"V_{i}", "growth", g * V * maximum(0, 1 - (V + M) / K))
            p.m.rate(f"V_{i}", "killed by effectors", -kill * V)
            p.m.rate(f"M_{i}", "killed by effectors", kill * V)
            p.m.rate(f"M_{i}", "clearance", -kM * M)
            survival = p.average(i, lambda d: lq_l_survival(d, alpha, beta, dT), p.tumour_dose(i))
            p.m.update("fraction", f"V_{i}", V * survival, unless="hypoxia")
            p.m.update("fraction", f"M_{i}", M + V * (1 - survival), unless="hypoxia")


def add_killing(p: Parts) -> None:
    """Killing by effectors, braked by PD-L1 and by suppressors."""
    with p.m.mechanism("killing", switch="killing", meaning="tumour cells are killed by effectors"):
        kk = p.number("kk")
        for i, (E, brake, Sup) in enumerate(p.each("E I Sup")):
            p.m.contribute(f"kill_{i}", "effectors", kk * E * (1 - brake) / Sup, needs=["effectors"])


def _fraction_arguments(p: Parts) -> list[Argument]:
    lesions = [
        Argument(f"d_{i}", "Gy", f"dose to lesion {i}", source="dose" if i in p.irradiated else "")
        for i in range(p.lesions)
    ]
    blood = Argument("d_blood", "Gy", "dose to the blood in the field", source="dose" if p.irradiated else "")
    return [*lesions, blood, Argument("d_node", "Gy", "dose to the draining node")]
