"""Populations in CSV and Parquet files, with units in the headings; what is read is not trusted."""

import csv
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.manifest import sha256_file
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import convert
from abscopal.equations.model import Model
from abscopal.simulation.population import Column, Provenance, VirtualPopulation

FloatArray = NDArray[np.float64]
MAX_BYTES = 256 * 2**20
"""Largest file read, and largest table a Parquet file may unpack to."""
_MAX_COLUMNS = 2000
_HEADING = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?\s*")
_NUMBER = "patient"


def read_population(
    path: Path, model: Model, *, covariates: Mapping[str, str] | None = None, max_bytes: int = MAX_BYTES
) -> VirtualPopulation:
    """Patients from a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        `.csv` or `.parquet`. Headings are `name [unit]`; the unit may be left out for a pure number only. A column
        `patient` holds whole numbers. Other columns are parameters of the model or covariates.
    model : Model
    covariates : mapping of str to str, optional
        Unit of each covariate the file may hold.
    max_bytes : int
        Largest file, and largest unpacked table. [byte]

    Returns
    -------
    VirtualPopulation
        In the model's units, and for covariates in the units given.

    Raises
    ------
    InputError
        A file that cannot be read or is too large; an unknown column, with the close match; a row with a value that
        is missing, not a number or not finite, with its number; a patient twice.
    UnitError
        No unit, or one of another dimension.
    UnsupportedError
        Parquet without the extra `cluster`.
    """
    _check_file(path, max_bytes)
    is_parquet = path.suffix.lower() in {".parquet", ".pq"}
    headings, rows = (_read_parquet if is_parquet else _read_csv)(path, max_bytes)
    targets = _targets(path, headings, model, covariates or {})
    numbers = np.arange(len(rows))
    keep: list[int] = []
    columns: list[Column] = []
    scaled = np.array(rows, dtype=np.float64)
    for place, (column, factor) in enumerate(targets):
        if column is None:
            numbers = _whole(path, rows[:, place])
            continue
        if factor != 1.0:
            scaled[:, place] *= factor
        keep.append(place)
        columns.append(column)
    _check_minimum(path, model, columns, scaled[:, keep])
    made = Provenance("imported", file_sha256=sha256_file(path), candidates=len(rows))
    return VirtualPopulation(tuple(columns), scaled[:, keep], made, numbers)


def _refused(path: Path, found: str, expected: str, hint: str) -> InputError:
    return InputError(doing=f"reading patients from {path.name}", found=found, expected=expected, try_=hint)


def _check_file(path: Path, max_bytes: int) -> None:
    if not path.is_file():
        raise _refused(path, "no such file", "a .csv or .parquet file", "checking the path")
    if path.suffix.lower() not in {".csv", ".parquet", ".pq"}:
        raise _refused(path, f"a file of type {path.suffix!r}", ".csv or .parquet", "exporting it as CSV")
    size = path.stat().st_size
    if size > max_bytes:
        raise _refused(path, f"{size} bytes", f"at most {max_bytes}", "splitting it, or a larger max_bytes")


def _read_csv(path: Path, max_bytes: int) -> tuple[list[str], FloatArray]:
    values = array("d")  # eight bytes a value, however short its text
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            headings = next(reader, [])
            _check_count(path, headings)
            for cells in reader:
                values.extend(_row(path, headings, cells, reader.line_num))
                if len(values) > max_bytes:  # the file grew since it was looked at
                    raise _refused(path, "more values than bytes when opened", "a file at rest", "copying it")
        except csv.Error as exc:
            found = f"{exc} in line {reader.line_num}"
            raise _refused(path, found, "a table of plain numbers", "exporting again") from exc
        except UnicodeDecodeError as exc:
            found = f"a byte that is not UTF-8 after line {reader.line_num}"
            raise _refused(path, found, "a CSV file in UTF-8", "saving it so") from exc
    if not values:
        raise _refused(path, "no patients", "a row of headings and a row per patient", "exporting again")
    return headings, np.array(values).reshape(-1, len(headings))


def _row(path: Path, headings: Sequence[str], cells: Sequence[str], line: int) -> list[float]:
    if len(cells) != len(headings):
        raise _refused(
            path, f"{len(cells)} values in line {line}", f"{len(headings)}, one for each heading", "correcting it"
        )
    values = [_number(cell) for cell in cells]
    if all(map(math.isfinite, values)):
        return values
    place = next(k for k, value in enumerate(values) if not math.isfinite(value))
    found = f"{cells[place][:40]!r}" if cells[place].strip() else "nothing"
    raise _refused(
        path, f"{found} for {headings[place]!r} in line {line}", "a finite number", "correcting it or leaving it out"
    )


def _number(cell: str) -> float:
    """The number written in a cell; NaN for anything else, such as 1_0, which Python alone reads as 10."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _check_count(path: Path, headings: Sequence[str]) -> None:
    if not 1 <= len(headings) <= _MAX_COLUMNS:
        raise _refused(path, f"{len(headings)} columns", f"from 1 to {_MAX_COLUMNS}", "exporting again")


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise UnsupportedError(
            doing="opening a Parquet file",
            found="no pyarrow on this machine",
            expected="the extra 'cluster', which reads Parquet",
            try_="pip install 'abscopal[cluster]', or a CSV file",
        ) from exc
    return pyarrow, pyarrow.parquet


def _read_parquet(path: Path, max_bytes: int) -> tuple[list[str], FloatArray]:
    pyarrow, parquet = _parquet()
    try:
        with parquet.ParquetFile(path) as file:
            headings = list(file.schema_arrow.names)
            _check_count(path, headings)
            unpacked = max(
                8 * file.metadata.num_rows * len(headings),
                sum(file.metadata.row_group(k).total_byte_size for k in range(file.num_row_groups)),
            )
            if unpacked > max_bytes:
                raise _refused(path, f"{unpacked} bytes unpacked", f"at most {max_bytes}", "a larger max_bytes")
            for name, kind in zip(headings, file.schema_arrow.types, strict=True):
                if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
                    raise _refused(path, f"{name!r} of type {kind}", "columns of numbers", "leaving the column out")
            table = file.read()
    except (pyarrow.ArrowException, OSError) as exc:
        raise _refused(path, str(exc).splitlines()[0][:120], "a Parquet file", "exporting again") from exc
    columns = [np.asarray(column.to_numpy(), dtype=np.float64) for column in table.columns]
    if not len(table):
        raise _refused(path, "no patients", "a row per patient", "exporting again")
    rows = np.column_stack(columns)
    wrong = np.argwhere(~np.isfinite(rows))
    if wrong.size:
        row, place = wrong[0]
        raise _refused(
            path, f"{rows[row, place]} or nothing for {headings[place]!r} in row {row + 1}", "a finite number",
            "correcting it or leaving it out",
        )  # fmt: skip
    return headings, rows


def _targets(
    path: Path, headings: Sequence[str], model: Model, covariates: Mapping[str, str]
) -> list[tuple[Column | None, float]]:
    """For each heading its column and the factor to its unit; None for the patients' numbers."""
    own = {parameter.name: parameter.unit for parameter in model.pieces.parameters}
    found: list[tuple[Column | None, float]] = []
    seen: set[str] = set()
    for heading in headings:
        match = _HEADING.fullmatch(heading)
        name = match["name"] if match else heading
        if match is None or name in seen:
            problem = "twice" if match else "which is not a name and a unit"
            raise _refused(path, f"the heading {heading[:60]!r}, {problem}", "each name once, as 'name [unit]'", "that")
        seen.add(name)
        if name == _NUMBER and name not in own:
            found.append((None, 1.0))
            continue
        if name not in own and name not in covariates:
            raise unknown_name(f"reading patients from {path.name}", name, [*sorted(own), *covariates, _NUMBER])
        unit = own.get(name) or covariates[name]
        written = (match["unit"] or "").strip()
        if not written and unit != "1":
            raise _refused(path, f"{name!r} without a unit", f"the heading '{name} [{unit}]'", f"'{name} [{unit}]'")
        factor = 1.0 if written in {"", unit} else convert(1.0, written, unit)
        found.append((Column(name, unit, "parameter" if name in own else "covariate", path.name), factor))
    if not any(column for column, _ in found):
        raise _refused(path, "no parameter and no covariate", "at least one", "adding a column")
    return found


def _whole(path: Path, values: FloatArray) -> NDArray[np.int64]:
    wrong = np.flatnonzero((values != np.floor(values)) | (values < 0) | (values > 2**53))
    if wrong.size:
        raise _refused(
            path, f"patient {values[wrong[0]]:g} in row {wrong[0] + 1}", "whole numbers, 0 or more", "renumbering"
        )
    numbers = values.astype(np.int64)
    unique, count = np.unique(numbers, return_counts=True)
    if len(unique) < len(numbers):
        twice = int(np.flatnonzero(count > 1)[0])
        raise _refused(path, f"patient {unique[twice]} {count[twice]} times", "each patient once", "renumbering")
    return numbers


def _check_minimum(path: Path, model: Model, columns: Sequence[Column], values: FloatArray) -> None:
    least = {parameter.name: parameter.minimum for parameter in model.pieces.parameters}
    for place, column in enumerate(columns):
        low = least.get(column.name)
        wrong = np.flatnonzero(values[:, place] < (-np.inf if low is None else low))
        if len(wrong):
            raise _refused(
                path,
                f"{column.name} = {values[wrong[0], place]:g} {column.unit} in row {wrong[0] + 1}",
                f"at least {low:g}",
                "correcting it or leaving it out",
            )


def _headings(population: VirtualPopulation) -> list[str]:
    return [_NUMBER, *(f"{column.name} [{column.unit}]" for column in population.columns)]


def write_csv(population: VirtualPopulation, path: Path) -> Path:
    """Write a population as CSV, each number with all its digits, in one step.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    lines = [",".join(_headings(population))]
    for number, row in zip(population.patients.tolist(), population.values.tolist(), strict=True):
        lines.append(",".join([str(number), *map(repr, row)]))
    return write_lines(path, lines)


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    """Write text in one step, so that a reader never sees half of it.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    temporary = path.with_name(f".writing-{path.name}")
    try:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as exc:
        raise InputError(
            doing=f"writing {path.name}", found=str(exc.strerror), expected="a folder to write to", try_="another path"
        ) from exc
    return path


def write_parquet(population: VirtualPopulation, path: Path) -> Path:
    """Write a population as Parquet, with its provenance in the file's metadata.

    Raises
    ------
    UnsupportedError
        Without the extra `cluster`.
    """
    pyarrow, parquet = _parquet()
    arrays = [population.patients, *(population[name] for name in population.names)]
    table = pyarrow.table(dict(zip(_headings(population), arrays, strict=True)))
    parquet.write_table(table.replace_schema_metadata(population.attributes()), path)
    return path
