"""From a matrix to goals: the usual reference plan, and the same with the immune system spared.

The reference carries target, fall-off, body and organ terms, so that a gain over it is no gain over nothing. Immune
terms are divided by their value in the reference plan and multiplied by its objective: at a weight of 1 a tenth of
the immune dose is worth as much as a tenth of everything the reference asks for.
"""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

import numpy as np
from scipy.ndimage import distance_transform_edt

from abscopal.domain.registry import unknown_name
from abscopal.dose.grid import FloatArray
from abscopal.knowledge.load import load
from abscopal.planning.bounds import Bound, MaxDose
from abscopal.planning.course import PlannedCourse
from abscopal.planning.influence import InfluenceMatrix, Region, region_of
from abscopal.planning.lattice import VALLEYS, VERTEX, VERTICES
from abscopal.planning.optimise import Goal, Plan
from abscopal.planning.terms.base import Term, missing
from abscopal.planning.terms.blood import LymphocyteKill
from abscopal.planning.terms.dose import MeanDose, PeaksAndValleys, SquaredOverdose, SquaredUnderdose
from abscopal.planning.terms.immune import Edric, MeanBloodDose
from abscopal.planning.terms.robust import Robust
from abscopal.regimens.limits import OrganDose, OrganLimit

SHEET = "planning/goals"
BODY, NEAR, FAR = "External", "Body near target", "Body beyond target"
LUNGS = ("Lung_L", "Lung_R")
TUMOUR_PREFIXES = ("GTV", "CTV", "ITV", "PTV")
IMMUNE = {"EDRIC": Edric, "mean blood dose": MeanBloodDose, "lymphocyte kill": LymphocyteKill}


def with_plan_regions(matrix: InfluenceMatrix) -> InfluenceMatrix:
    """The matrix with the regions the goals ask for beside the contoured ones.

    `Body near target` is the body within some millimetres of the target and outside it, `Body beyond target` the
    rest; `Lungs` the union of both lungs where it is not contoured, and `Vertices` that of the vertices of a lattice.

    Raises
    ------
    InputError
        No body contour.
    """
    if BODY not in matrix.regions:
        raise missing([BODY], "reference plan", matrix)
    target = np.max([_filled(matrix, matrix.regions[name]) for name in matrix.targets], axis=0)
    steps = np.linalg.norm(matrix.affine[:3, :3], axis=0)[::-1]
    away = distance_transform_edt(target < 0.5, sampling=steps)
    body = _filled(matrix, matrix.regions[BODY]) * (1.0 - target)
    reach = load(SHEET)["near_mm"]
    made = {NEAR: body * (away <= reach), FAR: body * (away > reach)}
    if "Lungs" not in matrix.regions and all(side in matrix.regions for side in LUNGS):
        made["Lungs"] = np.minimum(sum(_filled(matrix, matrix.regions[side]) for side in LUNGS), 1.0)
    vertices = [_filled(matrix, region) for name, region in matrix.regions.items() if name.startswith(VERTEX)]
    if vertices and VERTICES not in matrix.regions:
        made[VERTICES] = np.max(vertices, axis=0)
    added = {
        name: region_of(name, filled, matrix.shape, matrix.voxel_volume_cm3)
        for name, filled in made.items()
        if filled.any()
    }
    return replace(matrix, regions={**matrix.regions, **added})


def reference_goals(matrix: InfluenceMatrix, *, peak: float = 0.0, robust: float = 0.0) -> tuple[Goal, ...]:
    """Target, fall-off, body and organ terms of the sheet for the structures that are there.

    Parameters
    ----------
    matrix : InfluenceMatrix
        Of `with_plan_regions`.
    peak : float
        Total dose that the vertices of a lattice get while its valleys stay near the prescription; 0 for none. [Gy]
    robust : float
        Setup error along each axis under which the target keeps its coverage; 0 for none. [mm]

    Raises
    ------
    InputError
        A peak dose without `Vertices` and `Valleys`, or not above that of the valleys.
    """
    total = matrix.prescription.total
    goals = []
    for row in load(SHEET).table("goals").to_dict(orient="records"):
        written = str(row["structure"])
        names = {"TARGET": list(matrix.targets), "NEAR": [NEAR], "FAR": [FAR]}.get(written, [written])
        kind = SquaredUnderdose if row["kind"] == "underdose" else SquaredOverdose
        if peak and written == "TARGET" and kind is SquaredOverdose:
            continue  # the peaks are hot spots that are wanted; the valleys have a term of their own
        goals += [
            Goal(_against_shifts(kind(name, float(row["share"]) * total), robust), float(row["weight"]))
            for name in names
            if name in matrix.regions
        ]
    return (*goals, *([_lattice_goal(matrix, peak)] if peak else []))


def _against_shifts(term: Term, robust: float) -> Term:
    """Coverage in the worst of seven positions of the patient; any other term as it is."""
    if not robust or not isinstance(term, SquaredUnderdose):
        return term
    steps = np.vstack([np.eye(3), -np.eye(3)]) * robust
    return Robust(term, tuple((float(x), float(y), float(z)) for x, y, z in steps))


def _lattice_goal(matrix: InfluenceMatrix, peak: float) -> Goal:
    sheet = load(SHEET)
    term = PeaksAndValleys(VERTICES, VALLEYS, peak, sheet["valley_share"] * matrix.prescription.total)
    absent = [name for name in (VERTICES, VALLEYS) if name not in matrix.regions]
    if absent:
        raise missing(absent, term.label, matrix)
    return Goal(term, sheet["lattice_weight"])


def immune_terms(matrix: InfluenceMatrix, spare: Sequence[str]) -> tuple[Term, ...]:
    """The terms behind words of `--spare`, on the structures that are contoured and no targets.

    Raises
    ------
    InputError
        An unknown word, or one whose structures are all missing.
    """
    table = load(SHEET).table("spare").fillna("")
    terms: dict[str, Term] = {}
    for word in spare:
        rows = table[table["word"] == word].to_dict(orient="records")
        if not rows:
            raise unknown_name("reading what to spare", word, sorted(set(table["word"])))
        found = [term for row in rows for term in _terms_of(matrix, str(row["term"]), str(row["structures"]))]
        if not found:
            raise missing([str(row["structures"]) for row in rows], f"spare {word}", matrix)
        terms |= {term.label: term for term in found}
    return tuple(terms.values())


def not_contoured(matrix: InfluenceMatrix, spare: Sequence[str]) -> tuple[str, ...]:
    """Structures that the words would spare but the case lacks."""
    table = load(SHEET).table("spare").fillna("")
    asked = dict.fromkeys(str(name) for name in table["structures"][table["word"].isin(list(spare))] if name)
    return tuple(pattern for pattern in asked if not any(fnmatch(name, pattern) for name in matrix.regions))


def sparing_goals(matrix: InfluenceMatrix, reference: Plan, terms: Sequence[Term], weight: float) -> tuple[Goal, ...]:
    """Goals of the reference and the immune terms at a relative weight; at 0 exactly those of the reference."""
    least = load(SHEET)["least_mean"]
    sizes = [max(term.value(matrix, reference.weights), least if isinstance(term, MeanDose) else 0.0) for term in terms]
    return (
        *reference.goals,
        *(
            Goal(term, weight * reference.objective / size if size > 0 else 0.0)
            for term, size in zip(terms, sizes, strict=True)
        ),
    )


def sparing_bounds(matrix: InfluenceMatrix, reference: Plan) -> tuple[Bound, ...]:
    """The immune system is not spared by a hot body: beyond the target no voxel gets more than in the reference."""
    if FAR not in matrix.regions:
        return ()
    hottest = float(matrix.voxel_dose(reference.weights)[matrix.regions[FAR].voxels].max())
    return (MaxDose(FAR, hottest * (1.0 - load(SHEET)["scaling"])),) if hottest > 0 else ()


def organ_limits(course: PlannedCourse) -> tuple[OrganLimit, ...]:
    """Limits of the sheet for the organs of a course."""
    rows = load(SHEET).table("limits").to_dict(orient="records")
    return tuple(
        OrganLimit(str(row["organ"]), "D2%" if row["statistic"] == "D2%" else "mean", float(row["eqd2_gy"]), "recalled")
        for row in rows
        if str(row["organ"]) in course.dvhs
    )


def broken_limits(course: PlannedCourse, limits: Sequence[OrganLimit]) -> tuple[str, ...]:
    """The limits that a course breaks, in words."""
    total, n = course.matrix.prescription.total, course.n_fractions
    organs = OrganDose(course.dvhs, total)
    told = []
    for limit in limits:
        value = organs.eqd2(limit.organ, limit.statistic, total, n)
        if value > limit.eqd2 * (1 + 1e-6):
            told.append(f"{limit.organ} {limit.statistic} EQD2 {value:.1f} over {limit.eqd2:.1f} Gy")
    return tuple(told)


def organs_of(course: PlannedCourse) -> OrganDose:
    """Dose of the organs at risk: no targets, no body and none of its parts, and no lattice."""
    others = (*TUMOUR_PREFIXES, VERTEX)
    names = {BODY, NEAR, FAR, VERTICES, VALLEYS}
    dvhs = {name: d for name, d in course.dvhs.items() if name not in names and not name.startswith(others)}
    return OrganDose(dvhs, course.matrix.prescription.total)


def _terms_of(matrix: InfluenceMatrix, term: str, structures: str) -> list[Term]:
    if term != "mean":
        return [IMMUNE[term]()]
    names = [name for name in matrix.regions if fnmatch(name, structures) and name not in matrix.targets]
    return [MeanDose(name) for name in names]


def _filled(matrix: InfluenceMatrix, region: Region) -> FloatArray:
    filled = np.zeros(int(np.prod(matrix.shape)))
    filled[region.voxels] = region.shares
    return filled.reshape(matrix.shape)
