"""Prognostic models fitted on a cohort: what `--outcome` means, and predictions for new patients."""

from collections.abc import Iterable

import pandas as pd
from pydantic import BaseModel, ConfigDict

from abscopal.domain.errors import InputError
from abscopal.learning.fit import Learned
from abscopal.learning.outcome import Outcome
from abscopal.learning.table import unit_of
from abscopal.learning.transport import Transport


def outcome_of(
    text: str, columns: Iterable[str], *, unit: str | None = None, horizon: float = 0.0, competing: bool = False
) -> Outcome:
    """The outcome named by `--outcome`: `response`, or `os_months,os_event`.

    `os_months,event` finds `os_event` where there is no column `event`.

    Raises
    ------
    InputError
        More than two names.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) == 1:
        return Outcome("binary", names[0])
    if len(names) != 2:
        raise InputError(
            doing="reading --outcome", found=repr(text), expected="one yes-no column, or TIME,EVENT",
            try_="--outcome os_months,os_event",
        )  # fmt: skip
    time, event = names
    stem = time.rpartition("_")[0]
    if event not in set(columns) and f"{stem}_{event}" in set(columns):
        event = f"{stem}_{event}"
    return Outcome("competing" if competing else "survival", event, time, unit_of(time, unit), horizon)


class Prediction(BaseModel):
    """Predicted risks, with the transport check that came before them.

    Attributes
    ----------
    risk : tuple of float
        Probability of the model's outcome, one per patient; None where the patient was unlike the
        development cohort and no override was given. [1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str
    evidence: str = "prognostic"
    risk: tuple[float | None, ...]
    transport: Transport
    notes: tuple[str, ...]


def predict(model: Learned, table: pd.DataFrame, *, allow_outside: bool = False) -> Prediction:
    """Risks of new patients, after the transport check.

    A patient outside the development cohort, or with a category it did not hold, gets no number
    unless `allow_outside`.

    Raises
    ------
    InputError
        A feature is missing from the table.
    """
    transport = model.transport(table)
    p = model.probabilities(table)[:, 0]
    notes = list(transport.notes)
    outside = transport.outside
    if any(outside):
        treated = "predicted on request" if allow_outside else "no number without --allow-outside"
        notes.append(f"{sum(outside)} of {len(outside)} patients are unlike the development cohort: {treated}")
    risk = tuple(None if out and not allow_outside else float(one) for one, out in zip(p, outside, strict=True))
    return Prediction(outcome=model.card.outcome.words(), risk=risk, transport=transport, notes=tuple(notes))
