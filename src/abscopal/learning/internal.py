"""Internal validation: nested cross-validation, and bootstrap optimism, with every choice inside."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from abscopal.domain.progress import track
from abscopal.learning.estimators.delegate import event_probability
from abscopal.learning.outcome import FloatArray, Outcome
from abscopal.learning.performance import figures, probability_times
from abscopal.learning.resampling import folds


def nested_cross_validation(
    estimator: Any,
    table: pd.DataFrame,
    y: FloatArray,
    outcome: Outcome,
    grid: FloatArray,
    *,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int = 0,
) -> FloatArray:
    """Out-of-fold probabilities: imputation, choice of terms, setting and family are repeated in each fold.

    Returns
    -------
    array, shape (n, k + 1)
        At each time of the grid, then at the horizon; averaged over the repeats. [1]
    """
    times = probability_times(grid, outcome)
    total = np.zeros((len(y), 1 if outcome.kind == "binary" else len(times)))
    parts = list(folds(y, outcome.kind, n_folds, n_repeats, seed))
    for fit, test in track(parts, "nested cross-validation", len(parts)):
        model = clone(estimator).fit(table.iloc[fit], y[fit])
        total[test] += event_probability(model, table.iloc[test], outcome.kind, times)
    return total / n_repeats


def bootstrap_optimism(
    estimator: Any,
    table: pd.DataFrame,
    y: FloatArray,
    outcome: Outcome,
    grid: FloatArray,
    *,
    n_resamples: int = 50,
    seed: int = 0,
) -> dict[str, tuple[float, float, float]]:
    """Apparent figure, mean optimism and corrected figure of each measure.

    In each resample the whole estimator is fitted again, choices included; optimism is its figure
    in the resample less its figure in the cohort.

    References
    ----------
    Harrell FE et al., Stat Med 1996.
    """
    rng, times = np.random.default_rng(seed), probability_times(grid, outcome)

    def measured(model: Any, rows: Any) -> dict[str, float]:
        p = event_probability(model, table.iloc[rows], outcome.kind, times)
        return figures(y[rows], p, grid, outcome)

    everyone = np.arange(len(y))
    apparent = measured(clone(estimator).fit(table, y), everyone)
    optimism: dict[str, list[float]] = {name: [] for name in apparent}
    for _ in track(range(n_resamples), "bootstrap optimism", n_resamples):
        rows = rng.integers(0, len(y), len(y))
        model = clone(estimator).fit(table.iloc[rows], y[rows])
        inside, outside = measured(model, rows), measured(model, everyone)
        for name in apparent:
            optimism[name].append(inside[name] - outside[name])
    means = {name: float(np.nanmean(values)) for name, values in optimism.items()}
    return {name: (apparent[name], means[name], apparent[name] - means[name]) for name in apparent}
