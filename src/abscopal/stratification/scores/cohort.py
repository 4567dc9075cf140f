"""Scores that compare a patient with the cohort: top TMB inside a histology, profile percentile, TIDE."""

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.stratification.score import Card, Score
from abscopal.stratification.scores import expression

SMALLEST_GROUP = 10
"""A percentile inside fewer patients is not shown."""
TOP_TMB = Card(
    "tmb_top_share", "TMB among the highest of its histology in this file", "prognostic",
    "Samstein et al., Nat Genet, 2019",
    ("scores/body:tmb_top_share",), unit="percent",
)  # fmt: skip
GEP_RANK = Card(
    "gep_percentile", "T-cell-inflamed profile, percentile in this file", "prognostic", "Ayers et al., 2017",
    ("scores/expression:gep",), unit="percent",
)  # fmt: skip
TIDE = Card("tide", "TIDE", "prognostic", "TIDE, package tidepy", ("scores/expression:tide_threshold",))


def cohort_scores(patients: Sequence[Patient]) -> list[tuple[Score, ...]]:
    """The scores of each patient that need the other patients of the file."""
    return list(zip(_top_tmb(patients), _gep_rank(patients), strict=True))


def top_within(values: ArrayLike, groups: ArrayLike, share: float) -> NDArray[np.bool_]:
    """Whether each value is among the highest `share` of its group, ties at the limit included.

    Parameters
    ----------
    values : array, shape (n,)
    groups : array, shape (n,)
        Histology of each patient.
    share : float
        Between 0 and 1. The limit is the linear-interpolation quantile 1 - share of the group.
    """
    frame = pd.DataFrame({"value": np.asarray(values, dtype=np.float64), "group": np.asarray(groups)})
    limits = frame.groupby("group")["value"].transform(lambda one: one.quantile(1 - share))
    found: NDArray[np.bool_] = (frame["value"] >= limits).to_numpy()
    return found


def _top_tmb(patients: Sequence[Patient]) -> list[Score]:
    share = load("scores/body")["tmb_top_share"]
    by_disease: dict[str, list[float]] = {}
    for patient in patients:
        if patient.biomarkers.tmb is not None:
            by_disease.setdefault(patient.disease, []).append(patient.biomarkers.tmb)
    return [_top_tmb_of(patient, by_disease.get(patient.disease, []), share) for patient in patients]


def _top_tmb_of(patient: Patient, peers: list[float], share: float) -> Score:
    value = patient.biomarkers.tmb
    if value is None:
        return TOP_TMB.lacks("biomarkers.tmb")
    if len(peers) < SMALLEST_GROUP:
        return TOP_TMB.lacks(f"at least {SMALLEST_GROUP} patients of the same disease with TMB in the file")
    limit = float(np.quantile(peers, 1 - share / 100))
    sheet = load("scores/body")
    low, high = sheet.number("samstein_hr").range or (0.0, 0.0)
    notes = (
        f"in the published cohort the top group had an overall-survival hazard ratio of {sheet['samstein_hr']:g} "
        f"({low:g} to {high:g}) under an ICI, stratified by histology",
        "the limit is that of this file and panel, not of the publication",
    )
    category = f"{'in' if value >= limit else 'not in'} the top {share:g} % of {patient.disease} (limit {limit:.3g})"
    percentile = 100 * float(np.mean(np.asarray(peers) <= value))
    return TOP_TMB.score(percentile, category, inputs={"tmb": value, "patients": float(len(peers))}, notes=notes)


def _gep_rank(patients: Sequence[Patient]) -> list[Score]:
    scores = [expression.gep(patient) for patient in patients]
    known = np.array([score.value for score in scores if score.value is not None])
    units = {patient.expression.unit for patient in patients if patient.expression is not None}
    found = []
    for score in scores:
        if score.value is None:
            found.append(GEP_RANK.lacks(score.not_computable))
        elif len(known) < SMALLEST_GROUP or len(units) > 1:
            found.append(GEP_RANK.lacks(f"at least {SMALLEST_GROUP} patients of one platform in the file"))
        else:
            percentile = 100 * float(np.mean(known <= score.value))
            found.append(
                GEP_RANK.score(percentile, notes=(expression.UNDER_ICI,), inputs={"patients": float(len(known))})
            )
    return found


def tide_scores(matrix: pd.DataFrame, *, cancer: str, pretreated: bool, threshold: float | None = None) -> pd.DataFrame:
    """TIDE of every sample of a cohort, by its own package.

    Parameters
    ----------
    matrix : DataFrame, shape (genes, samples)
        TPM or FPKM of every gene, by HGNC symbol. It is turned into log2(x + 1) less each gene's mean
        over the samples, so a single sample has no score.
    cancer : {"Melanoma", "NSCLC", "Other"}
    pretreated : bool
        Whether the samples had an immunotherapy before.
    threshold : float, optional
        TIDE below it is called a responder; by default the package's 0.

    Returns
    -------
    DataFrame, one row per sample
        The package's columns: TIDE, Responder, No benefits, Dysfunction, Exclusion, CTL.flag, MDSC, CAF, ...

    Raises
    ------
    UnsupportedError
        The package is not installed. It is GPL-3 or later and never part of the core.
    InputError
        Fewer than ten samples, negative values, an unknown cancer.
    """
    if cancer not in ("Melanoma", "NSCLC", "Other"):
        raise InputError(doing="computing TIDE", found=cancer, expected="Melanoma, NSCLC or Other", try_="Other")
    if matrix.shape[1] < SMALLEST_GROUP or not np.isfinite(matrix.to_numpy()).all() or (matrix.to_numpy() < 0).any():
        raise InputError(
            doing="computing TIDE", found=f"{matrix.shape[1]} samples, smallest value {matrix.to_numpy().min():g}",
            expected=f"at least {SMALLEST_GROUP} samples of values that are not negative",
            try_="the whole cohort in TPM",
        )  # fmt: skip
    try:
        from tidepy.pred import TIDE as PREDICT
    except ImportError as exc:
        raise UnsupportedError(
            doing="computing TIDE", found="no package tidepy", expected="the optional extra (GPL-3 or later)",
            try_="pip install 'abscopal[tide]'",
        ) from exc  # fmt: skip
    logged = (matrix + 1).map(math.log2)
    centred = logged.sub(logged.mean(axis=1), axis=0)
    limit = load("scores/expression")["tide_threshold"] if threshold is None else threshold
    try:
        with redirect_stdout(sys.stderr):  # the package prints its remarks
            found: pd.DataFrame = PREDICT(centred, cancer=cancer, pretreat=pretreated, vthres=limit, ignore_norm=True)
    except ValueError as exc:
        raise InputError(
            doing="computing TIDE", found=str(exc)[:200], expected="the whole profile by HGNC symbol",
            try_="a table of all genes, not of a panel",
        ) from exc  # fmt: skip
    return found.loc[matrix.columns]


def tide_card(row: Mapping[str, object], cancer: str) -> Score:
    """The score of one sample from its row of `tide_scores`."""
    flagged = "dysfunction" if row["CTL.flag"] else "exclusion"
    inputs: dict[str, float | str] = {"cancer": cancer, "part": flagged}
    for name in ("Dysfunction", "Exclusion", "MDSC", "CAF", "TAM M2", "MSI Score"):
        inputs[name] = float(str(row[name]))
    category = "called a responder" if row["Responder"] else "not called a responder"
    return TIDE.score(float(str(row["TIDE"])), category, inputs=inputs, notes=(expression.UNDER_ICI,))


def with_tide(
    patients: Sequence[Patient],
    scores: Sequence[tuple[Score, ...]],
    matrix: pd.DataFrame,
    cancer: str,
    pretreated: bool,
) -> list[tuple[Score, ...]]:
    """The scores of each patient with TIDE added; samples without a patient still set the gene means."""
    rows = tide_scores(matrix, cancer=cancer, pretreated=pretreated).to_dict("index")
    return [
        (*row, tide_card({str(k): v for k, v in rows[label].items()}, cancer))
        if (label := patient.pseudonym) in rows
        else (*row, TIDE.lacks("expression of that sample"))
        for patient, row in zip(patients, scores, strict=True)
    ]
