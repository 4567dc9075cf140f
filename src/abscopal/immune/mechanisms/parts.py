"""What every mechanism is given: the model being written, the sourced numbers, the lesions."""

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from abscopal.equations.builder import ModelBuilder
from abscopal.knowledge.load import Sheet


@dataclass(frozen=True)
class Parts:
    """A model under construction with its parameter sheet.

    Attributes
    ----------
    lesions : int
        Number of lesions; their states carry the suffixes `_0`, `_1`, …
    irradiated : sequence of int
        Lesions that a fraction of a regimen hits.
    """

    m: ModelBuilder
    sheet: Sheet
    lesions: int
    irradiated: Sequence[int]

    def number(self, key: str, *, name: str = "") -> sp.Symbol:
        """Declare the sheet's number `key` as a parameter (called `name` if given)."""
        number = self.sheet.content.numbers[key]
        (value,) = number.value if isinstance(number.value, tuple) else (number.value,)
        return self.m.parameter(
            name or key,
            number.unit,
            number.meaning,
            value=value,
            key=f"{self.sheet.name}:{key}",
        )

    def numbers(self, keys: str) -> tuple[sp.Symbol, ...]:
        """Declare several of the sheet's numbers, written with spaces between."""
        return tuple(self.number(key) for key in keys.split())

    def each(self, names: str) -> list[tuple[sp.Symbol, ...]]:
        """Symbols of the named lesion quantities, one tuple per lesion."""
        return [tuple(self.m[f"{name}_{i}"] for name in names.split()) for i in range(self.lesions)]
