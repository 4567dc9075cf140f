"""Two-compartment kinetics with time-varying clearance and optional saturable elimination."""

from functools import lru_cache
from math import log, sqrt

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.symbolic import exp, hill
from abscopal.pharmacology.drugs import Kinetics


def kinetics_model(kinetics: Kinetics, *, first_day: float = 0.0) -> Model:
    r"""The drug's kinetics in one person, as equations.

    .. math:: A_1' = -\frac{CL(t)+Q}{V_1}A_1 + \frac{Q}{V_2}A_2 - \frac{V_{max}C}{K_m+C}, \qquad
       A_2' = Q\left(\frac{A_1}{V_1} - \frac{A_2}{V_2}\right), \qquad
       CL(t) = CL_0 \exp\frac{E_{max}t^h}{T_{50}^h+t^h}

    Parameters
    ----------
    kinetics : Kinetics
    first_day : float
        Day of the first dose, from which the change of clearance counts. [day]

    Returns
    -------
    Model
        States A1, A2 [mg]; quantities C [mg/L], CL [L/day]; each dose is the impulse `dose`.
    """
    model = _structure(kinetics.drug)
    switches = {"time_varying": kinetics.is_time_varying, "saturable": kinetics.is_saturable}
    return model.with_switches(**switches).with_values({**kinetics.parameters, "t_first": first_day})


def half_life(kinetics: Kinetics) -> float:
    """Terminal half-life from base clearance, without saturable elimination, in days."""
    p = kinetics.parameters
    k10, k12, k21 = p["CL0"] / p["V1"], p["Q"] / p["V1"], p["Q"] / p["V2"]
    total = k10 + k12 + k21
    slow = (total - sqrt(total**2 - 4 * k10 * k21)) / 2
    return log(2) / slow


@lru_cache(maxsize=32)
def _structure(drug: str) -> Model:
    m = ModelBuilder(f"kinetics of {drug}")
    V1, V2 = m.parameter("V1", "L", "central volume"), m.parameter("V2", "L", "peripheral volume")
    CL0 = m.parameter("CL0", "L/day", "clearance at the first dose")
    Q = m.parameter("Q", "L/day", "intercompartmental clearance")
    with m.mechanism("two compartments"):
        A1 = m.state("A1", "mg", "amount in the central compartment", initial=0)
        A2 = m.state("A2", "mg", "amount in the peripheral compartment", initial=0)
        C = m.quantity("C", "mg/L", "concentration in the central compartment", A1 / V1)
        CL = m.quantity("CL", "L/day", "clearance", CL0, combine="product")
        exchange = Q * (A1 / V1 - A2 / V2)
        m.rate("A1", "elimination", -CL * A1 / V1)
        m.rate("A1", "exchange", -exchange)
        m.rate("A2", "exchange", exchange)
        m.impulse("dose", "one bolus", [Argument("mg", "mg", "amount given", source="amount")], trigger=f"drug:{drug}")
        m.update("dose", "A1", A1 + m["mg"])
    with m.mechanism("time-varying clearance", switch="time_varying", meaning="clearance changes over time"):
        Emax = m.parameter("Emax", "1", "logarithm of the largest change of clearance", minimum=None)
        T50 = m.parameter("T50", "day", "time of half of the change")
        steepness = m.parameter("hill", "1", "steepness of the change")
        first = m.parameter("t_first", "day", "day of the first dose", minimum=None)
        m.contribute("CL", "change over time", exp(Emax * hill(TIME - first, T50, steepness)))
    with m.mechanism("saturable elimination", switch="saturable", meaning="target-mediated elimination"):
        Vmax = m.parameter("Vmax", "mg/day", "largest rate of saturable elimination")
        Km = m.parameter("Km", "mg/L", "concentration of half that rate")
        m.rate("A1", "saturable elimination", -Vmax * C / (Km + C))
    return m.build()
