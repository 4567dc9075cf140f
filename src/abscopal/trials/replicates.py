"""Replicates of a trial, block by block: here, on local workers or on a cluster, killed and resumed.

A block of replicates has random numbers of its own and is always computed whole, so that no choice of chunks,
workers or number of replicates changes a bit of any replicate.
"""

import hashlib
import json
import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.version import __version__
from abscopal.simulation.chunk_store import ChunkStore
from abscopal.simulation.chunks import device_name
from abscopal.simulation.cluster import fill_store, store_of, unpacked
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import RATES
from abscopal.trials.enrol import dealt, enrol, in_place
from abscopal.trials.patient_pool import PatientPool, read_pool
from abscopal.trials.replicate_analysis import Columns, analyse_rates, analyse_times
from abscopal.trials.response_layer import drawn_rates

if TYPE_CHECKING:
    from distributed import Client

BLOCK = 50
"""Replicates with random numbers of their own, computed together."""
CHUNK = 4 * BLOCK
"""Replicates stored together unless the caller chooses."""
WHAT = "replicates"
"""How progress names this work."""
_CURVES = {"survival", "at_risk"}
_CODE = ("enrol", "interim", "population_layer", "replicate_analysis", "replicates", "response_layer", "survival")


@dataclass(frozen=True)
class Task:
    """What all blocks share."""

    design: TrialDesign
    seed: int
    null: bool

    def block(self, pool: PatientPool, number: int) -> Columns:
        """One whole block of replicates."""
        design, rng = self.design, np.random.default_rng([self.seed, number])
        if design.analysis.endpoint not in RATES:
            return analyse_times(design, enrol(design, pool, BLOCK, rng, self.null))
        if not pool.rates:
            return self._uncalibrated(pool, rng)
        rates = drawn_rates(pool.rates, pool.sets["response"], BLOCK, rng)
        arm = dealt(design, design.population.n, BLOCK, rng)
        own = np.zeros_like(arm) if self.null else arm
        return analyse_rates(design, rng.random(arm.shape) < rates[own, np.arange(BLOCK)[:, None]], arm)

    def _uncalibrated(self, pool: PatientPool, rng: np.random.Generator) -> Columns:
        people = enrol(self.design, pool, BLOCK, rng, self.null)
        own = np.zeros_like(people.arm) if self.null else people.arm
        rows = np.arange(BLOCK)[:, None]
        chance = in_place(pool.chance, people.factor)[rows, own, people.draw[:, None], people.patient]
        return analyse_rates(self.design, people.chance < chance, people.arm)

    def rows(self, pool: PatientPool, first: int, last: int) -> Columns:
        """Replicates from `first`, at the start of a block, to `last` (without it)."""
        blocks = [self.block(pool, number) for number in range(first // BLOCK, -(-last // BLOCK))]
        return {name: np.concatenate([block[name] for block in blocks])[: last - first] for name in blocks[0]}


def check_chunk(chunk: int | None) -> None:
    """Refuse a chunk that does not hold whole blocks of replicates.

    Raises
    ------
    InputError
    """
    if chunk is not None and (chunk < BLOCK or chunk % BLOCK):
        raise InputError(
            doing="cutting replicates into chunks", found=f"chunks of {chunk}", expected=f"a multiple of {BLOCK}",
            try_=str(max(BLOCK, round(chunk / BLOCK) * BLOCK)),
        )  # fmt: skip


def compute_replicates(
    task: Task,
    pool: PatientPool,
    replicates: int,
    *,
    out: Path | None = None,
    identity: dict[str, Any] | None = None,
    chunk: int | None = None,
    cluster: "Client | None" = None,
) -> Columns:
    """All replicates, arrays of shape (replicates, comparisons) and curves (replicates, arms, months).

    Parameters
    ----------
    task : Task
    pool : PatientPool
    replicates : int
    out : Path, optional
        Folder; chunks that are finished there are not computed again.
    identity : dict, optional
        What else the result depends on.
    chunk : int, optional
        Replicates stored together, as checked by `check_chunk`.
    cluster : distributed.Client, optional
        Needs `out`, on a file system that driver and workers share.

    Raises
    ------
    InputError
        A folder with replicates of another trial.
    """
    if out is None:
        edges = [(first, min(first + BLOCK, replicates)) for first in range(0, replicates, BLOCK)]
        parts = [task.rows(pool, *edge) for edge in track(edges, WHAT)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    out.mkdir(parents=True, exist_ok=True)
    file = out / "pool.npz"
    pool.write(file)
    digest = _digest(pool)
    store = _store(out / f"replicates-{replicates}.zarr", task, pool, replicates, chunk,
                   (identity or {}) | {"pool": digest})  # fmt: skip
    blob = pickle.dumps((task, str(file.resolve()), digest, store.about["id"]))
    fill_store(store, blob, lambda first, last: (first, last), what=WHAT, compute=compute_chunk_of_replicates,
               cluster=cluster)  # fmt: skip
    held = store.dataset()
    return {name: held[name].values for name in store.names}


def compute_chunk_of_replicates(path: Path, blob: bytes, own: tuple[int, int], number: int, threads: int) -> None:
    """Compute one chunk of replicates and write it, unless somebody has already.

    Parameters
    ----------
    path : Path
        Of the store.
    blob : bytes
        Task, pool file, its digest and the store's identity.
    own : tuple of int
        First replicate and one past the last.
    """
    del threads
    task, file, digest, store_id = unpacked(blob)
    store = store_of(path, store_id, number, device_name())
    if store.mark(number):
        return
    store.begin(number)
    store.write(number, _dataset(task.rows(read_pool(file, digest), *own)))


def _dataset(columns: Columns) -> xr.Dataset:
    data = {
        name: (("replicate", "arm", "month") if name in _CURVES else ("replicate", "comparison"), array)
        for name, array in columns.items()
    }
    return xr.Dataset(data, attrs={"device": "cpu"})


def _store(
    path: Path, task: Task, pool: PatientPool, replicates: int, chunk: int | None, identity: dict[str, Any]
) -> ChunkStore:
    """The store to go on with, or a new one."""
    own = {
        "design": hashlib.sha256(task.design.model_dump_json().encode()).hexdigest(), "seed": task.seed,
        "null": task.null, "code": f"abscopal {__version__}, {_code_digest()}", "device": device_name(), **identity,
    }  # fmt: skip
    if path.exists():
        store = ChunkStore(path)
    else:
        arms = [arm.name for arm in task.design.compared]
        fixed = xr.Dataset(coords={"arm": arms, "comparison": arms[1:]})
        template = _dataset(task.rows(pool, 0, 1))
        store = ChunkStore.create(path, template, replicates, chunk or CHUNK, own, fixed)
    store.require(own, chunk, mixed_devices=False)
    return store


@cache
def _code_digest() -> str:
    """sha256 of the code that makes replicates: another version of it may give other ones."""
    total = hashlib.sha256()
    for name in _CODE:
        total.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return total.hexdigest()


def _digest(pool: PatientPool) -> str:
    """sha256 of everything in a pool."""
    total = hashlib.sha256(json.dumps(pool.draws).encode())
    for held in (pool.relative, pool.months, pool.chance, pool.rates):
        for place, array in sorted(held.items()):
            total.update(f"{place}|{array.shape}|".encode())
            total.update(np.ascontiguousarray(array).tobytes())
    for name, table in sorted(pool.sets.items()):
        total.update(f"{name}|{table.to_csv(index=False)}".encode())
    return total.hexdigest()
