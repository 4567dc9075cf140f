"""Augmentation of a training slab: mirror image, small turns, shifts and scalings, missing organs, CT noise.

Every draw comes from a generator seeded by run, epoch and slab, so a resumed run draws what an
uninterrupted one would have drawn.
"""

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from abscopal.planning.prediction.channels import CHANNELS, ORGAN_ROWS
from abscopal.planning.prediction.settings import TrainingSettings

LEFT, RIGHT = CHANNELS.index("LeftParotid"), CHANNELS.index("RightParotid")
CT = CHANNELS.index("ct")


def mirror(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Left and right exchanged, the parotid rows swapped. Rows beyond the channels (such as dose) are mirrored too."""
    flipped = stack[:, :, ::-1].copy()
    flipped[[LEFT, RIGHT]] = flipped[[RIGHT, LEFT]]
    return flipped


def augment(stack: NDArray[np.float32], settings: TrainingSettings, draw: Generator) -> Tensor:
    """One slab (rows, a, b, c) of channels followed by the dose, changed at random."""
    if draw.random() < settings.flip:
        stack = mirror(stack)
    slab = torch.from_numpy(np.ascontiguousarray(stack))
    if draw.random() < settings.warp:
        slab = _warp(slab, settings, draw)
    for row in ORGAN_ROWS:
        if draw.random() < settings.forget_organ:
            slab[row] = 0.0
    noise = draw.normal(0.0, settings.ct_noise, slab.shape[1:]).astype(np.float32) + draw.normal(0.0, settings.ct_noise)
    slab[CT] += torch.from_numpy(noise.astype(np.float32))
    return slab


def _warp(slab: Tensor, settings: TrainingSettings, draw: Generator) -> Tensor:
    """Turn, scale and shift within the axial plane, trilinear."""
    angle = np.deg2rad(draw.uniform(-settings.largest_rotation, settings.largest_rotation))
    scale = 1.0 + draw.uniform(-settings.largest_scale, settings.largest_scale)
    shift = draw.uniform(-settings.largest_shift, settings.largest_shift, 2)
    _, a, b, _ = slab.shape
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    # affine_grid orders coordinates (axis 2, axis 1, axis 0), each from -1 to 1
    theta = torch.tensor([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, cos, sin * a / b, 2 * shift[1] / b],
        [0.0, -sin * b / a, cos, 2 * shift[0] / a],
    ], dtype=torch.float32)  # fmt: skip
    grid = torch.nn.functional.affine_grid(theta[None], [1, *slab.shape], align_corners=False)
    return torch.nn.functional.grid_sample(
        slab[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )[0]
