"""The form every literature number takes. An empty source is refused."""

import math
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from abscopal.domain.units import parse_unit

Status = Literal["read", "computed", "fitted", "recalled", "assumed", "uncertain"]
"""How a number was obtained. Only `read` and `computed` are shown without a mark."""

MARKS: dict[str, str] = {
    "read": "",
    "computed": "",
    "fitted": "fit",
    "recalled": "†",
    "assumed": "‡",
    "uncertain": "?",
}
STATUS_MEANING: dict[str, str] = {
    "read": "seen in the source named",
    "computed": "derived by us from numbers that were read",
    "fitted": "result of a search or fit, not a measurement",
    "recalled": "from memory, not checked against the source",
    "assumed": "chosen for lack of a source",
    "uncertain": "may be wrong; never a test target",
}
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """A publication, table or public file. A citation is required; a DOI where one exists."""

    citation: Text
    doi: str = Field(default="", pattern=r"^(10\.\d{4,9}/\S+)?$")
    url: str = ""
    note: str = ""


class Number(_Frozen):
    """One sourced number (or short vector of numbers)."""

    value: float | tuple[float, ...]
    unit: Text
    meaning: Text
    source: Text
    locator: Text
    status: Status
    range: tuple[float, float] | None = None
    population: str = ""
    symbol: str = ""

    @field_validator("unit")
    @classmethod
    def _unit_parses(cls, unit: str) -> str:
        parse_unit(unit)
        return unit

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        if not all(math.isfinite(value) for value in values):
            raise ValueError("value must be finite")
        if self.range is not None and not all(self.range[0] <= v <= self.range[1] for v in values):
            raise ValueError(f"value {self.value} lies outside its range {self.range}")
        return self


class TableInfo(_Frozen):
    """A CSV file beside the sheet, with the column that carries each row's status."""

    file: Annotated[str, Field(pattern=r"^[a-z0-9_]+\.csv$")]
    meaning: Text
    source: Text
    locator: Text
    status: Status | None = None
    status_column: str = ""
    units: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_status(self) -> Self:
        if (self.status is None) == (not self.status_column):
            raise ValueError("give either a status or a status_column")
        return self


class SheetFile(_Frozen):
    """One `data/<room>/<name>.toml`: a titled set of numbers and tables from named sources."""

    title: Text
    note: str = ""
    checked: date | None = None
    sources: dict[str, Source]
    numbers: dict[str, Number] = Field(default_factory=dict)
    tables: dict[str, TableInfo] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sources_named(self) -> Self:
        for kind in (self.numbers, self.tables):
            for name, entry in kind.items():
                if entry.source not in self.sources:
                    raise ValueError(f"{name}: source '{entry.source}' is not among [sources]")
        return self
