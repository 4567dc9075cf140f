import numpy as np
import pytest
import sympy as sp

from abscopal.domain.errors import InputError, ModelError
from abscopal.equations.algebra import algebra
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Argument
from abscopal.equations.python_code import python_functions
from abscopal.equations.symbolic import exp, hill, maximum, minimum, symbol
from abscopal.immune.model import diw_model


def _decay() -> ModelBuilder:
    m = ModelBuilder("decay")
    k = m.parameter("k", "1/day", "rate constant", value=0.5)
    A = m.state("A", "mg", "amount", initial=1)
    m.rate("A", "elimination", -k * A)
    return m


def _predator() -> Model:
    m = ModelBuilder("predator")
    a, b, c, K, n = (
        m.parameter(name, unit, name, value=value)
        for name, unit, value in (
            ("a", "1/day", 0.7), ("b", "1/(mg*day)", 0.3), ("c", "1/day", 0.2), ("K", "mg", 2.0), ("n", "1", 2.5),
        )
    )  # fmt: skip
    x = m.state("x", "mg", "prey", initial=1.5)
    y = m.state("y", "mg", "predator", initial=0.5)
    catch = m.quantity("catch", "1/day", "catch", 0)
    m.contribute("catch", "linear", b * y)
    m.contribute("catch", "saturating", a * hill(x, K, n))
    m.rate("x", "growth", a * x * maximum(0, 1 - x / K))
    m.rate("x", "caught", -catch * x)
    with m.mechanism("predator", switch="predation", meaning="predators eat"):
        m.rate("y", "fed", minimum(catch, c) * y * exp(-c * TIME))
    m.rate("y", "death", -c * y)
    m.impulse("dose", "shock", [Argument("d", "Gy", "dose")])
    alpha = m.parameter("alpha", "1/Gy", "sensitivity", value=0.2)
    m.update("dose", "x", x * exp(-alpha * m["d"]))
    return m.build()


@pytest.mark.parametrize(
    ("unit", "expression", "named"),
    [
        ("1/hour", "-k * A", "'elimination' of A"),  # right dimension, wrong factor
        ("mg/day", "-k * A", "'elimination' of A"),
        ("1/day", "-k * A + k", "different units"),
        ("1/day", "-A * exp(k)", "argument of exp"),
        ("1/day", "-k * A**k", "exponent"),
    ],
)
def test_wrong_unit_is_refused_naming_the_term(unit: str, expression: str, named: str) -> None:
    m = ModelBuilder("decay")
    m.parameter("k", unit, "rate constant", value=0.5)
    m.state("A", "mg", "amount", initial=1)
    names = {"k": symbol("k"), "A": symbol("A"), "exp": sp.exp}
    m.rate("A", "elimination", eval(expression, names))  # noqa: S307 - the test's own text
    with pytest.raises(ModelError, match="elimination") as caught:
        m.build()
    assert named in str(caught.value)


def test_unit_of_a_quantity_an_initial_value_and_an_update_are_checked() -> None:
    m = _decay()
    m.quantity("C", "mg/L", "concentration", m["A"])
    with pytest.raises(ModelError, match="base of C"):
        m.build()
    m = _decay()
    m.state("B", "L", "volume", initial=m["k"])
    with pytest.raises(ModelError, match="initial value of B"):
        m.build()
    m = _decay()
    m.impulse("dose", "bolus", [Argument("d", "Gy", "dose")])
    m.update("dose", "A", m["A"] + m["d"])
    with pytest.raises(ModelError, match="update of A at 'dose'"):
        m.build()


def test_litres_and_millilitres_do_not_add() -> None:
    m = ModelBuilder("volumes")
    m.state("A", "L", "a volume", initial=0)
    flow = m.parameter("flow", "L/day", "flow", value=1)
    drip = m.parameter("drip", "mL/day", "drip", value=1)
    m.rate("A", "inflow", flow + drip)
    with pytest.raises(ModelError, match="different units"):
        m.build()


def test_unknown_symbol_is_refused_naming_term_and_close_match() -> None:
    m = _decay()
    m.rate("A", "gain", m["kk"] * m["A"])
    with pytest.raises(ModelError, match=r"unknown symbol 'kk' in the term 'gain' of A.*Try: 'k'"):
        m.build()


def test_argument_of_an_impulse_is_unknown_outside_it() -> None:
    m = _decay()
    m.impulse("dose", "bolus", [Argument("mg", "mg", "amount")])
    m.rate("A", "gain", m["k"] * m["mg"])
    with pytest.raises(ModelError, match="unknown symbol 'mg'"):
        m.build()


def test_rate_of_an_unknown_state_is_refused() -> None:
    m = _decay()
    m.rate("AA", "gain", m["k"] * m["A"])
    with pytest.raises(InputError, match="'gain' of AA"):
        m.build()


def test_algebraic_loop_is_refused_naming_it() -> None:
    m = _decay()
    m.quantity("u", "mg", "u", m["w"])
    m.quantity("w", "mg", "w", 2 * m["u"])
    with pytest.raises(ModelError, match=r"algebraic loop: (u needs w needs u|w needs u needs w)"):
        m.build()


def test_a_name_given_twice_is_refused() -> None:
    m = _decay()
    m.quantity("k", "1", "same name", 1)
    with pytest.raises(ModelError, match="'k' given twice"):
        m.build()


def test_two_updates_of_one_state_at_one_impulse_are_refused() -> None:
    m = _decay()
    m.impulse("dose", "bolus", [Argument("mg", "mg", "amount")])
    m.update("dose", "A", m["A"] + m["mg"])
    m.update("dose", "A", 2 * m["A"])
    with pytest.raises(ModelError, match="A at dose"):
        m.build()


def test_unsupported_function_is_refused() -> None:
    m = _decay()
    m.rate("A", "wave", m["k"] * m["A"] * sp.sin(m["k"] * TIME))
    with pytest.raises(ModelError, match="sin is not part of the model language"):
        m.build()


def test_switch_removes_terms_states_and_parameters_and_comes_back() -> None:
    full = diw_model()
    off = full.with_switches(trex1=False)
    assert full.switches["trex1"]
    assert not off.switches["trex1"]
    assert "X_0" not in {state.name for state in off.states}
    assert "kX" not in {parameter.name for parameter in off.parameters}
    assert not any("X_0" in str(expression) for expression in algebra(off).rates)
    assert off.digest != full.digest
    assert off.with_switches(trex1=True).digest == full.digest


def test_switch_that_leaves_a_dangling_symbol_is_refused() -> None:
    m = _decay()
    with m.mechanism("extra", switch="extra"):
        m.state("B", "mg", "other", initial=0)
    m.rate("A", "exchange", m["k"] * m["B"])
    model = m.build()
    with pytest.raises(ModelError, match="unknown symbol 'B' in the term 'exchange' of A"):
        model.with_switches(extra=False)


def test_jacobian_against_central_differences() -> None:
    for model in (_predator(), diw_model()):
        functions = python_functions(model)
        p = model.parameter_vector()
        rng = np.random.default_rng(3)
        y = np.array(functions.initial(p)) + rng.uniform(0.1, 1.0, len(model.states))
        rates, jacobian = functions.rates(p), np.array(functions.jacobian(p)(list(y), 0.7))
        for column in range(len(y)):
            step = 1e-5 * max(1.0, y[column])
            up, down = y.copy(), y.copy()
            up[column] += step
            down[column] -= step
            slope = (np.array(rates(list(up), 0.7)) - np.array(rates(list(down), 0.7))) / (2 * step)
            assert jacobian[:, column] == pytest.approx(slope, rel=2e-6, abs=2e-7)


def test_parameter_derivatives_against_central_differences() -> None:
    model = _predator()
    made, functions = algebra(model), python_functions(model)
    y, p = [1.5, 0.5], model.parameter_vector()
    values = dict(zip((*made.states, *made.parameters), (*y, *p), strict=True)) | {TIME: 0.3}
    flat = dict(made.assignments)
    for column, parameter in enumerate(made.parameters):
        up, down = list(p), list(p)
        up[column] += 1e-6
        down[column] -= 1e-6
        slope = (np.array(functions.rates(up)(y, 0.3)) - np.array(functions.rates(down)(y, 0.3))) / 2e-6
        rows = made.derivatives(made.parameters)
        exact = [float(row.get(parameter, sp.Integer(0)).subs(flat).subs(values)) for row in rows]
        assert exact == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_scalar_and_array_code_agree() -> None:
    model = diw_model()
    functions, p = python_functions(model), model.parameter_vector()
    y = np.array(functions.initial(p)) + 0.3
    scalar = functions.rates(p)(list(y), 1.0)
    arrays = functions.array_rates([np.array([v, v]) for v in y], 1.0, p)
    assert np.array([np.broadcast_to(a, 2)[1] for a in arrays]) == pytest.approx(np.array(scalar), rel=1e-12)


def test_functions_are_made_once_per_equations_not_per_values() -> None:
    model = _decay().build()
    assert python_functions(model) is python_functions(model.with_values({"k": 2.0}))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_bad_parameter_is_refused(value: float) -> None:
    with pytest.raises(ModelError, match="setting the parameter k"):
        _decay().build().parameter_vector({"k": value})


def test_unknown_parameter_is_refused_and_a_removed_one_is_not() -> None:
    off = diw_model(switches={"trex1": False})
    assert off.parameter_vector({"kX": 3.0}) == off.parameter_vector()
    with pytest.raises(InputError, match="'kX'"):
        off.parameter_vector({"kXX": 3.0})


def test_parameter_without_a_value_is_refused() -> None:
    m = _decay()
    q = m.parameter("q", "1/day", "second rate")
    m.rate("A", "more", -q * m["A"])
    with pytest.raises(ModelError, match="no value"):
        m.build().parameter_vector()


def test_table_and_latex_show_every_piece() -> None:
    model = _predator()
    table = model.table()
    assert list(table["symbol"]) == ["x", "y", "catch", "a", "b", "c", "K", "n", "alpha"]
    assert table.set_index("symbol").loc["K", "unit"] == "mg"
    text = model.latex()
    assert text.startswith("\\begin{align*}")
    assert text.count("\\frac{d ") == 2
    assert "\\leftarrow" in text
