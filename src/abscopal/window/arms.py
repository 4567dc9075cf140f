"""Arms of many schedules over many animals, solved together by the compiled kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from abscopal.domain.errors import ConvergenceError
from abscopal.domain.progress import track
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.model import Model
from abscopal.immune.modalities import modality
from abscopal.immune.modulation import modulator_events
from abscopal.knowledge.load import load
from abscopal.simulation.dataset import BY_REFERENCE, describe
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary
from abscopal.window.ensemble import Values

FloatArray = NDArray[np.float64]
RULES = "immune/window"
CYCLOPHOSPHAMIDE = "cyclophosphamide"
MOST_AT_ONCE = 40_000  # patients in one call, which bounds the memory


@dataclass(frozen=True)
class Course:
    """What one animal gets on the mouse clock, and when it is read.

    Attributes
    ----------
    regimen : Regimen
    day : float
        Readout. [day]
    targets : tuple of int
        Lesions hit by every fraction.
    node_dose : float
        Dose to the draining node with every fraction. [Gy]
    modulators : tuple of str
        Act from the first possible fraction to the readout.
    modality : str
        What the radiation is, by the names of `immune.modalities`; photons as prescribed where empty.
    """

    regimen: Regimen
    day: float
    targets: tuple[int, ...] = (0,)
    node_dose: float = 0.0
    modulators: tuple[str, ...] = ()
    modality: str = ""

    def events(self, model: Model) -> tuple[Event, ...]:
        """The impulses of the model."""
        events = regimen_events(
            model, self.regimen, fraction_arguments={"d_node": self.node_dose} if self.node_dose else None
        )
        if self.modality:
            events = tuple(map(modality(self.modality).applied, events))
        if self.targets != (0,):
            events = tuple(self._aimed(event) for event in events)
        return (*events, *self._modulation(model)) if self.modulators else events

    def _modulation(self, model: Model) -> tuple[Event, ...]:
        start = load(RULES)["rt_start"]
        told: list[Event] = []
        for name in self.modulators:
            if name == CYCLOPHOSPHAMIDE:
                told += regimen_events(model, Regimen(drug_doses=(DrugDose(drug=name, mg=1.0, day=start),)))
            else:
                told += modulator_events(model, name, start, self.day)
        return tuple(told)

    def _aimed(self, event: Event) -> Event:
        if "d_0" not in event.arguments:
            return event
        dose = event.arguments["d_0"]
        doses = {"d_0": 0.0} | {f"d_{lesion}": dose for lesion in self.targets}
        return Event(event.day, event.impulse, {**event.arguments, **doses})


@dataclass(frozen=True, eq=False)
class Arms:
    """The lesions of many animals under many schedules and arms.

    Attributes
    ----------
    volume : mapping of arm to array, shape (n_animals, n_schedules)
        Viable and doomed volume of the observed lesion at its readout. [mm³]
    nadir : mapping of arm to array, shape (n_animals, n_schedules)
        Smallest viable volume of lesion 0 until then. [mm³]
    reached : mapping of arm to array, shape (n_animals, n_schedules)
        Day on which the observed lesion first reached the threshold, infinite if never; empty when not asked. [day]
    solved : array of bool, shape (n_animals,)
        Animals of whom every arm was solved; the others are left out of everything above.
    """

    volume: Mapping[str, FloatArray]
    nadir: Mapping[str, FloatArray]
    reached: Mapping[str, FloatArray]
    solved: NDArray[np.bool_]

    def gain(self) -> FloatArray:
        """log10 volume under ICI alone over that under both, shape (n_animals, n_schedules)."""
        return np.asarray(np.log10(self.volume["ici"] / self.volume["both"]))

    def ratio(self, arm: str) -> FloatArray:
        """Volume over the untreated one, shape (n_animals, n_schedules)."""
        return self.volume[arm] / self.volume["none"]


@dataclass(eq=False)
class _Plan:
    """Courses met, each once, by readout day; and where each arm finds its own."""

    courses: dict[Course, int] = field(default_factory=dict)

    def place(self, course: Course) -> int:
        return self.courses.setdefault(course, len(self.courses))

    def by_day(self) -> dict[float, list[tuple[int, Course]]]:
        groups: dict[float, list[tuple[int, Course]]] = {}
        for course, place in self.courses.items():
            groups.setdefault(course.day, []).append((place, course))
        return groups


def run_courses(
    model: Model,
    arms: Mapping[str, Sequence[Course]],
    values: Values,
    *,
    observed: int = 1,
    threshold: float | None = None,
    follow_up: float | None = None,
) -> Arms:
    """Solve every course of every arm for every animal; equal courses are solved once.

    Parameters
    ----------
    model : Model
    arms : mapping of arm to sequence of Course, all of one length
    values : mapping
        Parameters, each one number or one per animal.
    observed, threshold, follow_up
        As in `Experiment.arms`.

    Raises
    ------
    ConvergenceError
        No animal could be solved, naming the first failure.
    """
    plan = _Plan()
    places = {arm: [plan.place(course) for course in courses] for arm, courses in arms.items()}
    n_animals = max((len(v) for v in values.values() if isinstance(v, np.ndarray)), default=1)
    found = np.full((3, n_animals, len(plan.courses)), np.nan)
    failures: list[str] = []
    jobs = [
        (day, group, part)
        for day, group in plan.by_day().items()
        for part in _parts(n_animals, max(1, MOST_AT_ONCE // len(group)))
    ]
    for day, group, part in track(jobs, "virtual animals", len(jobs)) if len(jobs) > 1 else jobs:
        courses = [course for _, course in group]
        result = _solve(model, courses, values, part, day, observed, threshold, follow_up)
        failures += _store(found, result, [place for place, _ in group], part, observed, threshold)
    solved = np.isfinite(found[0]).all(axis=1)
    if not solved.any():
        raise ConvergenceError(
            doing="simulating the arms of the two-lesion experiment",
            found=failures[0] if failures else "a volume that is not finite",
            expected="a solution up to the readout",
            try_="parameters nearer to the reference set",
        )
    kept = found[:, solved]
    picked = [{arm: rows[:, where] for arm, where in places.items()} for rows in kept]
    return Arms(picked[0], picked[1], picked[2] if threshold is not None else {}, solved)


def _parts(n: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _solve(
    model: Model,
    courses: Sequence[Course],
    values: Values,
    part: slice,
    day: float,
    observed: int,
    threshold: float | None,
    follow_up: float | None,
) -> xr.Dataset:
    """Animals of one part, each under every course: patient = animal × number of courses + course."""
    events = [course.events(model) for course in courses]
    n = part.stop - part.start
    parameters = {k: np.repeat(v[part], len(courses)) if isinstance(v, np.ndarray) else v for k, v in values.items()}
    summaries = [Summary("V_0", "minimum")]
    if threshold is not None:
        summaries.append(Summary(f"V_{observed}", "above", threshold=threshold, label="reached"))
    return simulate_many(
        model,
        events * n,
        [day] if follow_up is None or follow_up <= day else [day, follow_up],
        parameters=parameters,
        outputs=[f"V_{observed}", f"M_{observed}"],
        summaries=summaries,
    )


def _store(
    found: FloatArray, result: xr.Dataset, places: list[int], part: slice, observed: int, threshold: float | None
) -> list[str]:
    """Write one part's values into (kind, animal, course); what failed stays NaN and is told."""
    shape = (part.stop - part.start, len(places))
    bad = ~np.isin(result["status"].to_numpy(), (0, BY_REFERENCE))
    volume = (result[f"V_{observed}"] + result[f"M_{observed}"]).to_numpy()[:, 0]
    rows = [volume, result["V_0_minimum"].to_numpy()]
    if threshold is not None:
        rows.append(result["reached"].to_numpy())
    for kind, row in enumerate(rows):
        found[kind, part.start : part.stop, places] = np.where(bad, np.nan, row).reshape(shape).T
    return [describe(result, int(patient)) for patient in np.flatnonzero(bad)[:1]]
