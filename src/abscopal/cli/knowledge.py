"""`abscopal knowledge list|show|cite`: every literature number, where it is from, how sure."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from abscopal.knowledge.load import Record

app = typer.Typer(help="Every sourced number: list, show, cite.", no_args_is_help=True)


@app.command("list")
def list_(
    search: Annotated[str, typer.Argument(help="Only keys or meanings that contain this text.")] = "",
    status: Annotated[str, typer.Option(help="Only this status (read, computed, fitted, recalled, …).")] = "",
    as_json: JsonOption = False,
) -> None:
    """List numbers and tables."""
    from abscopal.domain.registry import unknown_name
    from abscopal.knowledge.load import catalogue
    from abscopal.knowledge.schema import STATUS_MEANING

    if status and status not in STATUS_MEANING:
        raise unknown_name("listing numbers by status", status, list(STATUS_MEANING))
    wanted = [r for r in catalogue() if _matches(r, search.casefold()) and status in ("", r.entry.status)]
    if as_json:
        print_json([_plain(record) for record in wanted])
        return
    rows = [(r.key, _value(r), r.entry.status or "per row", r.entry.meaning) for r in wanted]
    print_table(f"{len(wanted)} entries", ("key", "value", "status", "meaning"), rows)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="Key such as `immune/diw:alpha`.")], as_json: JsonOption = False
) -> None:
    """Show one entry with its source."""
    from abscopal.knowledge.load import record
    from abscopal.knowledge.schema import STATUS_MEANING

    found = record(key)
    if as_json:
        print_json(_plain(found))
        return
    status = found.entry.status
    rows = [
        ("value", _value(found)),
        ("range", _range(found)),
        ("meaning", found.entry.meaning),
        ("status", f"{status}: {STATUS_MEANING[status]}" if status else "see the status column of the table"),
        ("source", found.source.citation),
        ("doi", found.source.doi or "none recorded"),
        ("locator", found.entry.locator),
        ("population", getattr(found.entry, "population", "") or "not stated"),
    ]
    print_table(found.key, ("", ""), rows)


@app.command()
def cite(
    key: Annotated[str, typer.Argument(help="Key, or a sheet name such as `immune/diw`.")], as_json: JsonOption = False
) -> None:
    """Print the sources behind a number or a whole sheet."""
    from abscopal.knowledge.load import SEPARATOR, load, record

    sources = [record(key).source] if SEPARATOR in key else list(load(key).content.sources.values())
    if as_json:
        print_json([source.model_dump() for source in sources])
        return
    for source in sources:
        typer.echo(
            source.citation + (f" doi:{source.doi}" if source.doi else "") + (f" {source.url}" if source.url else "")
        )


def _matches(record: "Record", text: str) -> bool:
    return text in record.key.casefold() or text in record.entry.meaning.casefold()


def _value(record: "Record") -> str:
    entry = record.entry
    if entry.model_fields_set >= {"file"}:
        return f"table {getattr(entry, 'file')}"  # noqa: B009 - the entry is a number or a table
    value, unit = getattr(entry, "value"), getattr(entry, "unit")  # noqa: B009
    numbers = ", ".join(f"{v:g}" for v in (value if isinstance(value, tuple) else (value,)))
    return numbers if unit == "1" else f"{numbers} {unit}"


def _range(record: "Record") -> str:
    limits = getattr(record.entry, "range", None)
    return f"{limits[0]:g} to {limits[1]:g}" if limits else "not given"


def _plain(record: "Record") -> dict[str, Any]:
    return {
        "key": record.key,
        **record.entry.model_dump(mode="json", exclude={"source"}),
        "source": record.source.model_dump(mode="json"),
    }
