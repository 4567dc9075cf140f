"""Dose score and DVH score as the OpenKBP challenge defines them.

Babier A et al., Medical Physics 2021;48:5549, doi 10.1002/mp.14845. Both are mean absolute errors in Gy; lower
is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import ORGANS, TARGETS, Anatomy, Example

TENTH_OF_CC = 100.0  # mm3
Metric = tuple[str, str]
"""Structure and metric, such as ("PTV70", "D95")."""
DoseArray = NDArray[np.floating]


@dataclass(frozen=True)
class PatientScore:
    """How far a predicted dose is from the plan's, for one patient.

    Attributes
    ----------
    name : str
    dose_score : float
        Sum of the absolute dose difference over the number of voxels that can receive dose. [Gy]
    metric_errors : mapping of (structure, metric) to float
        Predicted less planned. [Gy]
    """

    name: str
    dose_score: float
    metric_errors: Mapping[Metric, float]

    @property
    def dvh_score(self) -> float:
        """Mean absolute error over this patient's metrics [Gy]."""
        return float(np.mean(np.abs(list(self.metric_errors.values()))))


@dataclass(frozen=True)
class Scores:
    """Scores of one predictor over a set of patients."""

    patients: tuple[PatientScore, ...]

    @property
    def dose_score(self) -> float:
        """Mean over the patients [Gy]."""
        return float(np.mean([one.dose_score for one in self.patients]))

    @property
    def dvh_score(self) -> float:
        """Mean absolute error over all metrics of all patients together, as in the challenge [Gy]."""
        return float(np.mean(np.abs([error for one in self.patients for error in one.metric_errors.values()])))


def dvh_metrics(dose: DoseArray, anatomy: Anatomy) -> dict[Metric, float]:
    """D0.1cc and mean dose of each organ; D99, D95 and D1 of each target.

    Parameters
    ----------
    dose : array, shape (a, b, c)
        [Gy]
    anatomy : Anatomy

    Returns
    -------
    dict
        Of the structures the patient has. Whole voxels count; quantiles interpolate linearly, and D0.1cc is
        the quantile that leaves 0.1 cm3 (a whole number of voxels) above it. [Gy]
    """
    voxels = max(1.0, float(np.round(TENTH_OF_CC / np.prod(anatomy.voxel_mm))))
    found: dict[Metric, float] = {}
    for name in ORGANS:
        if name in anatomy.masks:
            inside = np.asarray(dose[anatomy.masks[name]], dtype=np.float64)
            found[name, "D0.1cc"] = float(np.percentile(inside, max(0.0, 100.0 - 100.0 * voxels / inside.size)))
            found[name, "mean"] = float(inside.mean())
    for name in TARGETS:
        if name in anatomy.masks:
            inside = np.asarray(dose[anatomy.masks[name]], dtype=np.float64)
            for metric, percentile in (("D99", 1.0), ("D95", 5.0), ("D1", 99.0)):
                found[name, metric] = float(np.percentile(inside, percentile))
    return found


def score_patient(example: Example, predicted: DoseArray) -> PatientScore:
    """Compare a predicted dose with the plan's.

    Raises
    ------
    InputError
        The prediction lies on another grid or holds numbers that are not finite.
    """
    if predicted.shape != example.anatomy.shape or not np.isfinite(predicted).all():
        raise InputError(
            doing=f"scoring the prediction for {example.name}", found=f"an array of shape {predicted.shape}",
            expected=f"finite doses on the grid {example.anatomy.shape}", try_="the predictor's own output",
        )  # fmt: skip
    difference = np.abs(example.dose.astype(np.float64) - predicted).sum()
    planned, expected = dvh_metrics(example.dose, example.anatomy), dvh_metrics(predicted, example.anatomy)
    errors = {metric: expected[metric] - planned[metric] for metric in planned}
    return PatientScore(example.name, float(difference / example.anatomy.region.sum()), errors)


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval from resampling patients with replacement."""

    value: float
    low: float
    high: float


def bootstrap(scores: Scores, what: str, *, draws: int = 5000, seed: int = 0) -> Interval:
    """`dose_score` or `dvh_score` with a percentile interval over resampled patients [Gy].

    With few patients the interval is rough: it can only repeat the patients there are.
    """
    patients = scores.patients
    picks = np.random.default_rng(seed).integers(0, len(patients), (draws, len(patients)))
    total, count = _sums(patients, what)
    values = total[picks].sum(axis=1) / count[picks].sum(axis=1)
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(getattr(scores, what)), float(low), float(high))


def paired_difference(one: Scores, other: Scores, what: str, *, draws: int = 5000, seed: int = 0) -> Interval:
    """Score of `one` less that of `other` on the same patients, resampled in pairs [Gy].

    Raises
    ------
    InputError
        The two were not scored on the same patients.
    """
    if [p.name for p in one.patients] != [p.name for p in other.patients]:
        raise InputError(
            doing="comparing two predictors", found="scores of different patients",
            expected="the same patients in order",
            try_="scoring both on one split",
        )  # fmt: skip
    n = len(one.patients)
    picks = np.random.default_rng(seed).integers(0, n, (draws, n))
    values = []
    for scores in (one, other):
        total, count = _sums(scores.patients, what)
        values.append(total[picks].sum(axis=1) / count[picks].sum(axis=1))
    low, high = np.percentile(values[0] - values[1], [2.5, 97.5])
    return Interval(float(getattr(one, what) - getattr(other, what)), float(low), float(high))


def _sums(patients: Sequence[PatientScore], what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per patient, the sum and number of the errors whose mean is the score."""
    if what == "dose_score":
        return np.array([one.dose_score for one in patients]), np.ones(len(patients))
    errors = [np.abs(list(one.metric_errors.values())) for one in patients]
    return np.array([part.sum() for part in errors]), np.array([float(part.size) for part in errors])
