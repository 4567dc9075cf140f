"""What makes a fit worthless, looked for before it is made."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.learning.features import columns_of
from abscopal.learning.metrics.discrimination import auc, harrell_c
from abscopal.learning.outcome import FloatArray, Outcome
from abscopal.learning.table import RULES, as_numbers, identifier_columns

TIMES = re.compile(r"^(?P<stem>.+?)[_ .]?(?P<unit>months?|days?|years?|weeks?|time)$", re.I)
EVENTS = ("event", "status", "flag", "dead", "death", "died")
AFTERWARDS = re.compile(
    r"(^|[_ .])(os|pfs|dfs|efs|ttp|survival|death|dead|died|vital|progression|progressed|recurrence|relapse|response|"
    r"responder|recist|best|irae|toxicity|grade|follow[_ .]?up|last[_ .]?visit|event|outcome|early_irae)([_ .]|$)",
    re.I,
)
"""Names of columns that are known only after the start of prediction."""


def check_duplicates(table: pd.DataFrame, *, allowed: bool = False) -> list[str]:
    """Refuse, or note, patients that occur twice.

    Raises
    ------
    InputError
        The same identifier twice, or two rows equal in everything else.
    """
    identifiers = identifier_columns(table)
    for name in identifiers:
        repeated = int(table[name].dropna().duplicated().sum())
        if repeated and not allowed:
            raise _twice(f"{repeated} repeated values of {name}")
        if repeated:
            return [f"{repeated} rows repeat a value of {name}: allowed on request, intervals are too narrow"]
    rest = table.drop(
        columns=[*identifiers, *(c for c in table.columns if str(c).casefold() in {"row_id", "sample_id"})]
    )
    numbers = rest.select_dtypes("number")
    if sum(numbers[name].nunique() > 10 for name in numbers) < 2:
        return []  # too coarse a table to tell two patients from one given twice
    repeated = int(rest.duplicated().sum())
    if repeated and not allowed:
        raise _twice(f"{repeated} rows equal to another in every column")
    return [f"{repeated} rows equal another: allowed on request"] if repeated else []


def _twice(found: str) -> InputError:
    return InputError(
        doing="looking for patients given twice", found=found, expected="one row per patient",
        try_="removing the repeated rows, or --allow-duplicates if they are different patients",
    )  # fmt: skip


def check_leakage(
    table: pd.DataFrame, terms: list[str], outcome: Outcome, y: FloatArray, *, known_before: tuple[str, ...] = ()
) -> list[str]:
    """Refuse features that are measured after the start of prediction, or that know the outcome.

    A column `NAME_measured_day` beside a feature holds the day it was measured, from the start.

    Raises
    ------
    InputError
        A feature is an outcome by name, was measured after day 0, or alone orders patients almost perfectly.
    """
    notes = []
    for name in columns_of(terms):
        if name in outcome.columns:
            raise _leak(f"the outcome column {name} among the features")
        if AFTERWARDS.search(name):
            if name not in known_before:
                raise _leak(f"the feature {name}, by its name known only afterwards")
            notes.append(f"{name} reads like an outcome; stated to be known before")
        day = f"{name}_measured_day"
        if day in table.columns:
            late = as_numbers(table[day]) > 0
            if late.any():
                raise _leak(f"{name} measured after the start in {int(late.sum())} patients ({day} above 0)")
        _check_order(table[name], name, outcome, y, known_before)
    return notes


def _check_order(column: pd.Series, name: str, outcome: Outcome, y: FloatArray, known_before: tuple[str, ...]) -> None:
    values = as_numbers(column)
    usable = np.isfinite(values)
    if name in known_before or usable.sum() < 30 or np.ptp(values[usable]) == 0:
        return
    if outcome.kind == "binary":
        order = auc(y[usable], values[usable])
    else:
        order = harrell_c(y[usable, 0], y[usable, 1].astype(np.int64), values[usable])
    if max(order, 1 - order) > load(RULES)["leak_discrimination"]:
        raise _leak(f"{name}, which alone orders patients with {max(order, 1 - order):.3f} concordance")


def _leak(found: str) -> InputError:
    return InputError(
        doing="looking for leakage of the outcome into the features",
        found=found,
        expected="features known when the prediction is made",
        try_="leaving it out, or --known-before NAME if it truly is known then",
    )


def check_event_order(table: pd.DataFrame) -> list[str]:
    """Refuse events dated after the end of follow-up of the same patient.

    Pairs of columns such as `pfs_months` with `pfs_event` are compared with `os_months` where that is there.

    Raises
    ------
    InputError
        With the number of patients.
    """
    times: dict[str, tuple[str, str]] = {}
    for name in map(str, table.columns):
        found = TIMES.match(name)
        if found:
            times[found["stem"].casefold()] = (name, found["unit"].casefold().rstrip("s"))
    if "os" not in times:
        return []
    end, unit = times["os"]
    for stem, (name, own) in times.items():
        flag = next((c for c in table.columns if str(c).casefold() in {f"{stem}_{word}" for word in EVENTS}), None)
        if stem == "os" or flag is None or own != unit:
            continue
        last = as_numbers(table[end])
        late = (as_numbers(table[flag]) == 1) & (as_numbers(table[name]) > last + 0.01 * np.maximum(last, 1))
        if late.any():
            raise InputError(
                doing="comparing the dates of events with the end of follow-up",
                found=f"{int(late.sum())} patients whose {name} lies after their {end}",
                expected="events no later than the last follow-up",
                try_="correcting these rows, or leaving the column out of the table",
            )
    return []


def check_sample_size(n_parameters: int, y: FloatArray, outcome: Outcome, *, allowed: bool = False) -> list[str]:
    """Refuse, or note, too few events for the number of candidate parameters.

    Raises
    ------
    InputError
        Fewer events per parameter than the rule, unless allowed on request.
    """
    rules, events = load(RULES), n_events(y, outcome)
    ratio = events / max(n_parameters, 1)
    text = f"{events} events for {n_parameters} candidate parameters, {ratio:.1f} per parameter"
    if ratio < rules["events_per_parameter_refused"] and not allowed:
        raise InputError(
            doing="comparing events with parameters",
            found=text,
            expected=f"at least {rules['events_per_parameter_refused']:g} per parameter",
            try_="fewer features, or --allow-few-events for a demonstration that says so",
        )
    if ratio < rules["events_per_parameter_refused"]:
        return [f"TOO FEW EVENTS: {text}; allowed on request, not to be relied on"]
    return [f"few events: {text}"] if ratio < rules["events_per_parameter_flagged"] else []


def n_events(y: FloatArray, outcome: Outcome) -> int:
    """Events; for a binary outcome the smaller class."""
    if outcome.kind != "binary":
        return int((y[:, 1] == 1).sum())
    codes: NDArray[np.int64] = y.astype(np.int64)
    return int(np.bincount(codes, minlength=2).min())
