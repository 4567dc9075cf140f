"""Draws of the model's parameters: from the prior, and from the posterior that ships with the package."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import changed_numbers, load

FloatArray = NDArray[np.float64]
Which = Literal["posterior", "prior"]
PRIORS = "immune/priors"
SHEETS = ("immune/diw", "immune/mechanisms")
"""Where the numbers of the model's parameters stand."""
PRIOR_DRAWS, PRIOR_SEED = 400, 20261123


@dataclass(frozen=True, eq=False)
class Draws:
    """Equally likely sets of parameter values.

    Attributes
    ----------
    names : tuple of str, length p
        Parameters of `diw_model`.
    values : array, shape (n, p)
        In the parameters' own units.
    manifest : dict
        Where they come from: sampler, seed, hashes of model and evidence, convergence.
    """

    names: tuple[str, ...]
    values: FloatArray
    manifest: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def columns(self) -> dict[str, FloatArray]:
        """Values of each parameter, shape (n,), ready for `simulate_many(..., parameters=...)`."""
        return {name: self.values[:, k].copy() for k, name in enumerate(self.names)}

    def medians(self) -> dict[str, float]:
        """Median of each parameter; medians of all need not be likely together."""
        return dict(zip(self.names, np.median(self.values, axis=0).tolist(), strict=True))

    def subset(self, n: int) -> "Draws":
        """`n` of the draws, evenly spaced."""
        if not 1 <= n <= len(self):
            raise InputError(
                doing="choosing some of the draws",
                found=f"{n} of {len(self)}",
                expected="at least one and no more than there are",
                try_=f"n={len(self)}",
            )
        chosen = np.linspace(0, len(self) - 1, n).round().astype(int)
        return Draws(self.names, self.values[chosen], self.manifest)


@dataclass(frozen=True, eq=False)
class Priors:
    """Independent priors, each a monotone function of a standard normal number z.

    Attributes
    ----------
    names : tuple of str, length p
    uniform : array of bool, shape (p,)
        Whether uniform; else log-normal.
    low, high : array, shape (p,)
        Ends of a uniform, 5th and 95th percentile of a log-normal.
    fitted : array of bool, shape (p,)
        Whether the calibration moves the parameter.
    """

    names: tuple[str, ...]
    uniform: NDArray[np.bool_]
    low: FloatArray
    high: FloatArray
    fitted: NDArray[np.bool_]

    def values(self, z: FloatArray) -> FloatArray:
        """Parameter values at standard normal numbers, shape (n, p) for (n, p)."""
        flat = self.low + (self.high - self.low) * ndtr(z)
        low, high = (np.log(np.where(self.uniform, 1.0, end)) for end in (self.low, self.high))
        made: FloatArray = np.where(self.uniform, flat, np.exp((low + high) / 2 + z * (high - low) / (2 * ndtri(0.95))))
        return made

    def only(self, chosen: NDArray[np.bool_]) -> "Priors":
        """Some of the priors."""
        names = tuple(name for name, wanted in zip(self.names, chosen, strict=True) if wanted)
        return Priors(names, self.uniform[chosen], self.low[chosen], self.high[chosen], self.fitted[chosen])


@cache
def priors() -> Priors:
    """The priors of the table `immune/priors:priors`."""
    table = load(PRIORS).table("priors")
    return Priors(
        tuple(table["parameter"]),
        (table["form"] == "uniform").to_numpy(),
        table["low"].to_numpy(np.float64),
        table["high"].to_numpy(np.float64),
        (table["fitted"] == "yes").to_numpy(),
    )


def load_draws(which: Which = "posterior") -> Draws:
    """Parameter draws for the mouse model, tumour line TSA.

    Parameters
    ----------
    which : {"posterior", "prior"}
        `prior`: 400 draws from the table of priors with a fixed seed.

    Raises
    ------
    InputError
        Another name, or no posterior shipped.

    Notes
    -----
    A parameter that a what-if run changed has its changed value in every draw.
    """
    if which == "prior":
        return _changed(_prior_draws())
    if which == "posterior":
        return _changed(_posterior_draws())
    raise unknown_name("loading parameter draws", which, ["posterior", "prior"])


def _changed(draws: Draws) -> Draws:
    changes = changed_numbers()
    keys = {f"{sheet}:{name}": name for sheet in SHEETS for name in draws.names}
    fixed = {name: changes[key] for key, name in keys.items() if key in changes}
    if not fixed:
        return draws
    values = draws.values.copy()
    for name, value in fixed.items():
        values[:, draws.names.index(name)] = value
    return Draws(draws.names, values, {**draws.manifest, "what_if": fixed})


@cache
def _prior_draws() -> Draws:
    made = priors()
    z = np.random.default_rng(PRIOR_SEED).standard_normal((PRIOR_DRAWS, len(made.names)))
    return Draws(made.names, made.values(z), {"kind": "prior", "seed": PRIOR_SEED, "draws": PRIOR_DRAWS})


@cache
def _posterior_draws() -> Draws:
    folder = files("abscopal.knowledge") / "data" / "immune"
    table = folder / "posterior.csv"
    if not table.is_file():
        raise InputError(
            doing="loading the posterior of the dose-immune model",
            found="no file of posterior draws in this copy of the package",
            expected="posterior.csv among the knowledge of the room immune",
            try_="`make posterior`, or load_draws('prior')",
        )
    text = table.read_text(encoding="utf-8").splitlines()
    values = np.array([[float(cell) for cell in line.split(",")] for line in text[1:]])
    manifest = json.loads((folder / "posterior.json").read_text(encoding="utf-8"))
    return Draws(tuple(text[0].split(",")), values, manifest)


def values_for_lesions(lesions: int, irradiated: Sequence[int]) -> dict[str, float]:
    """Posterior medians, with a start volume for each lesion by whether it is irradiated."""
    medians = load_draws("posterior").medians()
    starts = medians.pop("V0_0"), medians.pop("V0_1")
    return medians | {f"V0_{i}": starts[0] if i in irradiated else starts[1] for i in range(lesions)}
