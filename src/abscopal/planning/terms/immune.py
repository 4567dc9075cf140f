"""Terms on the dose to the immune system: EDRIC and blood, through the exact models of `abscopal.blood`.

Both indices are linear in the mean doses of organs, so both are one row of numbers. The rows are asked of the blood
models themselves, organ by organ: no coefficient is written down here a second time.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from abscopal.blood.circulation import Network, Sex, load_network
from abscopal.blood.immune_dose import BOTH_LUNGS, SIDES, Form, edric_from_case
from abscopal.blood.organs import assign_organs, remainder_body_mean
from abscopal.domain.registry import register
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.terms.base import Curvature, Term, Tied, linear, missing
from abscopal.planning.terms.dose import TERM

BODY = "External"
PROBE = 1e-3
"""Step of dose about 1 Gy to every organ, in Gy; the functions are linear there, so its size does not matter."""
ROUNDING = 1e-9


@register(TERM, "EDRIC", curvature="linear")
@dataclass(frozen=True)
class Edric(Term):
    """Estimated dose of radiation to immune cells of the course. [Gy].

    References
    ----------
    See `abscopal.blood.immune_dose.edric` and `abscopal knowledge show blood/edric`.
    """

    form: Form = "chest"
    curvature: ClassVar[Curvature] = "linear"

    @property
    def label(self) -> str:
        return "EDRIC" if self.form == "chest" else "EDRIC (oesophagus form)"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        return linear(edric_row(matrix, self.form))


@register(TERM, "mean blood dose", curvature="linear")
@dataclass(frozen=True)
class MeanBloodDose(Term):
    """Mean dose to circulating blood over the course, free of timing. [Gy]."""

    sex: Sex = "male"
    curvature: ClassVar[Curvature] = "linear"

    @property
    def label(self) -> str:
        return "mean blood dose"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        network = load_network(self.sex)
        weights, names = compartment_weights(matrix, network)
        return linear(network.stationary @ weights @ structure_rows(matrix, names))


def edric_row(matrix: InfluenceMatrix, form: Form = "chest") -> FloatArray:
    """The row c, shape (n_bixels,), for which ``c @ w`` is EDRIC. [Gy per unit weight].

    Raises
    ------
    InputError
        A structure that EDRIC needs is missing.
    """
    known = [name for name in (*BOTH_LUNGS, *SIDES, "Heart", "Liver") if name in matrix.regions]
    volumes = {name: matrix.regions[name].volume_cm3 for name in known}
    body = matrix.regions.get(BODY)
    nothing = dict.fromkeys(known, 0.0)
    n = matrix.prescription.n_fractions
    base = edric_from_case(nothing, volumes, None if body is None else 0.0, n, form=form)
    if base.value is None or body is None:
        raise missing([base.not_computable.removeprefix("not computable: needs ")], "EDRIC", matrix)
    row = np.zeros(matrix.n_bixels)
    for name in known:
        weight = edric_from_case({**nothing, name: 1.0}, volumes, 0.0, n, form=form).value or 0.0
        if weight:
            row += weight * matrix.mean_row(name)
    whole = edric_from_case(nothing, volumes, body.volume_cm3, n, form=form).value or 0.0
    return row + whole * matrix.mean_row(BODY)


def compartment_weights(matrix: InfluenceMatrix, network: Network) -> tuple[FloatArray, list[str]]:
    """How the mean dose of each blood compartment is made of the mean doses of structures.

    Compartments without a structure get the dose of the rest of the body, spread over a whole body, as in
    `abscopal.blood.plan_exposure`.

    Returns
    -------
    array, shape (n_compartments, n_structures)
        [1]
    list of str
        The structures.

    Raises
    ------
    InputError
        No body contour.
    """
    if BODY not in matrix.regions:
        raise missing([BODY], "dose to blood", matrix)
    names = sorted(matrix.regions)
    volumes = {name: matrix.regions[name].volume_cm3 for name in names}
    even = dict.fromkeys(names, 1.0)

    def doses(means: dict[str, float]) -> FloatArray:
        rest = remainder_body_mean(means[BODY] * volumes[BODY], means, volumes, network.compartments)
        return np.array([item.dose for item in assign_organs(network, means, rest)])

    at_one = doses(even)
    slopes = np.stack([(doses({**even, name: 1.0 + PROBE}) - at_one) / PROBE for name in names], axis=1)
    slopes[np.abs(slopes) < ROUNDING] = 0.0
    used = np.flatnonzero(slopes.any(axis=0))
    return slopes[:, used], [names[k] for k in used]


def structure_rows(matrix: InfluenceMatrix, names: list[str]) -> FloatArray:
    """Mean-dose rows of structures, shape (n_structures, n_bixels). [Gy per unit weight]."""
    return np.stack([matrix.mean_row(name) for name in names])
