"""Which rows entered a pool, and why each of the others did not."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from abscopal.trials.evidence import load_trials, select


@dataclass(frozen=True)
class Excluded:
    """One reason, and the trials that went out for it (each for the first reason that holds)."""

    reason: str
    trials: tuple[str, ...]


@dataclass(frozen=True)
class Flow:
    """The way of the trials of one end point into one pool, in the order of a PRISMA diagram.

    Attributes
    ----------
    identified : int
        Rows of the table at this end point.
    excluded : tuple of Excluded
        In the order the reasons were asked.
    included : tuple of str
        What `evidence.select` returns.
    """

    endpoint: str
    pool: str
    identified: int
    excluded: tuple[Excluded, ...]
    included: tuple[str, ...]

    def lines(self) -> list[str]:
        """The flow in words, one line a step."""
        steps = [f"{self.identified} rows of {self.endpoint}"]
        steps += [f"− {len(step.trials)} {step.reason}: {', '.join(step.trials)}" for step in self.excluded]
        return [*steps, f"= {len(self.included)} pooled"]


def flow(
    endpoint: str | tuple[str, ...] = "OS",
    pool: Literal["ici", "rt"] = "ici",
    *,
    table: pd.DataFrame | None = None,
    **filters: Any,
) -> Flow:
    """What `select(endpoint=..., pool=..., **filters)` pools, and what it leaves out for which reason.

    Parameters
    ----------
    endpoint, pool, table, filters
        As in `evidence.select`.

    Raises
    ------
    InputError
        An unknown end point or timing.
    """
    endpoints = (endpoint,) if isinstance(endpoint, str) else endpoint
    table = load_trials() if table is None else table
    chosen = select(endpoint=endpoint, pool=pool, table=table, **filters)
    rows = table.loc[table["endpoint"].isin(endpoints)]
    keys = set(zip(chosen["trial"], chosen["endpoint"], strict=True))
    out: dict[str, list[str]] = {}
    for row in rows.to_dict("records"):
        if (row["trial"], row["endpoint"]) not in keys:
            out.setdefault(_reason(row, pool), []).append(str(row["trial"]))
    order = [*_ORDER, *sorted(set(out) - set(_ORDER))]
    return Flow(
        endpoint="+".join(endpoints),
        pool=pool,
        identified=len(rows),
        excluded=tuple(Excluded(reason, tuple(out[reason])) for reason in order if reason in out),
        included=tuple(chosen["trial"]),
    )


WITHHELD = "outcome withheld for the blind test"
RETRACTED = "retracted"
OVERLAP = "contains, or shares a control arm with, another row"
SINGLE = "single arm"
QUESTION = "asks another question"
NO_INTERVAL = "no hazard ratio with an interval retrieved"
UNCERTAIN = "hazard ratio uncertain or of unclear contrast"
FILTERED = "outside the subset asked for"
_ORDER = (WITHHELD, RETRACTED, OVERLAP, SINGLE, QUESTION, NO_INTERVAL, UNCERTAIN, FILTERED)
_QUESTION = {"ici": {"add_ici", "swap_ici"}, "rt": {"add_rt"}}


def _reason(row: dict[Any, Any], pool: str) -> str:
    """The first reason, in the order of the table, that keeps a row out."""
    asked = [
        (row["pool"] == "holdout", WITHHELD),
        ("retraction" in row["flags"], RETRACTED),
        ("overlap" in row["flags"], OVERLAP),
        (row["comparison_type"] == "single_arm", SINGLE),
        (row["comparison_type"] not in _QUESTION[pool], QUESTION),
        (pd.isna(row["se"]), NO_INTERVAL),
        (not row["poolable"], UNCERTAIN),
    ]
    return next((reason for holds, reason in asked if holds), FILTERED)
