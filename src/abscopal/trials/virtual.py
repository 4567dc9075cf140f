"""Virtual trials: many replicates of one design, each with its own model, patients and chance."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.domain.errors import InputError
from abscopal.domain.manifest import Manifest, make_manifest
from abscopal.domain.progress import track
from abscopal.knowledge.load import load
from abscopal.trials.calibrate import adds_ici
from abscopal.trials.design import SHEET, TrialDesign, planned_events
from abscopal.trials.layer_file import layer_sets
from abscopal.trials.lesions import best_response, progression_month
from abscopal.trials.population_layer import HORIZON, hazards, relative_burden
from abscopal.trials.response import Library, respond
from abscopal.trials.survival import compare, kaplan_meier, landmark_difference, number_at_risk, restricted_mean

if TYPE_CHECKING:
    from distributed import Client

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
BLOCK = 50
"""Replicates computed, and stored, together; each block has random numbers of its own."""
_CURVE = np.arange(0, 61, 1.0)
BINARY = {"ORR", "abscopal ORR", "pCR"}


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What many replicates of a virtual trial showed. Everything in it is simulated.

    Attributes
    ----------
    replicates : DataFrame
        One row each: `log_hr`, `se`, `p` (two-sided), `events`, `median_exp`, `median_ctrl` [month],
        `rmst_difference` [month], `landmark_difference` [1], `stopped` ("", futility or efficacy),
        `won` (bool); for a rate `rate_exp`, `rate_ctrl` instead of times.
    summary : dict
        Power, hazard ratio with its 90 % interval over model, patients and chance, and so on.
    curves : DataFrame
        Virtual Kaplan-Meier: per arm and month the median survival over replicates with its 90 % interval,
        and the mean number at risk.
    benefit : DataFrame
        Who gained: mean gain of restricted mean time by thirds of each covariate, from the same virtual
        patient under both arms, with the constant effect of an added ICI and by the mechanism alone. [month]
    """

    design: TrialDesign
    replicates: pd.DataFrame = field(repr=False)
    summary: dict[str, Any]
    curves: pd.DataFrame = field(repr=False)
    benefit: pd.DataFrame = field(repr=False)
    manifest: Manifest


def run_trial(
    design: TrialDesign,
    replicates: int = 500,
    *,
    draws: int = 40,
    patients: int = 200,
    seed: int = 0,
    null: bool = False,
    out: Path | None = None,
    workers: int | None = None,
    cluster: "Client | str | None" = None,
) -> TrialResult:
    """Replicates of a two-arm trial over the posterior of model and population layer.

    Parameters
    ----------
    design : TrialDesign
    replicates : int
    draws, patients : int
        Parameter sets of the immune model, and distinct virtual patients of each that replicates draw from.
    seed : int
    null : bool
        Give the experimental arm the control arm's hazards: what comes out is the type I error.
    out : Path, optional
        Folder; patients and finished blocks of replicates are kept there and not computed again.
    workers, cluster
        For the immune model, as in `simulate_population`.

    Raises
    ------
    InputError
        No replicate; a folder that holds another trial.
    """
    if replicates < 1:
        raise InputError(
            doing="running a virtual trial", found=f"{replicates} replicates", expected="1 or more", try_="500"
        )
    pool = _pool(design, draws, patients, seed, out, workers, cluster)
    if out is not None:
        _claim(out, design, pool, seed, null)
    blocks = [_block(design, pool, k, min(BLOCK, replicates - k * BLOCK), seed, null, out)
              for k in track(range(-(-replicates // BLOCK)), "replicates")]  # fmt: skip
    table = pd.concat([block.table for block in blocks], ignore_index=True)
    shown = [block for block in blocks if block.survival is not None]
    curves = _curves(shown, design) if shown else pd.DataFrame()
    manifest = make_manifest(
        command="abscopal trials simulate",
        inputs={},
        parameters_sha256=str(pool.provenance["parameters_sha256"]),
        seed=seed,
    )
    return TrialResult(design, table, _summary(design, table, pool), curves, _benefit(design, pool), manifest)


@dataclass(frozen=True, eq=False)
class _Pool:
    """The virtual patients that replicates draw from, for each kill factor."""

    libraries: dict[int, Library]
    relative: dict[int, FloatArray]
    sets: dict[str, pd.DataFrame]

    @property
    def provenance(self) -> dict[str, Any]:
        return next(iter(self.libraries.values())).provenance


def _pool(
    design: TrialDesign, draws: int, patients: int, seed: int, out: Path | None, workers: int | None, cluster: Any
) -> _Pool:
    sets = {name: layer_sets(name) for name in ("PFS", "OS")}
    factors = load(SHEET).vector("kill_factors")
    libraries = {
        place: respond(
            design, draws=draws, patients=patients, seed=seed, kill_factor=factor, workers=workers, cluster=cluster,
            out=None if out is None else out / f"patients-{place}",
        )
        for place, factor in enumerate(factors)
        if (sets["PFS"]["factor"] == place).any()
    }  # fmt: skip
    return _Pool(libraries, {k: relative_burden(library, design) for k, library in libraries.items()}, sets)


def _claim(out: Path, design: TrialDesign, pool: _Pool, seed: int, null: bool) -> None:
    """Refuse a folder that holds blocks of another trial."""
    out.mkdir(parents=True, exist_ok=True)
    mine = json.dumps(
        {"design": design.model_dump(mode="json"), "provenance": pool.provenance, "seed": seed, "null": null},
        sort_keys=True, indent=1,
    )  # fmt: skip
    note = out / "trial.json"
    if note.exists() and note.read_text(encoding="utf-8") != mine:
        raise InputError(
            doing="continuing a virtual trial", found=f"another design, seed or model in {out.name}",
            expected="the folder of this very trial, or an empty one", try_="another --out",
        )  # fmt: skip
    note.write_text(mine, encoding="utf-8")


@dataclass(frozen=True, eq=False)
class _Done:
    table: pd.DataFrame
    survival: FloatArray | None
    at_risk: FloatArray | None


def _block(design: TrialDesign, pool: _Pool, number: int, size: int, seed: int, null: bool, out: Path | None) -> _Done:
    path = None if out is None else out / f"replicates-{number:06d}-{size}.npz"
    if path is not None and path.exists():
        return _read(path)
    rng = np.random.default_rng([seed, number])
    people = _enrol(design, pool, size, rng, null)
    done = _rates(design, pool, people) if design.analysis.endpoint in BINARY else _times(design, people)
    if path is not None:
        _write(path, done)
    return done


def _write(path: Path, done: _Done) -> None:
    """A block is whole or not there: it is written beside its place and then moved."""
    columns = {f"column {name}": np.asarray(done.table[name].tolist()) for name in done.table}
    extra = {} if done.survival is None else {"survival": done.survival, "at_risk": done.at_risk}
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **columns, **extra)  # type: ignore[arg-type]
    partial.replace(path)


def _read(path: Path) -> _Done:
    with np.load(path, allow_pickle=False) as held:
        columns = {name.removeprefix("column "): held[name] for name in held.files if name.startswith("column ")}
        tracks = (held["survival"], held["at_risk"]) if "survival" in held.files else (None, None)
    return _Done(pd.DataFrame(columns), *tracks)


@dataclass(frozen=True, eq=False)
class _People:
    """Randomised patients of some replicates, arrays of shape (replicates, patients)."""

    factor: NDArray[np.int64]
    draw: NDArray[np.int64]
    patient: NDArray[np.int64]
    experimental: BoolArray
    progression: FloatArray
    death: FloatArray
    entry: FloatArray
    dropout: FloatArray
    chance: FloatArray


def _enrol(design: TrialDesign, pool: _Pool, size: int, rng: np.random.Generator, null: bool) -> _People:
    n = design.population.n
    own = pool.sets["PFS"].iloc[rng.integers(len(pool.sets["PFS"]), size=size)].reset_index(drop=True)
    other = pool.sets["OS"].iloc[rng.integers(len(pool.sets["OS"]), size=size)].reset_index(drop=True)
    chosen = own if design.analysis.endpoint != "OS" else other
    factor, draw = chosen["factor"].to_numpy(), chosen["draw"].to_numpy()
    draw = draw % pool.provenance["draws"]
    arms = np.stack([_deal(design, n, rng) for _ in range(size)])
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
            arm = np.zeros_like(arms[rows], dtype=np.int64) if null else arms[rows].astype(np.int64)
            times[name][rows] = _waiting(found[name].cumulative, arm, picked[rows], start, -norm.logsf(normal[rows]))
    entry = rng.uniform(0, design.accrual.months, (size, n))
    rate = -np.log1p(-design.accrual.dropout_per_month)
    dropout = rng.exponential(1 / rate, (size, n)) if rate > 0 else np.full((size, n), np.inf)
    progression = times["PFS"]
    if design.assessment.progression == "RECIST":
        progression = _seen_on_lesions(design, pool, factor, draw, picked, arms & (not null))
    return _People(
        factor, draw, picked, arms, progression, times["OS"], entry, dropout, rng.random((size, n))
    )  # fmt: skip


def _trial_effect(design: TrialDesign, sets: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    effect = sets["effect"].to_numpy() if adds_ici(design) else 0.0
    return np.asarray(effect + sets["deviation"].to_numpy() * rng.standard_normal(len(sets)), float)


def _deal(design: TrialDesign, n: int, rng: np.random.Generator) -> BoolArray:
    """Permuted blocks in the ratio of the allocations; True is the experimental arm."""
    share = design.arms[1].allocation / sum(arm.allocation for arm in design.arms)
    block = design.randomisation.block
    dealt = [rng.permutation(np.arange(block) < round(share * block)) for _ in range(-(-n // block))]
    whole = np.concatenate(dealt)[:n]
    if 0 < round(share * block) < block and abs(round(share * block) / block - share) < 0.01:
        return whole
    return rng.permutation(np.arange(n) < round(share * n))  # a ratio the block cannot hold


def _selected(
    progression: FloatArray, death: FloatArray, start: float, n: int, rng: np.random.Generator, patients: int
) -> NDArray[np.int64]:
    """Patients of each replicate, drawn with replacement by the chance that they reach the landmark."""
    at = min(HORIZON, round(start))
    weight = np.exp(-progression[..., at] - death[..., at])
    share = np.cumsum(weight, axis=-1) / weight.sum(axis=-1, keepdims=True)
    return np.stack([np.minimum(np.searchsorted(row, rng.random(n)), patients - 1) for row in share])


def _waiting(
    cumulative: FloatArray, arm: NDArray[np.int64], patient: NDArray[np.int64], start: float, exponential: FloatArray
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


def _seen_on_lesions(
    design: TrialDesign, pool: _Pool, factor: NDArray[np.int64], draw: NDArray[np.int64],
    patient: NDArray[np.int64], experimental: BoolArray,
) -> FloatArray:  # fmt: skip
    months = {k: progression_month(library, design) for k, library in pool.libraries.items()}
    table = np.stack([months[k] if k in months else np.zeros_like(next(iter(months.values())))
                      for k in range(max(months) + 1)])  # fmt: skip
    return np.asarray(table[factor[:, None], experimental.astype(int), draw[:, None], patient], float)


def _times(design: TrialDesign, people: _People) -> _Done:
    ends = people.death if design.analysis.endpoint == "OS" else np.minimum(_assessed(design, people), people.death)
    total = planned_events(design)
    cut = _cut(design, people, ends, total)
    stopped = np.full(len(cut), "", dtype=object)
    for look in design.analysis.interim:
        early = _cut(design, people, ends, look.information * total) if np.isfinite(total) else look.information * cut
        stopped = _look(design, people, ends, early, look, stopped)
    time, event = _followed(people, ends, cut)
    table = _analysed(design, time, event, people.experimental)
    table["stopped"] = stopped
    table["won"] = ((table["p"] < design.analysis.alpha) & (table["log_hr"] < 0) & (stopped != "futility")) | (
        stopped == "efficacy"
    )
    return _Done(table, *_tracks(time, event, people.experimental))


def _assessed(design: TrialDesign, people: _People) -> FloatArray:
    """Progression is known at the next visit."""
    every = design.assessment.interval_months
    return np.asarray(np.ceil(np.minimum(people.progression, 1e6) / every) * every, float)


def _cut(design: TrialDesign, people: _People, ends: FloatArray, events: float) -> FloatArray:
    """Calendar month of the data cut of each replicate."""
    last = design.accrual.months + design.analysis.follow_up_months
    if not np.isfinite(events):
        return np.full(len(ends), last)
    calendar = np.where(ends < people.dropout, people.entry + ends, np.inf)
    order = np.sort(calendar, axis=1)
    place = min(int(np.ceil(events)), order.shape[1]) - 1
    return np.minimum(order[:, place] + 1e-9, last)


def _followed(people: _People, ends: FloatArray, cut: FloatArray) -> tuple[FloatArray, BoolArray]:
    limit = np.minimum(people.dropout, cut[:, None] - people.entry)
    return np.maximum(np.minimum(ends, limit), 0.0), (ends <= limit) & (limit >= 0)


def _look(
    design: TrialDesign, people: _People, ends: FloatArray, cut: FloatArray, look: Any, stopped: NDArray[np.object_]
) -> NDArray[np.object_]:
    time, event = _followed(people, ends, cut)
    found = compare(time, event, people.experimental, included=people.entry < cut[:, None])
    running = stopped == ""
    result = stopped.copy()
    if look.futility_hr is not None:
        result[running & (np.nan_to_num(found.log_hr) >= np.log(look.futility_hr))] = "futility"
    if look.efficacy:
        bound = norm.isf(design.analysis.alpha / 2) / np.sqrt(look.information)
        result[running & (found.z <= -bound)] = "efficacy"
    return result


def _analysed(design: TrialDesign, time: FloatArray, event: BoolArray, experimental: BoolArray) -> pd.DataFrame:
    found = compare(time, event, experimental)
    rows = []
    for t, e, a in zip(time, event, experimental, strict=True):
        limit = min(design.analysis.rmst_months, t[a].max(), t[~a].max())
        mark = min(design.analysis.landmark_months, t[a].max(), t[~a].max())
        rows.append({
            "median_exp": kaplan_meier(t[a], e[a]).median, "median_ctrl": kaplan_meier(t[~a], e[~a]).median,
            "rmst_difference": restricted_mean(t[a], e[a], limit)[0] - restricted_mean(t[~a], e[~a], limit)[0],
            "landmark_difference": landmark_difference(t, e, a, mark).value,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    table.insert(0, "log_hr", found.log_hr)
    table.insert(1, "se", found.se)
    table.insert(2, "p", 2 * norm.sf(np.abs(np.nan_to_num(found.z))))
    table.insert(3, "events", found.events)
    return table


def _tracks(time: FloatArray, event: BoolArray, experimental: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Survival and numbers at risk by replicate, arm (control first) and month."""
    survival, risk = [], []
    for t, e, a in zip(time, event, experimental, strict=True):
        survival.append([kaplan_meier(t[side], e[side]).at(_CURVE) for side in (~a, a)])
        risk.append([number_at_risk(t[side], _CURVE) for side in (~a, a)])
    return np.array(survival), np.array(risk, float)


def _rates(design: TrialDesign, pool: _Pool, people: _People) -> _Done:
    arm = people.experimental.astype(int)
    chance = np.empty(arm.shape)
    for place in np.unique(people.factor):
        rows = np.flatnonzero(people.factor == place)
        table = best_response(pool.libraries[int(place)], design)
        chance[rows] = table[arm[rows], people.draw[rows][:, None], people.patient[rows]]
    hit = people.chance < chance
    a = people.experimental
    n1, n0 = a.sum(1), (~a).sum(1)
    one, two = (hit & a).sum(1), (hit & ~a).sum(1)
    p1, p0 = (one + 0.5) / (n1 + 1), (two + 0.5) / (n0 + 1)
    log_odds = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    se = np.sqrt(1 / (n1 * p1 * (1 - p1)) + 1 / (n0 * p0 * (1 - p0)))
    p = 2 * norm.sf(np.abs(log_odds / se))
    won = (p < design.analysis.alpha) & (log_odds > 0)
    return _Done(pd.DataFrame({
        "log_odds_ratio": log_odds, "se": se, "p": p, "rate_exp": one / n1, "rate_ctrl": two / n0,
        "stopped": "", "won": won,
    }), None, None)  # fmt: skip


def _summary(design: TrialDesign, table: pd.DataFrame, pool: _Pool) -> dict[str, Any]:
    power = float(table["won"].mean())
    found: dict[str, Any] = {
        "simulated": True, "endpoint": design.analysis.endpoint, "replicates": len(table),
        "patients": design.population.n,
        "probability_of_success": power, "monte_carlo_se": float(np.sqrt(power * (1 - power) / len(table))),
        "stopped_for_futility": float((table["stopped"] == "futility").mean()),
        "stopped_for_efficacy": float((table["stopped"] == "efficacy").mean()),
        "parameters": pool.provenance["parameters"], "model_digest": pool.provenance["model_digest"],
        "parameters_sha256": pool.provenance["parameters_sha256"],
    }  # fmt: skip
    effect = "log_odds_ratio" if design.analysis.endpoint in BINARY else "log_hr"
    ratio = np.exp(np.quantile(table[effect].dropna(), [0.05, 0.5, 0.95]))
    name = "odds_ratio" if effect == "log_odds_ratio" else "hazard_ratio"
    found |= {name: float(ratio[1]), f"{name}_interval_90": (float(ratio[0]), float(ratio[2])),
              "p_favours_experimental": float(_favourable(table, name).mean())}  # fmt: skip
    for column in (
        "median_exp",
        "median_ctrl",
        "rmst_difference",
        "landmark_difference",
        "rate_exp",
        "rate_ctrl",
        "events",
    ):
        if column in table:
            # a median that is not reached counts as infinite, and stays so in a quantile taken without interpolation
            low, mid, high = np.quantile(table[column], [0.05, 0.5, 0.95], method="inverted_cdf").tolist()
            found[column] = {"median": _finite(mid), "low_90": _finite(low), "high_90": _finite(high)}
    return found


def _favourable(table: pd.DataFrame, name: str) -> "pd.Series[bool]":
    return table["rate_exp"] > table["rate_ctrl"] if name == "odds_ratio" else table["log_hr"] < 0


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _curves(blocks: list[_Done], design: TrialDesign) -> pd.DataFrame:
    survival = np.concatenate([block.survival for block in blocks if block.survival is not None])
    risk = np.concatenate([block.at_risk for block in blocks if block.at_risk is not None])
    parts = []
    for k, arm in enumerate(design.arms):
        low, mid, high = np.quantile(survival[:, k], [0.05, 0.5, 0.95], axis=0)
        followed = risk[:, k].mean(axis=0) >= 1
        parts.append(pd.DataFrame({
            "arm": arm.name, "month": _CURVE, "survival": mid, "low_90": low, "high_90": high,
            "at_risk": risk[:, k].mean(axis=0),
        }).loc[followed])  # fmt: skip
    whole: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return whole


def _benefit(design: TrialDesign, pool: _Pool) -> pd.DataFrame:
    """Gain of the same virtual patients, without trial noise, by thirds of each covariate."""
    endpoint = "OS" if design.analysis.endpoint == "OS" else "PFS"
    sets = pool.sets[endpoint]
    place = int(sets["factor"].mode().iloc[0])
    mean = sets.loc[sets["factor"] == place]
    link = float(mean["link"].mean())
    constant = float(mean["effect"].mean()) if adds_ici(design) else 0.0
    whole = _gain(design, pool.relative[place], endpoint, link, constant)
    alone = _gain(design, pool.relative[place], endpoint, link, 0.0)
    rows = [_gained("all", "", whole, alone)]
    for name, column in pool.libraries[place].covariates.items():
        third = np.digitize(column.ravel(), np.quantile(column, [1 / 3, 2 / 3]))
        rows += [
            _gained(name, label, whole[third == k], alone[third == k])
            for k, label in enumerate(("lowest third", "middle third", "highest third"))
        ]
    return pd.DataFrame(rows)


def _gain(design: TrialDesign, relative: FloatArray, endpoint: str, link: float, constant: float) -> FloatArray:
    """Gain of restricted mean time of each virtual patient. [month]."""
    found = hazards(design, relative, endpoint, link, trial_effect=constant)
    limit = min(HORIZON, round(design.analysis.rmst_months))
    survival = np.exp(-found.cumulative[..., : limit + 1])
    mean = ((survival[..., 1:] + survival[..., :-1]) / 2).sum(-1)
    return np.asarray(mean[1] - mean[0], float).ravel()


def _gained(covariate: str, who: str, whole: FloatArray, alone: FloatArray) -> dict[str, Any]:
    return {
        "covariate": covariate, "who": who, "gain_months": float(whole.mean()),
        "gain_by_mechanism_months": float(alone.mean()), "share_gaining_by_mechanism": float((alone > 0).mean()),
    }  # fmt: skip
