"""Friedrich, Scholz, Durante 2022: two lesions, antigen, lymphocytes at each, and dose to their node.

Doomed cells go on dividing until they die, after a time with a density f on a finite interval: each fraction is a
cohort of its own. Lymphocytes are activated by the antigen of the last two days, weighted by another such density
(`legendre_memory`), so that the model is ordinary equations. The code of the group stops lesions at zero; here a
lesion smaller than one cell does not grow.
"""

import math
from functools import cache

import sympy as sp
from scipy.integrate import quad

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.symbolic import exp, maximum, minimum, piecewise
from abscopal.immune.published.memory import legendre_memory
from abscopal.immune.published.parts import numbers
from abscopal.knowledge.load import load
from abscopal.simulation.events import Event

SHEET = "published/friedrich2022"
MOST_FRACTIONS = 60


def death_density(t: float, k1: float, k2: float, k3: float) -> float:
    """Density of the time to death or to activation: zero outside 0 to 1/k1, integral 1, in 1/day."""
    return _shape(t, k1, k2, k3) / _norm(k1, k2, k3)


def surviving_share(t: float, k1: float, k2: float, k3: float) -> float:
    """Share of doomed cells that are not dead after `t` days."""
    return 1.0 - float(quad(death_density, 0.0, min(max(t, 0.0), 1.0 / k1), args=(k1, k2, k3), epsabs=1e-12)[0])


def friedrich2022_events(
    regimen: Regimen,
    *,
    survival: float | None = None,
    node_dose: float | None = None,
    lymphocyte_dose: float | None = None,
    depletion: float | None = None,
) -> list[Event]:
    """Impulses of a regimen.

    Parameters
    ----------
    regimen : Regimen
        A dose of `anti-PD-1`, `anti-PD-L1` or `anti-CTLA-4` switches its effect on until a dose of zero; the model
        knows no amount.
    survival : float, optional
        Surviving fraction of the tumour at each fraction; linear-quadratic in its dose when None. [1]
    node_dose : float, optional
        Dose to the node over that to lymphocytes at the tumour; the app's when None. [1]
    lymphocyte_dose : float, optional
        Dose of each fraction to lymphocytes at the tumour; that of the fraction when None. [Gy]
    depletion : float, optional
        Share of lymphocytes at the abscopal lesion lost at each fraction; the app's when None. [1]
    """
    sheet = load(SHEET)
    share = sheet["fr"] if node_dose is None else node_dose
    lost = sheet["k_rad"] if depletion is None else depletion
    events = []
    for k, (day, dose) in enumerate(zip(regimen.fraction_days, regimen.fraction_doses, strict=True), start=1):
        local = dose if lymphocyte_dose is None else lymphocyte_dose
        kept = math.exp(-sheet["alpha_T"] * dose - sheet["beta_T"] * dose**2) if survival is None else survival
        events.append(Event(day, f"fraction_{k}", {"S_T": kept, "d_L": local, "d_node": share * local, "lost": lost}))
    for given in regimen.drug_doses:
        axis = "ctla4" if given.drug == "anti-CTLA-4" else "pd1"
        events.append(Event(given.day, f"{axis}_{'on' if given.mg > 0 else 'off'}"))
    return sorted(events, key=lambda event: event.day)


def friedrich2022(fractions: int = 9, *, death_dose: float = 2.0) -> Model:
    """The model for a number of fractions, each of which makes a cohort of doomed cells.

    Parameters
    ----------
    fractions : int
        Their impulses are `fraction_1`, `fraction_2`, …; see `friedrich2022_events`.
    death_dose : float
        Dose of a fraction, which sets how fast cells doomed by photons die. [Gy]

    Raises
    ------
    InputError
        A negative number of fractions or more than sixty.

    References
    ----------
    .. [1] Friedrich T, Scholz M, Durante M 2022, Int J Radiat Oncol Biol Phys, doi 10.1016/j.ijrobp.2022.03.030;
       equations and values of the group's code RIT_bokeh_app (MIT).
    """
    if not 0 <= fractions <= MOST_FRACTIONS:
        raise InputError(
            doing="setting up the model of Friedrich 2022",
            found=f"{fractions} fractions",
            expected=f"0 to {MOST_FRACTIONS}",
            try_="fewer fractions",
        )
    sheet = load(SHEET)
    k1 = min(max(sheet["k_death_slope"] * death_dose, sheet["k_death_least"]), sheet["k_death_most"])
    return _structure(fractions).with_values(
        {"k_death": k1, "death_norm": _norm(k1, sheet["k_rise"], sheet["sharpness"])} if fractions else {}
    )


@cache
def _structure(fractions: int) -> Model:
    m = ModelBuilder("Friedrich 2022")
    cohorts = range(1, fractions + 1)
    _tumours(m, cohorts)
    for k in cohorts:
        _cohort(m, k)
    _antigen(m, cohorts)
    _lymphocytes(m)
    for k in cohorts:
        _lymphocyte_cohort(m, k)
        _fraction(m, k)
    _drugs(m)
    return m.build()


def _tumours(m: ModelBuilder, cohorts: range) -> None:
    a1, b1, a2, b2, N_ref, T_0, T2_0, amp, alone, base = numbers(
        m, SHEET, "a1 b1 a2 b2 N_ref T_0 T2_0 amp alone kill_base"
    )
    T = m.state("T", "cell", "living cells of the primary", initial=T_0)
    T2 = m.state("T2", "cell", "living cells of the abscopal lesion", initial=T2_0)
    kill = m.state("kill", "1/day", "tumour cells killed per lymphocyte", initial=base)
    doomed = m.quantity("TM", "cell", "doomed cells of the primary", sum((m[f"M_{k}"] for k in cohorts), sp.S.Zero))
    m.quantity("V", "cell", "primary, living and doomed", T + doomed)
    speed = m.quantity("mu1", "1/day", "growth rate of the primary", a1 / (maximum(m["V"], alone) / N_ref) ** b1)
    speed2 = m.quantity("mu2", "1/day", "growth rate of the abscopal lesion", a2 / (maximum(T2, alone) / N_ref) ** b2)
    for name, cells, rate, killers in (("T", T, speed, m["L"] + m["LM"]), ("T2", T2, speed2, amp * m["LG"])):
        # Growth fades below one cell, so that what was killed does not come back; kill is per lymphocyte.
        m.rate(name, "growth", rate * cells * cells**2 / (cells**2 + alone**2))
        m.rate(name, "kill", -kill * killers * cells / (cells + alone))


def _cohort(m: ModelBuilder, k: int) -> None:
    """Cells doomed by fraction k: how many there would be if none died, and how many there are."""
    k2, k3, residue = numbers(m, SHEET, "k_rise sharpness residue")
    k1 = m.parameter("k_death", "1/day", "inverse of the longest time to death")
    norm = m.parameter("death_norm", "day", "integral of the shape of the death density")
    day = m.state(f"day_{k}", "day", f"day of fraction {k}", initial=0)
    given = m.state(f"given_{k}", "1", f"whether fraction {k} was given", initial=0)
    whole = m.state(f"C_{k}", "cell", f"cohort {k} as if no cell had died", initial=0)
    cells = m.state(f"M_{k}", "cell", f"doomed cells of fraction {k}", initial=0)
    age = maximum(TIME - day, 0)
    shape = (1 - minimum(k1 * age, 1) ** k3) * (1 - exp(-k2 * age)) / norm
    dying = m.quantity(f"f_{k}", "1/day", f"death density of cohort {k}", given * shape)
    dividing = piecewise((k1 * age < 1, m["mu1"]), otherwise=0)
    m.rate(f"C_{k}", "division", dividing * whole, discontinuous=True)
    m.rate(f"M_{k}", "division", dividing * cells, discontinuous=True)
    m.rate(f"M_{k}", "death", -whole * dying * cells / (cells + m["alone"]))
    over = piecewise((k1 * age < 1, 0 * residue), otherwise=residue)
    m.rate(f"M_{k}", "end", -over * cells, discontinuous=True)


def _antigen(m: ModelBuilder, cohorts: range) -> None:
    lam, rho, psi, act_base = numbers(m, SHEET, "lam rho psi act_base")
    T_0, T2_0, N_ref = m["T_0"], m["T2_0"], m["N_ref"]
    rate1, rate2 = m["a1"] / (T_0 / N_ref) ** m["b1"], m["a2"] / (T2_0 / N_ref) ** m["b2"]
    settled = rho * (T_0 + T2_0) ** 2 / ((lam + rate1) * T_0 + (lam + rate2) * T2_0)
    A = m.state("A", "cell", "antigen", initial=settled)
    m.rate("A", "decay", -lam * A)
    m.rate("A", "living cells", rho * (m["T"] + m["T2"]))
    for k in cohorts:
        m.rate("A", f"death of cohort {k}", psi * m[f"C_{k}"] * m[f"f_{k}"])
    act = m.state("act", "1/day", "activation of lymphocytes", initial=act_base)
    node = m.state("node", "1", "surviving fraction of lymphocytes in the node", initial=1)
    sheet = load(SHEET)
    shape = (sheet["act_end"], sheet["k_rise"], sheet["act_sharpness"])
    legendre_memory(
        m, "activated", "cell/day", "lymphocytes activated", act * node * A, 1.0 / sheet["act_end"],
        lambda age: death_density(age, *shape),
    )  # fmt: skip


def _lymphocytes(m: ModelBuilder) -> None:
    L_0, loss, g = numbers(m, SHEET, "L_0 loss g")
    new, kill = m["activated"], m["kill"]
    L = m.state("L", "cell", "lymphocytes at the primary", initial=L_0)
    LG = m.state("LG", "cell", "lymphocytes at the abscopal lesion", initial=L_0)
    LM = m.state("LM", "cell", "doomed lymphocytes at the primary", initial=0)
    m.rate("L", "new", g * new)
    m.rate("L", "loss", -loss * L)
    m.rate("L", "spent", -kill * L)
    m.rate("LG", "new", (1 - g) * new)
    m.rate("LG", "loss", -loss * LG)
    m.rate("LM", "spent", -kill * LM)


def _lymphocyte_cohort(m: ModelBuilder, k: int) -> None:
    """Loss of lymphocytes doomed by fraction k, written as the code does: without those spent on killing."""
    loss, alone, LM = m["loss"], m["alone"], m["LM"]
    whole = m.state(f"LC_{k}", "cell", f"lymphocytes doomed by fraction {k} as if none had died of it", initial=0)
    cells = m.state(f"LM_{k}", "cell", f"lymphocytes doomed by fraction {k}", initial=0)
    gone = loss * cells + whole * m[f"f_{k}"]
    m.rate(f"LC_{k}", "loss", -loss * whole)
    m.rate(f"LM_{k}", "loss and death", -gone * cells / (cells + alone))
    m.rate("LM", f"loss and death of cohort {k}", -gone * LM / (LM + alone))


def _fraction(m: ModelBuilder, k: int) -> None:
    aL, bL, least = numbers(m, SHEET, "aL bL least_survival")
    name, T, L, LG = f"fraction_{k}", m["T"], m["L"], m["LG"]
    m.impulse(
        name,
        f"fraction {k}",
        [
            Argument("S_T", "1", "surviving fraction of the tumour"),
            Argument("d_L", "Gy", "dose to lymphocytes at the tumour"),
            Argument("d_node", "Gy", "dose to the node"),
            Argument("lost", "1", "share of lymphocytes lost at the abscopal lesion"),
        ],
    )
    spared, in_node = (maximum(exp(-aL * m[n] - bL * m[n] ** 2), least) for n in ("d_L", "d_node"))
    m.update(name, "T", T * m["S_T"])
    m.update(name, "L", L * spared)
    m.update(name, "LM", m["LM"] + L * (1 - spared))
    m.update(name, "LG", LG * (1 - m["lost"]))
    m.update(name, "node", m["node"] * in_node)
    for state in (f"C_{k}", f"M_{k}"):
        m.update(name, state, T * (1 - m["S_T"]))
    for state in (f"LC_{k}", f"LM_{k}"):
        m.update(name, state, L * (1 - spared))
    m.update(name, f"day_{k}", TIME)
    m.update(name, f"given_{k}", sp.S.One)


def _drugs(m: ModelBuilder) -> None:
    for axis, state in (("pd1", "kill"), ("ctla4", "act")):
        base, high = numbers(m, SHEET, f"{state}_base {state}_high")
        for when, value in (("on", high), ("off", base)):
            m.impulse(f"{axis}_{when}", f"immunotherapy of the axis {axis} {when}", [])
            m.update(f"{axis}_{when}", state, value)


def _shape(t: float, k1: float, k2: float, k3: float) -> float:
    inside = 0.0 < t < 1.0 / k1
    return (1.0 - (k1 * t) ** k3) * (1.0 - math.exp(-k2 * t)) if inside else 0.0


@cache
def _norm(k1: float, k2: float, k3: float) -> float:
    return float(quad(_shape, 0.0, 1.0 / k1, args=(k1, k2, k3), epsabs=1e-13)[0])
