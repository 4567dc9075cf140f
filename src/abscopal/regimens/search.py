"""Alternatives at equal tumour BED: the same effect on the tumour, another place in the window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abscopal.domain.progress import track
from abscopal.domain.regimen import Regimen
from abscopal.immune.model import ParameterSet
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import bed, isoeffective_dose_per_fraction
from abscopal.window.course import acting_doses, experiment_for
from abscopal.window.experiment import Experiment

SHEET = "regimens/alternatives"


@dataclass(frozen=True)
class Cost:
    """What a regimen does outside the tumour; None where it cannot be computed.

    Attributes
    ----------
    alc_nadir : float or None
        [10⁹/L]
    edric : float or None
        [Gy]
    """

    alc_nadir: float | None
    edric: float | None


@dataclass(frozen=True)
class Alternative:
    """One regimen of equal tumour BED.

    Attributes
    ----------
    regimen : Regimen
        Day 0 is the first fraction; the drugs are those of the present course.
    tumour_bed, late_bed : float
        At the prescription dose. [Gy]
    gain : float
        log10 immune gain of the reference model. [1]
    bliss_excess : float
        [1]
    dose_ratio : float
        Total dose over that of the present course; organ doses are scaled by it. [1]
    """

    regimen: Regimen
    dose_per_fraction: float
    tumour_bed: float
    late_bed: float
    gain: float
    bliss_excess: float
    dose_ratio: float
    cost: Cost
    is_current: bool
    notes: tuple[str, ...]


def isoeffective_alternatives(
    course: Regimen,
    *,
    alpha_beta: float,
    late_alpha_beta: float,
    cost: Callable[[Regimen, float], Cost],
    fraction_numbers: Sequence[int] | None = None,
    parameter_set: ParameterSet = "set_b",
) -> tuple[Alternative, ...]:
    """Regimens of the tumour BED of `course`, largest immune gain first.

    Parameters
    ----------
    course : Regimen
        The present course of equal fractions, with its drugs.
    alpha_beta, late_alpha_beta : float
        Of the tumour and of late-reacting tissue. [Gy]
    cost : callable
        From a regimen and its dose ratio to what it costs outside the tumour.
    fraction_numbers : sequence of int, optional
        By default those of the knowledge sheet; the present number is always among them.
    parameter_set : {"set_b", "posterior"}
        Of the immune model.

    Returns
    -------
    tuple of Alternative
        The ranking is by gain alone; costs stand beside it.

    Raises
    ------
    InputError
        Unknown drug.
    ConvergenceError
        A schedule could not be solved.
    """
    target = float(bed(course.fraction_doses[0], course.n_fractions, alpha_beta))
    candidates = _candidates(course, target, alpha_beta, fraction_numbers)
    rows = [
        _judge(candidate, course, alpha_beta, late_alpha_beta, cost, parameter_set)
        for candidate in track(candidates, "alternative regimens", len(candidates))
    ]
    return tuple(sorted(rows, key=lambda row: -row.gain))


def _candidates(
    course: Regimen, target: float, alpha_beta: float, fraction_numbers: Sequence[int] | None
) -> list[Regimen]:
    sheet = load(SHEET)
    numbers = [int(n) for n in sheet.vector("fraction_numbers")] if fraction_numbers is None else fraction_numbers
    least = sheet["least_dose_per_fraction"]
    others = [n for n in numbers if n != course.n_fractions]
    doses = {n: float(isoeffective_dose_per_fraction(target, n, alpha_beta)) for n in others}
    return [course, *(_calendar(doses[n], n, course) for n in others if doses[n] >= least)]


def _calendar(dose: float, n: int, course: Regimen) -> Regimen:
    sheet = load(SHEET)
    return Regimen.equal_fractions(
        dose,
        n,
        weekdays=n >= sheet["weekday_from"],
        interval=sheet["short_course_interval"],
        drug_doses=course.drug_doses,
    )


def _judge(
    regimen: Regimen,
    course: Regimen,
    alpha_beta: float,
    late_alpha_beta: float,
    cost: Callable[[Regimen, float], Cost],
    parameter_set: ParameterSet,
) -> Alternative:
    dose, n = regimen.fraction_doses[0], regimen.n_fractions
    experiment, _ = experiment_for(regimen, parameter_set)
    radiation = regimen.without_drugs()
    ratio = regimen.total_dose / course.total_dose
    return Alternative(
        regimen=regimen,
        dose_per_fraction=dose,
        tumour_bed=float(bed(dose, n, alpha_beta)),
        late_bed=float(bed(dose, n, late_alpha_beta)),
        gain=experiment.gain(radiation),
        bliss_excess=experiment.synergy(radiation).bliss_excess,
        dose_ratio=ratio,
        cost=cost(regimen, ratio),
        is_current=regimen is course,
        notes=_notes(dose, experiment, radiation),
    )


def _notes(dose: float, experiment: Experiment, radiation: Regimen) -> tuple[str, ...]:
    notes = []
    low, high = load("radiobiology/tissue").vector("lql_transition")
    if dose > low:
        notes.append(
            f"isoeffect extrapolated: {low:g} to {high:g} Gy per fraction is where LQ is said to give way to LQ-L"
        )
    end = experiment.readout_day(radiation)
    if end > experiment.readout_day(Regimen()):
        notes.append(f"read on mouse day {end:g}, later than short courses")
    if not acting_doses(experiment, radiation):
        notes.append("no ICI dose falls before the readout: the gain is of radiation alone")
    return tuple(notes)
