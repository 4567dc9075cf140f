"""Chunks of a population on a Dask cluster: workers compute and write, the driver hands out and counts."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abscopal.domain import errors
from abscopal.domain.errors import AbscopalError, ConvergenceError, InputError, UnsupportedError
from abscopal.simulation.chunk_store import ChunkStore
from abscopal.simulation.chunks import Patients, Run, device_name, solve_chunk

if TYPE_CHECKING:
    from distributed import Client

_PATIENCE = 60
"""How long to wait for the first worker. [s]"""
_AHEAD = 2
"""Chunks handed out per worker thread: one to compute, one waiting."""


def compute_chunk(path: Path, blob: bytes, patients: Patients, number: int, threads: int) -> None:
    """Compute one chunk and write it, unless somebody has already.

    Parameters
    ----------
    path : Path
        Of the store.
    blob : bytes
        From `packed`.
    patients : Patients
        Those of this chunk.

    Raises
    ------
    InputError
        No such store from here; a processor of another kind than the store's.
    """
    run, store_id, mixed_devices = _unpacked(blob)
    store = ChunkStore(path)
    if store.about["id"] != store_id:
        raise InputError(
            doing=f"computing chunk {number} on a worker",
            found=f"another store at {path.name} than the driver's",
            expected="one file system for the driver and all workers",
            try_="a folder on the shared file system",
        )
    if not mixed_devices and store.identity["device"] != device_name(run.device):
        raise InputError(
            doing=f"computing chunk {number} on a worker",
            found=f"a processor '{device_name(run.device)}'",
            expected=f"'{store.identity['device']}' as the store's, for the same bits everywhere",
            try_="workers of one kind, or mixed_devices=True if the last digits may differ",
        )
    if store.mark(number):
        return
    store.begin(number)
    store.write(number, solve_chunk(run, patients, threads))


def packed(run: Run, store: ChunkStore, *, mixed_devices: bool) -> bytes:
    """What all chunks share, for sending."""
    return pickle.dumps((run, store.about["id"], mixed_devices))


@lru_cache(maxsize=4)
def _unpacked(blob: bytes) -> tuple[Run, str, bool]:
    return pickle.loads(blob)  # type: ignore[no-any-return]  # noqa: S301  (from our driver, over Dask's own pickles)


def _on_worker(path: str, blob: bytes, patients: Patients, number: int) -> dict[str, str]:
    """Compute a chunk; an error of ours comes back as its parts, since it cannot be pickled."""
    try:
        compute_chunk(Path(path), blob, patients, number, threads=1)
    except AbscopalError as exc:
        return exc.parts()
    return {}


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as exc:
        raise UnsupportedError(
            doing="computing a population on several workers",
            found="no distributed on this machine",
            expected="the extra 'cluster'",
            try_="pip install 'abscopal[cluster]', or no workers: threads are used either way",
        ) from exc
    return distributed


@contextmanager
def connected(cluster: "Client | str | None", workers: int | None) -> Iterator["Client"]:
    """A Dask client: the caller's own, one for an address, or one of a local cluster of `workers` processes.

    Raises
    ------
    InputError
        Nobody answers at the address.
    UnsupportedError
        Without the extra `cluster`.
    """
    distributed = _distributed()
    if isinstance(cluster, str):
        try:
            client = distributed.Client(cluster, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as exc:
            raise InputError(
                doing="connecting to a Dask scheduler",
                found=f"no answer at {cluster}" if isinstance(exc, OSError) else str(exc)[:100],
                expected="the address of a running scheduler",
                try_="dask scheduler, which prints it, such as tcp://10.0.0.1:8786",
            ) from exc
        with client:
            yield _with_workers(client)
    elif cluster is not None:
        yield _with_workers(cluster)
    else:
        with (
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            ) as local,
            distributed.Client(local, set_as_default=False) as client,
        ):
            yield client


def _with_workers(client: "Client") -> "Client":
    """The client, once it has a worker."""
    dask: Any = client
    try:
        dask.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as exc:
        raise InputError(
            doing="waiting for the workers of a cluster",
            found=f"none after {_PATIENCE} seconds",
            expected="at least one",
            try_="dask worker, given the scheduler's address",
        ) from exc
    return client


def compute_on(
    client: Any, store: ChunkStore, blob: bytes, numbers: Iterable[int], part: Callable[[int, int], Patients]
) -> Iterator[int]:
    """Compute chunks on a cluster; yields the number of each as it is finished.

    Only a few chunks per worker are under way at a time. One whose worker dies is given to another.

    Raises
    ------
    ConvergenceError
        A chunk on which several workers died in turn.
    AbscopalError
        As raised on a worker.
    """
    distributed = _distributed()
    waiting = iter(numbers)
    under_way: dict[Any, int] = {}
    done = distributed.as_completed([], loop=client.loop, raise_errors=False)

    def hand_out() -> None:
        room = max(_AHEAD * sum(client.nthreads().values()), _AHEAD) - len(under_way)  # workers come and go
        for number in islice(waiting, max(room, 0)):
            patients = part(*store.edges[number])
            future = client.submit(_on_worker, str(store.path), blob, patients, number, pure=False)
            under_way[future] = number
            done.add(future)

    try:
        hand_out()
        while under_way:
            future = next(done)
            number = under_way.pop(future)
            if store.mark(number) or _answered(future, number, store):
                hand_out()
                yield number
            else:
                under_way[future] = number
                done.add(future)
    finally:
        client.cancel(list(under_way))


def _answered(future: Any, number: int, store: ChunkStore) -> bool:
    """Whether a chunk without a mark has an answer; false where the answer died with its worker and Dask tries again.

    The mark in the store is asked before this, for it outlives the worker that wrote it.
    """
    if future.status in {"lost", "pending"}:
        return False
    if future.status != "finished":
        first, last = store.edges[number]
        raise ConvergenceError(
            doing=f"computing patients {first} to {last - 1} on a cluster",
            found=str(future.exception() if future.status == "error" else future.status)[:300],
            expected="a worker that lives until its chunk is done",
            try_="more memory per worker, or smaller chunks; the same call goes on where this one stopped",
        )
    parts = future.result()
    if parts:
        kind = getattr(errors, parts["error"], AbscopalError)
        raise kind(doing=parts["doing"], found=parts["found"], expected=parts["expected"], try_=parts["try"])
    return True
