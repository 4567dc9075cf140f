"""The virtual patients that replicates of a trial draw from, in memory or in one file that workers read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import RATES, SHEET
from abscopal.trials.layer_file import layer_sets
from abscopal.trials.lesions import best_response, progression_month
from abscopal.trials.population_layer import relative_burden
from abscopal.trials.response import Library, respond
from abscopal.trials.response_layer import LAYER_DRAWS, expected_rates, is_fitted, response_sets

if TYPE_CHECKING:
    from distributed import Client

FloatArray = NDArray[np.float64]
_LAYERS = ("PFS", "OS")


@dataclass(frozen=True, eq=False)
class PatientPool:
    """What a replicate needs to know of the virtual patients.

    Attributes
    ----------
    relative : dict of array by place of the kill factor, shape (arms, draws, patients, months)
        Ln burden relative to the control arm's mean. [1]
    months : dict of array, shape (arms, draws, patients)
        First visit with progression on the lesions, where the design asks for RECIST. [month]
    chance : dict of array, shape (arms, draws, patients)
        Of a response, for a rate that is not calibrated. [1]
    rates : dict of array by place of the response scale, shape (arms, draws)
        Share of responders by the model, for a rate that is calibrated. [1]
    sets : dict of DataFrame
        Equally likely sets of the calibrated layers.
    draws : int
        Parameter sets of the immune model.
    """

    relative: dict[int, FloatArray] = field(repr=False)
    months: dict[int, FloatArray] = field(repr=False)
    chance: dict[int, FloatArray] = field(repr=False)
    rates: dict[int, FloatArray] = field(repr=False)
    sets: dict[str, pd.DataFrame] = field(repr=False)
    draws: int

    def write(self, path: Path) -> None:
        """One file, whole or not there: it is written beside its place and then moved."""
        arrays: dict[str, Any] = {f"{kind} {place}": array for kind, held in self._kinds()
                                  for place, array in held.items()}  # fmt: skip
        arrays |= {f"set/{name}/{column}": table[column].to_numpy() for name, table in self.sets.items()
                   for column in table.select_dtypes("number")}  # fmt: skip
        partial = path.with_suffix(".part.npz")
        np.savez(partial, draws=np.array(self.draws), **arrays)
        partial.replace(path)

    def _kinds(self) -> Iterator[tuple[str, dict[int, FloatArray]]]:
        for kind in ("relative", "months", "chance", "rates"):
            yield kind, getattr(self, kind)


@lru_cache(maxsize=2)
def read_pool(path: str, digest: str) -> PatientPool:  # noqa: ARG001  (tells one content of a path from another)
    """The pool in a file."""
    kinds: dict[str, dict[int, FloatArray]] = {kind: {} for kind in ("relative", "months", "chance", "rates")}
    columns: dict[str, dict[str, Any]] = {}
    with np.load(path, allow_pickle=False) as held:
        for name in held.files:
            kind, _, place = name.partition(" ")
            if kind in kinds:
                kinds[kind][int(place)] = held[name]
            elif name != "draws":
                _, layer, column = name.split("/")
                columns.setdefault(layer, {})[column] = held[name]
        draws = int(held["draws"])
    return PatientPool(**kinds, sets={name: pd.DataFrame(table) for name, table in columns.items()}, draws=draws)


def make_pool(
    design: TrialDesign,
    draws: int,
    patients: int,
    seed: int,
    out: Path | None,
    cluster: "Client | None",
) -> tuple[PatientPool, dict[int, Library]]:
    """The pool of a design, and what each arm does to its patients at each kill factor."""
    sets = {name: layer_sets(name) for name in _LAYERS}
    factors = dict(enumerate(load(SHEET).vector("kill_factors")))
    needed = [place for place in factors if (sets["PFS"]["factor"] == place).any()]

    def simulated(factor: float, name: str, own_draws: int = draws) -> Library:
        return respond(
            design, draws=own_draws, patients=patients, seed=seed, kill_factor=factor, cluster=cluster,
            out=None if out is None else out / name,
        )  # fmt: skip

    def response(scale: float, place: int) -> Library:
        return simulated(scale, f"responses-{place}", LAYER_DRAWS)

    libraries = {place: simulated(factors[place], f"patients-{place}") for place in needed}
    fitted = is_fitted(design)
    rate = design.analysis.endpoint in RATES
    rates = expected_rates(design, response) if fitted else {}
    if fitted:
        sets["response"] = response_sets()
    pool = PatientPool(
        {k: relative_burden(library, design) for k, library in libraries.items()},
        {k: progression_month(library, design) for k, library in libraries.items()}
        if design.assessment.progression == "RECIST"
        else {},
        {k: best_response(library, design) for k, library in libraries.items()} if rate and not fitted else {},
        rates,
        sets,
        next(iter(libraries.values())).provenance["draws"],
    )
    return pool, libraries
