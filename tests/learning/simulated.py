"""Cohorts whose truth is known."""

import numpy as np
import pandas as pd


def survival_cohort(n=600, seed=1, p=3, effect=(0.9, -0.6, 0.0), censor=12.0):
    """Exponential times with log hazard `effect`·x, mean 8 at x = 0; independent censoring."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    beta = np.zeros(p)
    beta[: len(effect)] = effect[:p]
    true = rng.exponential(8 * np.exp(-X @ beta))
    end = rng.exponential(censor, n)
    y = np.column_stack([np.minimum(true, end), true <= end]).astype(float)
    return X, y, true, beta


def truth(X, beta, at):
    return -np.expm1(-at / 8 * np.exp(X @ beta))


def binary_table(n=400, seed=3):
    """A table with two telling features, one that is noise, a category and both sexes."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({
        "dose": rng.normal(20, 5, n), "volume": rng.lognormal(2.5, 0.4, n), "noise": rng.normal(size=n),
        "site": rng.choice(["upper", "middle", "lower"], n), "sex": rng.choice(["f", "m"], n),
        "age": rng.normal(60, 9, n),
    })  # fmt: skip
    eta = -1.2 + 0.15 * (table["dose"] - 20) + 0.8 * (table["site"] == "lower")
    table["toxic"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return table


def survival_table(n=300, seed=4):
    X, y, _, _ = survival_cohort(n, seed, p=2, effect=(0.9, -0.6))
    table = pd.DataFrame(X, columns=["a", "b"])
    table["age"] = 60 + 9 * np.random.default_rng(seed).normal(size=n)
    return table.assign(os_months=y[:, 0], os_event=y[:, 1].astype(int))
