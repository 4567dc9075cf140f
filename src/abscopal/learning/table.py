"""Reading a table of patients and its outcome, with the mistakes such tables have."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.learning.outcome import FloatArray, Outcome

RULES = "learning/rules"
LARGEST_BYTES = 300_000_000
MOST_COLUMNS = 20_000
PER_YEAR = {"year": 1.0, "month": 12.0, "week": 365.25 / 7, "day": 365.25}
IDENTIFIERS = re.compile(r"^(patient|subject|study|shadow|case|pat)[ ._-]?(id|no|number)$|^id$|^pseudonym$", re.I)


def read_table(path: Path) -> pd.DataFrame:
    """A CSV file with one row per patient.

    Raises
    ------
    InputError
        Not a readable CSV, too large, empty, or a heading given twice.
    """
    doing = f"reading the table {path.name}"
    if not path.is_file():
        raise InputError(doing=doing, found="no such file", expected="a CSV file", try_="checking the path")
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(
            doing=doing, found=f"{path.stat().st_size / 1e6:.0f} MB", expected=f"at most {LARGEST_BYTES / 1e6:.0f} MB",
            try_="a table with only the columns needed",
        )  # fmt: skip
    try:
        head = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].fillna("").str.strip().tolist()
        table = pd.read_csv(path, low_memory=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as exc:
        raise InputError(
            doing=doing, found=str(exc).splitlines()[0], expected="comma-separated text in UTF-8 with a heading line",
            try_="saving the sheet again as CSV UTF-8",
        ) from exc  # fmt: skip
    twice = sorted({name for name in head if name and head.count(name) > 1})
    if twice or not len(table) or len(head) > MOST_COLUMNS:
        raise InputError(
            doing=doing,
            found=f"the heading {twice[0]!r} twice" if twice else f"{len(table)} rows and {len(head)} columns",
            expected=f"one row per patient under different headings, at most {MOST_COLUMNS}",
            try_="correcting the heading line",
        )
    return table


def require(table: pd.DataFrame, names: list[str] | tuple[str, ...]) -> None:
    """Refuse a table that lacks a column.

    Raises
    ------
    InputError
        With the close matches of the first missing name.
    """
    for name in names:
        if name not in table.columns:
            raise unknown_name("reading the columns of the table", name, [str(c) for c in table.columns])


def outcome_values(table: pd.DataFrame, outcome: Outcome) -> tuple[pd.DataFrame, FloatArray, list[str]]:
    """Patients with a known outcome, the outcome itself, and notes on what was changed.

    Returns
    -------
    tuple
        Rows kept; outcome, shape (n,) or (n, 2) as in `learning.outcome`; notes.

    Raises
    ------
    InputError
        Codes that are not 0, 1 (2), one class only, a negative time.
    UnitError
        Times no patient has in the unit stated.
    """
    require(table, outcome.columns)
    values = table[list(outcome.columns)].apply(pd.to_numeric, errors="coerce")
    unreadable = int((values.isna() & table[list(outcome.columns)].notna()).to_numpy().sum())
    if unreadable:
        raise InputError(
            doing=f"reading the outcome {' and '.join(outcome.columns)}",
            found=f"{unreadable} cells that are not numbers",
            expected="numbers: 0 and 1 for events, times in " + (outcome.unit or "one unit"),
            try_="coding the event as 0 and 1",
        )
    known = values.notna().all(axis=1).to_numpy()
    notes = (
        [f"{int((~known).sum())} of {len(known)} patients have no outcome and are left out"] if (~known).any() else []
    )
    kept, values = table.loc[known].reset_index(drop=True), values.loc[known]
    code = values[outcome.event].to_numpy(dtype=np.float64)
    _check_codes(code, outcome)
    if outcome.kind == "binary":
        return kept, code, notes
    time = values[outcome.time].to_numpy(dtype=np.float64)
    check_unit(time, outcome)
    zero = time == 0
    if zero.any():
        time = np.where(zero, time[time > 0].min() / 2, time)
        notes.append(f"{int(zero.sum())} times of zero count as half the shortest time above zero")
    return kept, np.column_stack([time, code]), notes


def _check_codes(code: FloatArray, outcome: Outcome) -> None:
    allowed = (0.0, 1.0, 2.0) if outcome.kind == "competing" else (0.0, 1.0)
    strange = sorted(set(np.unique(code)) - set(allowed))
    doing = f"reading the outcome {outcome.event}"
    if strange:
        raise InputError(
            doing=doing,
            found=f"the value {strange[0]:g}",
            expected="0 no event, 1 event" + (", 2 competing event" if len(allowed) == 3 else ""),
            try_="--competing, if 2 is a competing event" if strange == [2.0] else "coding it so",
        )
    wanted = {1.0} if outcome.kind != "binary" else {0.0, 1.0}
    if not wanted <= set(np.unique(code)):
        raise InputError(
            doing=doing,
            found=f"only the value {code[0]:g} in {len(code)} patients" if len(code) else "no patient with an outcome",
            expected="patients with and without the event",
            try_="checking the column, its coding and how patients were selected",
        )


def check_unit(time: FloatArray, outcome: Outcome) -> None:
    """Refuse negative times and follow-up longer than any patient's in the unit stated.

    Raises
    ------
    InputError, UnitError
    """
    doing = f"reading the times {outcome.time}"
    if not (np.isfinite(time).all() and (time >= 0).all() and (time > 0).any()):
        raise InputError(
            doing=doing, found=f"{int((time < 0).sum())} times below zero", expected="times from a common start",
            try_="checking the dates",
        )  # fmt: skip
    longest = load(RULES)["longest_follow_up"] * PER_YEAR[outcome.unit]
    if time.max() > longest:
        raise UnitError(
            doing=doing,
            found=f"a follow-up of {time.max():g} {outcome.unit}s",
            expected=f"at most {longest:g} {outcome.unit}s",
            try_="--unit day, if these are days" if outcome.unit != "day" else "checking the dates",
        )


def unit_of(column: str, stated: str | None = None) -> str:
    """Unit of the times of a column: as stated, or read from its name.

    Raises
    ------
    UnitError
        Neither is there, or they disagree.
    """
    named = next((u for u in PER_YEAR if re.search(rf"(^|[^a-z]){u}s?([^a-z]|$)", column.casefold())), None)
    if (
        (stated is not None and stated not in PER_YEAR)
        or (stated is None and named is None)
        or (stated and named not in (None, stated))
    ):
        raise UnitError(
            doing=f"finding the unit of the times {column}",
            found=f"the unit {stated} for a column named in {named}s" if named and stated else f"{stated or 'no unit'}",
            expected="one of " + ", ".join(PER_YEAR),
            try_=f"--unit {named or 'month'}",
        )
    return stated or named or ""


def identifier_columns(table: pd.DataFrame) -> list[str]:
    """Columns whose names say that they identify the patient."""
    return [str(name) for name in table.columns if IDENTIFIERS.match(str(name))]


def as_numbers(column: Any) -> FloatArray:
    """A column as numbers, NaN where it holds none, shape (n,)."""
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
