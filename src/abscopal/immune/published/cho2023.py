"""Cho et al. 2023: a daily recursion of tumour, lymphocytes, triggering cells and doomed volume.

Of the family of Serre 2016: a primary response braked by PD-1, a secondary one (memory) gated by CTLA-4.
A fraction given on day n acts in the step from n to n + 1.
"""

from functools import cache

from sympy import Rational

from abscopal.domain.registry import unknown_name
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.symbolic import exp
from abscopal.immune.published.parts import drug, fraction, numbers
from abscopal.knowledge.load import load

SHEET = "published/cho2023"
DRUGS = {"anti-PD-1": "p1", "anti-PD-L1": "p1", "anti-CTLA-4": "c4"}


def cho2023(parameters: str = "4") -> Model:
    """The recursion with one of its parameter sets.

    Parameters
    ----------
    parameters : str
        Figure of the paper whose set is taken: `"2"`, `"3"`, `"4"` (also 5) or `"6"`.

    References
    ----------
    .. [1] Cho, Yoon, Suh, Scott 2023, Phys Med Biol 68:165010, doi 10.1088/1361-6560/ace819 (not opened; equations
       and parameters of third-party code).
    """
    table = load(SHEET).table("sets")
    table = table.set_index(table["set"].astype(str)).drop(columns="set")
    if parameters not in table.index:
        raise unknown_name("choosing a parameter set of Cho 2023", parameters, list(table.index))
    return _structure().with_values({str(name): float(column[parameters]) for name, column in table.items()})


@cache
def _structure() -> Model:
    m = ModelBuilder("Cho 2023")
    aT, bT, aL, bL, mu, rho, omega, lam_D, lam_L, lam_A, psi, kappa, gamma, r, V_C, T_0, level = numbers(
        m, SHEET, "aT bT aL bL mu rho omega lam_D lam_L lam_A psi kappa gamma r_memory V_C T_0 level"
    )
    T = m.state("T", "arb_unit", "tumour", initial=T_0)
    L = m.state("L", "arb_unit", "lymphocytes", initial=0)
    A = m.state("A", "1", "triggering cells", initial=1)
    D = m.state("D", "arb_unit", "doomed volume", initial=0)
    memory = m.state("Zs", "1", "secondary response", initial=0)
    kill_T, kill_L = (m.state(f"k{x}", "1", f"log kill of {x} in the coming step", initial=0) for x in "TL")
    p1 = m.state("p1", "1", "level of anti-PD-1 or anti-PD-L1", initial=0)
    c4 = m.state("c4", "1", "level of anti-CTLA-4", initial=0)
    S_T, S_L = exp(-kill_T), exp(-kill_L)
    share = 1 - S_T
    damaged = m.quantity("e", "1", "tanh of the damaged share", (exp(2 * share * V_C) - 1) / (exp(2 * share * V_C) + 1))
    brake = 1 + kappa * T ** Rational(2, 3) * L / (1 + p1)
    primary = m.quantity("Zp", "1", "primary response", omega * L / brake)
    total = primary + memory + gamma * (1 + c4) / (r + c4) * primary
    m.quantity("V", "arb_unit", "tumour and doomed volume", T + D)
    m.clock("day", "one day", every=1.0)
    m.update("day", "T", T * exp(mu - total) * S_T)
    m.update("day", "L", (1 - lam_L) * S_L * L + rho * T + psi * damaged * A * T)
    m.update("day", "A", (1 - damaged) * (A * S_L + (1 - A) * lam_A))
    m.update("day", "D", (1 - lam_D) * D + share * T * exp(mu) + S_T * T * exp(mu) * (1 - exp(-total)))
    m.update("day", "Zs", memory + gamma * (1 + c4) / (r + c4) * primary)
    m.update("day", "kT", 0 * kill_T)
    m.update("day", "kL", 0 * kill_L)
    d = fraction(m)
    m.update("fraction", "kT", kill_T + aT * d + bT * d**2)
    m.update("fraction", "kL", kill_L + aL * d + bL * d**2)
    for name, state in DRUGS.items():
        drug(m, name)
        m.update(f"dose {name}", state, level + 0 * m[state])
    return m.build()
