"""Matrices in the layout of PortPy: doses of optimisation voxels, and a map from the CT to them.

PortPy groups CT voxels into optimisation voxels of uneven size. Here they are put back on a regular grid: each voxel of
it is a block of CT voxels and takes the dose of the optimisation voxel at its middle.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from abscopal.domain.errors import InputError
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import Bixels, InfluenceMatrix, Prescription, from_arrays


def from_portpy(
    doses: Any,
    ct_to_dose_voxel_map: ArrayLike,
    structure_masks: Mapping[str, ArrayLike],
    *,
    resolution_xyz_mm: tuple[float, float, float],
    origin_xyz_mm: tuple[float, float, float],
    targets: tuple[str, ...],
    prescription: Prescription,
    bixels: Bixels | None = None,
    block: tuple[int, int, int] = (1, 1, 1),
) -> InfluenceMatrix:
    """An influence matrix from arrays as PortPy loads them.

    Parameters
    ----------
    doses : sparse or dense, shape (n_optimisation_voxels, n_bixels)
        PortPy's `A`, the dose of one fraction. [Gy per unit weight]
    ct_to_dose_voxel_map : array of int, shape (nz, ny, nx)
        Row of each CT voxel, -1 outside the body.
    structure_masks : mapping of str to array, shape (nz, ny, nx)
        0 or 1 on the CT.
    resolution_xyz_mm, origin_xyz_mm : tuple of float
        Of the CT; its axes along those of the patient. [mm]
    targets, prescription
        As in `InfluenceMatrix`; the doses are multiplied by the number of fractions.
    bixels : Bixels, optional
    block : tuple of int
        CT voxels along z, y and x that become one voxel; what is left over at the far edges is dropped.

    Raises
    ------
    InputError
        A map that names rows that are not there, or arrays of different shapes.
    """
    place = np.asarray(ct_to_dose_voxel_map, dtype=np.int64)
    rows = sparse.csr_array(doses)
    wrong = [name for name, mask in structure_masks.items() if np.shape(mask) != place.shape]
    if place.ndim != 3 or place.size == 0 or place.max() >= rows.shape[0] or wrong:
        raise InputError(
            doing="reading a matrix in PortPy's layout",
            found=f"a map of shape {place.shape} up to row {place.max(initial=-1)} for {rows.shape[0]} rows"
            + (f", masks of other shapes: {', '.join(wrong)}" if wrong else ""),
            expected="a map (nz, ny, nx) of rows that exist, and masks of its shape",
            try_="opt_voxels_dict['ct_to_dose_voxel_map'][0] and structure_mask_3d of the same patient",
        )
    middle = tuple(slice(size // 2, (n // size) * size, size) for n, size in zip(place.shape, block, strict=True))
    coarse = place[middle]
    inside = np.flatnonzero(coarse >= 0)
    spread = sparse.csr_array(
        (np.full(inside.size, float(prescription.n_fractions)), (inside, coarse.ravel()[inside])),
        shape=(coarse.size, rows.shape[0]),
    )
    steps = np.array(resolution_xyz_mm) * block[::-1]
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = np.array(origin_xyz_mm) + (steps - np.array(resolution_xyz_mm)) / 2
    nz, ny, nx = (int(n) for n in coarse.shape)
    filled = {name: _block_mean(np.asarray(mask, dtype=np.float64), block) for name, mask in structure_masks.items()}
    return from_arrays(
        spread @ rows, (nz, ny, nx), affine, {name: shares for name, shares in filled.items() if shares.any()},
        targets=targets, prescription=prescription, bixels=bixels, origin="PortPy arrays",
        notes=("optimisation voxels put on a regular grid by their middles",),
    )  # fmt: skip


def _block_mean(mask: FloatArray, block: tuple[int, int, int]) -> FloatArray:
    kept = tuple(slice(0, (n // size) * size) for n, size in zip(mask.shape, block, strict=True))
    parts = mask[kept]
    split = [length for n, size in zip(parts.shape, block, strict=True) for length in (n // size, size)]
    return np.asarray(parts.reshape(split).mean(axis=(1, 3, 5)), dtype=np.float64)
