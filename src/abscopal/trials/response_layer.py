"""Responses outside the field, calibrated: the layer between simulated shrinkage and response rates in people.

By the mouse model in human time an ICI alone shrinks next to nothing. Killing by effectors is therefore scaled
until the share of responders meets that of patients on an ICI alone, and the effect of added radiation that the
scaled model predicts is weighed by an exponent:

    logit p_control = logit q_control + a,  logit p_tested = logit p_control + γ (logit q_tested − logit q_control) + v

with q the simulated share, and a, v normal deviations of a trial. Scale, γ and their spread are summed over a grid,
exactly, on both arms' counts of the trials that measured response outside the field. Three trials in two diseases
have such counts: what they do not tell stays as wide as the prior.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import SHEET
from abscopal.trials.evidence import load_trials
from abscopal.trials.known_designs import design_of, known_trials
from abscopal.trials.lesions import best_response
from abscopal.trials.response import Library

FloatArray = NDArray[np.float64]
RESPONSE_SHEET = "trials/response_layer"
ENDPOINT = "abscopal ORR"
LAYER_DRAWS = 40
"""Parameter sets of the immune model that the layer weighs; its sets name them by place."""


def response_rows() -> pd.DataFrame:
    """Trials with response rates outside the field in both arms, of RT added to an ICI, that no other row repeats.

    Returns
    -------
    DataFrame
        Rows of the trial table with `responders_exp` and `responders_ctrl`, rate times arm size, rounded. [patients]
    """
    table = load_trials()
    keep = (table["endpoint"] == ENDPOINT) & (table["comparison_type"] == "add_rt") & (table["pool"] != "holdout")
    keep &= table["trial"].isin(known_trials())
    rows = table.loc[keep].dropna(subset=["rate_exp", "rate_ctrl", "n_experimental", "n_control"])
    return rows.assign(
        responders_exp=(rows["rate_exp"] / 100 * rows["n_experimental"]).round().astype(int),
        responders_ctrl=(rows["rate_ctrl"] / 100 * rows["n_control"]).round().astype(int),
    ).reset_index(drop=True)


def is_fitted(design: TrialDesign) -> bool:
    """Whether the layer speaks of this design: response outside the field, an ICI in every arm."""
    return design.analysis.endpoint == ENDPOINT and all(arm.ici for arm in design.arms)


def calibration_note(design: TrialDesign) -> tuple[str, str]:
    """Status of the design's end point (`fitted` or `not calibrated`), and what a reader has to know of it."""
    endpoint = design.analysis.endpoint
    if endpoint in {"PFS", "EFS", "OS"}:
        return "fitted", "hazard ratios are calibrated on trials with outcomes; see the scores with each trial left out"
    if not is_fitted(design):
        return "not calibrated", (
            f"{endpoint} is NOT CALIBRATED: too few comparable trials; rates are those of a mouse model in human time"
        )
    seen = sorted({design_of(trial, ENDPOINT).population.preset for trial in response_rows()["trial"]})
    where = f"fitted to {len(response_rows())} trials in {' and '.join(seen)}"
    if design.population.preset not in seen:
        where += f"; carried to {design.population.preset} by assumption"
    return "fitted", where


def simulated_share(library: Library, design: TrialDesign) -> FloatArray:
    """Simulated share of responders by arm and parameter set, kept off 0 and 1 by half a patient."""
    response = best_response(library, design)
    return np.asarray((response.sum(axis=-1) + 0.5) / (response.shape[-1] + 1), float)


@cache
def response_sets() -> pd.DataFrame:
    """Equally likely sets of the calibrated layer as it ships: `place`, `scale`, `draw`, `exponent`, `spread`."""
    return load(RESPONSE_SHEET).table("sets")


def expected_rates(design: TrialDesign, simulated: Callable[[float, int], Library]) -> dict[int, FloatArray]:
    """Simulated share of responders of a design at each scale that the shipped sets use.

    Parameters
    ----------
    design : TrialDesign
    simulated : callable
        Gives the library at a kill factor, whose place among the scales is passed on.

    Returns
    -------
    dict of array by place of the scale, shape (arms, draws)
    """
    scales = load(SHEET).vector("response_scales")
    places = sorted(response_sets()["place"].unique().tolist())
    return {place: simulated_share(simulated(10 ** scales[place], place), design) for place in places}


def drawn_rates(rates: Mapping[int, FloatArray], sets: pd.DataFrame, size: int, rng: np.random.Generator) -> FloatArray:
    """True rates of replicates by arm, control first, shape (arms, size). [1]."""
    own = sets.iloc[rng.integers(len(sets), size=size)]
    odds = logit(np.stack([rates[place][:, draw]
                           for place, draw in zip(own["place"], own["draw"], strict=True)], axis=1))  # fmt: skip
    noise = rng.standard_normal(odds.shape) * own["spread"].to_numpy()
    base = odds[0] + noise[0]
    tested = base + own["exponent"].to_numpy() * (odds[1:] - odds[0]) + noise[1:]
    return np.asarray(expit(np.concatenate([base[None], tested])), float)
