"""Tables, JSON and progress bars, one way for every command."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.domain.progress import is_watched, report_to

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def screen() -> "Console":
    """Console on standard output."""
    from rich.console import Console

    return Console(soft_wrap=False)


def errors() -> "Console":
    """Console on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(content: Any) -> None:
    """`content` on standard output as indented JSON; NaN is refused rather than printed."""
    typer.echo(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Results as JSON takes them: dataclasses as mappings, arrays as lists, what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    screen().print(table, markup=False)


def print_lines(lines: Sequence[tuple[str, str]]) -> None:
    """Labelled lines on standard output, each as long as it is."""
    console = screen()
    for label, text in lines:
        console.print(f"{label:9}{text}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bars() -> Iterator[None]:
    """Show a bar on standard error for each piece of tracked work inside the block.

    Where a caller of the command already watches its progress, nothing is drawn.
    """
    if is_watched():
        yield
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def sink(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        with report_to(sink):
            yield
