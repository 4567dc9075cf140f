"""Carrying a row vector through exp((A + D) t), A the flow between compartments and D diagonal.

Uniformisation: exp(M t) = exp(-c t) Σ (t (M + c I))^k / k!, with c the largest loss rate. Every
term is of one sign, so nothing cancels and no matrix exponential is formed: a few hundred
products of a vector with a sparse matrix instead. Few compartments over a long time are the
exception: there squaring the matrix is quicker.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.sparse import csr_array

FloatArray = NDArray[np.float64]
SMALLEST_TERM = 1e-16  # of the sum: below the rounding of float64
LONGEST_STEP = 400.0  # of c t at once, so that exp(-c t) stays far from underflow
DENSE_UP_TO = 96  # compartments; above, the sparse product is the quicker one
SQUARE_UP_TO = 64  # compartments for which a matrix exponential beats ...
SQUARE_FROM = 60.0  # ... this many terms


@dataclass(frozen=True, eq=False)
class Carrier:
    """The generator of a network in the form its products with vectors are quickest.

    Attributes
    ----------
    loss : array, shape (n,)
        Rate at which blood leaves each compartment. [1/s]
    """

    gains: FloatArray | csr_array
    loss: FloatArray
    generator: FloatArray

    @classmethod
    def of(cls, generator: FloatArray) -> "Carrier":
        """From a generator, shape (n, n), in 1/s."""
        loss = -np.diag(generator)
        gains = np.ascontiguousarray((generator + np.diag(loss)).T)
        return cls(gains if loss.size <= DENSE_UP_TO else csr_array(gains), loss, generator)

    def carry(
        self, row: FloatArray, duration: float, *, extra_loss: FloatArray | None = None, keep: FloatArray | None = None
    ) -> FloatArray:
        """The row after `duration` seconds, shape (n,).

        Parameters
        ----------
        row : array, shape (n,)
            Zero or more.
        duration : float
            [s]
        extra_loss : array, shape (n,), optional
            Further loss in each compartment, such as kill. [1/s]
        keep : array, shape (n,), optional
            0 for compartments whose content is removed at once, 1 for the others.
        """
        loss = self.loss if extra_loss is None else self.loss + extra_loss
        fastest = float(loss.max())
        rest = fastest - loss
        if self._square(duration):
            matrix = self.generator - np.diag(loss - self.loss)
            if keep is not None:
                matrix = matrix * np.outer(keep, keep)
            carried: FloatArray = row @ expm(matrix * duration)
            return carried

        def once(term: FloatArray) -> FloatArray:
            moved: FloatArray = self.gains @ term + rest * term
            return moved if keep is None else moved * keep

        return _uniformised(row, once, fastest, duration)

    def carry_moments(self, state: FloatArray, duration: float, rates: FloatArray) -> FloatArray:
        """Carry (m0, m1, m2), shape (2, n) and one number, through a field with dose rates [Gy/s].

        `state` has shape (2 n + 1,): blood, blood times dose, and the second moment of dose.
        """
        n = self.loss.size
        if self._square(duration):
            matrix = np.zeros((2 * n + 1, 2 * n + 1))
            matrix[:n, :n] = matrix[n:-1, n:-1] = self.generator
            matrix[:n, n:-1] = np.diag(rates)
            matrix[n:-1, -1] = 2.0 * rates
            carried: FloatArray = state @ expm(matrix * duration)
            return carried
        fastest = float(self.loss.max())
        rest = fastest - self.loss

        def once(term: FloatArray) -> FloatArray:
            zeroth, first, second = term[:n], term[n:-1], term[-1]
            moved = np.empty_like(term)
            moved[:n] = self.gains @ zeroth + rest * zeroth
            moved[n:-1] = self.gains @ first + rest * first + rates * zeroth
            moved[-1] = fastest * second + 2.0 * (rates @ first)
            return moved

        return _uniformised(state, once, fastest, duration)

    def _square(self, duration: float) -> bool:
        return self.loss.size <= SQUARE_UP_TO and float(self.loss.max()) * duration > SQUARE_FROM


def _uniformised(row: FloatArray, once: Callable[[FloatArray], FloatArray], loss: float, duration: float) -> FloatArray:
    pieces = max(1, int(np.ceil(loss * duration / LONGEST_STEP)))
    step = duration / pieces
    for _ in range(pieces):
        term, total, k = row, row.copy(), 0
        while True:
            k += 1
            term = once(term) * (step / k)
            total += term
            # Terms grow up to about k = c t and then fall faster than geometrically.
            if k > loss * step and np.all(term <= SMALLEST_TERM * total):
                break
        row = np.exp(-loss * step) * total
    return row
