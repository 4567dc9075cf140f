"""González-Crespo et al. (arXiv 2106.07591): anti-PD-1 and anti-CTLA-4 with radiation, two fixed delays.

Equations as in a port of the authors' code, values a third-party refit. Antigen comes from the death of doomed cells
after one delay, activated T cells reach the tumour after another.
"""

from functools import cache

import sympy as sp

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.symbolic import exp, maximum, minimum
from abscopal.immune.published.parts import drug, numbers
from abscopal.knowledge.load import load

SHEET = "published/gonzalez_crespo2022"
MOST_FRACTIONS = 60
DRUGS = {"anti-PD-1": "p1", "anti-PD-L1": "p1", "anti-CTLA-4": "c4"}


def gonzalez_crespo2022(fractions: int = 5, parameters: str = "A") -> Model:
    """The model for a number of fractions, impulses `fraction_1`, …, with the argument `d` [Gy].

    Parameters
    ----------
    fractions : int
    parameters : {"A", "B", "C"}
        Values of the groups radiation, with anti-PD-1, and with anti-PD-1 and anti-CTLA-4.

    Raises
    ------
    InputError
        An unknown set, a negative number of fractions or more than sixty.
    """
    table = load(SHEET).table("sets").set_index("set")
    if parameters not in table.index:
        raise unknown_name("choosing a parameter set of González-Crespo 2022", parameters, list(table.index))
    if not 0 <= fractions <= MOST_FRACTIONS:
        raise InputError(
            doing="setting up the model of González-Crespo 2022",
            found=f"{fractions} fractions",
            expected=f"0 to {MOST_FRACTIONS}",
            try_="fewer fractions",
        )
    return _structure(fractions).with_values({str(name): float(column[parameters]) for name, column in table.items()})


@cache
def _structure(fractions: int) -> Model:
    m = ModelBuilder("González-Crespo 2022")
    cohorts = range(1, fractions + 1)
    _tumour(m, cohorts)
    _immune(m, cohorts)
    _drugs(m)
    for k in cohorts:
        _fraction(m, k)
    return m.build()


def _tumour(m: ModelBuilder, cohorts: range) -> None:
    l1, phi, td1, td2, p, q, s, vC, vT, C_0 = numbers(m, SHEET, "l1 phi td1 td2 p q s vC vT C_0")
    C = m.state("C", "cell", "undamaged tumour cells", initial=C_0)
    whole = m.quantity("C_all", "cell", "tumour cells", sum((m[f"M_{k}"] for k in cohorts), C))
    ratio = (maximum(m["T"], 0) / whole) ** q
    omega = m.quantity("omega", "1/day", "immune kill", p * (1 + m["p1"]) * ratio / (s + ratio))
    m.quantity("V", "mm^3", "tumour volume", whole * vC + m["T"] * vT)
    m.rate("C", "growth", l1 * C)
    m.rate("C", "immune kill", -omega * C)
    for k in cohorts:
        doomed = m.state(f"M_{k}", "cell", f"cells doomed by fraction {k}", initial=0)
        day = m.state(f"day_{k}", "day", f"day of fraction {k}", initial=0)
        risen = minimum(maximum((TIME - day - td1) / (td2 - td1), 0), 1)
        dying = m.quantity(f"dying_{k}", "1/day", f"death rate of cohort {k}", phi * risen + omega)
        m.rate(f"M_{k}", "death", -dying * doomed)


def _immune(m: ModelBuilder, cohorts: range) -> None:
    rho, psi, sigma, tau1, tau2, a, r, h, iota, eta, N_0, T_0, refill = numbers(
        m, SHEET, "rho psi sigma tau1 tau2 a r h iota eta N_0 T_0 refill"
    )
    A = m.state("A", "cell", "antigen-presenting cells", initial=0)
    N = m.state("N", "cell", "T cells of the node", initial=N_0)
    T = m.state("T", "cell", "activated T cells in the tumour", initial=T_0)
    deaths = sum((m[f"dying_{k}"] * m[f"M_{k}"] for k in cohorts), sp.S.Zero)
    met = a * N * A + (r - 1) * a / (1 + m["c4"]) * N * A
    before = m.delayed("C_before", "cell", "tumour cells a delay ago", m["C_all"], tau1)
    m.rate("A", "living cells", rho * before)
    if cohorts:
        died = m.delayed("died", "cell/day", "deaths of doomed cells a delay ago", deaths, tau1, history=0)
        m.rate("A", "deaths", psi * died)
    m.rate("A", "loss", -sigma * A)
    m.rate("A", "meeting T cells", -met)
    # New T cells only replace what was used: the node holds no more than at the start.
    m.rate("N", "new", minimum(h, maximum((N_0 - N) * refill, 0)))
    m.rate("N", "activation and inactivation", -met)
    m.rate("T", "arrival", m.delayed("activated", "cell/day", "activations a delay ago", a * A * N, tau2, history=0))
    m.rate("T", "loss to tumour", -iota * T * m["C_all"])
    m.rate("T", "loss", -eta * T)


def _drugs(m: ModelBuilder) -> None:
    mi, ni, p1_dose, c4_dose = numbers(m, SHEET, "mi ni p1_dose c4_dose")
    p1 = m.state("p1", "1", "effect of anti-PD-1", initial=0)
    c4 = m.state("c4", "1", "effect of anti-CTLA-4", initial=0)
    m.rate("p1", "loss", -mi * p1)
    m.rate("c4", "loss", -ni * c4)
    steps = {"p1": p1 + p1_dose, "c4": c4 + c4_dose}
    for name, state in DRUGS.items():
        drug(m, name)
        m.update(f"dose {name}", state, steps[state])


def _fraction(m: ModelBuilder, k: int) -> None:
    aC, bC, b2, aT, bT = numbers(m, SHEET, "aC bC b2 aT bT")
    name = f"fraction_{k}"
    m.impulse(name, f"fraction {k}", [Argument("d", "Gy", "dose of the fraction", source="dose")])
    d, C, T = m["d"], m["C"], m["T"]
    kept = exp(-aC * d - bC * (1 + b2 * d ** sp.Rational(1, 2)) * d**2)
    m.update(name, "C", C * kept)
    m.update(name, f"M_{k}", C * (1 - kept))
    m.update(name, f"day_{k}", TIME)
    m.update(name, "T", T * exp(-aT * d - bT * d**2))
