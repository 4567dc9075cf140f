"""The evaluable forms by name, and the one door to a probability: one patient, many, or many draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ModelError, UnsupportedError
from abscopal.domain.registry import find, register
from abscopal.knowledge.load import load
from abscopal.toxicity import forms
from abscopal.toxicity.table import SHEET, NtcpModel, find_model

FloatArray = forms.FloatArray


@dataclass(frozen=True, eq=False)
class Bins:
    """A differential histogram, or one per patient on a common dose axis.

    Attributes
    ----------
    dose : array, shape (m,)
        [Gy]
    volume : array, shape (m,) or (n, m)
        Share of the volume in each bin. [1]
    """

    dose: FloatArray
    volume: FloatArray


Value = float | str | Bins | NDArray[Any]
Parameters = Mapping[str, Any]
Values = Mapping[str, Value]
Form = Callable[[Parameters, Values], FloatArray]


def probability(model: NtcpModel | str, values: Values) -> float:
    """Complication probability of one published model for one patient.

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
    return float(probabilities(model, values)[0])


def probabilities(model: NtcpModel | str, values: Values) -> FloatArray:
    """Complication probabilities of one published model for many patients at once.

    Parameters
    ----------
    model : NtcpModel or str
    values : mapping
        As for `probability`, with an array of shape (n,) for each predictor, or one value for
        all; `Bins` with a volume of shape (n, m).

    Returns
    -------
    array, shape (n,)
        [1]

    Examples
    --------
    >>> probabilities("rp_quantec_mld", {"b1": np.array([7.0, 20.0])}).round(3).tolist()
    [0.048, 0.206]
    """
    model = require_model(model)
    absent = [p.name for p in model.predictors if p.required and p.name not in values]
    if absent:
        raise ModelError(
            doing=f"computing {model.id}",
            found=f"no {', '.join(absent)}",
            expected=", ".join(p.name for p in model.predictors if p.required),
            try_="giving each of them",
        )
    return evaluate(model.form, model.parameters, values)[:, 0]


def require_model(model: NtcpModel | str) -> NtcpModel:
    """The row, or the error that says why it gives no probability."""
    model = find_model(model) if isinstance(model, str) else model
    if model.role == "model":
        return model
    raise UnsupportedError(
        doing=f"computing a probability from '{model.id}'",
        found=f"an {model.role}, not an evaluable model: {model.remark}",
        expected="a row whose role is model",
        try_="reading its published figures, or another model of the same endpoint",
    )


def evaluate(form: str, parameters: Parameters, values: Values) -> FloatArray:
    """Probabilities by a registered form, for n patients and d draws of its parameters.

    Parameters
    ----------
    form : str
    parameters : mapping
        Floats, or arrays of shape (d,).
    values : mapping
        Floats, texts, arrays of shape (n,), arrays of shape (n, d), or `Bins`.

    Returns
    -------
    array, shape (n, d)
        With 1 for a length that nothing gives. [1]
    """
    target: Form = find("ntcp", form).target
    return np.atleast_2d(target(parameters, values))


@register("ntcp", "lkb", source="Lyman-Kutcher-Burman")
def _lkb(p: Parameters, values: Values) -> FloatArray:
    return forms.lkb(_equivalent_dose(p, values), p["td50"], p["m"])


@register("ntcp", "log_logit", source="Niemierko")
def _log_logit(p: Parameters, values: Values) -> FloatArray:
    return forms.log_logit(_equivalent_dose(p, values), p["td50"], p["gamma50"])


def _column(values: Values, name: str) -> FloatArray:
    """A predictor as an array of shape (n, 1) or (n, d)."""
    value = values[name]
    if isinstance(value, Bins | str) or np.asarray(value).dtype.kind not in "fiub":
        raise ModelError(
            doing="computing a complication probability",
            found=f"{type(value).__name__} for {name}",
            expected="a number",
            try_="a figure of the histogram",
        )
    numbers = np.asarray(value, dtype=np.float64)
    return numbers if numbers.ndim == 2 else numbers.reshape(-1, 1)


def _equivalent_dose(p: Parameters, values: Values) -> FloatArray:
    given = values["gEUD"]
    if not isinstance(given, Bins):
        return _column(values, "gEUD")
    exponent = 1 / np.atleast_1d(p["n"]) if _has_n(p) else np.atleast_1d(p["a"])
    return forms.geud(given.dose, np.atleast_2d(given.volume), exponent)


def _has_n(p: Parameters) -> bool:
    return p.get("n") is not None


@register("ntcp", "relative_seriality", source="Källman, Ågren and Brahme")
def _relative_seriality(p: Parameters, values: Values) -> FloatArray:
    given, s = values["dvh"], np.atleast_1d(p["s"])
    if isinstance(given, Bins):
        return forms.relative_seriality(given.dose, np.atleast_2d(given.volume), p["d50"], p["gamma"], s)
    uniform = _column(values, "dvh")[:, 0]
    return forms.relative_seriality(uniform, np.eye(uniform.size), p["d50"], p["gamma"], s)


@register("ntcp", "poisson", source="Källman, Ågren and Brahme")
def _poisson(p: Parameters, values: Values) -> FloatArray:
    """The response of a uniformly irradiated organ at its equivalent dose, without seriality."""
    return forms.poisson_response(_equivalent_dose(p, values), p["d50"], p["gamma"])


@register("ntcp", "linear", source="logistic regression")
def _linear(p: Parameters, values: Values) -> FloatArray:
    """Logistic in b0 plus a coefficient for each value; a table of coefficients for each category."""
    return forms.logistic(p["b0"] + sum(_term(p, values, name) for name in values))


def _term(p: Parameters, values: Values, name: str) -> FloatArray:
    coefficient = p[name]
    if not isinstance(coefficient, Mapping):
        return np.asarray(coefficient * _column(values, name))
    categories = np.atleast_1d(np.asarray(values[name], dtype=object))
    unknown = [category for category in categories if category not in coefficient]
    if unknown:
        raise ModelError(
            doing="reading a category of a complication model",
            found=repr(unknown[0]),
            expected="one of " + ", ".join(coefficient),
            try_="one of these names",
        )
    return np.array([[float(coefficient[str(category)])] for category in categories])


@register("ntcp", "appelt", source="Appelt et al.")
def _appelt(p: Parameters, values: Values) -> FloatArray:
    factors = (_column(values, name) * np.log(p["odds_ratios"][name]) for name in values if name != "MLD")
    return forms.logistic(4 * p["gamma50_0"] * (_column(values, "MLD") / p["d50_0"] - 1) + sum(factors))


@register("ntcp", "log_dose", source="Dutch lung protocol")
def _log_dose(p: Parameters, values: Values) -> FloatArray:
    with np.errstate(divide="ignore"):
        dose = np.log(_column(values, "MED"))
    return forms.logistic(p["b0"] + p["b1"] * dose + p["b2"] * _column(values, "OTT_days"))


@register("ntcp", "nipp_xerostomia", source="Dutch NIPP-HNC")
def _nipp_xerostomia(p: Parameters, values: Values) -> FloatArray:
    glands = np.sqrt(_column(values, "parotid_one")) + np.sqrt(_column(values, "parotid_other"))
    below = p["submandibular"] * _column(values, "submandibular")
    return forms.logistic(p["b0"] + p["sqrt_parotid"] * glands + below + _term(p, values, "baseline"))


@register("ntcp", "square_roots", source="Dutch lung protocol")
def _square_roots(p: Parameters, values: Values) -> FloatArray:
    volume, heart = _column(values, "GTV_cc"), _column(values, "MHD")
    return forms.logistic(p["b0"] + p["b1"] * np.sqrt(volume) + p["b2"] * np.sqrt(heart))


@register("ntcp", "nomogram", source="lymphopenia in glioblastoma")
def _nomogram(p: Parameters, values: Values) -> FloatArray:
    """Points of each predictor, then a cubic; values and result are held within the nomogram's range."""
    sheet = load(SHEET)
    dose = _held(_column(values, "Dmean"), sheet.vector("nomogram_dose"))
    count = _held(_column(values, "ALC"), sheet.vector("nomogram_lymphocytes"))
    points = p["dmean_int"] + p["dmean_slope"] * dose + p["alc_int"] + p["alc_slope"] * count
    points = points + p["female"] * _column(values, "female")
    cubic = p["p0"] + p["p1"] * points + p["p2"] * points**2 + p["p3"] * points**3
    return _held(cubic, (sheet["nomogram_probability_low"], sheet["nomogram_probability_high"]))


def _held(value: FloatArray, limits: tuple[float, ...]) -> FloatArray:
    return np.asarray(np.clip(value, limits[0], limits[-1]))
