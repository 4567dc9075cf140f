"""Units at the edge: text with a unit in, a float in the internal unit out.

Inside the package every array is a plain float64 in the unit its docstring names (day, Gy,
mm, cm³, mg, mg/L, 10⁹/L). Conversion happens here, once, when a person's input is read.
"""

from functools import cache
from typing import Any

import pint

from abscopal.domain.errors import UnitError


@cache
def registry() -> pint.UnitRegistry[Any]:
    """The one pint registry, with the counting units of the field."""
    ureg: pint.UnitRegistry[Any] = pint.UnitRegistry(cache_folder=None)
    for line in (
        "fraction = []",
        "cell = []",
        "mutation = []",
        "base = []",
        "IU = []",
        "arb_unit = []",
    ):
        ureg.define(line)
    return ureg


def parse_unit(text: str) -> Any:
    """The unit written in `text` as a pint quantity; `"1e9/L"` and `"1"` are units too."""
    try:
        parsed = registry().parse_expression(text.replace("^", "**"))
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError, SyntaxError, TypeError, ValueError) as exc:
        raise UnitError(
            doing="reading a unit",
            found=f"{text!r} ({exc})",
            expected="a unit such as 'Gy', '1/day', 'mg/L' or '1e9/L'",
            try_="correct the spelling",
        ) from exc
    return parsed if isinstance(parsed, pint.Quantity) else registry().Quantity(parsed)


def same_dimension(one: str, other: str) -> bool:
    """Whether two units measure the same thing."""
    return bool(parse_unit(one).dimensionality == parse_unit(other).dimensionality)


def convert(value: float, unit: str, to: str) -> float:
    """`value` given in `unit`, expressed in `to`."""
    source, target = parse_unit(unit), parse_unit(to)
    if source.dimensionality != target.dimensionality:
        raise UnitError(
            doing=f"converting {value:g} {unit} to {to}",
            found=f"a quantity of dimension {source.dimensionality}",
            expected=f"dimension {target.dimensionality}",
            try_=f"give the value in {to}",
        )
    return float(value * (source / target).to_base_units().magnitude)


def quantity(text: object, unit: str, *, name: str) -> float:
    """A written quantity such as `"3.8 g/dL"` as a float in `unit`.

    A bare number is refused unless `unit` is `"1"`: a laboratory value without its unit is
    how 38 g/L becomes 38 g/dL.
    """
    doing = f"reading {name}"
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UnitError(
            doing=doing,
            found=repr(text),
            expected=f"a quantity in {unit}",
            try_=f'write for example {name} = "1.5 {unit}"',
        )
    if isinstance(text, int | float):
        if unit == "1":
            return float(text)
        raise UnitError(
            doing=doing,
            found=f"the bare number {text:g}",
            expected=f"a number with its unit, in {unit} or a unit that converts to it",
            try_=f'write {name} = "{text:g} {unit}" if that is the unit you mean',
        )
    number, _, written = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError as exc:
        raise UnitError(
            doing=doing,
            found=repr(text),
            expected=f"a number, a space and a unit, such as '1.5 {unit}'",
            try_="write the number first",
        ) from exc
    return convert(value, written.strip() or "1", unit)
