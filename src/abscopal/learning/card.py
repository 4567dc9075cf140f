"""The model card: everything a reader needs to weigh a fitted model, and to judge whom it fits."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from abscopal.domain.manifest import RESEARCH_USE, Manifest
from abscopal.knowledge.load import load
from abscopal.learning.explain import Coefficient, Importance
from abscopal.learning.outcome import Outcome
from abscopal.learning.performance import Figure
from abscopal.learning.risk_groups import RiskGroup
from abscopal.learning.table import RULES
from abscopal.learning.transport import Development


class OutcomeRecord(BaseModel):
    """The outcome as stored (see `learning.outcome.Outcome`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["binary", "survival", "competing"]
    event: str
    time: str = ""
    unit: str = ""
    horizon: float = 0.0

    def outcome(self) -> Outcome:
        """As the type the room computes with."""
        return Outcome(**self.model_dump())

    def words(self) -> str:
        """In one line."""
        if self.kind == "binary":
            return f"{self.event} (yes or no)"
        rival = ", competing events coded 2" if self.kind == "competing" else ""
        return f"{self.event} by {self.horizon:g} {self.unit}s after the start ({self.time}{rival})"


class Comparison(BaseModel):
    """Cross-validated loss of one family, and its excess over the best with the noise of that difference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    loss: float
    excess: float
    noise: float


class Optimism(BaseModel):
    """Apparent figure, optimism and corrected figure of one measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    apparent: float
    optimism: float
    corrected: float


class ModelCard(BaseModel):
    """What was fitted, on whom, how, and how well it does.

    Attributes
    ----------
    internal : tuple of Figure
        Out-of-fold performance of the whole procedure, choices included.
    apparent : tuple of Figure
        Performance in the data fitted on: too good, shown to be compared.
    shrinkage : float, optional
        Heuristic shrinkage (1 - parameters / likelihood-ratio statistic) of a fit without penalty. [1]
    cuts : tuple of float
        Predicted risks that part the risk groups. [1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    title: str
    research_use: str = RESEARCH_USE
    outcome: OutcomeRecord
    terms: tuple[str, ...]
    asked_terms: tuple[str, ...]
    family: str
    family_words: str
    settings: str
    n: int
    events: int
    competing_events: int = 0
    n_parameters: int
    events_per_parameter: float
    shrinkage: float | None = None
    median_follow_up: float | None = None
    comparison: tuple[Comparison, ...]
    choice: str
    internal_method: str
    internal: tuple[Figure, ...]
    apparent: tuple[Figure, ...]
    optimism: tuple[Optimism, ...] = ()
    intercept: float | None = None
    coefficients: tuple[Coefficient, ...] = ()
    importances: tuple[Importance, ...] = ()
    cuts: tuple[float, ...]
    groups: tuple[RiskGroup, ...]
    development: Development
    notes: tuple[str, ...] = ()
    missing_rule: str = ""
    manifest: Manifest
    software: dict[str, str] = Field(default_factory=dict)


class ChecklistRow(BaseModel):
    """One item of the reporting checklist and where it is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: int
    section: str
    topic: str
    answer: str


TO_THE_AUTHOR = "left to the author: the software cannot know it"


def checklist(card: ModelCard) -> tuple[ChecklistRow, ...]:
    """The TRIPOD+AI checklist with what this card answers; what only an author can know says so."""
    answers = _answers(card)
    rows = load(RULES).table("tripod_ai").to_dict("records")
    return tuple(
        ChecklistRow(
            item=int(row["item"]), section=row["section"], topic=row["topic"],
            answer=answers.get(row["answered_by"], TO_THE_AUTHOR),
        )
        for row in rows
    )  # fmt: skip


def _answers(card: ModelCard) -> dict[str, str]:
    shown = "; ".join(f"{figure.label} {_number(figure)}" for figure in card.internal)
    return {
        "title": card.title,
        "purpose": "development with internal validation; external validation is a report of its own",
        "data": "sha256 of the table in the manifest; dates and source: " + TO_THE_AUTHOR,
        "preparation": "checks for duplicates, units, event order and leakage; notes: "
        + ("; ".join(card.notes) or "none"),
        "outcome": card.outcome.words(),
        "predictors": ", ".join(card.asked_terms),
        "sample_size": f"{card.n} patients, {card.events} events, {card.n_parameters} candidate parameters, "
        f"{card.events_per_parameter:.1f} events per parameter"
        + (f"; heuristic shrinkage {card.shrinkage:.2f}" if card.shrinkage is not None else ""),
        "missing": card.missing_rule,
        "methods": f"{card.family_words}; {card.choice}; {card.internal_method}",
        "imbalance": "no resampling and no class weights: probabilities keep the frequency of the cohort",
        "fairness": "validation reports print every figure by sex and age group where columns hold them",
        "output": "probability of " + card.outcome.words(),
        "transport": "summary of the development cohort stored with the model; checked before each prediction",
        "code": "software and versions in the manifest",
        "participants": f"{card.n} patients, {card.events} events of interest, {card.competing_events} competing",
        "specification": "coefficients in the card" if card.coefficients else "the model file; importances in the card",
        "performance": shown,
        "updating": "none in this fit",
        "limitations": "single development table; " + ("; ".join(card.notes) or "no note"),
        "usability": "missing inputs are imputed; unknown categories and patients unlike those fitted on are flagged",
    }


def _number(figure: Figure) -> str:
    if figure.estimate is None:
        return "not computable"
    limits = "" if figure.interval is None else f" ({figure.interval[0]:.3f} to {figure.interval[1]:.3f})"
    return f"{figure.estimate:.3f}{limits}"
