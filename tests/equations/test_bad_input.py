"""What is refused when a model is built: the values and symbols written into it."""

import pytest
import sympy as sp

from abscopal.domain.errors import InputError, ModelError
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import Argument


def _decay(**values: float) -> ModelBuilder:
    m = ModelBuilder("decay")
    k = m.parameter("k", "1/day", "rate constant", value=values.get("k", 0.5))
    A = m.state("A", "mg", "amount", initial=values.get("A", 1))
    m.rate("A", "elimination", -k * A)
    return m


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), float("-inf")])
def test_default_of_a_rate_constant_that_is_negative_or_not_finite_is_refused_at_build(value: float) -> None:
    with pytest.raises(ModelError, match="setting the parameter k"):
        _decay(k=value).build()


def test_negative_default_is_allowed_where_it_is_declared() -> None:
    m = _decay()
    m.parameter("shift", "1", "logarithm of a change", value=-0.3, minimum=None)
    assert m.build().pieces.parameters[1].value == -0.3


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_initial_value_below_the_limit_or_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ModelError, match=r"initial value .* of A"):
        _decay(A=value).build()


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_default_of_an_argument_is_checked(value: float) -> None:
    m = _decay()
    m.impulse("dose", "bolus", [Argument("mg", "mg", "amount", default=value)])
    with pytest.raises(ModelError, match="of mg of the impulse 'dose'"):
        m.build()


@pytest.mark.parametrize("bad", [sp.nan, sp.zoo, sp.oo, sp.I])
def test_a_number_that_is_not_finite_and_real_is_refused_naming_the_term(bad: sp.Expr) -> None:
    m = _decay()
    m.rate("A", "broken", m["k"] * m["A"] + m["k"] * bad)
    with pytest.raises(ModelError, match="'broken' of A"):
        m.build()


def test_a_symbol_made_elsewhere_under_the_same_name_is_refused() -> None:
    m = _decay()
    m.rate("A", "gain", sp.Symbol("k") * m["A"])
    with pytest.raises(ModelError, match="'gain' of A with another kind of symbol called 'k'"):
        m.build()


def test_rate_window_and_infusion_and_transit_are_checked_like_the_rest() -> None:
    m = _decay()
    m.infusion("drip", "A", "infusion", unit="g")  # grams into milligrams
    with pytest.raises(ModelError, match="'infusion' of A"):
        m.build()
    with pytest.raises(ModelError, match="unit='mg'"):
        _decay().infusion("drip", "B", "infusion")
    for n in (0, -1, 1.5, True):
        with pytest.raises(ModelError, match="transit chain 'T'"):
            _decay().transit("T", n, sp.Integer(1), flow=sp.Integer(1), unit="mg", meaning="m")  # type: ignore[arg-type]
    m = _decay()
    m.transit("T", 2, m["k"], flow=m["k"] * m["A"], unit="mg", meaning="late")  # a rate for a time
    with pytest.raises(ModelError, match="'passage' of T_1"):
        m.build()
    m = _decay()
    tau = m.parameter("tau", "day", "delay", value=1)
    m.transit("T", 2, tau, flow=m["k"] * m["A"], unit="mg", meaning="late", target="B")
    with pytest.raises(InputError, match="out of T"):
        m.build()
