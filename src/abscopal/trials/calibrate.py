"""Calibrating the population layer on trials with outcomes, exactly, on a grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import SHEET
from abscopal.trials.evidence import load_trials
from abscopal.trials.known_designs import design_of, known_trials
from abscopal.trials.population_layer import expected_log_hr, hazards, relative_burden
from abscopal.trials.response import respond

FloatArray = NDArray[np.float64]
DRAWS, PATIENTS = 40, 50
"""Parameter sets, and virtual patients of each, behind one expected hazard ratio."""
LINKS = np.linspace(0.0, 6.0, 25)
DEVIATIONS = np.linspace(0.01, 0.6, 20)
FOLLOW_UP = (18.0, 42.0)
"""Follow-up of every trial in the calibration: even between these. [month]"""
ENDPOINTS = {"OS": ("OS",), "PFS": ("PFS", "EFS")}
_EXTRA = ("ECOG-ACRIN EA5181", "CheckMate 73L (arm B vs C)")
"""Trials of timing calibrated on beside the two pools; one arm only of the trial whose two share a control."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Posterior of the population layer for one end point on a grid.

    Attributes
    ----------
    trials : tuple of str, length j
    log_hr, se : array, shape (j,)
        Published. [1]
    added : array of bool, shape (j,)
        Whether only the experimental arm has an ICI, so that the constant effect applies.
    expected : array, shape (j, factors, draws, links)
        ln HR of the model at each kill factor, parameter set and link exponent. [1]
    constant : bool
        Whether a constant effect of an added ICI is calibrated beside the mechanism.
    log_weight, mean, sd : array, shape (factors, draws, links, deviations)
        Log posterior, normalised; mean and standard deviation of the constant effect given the rest. [1]
    """

    endpoint: str
    trials: tuple[str, ...]
    log_hr: FloatArray
    se: FloatArray
    added: NDArray[np.bool_]
    expected: FloatArray = field(repr=False)
    constant: bool
    log_weight: FloatArray = field(repr=False)
    mean: FloatArray = field(repr=False)
    sd: FloatArray = field(repr=False)

    def without(self, trial: str) -> "Calibration":
        """The posterior with one trial left out."""
        return self._of(np.array([name != trial for name in self.trials]), constant=self.constant)

    def mechanism_only(self) -> "Calibration":
        """The posterior without a constant effect of an added ICI."""
        return self._of(np.ones(len(self.trials), bool), constant=False)

    def _of(self, keep: NDArray[np.bool_], *, constant: bool) -> "Calibration":
        names = tuple(name for name, kept in zip(self.trials, keep, strict=True) if kept)
        return _calibration(
            self.endpoint,
            names,
            self.log_hr[keep],
            self.se[keep],
            self.added[keep],
            self.expected[keep],
            constant=constant,
        )

    def marginal(self, axis: str) -> FloatArray:
        """Posterior weights of `factor`, `draw`, `link` or `deviation`."""
        order = ("factor", "draw", "link", "deviation")
        others = tuple(k for k, name in enumerate(order) if name != axis)
        return np.asarray(np.exp(logsumexp(self.log_weight, axis=others)), float)

    def sample(self, n: int, seed: int = 0) -> pd.DataFrame:
        """Equally likely sets: `factor`, `draw`, `link_place` (places on the grid), `link`, `deviation`, `effect`."""
        weight = np.exp(self.log_weight).ravel()
        rng = np.random.default_rng(seed)
        chosen = np.unravel_index(rng.choice(weight.size, n, p=weight / weight.sum()), self.log_weight.shape)
        return pd.DataFrame({
            "factor": chosen[0], "draw": chosen[1], "link_place": chosen[2], "link": LINKS[chosen[2]],
            "deviation": DEVIATIONS[chosen[3]], "effect": self.mean[chosen] + self.sd[chosen] * rng.standard_normal(n),
        })  # fmt: skip

    def predict(self, expected: FloatArray, *, added: bool, n: int = 4000, seed: int = 0) -> FloatArray:
        """Draws of the true ln HR of a new trial.

        Parameters
        ----------
        expected : array, shape (factors, draws, links)
            From `expected_grid`. [1]
        added : bool
            Whether only the experimental arm has an ICI.

        Returns
        -------
        array, shape (n,)
        """
        sets = self.sample(n, seed)
        mean = expected[sets["factor"], sets["draw"], sets["link_place"]] + (sets["effect"] if added else 0.0)
        noise = np.random.default_rng(seed + 1).standard_normal(n)
        return np.asarray(mean + sets["deviation"] * noise, float)


def _calibration(
    endpoint: str,
    trials: tuple[str, ...],
    log_hr: FloatArray,
    se: FloatArray,
    added: NDArray[np.bool_],
    expected: FloatArray,
    *,
    constant: bool,
) -> Calibration:
    sheet, prior = load(SHEET), load("trials/rt_ici")
    weight = 1 / (se[:, None] ** 2 + DEVIATIONS**2)  # (j, deviations)
    misfit = log_hr[:, None, None, None] - expected
    fit = np.einsum("jt,jfdl->fdlt", weight, misfit**2)
    log_weight = 0.5 * np.log(weight).sum(0) - 0.5 * fit
    precision = prior["mean_prior_sd"] ** -2 + weight[added].sum(0)
    pull = np.einsum("jt,jfdl->fdlt", weight[added], misfit[added])
    mean, sd = pull / precision, np.broadcast_to(precision**-0.5, log_weight.shape)
    if constant:
        log_weight = log_weight + 0.5 * pull * mean - 0.5 * np.log(precision)
    else:
        mean, sd = np.zeros_like(mean), np.zeros_like(sd)
    log_weight = log_weight - 0.5 * (LINKS[:, None] / sheet["link_prior_sd"]) ** 2
    log_weight = log_weight - 0.5 * (DEVIATIONS / prior["tau_prior_scale"]) ** 2
    log_weight = log_weight - logsumexp(log_weight)
    return Calibration(endpoint, trials, log_hr, se, added, expected, constant, log_weight, mean, sd)


def calibration_from(
    endpoint: str,
    trials: tuple[str, ...],
    log_hr: FloatArray,
    se: FloatArray,
    added: NDArray[np.bool_],
    expected: FloatArray,
) -> Calibration:
    """The posterior from what the model expects of each trial (see `Calibration`) and what was published.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    factors = len(load(SHEET).vector("kill_factors"))
    if expected.ndim != 4 or expected.shape[:2] + expected.shape[3:] != (len(trials), factors, LINKS.size):
        raise ValueError(f"expected hazard ratios of shape {expected.shape}")
    return _calibration(endpoint, trials, log_hr, se, added, expected, constant=True)


def adds_ici(design: TrialDesign, tested: int = 0) -> bool:
    """Whether one tested arm has an ICI and the control arm has none."""
    return bool(design.tested[tested].ici) and not design.control.ici


def expected_grid(
    design: TrialDesign,
    endpoint: str,
    *,
    draws: int = DRAWS,
    patients: int = PATIENTS,
    seed: int = 0,
    switches: Mapping[str, bool] | None = None,
    toxicity: bool = True,
) -> FloatArray:
    """Ln HR of one design at every kill factor, parameter set and link exponent.

    Returns
    -------
    array, shape (factors, draws, links)
    """
    found = []
    for factor in load(SHEET).vector("kill_factors"):
        library = respond(design, draws=draws, patients=patients, seed=seed, kill_factor=factor, switches=switches)
        relative = relative_burden(library, design)
        found.append(np.stack([_one(design, relative, endpoint, link, toxicity) for link in LINKS], axis=-1))
    return np.stack(found)


def _one(design: TrialDesign, relative: FloatArray, endpoint: str, link: float, toxicity: bool) -> FloatArray:
    progression = hazards(design, relative, "PFS", link, toxicity=toxicity)
    selection = progression if design.randomisation.at == "RTend" else None
    own = hazards(design, relative, "OS", link, toxicity=toxicity) if endpoint == "OS" else progression
    return expected_log_hr(own, selection, FOLLOW_UP)


def usable_rows(endpoint: str) -> pd.DataFrame:
    """Rows of the table the population layer is calibrated on; none with a withheld outcome.

    Raises
    ------
    InputError
        An end point other than `OS` and `PFS` (which takes EFS in).
    """
    if endpoint not in ENDPOINTS:
        raise InputError(
            doing="calibrating the population layer",
            found=repr(endpoint),
            expected="OS or PFS",
            try_="PFS, which takes EFS in",
        )
    table = load_trials()
    asked = table["endpoint"].isin(ENDPOINTS[endpoint]) & (table["pool"] != "holdout") & (table["se"] > 0)
    keep = asked & (table["poolable"] | table["trial"].isin(_EXTRA)) & table["trial"].isin(known_trials())
    return table.loc[keep].reset_index(drop=True)


def calibrate(endpoint: str = "PFS", *, trials: Sequence[str] | None = None) -> Calibration:
    """The posterior of the population layer for one end point.

    Parameters
    ----------
    endpoint : {"PFS", "OS"}
    trials : sequence of str, optional
        Only these.
    """
    rows = usable_rows(endpoint)
    if trials is not None:
        rows = rows.loc[rows["trial"].isin(trials)]
    names = tuple(rows["trial"])
    designs = [design_of(name, endpoint) for name in names]
    grids = np.stack([expected_grid(design, endpoint) for design in track(designs, f"trials with {endpoint}")])
    added = np.array([adds_ici(design) for design in designs])
    return _calibration(
        endpoint, names, rows["log_hr"].to_numpy(float), rows["se"].to_numpy(float), added, grids, constant=True
    )
