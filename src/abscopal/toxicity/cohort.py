"""Many patients at once: every model, every patient, every parameter draw, as arrays."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.progress import track
from abscopal.dose.dvh import DVH
from abscopal.toxicity.covariates import Covariates, covariate
from abscopal.toxicity.exposure import model_dose
from abscopal.toxicity.forms import FloatArray
from abscopal.toxicity.models import Bins, Value, probabilities, require_model
from abscopal.toxicity.table import NtcpModel, load_models
from abscopal.toxicity.uncertainty import DRAWS, Spread, draw_parameters, draw_probabilities, interval_of

if TYPE_CHECKING:
    import xarray as xr

CHUNK = 500  # patients at a time: a block of draws stays in the processor's cache
BIN_GY = 0.5
NOTHING_LEFT = 1e-9  # share of the volume below which the rounding of a sum is all that is left


@dataclass(frozen=True, eq=False)
class Histograms:
    """Differential histograms of one organ of n patients, on one dose axis.

    Attributes
    ----------
    edges : array, shape (m + 1,)
        Ascending from 0. [Gy]
    volume : array, shape (n, m)
        Share of the organ in each bin; rows sum to 1. [1]
    volume_cm3 : array, shape (n,)
        NaN where it is not known. [cm3]
    """

    edges: FloatArray
    volume: FloatArray
    volume_cm3: FloatArray

    @classmethod
    def of(cls, dvhs: Sequence[DVH], bin_gy: float = BIN_GY) -> "Histograms":
        """Histograms of one organ in the same patients, brought to one axis of equal bins [Gy]."""
        top = max(dvh.maximum for dvh in dvhs)
        edges = bin_gy * np.arange(int(np.ceil(top / bin_gy)) + 2, dtype=np.float64)
        left = np.array([np.interp(edges, dvh.edges, dvh.volume_fraction, right=0.0) for dvh in dvhs])
        return cls(edges, -np.diff(left, axis=1), np.array([dvh.volume_cm3 for dvh in dvhs]))

    @property
    def dose(self) -> FloatArray:
        """Centres of the bins in Gy, shape (m,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def figure(self, statistic: str) -> FloatArray | Bins:
        """One figure per patient, by the names of `exposure.figure`, shape (n,); or the bins."""
        if statistic in ("gEUD", "dvh"):
            return Bins(self.dose, self.volume)
        simple = {"mean": self.volume @ self.dose, "volume_cc": self.volume_cm3}
        if statistic in simple:
            return simple[statistic]
        left = 1 - np.cumsum(np.c_[np.zeros(len(self.volume)), self.volume], axis=1)
        if statistic == "max":
            return np.asarray(self.edges[np.argmax(left <= NOTHING_LEFT, axis=1)])
        match = re.fullmatch(r"(V|D)(\d+(?:\.\d+)?)_(pct|cc)", statistic)
        if match is None:
            raise ModelError(
                doing="reading the histograms of a cohort",
                found=f"the unknown figure '{statistic}'",
                expected="mean, max, volume_cc, gEUD, dvh, V<dose>_pct, V<dose>_cc or D<percent>_pct",
                try_="one of these",
            )
        at, whole = float(match[2]), 100.0 if match[3] == "pct" else self.volume_cm3
        if match[1] == "V":
            return np.asarray(_at(self.edges, left, at) * whole)
        return _dose_at(self.edges, left, at / whole)


def _at(edges: FloatArray, left: FloatArray, dose: float) -> FloatArray:
    """Share of each patient's volume at or above a dose, linear between edges."""
    if dose >= edges[-1]:
        return np.zeros(len(left))
    j = int(np.searchsorted(edges, dose, side="right"))
    part = (dose - edges[j - 1]) / (edges[j] - edges[j - 1])
    return np.asarray((1 - part) * left[:, j - 1] + part * left[:, j])


def _dose_at(edges: FloatArray, left: FloatArray, share: float | FloatArray) -> FloatArray:
    """Highest dose that at least a share of each patient's volume receives, linear between edges."""
    wanted = np.broadcast_to(np.asarray(share, dtype=np.float64), len(left))
    last = (left >= wanted[:, np.newaxis] - 1e-12).sum(axis=1) - 1
    last, rows = np.clip(last, 0, len(edges) - 2), np.arange(len(left))
    fall = left[rows, last] - left[rows, last + 1]
    part = np.where(fall > 0, (left[rows, last] - wanted) / np.where(fall > 0, fall, 1), 0.0)
    return np.asarray(edges[last] + np.clip(part, 0, 1) * (edges[last + 1] - edges[last]))


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients with the same organs contoured.

    Attributes
    ----------
    organs : mapping
        Physical-dose histograms by organ label of the organs table, such as `lungs` or `heart`.
    n_fractions : array of int, shape (n,)
        [1]
    covariates : mapping
        Arrays of shape (n,), by the names `assess_toxicity` takes.
    """

    organs: Mapping[str, Histograms]
    n_fractions: NDArray[np.int64]
    covariates: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {name: len(h.volume) for name, h in self.organs.items()}
        sizes |= {name: len(values) for name, values in self.covariates.items()}
        wrong = [name for name, size in sizes.items() if size != len(self)]
        if wrong or not len(self) or self.n_fractions.min() < 1:
            raise InputError(
                doing="joining a cohort",
                found=f"another number of patients in {', '.join(wrong)}" if wrong else "no patient, or no fraction",
                expected=f"{len(self)} patients in every organ and covariate, and at least one fraction each",
                try_="leaving out patients with missing values first",
            )

    def __len__(self) -> int:
        return len(self.n_fractions)

    def values(self, model: NtcpModel, rows: NDArray[np.int64], n_fractions: int) -> dict[str, Value]:
        """Predictors of a model for some of the patients, all of one fraction count."""
        found: dict[str, Value] = {}
        for predictor in model.predictors:
            if predictor.organ:
                whole = self.organs[predictor.organ]
                mine = Histograms(
                    model_dose(whole.edges, model, n_fractions), whole.volume[rows], whole.volume_cm3[rows]
                )
                found[predictor.name] = mine.figure(predictor.statistic)
            else:
                told = self.told(predictor.statistic)
                if told is not None:
                    found[predictor.name] = told[rows]
        return found

    def told(self, statistic: str) -> NDArray[Any] | None:
        """A model's covariate for every patient, None where it is not known for each."""
        names = list(self.covariates)
        columns = [self.covariates[name].tolist() for name in names]
        found = []
        for row in zip(*columns, strict=True) if columns else ():
            known: Covariates = {name: value for name, value in zip(names, row, strict=True) if value is not None}
            found.append(covariate(statistic, known))
        return None if not found or any(value is None for value in found) else np.array(found)


def cohort_risks(
    cohort: Cohort, models: Sequence[str] | None = None, *, draws: int = DRAWS, seed: int = 0, workers: int = 2
) -> "xr.Dataset":
    """Complication probabilities with intervals of every patient by every model that has what it needs.

    Parameters
    ----------
    cohort : Cohort
    models : sequence of str, optional
        Ids of evaluable rows; all of them if left out.
    draws, seed : int
        As for one patient: the same draws of the parameters for every patient.
    workers : int
        Threads.

    Returns
    -------
    Dataset
        `probability`, `low` and `high` over (model, patient) [1]; attribute `not_computable` says of every
        other model what it lacks. A factor that is not required and not known for every patient is not counted.
    """
    import xarray as xr

    wanted = [require_model(name) for name in models] if models is not None else list(load_models().values())
    lacking = {m.id: lack for m in wanted if m.role == "model" and (lack := _lacks(m, cohort))}
    usable = [m for m in wanted if m.role == "model" and m.id not in lacking]
    result = np.empty((3, len(usable), len(cohort)))
    jobs = [
        (i, model, draw_parameters(model, draws, seed), rows, n)
        for i, model in enumerate(usable)
        for rows, n in _chunks(cohort)
    ]

    def work(job: tuple[int, NtcpModel, Spread, NDArray[np.int64], int]) -> None:
        i, model, spread, rows, n = job
        values = cohort.values(model, rows, n)
        point = probabilities(model, values)
        low, high = interval_of(point, draw_probabilities(model, values, spread))
        result[:, i, rows] = point, low, high

    with ThreadPoolExecutor(workers) as pool:
        for _ in track(pool.map(work, jobs), "Complications", len(jobs)):
            pass
    names = ("probability", "low", "high")
    return xr.Dataset(
        {name: (("model", "patient"), part) for name, part in zip(names, result, strict=True)},
        coords={"model": [m.id for m in usable], "patient": np.arange(len(cohort))},
        attrs={"unit": "1", "interval_level": 0.95, "draws": draws, "seed": seed, "not_computable": lacking},
    )


def _chunks(cohort: Cohort) -> Iterator[tuple[NDArray[np.int64], int]]:
    for n in np.unique(cohort.n_fractions):
        rows = np.flatnonzero(cohort.n_fractions == n)
        for start in range(0, len(rows), CHUNK):
            yield rows[start : start + CHUNK], int(n)


def _lacks(model: NtcpModel, cohort: Cohort) -> str:
    organs = [p.organ for p in model.predictors if p.organ and p.organ not in cohort.organs]
    facts = [
        p.statistic
        for p in model.predictors
        if p.source == "covariate" and p.required and cohort.told(p.statistic) is None
    ]
    needs = [*(f"histograms of {organ}" for organ in dict.fromkeys(organs)), *(f"covariate {name}" for name in facts)]
    return "not computable: needs " + ", ".join(needs) if needs else ""
