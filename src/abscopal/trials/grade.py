"""A draft of the certainty of evidence, from what a pool itself shows. A person must finish it."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.trials.pooling import Pool, pool
from abscopal.trials.regression import egger

Certainty = Literal["high", "moderate", "low", "very low"]
_LEVELS: tuple[Certainty, ...] = ("high", "moderate", "low", "very low")
NEEDS_A_READER = (
    "risk of bias of each trial (RoB 2) has not been judged",
    "whether the outcome matters to patients has not been judged",
)


@dataclass(frozen=True)
class Downgrade:
    """One reason to trust a pool less."""

    domain: Literal["inconsistency", "indirectness", "imprecision", "reporting", "extraction"]
    steps: int
    why: str


@dataclass(frozen=True)
class GradeDraft:
    """Certainty that follows from the numbers alone, starting at high for randomised trials.

    Attributes
    ----------
    certainty : str
        After all `downgrades`.
    open_questions : tuple of str
        What only a reader of the trials can judge; a draft is not a GRADE rating until they are.
    """

    certainty: Certainty
    downgrades: tuple[Downgrade, ...]
    open_questions: tuple[str, ...]


def grade_draft(rows: pd.DataFrame, unreported: int) -> GradeDraft:
    """A draft GRADE rating of the pool of `rows`.

    Parameters
    ----------
    rows : DataFrame
        As from `evidence.select`.
    unreported : int
        Trials of the same question known to exist without a retrievable result. [trials]
    """
    if rows.empty:
        raise InputError(
            doing="rating the certainty of evidence",
            found="no trial",
            expected="at least one",
            try_="a wider selection",
        )
    result = pool(rows["log_hr"], rows["se"])
    found = [
        each
        for each in (
            _inconsistency(result), _indirectness(rows), _imprecision(result),
            _reporting(rows, unreported), _extraction(rows),
        )
        if each is not None
    ]  # fmt: skip
    level = min(len(_LEVELS) - 1, sum(each.steps for each in found))
    return GradeDraft(_LEVELS[level], tuple(found), NEEDS_A_READER)


def _inconsistency(result: Pool) -> Downgrade | None:
    if result.k > 1 and result.i2 >= load("trials/rt_ici")["grade_inconsistent_i2"]:
        return Downgrade("inconsistency", 1, f"I² is {result.i2:.0f} %")
    return None


def _indirectness(rows: pd.DataFrame) -> Downgrade | None:
    share = float((rows["comparison_type"] == "swap_ici").mean())
    if share >= load("trials/rt_ici")["grade_indirect_share"]:
        return Downgrade("indirectness", 1, f"in {100 * share:.0f} % of trials the ICI replaces another drug")
    return None


def _imprecision(result: Pool) -> Downgrade | None:
    important = load("trials/rt_ici")["clinically_important_hr"]
    low, high = result.hk_interval or result.interval
    if result.k < load("trials/rt_ici")["fewest_for_conclusion"]:
        return Downgrade("imprecision", 2, f"{result.k} trials")
    if low < important and high > 1 / important:
        return Downgrade("imprecision", 2, f"the interval {low:.2f} to {high:.2f} holds gain and harm that matter")
    if low < important and high > 1:
        return Downgrade("imprecision", 1, f"the interval {low:.2f} to {high:.2f} holds 1 and a gain that matters")
    return None


def _reporting(rows: pd.DataFrame, unreported: int) -> Downgrade | None:
    if not unreported:
        return None
    why = f"{unreported} trials of this question have no retrievable result"
    if len(rows) >= load("trials/rt_ici")["trials_per_covariate"]:
        test = egger(rows["log_hr"], rows["se"])
        why += f" (Egger p {test.p:.2f}, which cannot see results that are missing)"
    return Downgrade("reporting", 1, why) if unreported * 2 >= len(rows) else None


def _extraction(rows: pd.DataFrame) -> Downgrade | None:
    share = float((rows["confidence"] != "read").mean())
    if share >= load("trials/rt_ici")["grade_indirect_share"]:
        return Downgrade("extraction", 1, f"{100 * share:.0f} % of estimates are recalled, not read")
    return None
