"""What runs in a job's own process: one command, with its progress sent home.

A process of its own, so that a job can be cancelled, and so that one that dies takes nothing with it.
"""

import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path

TELL_EVERY = 0.2  # s between two reports of progress
RESULT = "result.json"


Main = Callable[[list[str]], None]


def run(main: Main, argv: Sequence[str], out: Path, home: Connection) -> None:
    """Run the command `main(ARGV)`, write what it prints to `out/result.json`, and tell `home` how it goes.

    Messages home are `("progress", what, done, total)` and at the end `("done",)` or
    `("failed", parts)` with the parts of the error message.
    """
    from abscopal.domain.progress import report_to

    last = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_EVERY or done == total:
            last = time.monotonic()
            home.send(("progress", what, done, total))

    answer, complaint = io.StringIO(), io.StringIO()
    code: object = 0
    with report_to(tell), redirect_stdout(answer), redirect_stderr(complaint):
        try:
            main(list(argv))
        except SystemExit as stop:
            code = stop.code
    if code in (0, None):
        # A path of this machine says nothing to the browser.
        (out / RESULT).write_text(answer.getvalue().replace(str(out), "OUT"), encoding="utf-8")
        home.send(("done",))
    else:
        home.send(("failed", _parts(complaint.getvalue())))


def _parts(complaint: str) -> dict[str, str]:
    """The message of a failed command; commands print theirs as JSON on the last line."""
    lines = complaint.strip().splitlines() or [""]
    try:
        parts = json.loads(lines[-1])
    except json.JSONDecodeError:
        parts = None
    if isinstance(parts, dict):
        return {str(key): str(value) for key, value in parts.items()}
    found = lines[-1][:300] or "no message"
    return {"error": "Failed", "doing": "running the command", "found": found, "expected": "", "try": ""}
