"""Dosiomics: how dose is spread inside a structure, as features for a learned model.

First-order statistics of dose, its gradient, and where its weight lies. Texture matrices are left to a
dedicated extractor: they depend on resampling choices a table cannot show.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.dose.grid import DoseGrid, FloatArray
from abscopal.dose.structures import Structure, occupancy

BIN_GY = 1.0
"""Width of the dose bins of entropy and uniformity."""


def dosiomics(structure: Structure, dose: DoseGrid) -> dict[str, float]:
    """Spatial and statistical features of the dose inside a structure.

    Parameters
    ----------
    structure : Structure
    dose : DoseGrid
        Each voxel counts by the part of it that lies inside.

    Returns
    -------
    dict
        `mean`, `sd` [Gy]; `variation`, `skewness`, `kurtosis` (excess), `entropy` [bit], `uniformity`
        (both over bins of 1 Gy) [1]; `gradient_mean`, `gradient_p95` [Gy/mm]; `shift_x`, `shift_y`, `shift_z`,
        from the centre of volume to the centre of dose, patient LPS [mm].

    Raises
    ------
    InputError
        No part of the structure lies on the grid.

    References
    ----------
    Definitions as in the Image Biomarker Standardisation Initiative (Zwanenburg et al., Radiology 2020;
    recalled), with voxel weights.
    """
    inside = occupancy(structure, dose)
    kept = inside > 0
    if not kept.any():
        raise InputError(
            doing=f"computing dosiomics of {structure.label}", found="no voxel of the dose grid inside it",
            expected="a structure on the grid", try_="another structure, or a dose grid that covers it",
        )  # fmt: skip
    weight, values = inside[kept] / inside.sum(), dose.values[kept].astype(np.float64)
    slope = _gradient(dose)[kept]
    return _statistics(values, weight) | {
        "gradient_mean": float(weight @ slope),
        "gradient_p95": _quantile(slope, weight, 0.95),
        **dict(zip(("shift_x", "shift_y", "shift_z"), _shift(kept, weight, values, dose).tolist(), strict=True)),
    }


def dosiomics_row(structures: list[Structure], dose: DoseGrid) -> pd.DataFrame:
    """One row of a table for `abscopal toxicity fit`: columns `ORGAN_feature`, and `ORGAN_V1` ... of the histogram."""
    from abscopal.dose.dvh import compute_dvh

    row: dict[str, float] = {}
    for structure in structures:
        row |= {f"{structure.label}_{name}": value for name, value in dosiomics(structure, dose).items()}
        dvh = compute_dvh(structure, dose)
        row |= {
            f"{structure.label}_V{gray}": 100 * float(dvh.volume_at_dose(float(gray)))
            for gray in range(1, max(2, int(np.ceil(dose.max))) + 1)
        }
    return pd.DataFrame([row])


def _statistics(values: FloatArray, weight: FloatArray) -> dict[str, float]:
    mean = float(weight @ values)
    centred = values - mean
    sd = float(np.sqrt(weight @ centred**2))
    flat = sd <= 1e-9 * max(mean, 1e-300)
    share = np.bincount((values / BIN_GY).astype(np.int64), weights=weight)
    share = share[share > 0]
    return {
        "mean": mean,
        "sd": sd,
        "variation": sd / mean if mean > 0 else 0.0,
        "skewness": 0.0 if flat else float(weight @ centred**3) / sd**3,
        "kurtosis": 0.0 if flat else float(weight @ centred**4) / sd**4 - 3,
        "entropy": float(-(share @ np.log2(share))),
        "uniformity": float(share @ share),
    }


def _gradient(dose: DoseGrid) -> FloatArray:
    """Steepness of dose at each voxel, in the grid's own index order. [Gy/mm]."""
    spacing = np.linalg.norm(dose.affine[:3, :3], axis=0)[::-1]  # index order is (z, y, x)
    parts = [
        np.gradient(dose.values, step, axis=axis) if dose.values.shape[axis] > 1 else np.zeros_like(dose.values)
        for axis, step in enumerate(spacing)
    ]
    return np.asarray(np.sqrt(np.sum(np.square(parts), axis=0)))


def _quantile(values: FloatArray, weight: FloatArray, share: float) -> float:
    order = np.argsort(values)
    place = int(np.searchsorted(np.cumsum(weight[order]), share))
    return float(values[order][min(place, len(order) - 1)])


def _shift(kept: NDArray[np.bool_], weight: FloatArray, values: FloatArray, dose: DoseGrid) -> FloatArray:
    k, j, i = np.nonzero(kept)
    points = np.stack([i, j, k, np.ones_like(i)], axis=1) @ dose.affine.T
    total = float(weight @ values)
    if total <= 0:
        return np.zeros(3)
    return np.asarray((weight * values / total - weight) @ points[:, :3])
