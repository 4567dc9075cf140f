"""CD8 effectors: in the blood, in each lesion, exhausted, and as memory."""

import sympy as sp

from abscopal.equations.symbolic import exp, maximum
from abscopal.immune.mechanisms.parts import Parts


def add_effectors(p: Parts) -> None:
    """C circulating and E resident effectors, W memory; Z exhausted cells have their own switch."""
    with p.m.mechanism("effectors", switch="effectors", meaning="tumour-specific CD8 cells"):
        _add_circulating(p)
        _add_resident(p)
        _add_exhaustion(p)


def resident_survival(p: Parts, lesion: int) -> sp.Expr:
    """Share of the resident effectors of a lesion that survives a fraction."""
    aT, bT = p.numbers("aT bT")
    return p.average(lesion, lambda d: exp(-aT * d - bT * d**2), p.m[f"d_{lesion}"])


def _add_circulating(p: Parts) -> None:
    pT, e4, KRn, bN, dC, kout, kin, kW, fW, dW, C0 = p.numbers("pT e4 KRn bN dC kout kin kW fW dW C0")
    RO_4 = p.m["RO_4"]
    C = p.m.state("C", "arb_unit", "circulating tumour-specific effectors", initial=C0)
    W = p.m.state("W", "arb_unit", "memory cells", initial=0)
    p.m.quantity("lymphocyte_share", "1", "share of priming that the lymphocytes left allow", 1, combine="product")
    brake = 1 + KRn * (1 - bN * RO_4)
    p.m.rate(
        "C",
        "priming",
        pT * p.m["D"] * p.m["lymphocyte_share"] * (1 + e4 * RO_4) / brake,
        needs=["priming"],
    )
    p.m.rate("C", "recall from memory", kW * W)
    p.m.rate("C", "death", -dC * C)
    p.m.rate("C", "leaving for tissue", -kout * kin * C)
    p.m.rate("W", "formation", fW * C)
    p.m.rate("W", "death", -dW * W)


def _add_resident(p: Parts) -> None:
    kin, e0, wS, KV, kEp, KE, Emax, dE = p.numbers("kin e0 wS KV kEp KE Emax dE")
    C = p.m["C"]
    for i, (V, M, E, S, brake, Sup, tgfb) in enumerate(p.each("V M E S I Sup f_B")):
        p.m.state(f"E_{i}", "arb_unit", f"effectors in lesion {i}", initial=0)
        p.m.quantity(f"entry_{i}", "1", f"readiness of lesion {i} to let effectors in")
        p.m.contribute(f"entry_{i}", "basal", e0)
        p.m.contribute(f"entry_{i}", "interferon", wS * S / (1 + S), needs=["sting"])
        p.m.quantity(f"supply_{i}", "1", f"supply of lesion {i} with blood, relative to the mean", 1, combine="product")
        size, antigen = (V + M) / (V + M + KV), (V + M) / (V + M + KE)
        free = maximum(0, 1 - E / Emax)
        influx = p.m.quantity(
            f"influx_{i}",
            "arb_unit/day",
            f"effectors entering lesion {i}",
            kin * C * p.m[f"entry_{i}"] * tgfb * size * p.m[f"supply_{i}"],
        )
        p.m.rate(f"E_{i}", "influx", influx)
        p.m.rate(f"E_{i}", "expansion", kEp * antigen * E * (1 - brake) / Sup * free)
        p.m.rate(f"E_{i}", "death", -dE * E)
        p.m.update("fraction", f"E_{i}", E * resident_survival(p, i), unless="arrivals")


def _add_exhaustion(p: Parts) -> None:
    with p.m.mechanism("exhaustion", switch="exhaustion", meaning="effectors exhaust; PD-1 blockade revives them"):
        kex, ex0, krev, dZ, KE = p.numbers("kex ex0 krev dZ KE")
        RO_1 = p.m["RO_1"]
        for i, (V, M, E, Z, brake) in enumerate(p.each("V M E Z I")):
            p.m.state(f"Z_{i}", "arb_unit", f"exhausted effectors in lesion {i}", initial=0)
            p.m.quantity(
                f"ex_{i}", "1/day", f"rate of exhaustion in lesion {i}", kex * (ex0 + brake) * (V + M) / (V + M + KE)
            )
            lost, revived = p.m[f"ex_{i}"] * E, krev * RO_1 * Z
            p.m.rate(f"E_{i}", "exhaustion", -lost)
            p.m.rate(f"E_{i}", "reinvigoration", revived)
            p.m.rate(f"Z_{i}", "exhaustion", lost)
            p.m.rate(f"Z_{i}", "reinvigoration", -revived)
            p.m.rate(f"Z_{i}", "death", -dZ * Z)
            p.m.update("fraction", f"Z_{i}", Z * resident_survival(p, i))
