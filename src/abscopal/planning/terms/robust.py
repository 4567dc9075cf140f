"""A term over setup errors: the dose stays in space while the patient is shifted through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.special import logsumexp, softmax

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.registry import register
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import InfluenceMatrix, IntArray
from abscopal.planning.terms.base import Curvature, Term, Tied
from abscopal.planning.terms.dose import TERM

Shift = tuple[float, float, float]
SMOOTHING = 1e-5
"""The worst case is over-stated by at most this times the square of the prescription times ln(positions). [1]"""


@register(TERM, "robust", curvature="that of the term inside")
@dataclass(frozen=True)
class Robust(Term):
    """A term on voxels in its worst case, or on average, over shifts of the patient.

    Attributes
    ----------
    term : Term
        On the dose of voxels.
    shifts : sequence of (x, y, z)
        The planned position is always among them. [mm]
    how : {"worst", "mean"}

    Notes
    -----
    The dose is moved rigidly, which for photons neglects what the shift changes in depth, and for protons more than
    that. The worst case is ``T ln Σ exp(f_s / T)``, smooth, never under the true worst case, and convex where
    the term inside is.
    """

    term: Term
    shifts: tuple[Shift, ...]
    how: Literal["worst", "mean"] = "worst"

    @property
    def curvature(self) -> Curvature:  # type: ignore[override]  # that of the term inside, known by instance
        return self.term.curvature

    @property
    def label(self) -> str:
        return f"{self.term.label}, {self.how} of {len(self.shifts) + 1} positions"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        inner = self.term.on(matrix)
        if inner.voxels is None:
            raise UnsupportedError(
                doing=f"making '{self.term.label}' robust",
                found="a term that is not on the dose of voxels",
                expected="a term on the dose of a structure",
                try_="the term as it is: a mean over a large organ hardly changes with a shift",
            )
        rows = sparse.vstack([shifted_rows(matrix, inner.voxels, shift) for shift in ((0.0, 0.0, 0.0), *self.shifts)])
        count, size = len(self.shifts) + 1, inner.voxels.size
        smoothing = SMOOTHING * matrix.prescription.total**2

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            found = [inner.function(part) for part in dose.reshape(count, size)]
            values, slopes = np.array([value for value, _ in found]), np.array([slope for _, slope in found])
            if self.how == "mean":
                return float(values.mean()), (slopes / count).ravel()
            parts = softmax(values / smoothing)
            return float(smoothing * logsumexp(values / smoothing)), (parts[:, None] * slopes).ravel()

        return Tied(function, rows=sparse.csr_array(rows))


def shifted_rows(matrix: InfluenceMatrix, voxels: IntArray, shift: Sequence[float]) -> sparse.csr_array:
    """Rows of the dose that voxels get when the patient is displaced by `shift` [mm], trilinear, shape (m, n_bixels).

    A voxel that leaves the grid gets the dose of its edge.
    """
    nz, ny, nx = matrix.shape
    k, j, i = np.unravel_index(voxels, matrix.shape)
    moved = np.linalg.inv(matrix.affine[:3, :3]) @ np.asarray(shift, dtype=np.float64)
    index = [np.clip(at + step, 0, size - 1) for at, step, size in zip((i, j, k), moved, (nx, ny, nz), strict=True)]
    low = [np.minimum(at.astype(np.int64), max(size - 2, 0)) for at, size in zip(index, (nx, ny, nz), strict=True)]
    part = [at - below for at, below in zip(index, low, strict=True)]
    spread = sparse.csr_array((voxels.size, nx * ny * nz))
    lines: IntArray = np.arange(voxels.size)
    for corner in np.ndindex(2, 2, 2):
        share = np.prod([p if c else 1.0 - p for p, c in zip(part, corner, strict=True)], axis=0)
        x, y, z = (np.minimum(below + c, size - 1) for below, c, size in zip(low, corner, (nx, ny, nz), strict=True))
        spread = spread + sparse.csr_array((share, (lines, (z * ny + y) * nx + x)), shape=spread.shape)
    return sparse.csr_array(spread @ matrix.matrix)
