"""The same regimens through several models: how each ranks them, and where the models agree.

Models differ in species, scale and units, so volumes are never compared between models. Each regimen is judged
within a model: log10 of the tumour over that of the same model without treatment, on one day after the last fraction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.progress import track
from abscopal.domain.regimen import Regimen
from abscopal.immune.published.catalogue import Published
from abscopal.pharmacology.drugs import drug_class

Site = Literal["irradiated", "other"]
Over = Literal["untreated", "radiation"]
FloatArray = NDArray[np.float64]
LEAST = 1e-12
"""Share of the untreated tumour below which it counts as gone."""
NOTE = (
    "models differ in species, scale and units, and most were fitted to one experiment: ranks are compared, volumes "
    "are not; every dose of a drug is one dose of the model's own; agreement of models that share assumptions is no "
    "evidence"
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Effect and rank of regimens in each model.

    Attributes
    ----------
    models, regimens : tuple of str
    effect : array, shape (n_models, n_regimens)
        log10 of the tumour over that without treatment (or without drugs); NaN where a model cannot take a regimen. [1]
    ranks : array, shape (n_models, n_regimens)
        1 is best; ties share their mean rank; NaN as above. [1]
    reasons : mapping
        (model, regimen) to why there is no value.
    tau : mapping
        Pair of models to Kendall's tau over the regimens both take; None for fewer than two, or where one ranks all
        equally.
    readout : float
        Days after the last fraction. [day]
    """

    models: tuple[str, ...]
    regimens: tuple[str, ...]
    effect: FloatArray
    ranks: FloatArray
    reasons: Mapping[tuple[str, str], str]
    tau: Mapping[tuple[str, str], float | None]
    readout: float

    @property
    def mean_tau(self) -> float | None:
        """Mean of Kendall's tau over the pairs that have one."""
        known = [tau for tau in self.tau.values() if tau is not None]
        return float(np.mean(known)) if known else None

    @property
    def n_models(self) -> NDArray[np.int_]:
        """Number of models that take each regimen, shape (n_regimens,)."""
        return np.asarray((~np.isnan(self.ranks)).sum(axis=0))

    @property
    def mean_rank(self) -> FloatArray:
        """Mean rank of each regimen over the models that take it, shape (n_regimens,)."""
        known = ~np.isnan(self.ranks)
        return np.asarray(np.where(known, self.ranks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


@dataclass(frozen=True, eq=False)
class EnsembleWindow:
    """Doses per fraction that each model favours at one number of fractions.

    Attributes
    ----------
    doses : array, shape (n,)
        [Gy]
    effect : array, shape (n_models, n)
        As in `Comparison`. [1]
    inside : array, shape (n_models, n)
        Whether the effect is at least `level` of the model's largest.
    share : array, shape (n,)
        Share, among the models that take the dose, of those for which it is inside; NaN where none does. [1]
    """

    models: tuple[str, ...]
    n_fractions: int
    level: float
    doses: FloatArray
    effect: FloatArray
    inside: NDArray[np.bool_]
    share: FloatArray
    readout: float

    @property
    def relative(self) -> FloatArray:
        """Effect over the model's largest, shape (n_models, n); NaN where it has none, or does not take the dose."""
        gain = -self.effect
        largest = np.nanmax(gain, axis=1, keepdims=True)
        return np.asarray(np.where(largest > 0, gain / np.where(largest > 0, largest, 1.0), np.nan))


@dataclass(frozen=True, eq=False)
class Courses:
    """The irradiated tumour over time.

    Attributes
    ----------
    models, regimens : tuple of str
    shares : mapping
        (model, regimen) to days after the first fraction and the tumour over its start, where the model takes it.
    """

    models: tuple[str, ...]
    regimens: tuple[str, ...]
    shares: Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]


def compare_regimens(
    regimens: Mapping[str, Regimen],
    models: Sequence[Published],
    *,
    readout: float = 30.0,
    site: Site = "irradiated",
    over: Over = "untreated",
) -> Comparison:
    """Run each regimen through each model.

    Parameters
    ----------
    regimens : mapping
        Name to regimen; day 0 is the first fraction.
    models : sequence of Published
    readout : float
        Days after the last fraction of a regimen (or after its last dose of a drug without radiation) on which the
        tumour is read. [day]
    site : {"irradiated", "other"}
        Lesion that is judged; models with one lesion are left out of the other.
    over : {"untreated", "radiation"}
        What the tumour is compared with: no treatment, or the same radiation without drugs, which leaves what the drugs
        add.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        No regimen, no model, or a readout that is not positive.
    ConvergenceError
        A model that could not be solved.
    """
    if not regimens or not models or not 0 < readout < float("inf"):
        raise InputError(
            doing="comparing regimens",
            found=f"{len(regimens)} regimens, {len(models)} models, a readout after {readout:g} days",
            expected="at least one of each and a positive readout",
            try_="a readout of 30 days",
        )
    effect = np.full((len(models), len(regimens)), np.nan)
    reasons: dict[tuple[str, str], str] = {}
    pairs = [(i, j) for i in range(len(models)) for j in range(len(regimens))]
    for i, j in track(pairs, "Models and regimens", len(pairs)):
        name = list(regimens)[j]
        try:
            effect[i, j] = log_effect(models[i], regimens[name], readout, site, over)
        except UnsupportedError as exc:
            reasons[models[i].name, name] = exc.found
    ranks = np.array([_ranks(row) for row in effect])
    tau = {(models[i].name, models[j].name): _tau(effect[i], effect[j]) for i, j in combinations(range(len(models)), 2)}
    return Comparison(tuple(m.name for m in models), tuple(regimens), effect, ranks, reasons, tau, readout)


def courses(
    regimens: Mapping[str, Regimen], models: Sequence[Published], *, readout: float = 30.0, points: int = 121
) -> Courses:
    """The tumour of each model under each regimen, from its own start to `readout` days after the last fraction.

    Parameters
    ----------
    regimens : mapping
        Name to regimen; day 0 is the first fraction.
    models : sequence of Published
    readout : float
        [day]
    points : int

    Raises
    ------
    ConvergenceError
        A model that could not be solved.
    """
    shares: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    last = max(max(one.fraction_days, default=one.last_day) for one in regimens.values()) + readout
    pairs = [(model, name) for model in models for name in regimens]
    for model, name in track(pairs, "Courses", len(pairs)):
        given = model.shifted(regimens[name])
        days = np.linspace(0.0, model.start_day + last, points)
        try:
            course = model.run(given, days.tolist(), horizon=max(float(days[-1]), given.last_day))[model.burden]
        except UnsupportedError:
            continue
        shares[model.name, name] = days - model.start_day, np.asarray(course) / float(course[0])
    return Courses(tuple(model.name for model in models), tuple(regimens), shares)


def log_effect(
    model: Published, regimen: Regimen, readout: float, site: Site = "irradiated", over: Over = "untreated"
) -> float:
    """log10 of the tumour over that without treatment (or without drugs), `readout` days after the last fraction."""
    given = model.shifted(regimen)
    lesion = model.other if site == "other" else model.burden
    if not lesion:
        raise UnsupportedError(
            doing=f"reading the other lesion of {model.name}", found="one lesion only",
            expected="a model with a lesion outside the field", try_="the irradiated lesion",
        )  # fmt: skip
    without = given.without_drugs() if over == "radiation" else Regimen()
    last = max(given.fraction_days, default=given.last_day) + readout
    treated, alone = (
        float(model.run(one, [last], horizon=max(last, given.last_day))[lesion][0]) for one in (given, without)
    )
    return float(np.log10(max(treated / alone, LEAST)))


def ensemble_window(
    models: Sequence[Published],
    n_fractions: int,
    doses: Sequence[float],
    *,
    drugs: Regimen | None = None,
    level: float = 0.9,
    readout: float = 30.0,
    site: Site = "irradiated",
    over: Over = "untreated",
) -> EnsembleWindow:
    """Which doses per fraction are near the best one in each model.

    Parameters
    ----------
    models : sequence of Published
    n_fractions : int
        Daily fractions.
    doses : sequence of float
        Per fraction. [Gy]
    drugs : Regimen, optional
        Its drug doses are given with every dose of radiation; models without that class are left out.
    level : float
        Share of a model's largest effect from which a dose is inside its window. [1]
    readout : float
        [day]
    site, over
        As in `compare_regimens`.
    """
    given = drugs.drug_doses if drugs else ()
    regimens = {f"{dose:g} Gy": Regimen.equal_fractions(dose, n_fractions, drug_doses=given) for dose in sorted(doses)}
    able = [
        model
        for model in models
        if {drug_class(dose.drug) for dose in given} <= set(model.amounts) and (site == "irradiated" or model.other)
    ]
    result = compare_regimens(regimens, able, readout=readout, site=site, over=over)
    gain = np.nan_to_num(-result.effect, nan=-np.inf)
    inside = gain >= level * gain.max(axis=1, keepdims=True)
    able_at = np.isfinite(result.effect).sum(axis=0)
    share = np.where(able_at > 0, inside.sum(axis=0) / np.maximum(able_at, 1), np.nan)
    return EnsembleWindow(
        result.models, n_fractions, level, np.array(sorted(doses)), result.effect, inside, share, readout
    )


def _ranks(effect: FloatArray) -> FloatArray:
    ranks = np.full(effect.size, np.nan)
    known = ~np.isnan(effect)
    ranks[known] = rankdata(np.round(effect[known], 6))
    return ranks


def _tau(one: FloatArray, other: FloatArray) -> float | None:
    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < 2:
        return None
    value = float(kendalltau(np.round(one[both], 6), np.round(other[both], 6)).statistic)
    return None if np.isnan(value) else value
