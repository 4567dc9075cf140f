"""Every registered score of one patient, computed or with the reason it is not."""

from collections.abc import Sequence

from abscopal.domain.patient import Patient
from abscopal.domain.progress import track
from abscopal.domain.registry import entries
from abscopal.stratification.score import Score
from abscopal.stratification.scores import biomarkers, blood_scores, body, expression, loris, radiosensitivity
from abscopal.stratification.scores.cohort import cohort_scores

FAMILIES = (loris, blood_scores, biomarkers, body, expression, radiosensitivity)
"""Importing a family registers its scores."""


def score_patient(patient: Patient) -> tuple[Score, ...]:
    """All scores of a patient, those with a value first, each group by name.

    Parameters
    ----------
    patient : Patient

    Returns
    -------
    tuple of Score
        Every registered score once. One that lacks an input says "not computable: needs X";
        nothing is imputed.
    """
    scores: list[Score] = [entry.target(patient) for entry in entries("score")]
    return tuple(sorted(scores, key=lambda score: (bool(score.not_computable), score.name)))


def score_cohort(patients: Sequence[Patient]) -> list[tuple[Score, ...]]:
    """All scores of every patient, with those that compare a patient with the others of the file."""
    together = cohort_scores(patients)
    return [
        tuple(sorted((*score_patient(patient), *more), key=lambda score: (bool(score.not_computable), score.name)))
        for patient, more in zip(track(patients, "scores", len(patients)), together, strict=True)
    ]
