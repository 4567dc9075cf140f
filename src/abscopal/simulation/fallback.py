"""Patients that a kernel gave up, solved again by the SciPy reference.

The kernel's factorisation does not pivot. Where that, or anything else, stops its steps from being accepted,
LSODA with its dense pivoted one gets a try; a patient it solves is marked as solved by the reference.
"""

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import AbscopalError
from abscopal.equations.model import Model
from abscopal.simulation.control import Control
from abscopal.simulation.courses import EventTable
from abscopal.simulation.dataset import BY_REFERENCE, Outcome, Request
from abscopal.simulation.events import Event
from abscopal.simulation.kernels.driver import MAX_STEPS, STEP_TOO_SMALL
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate


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
                _events_of(model, events, patient),
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


def _events_of(model: Model, events: EventTable, patient: int) -> list[Event]:
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
