"""Baseline: gradient-boosted trees on the geometry of each voxel, without any neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.planning.prediction.anatomy import Anatomy, Example, FloatArray
from abscopal.planning.prediction.atlas import mirrored
from abscopal.planning.prediction.by_shadow import DoseByShadow
from abscopal.planning.prediction.channels import CHANNELS, DOSE_SCALE, channels


@dataclass(frozen=True, eq=False)
class BoostedDose:
    """Trees that add to the dose by distance and shadow.

    Attributes
    ----------
    baseline : DoseByDistance
    trees : HistGradientBoostingRegressor
        From `CHANNELS` and the place relative to the target's centre to the dose left over. [70 Gy]
    """

    baseline: DoseByShadow
    trees: Any

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid, 0 outside the region."""
        dose = np.zeros(anatomy.shape)
        table = voxel_table(anatomy, self.baseline)
        at_base = table[:, CHANNELS.index("baseline")]
        dose[anatomy.region] = DOSE_SCALE * np.maximum(self.trees.predict(table) + at_base, 0.0)
        return dose


def fit_boosted(
    examples: Sequence[Example], baseline: DoseByShadow, *, voxels: int = 12_000, trees: int = 300, leaves: int = 31,
    seed: int = 0,
) -> BoostedDose:  # fmt: skip
    """Fit trees to voxels drawn from the examples and their mirror images.

    Parameters
    ----------
    examples : sequence of Example
    baseline : DoseByDistance
        Fitted on the same examples.
    voxels : int
        Drawn from each patient and from each mirror image.
    trees, leaves : int
        Number of trees, and leaves of each.
    seed : int
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    draw = np.random.default_rng(seed)
    tables, doses = [], []
    for example in (*examples, *(mirrored(one) for one in examples)):
        table = voxel_table(example.anatomy, baseline)
        picked = draw.choice(len(table), min(voxels, len(table)), replace=False)
        tables.append(table[picked])
        doses.append(example.dose[example.anatomy.region][picked] / DOSE_SCALE)
    table = np.concatenate(tables)
    left_over = np.concatenate(doses) - table[:, CHANNELS.index("baseline")]
    model = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=100, random_state=seed,
    )  # fmt: skip
    return BoostedDose(baseline, model.fit(table, left_over))


def voxel_table(anatomy: Anatomy, baseline: DoseByShadow) -> NDArray[np.float32]:
    """One row per voxel of the region: its channels, and its place relative to the target's centre [100 mm]."""
    rows = channels(anatomy, baseline)[:, anatomy.region]
    target = np.argwhere(anatomy.target).mean(axis=0)
    place = (np.argwhere(anatomy.region) - target) * np.array(anatomy.voxel_mm) / 100.0
    return np.concatenate([rows.T, place], axis=1).astype(np.float32)
