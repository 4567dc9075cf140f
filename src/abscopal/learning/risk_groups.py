"""Patients in groups of predicted risk, with what happened to each group."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from abscopal.learning.outcome import FloatArray, Outcome, time_and_code
from abscopal.learning.product_limit import cumulative_incidence


class RiskGroup(BaseModel):
    """One group between two quantiles of predicted risk.

    Attributes
    ----------
    predicted, observed : float
        Mean prediction and observed risk at the horizon. [1]
    time, incidence : tuple of float
        Steps of the observed cumulative incidence (1 less Kaplan-Meier without competing events).
    at_risk_time, at_risk : tuple
        Patients still followed at round times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    n: int
    events: int
    low: float
    high: float
    predicted: float
    observed: float
    time: tuple[float, ...] = ()
    incidence: tuple[float, ...] = ()
    at_risk_time: tuple[float, ...] = ()
    at_risk: tuple[int, ...] = ()


def risk_groups(y: FloatArray, p: FloatArray, outcome: Outcome, cuts: tuple[float, ...]) -> tuple[RiskGroup, ...]:
    """Groups parted at the predicted risks `cuts`, from low to high; empty groups are left out.

    Parameters
    ----------
    y : array, shape (n,) or (n, 2)
    p : array, shape (n,)
        Predicted risk. [1]
    cuts : tuple of float
        Fixed in the development cohort, so that a validation does not choose them anew. [1]
    """
    place = np.searchsorted(cuts, p, side="right")
    edges = (0.0, *cuts, 1.0)
    return tuple(
        _group(y[place == index], p[place == index], outcome, edges[index], edges[index + 1])
        for index in range(len(cuts) + 1)
        if (place == index).any()
    )


def _group(y: FloatArray, p: FloatArray, outcome: Outcome, low: float, high: float) -> RiskGroup:
    label = f"{100 * low:.0f} to {100 * high:.0f} %"
    if outcome.kind == "binary":
        return RiskGroup(
            label=label, n=len(y), events=int(y.sum()), low=low, high=high, predicted=float(p.mean()),
            observed=float(y.mean()),
        )  # fmt: skip
    time, code = time_and_code(y)
    curve = cumulative_incidence(time, code)
    marks = _round_times(float(outcome.horizon))
    return RiskGroup(
        label=label, n=len(y), events=int((code == 1).sum()), low=low, high=high, predicted=float(p.mean()),
        observed=float(curve(outcome.horizon)), time=(0.0, *curve.time.tolist()),
        incidence=(0.0, *curve.value.tolist()), at_risk_time=tuple(marks.tolist()),
        at_risk=tuple(int((time >= mark).sum()) for mark in marks),
    )  # fmt: skip


def _round_times(horizon: float) -> NDArray[np.float64]:
    """Zero to twice the horizon in five steps."""
    return np.linspace(0, 2 * horizon, 6)
