"""What a score is: a number with its class of evidence, its inputs and its limits."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from abscopal.domain.patient import Patient
from abscopal.domain.risk import Evidence
from abscopal.knowledge.load import SEPARATOR, load, record
from abscopal.knowledge.schema import Status

RESERVED = "benefit"
"""A word kept for effects identified against a control; a prognostic score may not use it."""


class Score(BaseModel):
    """One score of one patient.

    Attributes
    ----------
    value : float, optional
        In `unit`; None when it cannot be computed, with the reason in `not_computable`.
    category : str
        The published class the value falls in, or "".
    evidence : {"prognostic", "predictive", "mechanistic"}
        Prognostic: tells who does well anyway. Predictive: tells for whom a treatment changes
        the outcome, shown against a control.
    status : str
        How the numbers behind it were obtained (knowledge status).
    inputs : dict
        What it was computed from.
    not_computable : str
        "" or "not computable: needs X".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    value: float | None = None
    unit: str = "1"
    category: str = ""
    evidence: Evidence
    status: Status
    source: str
    inputs: dict[str, float | str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_computable: str = ""

    @model_validator(mode="after")
    def _honest(self) -> Self:
        if (self.value is None) != bool(self.not_computable):
            raise ValueError("a score has either a value or the reason it has none")
        words = " ".join((self.label, self.category, self.not_computable, *self.notes)).casefold()
        if self.evidence == "prognostic" and RESERVED in words:
            raise ValueError(f"a prognostic score may not use the word '{RESERVED}'")
        return self


ScoreFunction = Callable[[Patient], Score]
"""A registered score: a patient in, a score out, never an exception for a missing value."""


@dataclass(frozen=True)
class Card:
    """What is the same for every patient of one score: its name, evidence, source and standing.

    Attributes
    ----------
    keys : tuple of str
        Knowledge entries behind the number; the least sure of them gives the score's status.
    """

    name: str
    label: str
    evidence: Evidence
    source: str
    keys: tuple[str, ...]
    unit: str = "1"

    @property
    def status(self) -> Status:
        """The least sure status among `keys`."""
        return _least_sure([_status(key) for key in self.keys])

    def lacks(self, reason: str) -> Score:
        """The score without a value; `reason` names what is needed."""
        told = reason if reason.startswith(NOT_COMPUTABLE) else f"{NOT_COMPUTABLE}needs {reason}"
        return self._score(not_computable=told)

    def score(
        self,
        value: float,
        category: str = "",
        *,
        inputs: Mapping[str, float | str] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Score:
        """The score with its value."""
        return self._score(value=value, category=category, inputs=dict(inputs or {}), notes=notes)

    def _score(self, **fields: object) -> Score:
        return Score.model_validate(
            {"name": self.name, "label": self.label, "unit": self.unit, "evidence": self.evidence,
             "status": self.status, "source": self.source, **fields}
        )  # fmt: skip


NOT_COMPUTABLE = "not computable: "


def _status(key: str) -> Status:
    entry = record(key).entry
    if entry.status is not None:
        return entry.status
    name, _, table = key.partition(SEPARATOR)
    return _least_sure(load(name).table(table)[getattr(entry, "status_column")])  # noqa: B009 - a table, which has one


def _least_sure(statuses: Iterable[Status]) -> Status:
    order: tuple[Status, ...] = get_args(Status)
    return max(statuses, key=order.index)


def missing(values: Mapping[str, object]) -> str:
    """The reason a score cannot be computed, or "" when every value is there."""
    absent = [name for name, value in values.items() if value is None]
    return f"{NOT_COMPUTABLE}needs " + ", ".join(absent) if absent else ""
