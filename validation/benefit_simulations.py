"""Known-truth simulations of the benefit estimators. Run: python -m validation.benefit_simulations [replicates].

Prints one JSON object; `python -m validation.stratification` puts it into docs/validation/stratification.md.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from abscopal.domain.registry import find
from abscopal.stratification.benefit import evaluate, learners
from abscopal.stratification.benefit.analyse import FOLDS, _modifier, _unadjusted, sequential
from abscopal.stratification.benefit.known_truth import HORIZON, Scenario, simulate_hazards, simulate_trial
from abscopal.stratification.benefit.outcome import restricted_outcome

FAST, SLOW = ("dr", "x", "r"), ("risk", "cox", "forest")
RECORD = Path(__file__).with_name("benefit_simulations.json")


def not_shown(name: str, scenario: Scenario, n: int, replicates: int, start: int = 0) -> dict[str, float]:
    """Share of trials in which heterogeneity is not shown, and the mean and spread of the AUTOC."""
    fit, rows = find("benefit", name).target, []
    for seed in range(start, start + replicates):
        trial = simulate_trial(scenario, n, seed).trial
        y = restricted_outcome(trial, HORIZON, "pseudo")
        found = evaluate.combine(sequential(fit, trial, HORIZON, "pseudo", y, seed=seed))
        rows.append((found.value, found.low, found.high))
    value, low, high = np.array(rows).T
    return {
        "n": n,
        "replicates": replicates,
        "not_shown": float((low <= 0).mean()),
        "covers_zero": float(((low <= 0) & (high >= 0)).mean()),
        "mean_autoc": float(value.mean()),
        "mc_error": float(value.std(ddof=1) / np.sqrt(replicates)),
    }


def bias(
    estimator: Callable[[Any], evaluate.Estimate], scenario: Scenario, n: int, replicates: int
) -> dict[str, float]:
    """Mean error of an average effect, its Monte Carlo error, and the coverage of its interval. [month]."""
    rows = []
    for seed in range(replicates):
        known = simulate_trial(scenario, n, seed)
        found = estimator(known.trial)
        truth = float(known.gain.mean()) if scenario != "linear" else 1.0
        rows.append((found.value - truth, found.low <= truth <= found.high))
    error, covered = np.array(rows, dtype=float).T
    return {
        "n": n, "replicates": replicates, "bias": float(error.mean()),
        "mc_error": float(error.std(ddof=1) / np.sqrt(replicates)), "coverage": float(covered.mean()),
    }  # fmt: skip


def unadjusted(transform: str) -> Callable[[Any], evaluate.Estimate]:
    """Difference of arm means of the transformed outcome."""
    return lambda trial: _unadjusted(trial, restricted_outcome(trial, HORIZON, transform))  # type: ignore[arg-type]


def doubly_robust(transform: str) -> Callable[[Any], evaluate.Estimate]:
    """Mean of the cross-fitted scores."""
    return lambda trial: evaluate.mean_of(
        learners.cross_fitted_scores(trial, restricted_outcome(trial, HORIZON, transform), k=FOLDS)  # type: ignore[arg-type]
    )


def slopes(name: str, n: int, replicates: int) -> dict[str, float]:
    """Effect 1 + 2 x1: rank correlation of predicted with true gain on new patients, and the mean fitted slope."""
    fit, rows = find("benefit", name).target, []
    fresh = simulate_trial("linear", 2000, 10_000)
    for seed in range(replicates):
        predicted = fit(simulate_trial("linear", n, seed).trial, HORIZON, "pseudo")(fresh.trial.x)
        rows.append((spearmanr(predicted, fresh.gain).statistic, np.polyfit(fresh.gain, predicted, 1)[0]))
    rank, slope = np.array(rows).T
    return {
        "n": n, "replicates": replicates, "rank_correlation": float(rank.mean()), "lowest": float(rank.min()),
        "slope": float(slope.mean()), "mc_error": float(slope.std(ddof=1) / np.sqrt(replicates)),
    }  # fmt: skip


def interaction(ratio: float, replicates: int, n: int = 800) -> dict[str, float]:
    """Interaction Cox: mean log ratio against the truth (per standard deviation of x1, which is one)."""
    rows = []
    for seed in range(replicates):
        found = _modifier(simulate_hazards(n, seed, interaction=ratio), "x1").ratio
        rows.append((np.log(found.value) - np.log(ratio), found.low <= ratio <= found.high))
    error, covered = np.array(rows, dtype=float).T
    return {
        "n": n, "replicates": replicates, "bias_log": float(error.mean()),
        "mc_error": float(error.std(ddof=1) / np.sqrt(replicates)), "coverage": float(covered.mean()),
    }  # fmt: skip


def main(replicates: int) -> None:
    """Run everything and keep the record beside this file."""
    found: dict[str, Any] = {}

    def keep(key: str, value: dict[str, float]) -> None:
        found[key] = value
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{key}: {value}\n")
        sys.stdout.flush()

    few = max(replicates // 5, 10)
    for name in FAST:
        keep(f"null {name}", not_shown(name, "constant", 600, replicates))
        keep(f"power {name}", not_shown(name, "linear", 600, few))
        keep(f"slopes {name}", slopes(name, 2000, few))
    for scenario in ("constant", "confounded", "informative censoring"):
        for transform in ("pseudo", "ipcw", "aipcw"):
            count = replicates if transform == "pseudo" else few
            keep(f"bias unadjusted {transform}, {scenario}", bias(unadjusted(transform), scenario, 600, count))
            keep(f"bias doubly robust {transform}, {scenario}", bias(doubly_robust(transform), scenario, 600, count))
    for ratio in (1.0, 0.8):
        keep(f"interaction {ratio:g}", interaction(ratio, few))
    for name in SLOW:
        keep(f"null {name}", not_shown(name, "constant", 600, few))
        keep(f"power {name}", not_shown(name, "linear", 600, few // 2))
        keep(f"slopes {name}", slopes(name, 1000, few // 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
