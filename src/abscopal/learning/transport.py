"""Whether the patients to predict are like those the model was fitted on, asked before any prediction."""

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from abscopal.knowledge.load import load
from abscopal.learning.features import FeatureEncoder, labels, split_term
from abscopal.learning.outcome import FloatArray
from abscopal.learning.table import RULES


class Development(BaseModel):
    """Summary of the features of the development cohort. It holds no patient.

    Attributes
    ----------
    names : tuple of str
        Columns of the encoded matrix.
    mean, sd, low, high : tuple of float
        Moments and 1 and 99 % quantiles of each column.
    missing : tuple of float
        Share of missing cells of each column. [1]
    levels : dict
        Known levels of each category.
    precision : tuple of tuple of float
        Inverse of the shrunk covariance of the standardised columns.
    distance : float
        Distance that all but the outlier share of the cohort stay within. [1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    missing: tuple[float, ...]
    levels: dict[str, tuple[str, ...]]
    precision: tuple[tuple[float, ...], ...]
    distance: float


class FeatureShift(BaseModel):
    """One column here against the development cohort."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mean_development: float
    mean_here: float | None
    standardised_difference: float | None
    outside_share: float
    missing_development: float
    missing_here: float
    flagged: bool


class Transport(BaseModel):
    """Answer of the transport check.

    Attributes
    ----------
    out_of_distribution : tuple of float
        Distance of each patient from the development cohort over that of its outermost
        patients; above 1 the patient is unlike all but the outliers. [1]
    outside : tuple of bool
        Patients above 1, or of a category the development cohort did not hold.
    verdict : {"alike", "shifted", "unlike"}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[FeatureShift, ...]
    out_of_distribution: tuple[float, ...]
    outside: tuple[bool, ...]
    out_share: float
    unknown_levels: dict[str, tuple[str, ...]]
    verdict: str
    notes: tuple[str, ...]


def summarise_development(encoder: FeatureEncoder, table: pd.DataFrame) -> Development:
    """What the transport check needs of the development cohort."""
    from sklearn.covariance import LedoitWolf

    X = encoder.transform(table)
    missing = np.isnan(X)
    mean = np.array([column[np.isfinite(column)].mean() if np.isfinite(column).any() else 0.0 for column in X.T])
    filled = np.where(missing, mean, X)
    sd = filled.std(axis=0)
    standard = _standard(filled, mean, sd)
    precision = LedoitWolf(assume_centered=True).fit(standard).precision_
    distances = _distance(standard, precision)
    low, high = np.quantile(filled, (0.01, 0.99), axis=0)
    return Development(
        names=tuple(encoder.names_), mean=tuple(mean.tolist()), sd=tuple(sd.tolist()), low=tuple(low.tolist()),
        high=tuple(high.tolist()), missing=tuple(missing.mean(axis=0).tolist()),
        levels={term: tuple(levels) for term, levels in encoder.levels_.items()},
        precision=tuple(tuple(row) for row in precision.tolist()),
        distance=float(np.quantile(distances, load(RULES)["outlier_quantile"])),
    )  # fmt: skip


def check_transport(encoder: FeatureEncoder, development: Development, table: pd.DataFrame) -> Transport:
    """Compare patients with the development cohort: each column, and each patient as a whole.

    Parameters
    ----------
    encoder : FeatureEncoder
        That of the model.
    table : DataFrame
        Patients to predict.
    """
    rules, X = load(RULES), encoder.transform(table)
    mean, sd = np.array(development.mean), np.array(development.sd)
    missing = np.isnan(X)
    standard = _standard(np.where(missing, mean, X), mean, sd)
    limit = max(development.distance, 1e-12)
    scores = _distance(standard, np.array(development.precision)) / limit
    rows = tuple(_shift(development, X, index, rules["shift_flagged"]) for index in range(X.shape[1]))
    strange = _unknown(encoder, table)
    unknown = {term: tuple(sorted(set(column.dropna()))) for term, column in strange.items() if column.notna().any()}
    outside = scores > 1
    for column in strange.values():
        outside |= column.notna().to_numpy()
    out = float((scores > 1).mean())
    flagged = [row.name for row in rows if row.flagged]
    notes = [
        f"{split_term(term)[1]}: {', '.join(names)} not in the development cohort" for term, names in unknown.items()
    ]
    if flagged:
        notes.append("shifted: " + ", ".join(flagged))
    if out > rules["outliers_flagged"]:
        notes.append(f"{100 * out:.0f} % of patients lie outside the development cohort")
    unlike = out > rules["outliers_flagged"] or bool(unknown)
    return Transport(
        features=rows, out_of_distribution=tuple(scores.tolist()), outside=tuple(outside.tolist()),
        out_share=out, unknown_levels=unknown,
        verdict="unlike" if unlike else "shifted" if flagged else "alike", notes=tuple(notes),
    )  # fmt: skip


def _standard(X: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    return (X - mean) / np.where(sd > 0, sd, 1.0)


def _distance(standard: FloatArray, precision: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", standard, precision, standard)))


def _shift(development: Development, X: FloatArray, index: int, limit: float) -> FeatureShift:
    column = X[:, index]
    known = column[np.isfinite(column)]
    mean, sd = development.mean[index], development.sd[index]
    here = float(known.mean()) if len(known) else None
    difference = None if here is None or sd == 0 else (here - mean) / sd
    outside = (
        float(((known < development.low[index]) | (known > development.high[index])).mean()) if len(known) else 0.0
    )
    absent = float(1 - len(known) / len(column))
    return FeatureShift(
        name=development.names[index], mean_development=mean, mean_here=here, standardised_difference=difference,
        outside_share=outside, missing_development=development.missing[index], missing_here=absent,
        flagged=here is None or (difference is not None and abs(difference) > limit),
    )  # fmt: skip


def _unknown(encoder: FeatureEncoder, table: pd.DataFrame) -> dict[str, pd.Series]:
    """For each category, the labels that were not seen when fitting; missing elsewhere."""
    found = {}
    for term, levels in encoder.levels_.items():
        text = labels(table[split_term(term)[1]])
        found[term] = text.where(~text.isin(levels))
    return found
