"""One analysis of a two-arm trial: what is shown, and what is not."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.registry import entries, find
from abscopal.learning.pseudo_values import restricted_mean
from abscopal.stratification.benefit import evaluate, learners
from abscopal.stratification.benefit.evaluate import Estimate, Group, Ranked
from abscopal.stratification.benefit.outcome import (
    Transform,
    check_horizon,
    default_horizon,
    fit_cox,
    reach,
    restricted_outcome,
)
from abscopal.stratification.benefit.propensity import Overlap, overlap
from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
FOLDS = 5
EVENTS_PER_PARAMETER = 10
NOT_SHOWN = "not shown"
RT_TO_ICI = (
    "Insufficient evidence: what radiotherapy adds to an ICI cannot be read from these data. Only a comparison of "
    "radiotherapy with ICI against the same ICI alone could show it."
)


@dataclass(frozen=True)
class Modifier:
    """Hazard ratio of the product of treatment and one covariate, per standard deviation. [1]."""

    name: str
    ratio: Estimate


@dataclass(frozen=True)
class Heterogeneity:
    """How well one estimator's predicted gains rank patients they were not fitted on.

    Attributes
    ----------
    autoc, qini : Estimate
        [month]
    concordance : Estimate
        C-for-benefit; 0.5 is chance. [1]
    in_the_large : Estimate
        Mean score less mean predicted gain; 0 is calibrated. [month]
    slope : Estimate
        1 is calibrated. [1]
    policy, treat_all : Estimate
        Gain per patient over treating none. [month]
    predicted : array, shape (n,)
        Gain of each patient predicted from the other folds. [month]
    """

    estimator: str
    autoc: Estimate
    qini: Estimate
    concordance: Estimate
    in_the_large: Estimate
    slope: Estimate
    policy: Estimate
    treat_all: Estimate
    groups: tuple[Group, ...]
    predicted: FloatArray

    @property
    def shown(self) -> bool:
        """Whether the interval of the AUTOC lies above zero."""
        return self.autoc.low > 0


@dataclass(frozen=True)
class BenefitAnalysis:
    """Result of `analyse_benefit`.

    Attributes
    ----------
    horizon : float
        Restriction of survival. [month]
    average : Estimate
        Doubly robust difference in restricted mean survival time, treated less control. [month]
    unadjusted : Estimate
        The same without covariates. [month]
    hazard_ratio : Estimate
        Of treatment, adjusted for the covariates. [1]
    modifiers : tuple of Modifier
        Prespecified ones, each from a Cox model with its product with treatment.
    heterogeneity : tuple of Heterogeneity
        The first is the primary; only it carries the verdict.
    e_value : tuple of float, optional
        Of the hazard ratio and of its interval; for data that were not randomised.
    negative_control : Estimate, optional
        Difference the treatment seems to make to something it cannot change.
    """

    trial: Trial
    horizon: float
    transform: Transform
    average: Estimate
    unadjusted: Estimate
    hazard_ratio: Estimate
    modifiers: tuple[Modifier, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    overlap: Overlap
    e_value: tuple[float, float] | None
    negative_control: Estimate | None
    scores: FloatArray
    verdict: str
    verdict_heterogeneity: str
    verdict_rt: str
    notes: tuple[str, ...]


def estimator_names() -> list[str]:
    """Names of the estimators that predict gain."""
    return [entry.name for entry in entries("benefit")]


def analyse_benefit(
    trial: Trial,
    *,
    horizon: float | None = None,
    estimators: tuple[str, ...] = ("dr",),
    transform: Transform = "pseudo",
    modifiers: tuple[str, ...] = (),
    negative_control: str = "",
    rt_against_ici: bool = False,
    groups: int = 3,
    seed: int = 0,
) -> BenefitAnalysis:
    """Average effect, its heterogeneity, and what can honestly be said.

    Parameters
    ----------
    trial : Trial
    horizon : float, optional
        By default the smaller of the arms' 90th percentiles of follow-up. [month]
    estimators : tuple of str
        The first is the primary and alone carries the verdict; the others show how far it depends on it.
    transform : {"pseudo", "ipcw", "aipcw"}
    modifiers : tuple of str
        Covariates named beforehand for an interaction Cox.
    negative_control : str
        A covariate that treatment cannot change; it is taken out of the covariates.
    rt_against_ici : bool
        Whether the arms are radiotherapy with ICI against the same ICI alone.
    groups : int
        Number of groups by predicted gain.
    seed : int
        Of folds and matchings.

    Raises
    ------
    InputError
        A horizon beyond follow-up, an unknown estimator or covariate, fewer events than parameters.
    """
    fits = {name: find("benefit", name).target for name in estimators}
    trial, control_column = _without(trial, negative_control)
    tau = default_horizon(trial) if horizon is None else horizon
    check_horizon(trial, tau)
    _check_events(trial)
    y = restricted_outcome(trial, tau, transform)
    scores = learners.cross_fitted_scores(trial, y, seed=seed)
    average = evaluate.mean_of(scores)
    hazard = _hazard_ratio(trial)
    found = tuple(
        _heterogeneity(name, fit, trial, tau, transform, y, scores, groups, seed)
        for name, fit in track(list(fits.items()), "estimators")
    )
    near = hazard.low if hazard.value > 1 else hazard.high
    return BenefitAnalysis(
        trial=trial,
        horizon=tau,
        transform=transform,
        average=average,
        unadjusted=_unadjusted(trial, y),
        hazard_ratio=hazard,
        modifiers=tuple(_modifier(trial, name) for name in modifiers),
        heterogeneity=found,
        overlap=overlap(trial),
        e_value=None if trial.randomised else evaluate.e_value(hazard.value, near),
        negative_control=None if control_column is None else _negative(trial, control_column),
        scores=scores,
        verdict=_verdict(trial, average, tau),
        verdict_heterogeneity=_verdict_heterogeneity(found[0]),
        verdict_rt=_verdict_rt(trial, average, _verdict(trial, average, tau), rt_against_ici=rt_against_ici),
        notes=_notes(trial, transform, tau),
    )


def sequential(
    fit: learners.FitEffect, trial: Trial, tau: float, transform: Transform, y: FloatArray, *, seed: int
) -> list[Ranked]:
    """Folds ranked and scored by models of the folds before them; see `evaluate.combine`."""
    order = learners.folds_of(trial, FOLDS, seed)
    found = []
    for fold in range(1, FOLDS):
        past, here = np.flatnonzero(order < fold), np.flatnonzero(order == fold)
        train, test = trial.rows(past), trial.rows(here)
        if fold == 1 and min(train.w.sum(), (1 - train.w).sum()) < 2 * trial.x.shape[1]:
            continue  # too few to fit the first model on; the later folds carry the test
        known = restricted_outcome(train, min(tau, reach(train)), transform)
        scores = learners.Nuisance.fit(train, known).scores(test, y[here])
        found.append(Ranked(fit(train, min(tau, reach(train)), transform)(test.x), scores))
    return found


def _heterogeneity(
    name: str,
    fit: learners.FitEffect,
    trial: Trial,
    tau: float,
    transform: Transform,
    y: FloatArray,
    scores: FloatArray,
    groups: int,
    seed: int,
) -> Heterogeneity:
    folds = learners.folds_of(trial, FOLDS, seed)
    predicted = np.empty(trial.n)
    for fold in range(FOLDS):
        rest, here = trial.rows(folds != fold), folds == fold
        predicted[here] = fit(rest, min(tau, reach(rest)), transform)(trial.x[here])
    ranked = sequential(fit, trial, tau, transform, y, seed=seed)
    whole = Ranked(predicted, scores)
    policy, treat_all = evaluate.policy_value(whole)
    return Heterogeneity(
        estimator=name,
        autoc=evaluate.combine(ranked),
        qini=evaluate.combine(ranked, weighting="qini"),
        concordance=evaluate.concordance_for_benefit(trial, predicted, y, seed=seed),
        in_the_large=evaluate.mean_of(scores - predicted),
        slope=evaluate.calibration_slope(whole),
        policy=policy,
        treat_all=treat_all,
        groups=tuple(evaluate.groups_by_gain(trial, predicted, y, count=groups)),
        predicted=predicted,
    )


def _without(trial: Trial, column: str) -> tuple[Trial, FloatArray | None]:
    if not column:
        return trial, None
    place = _place(trial, column)
    keep = [i for i in range(len(trial.names)) if i != place]
    rest = replace(trial, x=trial.x[:, keep], names=tuple(trial.names[i] for i in keep))
    return rest, trial.x[:, place]


def _place(trial: Trial, name: str) -> int:
    if name in trial.names:
        return trial.names.index(name)
    from abscopal.domain.registry import unknown_name

    raise unknown_name("choosing a covariate", name, list(trial.names))


def _check_events(trial: Trial) -> None:
    events, parameters = int(trial.event.sum()), 2 * trial.x.shape[1] + 1
    if events <= parameters:
        raise InputError(
            doing="estimating effects given covariates", found=f"{events} events and {parameters} parameters",
            expected="more events than parameters, better ten for each", try_="--covariate to name fewer columns",
        )  # fmt: skip


def _unadjusted(trial: Trial, y: FloatArray) -> Estimate:
    arms = [y[trial.w == arm] for arm in (1.0, 0.0)]
    error = np.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms))
    return Estimate.of(float(arms[0].mean() - arms[1].mean()), float(error))


def _hazard_ratio(trial: Trial) -> Estimate:
    x = _standard(trial.x)
    fitted = fit_cox(np.column_stack([trial.w, x]), trial.time, trial.event, 0.0 if x.shape[1] < 10 else 0.01)
    return _ratio(fitted, 0)


def _modifier(trial: Trial, name: str) -> Modifier:
    place, x = _place(trial, name), _standard(trial.x)
    half = trial.w - 0.5
    fitted = fit_cox(np.column_stack([half * x[:, place], half, x]), trial.time, trial.event, 0.0)
    return Modifier(name, _ratio(fitted, 0))


def _ratio(fitted: object, place: int) -> Estimate:
    row = fitted.summary.iloc[place]  # type: ignore[attr-defined]
    return Estimate(*(float(row[c]) for c in ("exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%")))


def _standard(x: FloatArray) -> FloatArray:
    found: FloatArray = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    return found


def _negative(trial: Trial, column: FloatArray) -> Estimate:
    return evaluate.mean_of(learners.cross_fitted_scores(trial, column / (column.std() or 1.0)))


def _verdict(trial: Trial, average: Estimate, tau: float) -> str:
    numbers = f"{average.value:+.2f} months ({average.low:+.2f} to {average.high:+.2f}) of {tau:.3g} months"
    if not average.excludes():
        return f"{NOT_SHOWN}: the interval of the average difference covers zero, {numbers}"
    way = "longer" if average.value > 0 else "shorter"
    return f"on average {way} restricted survival with {trial.treated} than with {trial.control}: {numbers}"


def _verdict_heterogeneity(primary: Heterogeneity) -> str:
    a = primary.autoc
    numbers = f"AUTOC {a.value:+.2f} months ({a.low:+.2f} to {a.high:+.2f}), estimator {primary.estimator}"
    if primary.shown:
        return f"patients ranked by predicted gain differ in observed gain: {numbers}"
    if a.high < 0:
        return f"{NOT_SHOWN}: the ranking points the wrong way, {numbers}"
    return f"{NOT_SHOWN}: no evidence of heterogeneity, the interval covers zero, {numbers}"


def _verdict_rt(trial: Trial, average: Estimate, verdict: str, *, rt_against_ici: bool) -> str:
    if not rt_against_ici:
        return RT_TO_ICI
    if not trial.randomised:
        return "Insufficient evidence: radiotherapy was not assigned at random; see the E-value and the overlap."
    if not average.excludes():
        return f"{NOT_SHOWN}: the interval of the average difference covers zero."
    return f"Randomised against the same ICI alone: {verdict}"


def _notes(trial: Trial, transform: Transform, tau: float) -> tuple[str, ...]:
    notes = list(trial.notes)
    reached = [float((trial.time[trial.w == arm] >= tau).mean()) for arm in (0.0, 1.0)]
    notes.append(
        f"still followed at {tau:.3g} months: control {100 * reached[0]:.0f} %, treated {100 * reached[1]:.0f} %"
    )
    parameters = 2 * trial.x.shape[1] + 1
    if trial.event.sum() < EVENTS_PER_PARAMETER * parameters:
        notes.append(f"{int(trial.event.sum())} events for {parameters} parameters: fewer than ten each, expect noise")
    if transform == "pseudo":
        notes.append(
            "pseudo-values hold when censoring does not depend on covariates inside an arm; see --transform aipcw"
        )
    apart = overlap(trial)
    if trial.randomised and (odd := apart.unbalanced(weighted=False)):
        notes.append(f"taken as randomised, yet unbalanced in {', '.join(odd[:6])}: --observational if it was not")
    if not trial.randomised:
        notes.append("not randomised: every difference rests on there being no confounder outside the columns given")
    areas = [restricted_mean(trial.time[trial.w == arm], trial.event[trial.w == arm], tau) for arm in (1.0, 0.0)]
    notes.append(f"restricted mean survival: {areas[0]:.2f} months treated, {areas[1]:.2f} control")
    notes.append(
        "one primary estimator carries the verdict; an interaction needs about four times the patients of a main effect"
    )
    return tuple(notes)
