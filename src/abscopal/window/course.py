"""Where a patient's own course of radiation and ICI lies on the dose-immune map."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.model import ParameterSet
from abscopal.knowledge.load import load
from abscopal.pharmacology.drugs import drug_class
from abscopal.window.arms import RULES
from abscopal.window.experiment import Experiment, reference_drugs, reference_experiment
from abscopal.window.surface import Window, find_window
from abscopal.window.synergy import Synergy

Position = Literal["below", "inside", "above", "no window"]


@dataclass(frozen=True)
class Placement:
    """One course on the map.

    Attributes
    ----------
    dose_per_fraction : float
        Mean over the fractions. [Gy]
    n_fractions : int
    gain : float
        log10 gain of this course in the lesion that is not irradiated. [1]
    synergy : Synergy
        Bliss excess, S_B and excess over the better single arm.
    window : Window
        Of equal fractions on this course's own days; bounds in `window.d_lo`, `d_peak`, `d_hi`. [Gy]
    share_of_peak : float, optional
        Gain over the largest gain of that window; None when there is no window. [1]
    position : {"below", "inside", "above", "no window"}
        Of the dose per fraction.
    readout_day : float
        Mouse clock. [day]
    ici_acts : bool
        Whether any ICI dose falls before the readout.
    experiment : Experiment
        For drawing the map around the course: `gain_surface(experiment=placement.experiment)`.
    """

    name: str
    dose_per_fraction: float
    n_fractions: int
    gain: float
    synergy: Synergy
    window: Window
    share_of_peak: float | None
    position: Position
    readout_day: float
    ici_acts: bool
    experiment: Experiment
    notes: tuple[str, ...]


def window_for(
    regimen: Regimen,
    *,
    level: float = 0.5,
    doses: ArrayLike | None = None,
    parameter_set: ParameterSet = "set_b",
) -> Placement:
    """Where this regimen lies in the dose-immune window of the mouse reference set.

    Drug doses are taken by class and day: each counts as one reference mouse dose. Without any
    checkpoint inhibitor the reference anti-CTLA-4 schedule is taken, and the notes say so.

    Parameters
    ----------
    regimen : Regimen
        Day 0 is the first fraction; drugs by generic name or class.
    level : float
        Share of the largest gain that bounds the window. [1]
    doses : array, optional
        Doses per fraction of the curve; by default 1 to 30 Gy by 1. [Gy]
    parameter_set : {"set_b", "posterior"}
        Of the model.

    Returns
    -------
    Placement
        A demonstration of structure on mouse parameters, not a human prediction; see `notes`.

    Raises
    ------
    InputError
        No fraction, or an unknown drug (with the close match).
    ConvergenceError
        A schedule could not be solved.
    """
    if not regimen.n_fractions:
        raise InputError(
            doing="placing a regimen on the dose-immune map",
            found="no fraction of radiation",
            expected="at least one fraction",
            try_="a regimen with radiation",
        )
    radiation = Regimen(fraction_days=_offsets(regimen), fraction_doses=regimen.fraction_doses, name=regimen.name)
    setup, notes = experiment_for(regimen, parameter_set)
    window = find_window(n=radiation.n_fractions, doses=doses, level=level, experiment=setup)
    dose = radiation.total_dose / radiation.n_fractions
    gain = setup.gain(radiation)
    return Placement(
        name=regimen.name,
        dose_per_fraction=dose,
        n_fractions=radiation.n_fractions,
        gain=gain,
        synergy=setup.synergy(radiation),
        window=window,
        share_of_peak=gain / window.bounds.gain_max if window.bounds.found else None,
        position=_position(dose, window),
        readout_day=setup.readout_day(radiation),
        ici_acts=acting_doses(setup, radiation) > 0,
        experiment=setup,
        notes=(*setup.notes(), *notes, *_readout_notes(setup, radiation)),
    )


def experiment_for(regimen: Regimen, parameter_set: ParameterSet = "set_b") -> tuple[Experiment, tuple[str, ...]]:
    """The mouse experiment with a patient's fraction days and ICI schedule, and what was assumed.

    Parameters
    ----------
    regimen : Regimen
        Drugs by generic name or class.
    parameter_set : {"set_b", "posterior"}
        Of the model.

    Returns
    -------
    (Experiment, tuple of str)
        For `find_window`, `gain_surface`, `window_uncertainty` and `ablate_window`.

    Raises
    ------
    InputError
        Unknown drug, with the close match.
    """
    drugs, notes = _drugs_on_map(regimen)
    days = _offsets(regimen)
    interval, weekdays = _pattern(days)
    setup = reference_experiment(drugs=drugs, interval=interval, weekdays=weekdays, parameter_set=parameter_set)
    return replace(setup, fraction_days=days), notes


def _offsets(regimen: Regimen) -> tuple[float, ...]:
    """Fraction days counted from the first."""
    return tuple(day - regimen.fraction_days[0] for day in regimen.fraction_days)


def _pattern(days: Sequence[float]) -> tuple[float, bool]:
    """Spacing for schedules with another number of fractions: Monday to Friday, or the mean interval."""
    if len(days) < 2:
        return 1.0, False
    weekdays = len(days) > 5 and list(days) == [k + 2 * (k // 5) for k in range(len(days))]
    return (1.0, True) if weekdays else (days[-1] / (len(days) - 1) or 1.0, False)


def _drugs_on_map(regimen: Regimen) -> tuple[tuple[DrugDose, ...], tuple[str, ...]]:
    """Each ICI dose as one mouse dose of its class, counted from the first fraction."""
    if not regimen.drug_doses:
        days = ", ".join(f"{day:g}" for day in load(RULES).vector("ici_days"))
        note = f"The course has no checkpoint inhibitor: the reference schedule, anti-CTLA-4 on days {days}, is drawn."
        return reference_drugs(), (note,)
    first = regimen.fraction_days[0] if regimen.fraction_days else 0.0
    earliest = -load(RULES)["rt_start"]
    amount = load("immune/diw")["mouse_dose"]
    given = [DrugDose(drug=drug_class(dose.drug), mg=amount, day=dose.day - first) for dose in regimen.drug_doses]
    kept = tuple(dose for dose in given if dose.day >= earliest)
    classes = ", ".join(sorted({dose.drug for dose in given}))
    notes = [f"Each dose of {classes} counts as one reference mouse dose, eliminated at the mouse rate."]
    if len(kept) < len(given):
        notes.append(
            f"{len(given) - len(kept)} ICI dose(s) more than {-earliest:g} days before the first fraction are left "
            "out: the experiment starts there."
        )
    return kept, tuple(notes)


def acting_doses(setup: Experiment, radiation: Regimen) -> int:
    """How many ICI doses fall before the readout."""
    end = setup.readout_day(radiation) - load(RULES)["rt_start"]
    return sum(dose.day < end for dose in setup.drugs)


def _readout_notes(setup: Experiment, radiation: Regimen) -> tuple[str, ...]:
    notes = []
    end = setup.readout_day(radiation) - load(RULES)["rt_start"]
    late = len(setup.drugs) - acting_doses(setup, radiation)
    if late:
        notes.append(
            f"{late} ICI dose(s) fall after the readout, {end:g} days after the first fraction, and do not count."
        )
    if late == len(setup.drugs):
        notes.append("No ICI dose acts before the readout: the gain is of radiation alone against no treatment.")
    if len(set(radiation.fraction_doses)) > 1:
        notes.append("Fractions differ in dose: the gain is of the course as given, the window of equal fractions.")
    return tuple(notes)


def _position(dose: float, window: Window) -> Position:
    if not window.bounds.found:
        return "no window"
    if window.d_lo is not None and dose < window.d_lo:
        return "below"
    return "above" if window.d_hi is not None and dose > window.d_hi else "inside"
