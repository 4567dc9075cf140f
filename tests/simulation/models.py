"""Small models with known solutions."""

from functools import cache

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.symbolic import exp


@cache
def decay() -> Model:
    """Amount with a bolus and an infusion that events start and stop."""
    m = ModelBuilder("decay")
    k = m.parameter("k", "1/day", "rate constant", value=0.5)
    A = m.state("A", "mg", "amount", initial=m.parameter("A0", "mg", "amount at the start", value=1.0))
    rate = m.state("infused", "mg/day", "infusion rate", initial=0)
    m.quantity("half", "mg", "half the amount", A / 2)
    m.rate("A", "elimination", -k * A)
    m.rate("A", "infusion", rate)
    m.impulse("bolus", "amount at once", [Argument("mg", "mg", "amount given", source="amount")], trigger="drug:drug")
    m.update("bolus", "A", A + m["mg"])
    m.impulse("flow", "infusion starts or stops", [Argument("flow_rate", "mg/day", "new rate")])
    m.update("flow", "infused", m["flow_rate"])
    m.impulse("kill", "fraction", [Argument("d", "Gy", "dose", source="dose")], trigger="fraction")
    m.update("kill", "A", A * exp(-m.parameter("alpha", "1/Gy", "sensitivity", value=0.3) * m["d"]))
    return m.build()


@cache
def infused() -> Model:
    """Infusion into plasma, binding, and a delayed effect through transit compartments."""
    m = ModelBuilder("infused")
    P = m.state("P", "mg", "plasma", initial=0.0)
    m.infusion("drip", "P", "infusion", drug="drug")
    k = m.parameter("k", "1/day", "elimination", value=0.7)
    m.rate("P", "elimination", -k * P)
    m.state("effect", "mg", "effect", initial=0.0)
    mean = m.parameter("delay", "day", "mean delay", value=2.0)
    m.transit("chain", 4, mean, flow=k * P, unit="mg", meaning="delay", target="effect")
    m.rate("effect", "loss", -k / 5 * m["effect"])
    return m.build()


@cache
def linear(n: int) -> Model:
    """y' = K·y with every entry of K a parameter."""
    m = ModelBuilder(f"linear {n}")
    y = [m.state(f"y{i}", "1", f"state {i}", initial=1.0, lower=None) for i in range(n)]
    for i in range(n):
        for j in range(n):
            k = m.parameter(f"k_{i}_{j}", "1/day", f"from {j} to {i}", value=0.0, minimum=None)
            m.rate(f"y{i}", f"from {j}", k * y[j])
    return m.build()


@cache
def reversible_chain(n: int) -> Model:
    """Mass moving between neighbours; the total stays."""
    m = ModelBuilder(f"chain {n}")
    y = [m.state(f"y{i}", "1", f"state {i}", initial=1.0 if i == 0 else 0.0) for i in range(n)]
    for i in range(n - 1):
        forward = m.parameter(f"f{i}", "1/day", "forward", value=1.0)
        back = m.parameter(f"b{i}", "1/day", "back", value=1.0)
        flow = forward * y[i] - back * y[i + 1]
        m.rate(f"y{i}", "out", -flow)
        m.rate(f"y{i + 1}", "in", flow)
    return m.build()


@cache
def robertson() -> Model:
    """Robertson's autocatalysis."""
    m = ModelBuilder("Robertson")
    a, b, c = (m.parameter(k, "1/day", k, value=v) for k, v in (("k1", 0.04), ("k2", 1e4), ("k3", 3e7)))
    x, y, z = (m.state(s, "1", s, initial=1.0 if s == "x" else 0.0) for s in "xyz")
    m.rate("x", "slow", -a * x)
    m.rate("x", "back", b * y * z)
    m.rate("y", "slow", a * x)
    m.rate("y", "back", -b * y * z)
    m.rate("y", "fast", -c * y**2)
    m.rate("z", "fast", c * y**2)
    return m.build()


@cache
def van_der_pol() -> Model:
    """Van der Pol's oscillator with the small parameter of the IVP test set."""
    m = ModelBuilder("Van der Pol")
    eps = m.parameter("eps", "day", "small parameter", value=1e-6)
    u = m.state("u", "1", "position", initial=2.0, lower=None)
    v = m.state("v", "1/day", "velocity", initial=0.0, lower=None)
    one = m.parameter("one", "1/day", "unit of frequency", value=1.0)
    m.rate("u", "velocity", v)
    m.rate("v", "force", ((1 - u**2) * v - u * one) / eps)
    return m.build()


@cache
def hires() -> Model:
    """HIRES, high irradiance response of plants: eight states of the IVP test set."""
    m = ModelBuilder("HIRES")
    day = m.parameter("unit", "1/day", "unit of rate", value=1.0)
    y = [m.state(f"y{i}", "1", f"state {i}", initial=v) for i, v in enumerate((1, 0, 0, 0, 0, 0, 0, 0.0057))]
    rates = [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -280 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        280 * y[5] * y[7] - 1.81 * y[6],
        -280 * y[5] * y[7] + 1.81 * y[6],
    ]
    for i, rate in enumerate(rates):
        m.rate(f"y{i}", "all", day * rate)
    return m.build()


@cache
def blow_up() -> Model:
    """y' = k·y²: infinite on day 1/k."""
    m = ModelBuilder("blow-up")
    k = m.parameter("k", "1/day", "rate constant", value=0.1)
    y = m.state("y", "1", "state", initial=1.0)
    m.rate("y", "growth", k * y**2)
    return m.build()


@cache
def forced_predator() -> Model:
    """Predator and prey with a season: smooth, not linear, and explicit in time."""
    m = ModelBuilder("predator and prey")
    r = m.parameter("r", "1/day", "rate", value=1.0)
    prey = m.state("prey", "1", "prey", initial=1.2)
    predator = m.state("predator", "1", "predators", initial=0.7)
    season = m.quantity("season", "1", "season", exp(-(((TIME * r) - 3) ** 2) / 4))
    m.rate("prey", "birth", r * prey * (1 + season))
    m.rate("prey", "eaten", -r * prey * predator)
    m.rate("predator", "birth", r * prey * predator)
    m.rate("predator", "death", -r * predator)
    return m.build()
