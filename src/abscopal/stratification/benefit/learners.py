"""Estimators of the effect of treatment given covariates, from plain to flexible.

Each is registered as a `benefit` plugin: a function of the training trial, the horizon and the
outcome, that returns the effect at any covariates: the difference in restricted mean survival
time, in months, positive when treatment prolongs it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.registry import register
from abscopal.stratification.benefit.outcome import Transform, cox_curves, fit_cox, restricted_outcome
from abscopal.stratification.benefit.propensity import propensity
from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
Effect = Callable[[FloatArray], FloatArray]
FitEffect = Callable[[Trial, float, Transform], Effect]
PENALTIES = np.logspace(-2, 5, 22)
FOLDS = 5
CURVE_POINTS = 60


def ridge(x: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> Effect:
    """A ridge regression on standardised covariates, its penalty by leave-one-out; a mean without covariates."""
    if x.shape[1] == 0:
        level = float(np.average(y, weights=weights))
        return lambda rows: np.full(len(rows), level)
    from sklearn.linear_model import RidgeCV

    centre, scale = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    fitted = RidgeCV(alphas=PENALTIES).fit((x - centre) / scale, y, sample_weight=weights)
    return lambda rows: np.asarray(fitted.predict((rows - centre) / scale), dtype=np.float64)


@dataclass(frozen=True)
class Nuisance:
    """Outcome by arm and propensity, as functions of covariates."""

    control: Effect
    treated: Effect
    train: Trial

    @classmethod
    def fit(cls, trial: Trial, y: FloatArray) -> "Nuisance":
        """Fit on a trial and its outcome."""
        parts = [ridge(trial.x[trial.w == arm], y[trial.w == arm]) for arm in (0.0, 1.0)]
        return cls(parts[0], parts[1], trial)

    def scores(self, trial: Trial, y: FloatArray) -> FloatArray:
        """Doubly robust score of each patient: its mean is the average effect. [month]."""
        m0, m1, e = self.control(trial.x), self.treated(trial.x), propensity(self.train, trial.x)
        w = trial.w
        found: FloatArray = m1 - m0 + w / e * (y - m1) - (1 - w) / (1 - e) * (y - m0)
        return found


def folds_of(trial: Trial, k: int, seed: int) -> NDArray[np.int64]:
    """Fold of each patient, arms and events spread evenly."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(trial.n), trial.event, trial.w))
    folds = np.empty(trial.n, dtype=np.int64)
    folds[order] = np.arange(trial.n) % k
    return folds


def cross_fitted_scores(trial: Trial, y: FloatArray, *, k: int = FOLDS, seed: int = 0) -> FloatArray:
    """Doubly robust scores with outcome and propensity models from the other folds."""
    folds, found = folds_of(trial, k, seed), np.empty(trial.n)
    for fold in range(k):
        rest, here = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        found[here] = Nuisance.fit(trial.rows(rest), y[rest]).scores(trial.rows(here), y[here])
    return found


@register("benefit", "dr", title="DR-learner", source="Kennedy 2023, recalled")
def dr_learner(trial: Trial, horizon: float, transform: Transform) -> Effect:
    """Regression of cross-fitted doubly robust scores."""
    return ridge(trial.x, cross_fitted_scores(trial, restricted_outcome(trial, horizon, transform)))


@register("benefit", "x", title="X-learner", source="Künzel et al. 2019, recalled")
def x_learner(trial: Trial, horizon: float, transform: Transform) -> Effect:
    """Imputed effects of each arm, averaged by the propensity."""
    y = restricted_outcome(trial, horizon, transform)
    nuisance, treated = Nuisance.fit(trial, y), trial.w == 1
    of_treated = ridge(trial.x[treated], y[treated] - nuisance.control(trial.x[treated]))
    of_control = ridge(trial.x[~treated], nuisance.treated(trial.x[~treated]) - y[~treated])

    def effect(rows: FloatArray) -> FloatArray:
        e = propensity(trial, rows)
        return e * of_control(rows) + (1 - e) * of_treated(rows)

    return effect


@register("benefit", "r", title="R-learner", source="Nie and Wager 2021, recalled")
def r_learner(trial: Trial, horizon: float, transform: Transform) -> Effect:
    """Residual outcome on residual treatment, cross-fitted."""
    y = restricted_outcome(trial, horizon, transform)
    folds, outcome, treatment = folds_of(trial, FOLDS, 0), np.empty(trial.n), np.empty(trial.n)
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        outcome[here] = y[here] - ridge(trial.x[rest], y[rest])(trial.x[here])
        treatment[here] = trial.w[here] - propensity(trial.rows(rest), trial.x[here])
    return ridge(trial.x, outcome / treatment, treatment**2)


@register("benefit", "forest", title="Causal forest (econml)", source="Athey, Tibshirani and Wager 2019, recalled")
def causal_forest(trial: Trial, horizon: float, transform: Transform) -> Effect:
    """Causal forest of econml on the transformed outcome; optional extra `benefit`."""
    try:
        from econml.dml import CausalForestDML
    except ImportError as exc:
        raise UnsupportedError(
            doing="fitting a causal forest", found="no package econml", expected="the optional extra",
            try_="pip install 'abscopal[benefit]'",
        ) from exc  # fmt: skip
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = restricted_outcome(trial, horizon, transform)
    treatment = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    forest = CausalForestDML(
        model_y=RidgeCV(alphas=PENALTIES), model_t=treatment, discrete_treatment=True,
        n_estimators=200, min_samples_leaf=10, random_state=0, cv=3, n_jobs=1,
    )  # fmt: skip
    forest.fit(y, trial.w.astype(int), X=trial.x)
    return lambda rows: np.asarray(forest.effect(rows), dtype=np.float64).ravel()


@register("benefit", "cox", title="Penalised Cox with all interactions", source="dossier, section 7 (2)")
def interaction_cox(trial: Trial, horizon: float, transform: Transform) -> Effect:  # noqa: ARG001 - of the common form
    """Ridge Cox of treatment (-0.5, 0.5), covariates and their products, turned into a difference of areas."""
    centre, scale = trial.x.mean(axis=0), np.where(trial.x.std(axis=0) > 0, trial.x.std(axis=0), 1.0)

    def design(rows: FloatArray, w: FloatArray) -> FloatArray:
        z, half = (rows - centre) / scale, (w - 0.5)[:, None]
        return np.column_stack([half, z, half * z])

    return _difference_of_areas(design, trial, horizon, penalty=0.1)


@register("benefit", "risk", title="Baseline risk as the single modifier", source="dossier, section 7 (3)")
def risk_based(trial: Trial, horizon: float, transform: Transform) -> Effect:
    """Cox model of prognosis in both arms without treatment; its linear predictor modifies the effect."""
    if trial.x.shape[1] == 0:
        return interaction_cox(trial, horizon, transform)
    centre, scale = trial.x.mean(axis=0), np.where(trial.x.std(axis=0) > 0, trial.x.std(axis=0), 1.0)
    prognosis = fit_cox((trial.x - centre) / scale, trial.time, trial.event, 0.1).params_.to_numpy()

    def design(rows: FloatArray, w: FloatArray) -> FloatArray:
        risk, half = (rows - centre) / scale @ prognosis, w - 0.5
        return np.column_stack([half, risk, half * risk])

    return _difference_of_areas(design, trial, horizon, penalty=0.01)


def _difference_of_areas(
    design: Callable[[FloatArray, FloatArray], FloatArray], trial: Trial, horizon: float, *, penalty: float
) -> Effect:
    grid = np.linspace(0, horizon, CURVE_POINTS)
    train = design(trial.x, trial.w)

    def effect(rows: FloatArray) -> FloatArray:
        at = np.concatenate([design(rows, np.full(len(rows), arm)) for arm in (1.0, 0.0)])
        curves = cox_curves(train, trial.time, trial.event, grid, at=at, penalty=penalty)
        areas = np.asarray(np.trapezoid(curves, grid, axis=1), dtype=np.float64)
        found: FloatArray = areas[: len(rows)] - areas[len(rows) :]
        return found

    return effect
