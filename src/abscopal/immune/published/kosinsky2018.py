"""Kosinsky et al. 2018: CT26 tumours in mice under radiation and anti-PD-(L)1.

Repair of double-strand breaks is U/τ with τ a time, as the unit in the paper's table says: the quadratic kill of an
acute fraction is then 0.1·α·D², α/β = 10 Gy. The deposited SBML has τ·U, which sterilises every irradiated
tumour; `literal=True` gives it, as a counter-example.
"""

from functools import cache

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.symbolic import exp, saturation
from abscopal.immune.published.parts import drug, fraction, numbers

SHEET = "published/kosinsky2018"
DRUGS = ("anti-PD-L1", "anti-PD-1")


@cache
def kosinsky2018(*, literal: bool = False) -> Model:
    """Viable and damaged tumour, breaks, two kinds of T cells, PD-L1 and the antibody.

    Parameters
    ----------
    literal : bool
        Repair as the deposited SBML writes it. Contradicts the paper; for tests only.

    References
    ----------
    .. [1] Kosinsky Y et al. 2018, J Immunother Cancer 6:17, doi 10.1186/s40425-018-0327-9.
    """
    m = ModelBuilder("Kosinsky 2018" + (", SBML as deposited" if literal else ""))
    _tumour(m, literal=literal)
    _immune(m)
    _antibody(m)
    return m.build()


def _tumour(m: ModelBuilder, *, literal: bool) -> None:
    r, TV_max, d0, e, mu, alpha, delta, tau, quadratic, TV_0 = numbers(
        m, SHEET, "r TV_max d0 e mu alpha delta tau quadratic TV_0"
    )
    TV = m.state("TV", "mm^3", "viable tumour", initial=TV_0)
    TVd = m.state("TVd", "mm^3", "damaged tumour", initial=0)
    U = m.state("U", "1", "double-strand breaks per cell", initial=0)
    damage = TV * quadratic * alpha / (tau * delta**2) * U**2
    m.rate("TV", "growth", r * TV * (1 - TV / TV_max))
    m.rate("TV", "damage", -damage)
    m.rate("TV", "death", -(e * m["dT"] + d0) * TV)
    m.rate("TVd", "damage", damage)
    m.rate("TVd", "clearance", -mu * TVd)
    m.rate("U", "repair", -numbers(m, SHEET, "literal_repair")[0] * U if literal else -U / tau)
    m.quantity("V", "mm^3", "total volume", TV + TVd)
    d = fraction(m)
    survival = exp(-alpha * d)
    m.update("fraction", "TV", TV * survival)
    m.update("fraction", "TVd", TVd + TV * (1 - survival))
    m.update("fraction", "U", U + delta * d)


def _immune(m: ModelBuilder) -> None:
    mu, e, d0, K_tcd, k_LN, S_L, S_R, k_pro, k_dif, k_el, k_apo, K_pdl, k_pdl, K_D = numbers(
        m, SHEET, "mu e d0 K_tcd k_LN S_L S_R k_pro k_dif k_el k_apo K_pdl k_pdl K_D"
    )
    nT = m.state("nT", "cell", "T cells that are not differentiated", initial=0)
    dT = m.state("dT", "cell", "differentiated T cells", initial=0)
    P = m.state("P", "1", "PD-L1, relative", initial=0)
    death = m.quantity("death", "1/day", "death rate of tumour cells", mu * m["TVd"] / m["V"] + e * dT + d0)
    mature = m.quantity("DC", "1", "mature dendritic cells", death**2 / (death**2 + K_tcd**2))
    antigen = m.quantity("Ag", "mm^3", "systemic antigen", mature * m["V"])
    brake = (1 - P / (1 + m["mAb"] / K_D)) * (1 - saturation(antigen, S_R))
    activation = m.quantity("Act", "1", "activation of T cells", brake)
    m.rate("nT", "influx", k_LN * saturation(antigen, S_L))
    m.rate("nT", "proliferation less differentiation", activation * (k_pro - k_dif) * nT)
    m.rate("nT", "loss", -k_el * nT)
    m.rate("dT", "differentiation", activation * k_dif * nT)
    m.rate("dT", "death", -k_apo * dT)
    m.rate("P", "induction", k_pdl * saturation(dT, K_pdl))
    m.rate("P", "turnover", -k_pdl * P)


def _antibody(m: ModelBuilder) -> None:
    k_a, k_mAb, V_d, molar_mass = numbers(m, SHEET, "k_a k_mAb V_d molar_mass")
    depot = m.state("depot", "nmol/L", "antibody not yet absorbed", initial=0)
    mAb = m.state("mAb", "nmol/L", "antibody", initial=0)
    m.rate("depot", "absorption", -k_a * depot)
    m.rate("mAb", "absorption", k_a * depot)
    m.rate("mAb", "elimination", -k_mAb * mAb)
    for name in DRUGS:
        m.update(f"dose {name}", "depot", depot + drug(m, name) / (molar_mass * V_d))
