"""What single trials do to a pool: leave-one-out, influence, Baujat's coordinates, growth over time."""

import math

import numpy as np
import pandas as pd

from abscopal.domain.errors import InputError
from abscopal.trials.pooling import Method, Pool, clean, pool


def leave_one_out(rows: pd.DataFrame, method: Method = "REML") -> pd.DataFrame:
    """The pool without each trial in turn.

    Parameters
    ----------
    rows : DataFrame
        As from `evidence.select`, at least two.

    Returns
    -------
    DataFrame
        One row per trial left out: `trial`, `endpoint`, `hr`, `low`, `high` (95 %), `tau2`, `i2` [percent] and
        `change`, the ratio of that pooled hazard ratio to the one of all. [1]
    """
    _several(rows)
    whole = pool(rows["log_hr"], rows["se"], method)
    found = [
        (name, pool(part["log_hr"], part["se"], method))
        for name, part in ((index, rows.drop(index)) for index in rows.index)
    ]
    return pd.DataFrame(
        [
            {**_names(rows, name), **_numbers(result), "change": result.hr / whole.hr}
            for name, result in found
        ]
    )  # fmt: skip


def cumulative(rows: pd.DataFrame, by: str = "year", method: Method = "REML") -> pd.DataFrame:
    """The pool as trials were reported, one after another.

    Parameters
    ----------
    rows : DataFrame
        As from `evidence.select`.
    by : str
        `year` (last year named in the reference), or a numeric column.
    """
    ranked = rows.copy()
    ranked[by] = _years(rows) if by == "year" else rows[by]
    ranked = ranked.sort_values([by, "trial"], kind="stable")
    steps = []
    for last in range(1, len(ranked) + 1):
        part = ranked.iloc[:last]
        steps.append({by: part[by].iloc[-1], **_names(ranked, part.index[-1]), "k": last,
                      **_numbers(pool(part["log_hr"], part["se"], method))})  # fmt: skip
    return pd.DataFrame(steps)


def influence(rows: pd.DataFrame, method: Method = "REML") -> pd.DataFrame:
    """How far each trial pulls the pool, and how ill it fits.

    Returns
    -------
    DataFrame
        `weight` share of the trial [percent]; `studentised` deleted residual [1]; `dffits` and
        `cook` (squared change of the mean over its variance); `tau2_deleted`; Baujat's
        coordinates `baujat_q` (contribution to Q) and `baujat_influence` (standardised squared
        change of the fixed-effect mean without the trial).

    References
    ----------
    Baujat B et al., Stat Med 2002 (form recalled); Viechtbauer and Cheung, Res Synth Methods 2010 (form recalled).
    """
    _several(rows)
    y, v = clean(rows["log_hr"], rows["se"])
    whole = pool(y, np.sqrt(v), method)
    w = 1 / (v + whole.tau2)
    fixed = 1 / v
    mean_fixed = float(fixed @ y / fixed.sum())
    table = []
    for i, index in enumerate(rows.index):
        keep = np.arange(y.size) != i
        without = pool(y[keep], np.sqrt(v[keep]), method)
        change = whole.log_hr - without.log_hr
        spread = math.sqrt(v[i] + without.tau2 + without.se**2)
        rest = float(fixed[keep] @ y[keep] / fixed[keep].sum())
        table.append({
            **_names(rows, index),
            "weight": 100 * float(w[i] / w.sum()),
            "studentised": float(y[i] - without.log_hr) / spread,
            "dffits": change / without.se,
            "cook": change**2 / whole.se**2,
            "tau2_deleted": without.tau2,
            "baujat_q": float(fixed[i]) * (float(y[i]) - mean_fixed) ** 2,
            "baujat_influence": (mean_fixed - rest) ** 2 * float(fixed[keep].sum()),
        })  # fmt: skip
    return pd.DataFrame(table)


def _several(rows: pd.DataFrame) -> None:
    if len(rows) < 2:
        raise InputError(
            doing="leaving trials out of a pool",
            found=f"{len(rows)} trials",
            expected="two or more",
            try_="a wider selection",
        )


def _names(rows: pd.DataFrame, index: object) -> dict[str, str]:
    place = rows.index.get_loc(index)
    return {"trial": str(rows["trial"].iloc[place]), "endpoint": str(rows["endpoint"].iloc[place])}


def _numbers(result: Pool) -> dict[str, float]:
    low, high = result.interval
    return {"hr": result.hr, "low": low, "high": high, "tau2": result.tau2, "i2": result.i2}


def _years(rows: pd.DataFrame) -> "pd.Series[int]":
    return rows["reference"].str.findall(r"\b(?:19|20)\d\d\b").str[-1].astype(int)
