"""Patients of a replicate: dealt to arms, selected at the landmark, with their times to each event."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.knowledge.load import load
from abscopal.trials.calibrate import adds_ici
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import SHEET
from abscopal.trials.patient_pool import PatientPool
from abscopal.trials.population_layer import HORIZON, hazards

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Randomised patients of some replicates, arrays of shape (replicates, patients).

    Attributes
    ----------
    factor, draw : array, shape (replicates,)
        Places of the kill factor and of the parameter set.
    arm : array of int
        0 for the control, then the tested arms.
    progression, death, entry, dropout : array
        [month]
    chance : array
        Between 0 and 1, against which a response is drawn. [1]
    """

    factor: IntArray
    draw: IntArray
    patient: IntArray
    arm: IntArray
    progression: FloatArray
    death: FloatArray
    entry: FloatArray
    dropout: FloatArray
    chance: FloatArray


def enrol(design: TrialDesign, pool: PatientPool, size: int, rng: np.random.Generator, null: bool) -> Enrolled:
    """Randomised patients of `size` replicates, each with a set of the calibrated layer of its own.

    Parameters
    ----------
    design : TrialDesign
    pool : PatientPool
    size : int
    rng : Generator
    null : bool
        Give every arm the control arm's hazards.
    """
    n = design.population.n
    own = pool.sets["PFS"].iloc[rng.integers(len(pool.sets["PFS"]), size=size)].reset_index(drop=True)
    other = pool.sets["OS"].iloc[rng.integers(len(pool.sets["OS"]), size=size)].reset_index(drop=True)
    chosen = own if design.analysis.endpoint != "OS" else other
    factor, draw = chosen["factor"].to_numpy(), chosen["draw"].to_numpy()
    draw = draw % pool.draws
    arms = dealt(design, n, size, rng)
    patients = next(iter(pool.relative.values())).shape[2]
    picked = np.empty((size, n), dtype=np.int64)
    times = {name: np.empty((size, n)) for name in ("PFS", "OS")}
    rho = load(SHEET)["progression_death_correlation"]
    first = rng.standard_normal((size, n))
    second = rho * first + np.sqrt(1 - rho**2) * rng.standard_normal((size, n))
    for place in np.unique(factor):
        rows = np.flatnonzero(factor == place)
        found = {
            name: hazards(
                design, pool.relative[int(place)][:, draw[rows]], name, part["link"].to_numpy()[rows],
                trial_effect=_trial_effect(design, part.iloc[rows], rng),
            )
            for name, part in (("PFS", own), ("OS", other))
        }  # fmt: skip
        start = found["PFS"].landmark if design.randomisation.at == "RTend" else 0.0
        picked[rows] = _selected(found["PFS"].cumulative[0], found["OS"].cumulative[0], start, n, rng, patients)
        for name, normal in (("PFS", first), ("OS", second)):
            arm = np.zeros_like(arms[rows]) if null else arms[rows]
            times[name][rows] = _waiting(found[name].cumulative, arm, picked[rows], start, -norm.logsf(normal[rows]))
    entry = rng.uniform(0, design.accrual.months, (size, n))
    rate = -np.log1p(-design.accrual.dropout_per_month)
    dropout = rng.exponential(1 / rate, (size, n)) if rate > 0 else np.full((size, n), np.inf)
    progression = times["PFS"]
    if design.assessment.progression == "RECIST":
        arm = np.zeros_like(arms) if null else arms
        progression = in_place(pool.months, factor)[np.arange(size)[:, None], arm, draw[:, None], picked]
    return Enrolled(factor, draw, picked, arms, progression, times["OS"], entry, dropout, rng.random((size, n)))


def in_place(held: dict[int, FloatArray], factor: IntArray) -> FloatArray:
    """What is held for the kill factor of each replicate, stacked by replicate."""
    return np.stack([held[int(place)] for place in factor])


def _trial_effect(design: TrialDesign, sets: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """Ln hazard ratio beyond the model of each tested arm against the control, shape (tested, replicates).

    The deviations of two arms from one control correlate by a half: what equal variances of all contrasts
    between arms ask for (Higgins and Whitehead 1996, recalled).
    """
    tested = len(design.tested)
    shared = np.linalg.cholesky((np.eye(tested) + 1) / 2)
    deviation = sets["deviation"].to_numpy() * (shared @ rng.standard_normal((tested, len(sets))))
    constant = np.array([sets["effect"].to_numpy() if adds_ici(design, k) else np.zeros(len(sets))
                         for k in range(tested)])  # fmt: skip
    return np.asarray(constant + deviation, float)


def dealt(design: TrialDesign, n: int, size: int, rng: np.random.Generator) -> IntArray:
    """Arms of each replicate's patients: permuted blocks in the ratio of the allocations, 0 for the control.

    Returns
    -------
    array, shape (size, n)
    """
    share = np.array([arm.allocation for arm in design.compared])
    share = share / share.sum()
    block = design.randomisation.block
    labels, exact = _labels(share, block)
    fits = exact and len(set(labels.tolist())) == len(share)
    whole = labels if fits else _labels(share, n)[0]
    rows = []
    for _ in range(size):
        blocks = [rng.permutation(labels) for _ in range(-(-n // block))]
        # a ratio the block cannot hold is dealt over all patients at once
        rows.append(np.concatenate(blocks)[:n] if fits else rng.permutation(whole))
    return np.stack(rows)


def _labels(share: FloatArray, size: int) -> tuple[IntArray, bool]:
    """Arms of `size` patients in the ratio of the shares (the last arm first), and whether that ratio is met."""
    ends = np.round(np.cumsum(share[::-1]) * size).astype(int)
    counts = np.diff(ends, prepend=0)
    labels = np.repeat(np.arange(len(share))[::-1], counts).astype(np.int64)
    return labels, bool(np.abs(counts / size - share[::-1]).max() < 0.01)


def _selected(
    progression: FloatArray, death: FloatArray, start: float, n: int, rng: np.random.Generator, patients: int
) -> IntArray:
    """Patients of each replicate, drawn with replacement by the chance that they reach the landmark."""
    at = min(HORIZON, round(start))
    weight = np.exp(-progression[..., at] - death[..., at])
    share = np.cumsum(weight, axis=-1) / weight.sum(axis=-1, keepdims=True)
    return np.stack([np.minimum(np.searchsorted(row, rng.random(n)), patients - 1) for row in share])


def _waiting(
    cumulative: FloatArray, arm: IntArray, patient: IntArray, start: float, exponential: FloatArray
) -> FloatArray:
    """Months from the landmark to an event, by inverting the cumulative hazards; infinite beyond the horizon."""
    at = min(HORIZON, round(start))
    rows = np.arange(len(arm))[:, None]
    own = cumulative[arm, rows, patient][..., at:]
    target = own[..., :1] + exponential[..., None]
    place = (own < target).sum(axis=-1)
    inside = place < own.shape[-1]
    safe = np.clip(place, 1, own.shape[-1] - 1)[..., None]
    low, high = (np.take_along_axis(own, safe - back, axis=-1)[..., 0] for back in (1, 0))
    months = safe[..., 0] - 1 + (target[..., 0] - low) / np.maximum(high - low, 1e-12)
    return np.where(inside, months, np.inf)
