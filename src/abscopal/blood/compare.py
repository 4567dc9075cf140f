"""Deliveries side by side: what changes for blood and lymphocytes, everything else equal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from abscopal.blood.exposure import BloodDose, blood_dose_of_segments
from abscopal.blood.forecast import forecast_alc
from abscopal.blood.plan_exposure import SEPARATOR, Bins
from abscopal.blood.pools import Pools
from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import bed, isoeffective_dose_per_fraction
from abscopal.radiobiology.tissue import alpha_beta_of

SHEET = "blood/compare"


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
    nadir : tuple of float or None
        Median, lower and upper end; None without a baseline. [1e9/L]
    p_grade3, p_grade4 : float or None
        [1]
    """

    name: str
    n_fractions: int
    mean: float
    sd: float
    v_any_fraction: float
    v_any_course: float
    nadir: tuple[float, float, float] | None
    p_grade3: float | None
    p_grade4: float | None


def compare_scenarios(
    scenarios: Sequence[Scenario],
    baseline: float | None,
    *,
    pools: Pools | None = None,
    organ_bins: Mapping[str, Mapping[str, Bins]] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Blood dose and lymphocyte forecast of each scenario, with the same patients drawn for all.

    Parameters
    ----------
    scenarios : sequence of Scenario
    baseline : float or None
        Without it no forecast is made. [1e9/L]
    pools : Pools, optional
    organ_bins : mapping, optional
        Scenario name to the dose of the pools in one fraction.
    draws, seed : int
        As in `forecast.forecast_alc`.
    """
    rows = []
    for one in scenarios:
        course = one.dose.course(len(one.fraction_days))
        ahead = None
        if baseline is not None:
            bins = (organ_bins or {}).get(one.name)
            ahead = forecast_alc(
                baseline, one.dose, one.fraction_days, pools=pools, organ_bins=bins, draws=draws, seed=seed
            )
        rows.append(
            Comparison(
                one.name, course.n_fractions, course.mean, course.sd, one.dose.v_any, course.v_any,
                None if ahead is None else ahead.nadir,
                None if ahead is None else ahead.p_grade3,
                None if ahead is None else ahead.p_grade4,
            )
        )  # fmt: skip
    return tuple(rows)


def delivery_scenarios(
    dose: BloodDose,
    fraction_days: Sequence[float],
    dose_per_fraction: float | None = None,
    fraction_numbers: Sequence[int] | None = None,
) -> tuple[Scenario, ...]:
    """The plan as it is, and the same plan given faster, slower, at FLASH rate and in other fractions.

    Parameters
    ----------
    dose : BloodDose
        Of one fraction as planned.
    fraction_days : sequence of float
        As planned. [day]
    dose_per_fraction : float, optional
        Prescribed; without it there is no FLASH scenario and other fractions keep the total
        dose instead of the tumour BED. [Gy]
    fraction_numbers : sequence of int, optional
        Of the other courses; those of the knowledge sheet when None.

    Returns
    -------
    tuple of Scenario
        Other fraction numbers are isoeffective for the tumour at the general tumour α/β, given
        on weekdays, by the same fields for as much longer. FLASH gives every field at the least
        mean rate that is called so, one after the other without a pause, with no sparing of
        tissue.
    """
    n = len(fraction_days)
    days = tuple(fraction_days)
    slow, fast = load(SHEET).vector("rate_factors")
    result = [Scenario("as planned", dose, days)]
    result += [
        Scenario(f"{factor:g} times the dose rate", with_beam_time(dose, 1.0 / factor, gaps=1.0), days)
        for factor in (slow, fast)
    ]
    if dose_per_fraction is not None:
        seconds = dose_per_fraction / load("radiobiology/modality")["flash_dose_rate"]
        brief = with_beam_time(dose, seconds / dose.irradiated, gaps=0.0)
        result.append(Scenario(f"FLASH, {seconds:.2g} s without pauses", brief, days))
    for other in fraction_numbers or [int(k) for k in load(SHEET).vector("fraction_numbers")]:
        if other != n:
            result.append(_other_fractions(dose, n, other, dose_per_fraction))
    return tuple(result)


def _other_fractions(dose: BloodDose, n: int, other: int, dose_per_fraction: float | None) -> Scenario:
    days = Regimen.equal_fractions(1.0, other, weekdays=True).fraction_days
    if dose_per_fraction is None:
        return Scenario(f"{other} fractions, same total dose", refractionated(dose, n / other), days)
    alpha_beta = alpha_beta_of("tumour").alpha_beta
    target = float(bed(dose_per_fraction, n, alpha_beta))
    each = float(isoeffective_dose_per_fraction(target, other, alpha_beta))
    return Scenario(f"{other} × {each:.3g} Gy, same tumour BED", refractionated(dose, each / dose_per_fraction), days)


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


def refractionated(dose: BloodDose, factor: float) -> BloodDose:
    """A fraction of `factor` times the dose from the same fields, as much longer; pauses stay."""
    return with_beam_time(with_dose(dose, factor), factor, gaps=1.0)


def _require(holds: bool, value: float, expected: str) -> None:
    if not holds:
        raise InputError(doing="changing a delivery", found=f"{value:g}", expected=expected, try_="1 for no change")
