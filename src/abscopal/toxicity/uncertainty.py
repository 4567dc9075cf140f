"""Draws of a model's parameters: from the limits its source prints, or from widths taken to be wide.

No probability is a bare point. Where a source prints 95 % limits, each limited parameter is drawn
independently from a split normal (median at the printed value, 2.5 and 97.5 % points at the printed
limits) on the logarithmic scale. Where it prints none, the tolerance dose, the slope and the volume
parameter get the upper quartile of all printed relative half-widths of their kind. Correlations
between parameters are not published, so every interval is approximate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from zlib import crc32

import numpy as np
from scipy.stats import norm

from abscopal.domain.risk import Basis
from abscopal.knowledge.load import load
from abscopal.toxicity.forms import FloatArray, steepen
from abscopal.toxicity.models import Value, Values, evaluate
from abscopal.toxicity.table import SHEET, NtcpModel, load_models

DRAWS = 1000
LEVEL = 0.95
Z = float(norm.ppf((1 + LEVEL) / 2))
LEAST_N = 0.01
"""Least volume parameter drawn: a = 100 is the maximum dose to within a few per cent of it."""
KINDS = {
    "td50": "location", "d50": "location", "d50_0": "location", "m": "slope", "gamma": "slope", "gamma50": "slope",
    "gamma50_0": "slope", "n": "volume",
}  # fmt: skip

FORMS_OF_DOSE = ("lkb", "log_logit", "relative_seriality", "appelt")
"""Forms with a tolerance dose and a slope among their own parameters."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Drawn parameters of one model.

    Attributes
    ----------
    parameters : mapping
        Arrays of shape (d,) that replace the row's values.
    scale, slope : array, shape (d,), optional
        Where the form has no such parameter: factor of every dose figure, and of the log odds. [1]
    basis : {"printed limits", "assumed widths"}
    note : str
        How the draws were made, for the reader.
    """

    basis: Basis
    note: str
    parameters: Mapping[str, FloatArray] = field(default_factory=dict)
    scale: FloatArray | None = None
    slope: FloatArray | None = None


def draw_parameters(model: NtcpModel, draws: int = DRAWS, seed: int = 0) -> Spread:
    """Parameter draws of one model.

    Parameters
    ----------
    model : NtcpModel
        A row whose role is model.
    draws : int
    seed : int
        The draws depend on it and on the model's id alone, so that two plans or regimens are
        compared under the same parameters.
    """
    rng = np.random.default_rng([seed, crc32(model.id.encode())])
    return _printed(model, draws, rng) if _limited(model) else _assumed(model, draws, rng)


def draw_probabilities(model: NtcpModel, values: Values, spread: Spread) -> FloatArray:
    """Probabilities, shape (n, d), under each draw; `values` as for `models.probabilities`."""
    if spread.scale is not None:
        values = {name: _scaled(model, name, value, spread.scale) for name, value in values.items()}
    drawn = evaluate(model.form, {**model.parameters, **spread.parameters}, values)
    return drawn if spread.slope is None else steepen(drawn, spread.slope)


def interval_of(point: FloatArray | float, draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Central 95 % limits over the last axis, which always hold the point."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    return np.minimum(low, point), np.maximum(high, point)


def _limited(model: NtcpModel) -> list[str]:
    return [name for name in model.limits if isinstance(model.parameters.get(name), int | float)]


def _printed(model: NtcpModel, draws: int, rng: np.random.Generator) -> Spread:
    names = _limited(model)
    drawn = {name: _draw(rng, model.parameters[name], *model.limits[name], draws) for name in names}
    held = ", odds ratios held fixed" if "odds_ratios" in model.parameters else ""
    note = (
        f"interval from the printed limits of {', '.join(names)}, drawn independently ({draws} draws{held}); "
        "their correlations are not published"
    )
    return Spread("printed limits", note, drawn)


def _draw(rng: np.random.Generator, point: float, low: float, high: float, draws: int) -> FloatArray:
    z = rng.standard_normal(draws) / Z
    if low > 0:
        return np.asarray(point * np.where(z > 0, (high / point) ** np.abs(z), (low / point) ** np.abs(z)))
    return np.asarray(np.maximum(point + np.where(z > 0, z * (high - point), z * (point - low)), LEAST_N))


def _assumed(model: NtcpModel, draws: int, rng: np.random.Generator) -> Spread:
    factor = {kind: np.exp(assumed_width(kind) * rng.standard_normal(draws) / Z) for kind in ("location", "slope")}
    named = KINDS if model.form in FORMS_OF_DOSE else {}
    own = {kind: name for name, kind in named.items() if isinstance(model.parameters.get(name), int | float)}
    drawn = {own[kind]: model.parameters[own[kind]] * factor[kind] for kind in factor if kind in own}
    if _uses_exponent(model):
        n = model.parameters.get("n") or 1 / model.parameters["a"]
        wide = n * np.exp(assumed_width("volume") * rng.standard_normal(draws) / Z)
        drawn["n"] = np.clip(wide, LEAST_N, max(1.0, n))
    return Spread(
        "assumed widths",
        "the source gives no interval: limits from the upper quartile of the relative widths other sources print",
        drawn,
        None if "location" in own else 1 / factor["location"],
        None if "slope" in own else factor["slope"],
    )


def _uses_exponent(model: NtcpModel) -> bool:
    return any(predictor.statistic == "gEUD" for predictor in model.predictors)


def assumed_width(kind: str) -> float:
    """Natural logarithm of the factor between a parameter and its assumed 95 % limits.

    Parameters
    ----------
    kind : {"location", "slope", "volume"}
        A tolerance dose, a slope or a volume exponent.

    Returns
    -------
    float
        The quantile `unprinted_quantile` of the printed half-widths of that kind. [1]
    """
    return _quantile_of_widths(kind, load(SHEET)["unprinted_quantile"])


@cache
def _quantile_of_widths(kind: str, quantile: float) -> float:
    widths = [
        abs(np.log(limit / model.parameters[name]))
        for model in load_models().values()
        for name in _limited(model)
        if KINDS.get(name) == kind
        for limit in model.limits[name]
        if limit > 0
    ]
    return float(np.quantile(widths, quantile))


def _scaled(model: NtcpModel, name: str, value: Value, scale: FloatArray) -> Value:
    dosed = {p.name for p in model.predictors if p.source == "dose" and p.statistic != "volume_cc"}
    if name not in dosed or not isinstance(value, float | int | np.ndarray):
        return value
    return np.asarray(value, dtype=np.float64).reshape(-1, 1) * scale
