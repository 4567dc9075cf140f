"""The model card of the dose predictors."""

from pydantic import BaseModel, ConfigDict

from abscopal.domain.manifest import RESEARCH_USE
from abscopal.planning.prediction.envelope import Envelope
from abscopal.planning.prediction.settings import TrainingSettings

Interval = tuple[float, float, float]
"""Value, and its 95 % interval over resampled patients [Gy]."""


class Standing(BaseModel):
    """One predictor's scores; lower is better [Gy]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    choice: str
    validation_dose_score: float
    validation_dvh_score: float
    test_dose_score: Interval | None = None
    test_dvh_score: Interval | None = None


class PredictionCard(BaseModel):
    """What the predictors learned from, how well they do, and what they must not be used for.

    Attributes
    ----------
    ranking : tuple of str
        Predictors that come with the package, best dose score on the validation patients first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    title: str
    research_use: str = RESEARCH_USE
    data: str
    doi: str
    licence: str
    trained_on: tuple[str, ...]
    data_sha256: str
    envelope: Envelope
    network: TrainingSettings
    network_epoch: int
    ranking: tuple[str, ...]
    standings: tuple[Standing, ...]
    meaning: tuple[str, ...]
    limits: tuple[str, ...]
