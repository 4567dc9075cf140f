"""Calibrating the response layer on a grid, and predicting each of its trials from the others.

The model is written down in `response_layer`.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp
from scipy.stats import binom

from abscopal.domain.progress import track
from abscopal.knowledge.load import load
from abscopal.trials.design_parts import SHEET
from abscopal.trials.known_designs import design_of
from abscopal.trials.response import respond
from abscopal.trials.response_layer import ENDPOINT, LAYER_DRAWS, response_rows, simulated_share

FloatArray = NDArray[np.float64]
PATIENTS = 100
"""Virtual patients of each parameter set behind one simulated share of responders."""
EXPONENTS = np.linspace(0.0, 3.0, 31)
SPREADS = np.linspace(0.01, 1.5, 16)
SETS = 200
_QUADRATURE = 9
Counts = tuple[int, int, int, int]
"""Responders and patients of the tested arm, then of the control arm."""


@dataclass(frozen=True, eq=False)
class ResponseCalibration:
    """Posterior of the response layer on a grid.

    Attributes
    ----------
    trials : tuple of str, length j
    counts : tuple of Counts, length j
    scales : array, shape (s,)
        Factor on killing relative to the mouse, decadic logarithm. [1]
    control, effect : array, shape (j, s, draws)
        Logit of the simulated share of responders on ICI alone, and what radiation adds to it. [1]
    log_likelihood : array, shape (j, s, draws, exponents, spreads)
    """

    trials: tuple[str, ...]
    counts: tuple[Counts, ...]
    scales: FloatArray
    control: FloatArray = field(repr=False)
    effect: FloatArray = field(repr=False)
    log_likelihood: FloatArray = field(repr=False)

    def weights(self, without: str | None = None) -> FloatArray:
        """Posterior over (scales, draws, exponents, spreads), with one trial left out if asked; sums to 1."""
        used = [k for k, name in enumerate(self.trials) if name != without]
        log_weight = self.log_likelihood[used].sum(axis=0) + _log_prior()
        return np.asarray(np.exp(log_weight - logsumexp(log_weight)), float)

    def sample(self, n: int, seed: int = 0, without: str | None = None) -> pd.DataFrame:
        """Equally likely sets: `place` (of the scale), `scale`, `draw`, `exponent`, `spread`."""
        weight = self.weights(without)
        chosen = np.unravel_index(
            np.random.default_rng(seed).choice(weight.size, n, p=weight.ravel() / weight.sum()), weight.shape
        )
        return pd.DataFrame({
            "place": chosen[0], "scale": self.scales[chosen[0]], "draw": chosen[1],
            "exponent": EXPONENTS[chosen[2]], "spread": SPREADS[chosen[3]],
        })  # fmt: skip

    def marginal(self, axis: str, without: str | None = None) -> FloatArray:
        """Posterior weights of `scale`, `draw`, `exponent` or `spread`."""
        place = ("scale", "draw", "exponent", "spread").index(axis)
        return np.asarray(self.weights(without).sum(axis=tuple(k for k in range(4) if k != place)), float)

    def predict(self, trial: str, n: int = 8000, seed: int = 0) -> FloatArray:
        """Draws of the true rates of a trial from all the others, control first, shape (2, n)."""
        sets = self.sample(n, seed, without=trial)
        place = self.trials.index(trial)
        at = (place, sets["place"].to_numpy(), sets["draw"].to_numpy())
        noise = np.random.default_rng(seed + 1).standard_normal((2, n)) * sets["spread"].to_numpy()
        base = self.control[at] + noise[0]
        return np.asarray(expit(np.stack([base, base + sets["exponent"].to_numpy() * self.effect[at] + noise[1]])))


def _log_prior() -> FloatArray:
    sheet, evidence = load(SHEET), load("trials/rt_ici")
    exponent = -0.5 * (EXPONENTS[:, None] / sheet["link_prior_sd"]) ** 2
    return np.asarray(exponent - 0.5 * (SPREADS / evidence["tau_prior_scale"]) ** 2, float)


def prior_marginal(axis: str) -> FloatArray:
    """Prior weights of `exponent` or `spread`."""
    weight = np.exp(_log_prior())
    return np.asarray(weight.sum(axis=1 if axis == "exponent" else 0) / weight.sum(), float)


def calibrate_response() -> ResponseCalibration:
    """The posterior of the response layer; no withheld row enters."""
    rows = response_rows()
    scales = np.array(load(SHEET).vector("response_scales"))
    grids = []
    for trial in track(list(rows["trial"]), "trials with responses outside the field"):
        design = design_of(trial, ENDPOINT)
        shrunk = (respond(design, draws=LAYER_DRAWS, patients=PATIENTS, kill_factor=10**scale) for scale in scales)
        grids.append([simulated_share(library, design) for library in shrunk])
    odds = logit(np.array(grids))  # (j, scales, arms, draws)
    counts: tuple[Counts, ...] = tuple(
        (int(row["responders_exp"]), int(row["n_experimental"]), int(row["responders_ctrl"]), int(row["n_control"]))
        for row in rows.to_dict("records")
    )
    control, effect = odds[:, :, 0], odds[:, :, 1] - odds[:, :, 0]
    found = np.stack([_log_likelihood(*one) for one in zip(counts, control, effect, strict=True)])
    return ResponseCalibration(tuple(rows["trial"]), counts, scales, control, effect, found)


def _log_likelihood(counts: Counts, control: FloatArray, effect: FloatArray) -> FloatArray:
    """Of one trial's two counts, its deviations integrated out, shape (scales, draws, exponents, spreads)."""
    responders, patients, responders0, patients0 = counts
    node, weight = np.polynomial.hermite_e.hermegauss(_QUADRATURE)
    log_weight = np.log(weight / weight.sum())
    base = control[..., None, None] + SPREADS[:, None] * node  # (scales, draws, spreads, nodes)
    alone = binom.logpmf(responders0, patients0, expit(base)) + log_weight
    found = []
    for exponent in EXPONENTS:
        shifted = base + exponent * effect[..., None, None]
        tested = expit(shifted[..., None] + SPREADS[:, None, None] * node)
        both = alone + logsumexp(binom.logpmf(responders, patients, tested) + log_weight, axis=-1)
        found.append(logsumexp(both, axis=-1))
    return np.stack(found, axis=2)


def leave_one_out(calibration: ResponseCalibration) -> pd.DataFrame:
    """Each trial's two rates predicted from the others, beside the pool of the others.

    Returns
    -------
    DataFrame
        One row per trial, predictor and arm: `observed`, `median`, `low`, `high` (90 % for the observed rate),
        `covered`, and `log_score` of both counts together (on the row of the tested arm; higher is better).
    """
    rows = []
    for place, trial in enumerate(calibration.trials):
        counts = calibration.counts[place]
        rest = [own for k, own in enumerate(calibration.counts) if k != place]
        for name, rates in (("response layer", calibration.predict(trial)), ("pooled mean", _pooled(rest))):
            rows += _scored(trial, name, rates, counts)
    return pd.DataFrame(rows)


def _scored(trial: str, predictor: str, rates: FloatArray, counts: Counts) -> list[dict[str, object]]:
    rng = np.random.default_rng(2)
    found: list[dict[str, object]] = []
    arms = (("ICI alone", rates[0], counts[2:]), ("ICI and RT", rates[1], counts[:2]))
    total = sum(binom.logpmf(responders, n, rate) for _, rate, (responders, n) in arms)
    score = float(logsumexp(total) - np.log(rates.shape[1]))
    for arm, rate, (responders, n) in arms:
        low, median, high = np.quantile(rng.binomial(n, rate) / n, [0.05, 0.5, 0.95])
        observed = responders / n
        found.append({
            "trial": trial, "predictor": predictor, "arm": arm, "observed": observed, "median": float(median),
            "low": float(low), "high": float(high), "covered": bool(low <= observed <= high),
            "log_score": score if arm == "ICI and RT" else np.nan,
        })  # fmt: skip
    return found


def _pooled(counts: list[Counts], n: int = 8000, seed: int = 0) -> FloatArray:
    """Rates of a new trial from counts alone: means of both logits with the prior spread between trials."""
    mean = np.linspace(-4, 4, 81)
    ratio = np.linspace(-3, 3, 61)
    node, weight = np.polynomial.hermite_e.hermegauss(_QUADRATURE)
    log_weight = np.log(weight / weight.sum())
    evidence = load("trials/rt_ici")
    total = -0.5 * (ratio / evidence["mean_prior_sd"])[:, None] ** 2
    total = total - 0.5 * (SPREADS / evidence["tau_prior_scale"]) ** 2 + np.zeros((mean.size, 1, 1))
    for responders, patients, responders0, patients0 in counts:
        base = mean[:, None, None, None] + SPREADS[:, None] * node  # (means, 1, spreads, nodes)
        tested = (base + ratio[:, None, None])[..., None] + SPREADS[:, None, None] * node
        inner = logsumexp(binom.logpmf(responders, patients, expit(tested)) + log_weight, axis=-1)
        total = total + logsumexp(binom.logpmf(responders0, patients0, expit(base)) + log_weight + inner, axis=-1)
    chance = np.exp(total - logsumexp(total))
    rng = np.random.default_rng(seed)
    a, b, c = np.unravel_index(rng.choice(chance.size, n, p=chance.ravel() / chance.sum()), chance.shape)
    noise = rng.standard_normal((2, n)) * SPREADS[c]
    base = mean[a] + noise[0]
    return np.asarray(expit(np.stack([base, base + ratio[b] + noise[1]])), float)


def identified(calibration: ResponseCalibration) -> dict[str, object]:
    """What the counts say beyond the prior: 90 % intervals of scale and exponent, after and before.

    `shares` are widths of the posterior 90 % interval over that of the prior; below a half counts as identified.
    """
    flat = np.full(calibration.scales.size, 1 / calibration.scales.size)
    pairs = {
        "scale": (calibration.scales, calibration.marginal("scale"), flat),
        "exponent": (EXPONENTS, calibration.marginal("exponent"), prior_marginal("exponent")),
    }
    found: dict[str, object] = {}
    for name, (grid, after, before) in pairs.items():
        own, prior = (_interval(grid, weight) for weight in (after, before))
        share = (own[2] - own[0]) / (prior[2] - prior[0])
        found[name] = {"median": own[1], "interval_90": (own[0], own[2]), "prior_interval_90": (prior[0], prior[2]),
                       "share_of_prior_width": share, "identified": share < 0.5}  # fmt: skip
    return found


def _interval(grid: FloatArray, weight: FloatArray) -> tuple[float, float, float]:
    """5 %, 50 % and 95 % points of weights on a grid, interpolated between its points."""
    edges = np.concatenate([[grid[0]], [(a + b) / 2 for a, b in pairwise(grid)], [grid[-1]]])
    low, mid, high = np.interp([0.05, 0.5, 0.95], np.concatenate([[0.0], np.cumsum(weight)]), edges)
    return float(low), float(mid), float(high)


def write_response_layer(folder: Path, calibration: ResponseCalibration, parameters_sha256: str) -> None:
    """Write the sets and their sheet into a knowledge folder."""
    sets = calibration.sample(SETS, seed=7).round({"scale": 4, "exponent": 4, "spread": 4})
    (folder / "response_layer.csv").write_text(sets.to_csv(index=False), encoding="utf-8")
    trials = ", ".join(calibration.trials)
    (folder / "response_layer.toml").write_text(f'''title = "Responses outside the field, calibrated on three trials"
note = "Trials: {trials}. Parameters sha256 {parameters_sha256}"

[sources.fit]
citation = "Grid posterior of this package on response counts of the trial table (abscopal trials calibrate)"

[tables.sets]
file = "response_layer.csv"
meaning = "equally likely sets: place, log10 factor on killing, draw, exponent of added RT, logit spread of trials"
source = "fit"
locator = "trials.response_calibration"
status = "fitted"
''', encoding="utf-8")  # fmt: skip
