"""Baseline: gradient-boosted trees on the geometry of each voxel, without any neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import UnsupportedError
from abscopal.learning.estimators.stored_trees import trees_are_sound
from abscopal.planning.prediction.anatomy import Anatomy, Example, FloatArray
from abscopal.planning.prediction.atlas import mirrored
from abscopal.planning.prediction.by_shadow import DoseByShadow
from abscopal.planning.prediction.channels import CHANNELS, DOSE_SCALE, channels

TREE = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
SAME = 1e-6  # 70 Gy


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
    from threadpoolctl import threadpool_limits

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
    with threadpool_limits(1):  # small trees gain nothing from threads, and threads that wait burn time
        return BoostedDose(baseline, model.fit(table, left_over))


def voxel_table(anatomy: Anatomy, baseline: DoseByShadow) -> NDArray[np.float32]:
    """One row per voxel of the region: its channels, and its place relative to the target's centre [100 mm]."""
    rows = channels(anatomy, baseline)[:, anatomy.region]
    target = np.argwhere(anatomy.target).mean(axis=0)
    place = (np.argwhere(anatomy.region) - target) * np.array(anatomy.voxel_mm) / 100.0
    return np.concatenate([rows.T, place], axis=1).astype(np.float32)


def pack_trees(model: BoostedDose) -> bytes:
    """The trees in the skops format, compressed; never a pickle."""
    from zipfile import ZIP_DEFLATED

    from skops.io import dumps

    packed: bytes = dumps(model.trees, compression=ZIP_DEFLATED, compresslevel=9)
    return packed


def unpack_trees(
    packed: bytes, baseline: DoseByShadow, rows: NDArray[np.float32], expected: FloatArray
) -> BoostedDose:  # fmt: skip
    """Trees that come with the package, checked on rows whose answers are stored beside them.

    Raises
    ------
    UnsupportedError
        This version of scikit-learn reads them differently.
    """
    import warnings

    import sklearn
    from skops.io import loads

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another version of scikit-learn: judged by the answers below
            trees = loads(packed, trusted=[TREE])
            same = trees_are_sound(trees) and np.allclose(trees.predict(rows), expected, atol=SAME)
    except (ValueError, TypeError, KeyError, AttributeError, ImportError):
        same = False
    if not same:
        raise UnsupportedError(
            doing="reading the trees that predict dose",
            found=f"scikit-learn {sklearn.__version__}, which reads them otherwise",
            expected="a version that gives the stored answers", try_="another predictor: --with shadow",
        )  # fmt: skip
    return BoostedDose(baseline, trees)
