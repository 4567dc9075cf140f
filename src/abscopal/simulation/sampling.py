"""Points in the unit cube, batch by batch: random, Sobol or Latin hypercube, and a Gaussian copula over them."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
Method = Literal["random", "sobol", "latin-hypercube"]
METHODS: tuple[Method, ...] = ("random", "sobol", "latin-hypercube")
_EDGE = 2.0**-53
_LEAST_BATCH, _LARGEST_BATCH = 256, 65_536


def batches(method: Method, names: Sequence[str], n: int, seed: int) -> Iterator[FloatArray]:
    """Endless batches of points, each of shape (m, d), all inside (0, 1).

    `random` has a stream of its own for each name: point k of a name is the same whatever the number of points
    and whatever other names there are. `sobol` has the same point k for any number of points, given the same names
    in the same order. `latin-hypercube` is a design of exactly `n` points: another `n` is another design, and each
    further batch is a further design.

    Raises
    ------
    InputError
        An unknown method.
    """
    if method not in METHODS:
        raise InputError(
            doing="choosing how to draw patients",
            found=repr(method),
            expected=", ".join(METHODS),
            try_="'random' if unsure",
        )
    make = {"random": _random, "sobol": _sobol, "latin-hypercube": _latin_hypercube}[method]
    for points in make(names, n, seed):
        yield np.clip(points, _EDGE, 1 - _EDGE)


def _random(names: Sequence[str], n: int, seed: int) -> Iterator[FloatArray]:
    streams = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=_key(name))) for name in names]
    size = min(max(n, _LEAST_BATCH), _LARGEST_BATCH)
    while True:
        yield np.column_stack([stream.random(size) for stream in streams]) if streams else np.empty((size, 0))


def _key(name: str) -> tuple[int, ...]:
    return tuple(np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u4").tolist())


def _sobol(names: Sequence[str], n: int, seed: int) -> Iterator[FloatArray]:
    size = min(max(n, _LEAST_BATCH), _LARGEST_BATCH)
    whole = 1 << (size - 1).bit_length()  # the sequence is balanced over powers of two
    engine = qmc.Sobol(max(len(names), 1), scramble=True, seed=np.random.default_rng(seed))
    while True:
        yield engine.random(whole)[:, : len(names)]


def _latin_hypercube(names: Sequence[str], n: int, seed: int) -> Iterator[FloatArray]:
    number = 0
    while True:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        yield qmc.LatinHypercube(max(len(names), 1), seed=rng).random(n)[:, : len(names)]
        number += 1


def lower_factor(matrix: FloatArray, names: Sequence[str]) -> FloatArray:
    """Cholesky factor of a correlation matrix, shape (d, d).

    Raises
    ------
    InputError
        The matrix is not positive definite: no patients could be so correlated.
    """
    try:
        return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError as exc:
        least = float(np.linalg.eigvalsh(matrix).min())
        raise InputError(
            doing=f"correlating {', '.join(names)}",
            found=f"a matrix that is not positive definite (smallest eigenvalue {least:.3g})",
            expected="correlations that can hold together",
            try_="bringing them nearer to zero, above all those of the parameter in most pairs",
        ) from exc


def correlated(points: FloatArray, factor: FloatArray) -> FloatArray:
    """Uniform points, shape (n, d), with the dependence of a Gaussian copula.

    Sums run column by column and not through a matrix product, whose rounding depends on the number of rows.
    """
    normal = [np.asarray(ndtri(np.ascontiguousarray(column))) for column in points.T]
    mixed = []
    for j in range(len(normal)):
        total = factor[j, 0] * normal[0]
        for k in range(1, j + 1):
            total += factor[j, k] * normal[k]
        mixed.append(np.clip(ndtr(total), _EDGE, 1 - _EDGE))
    return np.column_stack(mixed)
