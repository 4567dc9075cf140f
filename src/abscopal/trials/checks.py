"""Named checks of published hazard ratios. Each returns what it found, or nothing."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from scipy.stats import norm

from abscopal.domain.errors import KnowledgeError
from abscopal.knowledge.load import Sheet

BLOCKING = frozenset({"retraction", "overlap"})
"""Checks that keep a row out of every pool."""


def standard_error(low: float, high: float, level: float) -> float:
    """Standard error of ln HR from its confidence interval, without unit.

    Parameters
    ----------
    low, high : float
        Limits of the interval. [1]
    level : float
        Confidence level; 95 for a 95 % interval. [percent]

    Notes
    -----
    SE = ln(high / low) / (2 z), with z the standard normal quantile of the level.
    """
    return math.log(high / low) / (2 * float(norm.ppf(0.5 + level / 200)))


def standard_error_from_p(hr: float, p: float) -> float:
    """Standard error of ln HR from a two-sided p value of the same Wald test [1].

    Not a number where HR is 1, which a p value says nothing about.
    """
    z = float(norm.isf(p / 2))
    return abs(math.log(hr)) / z if hr != 1 and z > 0 else math.nan


def standard_error_from_events(events: float, share: float = 0.5) -> float:
    """Least standard error of ln HR that a log-rank test on `events` deaths can have [1].

    Parameters
    ----------
    events : float
        Events of both arms. [patients]
    share : float
        Share of patients in the experimental arm; 2 / sqrt(events) at one half. [1]
    """
    return 1 / math.sqrt(events * share * (1 - share))


def log_symmetry(hr: float, low: float, high: float, level: float, limit: float) -> str:
    """Whether ln HR sits in the middle of its interval, as it must for a Wald interval."""
    offset = abs(math.log(hr) - math.log(low * high) / 2) / standard_error(low, high, level)
    if offset <= limit:
        return ""
    return (
        f"interval is not symmetric about ln HR: {offset:.2f} standard errors off "
        f"(geometric centre {math.sqrt(low * high):.2f}); likely misprint"
    )


def information_bound(low: float, high: float, level: float, n: float, factor: float) -> str:
    """Whether the interval is narrower than `n` patients can make it."""
    if not n > 0:
        return ""
    se, bound = standard_error(low, high, level), factor / math.sqrt(n)
    return "" if se >= bound else f"standard error {se:.3f} is below {bound:.3f}, the least {n:.0f} patients allow"


def inversion(hr: float, printed: float, tolerance: float) -> str:
    """Whether a secondary source's value is the inverse of ours (control against experimental)."""
    if not printed > 0 or abs(math.log(hr * printed)) > tolerance:
        return ""
    return f"a secondary source prints the inverse ({printed:g}, control against experimental)"


def row_flags(row: Mapping[Hashable, Any], issues: Iterable[Mapping[Hashable, Any]], sheet: Sheet) -> dict[str, str]:
    """Every check that trips on one row: name of the check to what it found.

    Parameters
    ----------
    row : mapping
        One row of the trial table.
    issues : list of mapping
        The rows of the known-issues table that concern this trial and endpoint.
    """
    flags: dict[str, str] = {}
    if row["hr_lo"] > 0:
        interval = (row["hr_lo"], row["hr_hi"], row["ci_level"])
        flags["log_symmetry"] = log_symmetry(row["hr"], *interval, sheet["log_symmetry_limit"])
        n = row["n_experimental"] + row["n_control"]
        flags["information_bound"] = information_bound(*interval, n, sheet["information_bound"])
        if row["ci_level"] != 95:
            flags["level"] = f"interval is {row['ci_level']:g} %, converted to a standard error at that level"
    if row["comparison_type"] == "swap_ici":
        flags["swap"] = "the ICI replaces another active drug, so the row answers two questions at once"
    for issue in issues:
        flags[str(issue["check"])] = _issue_text(row, issue, sheet)
    return {name: text for name, text in flags.items() if text}


def _issue_text(row: Mapping[Hashable, Any], issue: Mapping[Hashable, Any], sheet: Sheet) -> str:
    if issue["check"] != "inversion":
        return str(issue["detail"])
    found = inversion(row["hr"], issue["printed_hr"], sheet["inversion_tolerance"])
    if not found:
        raise KnowledgeError(
            doing=f"checking {row['trial']} {row['endpoint']}",
            found=f"HR {row['hr']} with a printed inverse of {issue['printed_hr']}",
            expected="two values that are each other's inverse",
            try_="correcting known_issues.csv",
        )
    return f"{found}; {issue['detail']}"
