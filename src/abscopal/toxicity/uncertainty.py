"""Intervals from the parameter limits a source prints, and only where it prints them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.toxicity.models import Value, evaluate
from abscopal.toxicity.table import NtcpModel

DRAWS = 1000
SEED = 0
LEVEL = 0.95
FLOOR = 1e-3
"""Least value of a parameter whose lower limit is printed as 0 (all are positive by meaning)."""

NO_LIMITS = "the source gives no interval"


def interval(model: NtcpModel, values: Mapping[str, Value]) -> tuple[tuple[float, float] | None, str]:
    """Central 95 % interval of a model's probability over its printed parameter limits.

    Parameters
    ----------
    model : NtcpModel
    values : mapping
        As for `models.probability`.

    Returns
    -------
    interval : tuple of float, optional
        None where the source prints no limit. [1]
    note : str
        How it was made, or why there is none.

    Notes
    -----
    Each limited parameter is drawn independently from a split normal with its median at the
    printed value and its 2.5 and 97.5 % points at the printed limits, on the logarithmic scale
    where the lower limit is positive. Correlations between parameters are not published, so the
    interval is approximate. Fixed seed.
    """
    names = [name for name in model.limits if _point(model, name) is not None]
    if not names:
        return None, NO_LIMITS
    rng = np.random.default_rng(SEED)
    drawn = {name: _draw(rng, _point(model, name) or 0.0, *model.limits[name]) for name in names}
    results = [
        evaluate(model.form, {**model.parameters, **{name: float(drawn[name][k]) for name in names}}, values)
        for k in range(DRAWS)
    ]
    low, high = np.quantile(results, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    held = sorted(set(model.parameters) & {"odds_ratios"})
    note = (
        f"interval from the printed limits of {', '.join(names)}, drawn independently ({DRAWS} draws); "
        "their correlations are not published"
    )
    return (float(low), float(high)), note + (f"; {', '.join(held).replace('_', ' ')} held fixed" if held else "")


def _point(model: NtcpModel, name: str) -> float | None:
    value = model.parameters.get(name)
    return float(value) if isinstance(value, int | float) else None


def _draw(rng: np.random.Generator, point: float, low: float, high: float) -> NDArray[np.float64]:
    z = rng.standard_normal(DRAWS) / float(norm.ppf((1 + LEVEL) / 2))
    if low > 0:
        return point * np.where(z > 0, (high / point) ** np.abs(z), (low / point) ** np.abs(z))
    return np.maximum(point + np.where(z > 0, z * (high - point), z * (point - low)), FLOOR)
