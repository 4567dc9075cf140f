"""Terms on the distribution of dose over circulating blood, on sampled paths that stay the same for a seed.

Particle j gets ``b_j = Σ_beams Σ_organs P_j,beam,organ * m_organ(beam)`` in one fraction: the paths P are sampled once,
so that b is linear in the weights. Organs are taken as even. Beams are given one after the other, each for the same
time, with the gaps of the knowledge sheet; those times are assumptions until the plan is delivered.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from abscopal.blood.circulation import SHEET, Sex, load_network
from abscopal.blood.exposure import Segment
from abscopal.blood.sampling import sample_blood_dose
from abscopal.domain.progress import track
from abscopal.domain.registry import register
from abscopal.dose.grid import FloatArray
from abscopal.knowledge.load import load
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.terms.base import Curvature, Term, Tied, positive
from abscopal.planning.terms.dose import TERM, one_sided
from abscopal.planning.terms.immune import compartment_weights, structure_rows

PARTICLES = 1000


@register(TERM, "blood dose above", curvature="convex")
@dataclass(frozen=True)
class BloodOverdose(Term):
    """Mean over blood of ``max(0, b - limit)²``, b the dose of one fraction: pulls the blood DVH in. [Gy²]."""

    limit: float
    sex: Sex = "male"
    particles: int = PARTICLES
    seed: int = 0

    @property
    def label(self) -> str:
        return f"blood above {self.limit:g} Gy in a fraction"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        rows = blood_rows(matrix, self.sex, self.particles, self.seed)
        return Tied(one_sided(np.full(len(rows), 1.0 / len(rows)), self.limit, 1.0), rows=rows)


@register(TERM, "lymphocyte kill", curvature="concave")
@dataclass(frozen=True)
class LymphocyteKill(Term):
    """Log kill of lymphocytes in blood over the course, ``-n ln mean_j exp(-alpha b_j)``. [1].

    Concave in the weights: it is minimised through its tangent, again and again, which never goes up and ends in a
    local optimum. No recovery and no exchange with organs: an objective, not a forecast of a count.

    Attributes
    ----------
    alpha : float, optional
        The default of the knowledge sheet `blood/lymphocytes` when None. [Gy^-1]
    """

    alpha: float | None = None
    sex: Sex = "male"
    particles: int = PARTICLES
    seed: int = 0
    curvature: ClassVar[Curvature] = "concave"

    @property
    def label(self) -> str:
        return "lymphocyte log kill in blood"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        alpha = positive(load("blood/lymphocytes")["alpha"] if self.alpha is None else self.alpha, "alpha")
        n = matrix.prescription.n_fractions

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            alive = np.exp(-alpha * dose)
            return -n * float(np.log(alive.mean())), n * alpha * alive / alive.sum()

        return Tied(function, rows=blood_rows(matrix, self.sex, self.particles, self.seed))


def blood_rows(matrix: InfluenceMatrix, sex: Sex, particles: int, seed: int) -> FloatArray:
    """Rows, shape (particles, n_bixels), of the dose of each blood particle in one fraction. [Gy per unit weight]."""
    network = load_network(sex)
    weights, names = compartment_weights(matrix, network)
    # Compartments that get the same dose whatever the plan, such as the rest of the body, are walked through as one.
    kinds, kind = np.unique(np.round(weights, 9), axis=0, return_inverse=True)
    groups = tuple(
        tuple(name for name, one in zip(network.compartments, kind.ravel(), strict=True) if one == k)
        for k in range(len(kinds))
    )
    organs = kinds @ structure_rows(matrix, names) / matrix.prescription.n_fractions
    beams = int(matrix.bixels.beam.max()) + 1
    rows = np.zeros((particles, matrix.n_bixels))
    for beam in track(range(beams), "paths of blood"):
        columns = np.flatnonzero(matrix.bixels.beam == beam)
        rows[:, columns] = sampled_paths(sex, groups, beams, beam, particles, seed) @ organs[:, columns]
    return rows


@lru_cache(maxsize=64)
def sampled_paths(
    sex: Sex, groups: tuple[tuple[str, ...], ...], beams: int, beam: int, particles: int, seed: int
) -> FloatArray:
    """Dose of each particle per gray that a beam gives to each group of compartments, shape (particles, n_groups). [1].

    The walks do not depend on dose, so runs with one group irradiated at a time, all of one seed, are the same walks.
    """
    network = load_network(sex)
    sheet = load(SHEET)
    each, gap = sheet["beam_on_time"] / beams, sheet["field_gap"]
    columns = []
    for group in groups:
        rates = dict.fromkeys(group, 1.0 / each)
        fields = [Segment(each, rates if number == beam else {}) for number in range(beams)]
        segments = [piece for field in fields for piece in (field, Segment(gap, {}))][:-1]
        columns.append(sample_blood_dose(network, segments, particles, seed=seed).doses)
    return np.stack(columns, axis=1)
