"""From tumour burden to hazards: the layer that is calibrated on trials.

The hazard of patient i in arm a follows the setting's Weibull curve, times (burden / mean burden of
the control arm)^β, times the arm's chemotherapy ratio, plus toxic deaths. β, a constant
effect of adding an ICI, and the between-trial deviation τ are all that is calibrated here, for each
end point.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign, months, preset_number
from abscopal.trials.design_parts import SHEET, Arm, fraction_days, ici_days
from abscopal.trials.response import Library

FloatArray = NDArray[np.float64]
HORIZON = 84
"""Months over which hazards are laid out, one value a month."""
_LIMIT = 6.0
"""Largest |ln burden ratio| that acts, so that one vanished tumour does not rule a hazard."""


@dataclass(frozen=True, eq=False)
class Hazards:
    """Cumulative hazards of the same patients in every arm, control first.

    Attributes
    ----------
    cumulative : array, shape (arms, draws, patients, HORIZON + 1)
        At 0, 1, 2, ... months from the origin. [1]
    landmark : float
        Month of randomisation after the origin. [month]
    """

    cumulative: FloatArray
    landmark: float


def baseline(preset: str, endpoint: str) -> FloatArray:
    """Cumulative Weibull hazard of the setting's control arm at 0 to `HORIZON` months.

    Parameters
    ----------
    preset : str
    endpoint : str
        `OS`, or anything else for progression.

    Returns
    -------
    array, shape (HORIZON + 1,)
        [1]
    """
    name = "os" if endpoint == "OS" else "pfs"
    scale, shape = (preset_number(preset, f"{name}_{part}") for part in ("median", "shape"))
    cumulative: FloatArray = np.log(2) * (np.arange(HORIZON + 1) / scale) ** shape
    return cumulative


def relative_burden(library: Library, design: TrialDesign) -> FloatArray:
    """Ln of each patient's burden over the mean (of logarithms) of the control arm, by month.

    Returns
    -------
    array, shape (arms, draws, patients, HORIZON)
        At the middle of each month, control first; held after the last month simulated. [1]
    """
    burdens = [library.burden[arm.name] for arm in design.compared]
    mean = burdens[0].mean(axis=1, keepdims=True)
    each = np.stack([burden - mean for burden in burdens])
    middle = np.clip(np.arange(HORIZON) + 0.5, library.months[0], library.months[-1])
    place = np.clip(np.searchsorted(library.months, middle, side="right") - 1, 0, library.months.size - 2)
    share = (middle - library.months[place]) / (library.months[place + 1] - library.months[place])
    found = each[..., place] * (1 - share) + each[..., place + 1] * share
    return np.asarray(np.clip(found, -_LIMIT, _LIMIT), float)


def hazards(
    design: TrialDesign,
    relative: FloatArray,
    endpoint: str,
    link: ArrayLike,
    *,
    trial_effect: ArrayLike = 0.0,
    toxicity: bool = True,
) -> Hazards:
    """Cumulative hazards of one end point.

    Parameters
    ----------
    design : TrialDesign
    relative : array, shape (arms, draws, patients, HORIZON)
        From `relative_burden`.
    endpoint : str
    link : float or array, shape (draws,)
        β. [1]
    trial_effect : float or array, shape (draws,) or (tested arms, draws)
        ln hazard ratio of this trial beyond what the model says. [1]
    toxicity : bool
        Whether deaths from ICI given with chemoradiation count.
    """
    beta = np.broadcast_to(np.asarray(link, float), relative.shape[1:2])[:, None, None]
    added = np.broadcast_to(np.asarray(trial_effect, float), (len(design.tested), relative.shape[1]))[..., None, None]
    steps = np.diff(baseline(design.population.preset, endpoint))
    rates = steps * np.exp(beta * relative)
    for k in range(len(design.tested)):
        rates[k + 1] *= chemo_ratio(design, endpoint, k) * np.exp(added[k])
    if toxicity:
        window = round(load(SHEET)["toxic_window"])
        for k, arm in enumerate(design.compared):
            if ici_with_chemoradiation(arm):
                rates[k, :, :, :window] += -np.log1p(-load(SHEET)["toxic_deaths"]) / window
    zero = np.zeros((*rates.shape[:-1], 1))
    return Hazards(np.concatenate([zero, np.cumsum(rates, axis=-1)], axis=-1), months(design.landmark - design.origin))


def chemo_ratio(design: TrialDesign, endpoint: str, tested: int = 0) -> float:
    """Hazard ratio of the chemotherapy of one tested arm against the control arm's. [1]."""
    table = load(SHEET).table("chemo").set_index("drug")["hr_os" if endpoint == "OS" else "hr_pfs"]
    return float(table[design.tested[tested].chemo]) / float(table[design.control.chemo])


def ici_with_chemoradiation(arm: Arm) -> bool:
    """Whether ICI is given between the first and the last fraction of a course with chemotherapy."""
    fractions = fraction_days(arm)
    if not fractions or arm.chemo in {"none", "cetuximab"}:
        return False
    return any(fractions[0] <= day <= fractions[-1] for day in ici_days(arm))


def expected_log_hr(found: Hazards, selection: Hazards | None, follow_up: tuple[float, float]) -> FloatArray:
    """Ln hazard ratio that a Cox regression of endlessly many of these patients gives, for each draw.

    Parameters
    ----------
    found : Hazards
        Of the end point.
    selection : Hazards, optional
        Of progression, where patients must be free of it at the landmark; None for all.
    follow_up : tuple of float
        Shortest and longest follow-up; censoring is even between them. [month]

    Returns
    -------
    array, shape (draws,)
    """
    first = round(found.landmark)
    cumulative = found.cumulative - found.cumulative[..., first : first + 1]
    last = min(HORIZON, first + round(follow_up[1]))
    survival = np.exp(-cumulative[..., first : last + 1])
    entering = np.ones(survival.shape[:-1])
    if selection is not None and first > 0:
        # those in either arm are selected under the treatment they had until then, which is the control's
        entering = np.broadcast_to(np.exp(-selection.cumulative[:1, ..., first]), entering.shape)
    when = np.arange(last - first) + 0.5
    uncensored = np.clip((follow_up[1] - when) / max(follow_up[1] - follow_up[0], 1e-9), 0.0, 1.0)
    risk = (entering[..., None] * survival[..., :-1]).mean(axis=2) * uncensored
    events = (entering[..., None] * -np.diff(survival, axis=-1)).mean(axis=2) * uncensored
    return _cox(risk, events)


def _cox(risk: FloatArray, events: FloatArray) -> FloatArray:
    """Ln HR of arm 1 from patients at risk and events by month, shape (2, draws, months)."""
    beta = np.zeros(risk.shape[1])
    total_events = events.sum(axis=0)
    # mid-month numbers at risk: half of the month's events have left
    n0, n1 = (risk[k] - events[k] / 2 for k in (0, 1))
    for _ in range(20):
        weighted = n1 * np.exp(beta)[:, None]
        share = weighted / np.maximum(weighted + n0, 1e-300)
        score = (events[1] - total_events * share).sum(axis=1)
        information = (total_events * share * (1 - share)).sum(axis=1)
        step = np.clip(score / np.maximum(information, 1e-300), -1.0, 1.0)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta
