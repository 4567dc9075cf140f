"""Ionescu, Ghita et al. 2022: lung cancer under nivolumab and bevacizumab, proliferating and necrotic volume.

Equations as in a third-party code of the model. There the concentration that stands for radiation never enters the
kill, so this says nothing of radiation and is not compared with the other models.
"""

from functools import cache

import sympy as sp

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.symbolic import hill
from abscopal.immune.published.parts import numbers
from abscopal.knowledge.load import load
from abscopal.simulation.events import Event
from abscopal.simulation.windows import Infusion, window_events

SHEET = "published/ionescu2022"


@cache
def ionescu2022() -> Model:
    """Proliferating and necrotic volume of one patient, with the rate windows `bevacizumab` and `nivolumab`."""
    m = ModelBuilder("Ionescu 2022")
    growth, necrosis, clearance, k_a, k_i, half_a, half_i, sigma, G, E_max, x1_0, x2_0 = numbers(
        m, SHEET, "growth necrosis clearance k_a k_i half_a half_i sigma G E_max x1_0 x2_0"
    )
    x1 = m.state("x1", "mm^3", "proliferating volume", initial=x1_0)
    x2 = m.state("x2", "mm^3", "necrotic volume", initial=x2_0)
    c_a = m.state("c_a", "mg/mL", "concentration of bevacizumab", initial=0)
    c_i = m.state("c_i", "mg/mL", "concentration of nivolumab", initial=0)
    both = c_a / half_a * c_i / half_i
    level = m.quantity(
        "level", "1", "drugs over their half-effective concentrations", c_a / half_a + c_i / half_i + sigma * both
    )
    effect = m.quantity("E", "1/day", "kill by drugs", E_max * hill(level, sp.Integer(1), G))
    m.quantity("V", "mm^3", "tumour volume", x1 + x2)
    m.rate("x1", "growth", growth * x1)
    m.rate("x1", "necrosis", -necrosis * x1)
    m.rate("x1", "kill by drugs", -effect * x1)
    m.rate("x2", "necrosis", necrosis * x1)
    m.rate("x2", "kill by drugs", effect * x1)
    m.rate("x2", "clearance", -clearance * x2)
    m.rate("c_a", "loss", -k_a * c_a)
    m.rate("c_i", "loss", -k_i * c_i)
    m.infusion("bevacizumab", "c_a", "infusion of bevacizumab")
    m.infusion("nivolumab", "c_i", "infusion of nivolumab")
    return m.build()


def weekly_infusions(weeks: int) -> tuple[Event, ...]:
    """Both drugs during the first day of each week, at the rates of the code."""
    sheet = load(SHEET)
    given = [
        Infusion(name, sheet[rate], 7.0 * week, 1.0)
        for week in range(weeks)
        for name, rate in (("bevacizumab", "u_a"), ("nivolumab", "u_i"))
    ]
    return window_events(ionescu2022(), given)
