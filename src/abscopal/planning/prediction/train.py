"""Training the network: seeded augmentation, a checkpoint after every epoch, early stopping on validation only.

A run that is killed goes on from its last whole epoch. Every random draw is seeded by run, epoch and slab and
the optimiser's state is in the checkpoint, so on one device type and thread count the resumed run ends in the
same numbers as one that was never stopped.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.version import __version__
from abscopal.planning.prediction.anatomy import STRUCTURES, Example
from abscopal.planning.prediction.augment import augment
from abscopal.planning.prediction.by_shadow import fit_by_shadow
from abscopal.planning.prediction.channels import BASELINE_ROW, CHANNELS, DOSE_SCALE, channels
from abscopal.planning.prediction.envelope import envelope_of, judge
from abscopal.planning.prediction.extra import best_device
from abscopal.planning.prediction.network import UNet
from abscopal.planning.prediction.network_dose import (
    MODEL,
    TABLE,
    NetworkDose,
    autocast,
    build,
    infer,
    load_network,
    pad,
    save_network,
)
from abscopal.planning.prediction.settings import Header, Progress, TrainingSettings
from abscopal.planning.prediction.storage import read_tensors, write_tensors

LAST, BEST, WEIGHTS = "last.safetensors", "best.safetensors", "weights.safetensors"
OPTIMISER, LIVE = "optimiser.", "live."
REGION_ROW = CHANNELS.index("region")
STRUCTURE_ROWS = [CHANNELS.index(name) for name in STRUCTURES]
Stack = NDArray[np.float32]
"""Channels of one patient with the dose [70 Gy] as a last row, cropped to the region."""


@dataclass(frozen=True)
class Trained:
    """A finished run: the network of its best epoch, and why it stopped."""

    model: NetworkDose
    stopped: str


def train(
    training: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    settings: TrainingSettings,
    *,
    data_sha256: str = "",
    device: str | None = None,
) -> Trained:
    """Train, or go on with the run in `folder`.

    Parameters
    ----------
    training, validation : sequence of Example
        Only the validation patients decide which epoch is kept and when to stop.
    folder : path
        Receives `last.safetensors` (checkpoint), `best.safetensors` and, at the end, `weights.safetensors`.
    settings : TrainingSettings
    data_sha256 : str
        Says which data; a checkpoint of other data or settings is refused.
    device : str, optional
        `cuda` where there is one, else `cpu`.

    Raises
    ------
    InputError
        No patients, or a checkpoint of another run in the folder.
    """
    if not training or not validation:
        raise InputError(
            doing="training a dose prediction network", found=f"{len(training)} training, {len(validation)} validation",
            expected="at least one of each", try_="a folder with train_*.npz and validation_*.npz",
        )  # fmt: skip
    run = _Run.start(training, validation, folder, settings, data_sha256, device or best_device())
    why = "reached the last epoch"
    while run.header.epoch < settings.epochs:
        if run.header.stale >= settings.patience:
            why = f"no better dose score in {settings.patience} validations"
            break
        run.one_epoch()
    best = load_network(folder / BEST, run.model.device)
    best = replace(best, header=run.header.model_copy(update={"kind": "weights"}))
    save_network(best, folder / WEIGHTS)
    return Trained(best, why)


class _Run:
    """The state of a run between epochs.

    `model` holds the running mean of the weights, `live` the weights that are stepped.
    """

    def __init__(
        self, model: NetworkDose, live: UNet, optimiser: torch.optim.AdamW, folder: Path, training: list[Stack],
        validation: list[Stack],
    ) -> None:  # fmt: skip
        self.model, self.live, self.optimiser, self.folder = model, live, optimiser, folder
        self.training, self.validation = training, validation

    @property
    def header(self) -> Header:
        return self.model.header

    @classmethod
    def start(
        cls, training: Sequence[Example], validation: Sequence[Example], folder: Path, settings: TrainingSettings,
        data_sha256: str, device: str,
    ) -> "_Run":  # fmt: skip
        baseline = fit_by_shadow(training)
        header = Header(
            kind="checkpoint", settings=settings,
            trained_on=tuple(example.name for example in training), envelope=envelope_of(training),
            data_sha256=data_sha256, epoch=0, best_epoch=0, best_dose_score=None,
            software={"abscopal": __version__, "torch": str(torch.__version__)},
        )  # fmt: skip
        torch.manual_seed(settings.seed)
        live = build(settings.architecture).to(device)
        network = deepcopy(live)
        stored = None
        if (folder / LAST).is_file():
            stored = _resume(folder / LAST, header)
            network.load_state_dict(_under(MODEL, stored[1]))
            live.load_state_dict(_under(LIVE, stored[1]))
            header = stored[0]
        optimiser = torch.optim.AdamW(live.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        if stored is not None and header.epoch > 0:
            _restore(optimiser, _under(OPTIMISER, stored[1]))
        model = NetworkDose(header, baseline, network, device)
        stacks = [
            [_stack(example, model) for example in track(group, f"preparing {label} patients")]
            for group, label in ((training, "training"), (validation, "validation"))
        ]
        return cls(model, live, optimiser, folder, *stacks)

    def one_epoch(self) -> None:
        settings, epoch = self.header.settings, self.header.epoch
        rate = settings.learning_rate * 0.5 * (1 + cos(pi * epoch / settings.epochs))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        draw = np.random.default_rng([settings.seed, epoch])
        order = draw.permutation(np.repeat(np.arange(len(self.training)), settings.slabs_per_patient))
        self.live.train()
        losses = [
            self._step(int(patient), epoch, k) for k, patient in enumerate(track(list(order), f"epoch {epoch + 1}"))
        ]
        self._advance(float(np.mean(losses)))

    def _step(self, patient: int, epoch: int, k: int) -> float:
        settings, device = self.header.settings, self.model.device
        draw = np.random.default_rng([settings.seed, epoch, k])
        whole = self.training[patient]
        thick = min(settings.architecture.slab, whole.shape[3])
        start = int(draw.integers(0, whole.shape[3] - thick + 1))
        slab = augment(whole[..., start : start + thick], settings, draw)
        slab = pad(slab, settings.architecture, whole_slab=True)[None].to(device)
        inputs, dose = slab[:, :-1], slab[:, -1:]
        with autocast(device, enabled=settings.mixed_precision):
            out = self.live(inputs)
        out = out.float()
        if settings.architecture.residual:
            out = out + inputs[:, BASELINE_ROW : BASELINE_ROW + 1]
        loss = _loss(out, dose, inputs, settings.structure_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.live.parameters(), 1.0)
        self.optimiser.step()
        self._average()
        return float(loss.detach())

    def _average(self) -> None:
        """Move the running mean of the weights towards them; early on it follows them more closely."""
        step = int(self.optimiser.state_dict()["state"][0]["step"])
        keep = min(self.header.settings.averaging, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(self.model.network.parameters(), self.live.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def _advance(self, train_loss: float) -> None:
        """Close an epoch: validate where it is due, keep the best, write the checkpoint."""
        header = self.header.model_copy(update={"epoch": self.header.epoch + 1})
        settings, better = header.settings, False
        if header.epoch % settings.validate_every == 0 or header.epoch == settings.epochs:
            score = self._dose_score()
            better = header.best_dose_score is None or score < header.best_dose_score
            row = Progress(epoch=header.epoch, train_loss=train_loss, dose_score=score)
            news = {"history": (*header.history, row), "stale": 0 if better else header.stale + 1}
            if better:
                news |= {"best_epoch": header.epoch, "best_dose_score": score}
            header = header.model_copy(update=news)
        self.model = replace(self.model, header=header)
        if better:
            best = header.model_copy(update={"kind": "weights"})
            write_tensors(self.folder / BEST, best, self._state(with_optimiser=False))
        write_tensors(self.folder / LAST, header, self._state(with_optimiser=True))

    def _dose_score(self) -> float:
        """Mean over the validation patients of the mean absolute dose error in the region [Gy]."""
        scores = []
        architecture = self.header.settings.architecture
        for stack in self.validation:
            dose = np.maximum(infer(self.model.network, stack[:-1], architecture, self.model.device), 0.0)
            inside = stack[REGION_ROW] > 0
            scores.append(float(np.abs(dose - stack[-1])[inside].mean()) * DOSE_SCALE)
        return float(np.mean(scores))

    def _state(self, *, with_optimiser: bool) -> dict[str, Tensor]:
        tensors = {MODEL + name: one for name, one in self.model.network.state_dict().items()}
        tensors[TABLE] = torch.from_numpy(self.model.baseline.table)
        if with_optimiser:
            tensors |= {LIVE + name: one for name, one in self.live.state_dict().items()}
            for index, entry in self.optimiser.state_dict()["state"].items():
                tensors |= {f"{OPTIMISER}{index}.{name}": value for name, value in entry.items()}
        return tensors


def _stack(example: Example, model: NetworkDose) -> Stack:
    box = example.anatomy.region_box
    seen = judge(example.anatomy, model.header.envelope).anatomy
    rows = channels(seen, model.baseline)[:, *box]
    return np.concatenate([rows, example.dose[box][None] / DOSE_SCALE]).astype(np.float32)


def _loss(out: Tensor, dose: Tensor, inputs: Tensor, structure_weight: float) -> Tensor:
    """Mean absolute error over the region, and over organs and targets; both in units of 70 Gy."""
    error = (out - dose).abs()
    region = inputs[:, REGION_ROW : REGION_ROW + 1]
    structures = inputs[:, STRUCTURE_ROWS].amax(dim=1, keepdim=True) * region
    return (error * region).sum() / region.sum().clamp(min=1) + structure_weight * (
        (error * structures).sum() / structures.sum().clamp(min=1)
    )


def _resume(path: Path, fresh: Header) -> tuple[Header, dict[str, Tensor]]:
    header, tensors = read_tensors(path)
    same = ("settings", "trained_on", "data_sha256")
    if header.kind != "checkpoint" or any(getattr(header, name) != getattr(fresh, name) for name in same):
        raise InputError(
            doing=f"resuming the run in {path.parent.name}", found="a checkpoint of other patients or settings",
            expected="the settings and data the run began with", try_="another --out, or the settings of that run",
        )  # fmt: skip
    return header, tensors


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}


def _restore(optimiser: torch.optim.AdamW, stored: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, one in stored.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = one
    whole = optimiser.state_dict()
    whole["state"] = state
    optimiser.load_state_dict(whole)
