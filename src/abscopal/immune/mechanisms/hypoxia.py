"""Hypoxic cells: a share of each lesion that radiation kills less, renewed by return to its resting share.

A hypoxic cell sees the dose divided by the oxygen enhancement ratio. Between fractions the share returns
to rest, which reoxygenates survivors: without it one fraction would leave a lesion of hypoxic cells only.
"""

from abscopal.immune.mechanisms.growth import lq_l_survival
from abscopal.immune.mechanisms.parts import Parts


def add_hypoxia(p: Parts) -> None:
    """H, share of the viable cells of each lesion that is hypoxic."""
    with p.m.mechanism("hypoxia", switch="hypoxia", meaning="hypoxic cells survive radiation and reoxygenate"):
        H0, oer, kreo, alpha, beta, dT = p.numbers("H0 oer kreo alpha beta dT")
        for i, (V, M, H) in enumerate(p.each("V M H")):
            p.m.state(f"H_{i}", "1", f"hypoxic share of the viable cells of lesion {i}", initial=p.m["H0"])
            p.m.rate(f"H_{i}", "return to rest", kreo * (H0 - H))
            dose = p.tumour_dose(i)
            oxic = p.average(i, lambda d: lq_l_survival(d, alpha, beta, dT), dose)
            hypoxic = p.average(i, lambda d: lq_l_survival(d / oer, alpha, beta, dT), dose)
            survival = (1 - H) * oxic + H * hypoxic
            p.m.update("fraction", f"V_{i}", V * survival)
            p.m.update("fraction", f"M_{i}", M + V * (1 - survival))
            p.m.update("fraction", f"H_{i}", H * hypoxic / survival)
