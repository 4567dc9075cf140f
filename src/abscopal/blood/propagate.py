"""Carrying a row vector through exp((A + D) t), A the flow between compartments and D diagonal.

Uniformisation: exp(M t) = exp(-c t) Σ (t (M + c I))^k / k!, with c the largest loss rate. Every
term is of one sign, so nothing cancels and no matrix exponential is formed: a few hundred
products of a vector with a matrix instead. A very long time is the exception: there squaring
the matrix is quicker.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.sparse import csr_array

FloatArray = NDArray[np.float64]
SMALLEST_TERM = 1e-15  # of the sum: the rounding of float64
LONGEST_STEP = 400.0  # of c t at once, so that exp(-c t) stays far from underflow
DENSE_UP_TO = 96  # compartments; above, the sparse product is the quicker one
SQUARE_FROM = 3000.0  # terms from which squaring the matrix is quicker


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

    def carry_moments(self, state: FloatArray, duration: float, rates: FloatArray, keep: FloatArray) -> FloatArray:
        """Carry blood, its dose moments and the untouched blood through a field, in one sweep.

        Parameters
        ----------
        state : array, shape (n + 1, 3)
            Columns: blood, blood times dose [Gy], untouched blood. Entry (n, 1) is the second
            moment of dose [Gy²]; the others of the last row are zero.
        duration : float
            [s]
        rates : array, shape (n,)
            [Gy/s]
        keep : array, shape (n,)
            0 where blood counts as touched at once, 1 elsewhere.
        """
        if self._square(duration):
            return self._squared_moments(state, duration, rates, keep)
        n = self.loss.size
        fastest = float(self.loss.max())
        rest = (fastest - self.loss)[:, None]

        def once(term: FloatArray) -> FloatArray:
            inner = term[:n]
            moved = np.empty_like(term)
            moved[:n] = self.gains @ inner + rest * inner
            moved[:n, 1] += rates * inner[:, 0]
            moved[:n, 2] *= keep
            moved[n] = fastest * term[n]
            moved[n, 1] += 2.0 * (rates @ inner[:, 1])
            return moved

        return _uniformised(state, once, fastest, duration)

    def _squared_moments(self, state: FloatArray, duration: float, rates: FloatArray, keep: FloatArray) -> FloatArray:
        n = self.loss.size
        matrix = np.zeros((2 * n + 1, 2 * n + 1))
        matrix[:n, :n] = matrix[n:-1, n:-1] = self.generator
        matrix[:n, n:-1] = np.diag(rates)
        matrix[n:-1, -1] = 2.0 * rates
        moments = np.concatenate([state[:n, 0], state[:n, 1], state[n, 1:2]]) @ expm(matrix * duration)
        carried = np.zeros_like(state)
        carried[:n, 0], carried[:n, 1], carried[n, 1] = moments[:n], moments[n:-1], moments[-1]
        carried[:n, 2] = self.carry(state[:n, 2], duration, keep=keep)
        return carried

    def _square(self, duration: float) -> bool:
        return float(self.loss.max()) * duration > SQUARE_FROM


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
            if k > loss * step and k % 4 == 0 and np.all(term <= SMALLEST_TERM * total):
                break
        row = np.exp(-loss * step) * total
    return row
