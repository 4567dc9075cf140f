"""Two-arm data with a censored outcome, read and checked; landmarks against immortal time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import convert

FloatArray = NDArray[np.float64]
Missing = Literal["refuse", "drop", "indicator"]
MAX_BYTES = 200_000_000
LONGEST_MONTHS = 480.0
"""Forty years: follow-up beyond it is a unit mistake."""
FEWEST_PER_ARM = 20
"""Below this an arm is too small for any of the estimators."""


@dataclass(frozen=True)
class Trial:
    """Baseline covariates, treatment and censored outcome of each patient.

    Attributes
    ----------
    x : array, shape (n, p)
        Covariates as numbers; categories as 0/1 columns without their first level.
    names : tuple of str, length p
    w : array, shape (n,)
        1 treated, 0 control.
    time : array, shape (n,)
        [month]
    event : array, shape (n,)
        1 where the event was seen.
    treated, control : str
        Names of the arms.
    randomised : bool
    """

    x: FloatArray
    names: tuple[str, ...]
    w: FloatArray
    time: FloatArray
    event: FloatArray
    treated: str
    control: str
    randomised: bool
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.w)

    def rows(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> "Trial":
        """The trial of some of its patients."""
        return replace(self, x=self.x[which], w=self.w[which], time=self.time[which], event=self.event[which])


def read_trial(
    path: Path,
    *,
    arm: str,
    time: str,
    event: str,
    unit: str = "month",
    treated: str = "",
    control: str = "",
    covariates: Sequence[str] = (),
    randomised: bool = True,
    missing: Missing = "refuse",
    patient: str = "",
    start: str = "",
    landmark: float | None = None,
    last_contact: str = "",
) -> Trial:
    """Two-arm data from a CSV file.

    Parameters
    ----------
    arm, time, event : str
        Columns of treatment, follow-up and event (1 seen, 0 not).
    unit : str
        Unit of follow-up, of `start` and of `last_contact`: day, week, month or year.
    treated, control : str
        Labels of the two arms; needed when there are more than two or their order is not 0 and 1.
    covariates : sequence of str
        Baseline columns; by default every other column.
    randomised : bool
        Whether treatment was assigned at random.
    missing : {"refuse", "drop", "indicator"}
        What to do with patients who lack a covariate; nothing is imputed without a word.
    patient : str
        Column of labels; a label that comes twice is refused.
    start : str
        Column with the time at which the treatment began after time zero, empty for never. It needs
        `landmark`: a treatment that starts late makes its takers immortal until then.
    landmark : float, optional
        Patients without event and under follow-up at this time are compared from then on, by whether
        the treatment had begun. [month]
    last_contact : str
        Column of the last contact; an event after it is refused.

    Raises
    ------
    InputError
        No such column, one arm, an arm of fewer than 20 patients, events that are not 0 or 1, no event
        in an arm, a patient twice, a missing covariate, a late start without a landmark.
    UnitError
        Follow-up longer than a life in the unit given.
    """
    doing = f"reading two-arm data from {path.name}"
    frame = _frame(path, doing)
    for name in (arm, time, event, *covariates, *(c for c in (patient, start, last_contact) if c)):
        if name not in frame:
            raise unknown_name(doing, name, [str(column) for column in frame])
    if patient and (twice := frame[patient].duplicated()).any():
        raise _wrong(
            doing, f"{int(twice.sum())} rows of patients who are already there", "each patient once", "removing doubles"
        )
    follow_up, seen = _outcome(frame, time, event, unit, doing)
    if last_contact:
        _check_contact(frame, last_contact, follow_up, seen, unit, doing)
    begun = _begun(frame, start, arm, unit, landmark, doing) if start else None
    w, names, kept = _arms(frame[arm], treated, control, doing) if begun is None else (begun, ("no " + arm, arm), None)
    used = covariates or [str(c) for c in frame if c not in {arm, time, event, patient, start, last_contact}]
    design, columns, whole, notes = _covariates(frame[list(used)], missing, doing)
    keep = whole if kept is None else whole & kept
    if landmark is not None:
        at_risk = follow_up > landmark
        notes = (
            *notes,
            f"landmark at {landmark:g} months: {int((~at_risk).sum())} patients not followed beyond left out",
        )
        keep, follow_up = keep & at_risk, follow_up - landmark
    if kept is not None and not kept.all():
        notes = (*notes, f"{int((~kept).sum())} patients of other arms left out")
    trial = Trial(
        design[keep], columns, w[keep], follow_up[keep], seen[keep], names[1], names[0],
        randomised and begun is None, notes,
    )  # fmt: skip
    _check_arms(trial, doing)
    return trial


def _wrong(doing: str, found: str, expected: str, try_: str) -> InputError:
    return InputError(doing=doing, found=found, expected=expected, try_=try_)


def _frame(path: Path, doing: str) -> pd.DataFrame:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise _wrong(
            doing, "no such file" if not path.is_file() else "a file that is too large", "a CSV file", "the path"
        )
    try:
        frame = pd.read_csv(path, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as exc:
        raise _wrong(doing, str(exc)[:200], "CSV text in UTF-8", "exporting it again") from exc
    if frame.empty:
        raise _wrong(doing, "no row", "one row per patient", "another file")
    return frame


def _outcome(frame: pd.DataFrame, time: str, event: str, unit: str, doing: str) -> tuple[FloatArray, FloatArray]:
    follow_up = pd.to_numeric(frame[time], errors="coerce").to_numpy(dtype=np.float64)
    seen = pd.to_numeric(frame[event], errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(follow_up) | (follow_up < 0) | ~np.isin(seen, (0, 1))
    if bad.any():
        line = int(np.flatnonzero(bad)[0]) + 2
        raise _wrong(
            f"{doing}, line {line}", f"follow-up {frame[time].iloc[line - 2]!r}, event {frame[event].iloc[line - 2]!r}",
            "follow-up not below zero and an event of 0 or 1", "recoding the event, or removing rows without follow-up",
        )  # fmt: skip
    months = follow_up * convert(1.0, unit, "month")
    if months.max() > LONGEST_MONTHS:
        raise UnitError(
            doing=doing, found=f"follow-up up to {follow_up.max():g} {unit} = {months.max():.0f} months",
            expected=f"at most {LONGEST_MONTHS:g} months", try_="--time-unit day if the column holds days",
        )  # fmt: skip
    return months, seen


def _check_contact(
    frame: pd.DataFrame, column: str, follow_up: FloatArray, seen: FloatArray, unit: str, doing: str
) -> None:
    last = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64) * convert(1.0, unit, "month")
    late = np.flatnonzero((seen == 1) & (follow_up > last + 1e-9))
    if late.size:
        raise _wrong(
            f"{doing}, line {int(late[0]) + 2}", f"{late.size} events after the last contact", "events before it",
            "checking the dates of these patients",
        )  # fmt: skip


def _begun(frame: pd.DataFrame, start: str, arm: str, unit: str, landmark: float | None, doing: str) -> FloatArray:
    if landmark is None:
        raise _wrong(
            doing, f"a treatment that starts at '{start}', after time zero", "a landmark: until it starts, its takers "
            "cannot have had the event (immortal time)", "--landmark 3",
        )  # fmt: skip
    if arm == start:
        raise _wrong(
            doing, "the same column for the arm and its start", "two columns", "--start with the time it began"
        )
    began = pd.to_numeric(frame[start], errors="coerce").to_numpy(dtype=np.float64) * convert(1.0, unit, "month")
    return (began <= landmark).astype(np.float64)


def _arms(
    column: pd.Series, treated: str, control: str, doing: str
) -> tuple[FloatArray, tuple[str, str], NDArray[np.bool_]]:
    labels = column.map(lambda v: f"{v:g}" if isinstance(v, int | float) else str(v).strip())
    levels = sorted(set(labels[column.notna()]))
    for name in (treated, control):
        if name and name not in levels:
            raise unknown_name(f"{doing}: choosing the arms", name, levels)
    if treated and not control and len(levels) == 2:
        control = next(level for level in levels if level != treated)
    if not treated and levels == ["0", "1"]:
        treated, control = "1", "0"
    if len(levels) < 2:
        raise _wrong(
            doing, f"one arm ({', '.join(levels) or 'none'})", "two arms: without a control no effect can be told from "
            "prognosis", "`abscopal stratify score` or `fit` for prognosis",
        )  # fmt: skip
    if not (treated and control):
        raise _wrong(
            doing,
            "arms " + ", ".join(levels[:8]),
            "which one is treated",
            f"--treated '{levels[-1]}' --control '{levels[0]}'",
        )
    kept = labels.isin([treated, control]).to_numpy() & column.notna().to_numpy()
    return np.asarray(labels == treated, dtype=np.float64), (control, treated), kept


def _covariates(
    frame: pd.DataFrame, missing: Missing, doing: str
) -> tuple[FloatArray, tuple[str, ...], NDArray[np.bool_], tuple[str, ...]]:
    lacks = frame.isna()
    incomplete = lacks.any(axis=1).to_numpy()
    notes: tuple[str, ...] = ()
    if incomplete.any() and missing == "refuse":
        columns = [str(c) for c in frame if lacks[c].any()]
        raise _wrong(
            doing, f"{int(incomplete.sum())} patients without {', '.join(columns[:6])}",
            "every covariate of every patient",
            "--missing drop, --missing indicator, or --covariate for fewer columns",
        )  # fmt: skip
    whole = np.ones(len(frame), dtype=bool)
    if incomplete.any() and missing == "drop":
        whole = ~incomplete
        notes = (f"{int(incomplete.sum())} patients with a missing covariate left out",)
    parts, names = [], []
    for column in frame:
        numbers, labels = _coded(frame[column], str(column), doing)
        if missing == "indicator" and lacks[column].any():
            numbers = np.column_stack([np.nan_to_num(numbers - np.nanmean(numbers, axis=0)), lacks[column].to_numpy()])
            labels = [*labels, f"{column} missing"]
            notes = (*notes, f"{column}: missing in {int(lacks[column].sum())}, set to the mean with an indicator")
        parts.append(numbers)
        names += labels
    design = np.column_stack(parts) if parts else np.empty((len(frame), 0))
    varies = np.nanstd(design[whole], axis=0) > 0 if design.size else np.zeros(0, dtype=bool)
    return design[:, varies].astype(np.float64), tuple(n for n, v in zip(names, varies, strict=True) if v), whole, notes


def _coded(column: pd.Series, name: str, doing: str) -> tuple[FloatArray, list[str]]:
    """A column as numbers: itself, or one 0/1 column per category after the first."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64)[:, None], [name]
    levels = sorted(column.dropna().astype(str).unique())
    if len(levels) > 20:
        raise _wrong(
            doing, f"{len(levels)} categories in '{name}'", "at most 20", "--covariate to name the columns to use"
        )
    coded = np.column_stack(
        [np.where(column.isna(), np.nan, column.astype(str) == level) for level in levels[1:]]
        or [np.zeros(len(column))]
    )
    return coded.astype(np.float64), [f"{name} {level}" for level in levels[1:]] or [name]


def _check_arms(trial: Trial, doing: str) -> None:
    for arm, name in ((1.0, trial.treated), (0.0, trial.control)):
        members = trial.w == arm
        if members.sum() < FEWEST_PER_ARM or not trial.event[members].any():
            raise _wrong(
                doing, f"{int(members.sum())} patients with {int(trial.event[members].sum())} events in arm '{name}'",
                f"at least {FEWEST_PER_ARM} patients and an event in each arm", "pooling, or an earlier landmark",
            )  # fmt: skip
