"""From a table of patients to numbers: terms, their columns, and one column per category level.

A term is a column name, `log:NAME` for ln(1 + x), or `category:NAME` for a number that is a code.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.learning.outcome import FloatArray

TRANSFORMS = ("log", "category")
MOST_LEVELS = 60


def split_term(term: str) -> tuple[str, str]:
    """Transform ("" for none) and column of a term."""
    transform, _, name = term.partition(":")
    return (transform, name) if transform in TRANSFORMS else ("", term)


def columns_of(terms: list[str] | tuple[str, ...]) -> list[str]:
    """The columns of a table that the terms need, each once."""
    return list(dict.fromkeys(split_term(term)[1] for term in terms))


class FeatureEncoder(TransformerMixin, BaseEstimator):
    """A transformer from patients to a matrix of numbers.

    Missing cells become NaN. The first level of a category, by count, is the reference. A level
    that was not seen when fitting counts as the reference; the transport check names it.

    Parameters
    ----------
    terms : list of str
    """

    def __init__(self, terms: list[str]) -> None:
        self.terms = terms

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the levels of each category."""
        self.levels_: dict[str, list[str]] = {}
        for term in self.terms:
            transform, name = split_term(term)
            column = _column(X, name)
            if transform == "category" or not _is_number(column):
                counts = labels(column).value_counts()
                if len(counts) > MOST_LEVELS:
                    raise InputError(
                        doing=f"encoding the feature {name}",
                        found=f"{len(counts)} different texts",
                        expected=f"numbers, or at most {MOST_LEVELS} categories",
                        try_="correcting cells that should be numbers, or leaving the feature out",
                    )
                self.levels_[term] = sorted(counts.index, key=lambda level: (-counts[level], level))
        self.n_features_in_ = len(self.terms)
        self.names_ = [name for term in self.terms for name in self._names(term)]
        return self

    def _names(self, term: str) -> list[str]:
        if term not in self.levels_:
            return [term]
        return [f"{split_term(term)[1]} = {level}" for level in self.levels_[term][1:]]

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002
        """Names of the columns of the matrix."""
        check_is_fitted(self)
        return np.array(self.names_, dtype=object)

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """The matrix, shape (n, columns); NaN where a cell is missing."""
        check_is_fitted(self)
        parts = [self._numbers(X, term) for term in self.terms]
        return np.column_stack(parts) if parts else np.empty((len(X), 0))

    def _numbers(self, X: pd.DataFrame, term: str) -> FloatArray:
        transform, name = split_term(term)
        column = _column(X, name)
        if term in self.levels_:
            text = labels(column)
            found: FloatArray = np.column_stack([
                *((text == level).to_numpy(dtype=np.float64) for level in self.levels_[term][1:]), np.empty((len(X), 0))
            ])  # fmt: skip
            found[text.isna().to_numpy()] = np.nan
            return found
        if not _is_number(column):
            raise _not_numbers(name, column)
        values = pd.to_numeric(column).to_numpy(dtype=np.float64)
        if np.isinf(values).any():
            raise _not_numbers(name, column)
        if transform != "log":
            return values[:, None]
        if (values <= -1).any():
            raise InputError(
                doing=f"taking ln(1 + {name})", found=f"{np.nanmin(values):g}", expected="values above -1",
                try_=f"the term {name} without the logarithm",
            )  # fmt: skip
        return np.asarray(np.log1p(values)[:, None])


def _column(X: pd.DataFrame, name: str) -> pd.Series:
    if name not in X.columns:
        raise unknown_name("reading a feature of the table", name, [str(c) for c in X.columns])
    return X[name]


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or column.isna().all())


def labels(column: pd.Series) -> pd.Series:
    """A column as category labels: 1 and 1.0 the same, missing left missing."""
    if pd.api.types.is_numeric_dtype(column):
        return column.map(lambda value: f"{value:g}", na_action="ignore").astype(object)
    return column.map(lambda value: str(value).strip(), na_action="ignore").astype(object)


def _not_numbers(name: str, column: pd.Series) -> InputError:
    bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    return InputError(
        doing=f"reading the feature {name}",
        found=f"{int(bad.sum())} cells that are not finite numbers" if bad.any() else "an infinite value",
        expected="numbers, as in the data fitted on",
        try_="correcting these cells or leaving them empty",
    )
