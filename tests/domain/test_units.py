import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import UnitError
from abscopal.domain.units import convert, parse_unit, quantity, same_dimension


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("38 g/L", "g/dL", 3.8),
        ("1200 1e6/L", "1e9/L", 1.2),
        ("1.2 1e9/L", "1e9/L", 1.2),
        ("90 s", "minute", 1.5),
        ("200 ug", "mg", 0.2),
        ("50 percent", "percent", 50),
        ("2 week", "day", 14),
        ("1.65 m", "cm", 165),
    ],
)
def test_quantity_converts(text: str, unit: str, expected: float) -> None:
    assert quantity(text, unit, name="x") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("bad", [3.8, "3.8", "3.8 kg", "g/dL 3.8", "", True, None, ["3 g/dL"], "3.8 furlongz"])
def test_quantity_refuses_what_has_no_usable_unit(bad: object) -> None:
    with pytest.raises(UnitError) as caught:
        quantity(bad, "g/dL", name="albumin")
    assert caught.value.exit_code == 2
    assert all(caught.value.parts().values())


def test_a_dimensionless_number_needs_no_unit() -> None:
    assert quantity(0.3, "1", name="share") == 0.3


@given(st.floats(1e-6, 1e6))
def test_round_trip(value: float) -> None:
    assert convert(convert(value, "1/day", "1/hour"), "1/hour", "1/day") == pytest.approx(value, rel=1e-12)


def test_dimensions() -> None:
    assert same_dimension("Gy", "J/kg")
    assert not same_dimension("Gy", "1/Gy")
    assert parse_unit("1e9/L").dimensionality == parse_unit("1/L").dimensionality
