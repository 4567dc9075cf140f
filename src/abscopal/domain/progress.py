"""Progress that a library may report and a face may show.

The science calls `track`; the command line and the web install a sink. Without a sink
nothing is printed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Sink = Callable[[str, int, int], None]
"""Called with (what, done, total)."""

_sink: ContextVar[Sink | None] = ContextVar("progress_sink", default=None)


@contextmanager
def report_to(sink: Sink) -> Iterator[None]:
    """Send the progress of everything inside the block to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def is_watched() -> bool:
    """Whether somebody already shows progress."""
    return _sink.get() is not None


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, telling the installed sink how far along we are."""
    sink = _sink.get()
    if sink is None:
        yield from items
        return
    pool = items if total is not None else list(items)
    count = total if total is not None else len(pool)  # type: ignore[arg-type]
    for done, item in enumerate(pool):
        sink(what, done, count)
        yield item
    sink(what, count, count)
