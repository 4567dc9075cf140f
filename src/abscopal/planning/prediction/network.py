"""A 3-D U-Net that predicts dose in units of 70 Gy. Needs the extra `deep`: call `extra.require_deep` first."""

import torch
from torch import Tensor, nn

SLOPE = 0.1


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each normalised per patient and rectified."""
    layers: list[nn.Module] = []
    for first in (inputs, outputs):
        layers += [
            nn.Conv3d(first, outputs, 3, padding=1),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(SLOPE),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Encoder and decoder with skip connections, after Çiçek et al. 2016, with nearest-neighbour upsampling.

    Parameters
    ----------
    inputs : int
        Channels in.
    width : int
        Channels of the first level; doubled at each level below, up to `widest`.
    levels : int
        Resolutions, the finest included.
    widest : int
        Most channels of any level.

    Notes
    -----
    Input (n, inputs, a, b, c) with axes divisible by ``2**(levels - 1)``; output (n, 1, a, b, c).
    """

    def __init__(self, inputs: int, width: int, levels: int, widest: int) -> None:
        super().__init__()
        sizes = [min(width * 2**k, widest) for k in range(levels)]
        self.down = nn.ModuleList([_block(i, o) for i, o in zip([inputs, *sizes[:-1]], sizes, strict=True)])
        self.narrow = nn.ModuleList([nn.Conv3d(sizes[k + 1], sizes[k], 1) for k in range(levels - 1)])
        self.up = nn.ModuleList([_block(2 * sizes[k], sizes[k]) for k in range(levels - 1)])
        self.last = nn.Conv3d(sizes[0], 1, 1)
        nn.init.zeros_(self.last.weight)  # an untrained network adds nothing to the baseline
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Dose, or what to add to the baseline's dose, in units of 70 Gy."""
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool3d(x, 2))
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = nn.functional.interpolate(self.narrow[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([x, kept[level]], dim=1))
        out: Tensor = self.last(x)
        return out
