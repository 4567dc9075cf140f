"""What every mechanism is given: the model being written, the sourced numbers, the lesions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.symbolic import expression
from abscopal.knowledge.load import Sheet

Histogram = tuple[tuple[float, float], ...]
"""Parts of a lesion as (dose relative to the prescribed dose, share of the volume)."""
UNIFORM: Histogram = ((1.0, 1.0),)
DOSE_ENHANCEMENT = "DEF"
"""What a modulator acts on to enhance the dose to the tumour cells of every lesion."""


@dataclass(frozen=True)
class Parts:
    """A model under construction with its parameter sheets.

    Attributes
    ----------
    lesions : int
        Number of lesions; their states carry the suffixes `_0`, `_1`, …
    irradiated : sequence of int
        Lesions that a fraction of a regimen hits.
    modulated : frozenset of str
        Parameters that a modulator changes over time; `number` returns them with their factor.
    histograms : mapping
        Dose histogram of lesions that are irradiated in part or unevenly; the others get a uniform dose.
    """

    m: ModelBuilder
    sheets: tuple[Sheet, ...]
    lesions: int
    irradiated: Sequence[int]
    modulated: frozenset[str] = frozenset()
    histograms: Mapping[int, Histogram] = field(default_factory=dict)

    def number(self, key: str, *, name: str = "") -> sp.Expr:
        """Declare the sheets' number `key` as a parameter (called `name` if given).

        Returns the parameter, multiplied by its factor `by_<key>` if a modulator acts on it.
        """
        sheet = next(sheet for sheet in self.sheets if key in sheet.content.numbers)
        number = sheet.content.numbers[key]
        (value,) = number.value if isinstance(number.value, tuple) else (number.value,)
        made: sp.Expr = self.m.parameter(
            name or key, number.unit, number.meaning, value=value, key=f"{sheet.name}:{key}"
        )
        return made * self.m[f"by_{key}"] if key in self.modulated else made

    def numbers(self, keys: str) -> tuple[sp.Expr, ...]:
        """Declare several of the sheets' numbers, written with spaces between."""
        return tuple(self.number(key) for key in keys.split())

    def each(self, names: str) -> list[tuple[sp.Symbol, ...]]:
        """Symbols of the named lesion quantities, one tuple per lesion."""
        return [tuple(self.m[f"{name}_{i}"] for name in names.split()) for i in range(self.lesions)]

    def histogram(self, lesion: int) -> Histogram:
        """Dose histogram of a lesion."""
        return self.histograms.get(lesion, UNIFORM)

    def tumour_dose(self, lesion: int) -> sp.Expr:
        """Prescribed dose of a fraction to tumour cells, enhanced where a modulator does so."""
        dose: sp.Expr = self.m[f"d_{lesion}"]
        return dose * self.m[f"by_{DOSE_ENHANCEMENT}"] if DOSE_ENHANCEMENT in self.modulated else dose

    def average(self, lesion: int, effect: Callable[[sp.Expr], sp.Expr], dose: sp.Expr) -> sp.Expr:
        """Average over the lesion's volume of an effect that depends on the local dose."""
        parts = self.histogram(lesion)
        if parts == UNIFORM:
            return effect(dose)
        total: sp.Expr = expression(0)
        for relative, share in parts:
            total = total + share * effect(relative * dose)
        return total
