"""Analysis of replicates as a trial is analysed: looks, data cut, log-rank test and Cox regression, or rates."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.trials.design import TrialDesign, planned_events
from abscopal.trials.design_parts import Interim
from abscopal.trials.enrol import Enrolled
from abscopal.trials.interim import conditional_power, efficacy_bounds
from abscopal.trials.survival import Comparison, compare, kaplan_meier, landmark_difference, number_at_risk
from abscopal.trials.survival import restricted_mean as rmst

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
CURVE = np.arange(0, 61, 1.0)
"""Months at which the virtual survival curves are kept."""
STOPPED = ("", "futility", "efficacy")
"""Why a comparison ended early, by the place kept in `stopped`."""
Columns = dict[str, NDArray[Any]]
"""Results of replicates: arrays of shape (replicates, comparisons), and curves (replicates, arms, months)."""


@dataclass(frozen=True, eq=False)
class _Ends:
    """When the end point comes, and the calendar month of the planned final cut, of each replicate."""

    months: FloatArray
    cut: FloatArray


def analyse_times(design: TrialDesign, people: Enrolled) -> Columns:
    """Every comparison of replicates with a time to an event, at the look that ends it or at the final cut."""
    death = people.death
    months = death if design.analysis.endpoint == "OS" else np.minimum(_assessed(design, people), death)
    total = planned_events(design)
    ends = _Ends(months, _cut(design, people, months, total))
    parts = []
    for k in range(1, len(design.compared)):
        cut, stopped, bound = _decided(design, people, ends, total, k)
        part = _compared(design, people, months, cut, k)
        crossed = (part["p"] < alpha_of(design)) if bound is None else (np.abs(part["z"]) >= bound)
        won = (crossed & (part["log_hr"] < 0) & (stopped != 1)) | (stopped == 2)
        parts.append(part | {"stopped": stopped, "won": won, "months": cut})
    table: Columns = {name: np.stack([part[name] for part in parts], axis=1) for name in parts[0] if name != "z"}
    return table | _tracks(design, people, ends)


def alpha_of(design: TrialDesign) -> float:
    """Two-sided alpha of one comparison. [1]."""
    share = len(design.tested) if design.analysis.multiplicity == "Bonferroni" else 1
    return design.analysis.alpha / share


def bounds_of(design: TrialDesign) -> tuple[dict[float, float], float | None]:
    """Efficacy bound of |z| at each look that has one, and at the final analysis; None without such looks."""
    shares = [look.information for look in design.analysis.interim if look.efficacy]
    if not shares:
        return {}, None
    bounds = efficacy_bounds([*shares, 1.0], alpha_of(design), design.analysis.spending).tolist()
    return dict(zip(shares, bounds, strict=False)), bounds[-1]


def _decided(
    design: TrialDesign, people: Enrolled, ends: _Ends, total: float, k: int
) -> tuple[FloatArray, NDArray[np.int8], float | None]:
    """Calendar month of the analysis that ends comparison `k`, why it ended early, and the final bound."""
    bounds, final = bounds_of(design)
    cut, stopped = ends.cut.copy(), np.zeros(len(ends.cut), dtype=np.int8)
    for look in design.analysis.interim:
        early = np.minimum(_cut(design, people, ends.months, look.information * total), ends.cut)
        found = _test(people, ends.months, early, k)
        verdict = _verdict(look, found, bounds.get(look.information), final or norm.isf(alpha_of(design) / 2))
        ending = (stopped == 0) & (verdict > 0)
        cut, stopped = np.where(ending, early, cut), np.where(ending, verdict, stopped).astype(np.int8)
    return cut, stopped, final


def _verdict(look: Interim, found: Comparison, bound: float | None, final: float) -> NDArray[np.int8]:
    verdict = np.zeros(len(found.z), dtype=np.int8)
    benefit = -np.nan_to_num(found.z)
    if look.futility_hr is not None:
        verdict[np.nan_to_num(found.log_hr) >= np.log(look.futility_hr)] = 1
    if look.futility_power is not None:
        verdict[conditional_power(benefit, look.information, final) < look.futility_power] = 1
    if bound is not None:
        verdict[benefit >= bound] = 2
    return verdict


def _assessed(design: TrialDesign, people: Enrolled) -> FloatArray:
    """Progression is known at the next visit."""
    every = design.assessment.interval_months
    return np.asarray(np.ceil(np.minimum(people.progression, 1e6) / every) * every, float)


def _cut(design: TrialDesign, people: Enrolled, months: FloatArray, events: float) -> FloatArray:
    """Calendar month of the data cut of each replicate."""
    last = design.accrual.months + design.analysis.follow_up_months
    if not np.isfinite(events):
        return np.full(len(months), last)
    calendar = np.where(months < people.dropout, people.entry + months, np.inf)
    order = np.sort(calendar, axis=1)
    place = min(int(np.ceil(events)), order.shape[1]) - 1
    return np.minimum(order[:, place] + 1e-9, last)


def _followed(people: Enrolled, months: FloatArray, cut: FloatArray) -> tuple[FloatArray, BoolArray]:
    limit = np.minimum(people.dropout, cut[:, None] - people.entry)
    return np.maximum(np.minimum(months, limit), 0.0), (months <= limit) & (limit >= 0)


def _test(people: Enrolled, months: FloatArray, cut: FloatArray, k: int) -> Comparison:
    time, event = _followed(people, months, cut)
    members = (people.arm == 0) | (people.arm == k)
    return compare(time, event, people.arm == k, included=members & (people.entry < cut[:, None]))


def _compared(design: TrialDesign, people: Enrolled, months: FloatArray, cut: FloatArray, k: int) -> Columns:
    found = _test(people, months, cut, k)
    time, event = _followed(people, months, cut)
    within = people.entry < cut[:, None]
    rows = []
    for t, e, arm, entered in zip(time, event, people.arm, within, strict=True):
        a, c = (arm == k) & entered, (arm == 0) & entered
        followed = min(t[a].max(initial=0.0), t[c].max(initial=0.0))
        if not followed > 0:  # stopped before anyone of an arm was followed
            rows.append((np.nan,) * 4)
            continue
        limit, mark = (min(asked, followed) for asked in (design.analysis.rmst_months, design.analysis.landmark_months))
        both = a | c
        rows.append((
            kaplan_meier(t[a], e[a]).median, kaplan_meier(t[c], e[c]).median,
            rmst(t[a], e[a], limit)[0] - rmst(t[c], e[c], limit)[0],
            landmark_difference(t[both], e[both], a[both], mark).value,
        ))  # fmt: skip
    names = ("median_exp", "median_ctrl", "rmst_difference", "landmark_difference")
    return {
        "z": found.z, "log_hr": found.log_hr, "se": found.se, "p": 2 * norm.sf(np.abs(np.nan_to_num(found.z))),
        "events": found.events, **dict(zip(names, np.array(rows, float).T, strict=True)),
    }  # fmt: skip


def _tracks(design: TrialDesign, people: Enrolled, ends: _Ends) -> Columns:
    """Survival and numbers at risk by replicate, arm (control first) and month, as if no look had ended the trial."""
    time, event = _followed(people, ends.months, ends.cut)
    within = people.entry < ends.cut[:, None]
    survival, risk = [], []
    for t, e, arm, entered in zip(time, event, people.arm, within, strict=True):
        sides = [(arm == k) & entered for k in range(len(design.compared))]
        survival.append([kaplan_meier(t[side], e[side]).at(CURVE) for side in sides])
        risk.append([number_at_risk(t[side], CURVE) for side in sides])
    return {"survival": np.array(survival), "at_risk": np.array(risk, float)}


def analyse_rates(design: TrialDesign, hit: BoolArray, arm: NDArray[np.int64]) -> Columns:
    """Every comparison of replicates with a rate.

    Parameters
    ----------
    hit : array of bool, shape (replicates, patients)
    arm : array of int, same shape
        0 for the control.
    """
    parts = []
    control = arm == 0
    n0, two = control.sum(1), (hit & control).sum(1)
    for k in range(1, len(design.compared)):
        a = arm == k
        n1, one = a.sum(1), (hit & a).sum(1)
        p1, p0 = (one + 0.5) / (n1 + 1), (two + 0.5) / (n0 + 1)
        log_odds = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
        se = np.sqrt(1 / (n1 * p1 * (1 - p1)) + 1 / (n0 * p0 * (1 - p0)))
        p = 2 * norm.sf(np.abs(log_odds / se))
        parts.append({
            "log_odds_ratio": log_odds, "se": se, "p": p, "rate_exp": one / n1, "rate_ctrl": two / n0,
            "stopped": np.zeros(len(p), dtype=np.int8), "won": (p < alpha_of(design)) & (log_odds > 0),
        })  # fmt: skip
    return {name: np.stack([part[name] for part in parts], axis=1) for name in parts[0]}
