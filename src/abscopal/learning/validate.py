"""External validation: a model, or any column of probabilities, against what happened."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from abscopal.domain.errors import ConvergenceError, InputError
from abscopal.domain.manifest import RESEARCH_USE, Manifest, make_manifest
from abscopal.domain.progress import track
from abscopal.knowledge.load import load
from abscopal.learning.card import ModelCard, OutcomeRecord
from abscopal.learning.checks import check_duplicates, check_event_order
from abscopal.learning.fit import Learned
from abscopal.learning.metrics.calibration import calibration
from abscopal.learning.metrics.decision import net_benefit, treat_all
from abscopal.learning.metrics.loss import score_times
from abscopal.learning.outcome import FloatArray, Outcome
from abscopal.learning.performance import Figure, performance, probability_times
from abscopal.learning.risk_groups import RiskGroup, risk_groups
from abscopal.learning.table import RULES, as_numbers, outcome_values, require
from abscopal.learning.transport import Transport

SEX = re.compile(r"^(sex|gender)$|^(sex|gender)_(male|female)$|^(fe)?male$", re.I)
AGE = re.compile(r"^age$|^age[_ .](years?|at[_ .].*|y)$", re.I)


class CalibrationCurve(BaseModel):
    """The flexible curve with its pointwise interval. [1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class DecisionCurve(BaseModel):
    """Net benefit of acting above each threshold; acting on nobody has 0. [1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: tuple[float, ...]
    model: tuple[float, ...]
    everyone: tuple[float, ...]


class Subgroup(BaseModel):
    """Figures of one subgroup; none, with the reason, where it is too small."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    n: int
    events: int
    figures: tuple[Figure, ...]
    reason: str = ""


class Validation(BaseModel):
    """Everything a validation report shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    research_use: str = RESEARCH_USE
    outcome: OutcomeRecord
    n: int
    events: int
    competing_events: int
    figures: tuple[Figure, ...]
    internal: tuple[Figure, ...] = ()
    curve: CalibrationCurve
    predicted: tuple[float, ...]
    decision: DecisionCurve
    groups: tuple[RiskGroup, ...]
    subgroups: tuple[Subgroup, ...]
    transport: Transport | None = None
    notes: tuple[str, ...]
    card: ModelCard | None = None
    manifest: Manifest


def validate_model(
    model: Learned,
    table: pd.DataFrame,
    *,
    event: str | None = None,
    time: str | None = None,
    allow_duplicates: bool = False,
    **options: Any,
) -> Validation:
    """Validate a fitted model on a table of other patients.

    Parameters
    ----------
    model : Learned
    table : DataFrame
        With the model's features and the outcome.
    event, time : str, optional
        Columns of the outcome here, where they are named differently. The unit is the model's.
    **options
        As `validate_probabilities`.

    Raises
    ------
    InputError
        A column is missing, the outcome is unusable, a patient occurs twice.
    """
    outcome = Outcome(
        model.outcome.kind, event or model.outcome.event, time or model.outcome.time, model.outcome.unit,
        model.outcome.horizon,
    )  # fmt: skip
    notes = check_duplicates(table, allowed=allow_duplicates) + check_event_order(table)
    if options.get("input_sha256") and options["input_sha256"] == model.card.manifest.inputs.get("table"):
        notes.append("NOT A VALIDATION: this is the table the model was fitted on, so every figure is too good")
    table, y, changed = outcome_values(table, outcome)
    transport = model.transport(table)
    notes += changed + list(transport.notes) + _unit_doubt(model.card, y, outcome)
    grid = score_times(y, outcome.kind)
    p = model.probabilities(table, probability_times(grid, outcome))
    found = validate_probabilities(
        p, y, outcome, table, cuts=model.card.cuts, notes=notes, title=model.card.title, **options
    )
    return found.model_copy(update={"transport": transport, "card": model.card, "internal": model.card.internal})


def validate_column(table: pd.DataFrame, column: str, outcome: Outcome, **options: Any) -> Validation:
    """Validate probabilities that stand in a column, such as those of a published model.

    For a censored outcome they are probabilities at the horizon; the integrated Brier score then
    holds them fixed over time and says little.

    Raises
    ------
    InputError
        The column is missing or holds something other than probabilities.
    """
    require(table, [column])
    table, y, notes = outcome_values(table, outcome)
    p = as_numbers(table[column])
    if not (np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()):
        raise InputError(
            doing=f"validating the column {column}", found="cells that are no probability",
            expected="numbers from 0 to 1 for every patient with an outcome", try_="dividing per cent by 100",
        )  # fmt: skip
    width = 1 if outcome.kind == "binary" else len(score_times(y, outcome.kind)) + 1
    return validate_probabilities(
        np.repeat(p[:, None], width, axis=1),
        y,
        outcome,
        table,
        notes=notes,
        title=f"Probabilities in {column}",
        **options,
    )


def validate_probabilities(
    p: FloatArray,
    y: FloatArray,
    outcome: Outcome,
    table: pd.DataFrame,
    *,
    cuts: tuple[float, ...] | None = None,
    title: str = "",
    notes: list[str] | None = None,
    sex: str | None = None,
    age: str | None = None,
    thresholds: tuple[float, float] | None = None,
    reference: tuple[FloatArray, NDArray[Any]] | None = None,
    n_resamples: int = 200,
    seed: int = 0,
    command: str = "validate",
    input_sha256: str = "",
) -> Validation:
    """Figures, curves, groups and subgroups of predicted probabilities.

    Parameters
    ----------
    p : array, shape (n, k + 1)
        As in `learning.performance.figures`.
    y : array, shape (n,) or (n, 2)
    table : DataFrame
        The same patients; gives the subgroups.
    cuts : tuple of float, optional
        Predicted risks that part the risk groups; thirds of these patients when left out.
    sex, age : str, optional
        Columns of the subgroups; found by name when left out.
    thresholds : (float, float), optional
        Range of the decision curve; from 0.02 to the larger of twice the event rate and 0.5 when left out.
    reference : (time, code), optional
        Cohort whose censoring weights the Brier score.
    """
    grid, last = score_times(y, outcome.kind), p[:, -1]
    codes = y if outcome.kind == "binary" else y[:, 1]
    shape = calibration(y, last, outcome.kind, outcome.horizon)
    low, high = thresholds or (0.02, float(min(0.9, max(0.5, 2 * shape.observed))))
    marks = np.linspace(low, high, 60)
    edges = cuts if cuts is not None else tuple(np.unique(np.quantile(last, (1 / 3, 2 / 3))).tolist())
    return Validation(
        title=title,
        outcome=OutcomeRecord(**outcome.__dict__),
        n=len(y),
        events=int((codes == 1).sum()),
        competing_events=int((codes == 2).sum()),
        figures=performance(y, p, grid, outcome, n_resamples=n_resamples, seed=seed, reference=reference),
        curve=_curve(y, last, outcome, shape.curve_p, shape.curve_observed, n_resamples // 2, seed),
        predicted=tuple(last.tolist()),
        decision=DecisionCurve(
            threshold=tuple(marks.tolist()),
            model=tuple(net_benefit(y, last, marks, outcome.kind, outcome.horizon).tolist()),
            everyone=tuple(treat_all(y, marks, outcome.kind, outcome.horizon).tolist()),
        ),
        groups=risk_groups(y, last, outcome, edges),
        subgroups=_subgroups(p, y, outcome, table, sex, age, n_resamples, seed),
        notes=tuple(notes or ()),
        manifest=make_manifest(
            command=command, inputs={"table": input_sha256} if input_sha256 else {}, parameters_sha256="", seed=seed
        ),
    )


def _curve(
    y: FloatArray, p: FloatArray, outcome: Outcome, at: FloatArray, observed: FloatArray, n_resamples: int, seed: int
) -> CalibrationCurve:
    rng = np.random.default_rng(seed)
    curves = []
    for _ in track(range(n_resamples), "calibration curve", n_resamples):
        rows = rng.integers(0, len(y), len(y))
        try:
            one = calibration(y[rows], p[rows], outcome.kind, outcome.horizon)
        except ConvergenceError:
            continue
        curves.append(np.interp(at, one.curve_p, one.curve_observed))
    low, high = np.quantile(curves, (0.025, 0.975), axis=0) if len(curves) > 20 else (observed, observed)
    return CalibrationCurve(
        predicted=tuple(at.tolist()), observed=tuple(observed.tolist()), low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )  # fmt: skip


def _unit_doubt(card: ModelCard, y: FloatArray, outcome: Outcome) -> list[str]:
    """A cohort followed for times of another order may hold another unit."""
    if outcome.kind == "binary" or not card.median_follow_up:
        return []
    ratio = float(np.median(y[:, 0])) / card.median_follow_up
    limit = load(RULES)["follow_up_ratio"]
    if 1 / limit <= ratio <= limit:
        return []
    return [
        f"UNIT IN DOUBT: median time {ratio:.3g} times the development cohort's; the model counts in {outcome.unit}s"
    ]


def _subgroups(
    p: FloatArray,
    y: FloatArray,
    outcome: Outcome,
    table: pd.DataFrame,
    sex: str | None,
    age: str | None,
    n_resamples: int,
    seed: int,
) -> tuple[Subgroup, ...]:
    masks: dict[str, NDArray[np.bool_]] = {}
    require(table, [name for name in (sex, age) if name])
    by_sex, by_age = sex or _named(table, SEX), age or _named(table, AGE)
    if by_sex:
        for value, rows in table.groupby(by_sex).indices.items():
            masks[f"{by_sex} = {value:g}" if isinstance(value, float) else f"{by_sex} = {value}"] = _mask(
                rows, len(table)
            )
    if by_age:
        ages = as_numbers(table[by_age])
        middle = float(np.nanmedian(ages))
        masks[f"{by_age} below {middle:.0f}"] = ages < middle
        masks[f"{by_age} {middle:.0f} or above"] = ages >= middle
    return tuple(_subgroup(name, rows, p, y, outcome, n_resamples, seed) for name, rows in masks.items())


def _mask(rows: Any, n: int) -> NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def _named(table: pd.DataFrame, pattern: re.Pattern[str]) -> str | None:
    return next((str(name) for name in table.columns if pattern.match(str(name))), None)


def _subgroup(
    name: str, rows: NDArray[np.bool_], p: FloatArray, y: FloatArray, outcome: Outcome, n_resamples: int, seed: int
) -> Subgroup:
    codes = (y if outcome.kind == "binary" else y[:, 1])[rows]
    n, events, least = int(rows.sum()), int((codes == 1).sum()), load(RULES)["subgroup_events"]
    if min(events, n - events) < least:
        reason = f"not computable: needs {least:g} patients with and without the event"
        return Subgroup(name=name, n=n, events=events, figures=(), reason=reason)
    grid = score_times(y, outcome.kind)
    figures = performance(
        y[rows], p[rows], grid, outcome, n_resamples=n_resamples // 2, seed=seed, what=f"subgroup {name}"
    )
    return Subgroup(name=name, n=n, events=events, figures=figures)
