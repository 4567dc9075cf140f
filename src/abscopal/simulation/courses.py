"""Regimens and events of many patients as one table that a kernel reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.equations.model import Model
from abscopal.simulation.events import Event, argument_vector, checked_events, regimen_events

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Course = Regimen | Sequence[Event]
Courses = Course | Sequence[Course]


@dataclass(frozen=True)
class EventTable:
    """Impulses of every patient; patients with the same course share its rows.

    Attributes
    ----------
    begin, end : array, shape (n,)
        First row of each patient, and one past the last.
    day : array, shape (n_rows,)
        Ascending within a patient. [day]
    kind : array, shape (n_rows,)
        Place of the impulse among the model's.
    arguments : array, shape (n_rows, most arguments of any impulse, at least 1)
    """

    begin: IntArray
    end: IntArray
    day: FloatArray
    kind: IntArray
    arguments: FloatArray

    def rows(self, chosen: slice | IntArray) -> "EventTable":
        """The table of some of the patients."""
        return EventTable(self.begin[chosen], self.end[chosen], self.day, self.kind, self.arguments)


def number_of_courses(courses: Courses) -> int | None:
    """How many patients the courses are for; None for one course shared by all."""
    if isinstance(courses, Regimen) or not courses or isinstance(courses[0], Event):
        return None
    return len(courses)


def event_table(
    model: Model,
    courses: Courses,
    n: int,
    start: float,
    horizon: float,
    *,
    fraction_arguments: Mapping[str, float] | None = None,
) -> EventTable:
    """The impulses of `n` patients.

    Parameters
    ----------
    model : Model
    courses : Regimen, sequence of Event, or one of these per patient
        A course given to several patients (the same object) is stored once.
    start, horizon : float
        [day]
    fraction_arguments : mapping, optional
        Further arguments of each fraction of a `Regimen`.

    Raises
    ------
    InputError
        A wrong number of courses, an event outside the simulated time, an unknown drug or impulse; for
        one of several courses the patient is named.
    """
    writer = _Writer(model, start, horizon, fraction_arguments)
    count = number_of_courses(courses)
    if count is None:
        spans: IntArray = np.tile(writer.span(courses, None), (n, 1))  # type: ignore[arg-type]
    elif count == n:
        spans = np.array([writer.span(course, k) for k, course in enumerate(courses)])  # type: ignore[arg-type]
    else:
        raise InputError(
            doing="giving each patient a course",
            found=f"{count} courses for {n} patients",
            expected="one course for all, or one per patient",
            try_="checking the lengths",
        )
    return writer.table(spans)


class _Writer:
    """Collects the rows of each course met, once."""

    def __init__(
        self, model: Model, start: float, horizon: float, fraction_arguments: Mapping[str, float] | None
    ) -> None:
        self.model, self.start, self.horizon, self.further = model, start, horizon, fraction_arguments
        self.place = {impulse.name: k for k, impulse in enumerate(model.impulses)}
        self.events: list[Event] = []
        self.known: dict[int, tuple[int, int]] = {}

    def span(self, course: Course, patient: int | None) -> tuple[int, int]:
        """First row of a course and one past its last."""
        if id(course) not in self.known:
            try:
                found = self._events(course)
            except InputError as exc:
                if patient is None:
                    raise
                exc.add_note(f"patient {patient}")
                raise
            first = len(self.events)
            self.events += found
            self.known[id(course)] = (first, len(self.events))
        return self.known[id(course)]

    def _events(self, course: Course) -> list[Event]:
        if isinstance(course, Regimen):
            course = regimen_events(self.model, course, fraction_arguments=self.further)
        return checked_events(self.model, course, self.start, self.horizon)

    def table(self, spans: IntArray) -> EventTable:
        """The finished table."""
        width = max((len(impulse.arguments) for impulse in self.model.impulses), default=0)
        arguments = np.zeros((max(len(self.events), 1), max(width, 1)))
        for row, event in zip(arguments, self.events, strict=False):
            values = argument_vector(self.model, event)
            row[: len(values)] = values
        days = np.array([event.day for event in self.events] or [np.inf])
        kinds = np.array([self.place[event.impulse] for event in self.events] or [0], dtype=np.int64)
        spans = np.ascontiguousarray(spans.T, dtype=np.int64)
        return EventTable(spans[0], spans[1], days, kinds, arguments)
