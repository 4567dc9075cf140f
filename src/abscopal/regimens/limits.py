"""What a regimen may not do: tumour dose, organs at risk, length of the course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import bed, eqd2_of_total
from abscopal.radiobiology.tissue import alpha_beta_of, tissue_names
from abscopal.regimens.candidates import SHEET, Candidate

Statistic = Literal["D2%", "mean"]
STATISTICS: tuple[Statistic, ...] = ("D2%", "mean")
TOLERANCE = 1e-9  # of a limit, for rounding
ORGAN_TISSUE = {"SpinalCord": "spinal_cord"}


@dataclass(frozen=True)
class OrganLimit:
    """The largest EQD2 of one organ.

    Attributes
    ----------
    organ : str
    statistic : {"D2%", "mean"}
    eqd2 : float
        [Gy]
    origin : str
        Where the limit comes from.
    """

    organ: str
    statistic: Statistic
    eqd2: float
    origin: str


@dataclass(frozen=True)
class Limits:
    """Every limit of a search.

    Attributes
    ----------
    tumour_bed : float
        Least BED of the tumour. [Gy]
    alpha_beta : float
        Of the tumour. [Gy]
    organs : tuple of OrganLimit
    most_days : float
        Longest course. [day]
    """

    tumour_bed: float
    alpha_beta: float
    organs: tuple[OrganLimit, ...]
    most_days: float


@dataclass(frozen=True)
class OrganDose:
    """Dose of the present plan to the organs at risk, scaled with the total dose of a regimen.

    Attributes
    ----------
    dvhs : mapping
        Physical dose of the present course by TG-263 name.
    total : float
        Total dose of the present course. [Gy]
    """

    dvhs: Mapping[str, DVH]
    total: float

    def eqd2(self, organ: str, statistic: Statistic, candidate_total: float, n: int) -> float:
        """EQD2 of an organ under a regimen, in Gy; the distribution in space is taken as unchanged."""
        dvh, ratio = self.dvhs[organ], candidate_total / self.total
        alpha_beta = organ_alpha_beta(organ)
        if statistic == "D2%":
            return float(eqd2_of_total(ratio * dvh.dose_at_volume(2), n, alpha_beta))
        dose, share = dvh.differential()
        return float(share @ eqd2_of_total(ratio * dose, n, alpha_beta))


def organ_alpha_beta(organ: str) -> float:
    """α/β of an organ: its own where the sheet has one, else that of late-reacting tissue, in Gy."""
    tissue = ORGAN_TISSUE.get(organ, "")
    return alpha_beta_of(tissue if tissue in tissue_names() else "late_normal").alpha_beta


def present_limits(organs: OrganDose, n: int, *, allowance: float | None = None) -> tuple[OrganLimit, ...]:
    """Limits that keep every organ near what the present plan, which was accepted, gives it.

    Parameters
    ----------
    n : int
        Fractions of the present course.
    allowance : float, optional
        Share by which an EQD2 may rise; by default that of the sheet. An EQD2 under the sheet's floor limits
        nothing. [1]

    Raises
    ------
    InputError
        A negative allowance.
    """
    sheet = load(SHEET)
    share = sheet["allowance"] if allowance is None else allowance
    if not 0 <= share < 10:
        raise InputError(
            doing="setting limits for the organs", found=f"an allowance of {share:g}",
            expected="a share of at least 0, such as 0.1 for 10 %", try_="0.1",
        )  # fmt: skip
    found = []
    for organ, statistic in product(organs.dvhs, STATISTICS):
        now = organs.eqd2(organ, statistic, organs.total, n)
        value = max((1 + share) * now, sheet["organ_floor"])
        found.append(OrganLimit(organ, statistic, value, f"present plan {now:.1f} Gy, plus {100 * share:g} %"))
    return tuple(found)


def read_limit(text: str, organs: Mapping[str, DVH]) -> OrganLimit:
    """A limit written as `SpinalCord:D2%:45`, EQD2 in Gy.

    Raises
    ------
    InputError
        Not in that form, an organ that is not contoured, or a limit that is not positive.
    """
    parts = text.split(":")
    try:
        organ, statistic, value = parts[0], parts[1], float(parts[2])
    except (IndexError, ValueError):
        organ, statistic, value = text, "", 0.0
    if len(parts) != 3 or statistic not in STATISTICS or not 0 < value < 1000:
        raise InputError(
            doing="reading a limit for an organ", found=repr(text),
            expected="ORGAN:STATISTIC:EQD2 with the statistic D2% or mean and a positive dose in Gy",
            try_="SpinalCord:D2%:45",
        )  # fmt: skip
    if organ not in organs:
        raise unknown_name("setting a limit for an organ", organ, sorted(organs))
    return OrganLimit(organ, "D2%" if statistic == "D2%" else "mean", value, "asked for")


def broken(candidate: Candidate, limits: Limits, organs: OrganDose | None) -> tuple[str, ...]:
    """The limits a regimen breaks, in words; empty when it may be given."""
    found = []
    tumour = float(bed(candidate.dose, candidate.n, limits.alpha_beta))
    if tumour < limits.tumour_bed * (1 - TOLERANCE):
        found.append(f"tumour BED {tumour:.1f} under {limits.tumour_bed:.1f} Gy")
    if candidate.length > limits.most_days:
        found.append(f"{candidate.length:g} days, more than {limits.most_days:g}")
    if any(day % 7 >= 5 for day in candidate.days):
        found.append("a fraction on a weekend")
    if organs is not None:
        found += _organs_over(candidate, limits.organs, organs)
    return tuple(found)


def _organs_over(candidate: Candidate, limits: Sequence[OrganLimit], organs: OrganDose) -> list[str]:
    told = []
    for limit in limits:
        value = organs.eqd2(limit.organ, limit.statistic, candidate.total, candidate.n)
        if value > limit.eqd2 * (1 + 1e-6) + 1e-6:
            told.append(f"{limit.organ} {limit.statistic} EQD2 {value:.1f} over {limit.eqd2:.1f} Gy")
    return told
