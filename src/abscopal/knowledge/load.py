"""Reading sourced numbers, and remembering which ones a result used."""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import isfinite
from typing import TYPE_CHECKING

from pydantic import ValidationError

from abscopal.domain.errors import InputError, KnowledgeError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.schema import Number, SheetFile, Source, TableInfo

if TYPE_CHECKING:
    import pandas

SEPARATOR = ":"


@dataclass
class Usage:
    """Keys of the numbers and tables read inside a `record_use` block, in order of first use."""

    keys: dict[str, None] = field(default_factory=dict)

    def note(self, key: str) -> None:
        """Remember `key`."""
        self.keys.setdefault(key)


_usage: ContextVar[tuple[Usage, ...]] = ContextVar("knowledge_usage", default=())


@contextmanager
def record_use() -> Iterator[Usage]:
    """Collect every knowledge entry read inside the block, however deep the call."""
    usage = Usage()
    token = _usage.set((*_usage.get(), usage))
    try:
        yield usage
    finally:
        _usage.reset(token)


def _note(key: str) -> None:
    for usage in _usage.get():
        usage.note(key)


@dataclass(frozen=True)
class Sheet:
    """One knowledge file. Reading a value through it is recorded as use."""

    name: str
    content: SheetFile

    def number(self, key: str) -> Number:
        """The sourced number `key`."""
        if key not in self.content.numbers:
            raise unknown_name(f"reading from knowledge sheet '{self.name}'", key, list(self.content.numbers))
        full = f"{self.name}{SEPARATOR}{key}"
        _note(full)
        return _changed(full, self.content.numbers[key])

    def __getitem__(self, key: str) -> float:
        """The scalar value of `key`, in its own unit."""
        value = self.number(key).value
        if isinstance(value, tuple):
            raise KnowledgeError(
                doing=f"reading {self.name}{SEPARATOR}{key}",
                found=f"a vector of {len(value)} numbers",
                expected="a scalar",
                try_="using Sheet.vector",
            )
        return value

    def vector(self, key: str) -> tuple[float, ...]:
        """The values of `key` as a tuple, in its own unit."""
        value = self.number(key).value
        return value if isinstance(value, tuple) else (value,)

    def values(self) -> dict[str, float]:
        """Every scalar of the sheet; all are recorded as used."""
        return {key: self[key] for key, number in self.content.numbers.items() if not isinstance(number.value, tuple)}

    def table(self, key: str) -> "pandas.DataFrame":
        """The CSV table `key` as a fresh DataFrame; empty cells are NaN or ''."""
        if key not in self.content.tables:
            raise unknown_name(f"reading a table of '{self.name}'", key, list(self.content.tables))
        _note(f"{self.name}{SEPARATOR}{key}")
        return _table(self.name.split("/")[0], self.content.tables[key].file).copy()


_changes: dict[str, float] = {}


def change(key: str, value: float) -> None:
    """Use `value` in place of a scalar number from now on, in this process; say so wherever it is shown.

    For what-if runs. Call it before anything is computed: what was computed keeps the number it read.

    Raises
    ------
    InputError
        No such number, a vector or table, or a value outside the number's range.
    """
    _changes[key] = checked_change(key, value)


def changed_numbers() -> dict[str, float]:
    """What `change` set in this process, by key."""
    return dict(_changes)


def checked_change(key: str, value: float) -> float:
    """`value`, if the number `key` may take it."""
    entry = record(key).entry
    limits = getattr(entry, "range", None)
    scalar = isinstance(entry, Number) and not isinstance(entry.value, tuple)
    if scalar and isfinite(value) and (not limits or limits[0] <= value <= limits[1]):
        return value
    raise InputError(
        doing=f"changing {key} for a what-if run",
        found=f"{value:g}" if scalar else "a table or a vector",
        expected=f"a number from {limits[0]:g} to {limits[1]:g}" if limits else "a finite scalar number",
        try_=f"`abscopal knowledge show {key}`",
    )


def _changed(key: str, number: Number) -> Number:
    if key not in _changes:
        return number
    meaning = f"{number.meaning} [WHAT-IF: changed from {number.value:g} for this run]"
    return number.model_copy(update={"value": _changes[key], "meaning": meaning, "status": "assumed"})


@dataclass(frozen=True)
class Record:
    """A number or table with its key and full source, ready to print."""

    key: str
    entry: Number | TableInfo
    source: Source


def _data() -> Traversable:
    return files("abscopal.knowledge") / "data"


@cache
def _table(room: str, file: str) -> "pandas.DataFrame":
    import pandas

    with _data().joinpath(room, file).open("r", encoding="utf-8") as stream:
        return pandas.read_csv(stream)


@cache
def sheet_names() -> tuple[str, ...]:
    """Names of all sheets, such as `immune/diw`."""
    return tuple(
        sorted(
            f"{room.name}/{file.name.removesuffix('.toml')}"
            for room in _data().iterdir()
            if room.is_dir()
            for file in room.iterdir()
            if file.name.endswith(".toml")
        )
    )


@cache
def load(name: str) -> Sheet:
    """The sheet called `name` (for example `radiobiology/tissue`).

    Raises
    ------
    ModelError
        Unknown name, with the close matches.
    KnowledgeError
        The file breaks the schema: an empty source, a unit that does not parse, a value
        outside its range.
    """
    if name not in sheet_names():
        raise unknown_name("loading a knowledge sheet", name, list(sheet_names()))
    text = _data().joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return Sheet(name, parse_sheet(text, name))


def parse_sheet(text: str, name: str) -> SheetFile:
    """Validate the TOML text of a sheet."""
    try:
        return SheetFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as exc:
        raise KnowledgeError(
            doing=f"reading the knowledge sheet '{name}'",
            found=str(exc),
            expected="value, unit, meaning, source, locator and status for every number",
            try_="completing the entry named above",
        ) from exc


def record(key: str) -> Record:
    """The entry and source behind a key such as `immune/diw:alpha`."""
    name, _, entry_name = key.partition(SEPARATOR)
    content = load(name).content
    pool: dict[str, Number | TableInfo] = {**content.numbers, **content.tables}
    if entry_name not in pool:
        raise unknown_name(f"looking up '{key}'", entry_name, list(pool))
    entry = pool[entry_name]
    shown = _changed(key, entry) if isinstance(entry, Number) else entry
    return Record(key, shown, content.sources[entry.source])


def catalogue() -> list[Record]:
    """Every number and table of every sheet."""
    return [
        record(f"{name}{SEPARATOR}{key}")
        for name in sheet_names()
        for key in (*load(name).content.numbers, *load(name).content.tables)
    ]


def parameters_sha256(keys: Iterator[str] | list[str]) -> str:
    """Digest of the values behind `keys`, for the manifest."""
    rows = {key: record(key).entry.model_dump(mode="json") for key in sorted(keys)}
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
