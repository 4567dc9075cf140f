"""Patients that a kernel gave up, or whose model it does not solve, by the SciPy reference.

The kernel's factorisation does not pivot. Where that, or anything else, stops its steps from being accepted,
LSODA with its dense pivoted one gets a try; a patient it solves is marked as solved by the reference.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import AbscopalError
from abscopal.domain.progress import track
from abscopal.equations.model import Model
from abscopal.simulation.control import Control
from abscopal.simulation.courses import EventTable
from abscopal.simulation.dataset import BY_REFERENCE, NOT_BY_REFERENCE, Outcome, Request
from abscopal.simulation.events import Event, clock_events
from abscopal.simulation.kernels.driver import MAX_STEPS, STEP_TOO_SMALL
from abscopal.simulation.reference import Tolerance, initial_states
from abscopal.simulation.solve import simulate
from abscopal.simulation.stepwise import Stepwise


def solve_again(
    model: Model,
    events: EventTable,
    parameters: NDArray[np.float64],
    request: Request,
    control: Control,
    outcome: Outcome,
    at_most: int,
) -> None:
    """Fill in the patients whose steps ran out or became too small, `at_most` so many of them."""
    failed = np.flatnonzero(np.isin(outcome.counts[:, 0], (MAX_STEPS, STEP_TOO_SMALL)))[:at_most]
    tolerance = Tolerance(relative=control.relative / 10, absolute=float(control.absolute_vector(model).min()) / 10)
    for patient in failed:
        try:
            trajectory = simulate(
                model,
                _events_of(model, events, patient, request),
                request.days,
                parameters=dict(zip([p.name for p in model.parameters], parameters[patient].tolist(), strict=True)),
                start=request.start,
                side=request.side,
                tolerance=tolerance,
            )
        except AbscopalError:
            continue
        if trajectory.status != "ok":
            continue
        outcome.rows[patient] = trajectory.values[:, request.columns]
        outcome.counts[patient, :2] = BY_REFERENCE, -1
        outcome.reached[patient] = request.days[-1]


def solve_one_by_one(
    model: Model,
    events: EventTable,
    parameters: NDArray[np.float64],
    initial: NDArray[np.float64] | None,
    request: Request,
    control: Control,
    outcome: Outcome,
) -> None:
    """Fill in every patient of a model that kernels do not solve: one with delays or conditions, or without states."""
    tolerance = Tolerance(
        relative=control.relative / 100, absolute=float(control.absolute_vector(model).min(initial=1e-10)) / 100
    )
    names = [state.name for state in model.states]
    for patient in track(range(len(parameters)), "solving patients", len(parameters)):
        own = parameters[patient].tolist()
        given = {} if initial is None else dict(zip(names, initial[patient].tolist(), strict=True))
        start = initial_states(model, own, {name: value for name, value in given.items() if not np.isnan(value)})
        run = Stepwise(model, own, start, request.start, request.days, tolerance)
        run.run(_all_events_of(model, events, patient))
        good = run.status == "ok"
        outcome.rows[patient] = run.trajectory(request.side).values[:, request.columns]
        outcome.finals[patient] = run.y
        outcome.counts[patient] = BY_REFERENCE if good else NOT_BY_REFERENCE, -1, run.steps, 0
        outcome.reached[patient] = run.t


def _events_of(model: Model, events: EventTable, patient: int, request: Request) -> list[Event]:
    """A patient's events up to the last day, without the steps of clocks, which `simulate` adds itself."""
    last = float(request.days[-1])
    steps = Counter((step.day, step.impulse) for step in clock_events(model, request.start, last))
    kept = []
    for event in _all_events_of(model, events, patient):
        if steps[event.day, event.impulse]:
            steps[event.day, event.impulse] -= 1
        elif event.day <= last:
            kept.append(event)
    return kept


def _all_events_of(model: Model, events: EventTable, patient: int) -> list[Event]:
    impulses = model.impulses
    return [
        Event(
            float(events.day[row]),
            impulses[events.kind[row]].name,
            {
                a.name: float(v)
                for a, v in zip(impulses[events.kind[row]].arguments, events.arguments[row], strict=False)
            },
        )
        for row in range(events.begin[patient], events.end[patient])
    ]
