"""Rates of immune-related adverse events by class of ICI, and what radiotherapy may change about them."""

from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
from scipy.special import expit, logit

from abscopal.domain.risk import Basis
from abscopal.knowledge.load import load
from abscopal.toxicity.forms import FloatArray
from abscopal.toxicity.rows import number_or_none, rows_of
from abscopal.toxicity.uncertainty import DRAWS, Z

SHEET = "ntcp/irae"
COMBINATION, POOLED, ANY = "combination", "anti-PD-(L)1", "any"
INTERACTION_NOTE = "offset, not a fitted dose-response"
Rule = Literal["none", "lung", "unknown"]


@dataclass(frozen=True)
class Rate:
    """Share of the patients on an ICI who had one event.

    Attributes
    ----------
    key : str
        Short name of the event.
    ici : str
        Class the rate is of; the patient's own, or the nearest there is.
    limits : tuple of float, optional
        Printed 95 % limits or range. [1]
    events, patients : float, optional
        Counts behind the rate.
    """

    key: str
    endpoint: str
    organ: str
    ici: str
    grade: str
    rate: float
    limits: tuple[float, float] | None
    events: float | None
    patients: float | None
    status: str
    locator: str
    remark: str


def classes_of(ici: str) -> tuple[str, ...]:
    """Names under which a patient's ICI may be tabulated, the closest first.

    Parameters
    ----------
    ici : str
        Class, or classes joined by " + " as the assessment writes them.
    """
    parts = {part.strip() for part in ici.split("+") if part.strip()}
    if "anti-CTLA-4" in parts and len(parts) > 1:
        return (COMBINATION, ANY)
    own = next(iter(parts), ANY)
    return (own, POOLED, ANY) if own in {"anti-PD-1", "anti-PD-L1"} else (own, ANY)


def immune_rate(key: str, ici: str, grade: str) -> Rate | None:
    """The tabulated rate of an event for a class of ICI, at this grade or of any grade; None without one."""
    found = [rate for rate in _rates() if rate.key == key]
    for wanted in dict.fromkeys((grade, ANY)):
        for name in classes_of(ici):
            for rate in found:
                if rate.ici == name and rate.grade == wanted:
                    return rate
    return None


def draw_rate(rate: Rate, draws: int = DRAWS, seed: int = 0) -> tuple[FloatArray, Basis]:
    """Draws of a rate, and what its spread rests on.

    Counted patients give a Jeffreys posterior; printed limits a split normal of the log odds; neither,
    a normal of the log odds as wide as the sheet assumes for the rate's status.
    """
    rng = np.random.default_rng([seed, crc32(f"{rate.key} {rate.ici} {rate.grade}".encode())])
    if rate.patients is not None and rate.limits is None:
        events = rate.events if rate.events is not None else rate.rate * rate.patients
        return rng.beta(events + 0.5, rate.patients - events + 0.5, draws), "counted patients"
    z, middle = rng.standard_normal(draws) / Z, float(logit(rate.rate))
    if rate.limits is not None:
        low, high = logit(rate.limits)
        return np.asarray(expit(middle + np.where(z > 0, z * (high - middle), z * (middle - low)))), "printed limits"
    name = "odds_factor_uncertain" if rate.status == "uncertain" else "odds_factor_recalled"
    return np.asarray(expit(middle + z * np.log(load(SHEET)[name]))), "assumed widths"


def onset(key: str, ici: str) -> str:
    """When the event comes after the first ICI dose, in words, or ""."""
    table = [row for row in rows_of(load(SHEET).table("onset")) if row["key"] == key]
    names = (*classes_of(ici), POOLED)
    found = next((row for name in names for row in table if row["ici"] == name), None)
    if found is None:
        return ""
    low, high = number_or_none(found["quartile_low_days"]), number_or_none(found["quartile_high_days"])
    middle = "" if low is None or high is None else f", middle half {low:.0f} to {high:.0f}"
    return f"median {found['median_days']:.0f} days after the first ICI dose{middle} ({found['locator']})"


def interaction_draws(rule: Rule, in_field: bool, draws: int = DRAWS, seed: int = 0) -> FloatArray | None:
    """Draws of the odds ratio of radiation with an immune effect in one organ, None where it is 1.

    Uniform on the log scale over the range of the working rule: an offset, never a dose-response.
    """
    if rule == "none" or not in_field:
        return None
    low, high = load(SHEET).vector(f"{rule}_odds_ratio")
    rng = np.random.default_rng([seed, crc32(f"interaction {rule}".encode())])
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), draws)))


def _rates() -> tuple[Rate, ...]:
    return tuple(_rate(row) for row in rows_of(load(SHEET).table("rates")))


def _rate(row: dict[Any, Any]) -> Rate:
    events, patients = number_or_none(row["events"]), number_or_none(row["patients"])
    low, high = number_or_none(row["low"]), number_or_none(row["high"])
    printed = number_or_none(row["rate"])
    return Rate(
        key=row["key"],
        endpoint=row["endpoint"],
        organ=row["organ"],
        ici=row["ici"],
        grade=str(row["grade"]),
        rate=printed if printed is not None else float(events or 0) / float(patients or 1),
        limits=None if low is None or high is None else (low, high),
        events=events,
        patients=patients,
        status=row["status"],
        locator=row["locator"],
        remark=row["remark"],
    )
