"""Running commands as jobs: queue, progress, cancel, and what a restart does to them."""

import multiprocessing
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from abscopal.domain.errors import InputError
from abscopal.web.settings import Settings
from abscopal.web.shelf import Shelf
from abscopal.web.store import UNFINISHED, Job, Store
from abscopal.web.work import RESULT, Main, run

POLL = 0.1  # s between looks at a running job
PATIENCE = 5.0  # s a job gets to end after it was told to
SHOWN = (
    ".svg",
    ".csv",
    ".json",
    ".html",
    ".toml",
    ".npz",
    ".dcm",
    ".xml",
    ".omex",
)  # kinds of files a job's folder gives out
CACHE = "cache"  # where a command keeps what lets it go on
OUT = "@out"  # stands for the job's folder in a stored command
SPAWN = multiprocessing.get_context("spawn")


class Jobs:
    """The jobs of all sessions.

    Parameters
    ----------
    settings : Settings
    store : Store
    shelf : Shelf
        Where the commands' cases and files lie.
    main : callable
        The program: takes the words of a command line. Importable, for it runs in other processes.
    """

    def __init__(self, settings: Settings, store: Store, shelf: Shelf, main: Main) -> None:
        self._settings, self._store, self._shelf, self._main = settings, store, shelf, main
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="job")
        self._stopping: set[str] = set()
        self._closed = threading.Event()

    def start(self) -> None:
        """Queue again what an earlier run of the server left unfinished, and delete what is old."""
        for job in self._store.jobs():
            if job.state in UNFINISHED:
                self._pool.submit(self._work, self._store.put(_requeued(job)))
            elif (job.finished or job.created) < time.time() - self._settings.job_ttl_s:
                self.forget(job)

    def close(self) -> None:
        """Stop what runs; it is queued again at the next start."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, owner: str, view: str, argv: Sequence[str], case_id: str = "") -> Job:
        """Queue a command. Paths in it are `@case/ID`, `@file/ID` and `@out`."""
        job = Job(secrets.token_urlsafe(12), owner, view, tuple(argv), case_id, time.time())
        self._store.put(job)
        self._pool.submit(self._work, job)
        return job

    def get(self, owner: str, job_id: str) -> Job | None:
        """The job, if it is this session's."""
        job = self._store.get(job_id)
        return job if job is not None and job.owner == owner else None

    def of(self, owner: str) -> list[Job]:
        """The session's jobs, newest first."""
        return self._store.jobs(owner)

    def cancel(self, job: Job) -> None:
        """Stop a job that waits or runs."""
        self._stopping.add(job.id)
        self._store.change(job.id, state="cancelled", finished=time.time())

    def forget(self, job: Job) -> None:
        """Delete a job and its files."""
        self.cancel(job)
        self._store.forget(job.id)
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def folder(self, job: Job) -> Path:
        """Where a job's files lie."""
        return self._store.folder / "jobs" / job.id

    def files(self, job: Job) -> list[str]:
        """Names of the files a job made, relative to its folder."""
        folder = self.folder(job)
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix in SHOWN)
        return sorted(path.as_posix() for path in found if path.name != RESULT and path.parts[0] != CACHE)

    def file(self, job: Job, name: str) -> Path | None:
        """One of those files; None for anything else."""
        return self.folder(job) / name if name in self.files(job) else None

    def result(self, job: Job) -> str | None:
        """What the command printed, as JSON text."""
        path = self.folder(job) / RESULT
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def _work(self, job: Job) -> None:
        if job.id in self._stopping or self._closed.is_set():
            return
        try:
            out = self.folder(job)
            out.mkdir(parents=True, exist_ok=True, mode=0o700)
            words = [self._real(job, word) for word in job.argv]
            self._supervise(job, words, out)
        except InputError as error:
            self._fail(job, error.parts())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._fail(job, _parts(f"the operating system said: {reason}", "room on the disk and a folder to write in"))

    def _supervise(self, job: Job, words: list[str], out: Path) -> None:
        """Run the command in a process of its own until it ends or is stopped."""
        here, there = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=run, args=(self._main, words, out, there), daemon=True)
        process.start()
        there.close()
        self._store.change(job.id, state="running")
        ended = False
        while not ended and not self._is_stopped(job):
            try:
                ended = here.poll(POLL) and self._heard(job, here.recv())
            except (EOFError, OSError):
                break
        if self._is_stopped(job):
            process.terminate()
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
        if not ended and not self._is_stopped(job):
            code = process.exitcode
            self._fail(job, _parts(f"its process ended without an answer (exit code {code})", "enough memory for it"))

    def _is_stopped(self, job: Job) -> bool:
        return job.id in self._stopping or self._closed.is_set()

    def _heard(self, job: Job, message: tuple[Any, ...]) -> bool:
        """Write down what the process said; whether that was its last word."""
        kind, *rest = message
        if kind == "progress":
            what, done, total = rest
            self._store.change(job.id, what=what, done=done, total=total)
            return False
        if kind == "done":
            self._store.change(job.id, state="done", finished=time.time())
        else:
            self._fail(job, rest[0])
        return True

    def _fail(self, job: Job, parts: dict[str, str]) -> None:
        self._store.change(job.id, state="failed", error=tuple(parts.items()), finished=time.time())

    def _real(self, job: Job, word: str) -> str:
        """A word of a stored command with the paths it stands for."""
        option, mark, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        look: dict[str, Callable[[str], Path | None]] = {
            "@case/": lambda name: self._case_folder(job, name),
            "@job/": lambda name: self._job_folder(job, name),
            "@file/": lambda name: self._shelf.file(job.owner, name),
            OUT: lambda name: self.folder(job) / name.lstrip("/"),
        }
        for prefix, find in look.items():
            if value.startswith(prefix):
                path = find(value.removeprefix(prefix))
                if path is None:
                    raise InputError(
                        doing="starting a job",
                        found="a case, table or result that is no longer here",
                        expected="one of this session, uploaded since the server started",
                        try_="uploading it, or running what made it, again",
                    )
                return f"{option}{mark}{path}"
        return word

    def _job_folder(self, job: Job, other: str) -> Path | None:
        found = self.get(job.owner, other)
        return self.folder(found) if found is not None and found.state == "done" else None

    def _case_folder(self, job: Job, case_id: str) -> Path | None:
        held = self._shelf.case(job.owner, case_id)
        return None if held is None else held.folder


def _requeued(job: Job) -> Job:
    return replace(job, state="queued", what="", done=0, total=0)


def _parts(found: str, expected: str) -> dict[str, str]:
    return {
        "error": "Failed",
        "doing": "running a job",
        "found": found,
        "expected": expected,
        "try": "running it again",
    }
