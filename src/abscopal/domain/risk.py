"""A probability with everything a reader needs to weigh it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Evidence = Literal["prognostic", "predictive", "mechanistic"]
Basis = Literal["", "printed limits", "assumed widths", "counted patients", "stated prior", "combined"]
"""What an interval rests on: limits the source prints, or a width taken for lack of them."""


class Risk(BaseModel):
    """The probability of one endpoint, and where it comes from.

    Attributes
    ----------
    probability : float
        At the endpoint's horizon. [1]
    interval : tuple of float, optional
        Lower and upper limit at `interval_level`.
    basis : str
        What the interval rests on.
    warnings : tuple of str
        Each begins with the category it has in `domain.errors`: `ExtrapolationWarning` (the model is
        used outside what it was fitted on), `UnverifiedWarning` (its numbers may be wrong).
    status : str
        How the model's numbers were obtained (knowledge status).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str
    organ: str
    grade: str = ""
    model: str
    probability: Probability
    interval: tuple[Probability, Probability] | None = None
    interval_level: float = 0.95
    basis: Basis = ""
    inputs: dict[str, float | str] = Field(default_factory=dict)
    population: str = ""
    source: str
    status: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.interval is not None and self.interval[0] > self.interval[1]:
            raise ValueError("interval must be (lower, upper)")
        return self
