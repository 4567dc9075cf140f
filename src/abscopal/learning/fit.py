"""Fitting a prediction model with every choice inside its own validation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from abscopal.domain.manifest import make_manifest
from abscopal.learning.card import Comparison, ModelCard, Optimism, OutcomeRecord
from abscopal.learning.checks import check_duplicates, check_event_order, check_leakage, check_sample_size, n_events
from abscopal.learning.estimators.catalogue import DESCRIPTION, candidates, expand_alternatives
from abscopal.learning.estimators.delegate import event_probability
from abscopal.learning.estimators.selected import SimplestWithinNoise
from abscopal.learning.explain import coefficients, permutation_importance
from abscopal.learning.features import FeatureEncoder, columns_of
from abscopal.learning.internal import bootstrap_optimism, nested_cross_validation
from abscopal.learning.metrics.loss import score_times
from abscopal.learning.outcome import FloatArray, Outcome
from abscopal.learning.performance import LABELS, Figure, performance, probability_times
from abscopal.learning.risk_groups import risk_groups
from abscopal.learning.sample_size import heuristic_shrinkage
from abscopal.learning.table import outcome_values, require
from abscopal.learning.transport import Transport, check_transport, summarise_development

Internal = Literal["nested-cv", "bootstrap"]
LIBRARIES = ("numpy", "pandas", "scikit-learn", "lifelines", "statsmodels", "skops")


@dataclass(frozen=True)
class Request:
    """How a model is to be fitted.

    Attributes
    ----------
    terms : list of str
        Features, see `learning.features`.
    alternatives : mapping
        Columns that may stand for a term, such as gEUD at several exponents; chosen inside the validation.
    families : list of str
        Candidates, see `estimators.catalogue`; "auto" for all but the stack.
    internal : {"nested-cv", "bootstrap"}
    allow_few_events, allow_duplicates : bool
        Lift a refusal; the card says so.
    known_before : tuple of str
        Features whose names read like outcomes but that are known at the start.
    notes : tuple of str
        What the caller found about the table, for the card.
    """

    terms: list[str]
    alternatives: Mapping[str, list[str]] | None = None
    families: tuple[str, ...] = ("auto",)
    internal: Internal = "nested-cv"
    n_folds: int = 5
    n_repeats: int = 1
    n_resamples: int = 200
    n_imputations: int = 5
    seed: int = 0
    title: str = ""
    command: str = "fit"
    allow_few_events: bool = False
    allow_duplicates: bool = False
    known_before: tuple[str, ...] = ()
    input_sha256: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted model: its card, and the pipeline from a table to a probability."""

    card: ModelCard
    estimator: Any

    @property
    def outcome(self) -> Outcome:
        """What it predicts."""
        return self.card.outcome.outcome()

    def transport(self, table: pd.DataFrame) -> Transport:
        """Whether these patients are like those fitted on; asked before `probabilities`."""
        require(table, columns_of(list(self.card.terms)))
        return check_transport(self.estimator.encoder_, self.card.development, table)

    @threadpool_limits.wrap(limits=1)
    def probabilities(self, table: pd.DataFrame, times: Any = None) -> FloatArray:
        """Probability of the event by each time, shape (n, k); at the horizon when `times` is left out. [1]."""
        require(table, columns_of(list(self.card.terms)))
        at = np.atleast_1d(self.outcome.horizon if times is None else np.asarray(times, dtype=np.float64))
        return event_probability(self.estimator, table, self.outcome.kind, at)


@threadpool_limits.wrap(limits=1)  # the threads of small fits wait for each other longer than they work
def fit_model(table: pd.DataFrame, outcome: Outcome, request: Request) -> Learned:
    """Fit, validate internally and describe a prediction model.

    Parameters
    ----------
    table : DataFrame
        One row per patient.
    outcome : Outcome
        A horizon of 0 for a censored outcome takes the median time of the events.
    request : Request

    Raises
    ------
    InputError, UnitError
        Unknown columns, one class only, wrong units, leakage, duplicates, too few events.
    """
    alternatives = {term: list(columns) for term, columns in (request.alternatives or {}).items()}
    term_sets = expand_alternatives(request.terms, alternatives)
    require(table, [c for terms in term_sets for c in columns_of(terms)])
    notes = list(request.notes) + check_duplicates(table, allowed=request.allow_duplicates) + check_event_order(table)
    table, y, changed = outcome_values(table, outcome)
    outcome = _with_horizon(outcome, y)
    every = list(dict.fromkeys(term for terms in term_sets for term in terms))
    notes += changed + check_leakage(table, every, outcome, y, known_before=request.known_before)
    encoder = FeatureEncoder(term_sets[0]).fit(table)
    n_parameters = len(encoder.names_) + len(alternatives)
    notes += check_sample_size(n_parameters, y, outcome, allowed=request.allow_few_events)
    chooser = SimplestWithinNoise(
        candidates(
            outcome.kind, list(request.families), term_sets, n_imputations=request.n_imputations, seed=request.seed
        ),
        outcome.kind, n_folds=request.n_folds, random_state=request.seed,
    )  # fmt: skip
    grid = score_times(y, outcome.kind)
    internal, optimism, method = _validated(chooser, table, y, outcome, grid, request)
    chosen = chooser.fit(table, y)
    card = _card(chosen, table, y, outcome, request, n_parameters, internal, optimism, method, notes)
    return Learned(card, chosen.best_)


def _with_horizon(outcome: Outcome, y: FloatArray) -> Outcome:
    if outcome.kind == "binary" or outcome.horizon > 0:
        return outcome
    return replace(outcome, horizon=float(np.median(y[y[:, 1] == 1, 0])))


def _validated(
    chooser: SimplestWithinNoise,
    table: pd.DataFrame,
    y: FloatArray,
    outcome: Outcome,
    grid: FloatArray,
    request: Request,
) -> tuple[tuple[Figure, ...], tuple[Optimism, ...], str]:
    if request.internal == "bootstrap":
        n = max(20, request.n_resamples // 10)
        found = bootstrap_optimism(chooser, table, y, outcome, grid, n_resamples=n, seed=request.seed)
        rows = tuple(
            Optimism(name=name, label=LABELS[name], apparent=a, optimism=o, corrected=c)
            for name, (a, o, c) in found.items()
        )
        figures = tuple(Figure(name=row.name, label=row.label, estimate=row.corrected) for row in rows)
        return figures, rows, f"bootstrap optimism, {n} resamples, every choice repeated in each"
    p = nested_cross_validation(
        chooser, table, y, outcome, grid, n_folds=request.n_folds, n_repeats=request.n_repeats, seed=request.seed + 1
    )
    figures = performance(
        y, p, grid, outcome, n_resamples=request.n_resamples, seed=request.seed, what="intervals of the validation"
    )
    times = "" if request.n_repeats == 1 else f" {request.n_repeats} times"
    text = f"nested cross-validation, {request.n_folds} folds{times}, every choice repeated in each fold"
    return figures, (), text + "; intervals resample the out-of-fold predictions"


def _card(
    chosen: SimplestWithinNoise,
    table: pd.DataFrame,
    y: FloatArray,
    outcome: Outcome,
    request: Request,
    n_parameters: int,
    internal: tuple[Figure, ...],
    optimism: tuple[Optimism, ...],
    method: str,
    notes: list[str],
) -> ModelCard:
    encoder = chosen.best_.encoder_
    development = summarise_development(encoder, table)
    grid = score_times(y, outcome.kind)
    p = event_probability(chosen.best_, table, outcome.kind, probability_times(grid, outcome))
    cuts = tuple(np.unique(np.quantile(p[:, -1], (1 / 3, 2 / 3))).tolist())
    intercept, slopes = coefficients(chosen.best_, development.sd)
    X = encoder.transform(table)
    filled = np.where(np.isnan(X), np.array(development.mean), X)
    missing = [
        f"{name} {100 * share:.0f} %"
        for name, share in zip(development.names, development.missing, strict=True)
        if share
    ]
    codes = y if outcome.kind == "binary" else y[:, 1]
    events = n_events(y, outcome)
    return ModelCard(
        title=request.title or f"Prediction of {OutcomeRecord(**outcome.__dict__).words()}",
        outcome=OutcomeRecord(**outcome.__dict__),
        terms=tuple(encoder.terms),
        asked_terms=tuple(request.terms),
        family=chosen.family_,
        family_words=DESCRIPTION[chosen.family_],
        settings=_settings(chosen.best_),
        n=len(table),
        events=int((codes == 1).sum()),
        competing_events=int((codes == 2).sum()),
        n_parameters=n_parameters,
        events_per_parameter=events / max(n_parameters, 1),
        shrinkage=heuristic_shrinkage(filled, y, outcome),
        median_follow_up=None if outcome.kind == "binary" else float(np.median(y[:, 0])),
        comparison=tuple(
            Comparison(family=f, loss=loss, excess=excess, noise=noise) for f, loss, excess, noise in chosen.comparison_
        ),
        choice=_choice(chosen),
        internal_method=method,
        internal=internal,
        apparent=performance(y, p, grid, outcome, n_resamples=0),
        optimism=optimism,
        intercept=intercept,
        coefficients=slopes,
        importances=permutation_importance(
            chosen.best_, table, y, outcome, columns_of(encoder.terms), seed=request.seed
        ),
        cuts=cuts,
        groups=risk_groups(y, p[:, -1], outcome, cuts),
        development=development,
        notes=tuple(notes),
        missing_rule=(
            f"multiple imputation by chained regressions, {request.n_imputations} copies, inside each resample: "
            + ", ".join(missing)
            if missing
            else "nothing is missing; a missing cell at prediction counts as the median of this cohort"
        ),
        manifest=make_manifest(
            command=request.command,
            inputs={"table": request.input_sha256} if request.input_sha256 else {},
            parameters_sha256="",
            seed=request.seed,
        ),
        software={name: version(name) for name in LIBRARIES},
    )


def _settings(pipeline: Any) -> str:
    """The settings of the estimator inside, as scikit-learn prints them."""
    return " ".join(repr(pipeline.estimator.estimator).split())


def _choice(chosen: SimplestWithinNoise) -> str:
    rows = {row[0]: row for row in chosen.comparison_}
    if len(rows) == 1:
        return "the only family asked for"
    best = min(rows.values(), key=lambda row: row[1])
    mine = rows[chosen.family_]
    if best[0] == chosen.family_:
        return f"least cross-validated loss of {len(rows)} families ({mine[1]:.4f})"
    return (
        f"simplest family within noise: its cross-validated loss of {mine[1]:.4f} exceeds that of {best[0]} "
        f"by {mine[2]:.4f}, one standard error being {mine[3]:.4f}"
    )
