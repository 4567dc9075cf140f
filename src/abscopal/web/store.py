"""The job store: SQLite beside the jobs' folders, so that jobs survive a restart.

It holds commands, states and progress; never a patient's data, and never a name a person gave a file.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled"]
UNFINISHED = ("queued", "running")

SCHEMA = """
CREATE TABLE IF NOT EXISTS session (owner TEXT PRIMARY KEY, opened REAL NOT NULL);
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, view TEXT NOT NULL, argv TEXT NOT NULL, case_id TEXT NOT NULL,
    state TEXT NOT NULL, what TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, error TEXT NOT NULL,
    created REAL NOT NULL, finished REAL);
CREATE INDEX IF NOT EXISTS job_owner ON job (owner, created);
"""


@dataclass(frozen=True)
class Job:
    """One run of a command.

    Attributes
    ----------
    view : str
        The view that asked for it.
    argv : tuple of str
        The command's words; files appear as `@kind/id`, never as paths.
    case_id : str
        The case it reads, '' for none.
    what, done, total : str, int, int
        Progress.
    error : dict
        The parts of the message of a failed job; empty otherwise.
    created, finished : float
        Seconds of the Unix epoch.
    """

    id: str
    owner: str
    view: str
    argv: tuple[str, ...]
    case_id: str
    created: float
    state: State = "queued"
    what: str = ""
    done: int = 0
    total: int = 0
    error: tuple[tuple[str, str], ...] = ()
    finished: float | None = None

    def public(self) -> dict[str, Any]:
        """What the owner's browser sees."""
        content = asdict(self) | {"error": dict(self.error)}
        del content["owner"]
        return content


class Store:
    """Sessions and jobs in one SQLite file in write-ahead mode."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._connection = sqlite3.connect(folder / "jobs.sqlite", check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.Lock()
        with self._locked() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add_session(self, owner: str, opened: float) -> None:
        """Remember a session."""
        with self._locked() as database:
            database.execute("INSERT INTO session VALUES (?, ?)", (owner, opened))

    def knows_session(self, owner: str) -> bool:
        """Whether a session of this digest was opened, in this run or an earlier one."""
        with self._locked() as database:
            return database.execute("SELECT 1 FROM session WHERE owner = ?", (owner,)).fetchone() is not None

    def put(self, job: Job) -> Job:
        """Write a job, new or changed."""
        row = asdict(job) | {"argv": json.dumps(job.argv), "error": json.dumps(job.error)}
        marks = ", ".join(f":{name}" for name in row)
        with self._locked() as database:
            database.execute(f"INSERT OR REPLACE INTO job ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608
        return job

    def change(self, job_id: str, **fields: Any) -> Job | None:
        """Change some fields of a job that is not finished; None where there is no such job."""
        job = self.get(job_id)
        if job is None or job.state not in UNFINISHED:
            return job
        return self.put(replace(job, **fields))

    def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        with self._locked() as database:
            row = database.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def jobs(self, owner: str | None = None) -> list[Job]:
        """Jobs of one session, or of all, newest first."""
        where, values = ("", ()) if owner is None else (" WHERE owner = ?", (owner,))
        with self._locked() as database:
            rows = database.execute(f"SELECT * FROM job{where} ORDER BY created DESC", values).fetchall()  # noqa: S608
        return [_job(row) for row in rows]

    def forget(self, job_id: str) -> None:
        """Delete a job's row."""
        with self._locked() as database:
            database.execute("DELETE FROM job WHERE id = ?", (job_id,))

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection


def _job(row: sqlite3.Row) -> Job:
    fields = dict(row)
    fields["argv"] = tuple(json.loads(fields["argv"]))
    fields["error"] = tuple((key, value) for key, value in json.loads(fields["error"]))
    return Job(**fields)
