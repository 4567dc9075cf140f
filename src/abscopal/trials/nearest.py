"""The trials nearest to a regimen, by a distance that is stated with each of them."""

import math
import re
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.trials.diseases import Match, disease_matches
from abscopal.trials.evidence import TIMING, load_trials

DISTANCE = (
    "disease (same, related, other), then order of ICI and RT (same, same timing, other), "
    "then |ln| of dose per fraction"
)
"""The ranking in words; each part decides only where the ones before it tie."""
_STATUS_ORDER = ("read", "recalled", "uncertain")
_RANK: dict[str, int] = {"same": 0, "related": 1, "other": 2}


class TrialRow(BaseModel):
    """One trial and endpoint, with how far it is from the regimen asked about.

    Attributes
    ----------
    hr : float
        Experimental against control; below 1 favours experimental. [1]
    interval : tuple of float, optional
        Confidence interval of `hr` at `interval_level`.
    interval_level : float
        As printed, not always 95. [percent]
    disease_match, sequence_match : {"same", "related", "other"}
        The first two parts of the distance.
    log_dose_ratio : float, optional
        The third: |ln(trial's / asked dose per fraction)|, zero inside a range, the least over
        alternative schedules; None where either is unknown. [1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: str
    nct: str
    disease: str
    setting: str
    phase: str
    year: int | None
    reference: str
    doi: str
    n_experimental: float | None
    n_control: float | None
    rt_dose_gy: str
    rt_fractions: str
    dose_per_fraction_gy: str
    ici: str
    sequence: str
    comparison: str
    comparison_type: str
    endpoint: str
    hr: float
    interval: tuple[float, float] | None
    interval_level: float | None
    status: str
    flags: dict[str, str]
    note: str
    disease_match: Match
    sequence_match: Match
    log_dose_ratio: float | None


def nearest_trials(
    disease: str, dose_per_fraction: float | None, sequence: str | None = None, n: int = 8
) -> list[TrialRow]:
    """The `n` rows with a hazard ratio that are nearest to a regimen, nearest first.

    Retracted rows and rows with a withheld outcome are never listed.

    Parameters
    ----------
    disease : str
        A disease of `Patient.disease`, or a disease label of the trial table.
    dose_per_fraction : float, optional
        [Gy]
    sequence : str, optional
        `adjuvant`, `both`, `concurrent`, `sequential` or `neoadjuvant` (when the ICI is given
        relative to RT); None leaves it out of the distance.
    n : int
        Rows wanted.

    Raises
    ------
    InputError
        Unknown disease or sequence (with the close match), or a dose that is not positive.
    """
    if sequence is not None and sequence not in TIMING:
        raise unknown_name("looking for the nearest trials", sequence, list(TIMING))
    if dose_per_fraction is not None and not 0 < dose_per_fraction < math.inf:
        raise InputError(
            doing="looking for the nearest trials",
            found=f"a dose per fraction of {dose_per_fraction} Gy",
            expected="a positive number of Gy",
            try_="leaving it out if it is not known",
        )
    table = load_trials()
    matches = disease_matches(disease, set(table["disease"]))
    usable = table.loc[table["hr"].notna() & ~table["flags"].map(lambda flags: "retraction" in flags).astype(bool)]
    rows = [_row(row, matches, sequence, dose_per_fraction) for row in usable.to_dict("records")]
    return sorted(rows, key=_distance)[:n]


def _distance(row: TrialRow) -> tuple[Any, ...]:
    dose = math.inf if row.log_dose_ratio is None else row.log_dose_ratio
    size = (row.n_experimental or 0) + (row.n_control or 0)
    status = _STATUS_ORDER.index(row.status)
    return (_RANK[row.disease_match], _RANK[row.sequence_match], dose, status, -size, row.trial, row.endpoint)


def _row(
    row: dict[Any, Any], matches: dict[str, Match], sequence: str | None, dose_per_fraction: float | None
) -> TrialRow:
    reference = _text(row["reference"])
    year = re.findall(r"\b(?:19|20)\d\d\b", reference)
    return TrialRow(
        **{name: _text(row[name]) for name in (
            "trial", "nct", "disease", "phase", "doi", "rt_dose_gy", "rt_fractions", "dose_per_fraction_gy", "ici",
            "sequence", "comparison", "comparison_type", "endpoint", "note",
        )},
        setting=_text(row["stage_setting"]),
        reference=reference,
        year=int(year[-1]) if year else None,
        n_experimental=_number(row["n_experimental"]),
        n_control=_number(row["n_control"]),
        hr=row["hr"],
        interval=(row["hr_lo"], row["hr_hi"]) if row["hr_lo"] > 0 else None,
        interval_level=_number(row["ci_level"]),
        status=row["confidence"],
        flags=row["flags"],
        disease_match=matches.get(row["disease"], "other"),
        sequence_match=_sequence_match(row["sequence"], sequence),
        log_dose_ratio=log_dose_ratio(_text(row["dose_per_fraction_gy"]), dose_per_fraction),
    )  # fmt: skip


def _text(cell: str | float) -> str:
    return "" if pd.isna(cell) else str(cell)


def _number(cell: float) -> float | None:
    return None if math.isnan(cell) else float(cell)


def _sequence_match(theirs: str, ours: str | None) -> Match:
    if ours is None or theirs == ours:
        return "same"
    return "related" if TIMING[theirs] == TIMING[ours] else "other"


def log_dose_ratio(cell: str, dose_per_fraction: float | None) -> float | None:
    """|ln ratio| of a dose per fraction to a cell such as `"15-20|12-12.5|10-11"`.

    Parameters
    ----------
    cell : str
        Alternatives separated by `|`, each a number or a range. [Gy]
    dose_per_fraction : float, optional
        [Gy]

    Returns
    -------
    float or None
        The least over the alternatives, zero inside a range; None where either is unknown. [1]

    Examples
    --------
    >>> log_dose_ratio("12.5|7", 7.0), log_dose_ratio("15-20", 18.0), log_dose_ratio("", 2.0)
    (0.0, 0.0, None)
    """
    if not cell or dose_per_fraction is None:
        return None
    return min(_outside(alternative, dose_per_fraction) for alternative in cell.split("|"))


def _outside(alternative: str, dose: float) -> float:
    ends = [float(end) for end in alternative.split("-")]
    return max(math.log(min(ends) / dose), math.log(dose / max(ends)), 0.0)
