"""Goals and bounds of a plan in another number of fractions: every dose with the same effect on its own tissue."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from abscopal.planning.bounds import AtLeast, AtMost, Bound
from abscopal.planning.influence import InfluenceMatrix, Prescription
from abscopal.planning.optimise import Goal, even_weight
from abscopal.planning.terms.base import Term
from abscopal.radiobiology.isoeffect import bed, isoeffective_dose_per_fraction
from abscopal.regimens.limits import organ_alpha_beta

LEVELS = ("limit", "dose", "low", "high", "peak_dose", "valley_dose")
"""Fields of terms and bounds that are doses of the course to a structure."""
PLACES = ("structure", "peaks", "valleys")
Dosed = TypeVar("Dosed", Term, Bound)
Sensitivity = Callable[[str], float]
"""From the name of a structure to its α/β, in Gy."""


def isoeffective_total(total: float, n: int, other: int, alpha_beta: float) -> float:
    """The total dose in `other` fractions with the BED of `total` in `n`. [Gy].

    Parameters
    ----------
    total : float
        Zero or more. [Gy]
    n, other : int
    alpha_beta : float
        [Gy]

    Examples
    --------
    >>> round(isoeffective_total(50.0, 25, 5, 10.0), 2)
    35.21
    """
    if total <= 0:
        return 0.0
    return float(other * isoeffective_dose_per_fraction(bed(total / n, n, alpha_beta), other, alpha_beta))


def in_fractions(matrix: InfluenceMatrix, n: int, alpha_beta: float) -> InfluenceMatrix:
    """The matrix with a prescription of `n` fractions and the tumour BED of its own. α/β in Gy."""
    asked = matrix.prescription
    total = isoeffective_total(asked.total, asked.n_fractions, n, alpha_beta)
    return replace(matrix, prescription=Prescription(total, n))


def sensitivity_of(matrix: InfluenceMatrix, alpha_beta: float, tumour_parts: Sequence[str] = ()) -> Sensitivity:
    """α/β by structure: the tumour's for targets and parts of the tumour, else that of the organ.

    Parameters
    ----------
    matrix : InfluenceMatrix
    alpha_beta : float
        Of the tumour. [Gy]
    tumour_parts : sequence of str
        Further structures inside the tumour, such as the vertices and valleys of a lattice.
    """
    inside = {*matrix.targets, *tumour_parts}
    return lambda name: alpha_beta if name in inside else organ_alpha_beta(name)


def goals_in_fractions(
    goals: Sequence[Goal], matrix: InfluenceMatrix, other: InfluenceMatrix, sensitivity: Sensitivity
) -> tuple[Goal, ...]:
    """Goals for the prescription of `other`, balanced as those for that of `matrix`.

    A level of dose is taken to the same BED of its structure. Weights are changed so that each term counts as much
    against the others as before, at even weights: a squared dose falls with the square of the total, a mean dose with
    the total itself.

    Parameters
    ----------
    goals : sequence of Goal
        For the prescription of `matrix`.
    matrix, other : InfluenceMatrix
        The same but for the prescription.
    sensitivity : callable
        As `sensitivity_of` gives it.
    """
    n, m = matrix.prescription.n_fractions, other.prescription.n_fractions
    before, after = (np.full(one.n_bixels, even_weight(one)) for one in (matrix, other))
    moved = []
    for goal in goals:
        term = _moved(goal.term, n, m, sensitivity)
        old, new = goal.term.value(matrix, before), term.value(other, after)
        moved.append(Goal(term, goal.weight * (old / new if old > 0 and new > 0 else 1.0)))
    return tuple(moved)


def bounds_in_fractions(bounds: Sequence[Bound], n: int, other: int, sensitivity: Sensitivity) -> tuple[Bound, ...]:
    """Bounds of equal effect in `other` fractions: on a voxel exactly, on a mean dose as if the organ were even.

    Bounds on EDRIC and blood stay: they are physical doses whose index holds the fraction number itself.
    """
    return tuple(_bound(bound, n, other, sensitivity) for bound in bounds)


def _bound(bound: Bound, n: int, other: int, sensitivity: Sensitivity) -> Bound:
    if isinstance(bound, AtMost | AtLeast):
        place = getattr(bound.term, "structure", None)
        if place is None:
            return bound
        return replace(bound, limit=isoeffective_total(bound.limit, n, other, sensitivity(place)))
    return _moved(bound, n, other, sensitivity)


def _moved(thing: Dosed, n: int, other: int, sensitivity: Sensitivity) -> Dosed:
    if not is_dataclass(thing) or isinstance(thing, type):
        return thing
    named = {one.name for one in fields(thing)}
    place = next((getattr(thing, name) for name in PLACES if name in named), None)
    if place is None:
        return thing
    alpha_beta = sensitivity(place)
    changed: dict[str, Any] = {
        name: isoeffective_total(getattr(thing, name), n, other, alpha_beta) for name in LEVELS if name in named
    }
    moved: Dosed = replace(thing, **changed)
    return moved
