"""Complication probabilities of published models as terms, by the chain rule through `abscopal.toxicity`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.registry import register
from abscopal.dose.grid import FloatArray
from abscopal.knowledge.load import load
from abscopal.planning.influence import InfluenceMatrix, Region, region_of
from abscopal.planning.terms.base import Curvature, Term, Tied, missing
from abscopal.planning.terms.dose import TERM, geud_and_slope
from abscopal.toxicity.exposure import model_dose
from abscopal.toxicity.models import Value, probability, require_model
from abscopal.toxicity.table import SHEET, NtcpModel, Predictor

STEP = 1e-4
"""Gy; the conversion to the model's fractions is a parabola or a line, whose central difference is exact."""
FORMS = ("lkb", "log_logit", "linear")


@register(TERM, "NTCP", curvature="local: sigmoid in a convex figure of dose")
@dataclass(frozen=True)
class Complication(Term):
    """Probability of one published model with one predictor on dose: a mean or a gEUD. [1].

    Attributes
    ----------
    model : str
        Id of a row of `ntcp/models` with role `model`.
    known : mapping
        Values of its other predictors.

    Notes
    -----
    The probability is a sigmoid: convex where it is small and concave above one half, so a minimum may be local.
    """

    model: str
    known: Mapping[str, Value] = field(default_factory=dict)
    curvature: ClassVar[Curvature] = "local"

    @property
    def label(self) -> str:
        return f"NTCP {self.model}"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        model, asked = _supported(self.model, self.known)
        region = organ_region(matrix, asked.organ, self.label)
        exponent = 1.0 if asked.statistic == "mean" else _exponent(model)
        n, shares = matrix.prescription.n_fractions, region.weights
        chance = _chance(model, asked, self.known)

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            seen, stretch = converted(dose, model, n)
            figure, slope = geud_and_slope(seen, shares, exponent)
            value, steepness = chance(figure)
            return value, steepness * slope * stretch

        return Tied(function, voxels=region.voxels)


def organ_region(matrix: InfluenceMatrix, label: str, term: str) -> Region:
    """The region behind an organ label of the model table: its first choice that is contoured, parts joined."""
    table = load(SHEET).table("organs").set_index("label")
    choices = str(table.at[label, "structures"]).split(" > ")
    for choice in choices:
        parts = choice.split("+")
        if all(part in matrix.regions for part in parts):
            return _joined(matrix, parts)
    raise missing([" or ".join(choices)], term, matrix)


def converted(dose: FloatArray, model: NtcpModel, n_fractions: int) -> tuple[FloatArray, FloatArray]:
    """Doses in the convention of the model, and the slope of that by dose."""
    if model.dose != "eqd":
        return dose, np.ones_like(dose)
    upper = model_dose(dose + STEP, model, n_fractions)
    lower = model_dose(dose - STEP, model, n_fractions)
    return model_dose(dose, model, n_fractions), (upper - lower) / (2 * STEP)


def _joined(matrix: InfluenceMatrix, parts: list[str]) -> Region:
    if len(parts) == 1:
        return matrix.regions[parts[0]]
    filled = np.zeros(int(np.prod(matrix.shape)))
    for part in parts:
        region = matrix.regions[part]
        filled[region.voxels] += region.shares
    whole = np.minimum(filled, 1.0).reshape(matrix.shape)
    return region_of("+".join(parts), whole, matrix.shape, matrix.voxel_volume_cm3)


def _supported(name: str, known: Mapping[str, Value]) -> tuple[NtcpModel, Predictor]:
    model = require_model(name)
    on_dose = [p for p in model.predictors if p.source == "dose" and (p.required or p.name in known)]
    others = [p.name for p in model.predictors if p.source != "dose" and p.required and p.name not in known]
    if model.form not in FORMS or len(on_dose) != 1 or on_dose[0].statistic not in ("mean", "gEUD") or others:
        needs = ", ".join(f"{p.statistic} of {p.organ or 'the patient'}" for p in model.predictors)
        raise UnsupportedError(
            doing=f"making an objective of the model {name}",
            found=f"the form {model.form} of {needs}" + (f" without {', '.join(others)}" if others else ""),
            expected=f"one of the forms {', '.join(FORMS)} in one mean dose or gEUD, all else given",
            try_="rp_quantec_mld, or a penalty on the figure the model uses",
        )
    return model, on_dose[0]


def _exponent(model: NtcpModel) -> float:
    n = model.parameters.get("n")
    return float(1.0 / n) if n is not None else float(model.parameters["a"])


def _chance(model: NtcpModel, asked: Predictor, known: Mapping[str, Value]) -> Callable[[float], tuple[float, float]]:
    """Probability and its slope by the predictor on dose."""
    p = model.parameters

    def at(figure: float) -> tuple[float, float]:
        value = probability(model, {**known, asked.name: figure})
        if model.form == "linear":
            return value, value * (1.0 - value) * float(p[asked.name])
        if model.form == "log_logit":
            steep = 4.0 * float(p["gamma50"]) / figure if figure > 0 else 0.0
            return value, value * (1.0 - value) * steep
        width = float(p["m"]) * float(p["td50"])
        z = (figure - float(p["td50"])) / width
        return value, float(np.exp(-0.5 * z * z) / (np.sqrt(2.0 * np.pi) * width))

    return at
