"""How one parameter or covariate varies between patients: a distribution drawn by its quantile function.

Every prior is drawn as `quantile(u)` of a uniform number, so that random, Sobol and Latin hypercube points and a
Gaussian copula all use one path.
"""

import math
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from scipy.special import ndtr, ndtri

from abscopal.domain.units import parse_unit
from abscopal.knowledge.schema import Status

FloatArray = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_LEAST_MASS = 1e-9
"""Share of a distribution that truncation must leave; below it the tail is not what its author had in mind."""


class _Prior(BaseModel):
    """What all priors have.

    Attributes
    ----------
    unit : str
        Of the numbers written here.
    source : str
        Where they come from: a publication, or a knowledge key such as `immune/diw:alpha`.
    status : str, optional
        How they were obtained, as in the knowledge sheets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str = Field(min_length=1)
    source: str = ""
    status: Status | None = None

    @field_validator("unit")
    @classmethod
    def _unit_parses(cls, unit: str) -> str:
        parse_unit(unit)
        return unit

    @property
    def varies(self) -> bool:
        """Whether patients differ."""
        return True


class Normal(_Prior):
    """Normal, truncated to [low, high] where these are given."""

    kind: Literal["normal"] = "normal"
    mean: Finite
    sd: Positive
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_truncation(self.low, self.high, _cut(self.low, self.mean, self.sd), _cut(self.high, self.mean, self.sd))
        return self

    def quantile(self, u: FloatArray) -> FloatArray:
        """Values at the shares `u`, shape (n,), each between 0 and 1, both excluded."""
        z = _truncated_normal(u, _cut(self.low, self.mean, self.sd), _cut(self.high, self.mean, self.sd))
        return _within(self.mean + self.sd * z, self.low, self.high)


class LogNormal(_Prior):
    """Log-normal, truncated to [low, high] where these are given; `sd_log` is the SD of the natural logarithm."""

    kind: Literal["log-normal"] = "log-normal"
    median: Positive
    sd_log: Positive
    low: Positive | None = None
    high: Positive | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_truncation(self.low, self.high, *self._cuts())
        return self

    def _cuts(self) -> tuple[float | None, float | None]:
        low, high = (None if bound is None else math.log(bound) for bound in (self.low, self.high))
        return _cut(low, math.log(self.median), self.sd_log), _cut(high, math.log(self.median), self.sd_log)

    def quantile(self, u: FloatArray) -> FloatArray:
        """Values at the shares `u`, shape (n,)."""
        z = _truncated_normal(u, *self._cuts())
        return _within(self.median * np.exp(self.sd_log * z), self.low, self.high)


class Uniform(_Prior):
    """Uniform between low and high."""

    kind: Literal["uniform"] = "uniform"
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_order(self.low, self.high)
        return self

    def quantile(self, u: FloatArray) -> FloatArray:
        """Values at the shares `u`, shape (n,)."""
        return _within(self.low + (self.high - self.low) * u, self.low, self.high)


class LogUniform(_Prior):
    """Uniform in the logarithm between low and high."""

    kind: Literal["log-uniform"] = "log-uniform"
    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_order(self.low, self.high)
        return self

    def quantile(self, u: FloatArray) -> FloatArray:
        """Values at the shares `u`, shape (n,)."""
        return _within(self.low * np.exp(math.log(self.high / self.low) * u), self.low, self.high)


class Fixed(_Prior):
    """One value for every patient; takes no dimension of a Sobol or Latin hypercube design."""

    kind: Literal["fixed"] = "fixed"
    value: Finite

    @property
    def varies(self) -> bool:
        """Whether patients differ."""
        return False

    def quantile(self, u: FloatArray) -> FloatArray:
        """The value, shape (n,)."""
        return np.full(len(u), self.value)


Prior = Annotated[Normal | LogNormal | Uniform | LogUniform | Fixed, Field(discriminator="kind")]


def _cut(bound: float | None, centre: float, scale: float) -> float | None:
    return None if bound is None else (bound - centre) / scale


def _check_order(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and not low < high:
        raise ValueError(f"low ({low:g}) must be less than high ({high:g})")


def _check_truncation(low: float | None, high: float | None, a: float | None, b: float | None) -> None:
    _check_order(low, high)
    lower, upper = -math.inf if a is None else a, math.inf if b is None else b
    mass = float(ndtr(upper) - ndtr(lower)) if lower <= 0 else float(ndtr(-lower) - ndtr(-upper))
    if mass < _LEAST_MASS:
        raise ValueError(f"truncation leaves {mass:.1g} of the distribution; use a uniform prior for such a range")


def _truncated_normal(u: FloatArray, a: float | None, b: float | None) -> FloatArray:
    """Standard normal quantiles between cuts; the upper tail is mirrored to keep its digits."""
    if a is None and b is None:
        return np.asarray(ndtri(u))
    lower, upper = -math.inf if a is None else a, math.inf if b is None else b
    if lower > 0:
        return -_truncated_normal(1.0 - u, -upper, -lower)
    below, above = ndtr(lower), ndtr(upper)
    return np.asarray(ndtri(below + u * (above - below)))


def _within(values: FloatArray, low: float | None, high: float | None) -> FloatArray:
    """Rounding may leave the last bit outside a bound."""
    return values if low is None and high is None else np.clip(values, low, high)
