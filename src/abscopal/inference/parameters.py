"""Parameters of every tumour line from standard normal numbers: the scale on which the sampler works."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from abscopal.immune.draws import Draws, Priors, priors
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
REFERENCE_LINE = "TSA"
LINE_SPECIFIC = ("g", "alpha", "beta", "s0", "KQ", "dX", "kmit")
"""Parameters that differ between tumour lines; the others are shared."""
FITTED_LINES = {
    "MOC1": ("alpha", "s0"),
    "TUBO": ("alpha", "s0"),
    "fibrosarcoma": ("alpha", "beta", "H0", "s0"),
}
"""Lines beside TSA on which a calibration row depends, and what of them is fitted."""
FITTED_OFFSETS = tuple(f"{name}@{line}" for line, names in FITTED_LINES.items() for name in names)
_WIDTHS = {"s0": "immunogenicity_scatter", "alpha": "radiosensitivity_scatter", "beta": "radiosensitivity_scatter"}
_SEED = 20261123


@cache
def fitted_priors() -> Priors:
    """Priors of the shared and TSA parameters that the calibration moves."""
    return priors().only(priors().fitted)


def sampled_names() -> tuple[str, ...]:
    """Names of the numbers that the sampler moves: parameters, then line offsets `<parameter>@<line>`."""
    return (*fitted_priors().names, *FITTED_OFFSETS)


@dataclass(frozen=True, eq=False)
class Parameters:
    """Draws of the parameters of TSA and of the offsets of other lines.

    Attributes
    ----------
    z : array, shape (n, k)
        Standard normal under the prior, in the order of `sampled_names`.
    rest : array, shape (n, m), optional
        Values of the parameters that are not fitted; by default their median.
    scatter : bool
        Whether lines without fitted offsets differ from TSA at random; else they equal it.
    first : int
        Number of the first draw, which seeds the scatter.
    """

    z: FloatArray
    rest: FloatArray | None = None
    scatter: bool = False
    first: int = 0

    def __len__(self) -> int:
        return len(self.z)

    def rows(self, block: slice) -> "Parameters":
        """Some of the draws."""
        start = block.indices(len(self))[0]
        rest = None if self.rest is None else self.rest[block]
        return Parameters(self.z[block], rest, self.scatter, self.first + start)

    def of_line(self, line: str) -> dict[str, FloatArray]:
        """Values by parameter for one tumour line, each of shape (n,)."""
        values = self.reference()
        if line == REFERENCE_LINE:
            return values
        offsets = self._offsets(line)
        for name, offset in offsets.items():
            values[name] = values[name] * np.exp(offset)
        for name, value, sd, relative in _presets(line):
            spread = sd * self._normal(line, name) if self.scatter else 0.0
            centre = values[name] if relative else np.ones(len(self))
            values[name] = np.asarray(value * centre * np.exp(spread))
        return values

    def reference(self) -> dict[str, FloatArray]:
        """Values by parameter for TSA, each of shape (n,)."""
        made = fitted_priors()
        values = made.values(self.z[:, : len(made.names)])
        table = {name: values[:, k] for k, name in enumerate(made.names)}
        others = priors().only(~priors().fitted)
        rest = others.values(np.zeros((len(self), len(others.names)))) if self.rest is None else self.rest
        return table | {name: rest[:, k] for k, name in enumerate(others.names)}

    def draws(self) -> Draws:
        """The values for TSA as draws of the model's parameters."""
        table = self.reference()
        return Draws(tuple(table), np.column_stack(list(table.values())))

    def _offsets(self, line: str) -> dict[str, FloatArray]:
        if line in FITTED_LINES:
            first = len(fitted_priors().names)
            places = {name: first + k for k, name in enumerate(FITTED_OFFSETS)}
            return {name: _width(name) * self.z[:, places[f"{name}@{line}"]] for name in FITTED_LINES[line]}
        if not self.scatter:
            return {}
        preset = {name for name, *_ in _presets(line)}
        return {name: _width(name) * self._normal(line, name) for name in LINE_SPECIFIC if name not in preset}

    def _normal(self, line: str, name: str) -> FloatArray:
        """Standard normal numbers of a line and parameter, the same for draw k in whatever company."""
        seed = [_SEED, zlib.crc32(f"{line} {name}".encode())]
        return np.random.default_rng(seed).standard_normal(self.first + len(self))[self.first :]


def _width(name: str) -> float:
    """Standard deviation between lines of the logarithm of a parameter."""
    return load("immune/priors")[_WIDTHS.get(name, "line_scatter")]


@cache
def _presets(line: str) -> Sequence[tuple[str, float, float, bool]]:
    """Parameter, value, scatter of its logarithm and whether relative to TSA, of a named line."""
    table = load("immune/experiments").table("lines")
    rows = table[table["line"] == line].to_dict("records")
    return tuple(
        (str(r["parameter"]), float(r["value"]), float(r["sd_log"]), str(r["relative"]) == "yes") for r in rows
    )


def prior_parameters(n: int, seed: int, *, scatter: bool = True) -> Parameters:
    """Draws from the prior of everything."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, len(sampled_names())))
    return Parameters(z, unfitted(n, seed + 1), scatter)


def unfitted(n: int, seed: int) -> FloatArray:
    """Prior draws of the parameters that are not fitted, shape (n, m)."""
    others = priors().only(~priors().fitted)
    return others.values(np.random.default_rng(seed).standard_normal((n, len(others.names))))
