"""What is given to a patient and when: fractions of radiation and doses of drug."""

import json
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class DrugDose(BaseModel):
    """One dose of one drug.

    Attributes
    ----------
    drug : str
        Generic name in lower case, or a model drug such as `anti-ctla4`.
    mg : float
        Amount given. [mg]
    day : float
        Time on the regimen's clock. [day]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    drug: str = Field(min_length=1)
    mg: NonNegative
    day: Finite


class Regimen(BaseModel):
    """Radiation fractions and drug doses on one clock; totals are derived, never stored.

    Attributes
    ----------
    fraction_days : tuple of float, length n
        Ascending. Day 0 is the first fraction unless a caller says otherwise. [day]
    fraction_doses : tuple of float, length n
        Physical dose of each fraction to the prescription target. [Gy]
    drug_doses : tuple of DrugDose
    name : str
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fraction_days: tuple[Finite, ...] = ()
    fraction_doses: tuple[NonNegative, ...] = ()
    drug_doses: tuple[DrugDose, ...] = ()
    name: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.fraction_days) != len(self.fraction_doses):
            raise ValueError("fraction_days and fraction_doses must have the same length")
        if any(b < a for a, b in zip(self.fraction_days, self.fraction_days[1:], strict=False)):
            raise ValueError("fraction_days must ascend")
        return self

    @classmethod
    def equal_fractions(
        cls,
        dose_per_fraction: float,
        n: int,
        *,
        start: float = 0.0,
        interval: float = 1.0,
        weekdays: bool = False,
        drug_doses: Sequence[DrugDose] = (),
        name: str = "",
    ) -> Self:
        """`n` equal fractions, every `interval` days, or Monday to Friday from a Monday.

        Parameters
        ----------
        dose_per_fraction : float
            [Gy]
        start, interval : float
            Day of the first fraction and spacing. `interval` is ignored with `weekdays`. [day]
        """
        offsets = [k + 2 * (k // 5) if weekdays else k * interval for k in range(n)]
        return cls(
            fraction_days=tuple(start + offset for offset in offsets),
            fraction_doses=(dose_per_fraction,) * n,
            drug_doses=tuple(drug_doses),
            name=name or f"{n} × {dose_per_fraction:g} Gy",
        )

    @property
    def n_fractions(self) -> int:
        """Number of fractions."""
        return len(self.fraction_days)

    @property
    def total_dose(self) -> float:
        """Sum of the fraction doses, in Gy."""
        return sum(self.fraction_doses)

    @property
    def last_day(self) -> float:
        """Day of the last event, radiation or drug; 0 for an empty regimen."""
        days = [*self.fraction_days, *(dose.day for dose in self.drug_doses)]
        return max(days, default=0.0)

    def to_toml(self) -> str:
        """The text of a file that holds this regimen."""
        lines = [f"fraction_days = {list(self.fraction_days)}", f"fraction_doses = {list(self.fraction_doses)}  # Gy"]
        for dose in self.drug_doses:
            lines += ["", "[[drug_doses]]", f"drug = {json.dumps(dose.drug)}", f"mg = {dose.mg}", f"day = {dose.day}"]
        return "\n".join(lines) + "\n"

    def without_radiation(self) -> Self:
        """The same drugs with no radiation."""
        return self.model_copy(update={"fraction_days": (), "fraction_doses": (), "name": "ICI only"})

    def without_drugs(self) -> Self:
        """The same radiation with no drug."""
        return self.model_copy(update={"drug_doses": (), "name": "RT only"})
