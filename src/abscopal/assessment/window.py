"""Where the course lies in the dose–immune window, and what its alternatives would do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from abscopal.assessment.immune import Exposure, immune_alc, immune_edric
from abscopal.assessment.plan import Course
from abscopal.assessment.types import AlternativeRow, Bounds, Curve, WindowAnswer
from abscopal.blood.compare import refractionated
from abscopal.blood.exposure import BloodDose
from abscopal.domain.patient import Patient
from abscopal.domain.regimen import Regimen
from abscopal.pharmacology.drugs import drug_class
from abscopal.regimens.search import Alternative, Cost
from abscopal.window.course import Placement, window_for
from abscopal.window.ensemble import shipped_set, standard_ensemble
from abscopal.window.surface import Surface, Window, gain_surface
from abscopal.window.uncertainty import Spread, WindowUncertainty, ablate_window, window_uncertainty

MODELS = {
    "set_b": "dose-immune window model, mouse reference set B",
    "posterior": "dose-immune window model, calibrated on mouse experiments",
}
LEVELS = (0.5, 0.8)
DRAWS = 200
SEED = 20260204


def place_course(course: Course, *, quick: bool = False) -> WindowAnswer:
    """The window part of the assessment.

    Parameters
    ----------
    quick : bool
        Leave out ablations and parameter scatter.
    """
    placement = window_for(course.regimen, parameter_set=shipped_set())
    surface = gain_surface(experiment=placement.experiment, synergy=False)
    n = placement.n_fractions
    ablations: dict[str, Window] = {}
    scatter: WindowUncertainty | None = None
    if not quick:
        ablations = ablate_window(n=n, experiment=placement.experiment)
        ablations.pop("full")
        setup = placement.experiment
        draws = standard_ensemble(setup.model, setup.parameter_set, DRAWS, seed=SEED)
        scatter = window_uncertainty(n, ensemble=draws, experiment=setup)
    return _answer(course, placement, surface, ablations, scatter)


def _answer(
    course: Course,
    placement: Placement,
    surface: Surface,
    ablations: dict[str, Window],
    scatter: WindowUncertainty | None,
) -> WindowAnswer:
    classes = sorted({drug_class(dose.drug) for dose in course.regimen.drug_doses})
    return WindowAnswer(
        model=MODELS[placement.experiment.parameter_set],
        ici_class=" + ".join(classes) or "reference anti-CTLA-4 (the course has no ICI)",
        n_fractions=placement.n_fractions,
        dose_per_fraction_gy=placement.dose_per_fraction,
        read_out_day=placement.readout_day,
        gain=placement.gain,
        bliss_excess=placement.synergy.bliss_excess,
        log_synergy=placement.synergy.log_synergy,
        gain_max=placement.window.bounds.gain_max,
        position=placement.position,
        radiation_alone=not placement.ici_acts,
        bounds=tuple(window_bounds_of(placement.window.at_level(level)) for level in LEVELS),
        curve=_curve(placement.window, "full model"),
        ablations=tuple(_curve(window, label) for label, window in ablations.items()),
        ablation_bounds={label: window_bounds_of(window) for label, window in ablations.items()},
        scatter={} if scatter is None else _scatter_rows(scatter),
        map_doses_gy=tuple(surface.doses.tolist()),
        map_fractions=tuple(int(n) for n in surface.n_fractions),
        map_gain=tuple(tuple(np.round(row, 5).tolist()) for row in surface.gain),
        notes=(*placement.notes, *([] if scatter is None else draw_notes(scatter, placement))),
    )


def draw_notes(scatter: WindowUncertainty, placement: Placement) -> list[str]:
    """What the draws are, without the notes of the placement itself."""
    return [note for note in scatter.notes if note not in placement.notes]


def window_bounds_of(window: Window) -> Bounds:
    """The bounds of one window in the assessment's form."""
    found = window.bounds
    return Bounds(
        level=window.level,
        lower_gy=found.low,
        peak_gy=found.peak,
        upper_gy=found.high,
        open_below=found.open_low,
        open_above=found.open_high,
        verdict=window.text(),
    )


def _curve(window: Window, label: str) -> Curve:
    return Curve(
        x=tuple(window.doses.tolist()),
        y=tuple(np.round(window.gain, 5).tolist()),
        x_unit="Gy",
        y_unit="log10",
        label=label,
    )


def _scatter_rows(scatter: WindowUncertainty) -> dict[str, str]:
    without = {"draws without a window": f"{100 * scatter.p_no_window:.0f} %"}
    if scatter.p_no_window == 1:
        return {"largest gain [log₁₀]": _spread(scatter.gain_max), **without}
    return {
        "lower bound [Gy]": _spread(scatter.d_lo),
        "peak [Gy]": _spread(scatter.d_peak),
        "upper bound [Gy]": _spread(scatter.d_hi),
        "largest gain [log₁₀]": _spread(scatter.gain_max),
        "draws with an open upper bound, of those with a window": f"{100 * scatter.p_open:.0f} %",
        **without,
    }


def _spread(spread: Spread) -> str:
    low, median, high = ("open" if q is None else f"{q:.3g}" for q in (spread.low, spread.median, spread.high))
    return f"median {median} (5–95 %: {low} to {high})"


def cost_of(exposure: Exposure, blood: BloodDose, patient: Patient, course: Course) -> Callable[[Regimen, float], Cost]:
    """The cost of a regimen on this patient's organs: every organ dose scaled by the dose ratio."""

    def cost(regimen: Regimen, ratio: float) -> Cost:
        scaled = exposure.scaled(ratio)
        fraction = refractionated(blood, ratio * course.n_fractions / regimen.n_fractions)
        alc = immune_alc(fraction, patient, replace(course, regimen=regimen))
        return Cost(None if alc is None else alc.nadir, immune_edric(scaled, patient, regimen.n_fractions).value)

    return cost


def alternative_row(row: Alternative) -> AlternativeRow:
    """One alternative in the assessment's form."""
    days = row.regimen.fraction_days
    return AlternativeRow(
        n_fractions=row.regimen.n_fractions,
        dose_per_fraction_gy=row.dose_per_fraction,
        total_gy=row.regimen.total_dose,
        course_days=days[-1] - days[0] + 1,
        tumour_bed_gy=row.tumour_bed,
        late_bed_gy=row.late_bed,
        gain=row.gain,
        bliss_excess=row.bliss_excess,
        alc_nadir=row.cost.alc_nadir,
        edric_gy=row.cost.edric,
        is_current=row.is_current,
        notes=row.notes,
    )
