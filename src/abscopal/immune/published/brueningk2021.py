"""Brüningk et al. 2021: recurrent high-grade glioma, intermittent radiation with pembrolizumab and bevacizumab.

Viable and dying tumour; systemic drugs kill at a rate that decays as resistance comes. S belongs to fractions of
6 Gy; for another dose d the model here takes S^(d/6), which is ours.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.immune.published.parts import drug, fraction, numbers
from abscopal.knowledge.load import load
from abscopal.simulation.many import simulate_many

SHEET = "published/brueningk2021"
DRUG = "anti-PD-1"
FloatArray = NDArray[np.float64]
HOUR = 1.0 / 24.0


@cache
def brueningk2021() -> Model:
    """Viable and dying tumour, and the kill by drugs.

    References
    ----------
    .. [1] Brüningk SC et al. 2021, Sci Rep, doi 10.1038/s41598-021-99507-2.
    """
    m = ModelBuilder("Brüningk 2021")
    growth, S, eps, V_0, fraction_dose = numbers(m, SHEET, "growth S eps V_0 fraction_dose")
    Vl = m.state("Vl", "cm^3", "viable tumour", initial=V_0)
    Vd = m.state("Vd", "cm^3", "dying tumour", initial=0)
    kill = m.state("kill", "1/day", "kill by the drugs", initial=0)
    given = m.state("given", "1", "whether the drugs were started", initial=0)
    m.rate("Vl", "growth", growth * Vl)
    m.rate("Vl", "kill by drugs", -kill * Vl)
    m.rate("Vd", "clearance", -growth * Vd)
    m.rate("kill", "resistance", -eps * kill)
    m.quantity("V", "cm^3", "tumour volume", Vl + Vd)
    d = fraction(m)
    survival = S ** (d / fraction_dose)
    m.update("fraction", "Vl", Vl * survival)
    m.update("fraction", "Vd", Vd + Vl * (1 - survival))
    drug(m, DRUG)
    m.update(f"dose {DRUG}", "kill", kill + growth * (1 - given))  # resistance does not start again at a later dose
    m.update(f"dose {DRUG}", "given", 1 + 0 * given)
    return m.build()


def stereotactic() -> Regimen:
    """Five daily fractions of 6 Gy with the drugs from day 0."""
    return _course(range(5))


def intermittent() -> Regimen:
    """6 Gy every six weeks, up to the largest number of fractions, with the drugs from day 0."""
    sheet = load(SHEET)
    return _course([k * sheet["visit_interval"] for k in range(int(sheet["most_fractions"]))])


def intermittent_with_boost(parameters: Mapping[str, float], fractions: int | None = None) -> Regimen:
    """Intermittent radiation until a visit finds the tumour grown over its least measured volume, then daily fractions.

    Parameters
    ----------
    parameters : mapping
        `eps` [day^-1] and `S` of the patient.
    fractions : int, optional
        Daily fractions at that visit; those of the knowledge sheet when None, which are uncertain.
    """
    sheet = load(SHEET)
    daily = int(sheet["boost_fractions"]) if fractions is None else fractions
    days: list[float] = []
    least = float(sheet["V_0"])
    for visit in intermittent().fraction_days:
        if days:
            measured = float(_volume(_course(days), parameters, np.array([visit]))[0])
            if measured >= sheet["boost_growth"] * least:
                return _course([*days, *(visit + k for k in range(daily))])
            least = min(least, measured)
        days.append(visit)
    return _course(days)


def regrowth_day(regimen: Regimen, parameters: Mapping[str, float], last: float = 1000.0) -> float:
    """First hour after the least volume at which the tumour is larger than the threshold of regrowth, in days."""
    sheet = load(SHEET)
    hours = np.arange(0.0, last, HOUR)
    volume = _volume(regimen, parameters, hours)
    least = int(volume.argmin())
    above = np.flatnonzero(volume[least:] > sheet["regrowth"] * sheet["V_0"])
    return float(hours[least + above[0]]) if above.size else float("inf")


def _volume(regimen: Regimen, parameters: Mapping[str, float], hours: FloatArray) -> FloatArray:
    course = simulate_many(
        brueningk2021(), regimen, hours, parameters=dict(parameters), horizon=max(hours[-1], regimen.last_day)
    )
    return np.asarray(course["V"].values[0])


def _course(days: Sequence[float]) -> Regimen:
    dose = load(SHEET)["fraction_dose"]
    given = (DrugDose(drug=DRUG, mg=1.0, day=0.0),)
    return Regimen(fraction_days=tuple(days), fraction_doses=(dose,) * len(days), drug_doses=given)
