"""A 25-state stiff model of radiation, an antibody and an immune response, for speed measurements only.

Shaped like quantitative systems pharmacology models: delays as transit compartments, saturating terms, and a
drug that binds its target within minutes while tumours change over weeks. Its numbers mean nothing.
"""

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.equations.symbolic import exp, hill, maximum

_RATES = {  # [1/day]
    "grow": 0.05, "die": 0.3, "take": 40.0, "clear": 6.0, "signal": 12.0, "calm": 20.0, "mature": 2.0, "move": 8.0,
    "prime": 0.6, "divide": 3.0, "leave": 1.5, "home": 0.8, "lose": 0.15, "tire": 0.2, "revive": 0.6, "kill": 0.4,
    "treg": 0.1, "mdsc": 0.25, "raise": 15.0, "fall": 10.0, "k10": 0.08, "k12": 0.4, "k21": 0.3, "on": 120.0,
    "off": 60.0, "internal": 4.0,
}  # fmt: skip
_NUMBERS = {
    "room": 50.0, "half_antigen": 0.5, "half_signal": 0.4, "half_ligand": 0.6, "half_tumour": 3.0, "steep": 2.0,
    "steep_kill": 1.5, "brake": 2.5, "suppress": 1.2, "myeloid": 0.7, "alpha": 0.12, "beta": 0.02, "fragile": 0.25,
    "volume": 3.5, "seed": 4.0, "distant": 1.5, "lymphocyte": 1.0, "escape": 0.05, "help": 0.8, "leak": 0.3,
    "binding": 0.5, "damp": 2.0,
}  # fmt: skip


def stiff_model() -> Model:
    """The model: 25 states, 50 parameters, one impulse for a fraction and one for a dose of antibody."""
    m = ModelBuilder("stiff 25")
    r = {name: m.parameter(name, "1/day", name, value=value) for name, value in _RATES.items()}
    k = {name: m.parameter(name, "1", name, value=value) for name, value in _NUMBERS.items()}
    _tumour(m, r, k)
    _signals(m, r, k)
    _cells(m, r, k)
    _drug(m, r, k)
    return m.build()


def _state(m: ModelBuilder, names: str, initial: float = 0.0) -> None:
    for name in names.split():
        m.state(name, "1", name, initial=initial)


def _tumour(m: ModelBuilder, r: dict, k: dict) -> None:
    m.state("T1", "1", "irradiated tumour", initial=k["seed"])
    m.state("T2", "1", "distant tumour", initial=k["distant"])
    _state(m, "X1 X2 X3")
    m.quantity("block", "1", "share of ligand free", 1 / (1 + m["RC"] / k["binding"]))
    m.quantity("damped", "1", "suppression", 1 + k["suppress"] * m["R"] + k["myeloid"] * m["M"])
    m.quantity(
        "hindered", "1", "brake of the ligand", 1 + k["brake"] * m["L"] * m["block"] / (m["L"] + k["half_ligand"])
    )
    for tumour, cells in (("T1", "E1"), ("T2", "E2")):
        strike = hill(m[cells], k["half_signal"], k["steep_kill"]) / (m["damped"] * m["hindered"])
        m.quantity(f"struck_{tumour}", "1/day", "kill", r["kill"] * strike)
        m.rate(tumour, "growth", r["grow"] * m[tumour] * maximum(0, 1 - m[tumour] / k["room"]))
        m.rate(tumour, "killed", -m[f"struck_{tumour}"] * m[tumour])
    m.rate("X1", "killed", m["struck_T1"] * m["T1"] + m["struck_T2"] * m["T2"])
    for before, after in (("X1", "X2"), ("X2", "X3")):
        m.rate(before, "transit", -r["die"] * m[before])
        m.rate(after, "transit", r["die"] * m[before])
    m.rate("X3", "cleared", -r["die"] * m["X3"])
    m.impulse("fraction", "fraction", [Argument("d", "Gy", "dose", source="dose")], trigger="fraction")
    gray = m.parameter("gray", "Gy", "unit of dose", value=1.0)
    d = m["d"] / gray
    survival = exp(-k["alpha"] * d - k["beta"] * d**2)
    m.update("fraction", "T1", m["T1"] * survival)
    m.update("fraction", "X1", m["X1"] + m["T1"] * (1 - survival))
    m.update("fraction", "E1", m["E1"] * exp(-k["fragile"] * d))


def _signals(m: ModelBuilder, r: dict, k: dict) -> None:
    _state(m, "A H I D1 D2 N1 N2")
    m.rate("A", "release", r["take"] * (m["X3"] + k["escape"] * m["T1"]) / (1 + m["A"]))
    m.rate("A", "clearance", -r["clear"] * m["A"])
    m.rate("H", "release", k["damp"] * r["die"] * m["X2"])
    m.rate("H", "clearance", -r["calm"] * m["H"])
    m.rate("I", "induction", r["signal"] * hill(m["H"], k["half_signal"], k["steep"]))
    m.rate("I", "decay", -r["calm"] * m["I"])
    m.rate("D1", "uptake", r["mature"] * hill(m["A"], k["half_antigen"], k["steep"]) * (1 + k["help"] * m["I"]))
    for before, after in (("D1", "N1"), ("N1", "N2"), ("N2", "D2")):
        m.rate(before, "transit", -r["move"] * m[before])
        m.rate(after, "transit", r["move"] * m[before])
    m.rate("D2", "death", -r["mature"] * m["D2"])


def _cells(m: ModelBuilder, r: dict, k: dict) -> None:
    _state(m, "P1 P2 P3 B E1 E2 Z")
    _state(m, "R M L", 1.0)
    m.rate("P1", "priming", r["prime"] * k["lymphocyte"] * m["D2"] / (1 + m["D2"]))
    for before, after in (("P1", "P2"), ("P2", "P3")):
        m.rate(before, "division", -r["divide"] * m[before])
        m.rate(after, "division", 2 * r["divide"] * m[before])
    m.rate("P3", "leaving", -r["leave"] * m["P3"])
    m.rate("B", "arrival", r["leave"] * m["P3"])
    m.rate("B", "death", -r["lose"] * m["B"])
    for cells, tumour in (("E1", "T1"), ("E2", "T2")):
        into = r["home"] * m["B"] * m[tumour] / (m[tumour] + k["half_tumour"])
        m.rate("B", f"to {cells}", -into)
        m.rate(cells, "arrival", into)
        m.rate(cells, "death", -r["lose"] * m[cells])
        m.rate(cells, "tiring", -r["tire"] * m["hindered"] * m[cells])
    m.rate("Z", "tiring", r["tire"] * m["hindered"] * (m["E1"] + m["E2"]))
    m.rate("E1", "revival", r["revive"] * (1 - m["block"]) * m["Z"])
    m.rate("Z", "revival", -r["revive"] * (1 - m["block"]) * m["Z"])
    m.rate("Z", "death", -r["lose"] * m["Z"])
    m.rate("R", "turnover", r["treg"] * (1 + k["leak"] * m["T1"] / (m["T1"] + k["half_tumour"]) - m["R"]))
    m.rate("M", "turnover", r["mdsc"] * (1 + m["X3"] / (1 + m["X3"]) - m["M"]))
    m.rate("L", "induction", r["raise"] * (0.1 + (m["E1"] + m["I"]) / (1 + m["E1"] + m["I"])))
    m.rate("L", "decay", -r["fall"] * m["L"])


def _drug(m: ModelBuilder, r: dict, k: dict) -> None:
    _state(m, "C1 C2 RC")
    m.rate("C1", "elimination", -r["k10"] * m["C1"])
    m.rate("C1", "exchange", r["k21"] * m["C2"] - r["k12"] * m["C1"])
    m.rate("C2", "exchange", r["k12"] * m["C1"] - r["k21"] * m["C2"])
    bound = r["on"] * m["C1"] * maximum(0, 1 - m["RC"]) - r["off"] * m["RC"]
    m.rate("C1", "binding", -0.01 * bound)
    m.rate("RC", "binding", bound)
    m.rate("RC", "internalised", -r["internal"] * m["RC"])
    m.impulse("antibody", "dose", [Argument("mg", "mg", "amount", source="amount")], trigger="drug:antibody")
    unit = m.parameter("milligram", "mg", "unit of amount", value=1.0)
    m.update("antibody", "C1", m["C1"] + m["mg"] / unit / k["volume"])
