"""What comes back: risks, the whole-patient summary, and what could not be computed with the reason."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from abscopal.domain.risk import Basis, Probability, Risk

Share = Annotated[float, Field(ge=-1, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NotComputable(_Frozen):
    """A published row that gives no probability for this case.

    Attributes
    ----------
    needs : tuple of str
        What would make it computable; empty where nothing would.
    reason : str
        In words.
    """

    model: str
    endpoint: str
    organ: str
    grade: str = ""
    status: str = ""
    needs: tuple[str, ...] = ()
    reason: str


class Part(_Frozen):
    """One probability with its 95 % interval, and what it is of.

    Attributes
    ----------
    what : str
        Model id, event and class of ICI, or how the parts were combined.
    basis : str
        What the interval rests on.
    """

    what: str
    grade: str = ""
    probability: Probability
    interval: tuple[Probability, Probability]
    basis: Basis
    status: str = ""


class OrganRisk(_Frozen):
    """One complication in one organ, from radiation, from the ICI, and from both.

    Attributes
    ----------
    structures : str
        TG-263 names behind the radiation part, or "".
    combined : Part
        Either cause, taken as independent; the single part where there is only one.
    with_interaction : Part, optional
        The same under the working rule of radiation with immune effects: an offset.
    others : dict
        Further models of the same complication, by id. They are of other patients and never averaged. [1]
    counted : bool
        Whether it enters the complication-free probability.
    """

    toxicity: str
    label: str
    organ: str
    structures: str = ""
    grade: str
    timing: str
    radiation: Part | None = None
    immune: Part | None = None
    combined: Part
    with_interaction: Part | None = None
    interaction: str = ""
    onset: str = ""
    others: dict[str, Probability] = Field(default_factory=dict)
    counted: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Uncovered(_Frozen):
    """A toxicity without any probability for this patient, and why."""

    toxicity: str
    label: str
    reason: str


class ObservedGroup(_Frozen):
    """What was seen in a published group that this patient's doses fall into; not a model of this patient."""

    model: str
    endpoint: str
    group: str
    rate: Probability
    horizon: str
    population: str
    source: str
    status: str


class ToxicitySummary(_Frozen):
    """The whole patient: every toxicity once, and the probability of none.

    Attributes
    ----------
    complication_free : Part, optional
        Product of the counted rows' complements: assumes that they are independent.
    complication_free_of : tuple of str
        The rows in that product.
    """

    ici: str
    rows: tuple[OrganRisk, ...]
    uncovered: tuple[Uncovered, ...]
    observed: tuple[ObservedGroup, ...] = ()
    complication_free: Part | None = None
    complication_free_of: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ToxicityAnswer(_Frozen):
    """Every row of the model table, each in one of three places, and the summary drawn from them.

    Attributes
    ----------
    risks : tuple of Risk
        Evaluated models and labelled ICI offsets.
    not_computable : tuple of NotComputable
        Models that lack an organ or a covariate, or do not apply to this patient.
    anchors : tuple of NotComputable
        Observed rates, constraints and ratios: never a probability for one patient.
    """

    risks: tuple[Risk, ...]
    not_computable: tuple[NotComputable, ...]
    anchors: tuple[NotComputable, ...]
    summary: ToxicitySummary


class Difference(_Frozen):
    """One complication under two plans or regimens.

    Attributes
    ----------
    difference : float
        Second less first. [1]
    interval : tuple of float
        95 %, under the same draws of every parameter for both. [1]
    share_lower : float
        Share of the draws in which the second is lower. [1]
    """

    label: str
    organ: str
    grade: str
    first: Probability
    second: Probability
    difference: Share
    interval: tuple[Share, Share]
    share_lower: Probability
    notes: tuple[str, ...] = ()


class ToxicityComparison(_Frozen):
    """Two plans or regimens, complication by complication, and what could not be compared."""

    first: str
    second: str
    rows: tuple[Difference, ...]
    complication_free: Difference | None
    not_compared: tuple[Uncovered, ...]
    notes: tuple[str, ...] = ()
