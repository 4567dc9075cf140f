"""Populations on a Dask cluster: equal to the bit, and killed workers and drivers lose and repeat nothing.

Sockets are allowed to this machine only.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import ConvergenceError, InputError, ModelError
from abscopal.domain.progress import report_to
from abscopal.domain.regimen import Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation import cluster as cluster_module
from abscopal.simulation.chunk_store import ChunkStore, open_population
from abscopal.simulation.population import VirtualPopulation
from abscopal.simulation.population_run import WHAT, simulate_population
from abscopal.simulation.summaries import Summary
from tests.simulation.test_population_run import assert_same_bits

distributed = pytest.importorskip("distributed", reason="clusters come with the extra 'cluster'")
pytest.importorskip("zarr", reason="stores come with the extra 'cluster'")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DAYS = [20.0, 40.0]
ARMS = {"control": Regimen(), "3 x 8 Gy": Regimen.equal_fractions(8, 3, start=7)}
SUMMARIES = (Summary("V_0", "minimum"), Summary("V_0", "above", 200.0))


def people(n):
    return VirtualPopulation.from_model(diw_model(), n, seed=1)


def run(patients, **options):
    return simulate_population(diw_model(), ARMS, patients, DAYS, outputs=["V_0"], summaries=SUMMARIES, **options)


@contextmanager
def local(workers):
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
        ) as here,
        distributed.Client(here, set_as_default=False) as client,
    ):
        yield client


def test_a_cluster_gives_the_same_bits_tells_progress_and_resumes(tmp_path):
    patients = people(300)
    alone, told = run(patients), []
    with local(2) as client:
        with report_to(lambda what, done, total: told.append((what, done, total))):
            assert_same_bits(alone, run(patients, cluster=client, out=tmp_path / "a.zarr", chunk=41))
        assert told == [(WHAT, done, 8) for done in range(9)]
        assert_same_bits(alone, run(patients, cluster=client.scheduler.address, out=tmp_path / "b.zarr", chunk=150))
        store = ChunkStore(tmp_path / "a.zarr")
        store._group["chunk_sha256"][3] = np.zeros(32, dtype=np.uint8)
        assert_same_bits(alone, run(patients, cluster=client, out=tmp_path / "a.zarr"))
    assert store.tries().tolist() == [1, 1, 1, 2, 1, 1, 1, 1]


class _Client:
    """A cluster whose futures have already ended, one way or another."""

    loop = None

    def __init__(self, work):
        self.work, self.cancelled = work, 0

    def nthreads(self):
        return {"one": 1}

    def wait_for_workers(self, _n, timeout):
        if self.work is None:
            raise TimeoutError(timeout)

    def submit(self, _function, *arguments, **_):
        return self.work(*arguments)

    def cancel(self, futures):
        self.cancelled += len(futures)


class _Future:
    def __init__(self, status, found=None):
        self.status, self._found = status, found

    def exception(self):
        return self._found

    result = exception


class _Completed(list):
    def __init__(self, *_args, **_options):
        super().__init__()

    add = list.append

    def __next__(self):
        return self.pop(0)


@pytest.mark.parametrize(
    ("future", "error", "word"),
    [
        (("error", MemoryError("worker ran out")), ConvergenceError, "patients 0 to 9"),
        (("cancelled", None), ConvergenceError, "cancelled"),
        (
            ("finished", ModelError(doing="a", found="b", expected="c", try_="d").parts()),
            ModelError,
            "while a: found b; expected c. Try: d",
        ),
    ],
)
def test_failures_on_workers_are_told_and_the_rest_is_cancelled(tmp_path, monkeypatch, future, error, word):
    monkeypatch.setattr(distributed, "as_completed", _Completed)
    client = _Client(lambda *_: _Future(*future))
    with pytest.raises(error, match=word):
        run(people(40), cluster=client, out=tmp_path / "a.zarr", chunk=10)
    assert client.cancelled == 1


def test_a_worker_with_another_store_or_processor_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "as_completed", _Completed)
    client = _Client(lambda *arguments: _Future("finished", cluster_module._on_worker(*arguments)))
    with monkeypatch.context() as patch:
        patch.setattr(cluster_module, "device_name", lambda *_: "another")
        with pytest.raises(InputError, match="a processor 'another'"):
            run(people(40), cluster=client, out=tmp_path / "a.zarr", chunk=10)
    run(people(40), cluster=client, out=tmp_path / "b.zarr", chunk=20)
    elsewhere = str(tmp_path / "b.zarr")
    client.work = lambda _path, *rest: _Future("finished", cluster_module._on_worker(elsewhere, *rest))
    with pytest.raises(InputError, match="another store"):
        run(people(40), cluster=client, out=tmp_path / "a.zarr", chunk=10)


def test_a_cluster_without_workers_is_not_waited_for_for_ever(tmp_path):
    with pytest.raises(InputError, match="none after 60 seconds"):
        run(people(10), cluster=_Client(None), out=tmp_path / "a.zarr")


def test_nobody_at_the_address(tmp_path):
    with pytest.raises(InputError, match="address of a running scheduler"):
        run(people(10), cluster="nonsense://127.0.0.1:1", out=tmp_path / "a.zarr")


@pytest.mark.slow
def test_local_workers_give_the_same_bits_whatever_their_number(tmp_path):
    patients = people(900)
    alone = run(patients)
    assert_same_bits(alone, run(patients, workers=1, chunk=111))
    assert_same_bits(alone, run(patients, workers=3, chunk=70, out=tmp_path / "a.zarr"))
    assert (ChunkStore(tmp_path / "a.zarr").tries() == 1).all()


@pytest.mark.slow
def test_killed_workers_lose_and_repeat_nothing(tmp_path):
    patients, killed = people(4000), []
    alone = run(patients)
    with local(2) as client:
        finished = {}

        def sink(_what, done, _total):
            if done not in {5, 20, 40}:
                return
            store = ChunkStore(tmp_path / "a.zarr")
            finished.update({k: store.tries()[k] for k in set(range(len(store.edges))) - set(store.unfinished())})
            victim = next(pid for pid in client.run(os.getpid).values() if pid not in killed)
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

        with report_to(sink):
            result = run(patients, cluster=client, out=tmp_path / "a.zarr", chunk=50)
    assert len(killed) == 3
    assert_same_bits(alone, result)
    tries = ChunkStore(tmp_path / "a.zarr").tries()
    assert len(tries) == 80
    assert all(tries[k] == before for k, before in finished.items())
    assert (tries >= 1).all()
    assert tries.sum() <= 80 + 3  # a worker with one thread has one chunk in its hands when it dies


DRIVER = """
import json, os, sys, time
from pathlib import Path
import distributed
from abscopal.domain.progress import report_to
from tests.simulation.test_cluster import local, people, run

def sink(_what, done, _total):
    if done == 4:
        print("now", flush=True)
        time.sleep(600)

if __name__ == "__main__":
    with local(2) as client:
        print(json.dumps(list(client.run(os.getpid).values())), flush=True)
        with report_to(sink):
            run(people(3000), cluster=client, out=Path(sys.argv[1]), chunk=50)
"""


def alive(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
def test_a_killed_driver_loses_and_repeats_nothing(tmp_path):
    path, script = tmp_path / "a.zarr", tmp_path / "driver.py"
    script.write_text(DRIVER)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script), str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as driver:  # fmt: skip
        workers = json.loads(driver.stdout.readline())
        assert driver.stdout.readline() == "now\n"
        driver.kill()
    until = time.monotonic() + 60
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.2)
    assert not any(alive(pid) for pid in workers)
    store = ChunkStore(path)
    left = store.unfinished()
    finished = sorted(set(range(60)) - set(left))
    assert len(finished) >= 4
    assert left
    with pytest.raises(InputError, match="not computed yet"):
        open_population(path)
    before = store.tries()
    result = run(people(3000), out=path)
    assert (store.tries()[finished] == before[finished]).all()
    assert (store.tries()[finished] == 1).all()
    assert (store.tries()[left] == before[left] + 1).all()
    assert_same_bits(run(people(3000)), result)
