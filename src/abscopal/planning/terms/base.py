"""What every term is: a function of linear functionals of the bixel weights, with its gradient.

A term is written down by structure name and doses; `on(matrix)` ties it to one influence matrix. Structures are
taken whole: a voxel that two structures share counts in both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from abscopal.domain.errors import InputError
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import InfluenceMatrix, IntArray, Region

Curvature = Literal["linear", "convex", "concave", "local"]
"""`concave` terms are minimised through their tangent, again and again; `local` ones as they are. Both end in a
local optimum only."""
Function = Callable[[FloatArray], tuple[float, FloatArray]]
Rows = NDArray[np.float64] | sparse.csr_array


@dataclass(frozen=True, eq=False)
class Tied:
    """A term on one matrix: `function` of the dose of `voxels`, or of `rows @ w`.

    Attributes
    ----------
    function : callable
        Doses or functionals, shape (m,), to the value and its gradient, shape (m,).
    voxels : array, shape (m,), optional
        Rows of the influence matrix.
    rows : array or sparse array, shape (m, n_bixels), optional
        Functionals of its own.
    silent_below : float, optional
        Doses under it add nothing: a solver may leave such voxels out as long as it checks. [Gy]
    of_part : callable, optional
        The function of a part of the voxels, chosen by a mask of shape (m,), when all others are silent.
    """

    function: Function
    voxels: IntArray | None = None
    rows: Rows | None = None
    silent_below: float | None = None
    of_part: Callable[[NDArray[np.bool_]], Function] | None = None

    def functionals(self, matrix: InfluenceMatrix) -> Rows:
        """What the function takes of the weights, as rows."""
        if self.rows is not None:
            return self.rows
        return sparse.csr_array(matrix.matrix[[] if self.voxels is None else self.voxels, :])

    def at(self, matrix: InfluenceMatrix, weights: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient by the weights, shape (n_bixels,)."""
        used = self.functionals(matrix)
        value, slope = self.function(np.asarray(used @ weights, dtype=np.float64))
        return value, np.asarray(used.T @ slope, dtype=np.float64)


class Term(ABC):
    """One thing to make small.

    `curvature` says what a minimum of it is worth: with linear and convex terms alone it is global.
    """

    curvature: ClassVar[Curvature] = "convex"

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is, in words for a table."""

    @abstractmethod
    def on(self, matrix: InfluenceMatrix) -> Tied:
        """The term on one matrix; refuses what the matrix lacks."""

    def value(self, matrix: InfluenceMatrix, weights: FloatArray) -> float:
        """Its value for weights, shape (n_bixels,)."""
        return self.on(matrix).at(matrix, weights)[0]


def linear(row: FloatArray) -> Tied:
    """The functional ``row @ w`` itself."""
    return Tied(lambda values: (float(values[0]), np.ones(1)), rows=row[None, :])


def required(matrix: InfluenceMatrix, name: str, term: str) -> Region:
    """A region, or the error that says which term asks for it."""
    if name in matrix.regions:
        return matrix.regions[name]
    raise missing([name], term, matrix)


def missing(names: list[str], term: str, matrix: InfluenceMatrix) -> InputError:
    """The error for structures that a term needs and the case lacks."""
    return InputError(
        doing=f"preparing the term '{term}'",
        found=f"no structure {', '.join(names)}",
        expected="the structures of every term; present are " + ", ".join(sorted(matrix.regions)),
        try_="contouring it, naming it with --name FILE_NAME=TG263_NAME, or leaving the term out",
    )


def positive(value: float, what: str) -> float:
    """`value`, which must be a finite number above zero."""
    if not (np.isfinite(value) and value > 0):
        raise InputError(
            doing="writing down a term of a plan",
            found=f"{what} of {value:g}",
            expected=f"a finite {what} above 0",
            try_="checking its sign and unit",
        )
    return value
