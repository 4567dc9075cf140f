"""What a fitted model leans on: coefficients where it has them, permutation importance always."""

from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from abscopal.learning.estimators.delegate import event_probability
from abscopal.learning.metrics.loss import loss, score_times
from abscopal.learning.outcome import FloatArray, Outcome


class Coefficient(BaseModel):
    """Coefficient per unit of a column and per standard deviation, on the log odds, log hazard or log time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    per_unit: float
    per_sd: float


class Importance(BaseModel):
    """Rise of the loss when one feature is shuffled: mean and standard deviation over shuffles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    loss_increase: float
    sd: float


def coefficients(pipeline: Any, sd: tuple[float, ...]) -> tuple[float | None, tuple[Coefficient, ...]]:
    """Intercept (None without one) and coefficients of a linear model, means over the imputations; () for others."""
    found = [_linear(estimator) for estimator in pipeline.estimator_.estimators_]
    if any(one is None for one in found):
        return None, ()
    slopes = np.mean([one[1] for one in found if one is not None], axis=0)
    starts = [one[0] for one in found if one is not None and one[0] is not None]
    names = pipeline.encoder_.names_
    return (
        float(np.mean(starts)) if starts else None,
        tuple(
            Coefficient(name=name, per_unit=float(slope), per_sd=float(slope * spread))
            for name, slope, spread in zip(names, slopes, sd, strict=True)
        ),
    )


def _linear(estimator: Any) -> tuple[float | None, FloatArray] | None:
    steps = getattr(estimator, "named_steps", {})
    if "logisticregression" in steps:  # undo the standardisation in front of it
        scaler, logistic = steps["standardscaler"], steps["logisticregression"]
        slope = logistic.coef_[0] / scaler.scale_
        return float(logistic.intercept_[0] - slope @ scaler.mean_), slope
    if hasattr(estimator, "coef_") and hasattr(estimator, "center_"):
        return None, estimator.coef_
    return None


def permutation_importance(
    model: Any, table: pd.DataFrame, y: FloatArray, outcome: Outcome, columns: list[str], *, n: int = 5, seed: int = 0
) -> tuple[Importance, ...]:
    """Rise of the loss when each column of the table is shuffled, most important first."""
    rng, times = np.random.default_rng(seed), score_times(y, outcome.kind)

    def measure(X: pd.DataFrame) -> float:
        return loss(y, event_probability(model, X, outcome.kind, times), outcome.kind, times)

    start = measure(table)
    rows = []
    for name in columns:
        rises = [measure(table.assign(**{name: rng.permutation(table[name].to_numpy())})) - start for _ in range(n)]
        rows.append(Importance(name=name, loss_increase=float(np.mean(rises)), sd=float(np.std(rises))))
    return tuple(sorted(rows, key=lambda row: -row.loss_increase))
