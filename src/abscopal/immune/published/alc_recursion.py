"""A public day loop of the lymphocyte count: an effect of blood dose that saturates, and return to baseline."""

from functools import cache

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import Argument
from abscopal.equations.symbolic import exp
from abscopal.immune.published.parts import numbers

SHEET = "published/alc_recursion"


@cache
def alc_recursion() -> Model:
    """Count that a fraction multiplies by plateau^(1-exp(-mu D)), D the dose to blood, and that returns day by day.

    References
    ----------
    .. [1] kildealab, hedos_extension_lymphopenia (MIT); no publication is named there.
    """
    m = ModelBuilder("Saturating lymphocyte recursion")
    plateau, mu, sigma, ALC_0 = numbers(m, SHEET, "plateau mu sigma ALC_0")
    one_day = m.parameter("one_day", "day", "the step", value=1.0)
    ALC = m.state("ALC", "1e9/L", "absolute lymphocyte count", initial=ALC_0)
    m.clock("day", "one day", every=1.0)
    m.update("day", "ALC", ALC + (ALC_0 - ALC) * (1 - exp(-sigma * one_day)))
    dose = Argument("D", "Gy", "dose to blood, uniform", source="dose")
    m.impulse("fraction", "one fraction", [dose], trigger="fraction")
    m.update("fraction", "ALC", ALC * plateau ** (1 - exp(-mu * m["D"])))
    return m.build()
