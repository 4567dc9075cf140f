"""Pre-declared contrasts between groups of trials; one of them is declared not identifiable."""

import math
from dataclasses import dataclass

import pandas as pd
from scipy.stats import chi2

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.trials.pooling import Pool, pool
from abscopal.trials.regression import ECOLOGICAL, Regression, meta_regression, permutation_p

CONTRASTS: dict[str, tuple[str, dict[str, int]]] = {
    "timing": ("ICI during against after RT", {"after": 0, "during": 1}),
    "eni": ("elective nodes irradiated against not", {"no": 0, "yes": 1}),
    "control": ("ICI in place of a drug against added to one", {"add_ici": 0, "swap_ici": 1}),
}
"""Column of each contrast, what it compares, and how its levels are coded."""
_COLUMN = {"timing": "timing", "eni": "eni", "control": "comparison_type"}


@dataclass(frozen=True)
class Contrast:
    """One comparison of groups of trials.

    Attributes
    ----------
    identifiable : bool
        False where the table cannot answer; then `reason` says why and nothing else is given.
    groups : dict
        Pool of each level.
    q_between, p_between : float, optional
        Test of subgroup differences (chi-squared, separate tau² in each group).
    regression : Regression, optional
        Ratio of hazard ratios, REML with Knapp-Hartung.
    permutation_p : float, optional
        Of the same slope under permutation of the covariate.
    """

    name: str
    what: str
    identifiable: bool
    reason: str
    groups: dict[str, Pool]
    q_between: float | None
    p_between: float | None
    regression: Regression | None
    permutation_p: float | None


def contrast(rows: pd.DataFrame, name: str, *, adjust: tuple[str, ...] = (), seed: int = 0) -> Contrast:
    """Compare the groups of one pre-declared covariate.

    Parameters
    ----------
    rows : DataFrame
        As from `evidence.select`.
    name : {"timing", "eni", "control", "dose_per_fraction"}
        The last is declared not identifiable: outside conventional fractionation the pools hold one to
        three rows.
    adjust : tuple of str
        Further contrasts kept in the regression.
    seed : int
        Of the permutations, where they are too many to list.

    Raises
    ------
    InputError
        An unknown contrast.
    """
    if name == "dose_per_fraction":
        return _declined(name, "dose per fraction", _few_doses(rows))
    for asked in (name, *adjust):
        if asked not in CONTRASTS:
            raise unknown_name("comparing groups of trials", asked, [*CONTRASTS, "dose_per_fraction"])
    what, _ = CONTRASTS[name]
    columns = {each: rows[_COLUMN[each]].map(CONTRASTS[each][1]) for each in (name, *adjust)}
    known = pd.DataFrame(columns).notna().all(axis=1)
    part, coded = rows.loc[known], {each: column[known].astype(float) for each, column in columns.items()}
    groups = {str(level): pool(group["log_hr"], group["se"]) for level, group in part.groupby(_COLUMN[name], sort=True)}
    if len(groups) < 2 or min(group.k for group in groups.values()) < 2:
        return _declined(name, what, f"the groups hold {[group.k for group in groups.values()]} trials")
    q, p = _between(list(groups.values()))
    try:
        regression = meta_regression(part["log_hr"], part["se"], coded)
    except InputError as exc:
        return _declined(name, what, exc.found)
    permuted = None if adjust else permutation_p(part["log_hr"], part["se"], coded[name], seed=seed)
    return Contrast(name, what, True, ECOLOGICAL, groups, q, p, regression, permuted)


def _declined(name: str, what: str, reason: str) -> Contrast:
    return Contrast(name, what, False, f"not identifiable: {reason}", {}, None, None, None, None)


def _few_doses(rows: pd.DataFrame) -> str:
    bounds = load("trials/rt_ici").vector("conventional_dose_per_fraction")
    dose = rows["dose_per_fraction_gy"].astype(str).str.extract(r"([\d.]+)", expand=False).astype(float)
    outside = int(((dose < bounds[0]) | (dose > bounds[1])).sum())
    return (
        f"{outside} of {len(rows)} trials lie outside conventional fractionation "
        f"({bounds[0]:g} to {bounds[1]:g} Gy), each in another disease"
    )


def _between(groups: list[Pool]) -> tuple[float, float]:
    weights = [group.se**-2 for group in groups]
    mean = sum(w * g.log_hr for w, g in zip(weights, groups, strict=True)) / sum(weights)
    q = sum(w * (g.log_hr - mean) ** 2 for w, g in zip(weights, groups, strict=True))
    return q, float(chi2.sf(q, len(groups) - 1))


def ratio_text(found: Contrast) -> str:
    """The contrast in one line."""
    if not found.identifiable or found.regression is None:
        return f"{found.what}: {found.reason}"
    slope = found.regression.slopes[found.name]
    low, high = slope.interval
    permuted = "" if found.permutation_p is None else f", permutation p {found.permutation_p:.3f}"
    finite = math.isfinite(low) and math.isfinite(high)
    return f"{found.what}: ratio {slope.ratio:.2f}" + (f" ({low:.2f} to {high:.2f}{permuted})" if finite else "")
