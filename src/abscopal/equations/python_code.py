"""Plain Python and NumPy functions generated from a model's equations.

Scalar `math` code with common subexpressions taken out, and whatever depends on parameters
alone computed once per parameter set, is several times faster for one patient than NumPy.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from scipy.special import erf
from sympy.printing.pycode import PythonCodePrinter

from abscopal.equations.algebra import Algebra, algebra
from abscopal.equations.cache import cached_by_digest
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME
from abscopal.equations.symbolic import common_subexpressions, substitute, symbol, symbols_of

Rates = Callable[[Sequence[float], float], list[float]]
Jacobian = Callable[[Sequence[float], float], list[list[float]]]
Updater = Callable[[Sequence[float], float, Sequence[float]], list[float]]


@dataclass(frozen=True)
class PythonFunctions:
    """Generated functions of one model; the first four take the parameter vector first.

    Attributes
    ----------
    rates : parameters -> (y, t) -> list of length n_states
        Right-hand side. [state unit/day]
    jacobian : parameters -> (y, t) -> n_states lists of n_states
    impulses : name -> parameters -> (y, t, arguments) -> list of length n_states
        State just after the impulse.
    initial : parameters -> list of length n_states
    quantities : (y, t, parameters) -> list of length n_quantities
        NumPy: `y` may be a sequence of arrays.
    array_rates : (y, t, parameters) -> list of length n_states
        NumPy: states and parameters may be arrays over patients.

    In a model with delays, values of the past are one more argument: `rates` take (y, t, past), `quantities` and
    `array_rates` take (y, t, parameters, past); the arguments of `impulses` end with them.
    """

    rates: Callable[[Sequence[float]], Rates]
    jacobian: Callable[[Sequence[float]], Jacobian]
    impulses: Mapping[str, Callable[[Sequence[float]], Updater]]
    initial: Callable[[Sequence[float]], list[float]]
    quantities: Callable[..., list[Any]]
    array_rates: Callable[..., list[Any]]


@cached_by_digest
def python_functions(model: Model) -> PythonFunctions:
    """Compile the model to Python; cached by the model's digest."""
    made = algebra(model)
    rates = _flat(made, made.rates)
    past = _past(model) or None
    entries = made.jacobian()
    start = _compile(made, made.initial)
    arguments = [list(made.states), TIME, list(made.parameters), *([past] if past else [])]
    numpy_of: Any = sp.lambdify
    numpy = [{"erf": erf}, "numpy"]
    return PythonFunctions(
        rates=_compile(made, rates, arguments=past),
        jacobian=_compile(made, _flat(made, list(entries.values())), _rows(len(made.states), list(entries)), past),
        impulses={impulse.name: _impulse(model, made, impulse.name) for impulse in model.impulses},
        initial=lambda parameters: start(parameters)([0.0] * len(made.states), 0.0),
        quantities=numpy_of(arguments, _flat(made, [name for name, _ in made.assignments]), numpy, cse=True),
        array_rates=numpy_of(arguments, rates, numpy, cse=True),
    )


def scalar_functions(
    model: Model, expressions: Sequence[sp.Basic], *, past: bool = False
) -> Callable[[Sequence[float]], Any]:
    """Compile further expressions of a model's states, quantities, parameters and time.

    Parameters
    ----------
    model : Model
    expressions : sequence of expression
    past : bool
        Whether they may use values of the past.

    Returns
    -------
    callable
        `bind(p) -> f(y, t)`, or with `past` `bind(p) -> f(y, t, values of the past)`.
    """
    made = algebra(model)
    arguments = _past(model) if past else None
    bound: Callable[[Sequence[float]], Any] = _compile(made, _flat(made, list(expressions)), arguments=arguments)  # type: ignore[arg-type]
    return bound


def _past(model: Model) -> list[sp.Symbol]:
    return [symbol(delay.name) for delay in model.delays]


def _flat(made: Algebra, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Expressions with every quantity written out."""
    written: dict[sp.Symbol, sp.Expr] = {}
    for name, expression in made.assignments:
        written[name] = substitute(expression, written)
    return [substitute(expression, written) for expression in expressions]


def _impulse(model: Model, made: Algebra, name: str) -> Callable[[Sequence[float]], Updater]:
    changed = {update.state: update.expression for update in model.updates if update.impulse == name}
    after = _flat(made, [changed.get(state.name, state) for state in made.states])
    arguments = [*(symbol(argument.name) for argument in model.impulse(name).arguments), *_past(model)]
    bind: Callable[[Sequence[float]], Updater] = _compile(made, after, arguments=arguments)
    return bind


def _rows(n: int, places: list[tuple[int, int]]) -> Callable[[list[str]], str]:
    """How to write a nested list from the text of its non-zero entries."""

    def write(cells: list[str]) -> str:
        text = dict(zip(places, cells, strict=True))
        rows = (", ".join(text.get((i, j), "0.0") for j in range(n)) for i in range(n))
        return "[" + ", ".join(f"[{row}]" for row in rows) + "]"

    return write


def _row(cells: list[str]) -> str:
    return "[" + ", ".join(cells) + "]"


class _Printer(PythonCodePrinter):
    """Python's `math` with real powers: a negative base is an error, never a complex number."""

    def _print_Heaviside(self, expr: Any) -> str:  # type: ignore[override]
        x = self._print(expr.args[0])
        return f"(0.0 if {x} < 0 else 0.5 if {x} == 0 else 1.0)"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: ARG002 - SymPy's signature
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer and 2 <= abs(int(exponent)) <= 4:
            product = "*".join([f"({self._print(base)})"] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1.0/({product}))"
        if exponent == -1:
            return f"(1.0/({self._print(base)}))"
        return f"pow({self._print(base)}, {self._print(exponent)})"


_PRINTER: Any = _Printer
_FUNCTIONS = (
    "exp", "log", "tanh", "sqrt", "pow", "erf", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "asinh", "acosh", "atanh", "floor", "ceil", "gamma", "factorial",
)  # fmt: skip
_MATH = {name: getattr(math, name) for name in (*_FUNCTIONS, "e", "pi", "inf", "nan")} | {"math": math}


def _compile(
    made: Algebra,
    expressions: Sequence[sp.Expr],
    write: Callable[[list[str]], str] = _row,
    arguments: Sequence[sp.Symbol] | None = None,
) -> Any:
    """Compile `bind(p) -> f(y, t)`, or `f(y, t, a)` with `arguments`, common subexpressions taken out."""
    pools = {"y": made.states, "p": made.parameters, "a": tuple(arguments or ())}
    short = {old: symbol(f"{letter}{k}") for letter, pool in pools.items() for k, old in enumerate(pool)}
    written = [substitute(e, short) for e in expressions]
    guarded = {choice: symbol(f"g{k}") for k, choice in enumerate(_guarded(written))}
    shared, results = common_subexpressions([substitute(e, guarded) for e in written], "c")
    printer = _PRINTER({"fully_qualified_modules": False})
    assignments = [*((name, choice) for choice, name in guarded.items()), *shared]
    outer, inner = _split(assignments, {short[parameter] for parameter in made.parameters}, printer)
    lines = [
        "def bind(p):",
        *_unpack("p", len(made.parameters), 1),
        *(f"    {line}" for line in outer),
        f"    def f(y, t{'' if arguments is None else ', a'}):",
        *_unpack("y", len(made.states), 2),
        *_unpack("a", len(arguments or ()), 2),
        *(f"        {line}" for line in inner),
        f"        return {write([printer.doprint(result) for result in results])}",
        "    return f",
    ]
    space: dict[str, Any] = dict(_MATH)
    # the source is printed from SymPy expressions with our own symbol names; no text of a user reaches it
    exec(compile("\n".join(lines), "<generated from a model>", "exec"), space)  # noqa: S102
    return space["bind"]


def _guarded(expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Outermost choices with a value that cannot be evaluated everywhere; taking it out would lose its guard."""
    found: dict[Any, None] = {}
    for expression in expressions:
        walk: Any = _preorder(expression)
        for part in walk:
            if isinstance(part, sp.Piecewise) and any(_can_fail(branch.args[0]) for branch in part.args):
                found[part] = None
                walk.skip()
    return list(found)


def _can_fail(value: Any) -> bool:
    return value.has(sp.log) or any(not (e.exp.is_Integer and e.exp.is_positive) for e in value.atoms(sp.Pow))


_preorder: Any = sp.preorder_traversal


def _split(
    shared: list[tuple[sp.Symbol, sp.Expr]], constants: set[sp.Symbol], printer: Any
) -> tuple[list[str], list[str]]:
    """Assignments that depend on parameters alone, and the others."""
    outer: list[str] = []
    inner: list[str] = []
    for name, expression in shared:
        constant = symbols_of(expression) <= constants
        if constant:
            constants.add(name)
        (outer if constant else inner).append(f"{name} = {printer.doprint(expression)}")
    return outer, inner


def _unpack(name: str, n: int, depth: int) -> list[str]:
    return ["    " * depth + f"({', '.join(f'{name}{k}' for k in range(n))},) = {name}"] if n else []
