"""Lymphocyte subsets, each with a radiosensitivity of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from abscopal.blood.exposure import BloodDose
from abscopal.blood.lymphocytes import alc_course
from abscopal.blood.pools import SHEET
from abscopal.domain.errors import InputError
from abscopal.domain.trajectory import Trajectory
from abscopal.knowledge.load import load

Scale = Literal["assay", "in_vivo"]


@dataclass(frozen=True)
class SubsetCourse:
    """Count of one subset over a course.

    Attributes
    ----------
    subset : str
    alpha : float
        [Gy^-1]
    baseline, nadir : float
        [1e9/L]
    course : Trajectory
    status : str
    """

    subset: str
    alpha: float
    baseline: float
    nadir: float
    course: Trajectory
    status: str


def subset_courses(
    baseline: float,
    dose: BloodDose,
    fraction_days: Sequence[float],
    *,
    scale: Scale = "in_vivo",
    recovery: float | None = None,
    horizon: float | None = None,
) -> tuple[SubsetCourse, ...]:
    """Counts of CD4, CD8, B and NK cells over a course, from dose to circulating blood.

    Parameters
    ----------
    baseline : float
        ALC of all subsets together. [1e9/L]
    dose : BloodDose
        Of one fraction.
    fraction_days : sequence of float
        [day]
    scale : {"assay", "in_vivo"}
        Sensitivities 1/D0 as in culture, or multiplied by one factor so that their mean over
        the subsets is the in-vivo alpha: ratios from culture, level from patients.
    recovery, horizon : float, optional
        As in `lymphocytes.alc_course`.

    Returns
    -------
    tuple of SubsetCourse
        Shares of the subsets are assumed.

    Raises
    ------
    InputError
        An unknown scale, and as `alc_course`.
    """
    if scale not in ("assay", "in_vivo"):
        raise InputError(
            doing="computing lymphocyte subsets", found=f"the scale '{scale}'", expected="assay or in_vivo",
            try_="'in_vivo'",
        )  # fmt: skip
    rows = load(SHEET).table("subsets")
    alphas = 1.0 / rows["d0_gy"].to_numpy(dtype=float)
    shares = rows["share"].to_numpy(dtype=float)
    if scale == "in_vivo":
        alphas = alphas * load("blood/lymphocytes")["alpha"] / float(alphas @ shares)
    result = []
    for name, alpha, share, status in zip(rows["subset"], alphas, shares, rows["status"], strict=True):
        start = float(baseline * share)
        course = alc_course(start, dose.surviving_fraction(float(alpha)), fraction_days, recovery, horizon=horizon)
        nadir = float(course["ALC"].min())
        result.append(SubsetCourse(str(name), float(alpha), start, nadir, course, str(status)))
    return tuple(result)
