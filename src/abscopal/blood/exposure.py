"""Dose to circulating blood, exactly, from the Markov process of one blood particle.

Each compartment is well mixed and uniformly irradiated while the beam is on. Under that
assumption the mean, the variance, the touched fraction and the surviving fraction under
log-linear kill are matrix exponentials; no particle is simulated.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.circulation import Network
from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
SHARE_ROUNDING = 1e-12  # shares of blood beyond [0, 1] by less than this are rounding


@dataclass(frozen=True)
class Segment:
    """A stretch of time with constant dose rates; a beam pause has none.

    Attributes
    ----------
    duration : float
        [s]
    dose_rates : mapping
        Compartment to its dose rate. [Gy/s]
    """

    duration: float
    dose_rates: Mapping[str, float]


@dataclass(frozen=True)
class CourseBloodDose:
    """Blood dose of a course whose fractions meet fully mixed blood.

    Attributes
    ----------
    n_fractions : int
    mean, sd : float
        [Gy]
    v_any : float
        Share of blood touched at least once, v of one fraction to 1-(1-v)^n. [1]
    fraction : BloodDose
        One fraction of it.
    """

    n_fractions: int
    mean: float
    sd: float
    v_any: float
    fraction: "BloodDose"

    def surviving_fraction(self, alpha: float) -> float:
        """Share of blood-borne cells surviving all fractions, without recovery: SF_1 to the power n.

        Not a prediction of a lymphocyte count, which recovers and exchanges with organs.

        Parameters
        ----------
        alpha : float
            [Gy^-1]
        """
        return self.fraction.surviving_fraction(alpha) ** self.n_fractions


@dataclass(frozen=True)
class BloodDose:
    """Distribution summary of the dose to blood in one fraction.

    Attributes
    ----------
    mean, sd : float
        [Gy]
    v_any : float
        Share of blood that was in a compartment counted as irradiated while the beam was
        on. [1]
    network : Network
    segments : tuple of Segment
        What was delivered, in order.
    notes : tuple of str
        Assumptions a reader must see.
    """

    mean: float
    sd: float
    v_any: float
    network: Network
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Compartment to the structure (or assumption) its dose was taken from, where known."""
    counted: tuple[str, ...] | None = None
    """Compartments that count as irradiated; None for all that get dose."""

    def surviving_fraction(self, alpha: float) -> float:
        """Share of blood-borne cells surviving one fraction under S = exp(-alpha D).

        Parameters
        ----------
        alpha : float
            [Gy^-1]
        """
        return surviving_fraction(self.network, self.segments, alpha)

    def course(self, n_fractions: int) -> CourseBloodDose:
        """`n_fractions` such fractions with complete mixing between them: doses add as independent draws."""
        if n_fractions < 1:
            raise InputError(
                doing="adding up blood dose over a course",
                found=f"{n_fractions} fractions",
                expected="one fraction or more",
                try_="the fraction count of the plan",
            )
        touched = 1.0 - (1.0 - self.v_any) ** n_fractions
        return CourseBloodDose(
            n_fractions, n_fractions * self.mean, float(np.sqrt(n_fractions)) * self.sd, touched, self
        )

    @property
    def irradiated(self) -> float:
        """Time with a beam on, in seconds."""
        return sum(segment.duration for segment in self.segments if segment.dose_rates)

    @property
    def beam_on(self) -> float:
        """Time from the start of the first segment to the end of the last, in seconds."""
        return sum(segment.duration for segment in self.segments)


def blood_dose(
    network: Network,
    organ_doses_gy_per_fraction: Mapping[str, float],
    beam_on_s: float,
    *,
    counted: Collection[str] | None = None,
) -> BloodDose:
    """Blood dose of one fraction given at constant rate over the beam-on time.

    Parameters
    ----------
    network : Network
        Blood starts in equilibrium.
    organ_doses_gy_per_fraction : mapping
        Compartment to its mean dose in one fraction; compartments left out get nothing. [Gy]
    beam_on_s : float
        [s]
    counted : collection of str, optional
        Compartments that count as irradiated in `v_any`; by default all that get dose.

    Returns
    -------
    BloodDose

    Raises
    ------
    InputError
        Unknown compartment, negative dose, or a beam-on time that is not positive.
    """
    rates = {
        name: dose / _positive(beam_on_s, "beam-on time [s]") for name, dose in organ_doses_gy_per_fraction.items()
    }
    return blood_dose_of_segments(network, [Segment(beam_on_s, rates)], counted=counted)


def blood_dose_of_segments(
    network: Network, segments: Sequence[Segment], *, counted: Collection[str] | None = None
) -> BloodDose:
    """Blood dose of one fraction of several fields and pauses.

    Parameters
    ----------
    segments : sequence of Segment
        In order of delivery.
    counted : collection of str, optional
        As in `blood_dose`.

    Returns
    -------
    BloodDose

    Raises
    ------
    InputError
        No segment, an unknown compartment, a negative rate or duration.
    """
    kept = tuple(segments)
    if not kept:
        raise InputError(
            doing="computing blood dose", found="no segment", expected="at least one", try_="giving the beam-on time"
        )
    mean, second, touched = _moments_and_touched(network, kept, counted)
    sd = float(np.sqrt(max(0.0, second - mean**2)))
    chosen = None if counted is None else tuple(counted)
    return BloodDose(mean, sd, touched, network, kept, network.notes, counted=chosen)


def mean_blood_dose(network: Network, organ_doses: Mapping[str, float]) -> float:
    r"""Mean blood dose by the identity :math:`\sum_i \pi_i D_i`, in Gy: free of flow and of timing.

    Parameters
    ----------
    organ_doses : mapping
        Compartment to its mean dose. [Gy]
    """
    return float(network.stationary @ network.vector(organ_doses))


def fraction_touched(network: Network, segments: Sequence[Segment], *, counted: Collection[str] | None = None) -> float:
    r"""Share of blood that meets an irradiated compartment while its beam is on.

    .. math:: V_{>0} = 1 - \pi_{keep}\, e^{Q_{keep} T}\, \mathbf 1

    with the irradiated compartments removed from Q, segment after segment.

    Parameters
    ----------
    counted : collection of str, optional
        Compartments that count as irradiated; by default all that get dose.

    Returns
    -------
    float
        [1]
    """
    return _moments_and_touched(network, segments, counted)[2]


def surviving_fraction(network: Network, segments: Sequence[Segment], alpha: float) -> float:
    r"""Share of blood-borne cells that survive, with log-linear kill.

    .. math:: SF = \pi \prod_k e^{(Q - \alpha R_k)\,\Delta t_k}\, \mathbf 1

    Parameters
    ----------
    alpha : float
        [Gy^-1]

    Returns
    -------
    float
        [1]

    Raises
    ------
    InputError
        Negative alpha, rate or duration.
    """
    alpha = _not_negative(alpha, "alpha [1/Gy]")
    alive = network.stationary
    for duration, rates in checked_segments(network, segments):
        alive = network.carrier.carry(alive, duration, extra_loss=alpha * rates)
    return _share(float(alive.sum()))


def moments(network: Network, segments: Sequence[Segment]) -> tuple[float, float]:
    r"""First and second moment of the blood dose, exactly.

    For one constant field this is :math:`E[D^2] = 2\int_0^T (T-u)\,\pi R e^{Qu} R \mathbf 1\,du`;
    the moments are carried together, (m0, m1, m2)' = (m0 Q, m1 Q + m0 R, 2 m1 R 1), so that
    any sequence of fields works the same way.

    Returns
    -------
    tuple of float
        E[D] [Gy] and E[D²] [Gy²].
    """
    first, second, _ = _moments_and_touched(network, segments, None)
    return first, second


def _moments_and_touched(
    network: Network, segments: Sequence[Segment], counted: Collection[str] | None
) -> tuple[float, float, float]:
    n = len(network.compartments)
    eligible = network.vector(dict.fromkeys(network.compartments if counted is None else counted, 1.0)) > 0.0
    state = np.zeros((n + 1, 3))
    state[:n, 0] = state[:n, 2] = network.stationary
    for duration, rates in checked_segments(network, segments):
        keep = (~(eligible & (rates > 0.0))).astype(np.float64)
        state[:n, 2] *= keep
        state = network.carrier.carry_moments(state, duration, rates, keep)
    return float(state[:n, 1].sum()), float(state[n, 1]), _share(1.0 - float(state[:n, 2].sum()))


def checked_segments(network: Network, segments: Sequence[Segment]) -> list[tuple[float, FloatArray]]:
    """Durations [s] and dose rates by compartment, shape (n,) [Gy/s]; refuses negative and unknown entries."""
    pairs = []
    for segment in segments:
        duration = _not_negative(segment.duration, "segment duration [s]")
        rates = {name: _not_negative(rate, f"dose rate of {name} [Gy/s]") for name, rate in segment.dose_rates.items()}
        pairs.append((duration, network.vector(rates)))
    return pairs


def _share(value: float) -> float:
    """`value`, with rounding beyond [0, 1] removed; anything larger is a defect and stays visible."""
    return min(max(value, 0.0), 1.0) if -SHARE_ROUNDING < value < 1.0 + SHARE_ROUNDING else value


def _not_negative(value: float, name: str) -> float:
    if not (np.isfinite(value) and value >= 0.0):
        raise InputError(
            doing="computing blood dose",
            found=f"{name} = {value:g}",
            expected=f"a finite {name} of zero or more",
            try_="checking its sign and unit",
        )
    return float(value)


def _positive(value: float, name: str) -> float:
    if _not_negative(value, name) == 0.0:
        raise InputError(
            doing="computing blood dose",
            found=f"{name} = 0",
            expected=f"a positive {name}",
            try_="the beam-on time of the plan",
        )
    return float(value)
