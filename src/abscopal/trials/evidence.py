"""The trial table: loaded, checked, and selected from. Withheld outcomes stay withheld."""

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from abscopal.domain.errors import AbscopalError, InputError, KnowledgeError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.trials.checks import BLOCKING, row_flags, standard_error, standard_error_from_p

SHEET = "trials/rt_ici"
_LARGEST_FILE = 5_000_000
"""A trial table holds hundreds of rows; more bytes than this are something else."""
Timing = Literal["after", "during", "before"]
OUTCOMES = (
    "hr", "hr_lo", "hr_hi", "p_value", "median_exp_months", "median_ctrl_months", "rate_exp", "rate_ctrl",
    "primary_endpoint_met", "grade3plus_exp", "grade3plus_ctrl", "pneumonitis_exp", "pneumonitis_ctrl",
    "lymphopenia_note", "ci_level",
)  # fmt: skip
"""Columns that carry an outcome; all are empty on a held-out row."""
TIMING: dict[str, Timing] = {
    "adjuvant": "after",
    "sequential": "after",
    "concurrent": "during",
    "both": "during",
    "neoadjuvant": "before",
}
"""When the ICI is given relative to RT, by the table's `sequence`."""
VOCABULARY: dict[str, frozenset[str]] = {
    "sequence": frozenset(TIMING),
    "endpoint": frozenset({"OS", "PFS", "EFS", "ORR", "pCR", "abscopal ORR"}),
    "comparison_type": frozenset({"add_ici", "swap_ici", "add_rt", "timing", "other", "single_arm"}),
    "pool": frozenset({"ici", "rt", "holdout", ""}),
    "confidence": frozenset({"read", "recalled", "uncertain"}),
    "eni_basis": frozenset({"protocol", "practice", "unknown", "na"}),
}


LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("hr", "hr_lo", "hr_hi"), (0.0, 1000.0)),
    **dict.fromkeys(("n_experimental", "n_control"), (0.0, 1e6)),
    **dict.fromkeys(("median_exp_months", "median_ctrl_months"), (0.0, 1200.0)),
    **dict.fromkeys(("rate_exp", "rate_ctrl"), (0.0, 100.0)),
    "ci_level": (50.0, 100.0),
}
"""Between which the numbers of a table of one's own must lie; rates may be at a limit."""


def load_trials(path: Path | None = None) -> pd.DataFrame:
    """The trial table with what the loader derives.

    Parameters
    ----------
    path : Path, optional
        A table of your own in the same columns; the package's unless given.

    Returns
    -------
    DataFrame
        One row per trial and endpoint: the columns of the file, and `log_hr` [1], `se` (from
        the interval at its own level, else from a two-sided p value) [1], `se_basis` ("interval", "p value" or
        ""), `timing` (after, during or before RT), `eni` ("yes", "no" or ""), `flags` (dict: check to finding)
        and `poolable` (bool; only rows with an interval).

    Raises
    ------
    KnowledgeError
        A cell of the package's table outside its vocabulary, a duplicated row, or a withheld outcome that is filled.
    InputError
        The same of a table of your own; one with unknown or missing columns, a cell that is no number where one
        belongs, not there, or too large.
    """
    sheet = load(SHEET)
    table = sheet.table("trials") if path is None else read_table(path, list(sheet.table("trials").columns))
    check_schema(table, KnowledgeError if path is None else InputError)
    issues = sheet.table("issues").to_dict("records")
    table["log_hr"] = np.log(table["hr"])
    errors = [_standard_error(row) for row in table.to_dict("records")]
    table["se"] = [error for error, _ in errors]
    table["se_basis"] = [basis for _, basis in errors]
    table["timing"] = table["sequence"].map(TIMING)
    table["eni"] = table["rt_target"].astype(str).str.extract(r"elective_nodal_(yes|no)", expand=False).fillna("")
    found = [row_flags(row, _concerning(row, issues), sheet) for row in table.to_dict("records")]
    table["flags"] = pd.Series(found, index=table.index, dtype=object)
    table["poolable"] = [
        pool in {"ici", "rt"} and basis == "interval" and not BLOCKING & flags.keys()
        for pool, basis, flags in zip(table["pool"], table["se_basis"], table["flags"], strict=True)
    ]
    return table


def _standard_error(row: Mapping[Hashable, Any]) -> tuple[float, str]:
    if row["hr_lo"] > 0:
        return standard_error(row["hr_lo"], row["hr_hi"], row["ci_level"]), "interval"
    try:
        p = float(row["p_value"])
    except ValueError:  # such as "<0.0001" or "0.92 (one-sided)", which fix no two-sided standard error
        p = math.nan
    found = standard_error_from_p(row["hr"], p) if row["hr"] > 0 and 0 < p < 1 else math.nan
    return found, "p value" if found > 0 else ""


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A trial table somebody else wrote, with exactly `columns`.

    Raises
    ------
    InputError
        Too large, not a table, or columns that are unknown (with the close match) or missing.
    """
    doing = f"reading the trial table {path.name}"
    if not path.is_file():
        raise InputError(doing=doing, found="no such file", expected="a CSV table", try_="checking the path")
    if path.stat().st_size > _LARGEST_FILE:
        raise InputError(
            doing=doing, found=f"{path.stat().st_size / 1e6:.0f} MB", expected=f"at most {_LARGEST_FILE / 1e6:.0f} MB",
            try_="one row per trial and endpoint",
        )  # fmt: skip
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as exc:
        raise InputError(
            doing=doing, found=str(exc).splitlines()[0], expected="a CSV file in UTF-8", try_="exporting it anew"
        ) from exc
    for name in table.columns:
        if name not in columns:
            raise unknown_name(f"{doing}, heading", str(name), columns)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            doing=doing, found=f"no column {', '.join(missing)}", expected="every column, empty cells where unknown",
            try_="adding the heading",
        )  # fmt: skip
    _check_numbers(table, doing)
    return table


def _check_numbers(table: pd.DataFrame, doing: str) -> None:
    """Every cell of a numeric column is empty or a number within its limits."""
    for column, (low, high) in LIMITS.items():
        cells = table[column]
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells.notna() & ~((numbers > low) & (numbers < high))
        if column.startswith("rate_"):
            wrong &= ~numbers.isin([low, high])
        if wrong.any():
            place = int(np.argmax(wrong.to_numpy()))
            raise InputError(
                doing=doing, found=f"'{cells.iloc[place]}' in column '{column}', line {place + 2}",
                expected=f"a number between {low:g} and {high:g}, or nothing", try_="correcting that cell",
            )  # fmt: skip
        table[column] = numbers
    if table["trial"].isna().any():
        place = int(np.argmax(table["trial"].isna().to_numpy()))
        raise InputError(
            doing=doing, found=f"no trial in line {place + 2}", expected="a name in every row", try_="naming the trial"
        )


def _concerning(row: Mapping[Hashable, Any], issues: list[dict[Hashable, Any]]) -> list[dict[Hashable, Any]]:
    return [i for i in issues if i["trial"] == row["trial"] and i["endpoint"] in {"*", row["endpoint"]}]


def check_schema(table: pd.DataFrame, kind: type[AbscopalError] = KnowledgeError) -> None:
    """Refuse a trial table that breaks its own rules, with an error of the given kind."""

    def broken(found: str, expected: str) -> AbscopalError:
        return kind(doing="reading the trial table", found=found, expected=expected, try_="correcting that row")

    for column, allowed in VOCABULARY.items():
        strange = sorted(set(table[column].fillna("")) - allowed)
        if strange:
            raise broken(f"{strange} in column '{column}'", f"one of {sorted(allowed)}")
    if table.duplicated(["trial", "endpoint"]).any():
        raise broken("a trial with two rows for one endpoint", "one row per trial and endpoint")
    withheld = table.loc[table["pool"] == "holdout", list(OUTCOMES)]
    if withheld.notna().to_numpy().any():
        raise broken("an outcome in a held-out row", "every outcome cell of a held-out row empty")
    limits = table.loc[table["hr_lo"].notna()]
    ordered = (limits["hr_lo"] < limits["hr"]) & (limits["hr"] < limits["hr_hi"]) & limits["ci_level"].notna()
    if not ordered.all():
        raise broken(f"{list(limits.loc[~ordered, 'trial'])}", "0 < hr_lo < hr < hr_hi and a ci_level")


def select(
    *,
    endpoint: str | tuple[str, ...] = "OS",
    pool: Literal["ici", "rt"] = "ici",
    comparison_type: str | None = None,
    timing: Timing | None = None,
    eni: Literal["yes", "no"] | None = None,
    disease: str | None = None,
    without_disease: str | None = None,
    without_flag: str | None = None,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Poolable rows: one effect per trial, never a withheld, retracted or overlapping one.

    Parameters
    ----------
    endpoint : str or tuple of str
        For example `"OS"`, or `("PFS", "EFS")`.
    pool : {"ici", "rt"}
        ICI against no ICI (RT in both arms), or RT added to ICI.
    comparison_type : str, optional
        `"add_ici"` leaves out trials where the ICI replaces another drug.
    timing, eni, disease, without_disease, without_flag : str, optional
        Filters on the derived columns, on the table's own disease label, and on a flag.
    table : DataFrame, optional
        As from `load_trials`; the package's unless given.
    """
    endpoints = (endpoint,) if isinstance(endpoint, str) else endpoint
    for name in endpoints:
        if name not in VOCABULARY["endpoint"]:
            raise unknown_name("selecting trials", name, sorted(VOCABULARY["endpoint"]))
    if timing is not None and timing not in get_args(Timing):
        raise unknown_name("selecting trials", timing, list(get_args(Timing)))
    table = load_trials() if table is None else table
    keep = table["poolable"] & table["endpoint"].isin(endpoints) & (table["pool"] == pool)
    equal = {"comparison_type": comparison_type, "timing": timing, "eni": eni, "disease": disease}
    for column, wanted in equal.items():
        if wanted is not None:
            keep &= table[column] == wanted
    if without_disease is not None:
        keep &= table["disease"] != without_disease
    if without_flag is not None:
        keep &= ~table["flags"].map(lambda flags: without_flag in flags).astype(bool)
    return table.loc[keep].reset_index(drop=True)
