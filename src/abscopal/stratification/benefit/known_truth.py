"""Trials in which the effect on every patient is known, to judge estimators by."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
Scenario = Literal["constant", "linear", "confounded", "informative censoring"]
HORIZON = 23.0
"""Beyond every event and within the planned follow-up, so that the effect on the restricted mean is exact. [month]"""
FOLLOW_UP = 26.0
CENSORING = 40.0
"""Mean time to loss from follow-up. [month]"""


@dataclass(frozen=True)
class KnownTrial:
    """A simulated trial and the true gain of each patient. [month]."""

    trial: Trial
    gain: FloatArray


def simulate_trial(scenario: Scenario, n: int, seed: int) -> KnownTrial:
    """A two-arm trial with five covariates and known gains.

    Survival of controls lies between 2 and 18 months, T(0) = 2 + 16 expit(0.8 x1 + 0.5 x2 + noise). Treatment adds
    2 months to everybody, or 1 + 2 x1 in the scenario `linear` (x1 within -1.5 to 1.5).

    Parameters
    ----------
    scenario : {"constant", "linear", "confounded", "informative censoring"}
        `confounded`: patients with a better prognosis are treated more often, effect constant.
        `informative censoring`: loss depends on prognosis inside each arm, randomised, effect constant.
    """
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(size=(n, 5)), -1.5, 1.5)
    prognosis = 0.8 * x[:, 0] + 0.5 * x[:, 1]
    control = 2 + 16 * expit(prognosis + rng.logistic(scale=0.6, size=n))
    gain = 1 + 2 * x[:, 0] if scenario == "linear" else np.full(n, 2.0)
    share = expit(prognosis) if scenario == "confounded" else np.full(n, 0.5)
    w = (rng.random(n) < share).astype(np.float64)
    survival = control + gain * w
    rate = np.exp(-1.2 * prognosis) / 18 if scenario == "informative censoring" else np.full(n, 1 / CENSORING)
    lost = np.minimum(rng.exponential(1 / rate), FOLLOW_UP)
    trial = Trial(
        x=x,
        names=("x1", "x2", "x3", "x4", "x5"),
        w=w,
        time=np.minimum(survival, lost),
        event=(survival <= lost).astype(np.float64),
        treated="treated",
        control="control",
        randomised=scenario != "confounded",
    )
    return KnownTrial(trial, gain)


def simulate_hazards(n: int, seed: int, *, ratio: float = 0.7, interaction: float = 1.0) -> Trial:
    """A randomised trial with proportional hazards: `interaction` is the ratio of hazard ratios per unit of x1."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(n, 3)), rng.integers(0, 2, n).astype(np.float64)
    hazard = 0.06 * np.exp(
        0.4 * x[:, 0] + 0.3 * x[:, 1] + np.log(ratio) * w + np.log(interaction) * x[:, 0] * (w - 0.5)
    )
    survival, lost = rng.exponential(1 / hazard), rng.uniform(6, 48, n)
    return Trial(
        x, ("x1", "x2", "x3"), w, np.minimum(survival, lost), (survival <= lost).astype(np.float64),
        "treated", "control", randomised=True,
    )  # fmt: skip
