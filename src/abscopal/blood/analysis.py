"""One plan from its dose-volume histograms to blood dose, lymphocyte course and immune indices."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from abscopal.blood.blood_dvh import BloodDVH, course_dvh
from abscopal.blood.circulation import Network
from abscopal.blood.compare import Comparison, Scenario, compare_scenarios, delivery_scenarios
from abscopal.blood.delivery import Timing
from abscopal.blood.exposure import BloodDose
from abscopal.blood.forecast import Forecast, calibrate_alc, forecast_alc
from abscopal.blood.immune_dose import Form, ImmuneDose, edric_from_case, outcome_associations
from abscopal.blood.indices import ImmuneIndex, immune_indices
from abscopal.blood.particles import OrganDose
from abscopal.blood.plan_exposure import (
    Bins,
    Missing,
    bins_of,
    blood_dose_of_plan,
    compartment_doses,
    rest_of_body,
)
from abscopal.blood.pools import lymphoid_pools
from abscopal.blood.sampling import BloodSample, sample_blood_dose
from abscopal.blood.subsets import SubsetCourse, subset_courses
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load

LEVELS = "dvh_levels"


@dataclass(frozen=True, eq=False)
class BloodAnalysis:
    """Everything about blood of one plan.

    Attributes
    ----------
    n_fractions : int
    timing : Timing
    dose : BloodDose
        One fraction, exact.
    sample : BloodSample
        One fraction, particles of the same plan.
    fraction, course : BloodDVH
    forecast : Forecast or None
        Blood alone; None without a baseline count.
    exchange : Forecast or None
        With lymphocyte exchange with organs, where asked for.
    subsets : tuple of SubsetCourse
        Lymphocyte subsets by dose to blood; empty without a baseline count.
    comparisons : tuple of Comparison
        Other ways of giving the plan, where asked for.
    edric : ImmuneDose
    indices : tuple of ImmuneIndex
    notes : tuple of str
    """

    n_fractions: int
    timing: Timing
    dose: BloodDose
    sample: BloodSample
    fraction: BloodDVH
    course: BloodDVH
    forecast: Forecast | None
    exchange: Forecast | None
    subsets: tuple[SubsetCourse, ...]
    comparisons: tuple[Comparison, ...]
    edric: ImmuneDose
    indices: tuple[ImmuneIndex, ...]
    notes: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """The figures as plain data, ready for JSON."""
        total = self.dose.course(self.n_fractions)
        levels = load("blood/circulation").vector(LEVELS)
        return {
            "network": self.dose.network.name,
            "timing": {
                "basis": self.timing.basis,
                "beam_on_s": self.timing.beam_on,
                "duration_s": self.timing.duration,
                "fields": [
                    {"field": one.field, "duration_s": one.duration, "share": one.share}
                    for one in self.timing.stretches
                ],
            },
            "fraction": {
                "mean_gy": self.dose.mean,
                "sd_gy": self.dose.sd,
                "touched": self.dose.v_any,
                "volume_at_dose": {f"{gy:g}": self.sample.volume_at_dose(gy) for gy in levels},
                "d2_gy": self.sample.dose_at_volume(2.0),
                "sampled_mean_gy": self.sample.mean,
                "basis": self.sample.basis,
            },
            "course": {
                "n_fractions": self.n_fractions,
                "mean_gy": total.mean,
                "sd_gy": total.sd,
                "touched": total.v_any,
                "volume_at_dose": {f"{gy:g}": self.course.volume_at_dose(gy) for gy in levels},
                "d2_gy": self.course.dose_at_volume(2.0),
                "basis": self.course.basis,
            },
            "edric": _edric(self.edric),
            "indices": [
                {
                    "name": row.name, "label": row.label, "value": row.value, "unit": row.unit,
                    "not_computable": row.not_computable, "associations": list(row.associations),
                    "notes": list(row.notes),
                }
                for row in self.indices
            ],
            "alc": _forecast(self.forecast),
            "alc_with_exchange": _forecast(self.exchange),
            "subsets": [
                {
                    "subset": row.subset, "alpha_per_gy": row.alpha, "baseline": row.baseline, "nadir": row.nadir,
                    "unit": "1e9/L", "status": row.status,
                }
                for row in self.subsets
            ],
            "comparisons": [asdict(row) for row in self.comparisons],
            "notes": list(self.notes),
        }  # fmt: skip


def analyse_blood(
    dvhs: Mapping[str, DVH],
    n_fractions: int,
    network: Network,
    timing: Timing,
    *,
    baseline: float | None = None,
    fraction_days: Sequence[float] = (),
    count_days: Sequence[float] = (),
    counts: Sequence[float] = (),
    exchange: bool = False,
    missing: Missing = "body",
    form: Form = "chest",
    shape: float = 1.0,
    organ_dose: OrganDose = "visit",
    particles: int = 100_000,
    seed: int = 0,
    compare: bool = False,
    dose_per_fraction: float | None = None,
    others: Sequence[Scenario] = (),
) -> BloodAnalysis:
    """Blood dose, lymphocyte forecast and indices of a plan.

    Parameters
    ----------
    dvhs : mapping
        TG-263 name to the DVH of the course, physical dose.
    n_fractions : int
    network : Network
    timing : Timing
    baseline : float, optional
        ALC before the first fraction; without it there is no forecast. [1e9/L]
    fraction_days : sequence of float
        [day]
    count_days, counts : sequence of float
        Counts of this patient so far, to calibrate the forecast. [day], [1e9/L]
    exchange : bool
        Also forecast with lymphocytes travelling between blood and organs.
    missing, form
        As in `blood_dose_of_plan` and `edric_from_case`.
    shape : float
        Weibull shape of the transit times of the particles. [1]
    organ_dose : {"visit", "path", "step", "mean"}
        How an uneven organ gives dose to the particles, as in `sampling.sample_blood_dose`.
    particles, seed : int
    compare : bool
        Also give the plan faster, slower, at FLASH rate and in other fractions.
    dose_per_fraction : float, optional
        Prescribed, for the comparison. [Gy]
    others : sequence of Scenario
        Other plans to set beside this one.

    Returns
    -------
    BloodAnalysis

    Raises
    ------
    InputError
        As the functions it is made of.
    """
    dose = blood_dose_of_plan(dvhs, n_fractions, network, timing, missing=missing)
    plan = compartment_doses(dvhs, n_fractions, network, missing=missing)
    sample = sample_blood_dose(
        network, timing.segments(plan.means), particles, shape=shape, spread=plan.spread, organ_dose=organ_dose,
        seed=seed,
    )  # fmt: skip
    body = dvhs.get("External")
    edric = edric_from_case(
        {name: dvh.mean for name, dvh in dvhs.items()},
        {name: dvh.volume_cm3 for name, dvh in dvhs.items()},
        None if body is None else body.integral_dose,
        n_fractions,
        form=form,
    )
    alone, travelling = None, None
    subsets: tuple[SubsetCourse, ...] = ()
    if baseline is not None:
        alone = _alc(baseline, dose, fraction_days, count_days, counts, seed)
        subsets = subset_courses(baseline, dose, fraction_days)
        if exchange:
            bins = pool_bins(dvhs, n_fractions)
            travelling = _alc(baseline, dose, fraction_days, count_days, counts, seed, bins)
    scenarios = delivery_scenarios(dose, fraction_days, dose_per_fraction) if compare else ()
    if others and not scenarios:
        scenarios = (Scenario("as planned", dose, tuple(fraction_days)),)
    comparisons = compare_scenarios((*scenarios, *others), baseline, seed=seed)
    return BloodAnalysis(
        n_fractions, timing, dose, sample, sample.dvh(), course_dvh(sample.doses, n_fractions), alone, travelling,
        subsets, comparisons, edric, immune_indices(dvhs),
        (*dose.notes, "blood is taken as fully mixed between fractions"),
    )  # fmt: skip


def pool_bins(dvhs: Mapping[str, DVH], n_fractions: int) -> dict[str, Bins]:
    """Dose of the lymphocyte pools in one fraction: contoured where it is, the rest of the body elsewhere."""
    rest = rest_of_body(dvhs)
    found = {"spleen": "Spleen", "marrow": "BoneMarrow"}
    whole: dict[str, Bins | None] = {
        name: bins_of(dvhs[structure]) if structure in dvhs else rest for name, structure in found.items()
    }
    whole |= {"nodes": rest, "other tissue": rest}
    return {name: Bins(bins.doses / n_fractions, bins.shares) for name, bins in whole.items() if bins is not None}


def _alc(
    baseline: float, dose: BloodDose, days: Sequence[float], count_days: Sequence[float], counts: Sequence[float],
    seed: int, bins: Mapping[str, Bins] | None = None,
) -> Forecast:  # fmt: skip
    pools = None if bins is None else lymphoid_pools()
    if counts:
        return calibrate_alc(baseline, dose, days, count_days, counts, pools=pools, organ_bins=bins)
    return forecast_alc(baseline, dose, days, pools=pools, organ_bins=bins, seed=seed)


def _edric(edric: ImmuneDose) -> dict[str, Any]:
    return {
        "form": edric.form,
        "value_gy": edric.value,
        "not_computable": edric.not_computable,
        "terms_gy": dict(edric.components),
        "status": edric.status,
        "notes": list(edric.notes),
        "cohorts": [asdict(row) for row in edric.context],
        "associations": [asdict(row) for row in outcome_associations()],
    }


def _forecast(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    return {
        "days": np.round(forecast.t, 4).tolist(),
        "median": np.round(forecast.median, 5).tolist(),
        "low": np.round(forecast.low, 5).tolist(),
        "high": np.round(forecast.high, 5).tolist(),
        "level": forecast.level,
        "nadir": list(forecast.nadir),
        "nadir_day": list(forecast.nadir_day),
        "recovery_days": list(forecast.recovery_days),
        "p_recovered": forecast.p_recovered,
        "p_grade3_or_worse": forecast.p_grade3,
        "p_grade4": forecast.p_grade4,
        "alpha_per_gy": list(forecast.alpha),
        "recovery_per_day": list(forecast.recovery),
        "status": forecast.status,
        "notes": list(forecast.notes),
    }
