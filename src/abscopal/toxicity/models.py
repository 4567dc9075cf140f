"""The evaluable forms by name, and the one door to a probability."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abscopal.domain.errors import ModelError, UnsupportedError
from abscopal.domain.registry import find, register
from abscopal.knowledge.load import load
from abscopal.toxicity import forms
from abscopal.toxicity.table import SHEET, NtcpModel, find_model

FloatArray = forms.FloatArray


@dataclass(frozen=True, eq=False)
class Bins:
    """A differential histogram: dose of each bin [Gy] and the share of the volume in it [1]."""

    dose: FloatArray
    volume: FloatArray


Value = float | str | Bins
Parameters = Mapping[str, Any]
Values = Mapping[str, Value]
Form = Callable[[Parameters, Values], float]


def probability(model: NtcpModel | str, values: Values) -> float:
    """Complication probability of one published model.

    Parameters
    ----------
    model : NtcpModel or str
        A row of the table, or its id.
    values : mapping
        Each predictor's value under the model's own name, dose in the model's own convention
        (see `NtcpModel.dose`); nothing is converted here. A `gEUD` may be given as a number
        [Gy] or as `Bins`, which are reduced with the model's own exponent.

    Returns
    -------
    float
        [1]

    Raises
    ------
    UnsupportedError
        The row is an anchor or an offset: observed rates, a constraint, a ratio.
    ModelError
        A required value is missing.

    Examples
    --------
    >>> round(probability("rp_quantec_mld", {"b1": 20.0}), 3)
    0.206
    """
    model = find_model(model) if isinstance(model, str) else model
    if model.role != "model":
        raise refusal(model)
    absent = [p.name for p in model.predictors if p.required and p.name not in values]
    if absent:
        raise ModelError(
            doing=f"computing {model.id}",
            found=f"no {', '.join(absent)}",
            expected=", ".join(p.name for p in model.predictors if p.required),
            try_="giving each of them",
        )
    return evaluate(model.form, model.parameters, values)


def evaluate(form: str, parameters: Parameters, values: Values) -> float:
    """Probability by a registered form with given parameters (used to sample them)."""
    target: Form = find("ntcp", form).target
    return target(parameters, values)


def refusal(model: NtcpModel) -> UnsupportedError:
    """The error that says why a row gives no probability."""
    return UnsupportedError(
        doing=f"computing a probability from '{model.id}'",
        found=f"an {model.role}, not an evaluable model: {model.remark}",
        expected="a row whose role is model",
        try_="reading its published figures, or another model of the same endpoint",
    )


@register("ntcp", "lkb", source="Lyman-Kutcher-Burman")
def _lkb(p: Parameters, values: Values) -> float:
    return forms.lkb(_equivalent_dose(p, values), p["td50"], p["m"])


@register("ntcp", "log_logit", source="Niemierko")
def _log_logit(p: Parameters, values: Values) -> float:
    return forms.log_logit(_equivalent_dose(p, values), p["td50"], p["gamma50"])


def _number(values: Values, name: str) -> float:
    value = values[name]
    if isinstance(value, Bins | str):
        raise ModelError(
            doing="computing a complication probability",
            found=f"{type(value).__name__} for {name}",
            expected="a number",
            try_="a figure of the histogram",
        )
    return float(value)


def _equivalent_dose(p: Parameters, values: Values) -> float:
    given = values["gEUD"]
    if isinstance(given, Bins):
        return forms.geud(given.dose, given.volume, 1 / p["n"] if p.get("n") else p["a"])
    return _number(values, "gEUD")


@register("ntcp", "relative_seriality", source="Källman, Ågren and Brahme")
def _relative_seriality(p: Parameters, values: Values) -> float:
    given = values["dvh"]
    bins = given if isinstance(given, Bins) else Bins(np.array([_number(values, "dvh")]), np.ones(1))
    return forms.relative_seriality(bins.dose, bins.volume, p["d50"], p["gamma"], p["s"])


@register("ntcp", "linear", source="logistic regression")
def _linear(p: Parameters, values: Values) -> float:
    """Logistic in b0 plus a coefficient for each value; a table of coefficients for each category."""
    return forms.logistic(p["b0"] + sum(_term(p, values, name) for name in values))


def _term(p: Parameters, values: Values, name: str) -> float:
    coefficient, value = p[name], values[name]
    if not isinstance(coefficient, Mapping):
        return float(coefficient) * _number(values, name)
    if value not in coefficient:
        raise ModelError(
            doing="reading a category of a complication model",
            found=repr(value),
            expected="one of " + ", ".join(coefficient),
            try_="one of these names",
        )
    return float(coefficient[str(value)])


@register("ntcp", "appelt", source="Appelt et al.")
def _appelt(p: Parameters, values: Values) -> float:
    factors = (_number(values, name) * math.log(p["odds_ratios"][name]) for name in values if name != "MLD")
    return forms.logistic(4 * p["gamma50_0"] * (_number(values, "MLD") / p["d50_0"] - 1) + sum(factors))


@register("ntcp", "log_dose", source="Dutch lung protocol")
def _log_dose(p: Parameters, values: Values) -> float:
    dose, days = _number(values, "MED"), _number(values, "OTT_days")
    return forms.logistic(p["b0"] + p["b1"] * math.log(dose) + p["b2"] * days) if dose > 0 else 0.0


@register("ntcp", "nipp_xerostomia", source="Dutch NIPP-HNC")
def _nipp_xerostomia(p: Parameters, values: Values) -> float:
    glands = math.sqrt(_number(values, "parotid_one")) + math.sqrt(_number(values, "parotid_other"))
    below = p["submandibular"] * _number(values, "submandibular")
    return forms.logistic(p["b0"] + p["sqrt_parotid"] * glands + below + _term(p, values, "baseline"))


@register("ntcp", "square_roots", source="Dutch lung protocol")
def _square_roots(p: Parameters, values: Values) -> float:
    volume, heart = _number(values, "GTV_cc"), _number(values, "MHD")
    return forms.logistic(p["b0"] + p["b1"] * math.sqrt(volume) + p["b2"] * math.sqrt(heart))


@register("ntcp", "nomogram", source="lymphopenia in glioblastoma")
def _nomogram(p: Parameters, values: Values) -> float:
    """Points of each predictor, then a cubic; values and result are held within the nomogram's range."""
    sheet = load(SHEET)
    dose = _held(_number(values, "Dmean"), sheet.vector("nomogram_dose"))
    count = _held(_number(values, "ALC"), sheet.vector("nomogram_lymphocytes"))
    points = p["dmean_int"] + p["dmean_slope"] * dose + p["alc_int"] + p["alc_slope"] * count
    points += p["female"] * _number(values, "female")
    cubic = p["p0"] + p["p1"] * points + p["p2"] * points**2 + p["p3"] * points**3
    return _held(cubic, (sheet["nomogram_probability_low"], sheet["nomogram_probability_high"]))


def _held(value: float, limits: tuple[float, ...]) -> float:
    return min(max(value, limits[0]), limits[-1])
