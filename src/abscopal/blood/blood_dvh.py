"""Blood dose-volume histograms: of sampled particles with bands, and of a course by n-fold convolution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
CONFIDENCE = 0.95  # of every band unless asked otherwise
COURSE_POINTS = 4096  # points of the dose axis of a convolved course


@dataclass(frozen=True, eq=False)
class BloodDVH:
    """Share of blood that receives at least a dose, with a pointwise band.

    Attributes
    ----------
    dose : array, shape (m,)
        Ascending from 0. [Gy]
    volume_fraction : array, shape (m,)
        Share of blood with at least this dose; the first entry counts any dose above zero. [1]
    low, high : array, shape (m,)
        Pointwise confidence band of the sampling alone, not of the model. [1]
    confidence : float
        [1]
    mean : float
        [Gy]
    basis : str
        How it was obtained.
    """

    dose: FloatArray
    volume_fraction: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: float
    mean: float
    basis: str

    def volume_at_dose(self, gy: float) -> float:
        """Share of blood with at least `gy`; at zero the share with any dose."""
        return float(np.interp(gy, self.dose, self.volume_fraction, right=0.0))

    def dose_at_volume(self, percent: float) -> float:
        """Highest dose that at least `percent` of blood receives, in Gy; 0 where fewer are touched."""
        _check_percent(percent)
        reached = np.flatnonzero(self.volume_fraction >= percent / 100.0)
        if not reached.size:
            return 0.0
        last = int(reached[-1])
        if last + 1 >= self.dose.size:
            return float(self.dose[-1])
        here, after = self.volume_fraction[last], self.volume_fraction[last + 1]
        part = (here - percent / 100.0) / (here - after)
        return float(self.dose[last] + part * (self.dose[last + 1] - self.dose[last]))


def wilson_band(share: ArrayLike, n: int, confidence: float = CONFIDENCE) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval of shares counted among `n` independent particles.

    Parameters
    ----------
    share : array, shape (*m,)
        [1]
    n : int
    confidence : float
        Between 0 and 1. [1]

    Returns
    -------
    tuple of array
        Lower and upper end, each shape (*m,). [1]
    """
    if not 0.0 < confidence < 1.0 or n < 1:
        raise InputError(
            doing="computing a confidence band",
            found=f"confidence {confidence:g} of {n} particles",
            expected="a confidence between 0 and 1 and at least one particle",
            try_="0.95",
        )
    z = float(stats.norm.ppf(0.5 + confidence / 2.0))
    p = np.asarray(share, dtype=np.float64)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def dvh_of_particles(doses: FloatArray, dose_axis: ArrayLike, basis: str, confidence: float = CONFIDENCE) -> BloodDVH:
    """Blood DVH of independent particles with its Wilson band.

    Parameters
    ----------
    doses : array, shape (n,)
        [Gy]
    dose_axis : array, shape (m,)
        Ascending from 0. [Gy]
    basis : str
    confidence : float
        [1]
    """
    axis = np.asarray(dose_axis, dtype=np.float64)
    ordered = np.sort(doses)
    below = np.searchsorted(ordered, axis, side="left").astype(np.float64)
    below[axis == 0.0] = np.searchsorted(ordered, 0.0, side="right")
    share = 1.0 - below / doses.size
    low, high = wilson_band(share, doses.size, confidence)
    return BloodDVH(axis, share, low, high, confidence, float(doses.mean()), basis)


def course_dvh(
    fraction_doses: FloatArray, n_fractions: int, *, batches: int = 20, confidence: float = CONFIDENCE
) -> BloodDVH:
    r"""Blood DVH of a course of equal fractions with complete mixing: n-fold convolution by FFT.

    The one-fraction doses are put on a fine axis so that their mean is kept, and the
    spectrum is raised to the power n: doses of the fractions are independent draws.

    Parameters
    ----------
    fraction_doses : array, shape (n,)
        Dose of independent particles in one fraction. [Gy]
    n_fractions : int
    batches : int
        Groups of particles whose spread gives the band (Student's t). [1]
    confidence : float
        [1]

    Returns
    -------
    BloodDVH
        The share at dose zero is 1-(1-v)^n exactly, v the share touched in one fraction.
    """
    if n_fractions < 1 or fraction_doses.size < batches or batches < 2:
        raise InputError(
            doing="convolving a blood DVH over a course",
            found=f"{n_fractions} fractions, {fraction_doses.size} particles in {batches} batches",
            expected="one fraction or more, two batches or more, a particle in each",
            try_="more particles",
        )
    top = _course_top(fraction_doses, n_fractions)
    axis = np.linspace(0.0, top, COURSE_POINTS)
    whole = _convolved(fraction_doses, axis, n_fractions)
    parts = np.array([_convolved(part, axis, n_fractions) for part in np.array_split(fraction_doses, batches)])
    half = float(stats.t.ppf(0.5 + confidence / 2.0, batches - 1)) * parts.std(axis=0, ddof=1) / np.sqrt(batches)
    return BloodDVH(
        axis, whole, np.maximum(whole - half, 0.0), np.minimum(whole + half, 1.0), confidence,
        n_fractions * float(fraction_doses.mean()),
        f"{n_fractions}-fold convolution of one fraction, complete mixing between fractions",
    )  # fmt: skip


def _course_top(doses: FloatArray, n: int) -> float:
    """Dose that almost no blood exceeds: the sum cannot pass n·max, and ten sd beyond the mean is beyond any band."""
    highest = float(doses.max())
    gaussian = n * float(doses.mean()) + 10.0 * float(np.sqrt(n) * doses.std()) + highest
    return max(min(n * highest, gaussian) * 1.02, float(np.finfo(np.float64).tiny))


def _convolved(doses: FloatArray, axis: FloatArray, n: int) -> FloatArray:
    """Share of blood with at least each dose of the axis, after n independent draws."""
    step = axis[1]
    place = np.minimum(doses / step, axis.size - 2.0)
    below = place.astype(np.int64)
    weight = place - below
    untouched = doses == 0.0
    # The atom at exactly zero is carried apart, so that the share touched stays exact.
    mass = np.zeros(axis.size)
    mass += np.bincount(below[~untouched], 1.0 - weight[~untouched], axis.size)
    mass += np.bincount(below[~untouched] + 1, weight[~untouched], axis.size)
    mass = mass / doses.size
    zero = float(untouched.mean())
    spectrum = np.fft.rfft(mass, 2 * axis.size)
    total = np.fft.irfft((spectrum + zero) ** n - zero**n, 2 * axis.size)
    # What wraps beyond twice the axis is less than any band; the upper half counts as above the axis.
    above = np.cumsum(np.maximum(total, 0.0)[::-1])[::-1][: axis.size]
    share = np.asarray(above - 0.5 * np.maximum(total[: axis.size], 0.0), dtype=np.float64)
    share[0] = 1.0 - zero**n
    return np.clip(np.minimum.accumulate(share), 0.0, 1.0)


def _check_percent(percent: float) -> None:
    if not 0.0 < percent <= 100.0:
        raise InputError(
            doing="reading a blood DVH",
            found=f"D at {percent:g} % of blood",
            expected="a share above 0 and up to 100 %",
            try_="2 for D2 %",
        )
