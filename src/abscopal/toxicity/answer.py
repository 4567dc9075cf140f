"""What comes back: risks, and what could not be computed with the reason."""

from pydantic import BaseModel, ConfigDict

from abscopal.domain.risk import Risk


class NotComputable(BaseModel):
    """A published row that gives no probability for this case.

    Attributes
    ----------
    needs : tuple of str
        What would make it computable; empty where nothing would.
    reason : str
        In words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    endpoint: str
    organ: str
    grade: str = ""
    status: str = ""
    needs: tuple[str, ...] = ()
    reason: str


class ToxicityAnswer(BaseModel):
    """Every row of the model table, each in one of three places.

    Attributes
    ----------
    risks : tuple of Risk
        Evaluated models and labelled ICI offsets.
    not_computable : tuple of NotComputable
        Models that lack an organ or a covariate, or do not apply to this patient.
    anchors : tuple of NotComputable
        Observed rates, constraints and ratios: never a probability for one patient.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    risks: tuple[Risk, ...]
    not_computable: tuple[NotComputable, ...]
    anchors: tuple[NotComputable, ...]
