"""Which knowledge entries an assessment read, printed with their sources."""

from collections.abc import Iterable

from abscopal.assessment.types import ParameterRow
from abscopal.knowledge.load import record
from abscopal.knowledge.schema import MARKS, Number

PER_ROW = "per row"


def parameter_rows(keys: Iterable[str]) -> tuple[ParameterRow, ...]:
    """One row per entry, by key."""
    return tuple(_row(key) for key in sorted(keys))


def _row(key: str) -> ParameterRow:
    found = record(key)
    entry = found.entry
    status = entry.status or PER_ROW
    return ParameterRow(
        key=key,
        value=_value(entry) if isinstance(entry, Number) else f"table {entry.file}",
        unit=entry.unit if isinstance(entry, Number) else "1",
        status=status,
        mark=MARKS.get(status, ""),
        meaning=entry.meaning,
        citation=found.source.citation,
        doi=found.source.doi,
        locator=entry.locator,
    )


def _value(number: Number) -> str:
    values = number.value if isinstance(number.value, tuple) else (number.value,)
    return ", ".join(f"{value:.6g}" for value in values)
