"""What a training run is asked to do, and what a weights file says of itself."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from abscopal.planning.prediction.channels import CHANNELS, LAYOUT
from abscopal.planning.prediction.envelope import Envelope

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Architecture(BaseModel):
    """The network's shape, enough to build it again.

    Attributes
    ----------
    width : int
        Channels of the finest level. [1]
    levels : int
        Resolutions. [1]
    widest : int
        Most channels of any level. [1]
    slab : int
        Voxels along axis 2 (head to feet) seen at once, in training and in use. [1]
    residual : bool
        Whether the network predicts what to add to the distance baseline.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=16, ge=2, le=64)
    levels: int = Field(default=4, ge=2, le=6)
    widest: int = Field(default=64, ge=2, le=1024)
    slab: int = Field(default=48, ge=8, le=512)
    residual: bool = True


class TrainingSettings(BaseModel):
    """A training run.

    Attributes
    ----------
    epochs : int
        Passes over the training patients the learning rate is planned for. [1]
    slabs_per_patient : int
        Random slabs of each patient in one pass. [1]
    patience : int
        Validations without a new best after which training stops. [1]
    structure_weight : float
        Weight of the error inside organs and targets, beside the error over the region. [1]
    averaging : float
        Share of the running mean of the weights that a step keeps; the mean is validated and saved. [1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture = Architecture()
    epochs: int = Field(default=50, ge=1, le=10_000)
    slabs_per_patient: int = Field(default=2, ge=1, le=64)
    learning_rate: float = Field(default=1e-3, gt=0, le=1.0)
    weight_decay: float = Field(default=1e-4, ge=0, le=1.0)
    structure_weight: float = Field(default=0.5, ge=0, le=10.0)
    validate_every: int = Field(default=2, ge=1)
    patience: int = Field(default=8, ge=1)
    mixed_precision: bool = True
    averaging: float = Field(default=0.99, ge=0, lt=1)
    flip: Share = 0.5
    warp: Share = 0.5
    largest_rotation: float = Field(default=8.0, ge=0, le=45)
    largest_scale: float = Field(default=0.08, ge=0, le=0.5)
    largest_shift: float = Field(default=3.0, ge=0, le=50)
    forget_organ: Share = 0.1
    ct_noise: float = Field(default=0.02, ge=0, le=1)
    seed: int = Field(default=0, ge=0)


class Progress(BaseModel):
    """Where a run stands; one row per validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    train_loss: float
    dose_score: float


class Header(BaseModel):
    """The JSON header of a weights file or checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["weights", "checkpoint"]
    schema_version: Literal[1] = 1
    layout: int = LAYOUT
    channels: tuple[str, ...] = CHANNELS
    settings: TrainingSettings
    trained_on: tuple[str, ...]
    envelope: Envelope
    data_sha256: str
    epoch: int
    best_epoch: int
    best_dose_score: float | None
    history: tuple[Progress, ...] = ()
    stale: int = 0
    software: dict[str, str] = Field(default_factory=dict)
