"""Splits of a cohort that keep the share of events."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.learning.outcome import Kind, time_and_code

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def folds(y: Any, kind: Kind, n_folds: int, n_repeats: int = 1, seed: int = 0) -> Iterator[Split]:
    """Rows to fit and rows to test, `n_folds` times `n_repeats`, stratified by the event code.

    Raises
    ------
    InputError
        Fewer patients with or without the event than folds.
    """
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    codes = np.unique(y, return_inverse=True)[1] if kind == "binary" else (time_and_code(y)[1] == 1).astype(np.int64)
    smallest = int(np.bincount(codes, minlength=2).min()) if kind == "binary" else int(codes.sum())
    if smallest < 2 or len(codes) < n_folds:
        raise InputError(
            doing="splitting the cohort for cross-validation",
            found=f"{smallest} patients in the smaller group",
            expected="at least two patients with the event and two without",
            try_="a larger cohort, or bootstrap validation of a fixed model",
        )
    splitter = RepeatedStratifiedKFold if smallest >= n_folds else RepeatedKFold
    yield from splitter(n_splits=n_folds, n_repeats=n_repeats, random_state=seed).split(np.zeros(len(codes)), codes)
