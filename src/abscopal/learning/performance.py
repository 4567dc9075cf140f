"""The figures every fit and every validation prints, with intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from abscopal.learning.metrics.bootstrap import bootstrap_intervals
from abscopal.learning.metrics.brier import brier, brier_at, integrated_brier, null_probability, scaled
from abscopal.learning.metrics.calibration import calibration
from abscopal.learning.metrics.discrimination import auc, auc_at, harrell_c, uno_c
from abscopal.learning.outcome import FloatArray, Outcome, time_and_code

LABELS = {
    "auc": "AUC",
    "harrell_c": "Harrell's C",
    "uno_c": "Uno's C",
    "auc_at_horizon": "AUC at the horizon",
    "brier": "Brier score",
    "scaled_brier": "scaled Brier score",
    "integrated_brier": "integrated Brier score",
    "observed_over_expected": "observed over expected",
    "calibration_in_the_large": "calibration in the large",
    "calibration_slope": "calibration slope",
    "ici": "integrated calibration index (ICI)",
    "e90": "E90",
}


class Figure(BaseModel):
    """One measure of performance: `estimate` is None where it cannot be computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    estimate: float | None
    interval: tuple[float, float] | None = None


def probability_times(grid: FloatArray, outcome: Outcome) -> FloatArray:
    """Times at which `figures` wants probabilities: the grid, then the horizon."""
    return np.append(grid, outcome.horizon)


def figures(
    y: FloatArray,
    p: FloatArray,
    grid: FloatArray,
    outcome: Outcome,
    reference: tuple[FloatArray, NDArray[Any]] | None = None,
) -> dict[str, float]:
    """Discrimination, overall accuracy and calibration of predicted probabilities.

    Parameters
    ----------
    y : array, shape (n,) or (n, 2)
    p : array, shape (n, k + 1)
        Probability of the event by each time of the grid, then at the horizon (see
        `probability_times`). One column for a binary outcome. [1]
    grid : array, shape (k,)
        Times of the integrated Brier score.
    outcome : Outcome
    reference : (time, code), optional
        Cohort whose censoring weights the Brier score; the same patients when left out.
    """
    last = p[:, -1]
    shape = calibration(y, last, outcome.kind, outcome.horizon)
    if outcome.kind == "binary":
        score, null = brier(y, last), float(np.mean(y) * (1 - np.mean(y)))
        found = {"auc": auc(y, last), "brier": score, "scaled_brier": scaled(score, null)}
    else:
        time, code = time_and_code(y)
        at = np.array([outcome.horizon])
        score = float(brier_at(time, code, last[:, None], at, reference)[0])
        null = float(brier_at(time, code, null_probability(time, code, at), at, reference)[0])
        found = {
            "harrell_c": harrell_c(time, code, last),
            "uno_c": uno_c(time, code, last, outcome.horizon),
            "auc_at_horizon": auc_at(time, code, last, outcome.horizon),
            "brier": score,
            "scaled_brier": scaled(score, null),
            "integrated_brier": integrated_brier(time, code, p[:, :-1], grid),
        }
    return found | {
        "observed_over_expected": shape.observed / shape.expected,
        "calibration_in_the_large": shape.in_the_large,
        "calibration_slope": shape.slope,
        "ici": shape.ici,
        "e90": shape.e90,
    }


def performance(
    y: FloatArray,
    p: FloatArray,
    grid: FloatArray,
    outcome: Outcome,
    *,
    n_resamples: int = 200,
    seed: int = 0,
    reference: tuple[FloatArray, NDArray[Any]] | None = None,
    what: str = "bootstrap",
) -> tuple[Figure, ...]:
    """`figures` with percentile intervals over resampled patients; parameters as there."""
    intervals = bootstrap_intervals(
        lambda rows: _quietly(y[rows], p[rows], grid, outcome, reference),
        len(y), n_resamples=n_resamples, seed=seed, what=what,
    )  # fmt: skip
    return tuple(
        Figure(
            name=name, label=LABELS[name], estimate=value if np.isfinite(value) else None, interval=intervals.get(name)
        )
        for name, value in figures(y, p, grid, outcome, reference).items()
    )


def _quietly(y: FloatArray, p: FloatArray, grid: FloatArray, outcome: Outcome, reference: Any) -> dict[str, float]:
    """The figures of a resample; none of them where a resample holds no event."""
    from abscopal.domain.errors import ConvergenceError

    events = y.sum() if outcome.kind == "binary" else (y[:, 1] == 1).sum()
    nothing = dict.fromkeys(LABELS, float("nan"))
    if events < 2 or (outcome.kind == "binary" and events > len(y) - 2):
        return nothing
    try:
        return nothing | figures(y, p, grid, outcome, reference)
    except ConvergenceError:
        return nothing
