"""Terms on the dose of one structure."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.domain.registry import register
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.terms.base import Curvature, Function, Term, Tied, linear, positive, required

TERM = "planning term"


@register(TERM, "overdose", curvature="convex")
@dataclass(frozen=True)
class SquaredOverdose(Term):
    """Mean of ``max(0, d - limit)²`` over a structure. [Gy²]."""

    structure: str
    limit: float

    @property
    def label(self) -> str:
        return f"{self.structure} above {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        shares = region.weights
        return Tied(
            one_sided(shares, self.limit, 1.0),
            voxels=region.voxels,
            silent_below=self.limit,
            of_part=lambda kept: one_sided(shares[kept], self.limit, 1.0),
        )


@register(TERM, "underdose", curvature="convex")
@dataclass(frozen=True)
class SquaredUnderdose(Term):
    """Mean of ``max(0, limit - d)²`` over a structure. [Gy²]."""

    structure: str
    limit: float

    @property
    def label(self) -> str:
        return f"{self.structure} below {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        return Tied(one_sided(region.weights, self.limit, -1.0), voxels=region.voxels)


@register(TERM, "deviation", curvature="convex")
@dataclass(frozen=True)
class SquaredDeviation(Term):
    """Mean of ``(d - dose)²`` over a structure. [Gy²]."""

    structure: str
    dose: float

    @property
    def label(self) -> str:
        return f"{self.structure} at {self.dose:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        shares = region.weights

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            off = dose - self.dose
            return float(shares @ off**2), 2.0 * shares * off

        return Tied(function, voxels=region.voxels)


@register(TERM, "mean", curvature="linear")
@dataclass(frozen=True)
class MeanDose(Term):
    """Mean dose of a structure: nodes, spleen, marrow, thymus or any other. [Gy]."""

    structure: str
    curvature: ClassVar[Curvature] = "linear"

    @property
    def label(self) -> str:
        return f"{self.structure} mean"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        required(matrix, self.structure, self.label)
        return linear(matrix.mean_row(self.structure))


@register(TERM, "gEUD", curvature="convex")
@dataclass(frozen=True)
class EquivalentUniformDose(Term):
    """``max(0, gEUD - limit)²`` with ``a >= 1``; for targets ``max(0, limit - gEUD)²`` with ``a < 0``. [Gy²].

    Convex: gEUD is a norm for a >= 1 and concave for a < 0 (Boyd & Vandenberghe, Convex Optimization, section 3.1.5).
    """

    structure: str
    limit: float
    a: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.a) or 0 <= self.a < 1:
            raise InputError(
                doing="writing down a gEUD term", found=f"a = {self.a:g}",
                expected="a >= 1 for an organ, a < 0 for a target: others are not convex", try_="a = 1 for the mean",
            )  # fmt: skip

    @property
    def label(self) -> str:
        return f"{self.structure} gEUD (a = {self.a:g}) {'above' if self.a > 0 else 'below'} {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        shares, sign = region.weights, float(np.sign(self.a))

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            eud, slope = geud_and_slope(dose, shares, self.a)
            over = max(0.0, sign * (eud - self.limit))
            return over**2, 2.0 * over * sign * slope

        return Tied(function, voxels=region.voxels)


@register(TERM, "dose at volume", curvature="convex")
@dataclass(frozen=True)
class DoseAtVolume(Term):
    """Convex surrogate of a DVH point: the mean dose of the hottest (coldest) part stays under (over) a limit. [Gy²].

    Attributes
    ----------
    structure : str
    limit : float
        [Gy]
    percent : float
        Size of the hottest part with `at_most`, else of the part that shall receive the limit: 5 and 95 are D5% and
        D95%.
    at_most : bool

    Notes
    -----
    The mean of the hottest x % is never under D_x%, so a plan that keeps it keeps the DVH point, with some to spare
    (Romeijn et al. 2006, A linear programming approach to IMRT with tail means; recalled).
    """

    structure: str
    limit: float
    percent: float
    at_most: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.percent < 100:
            raise InputError(
                doing="writing down a DVH term", found=f"{self.percent:g} % of the volume",
                expected="more than 0 and less than 100 %", try_="95 for D95%",
            )  # fmt: skip

    @property
    def label(self) -> str:
        return f"{self.structure} D{self.percent:g}% {'<=' if self.at_most else '>='} {self.limit:g} Gy (tail mean)"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        shares, sign = region.weights, 1.0 if self.at_most else -1.0
        tail = self.percent / 100.0 if self.at_most else 1.0 - self.percent / 100.0

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            part = tail_weights(sign * dose, shares, tail)
            over = max(0.0, sign * (float(part @ dose) - self.limit))
            return over**2, 2.0 * over * sign * part

        return Tied(function, voxels=region.voxels)


@register(TERM, "low-dose bath", curvature="convex")
@dataclass(frozen=True)
class LowDoseBath(Term):
    """Mean of ``max(0, low - d)² + max(0, d - high)²``: a whole tumour or lesion within a band of low dose. [Gy²].

    Doses are those of the course: for 0.5 to 2 Gy in each fraction give n times these.
    """

    structure: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise InputError(
                doing="writing down a low-dose bath", found=f"{self.low:g} to {self.high:g} Gy",
                expected="0 <= low < high, in Gy over the course", try_="5 to 10 Gy",
            )  # fmt: skip

    @property
    def label(self) -> str:
        return f"{self.structure} within {self.low:g} to {self.high:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        region = required(matrix, self.structure, self.label)
        below, above = one_sided(region.weights, self.low, -1.0), one_sided(region.weights, self.high, 1.0)
        return Tied(lambda dose: _sum(below(dose), above(dose)), voxels=region.voxels)


@register(TERM, "peaks and valleys", curvature="convex")
@dataclass(frozen=True)
class PeaksAndValleys(Term):
    """Lattice radiotherapy: peaks reach their dose, valleys stay under theirs. [Gy²].

    ``mean_P max(0, peak - d)² + beta * mean_V max(0, d - valley)²``. The ratio of their means is not penalised but
    bounded: `abscopal.planning.bounds.MeanRatio` is linear in the weights.
    """

    peaks: str
    valleys: str
    peak_dose: float
    valley_dose: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        positive(self.peak_dose - self.valley_dose, "difference of peak and valley dose")
        positive(self.beta, "beta")

    @property
    def label(self) -> str:
        return f"{self.peaks} above {self.peak_dose:g} Gy, {self.valleys} below {self.valley_dose:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Tied:
        peaks, valleys = (required(matrix, name, self.label) for name in (self.peaks, self.valleys))
        under = one_sided(peaks.weights, self.peak_dose, -1.0)
        over = one_sided(self.beta * valleys.weights, self.valley_dose, 1.0)
        cut = peaks.voxels.size

        def function(dose: FloatArray) -> tuple[float, FloatArray]:
            first, second = under(dose[:cut]), over(dose[cut:])
            return first[0] + second[0], np.concatenate([first[1], second[1]])

        return Tied(function, voxels=np.concatenate([peaks.voxels, valleys.voxels]))


def one_sided(shares: FloatArray, limit: float | FloatArray, sign: float) -> Function:
    """``Σ shares max(0, sign (d - limit))²`` with its gradient."""

    def function(dose: FloatArray) -> tuple[float, FloatArray]:
        over = np.maximum(sign * (dose - limit), 0.0)
        return float(shares @ over**2), (2.0 * sign) * shares * over

    return function


def geud_and_slope(dose: FloatArray, shares: FloatArray, a: float) -> tuple[float, FloatArray]:
    """GEUD [Gy] and its gradient by dose, shape (m,) [1]; 0 where a dose of zero makes it so."""
    top = float(dose.max() if a > 0 else dose.min())
    if top <= 0:
        # At zero dose a norm has no gradient; the mean's is within its subgradient.
        return 0.0, shares.copy() if a > 0 else np.zeros_like(shares)
    relative = np.maximum(dose / top, 0.0)
    total = float(shares @ relative**a)
    slope = shares * relative ** (a - 1.0) * total ** (1.0 / a - 1.0)
    return top * total ** (1.0 / a), slope


def tail_weights(dose: FloatArray, shares: FloatArray, tail: float) -> FloatArray:
    """Weights that average the part `tail` of the volume with the highest dose; the one at the edge counts in part."""
    order = np.argsort(-dose, kind="stable")
    reached = np.cumsum(shares[order])
    taken = np.clip(tail - (reached - shares[order]), 0.0, shares[order])
    part = np.empty_like(shares)
    part[order] = taken / tail
    return part


def _sum(first: tuple[float, FloatArray], second: tuple[float, FloatArray]) -> tuple[float, FloatArray]:
    return first[0] + second[0], first[1] + second[1]
