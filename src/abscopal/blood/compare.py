"""Deliveries side by side: what changes for blood and lymphocytes, everything else equal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from abscopal.blood.exposure import BloodDose, blood_dose_of_segments
from abscopal.blood.forecast import forecast_alc
from abscopal.blood.plan_exposure import SEPARATOR, Bins
from abscopal.blood.pools import Pools
from abscopal.domain.errors import InputError


@dataclass(frozen=True, eq=False)
class Scenario:
    """One way of giving the course.

    Attributes
    ----------
    name : str
    dose : BloodDose
        Of one fraction.
    fraction_days : tuple of float
        [day]
    """

    name: str
    dose: BloodDose
    fraction_days: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Figures of a scenario over its course.

    Attributes
    ----------
    mean, sd : float
        Blood dose of the course. [Gy]
    v_any_fraction, v_any_course : float
        Share touched in one fraction and at least once. [1]
    nadir : tuple of float
        Median, lower and upper end. [1e9/L]
    p_grade3, p_grade4 : float
        [1]
    """

    name: str
    n_fractions: int
    mean: float
    sd: float
    v_any_fraction: float
    v_any_course: float
    nadir: tuple[float, float, float]
    p_grade3: float
    p_grade4: float


def compare_scenarios(
    scenarios: Sequence[Scenario],
    baseline: float,
    *,
    pools: Pools | None = None,
    organ_bins: Mapping[str, Mapping[str, Bins]] | None = None,
    draws: int = 500,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Blood dose and lymphocyte forecast of each scenario, with the same patients drawn for all.

    Parameters
    ----------
    scenarios : sequence of Scenario
    baseline : float
        [1e9/L]
    pools : Pools, optional
    organ_bins : mapping, optional
        Scenario name to the dose of the pools in one fraction.
    draws, seed : int
        As in `forecast.forecast_alc`.
    """
    rows = []
    for one in scenarios:
        n = len(one.fraction_days)
        course = one.dose.course(n)
        ahead = forecast_alc(
            baseline,
            one.dose,
            one.fraction_days,
            pools=pools,
            organ_bins=(organ_bins or {}).get(one.name),
            draws=draws,
            seed=seed,
        )
        rows.append(
            Comparison(
                one.name,
                n,
                course.mean,
                course.sd,
                one.dose.v_any,
                course.v_any,
                ahead.nadir,
                ahead.p_grade3,
                ahead.p_grade4,
            )
        )
    return tuple(rows)


def with_dose(dose: BloodDose, factor: float, only: Collection[str] | None = None) -> BloodDose:
    """The same delivery with dose multiplied: a new dose per fraction, or organs spared by another modality.

    Parameters
    ----------
    dose : BloodDose
    factor : float
        Zero or more. A photon-proton factor is the reader's to give: none is assumed here. [1]
    only : collection of str, optional
        Compartments (before any split by DVH bin) it applies to; all when None.
    """
    _require(factor >= 0.0, factor, "a dose factor of zero or more")
    chosen = set(dose.network.compartments) if only is None else set(only)
    segments = [
        replace(
            segment,
            dose_rates={
                name: rate * (factor if {name, name.split(SEPARATOR)[0]} & chosen else 1.0)
                for name, rate in segment.dose_rates.items()
            },
        )
        for segment in dose.segments
    ]
    return replace(
        blood_dose_of_segments(dose.network, segments, counted=dose.counted), notes=dose.notes, sources=dose.sources
    )


def with_beam_time(dose: BloodDose, factor: float, *, gaps: float | None = None) -> BloodDose:
    """The same dose given in `factor` times the beam-on time: another dose rate, FLASH at the short end.

    Parameters
    ----------
    dose : BloodDose
    factor : float
        Above zero. [1]
    gaps : float, optional
        Factor of the pauses between fields; as the beam-on time when None. [1]

    Notes
    -----
    Only the time blood has to pass is changed. Sparing of tissue at high dose rate is not in it.
    """
    _require(factor > 0.0, factor, "a time factor above zero")
    pause = factor if gaps is None else gaps
    _require(pause >= 0.0, pause, "a gap factor of zero or more")
    segments = [
        replace(
            segment,
            duration=segment.duration * (factor if segment.dose_rates else pause),
            dose_rates={name: rate / factor for name, rate in segment.dose_rates.items()},
        )
        for segment in dose.segments
    ]
    kept = [segment for segment in segments if segment.duration > 0.0]
    return replace(
        blood_dose_of_segments(dose.network, kept, counted=dose.counted), notes=dose.notes, sources=dose.sources
    )


def _require(holds: bool, value: float, expected: str) -> None:
    if not holds:
        raise InputError(doing="changing a delivery", found=f"{value:g}", expected=expected, try_="1 for no change")
