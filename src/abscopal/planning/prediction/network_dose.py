"""A trained network as a dose predictor: slab by slab along the patient, blended where slabs overlap."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import Anatomy, FloatArray
from abscopal.planning.prediction.by_shadow import SHAPE, DoseByShadow
from abscopal.planning.prediction.channels import BASELINE_ROW, CHANNELS, DOSE_SCALE, channels
from abscopal.planning.prediction.extra import best_device
from abscopal.planning.prediction.network import UNet
from abscopal.planning.prediction.settings import Architecture, Header
from abscopal.planning.prediction.storage import read_tensors, write_tensors

MODEL, TABLE = "model.", "baseline.table"


@dataclass(frozen=True, eq=False)
class NetworkDose:
    """A network with the baseline it starts from and the header of its file."""

    header: Header
    baseline: DoseByShadow
    network: UNet
    device: str = "cpu"

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid, 0 outside the region."""
        box = anatomy.region_box
        stack = channels(anatomy, self.baseline)[:, *box]
        dose = np.zeros(anatomy.shape)
        dose[box] = infer(self.network, stack, self.header.settings.architecture, self.device) * DOSE_SCALE
        return np.where(anatomy.region, np.maximum(dose, 0.0), 0.0)


def build(architecture: Architecture) -> UNet:
    """An untrained network of this shape."""
    return UNet(len(CHANNELS), architecture.width, architecture.levels, architecture.widest)


def load_network(path: Path, device: str | None = None) -> NetworkDose:
    """A network from its weights file or from a checkpoint.

    Raises
    ------
    UnsupportedError, InputError
        See `storage.read_tensors`; InputError too where tensors do not fit the network the header names.
    """
    header, tensors = read_tensors(path)
    network, wanted = build(header.settings.architecture), MODEL
    stored = {name.removeprefix(wanted): one.float() for name, one in tensors.items() if name.startswith(wanted)}
    shapes = {name: one.shape for name, one in network.state_dict().items()}
    table = tensors.get(TABLE)
    if {name: one.shape for name, one in stored.items()} != shapes or table is None or table.shape != SHAPE:
        raise InputError(
            doing=f"reading network weights from {path.name}", found="tensors that do not fit the network it names",
            expected=f"{len(shapes)} tensors and the baseline's table",
            try_="the file as `abscopal plan train` wrote it",
        )  # fmt: skip
    network.load_state_dict(stored)
    device = device or best_device()
    baseline = DoseByShadow(table.numpy().astype(np.float64))
    return NetworkDose(header, baseline, network.to(device).eval(), device)


def save_network(model: NetworkDose, path: Path) -> Path:
    """Write weights in half precision, small enough to travel with a package."""
    state = {MODEL + name: one.half() for name, one in model.network.state_dict().items()}
    return write_tensors(path, model.header, {**state, TABLE: torch.from_numpy(model.baseline.table).float()})


def infer(network: UNet, stack: NDArray[np.float32], shape: Architecture, device: str) -> NDArray[np.float32]:
    """Network output on a whole patient, in units of 70 Gy, baseline added where the network is a residual."""
    total = np.zeros(stack.shape[1:], dtype=np.float32)
    weight = np.zeros(stack.shape[3], dtype=np.float32)
    network.eval()
    with torch.inference_mode():
        for start, stop in slab_ranges(stack.shape[3], shape.slab):
            part = pad(torch.from_numpy(np.ascontiguousarray(stack[..., start:stop])), shape, whole_slab=True)
            out = network(part[None].to(device))[0, 0].float().cpu().numpy()
            ramp = _ramp(stop - start)
            total[..., start:stop] += out[: stack.shape[1], : stack.shape[2], : stop - start] * ramp
            weight[start:stop] += ramp
    dose = total / weight
    return dose + stack[BASELINE_ROW] if shape.residual else dose


def slab_ranges(n: int, slab: int) -> list[tuple[int, int]]:
    """Half-overlapping ranges of at most `slab` voxels that cover 0 to n, the last one flush with the end."""
    if n <= slab:
        return [(0, n)]
    starts = [*range(0, n - slab, max(1, slab // 2)), n - slab]
    return [(start, start + slab) for start in starts]


def pad(stack: Tensor, shape: Architecture, *, whole_slab: bool = False) -> Tensor:
    """Zeros after the end of each axis up to what the network's levels divide; optionally to a whole slab."""
    step = 2 ** (shape.levels - 1)
    _, a, b, c = stack.shape
    want = max(c, shape.slab) if whole_slab else c
    sizes = [(-a) % step, (-b) % step, want + (-want) % step - c]
    return torch.nn.functional.pad(stack, (0, sizes[2], 0, sizes[1], 0, sizes[0]))


def autocast(device: str, *, enabled: bool) -> AbstractContextManager[object]:
    """Mixed precision in bfloat16, which needs no loss scaling, where it is asked for and the device has it."""
    if not enabled or (device != "cpu" and not torch.cuda.is_bf16_supported()):
        return nullcontext()
    mixed: AbstractContextManager[object] = torch.autocast(device.split(":", maxsplit=1)[0], dtype=torch.bfloat16)
    return mixed


def _ramp(n: int) -> NDArray[np.float32]:
    """Weights that fall towards the ends of a slab, where it sees least."""
    return np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)).astype(np.float32)
