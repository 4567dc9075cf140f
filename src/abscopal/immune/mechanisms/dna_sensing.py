"""Cytosolic DNA after radiation, its degradation by TREX1, and the type I interferon signal."""

from abscopal.equations.symbolic import expression, hill
from abscopal.immune.mechanisms.parts import UNIFORM, Parts


def parts_of_lesions(p: Parts) -> list[tuple[int, str, float]]:
    """Lesion, suffix of its DNA states and relative dose; one entry per part of a lesion irradiated unevenly."""
    return [
        (i, str(i) if p.histogram(i) == UNIFORM else f"{i}_part{k}", relative)
        for i in range(p.lesions)
        for k, (relative, _) in enumerate(p.histogram(i))
    ]


def add_dna_sensing(p: Parts) -> None:
    """Q cytosolic DNA, X TREX1 and S the cGAS-STING-interferon signal of each lesion.

    A lesion with a dose histogram has these states for each of its parts; its S is their average.
    """
    with p.m.mechanism("DNA sensing", switch="sting", meaning="cytosolic DNA raises type I interferon"):
        kQ, KQ, h, kS, dS, phiS = p.numbers("kQ KQ h kS dS phiS")
        for i, name, relative in parts_of_lesions(p):
            Q, S = p.m[f"Q_{name}"], p.m[f"S_{name}"]
            p.m.state(f"Q_{name}", "Gy", f"cytosolic DNA in lesion {name}, as the dose that made it", initial=0)
            p.m.state(f"S_{name}", "arb_unit", f"interferon signal in lesion {name}", initial=0)
            p.m.rate(f"Q_{name}", "turnover", -kQ * Q)
            p.m.rate(f"S_{name}", "sensing, with feed-forward", kS * hill(Q, KQ, h) * (1 + phiS * S / (1 + S)))
            p.m.rate(f"S_{name}", "decay", -dS * S)
            p.m.update("fraction", f"Q_{name}", Q + relative * p.tumour_dose(i), unless="delayed_dna")
        _average_signal(p)
        _add_trex1(p)


def _average_signal(p: Parts) -> None:
    for i in range(p.lesions):
        if p.histogram(i) != UNIFORM:
            signal = expression(0)
            for k, (_, share) in enumerate(p.histogram(i)):
                signal = signal + share * p.m[f"S_{i}_part{k}"]
            p.m.quantity(f"S_{i}", "arb_unit", f"interferon signal in lesion {i}, averaged over its volume", signal)


def _add_trex1(p: Parts) -> None:
    with p.m.mechanism("TREX1", switch="trex1", meaning="high single doses induce TREX1, which degrades the DNA"):
        kX, kdX, dX, nX = p.numbers("kX kdX dX nX")
        for i, name, relative in parts_of_lesions(p):
            Q, X = p.m[f"Q_{name}"], p.m[f"X_{name}"]
            p.m.state(f"X_{name}", "arb_unit", f"TREX1 in lesion {name}", initial=0)
            p.m.rate(f"Q_{name}", "degraded by TREX1", -kX * X * Q)
            p.m.rate(f"X_{name}", "decay", -kdX * X)
            p.m.update("fraction", f"X_{name}", X + hill(relative * p.tumour_dose(i), dX, nX))
