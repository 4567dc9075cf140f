"""Chunks of a result store, in this process or on a Dask cluster: workers compute and write, the driver counts."""

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
from abscopal.domain.progress import track
from abscopal.simulation.chunk_store import ChunkStore, chunk_numbers
from abscopal.simulation.chunks import Patients, Run, device_name, solve_chunk

if TYPE_CHECKING:
    from distributed import Client

_PATIENCE = 60
"""How long to wait for the first worker. [s]"""
_AHEAD = 2
"""Chunks handed out per worker thread: one to compute, one waiting."""
Compute = Callable[[Path, bytes, Any, int, int], None]
"""Computes one chunk and writes it: store, what all chunks share, what this one has of its own, number, threads."""
Part = Callable[[int, int], Any]
"""What the rows from one to another (without it) have of their own."""


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
    run, store_id, mixed_devices = unpacked(blob)
    store = store_of(path, store_id, number, None if mixed_devices else device_name(run.device))
    if store.mark(number):
        return
    store.begin(number)
    store.write(number, solve_chunk(run, patients, threads))


def store_of(path: Path, store_id: str, number: int, device: str | None) -> ChunkStore:
    """The driver's store as a worker sees it.

    Parameters
    ----------
    number : int
        Of the chunk to compute.
    device : str, optional
        Kind of processor here, which has to be the store's; None where any will do.

    Raises
    ------
    InputError
        No such store from here; a processor of another kind than the store's.
    """
    store = ChunkStore(path)
    if store.about["id"] != store_id:
        raise InputError(
            doing=f"computing chunk {number} on a worker",
            found=f"another store at {path.name} than the driver's",
            expected="one file system for the driver and all workers",
            try_="a folder on the shared file system",
        )
    if device is not None and store.identity["device"] != device:
        raise InputError(
            doing=f"computing chunk {number} on a worker",
            found=f"a processor '{device}'",
            expected=f"'{store.identity['device']}' as the store's, for the same bits everywhere",
            try_="workers of one kind, or mixed_devices=True if the last digits may differ",
        )
    return store


def packed(run: Run, store: ChunkStore, *, mixed_devices: bool) -> bytes:
    """What all chunks share, for sending."""
    return pickle.dumps((run, store.about["id"], mixed_devices))


@lru_cache(maxsize=4)
def unpacked(blob: bytes) -> Any:
    """What all chunks share, once for each worker."""
    return pickle.loads(blob)  # noqa: S301  (from our driver, over Dask's own pickles)


def _on_worker(path: str, blob: bytes, own: Any, number: int, compute: Compute) -> dict[str, str]:
    """Compute a chunk; an error of ours comes back as its parts, since it cannot be pickled."""
    try:
        compute(Path(path), blob, own, number, 1)
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


def fill_store(
    store: ChunkStore,
    blob: bytes,
    part: Part,
    *,
    what: str,
    compute: Compute = compute_chunk,
    threads: int = 1,
    workers: int | None = None,
    cluster: "Client | str | None" = None,
) -> None:
    """Compute what a store lacks, here or on workers, with progress over all chunks.

    Parameters
    ----------
    blob : bytes
        What all chunks share.
    part : callable
    what : str
        How progress names the work.
    compute : callable
        Known to workers by its module and name.
    threads : int
        In this process.
    workers, cluster
        As in `connected`; neither for this process.

    Raises
    ------
    ConvergenceError
        A chunk on which several workers died in turn, or that did not arrive in the store.
    """
    state = dict(chunk_numbers(store))
    done = [number for number, finished in state.items() if finished]
    missing = [number for number, finished in state.items() if not finished]

    def computed() -> Iterator[int]:
        yield from done
        if cluster is None and not workers:
            for number in missing:
                compute(store.path, blob, part(*store.edges[number]), number, threads)
                yield number
        elif missing:
            with connected(cluster, workers) as client:
                yield from compute_on(client, store, blob, missing, part, compute)

    for _ in track(computed(), what, len(state)):
        pass
    if lost := store.unfinished():
        raise ConvergenceError(
            doing="collecting results from a store",
            found=f"{len(lost)} of {len(state)} chunks not in the store though computed",
            expected="a file system that shows the driver what workers wrote",
            try_="the same call again, which goes on where this one stopped",
        )


def compute_on(
    client: Any, store: ChunkStore, blob: bytes, numbers: Iterable[int], part: Part, compute: Compute = compute_chunk
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
            own = part(*store.edges[number])
            future = client.submit(_on_worker, str(store.path), blob, own, number, compute, pure=False)
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
            doing=f"computing {store.rows}s {first} to {last - 1} on a cluster",
            found=str(future.exception() if future.status == "error" else future.status)[:300],
            expected="a worker that lives until its chunk is done",
            try_="more memory per worker, or smaller chunks; the same call goes on where this one stopped",
        )
    parts = future.result()
    if parts:
        kind = getattr(errors, parts["error"], AbscopalError)
        raise kind(doing=parts["doing"], found=parts["found"], expected=parts["expected"], try_=parts["try"])
    return True
