"""When a model's impulses happen: from a regimen, or written one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.equations.pieces import Impulse

_MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Event:
    """One impulse at one time.

    Attributes
    ----------
    day : float
        [day]
    impulse : str
        Name of an impulse of the model.
    arguments : mapping
        Values by argument name; what is left out takes the argument's default.
    """

    day: float
    impulse: str
    arguments: Mapping[str, float] = field(default_factory=dict)


def regimen_events(
    model: Model, regimen: Regimen, *, fraction_arguments: Mapping[str, float] | None = None
) -> tuple[Event, ...]:
    """Events of a regimen, by day; on one day fractions come before drugs.

    Parameters
    ----------
    model : Model
        Its impulse with the trigger `fraction` takes the fractions; those with `drug:<name>` the
        doses of that drug.
    regimen : Regimen
    fraction_arguments : mapping, optional
        Further arguments given to every fraction, such as a dose to the draining node.

    Raises
    ------
    InputError
        The model has no impulse for radiation, or for one of the drugs.
    """
    fractions = tuple(
        Event(day, _radiation(model).name, _filled(_radiation(model), "dose", dose) | dict(fraction_arguments or {}))
        for day, dose in zip(regimen.fraction_days, regimen.fraction_doses, strict=True)
    )
    drugs = tuple(_drug_event(model, dose) for dose in regimen.drug_doses)
    return tuple(sorted((*fractions, *drugs), key=lambda event: event.day))


def _radiation(model: Model) -> Impulse:
    for impulse in model.impulses:
        if impulse.trigger == "fraction":
            return impulse
    raise InputError(
        doing=f"giving radiation to the model {model.name!r}",
        found="no impulse for a fraction",
        expected="a model that responds to radiation",
        try_="regimen.without_radiation()",
    )


def _drug_event(model: Model, dose: DrugDose) -> Event:
    by_drug = {i.trigger.removeprefix("drug:"): i for i in model.impulses if i.trigger.startswith("drug:")}
    if dose.drug not in by_drug:
        raise unknown_name(f"giving a drug to the model {model.name!r}", dose.drug, sorted(by_drug))
    impulse = by_drug[dose.drug]
    return Event(dose.day, impulse.name, _filled(impulse, "amount", dose.mg))


def _filled(impulse: Impulse, source: str, value: float) -> dict[str, float]:
    return {argument.name: value for argument in impulse.arguments if argument.source == source}


def argument_vector(model: Model, event: Event) -> list[float]:
    """Values of an event's arguments in the impulse's order.

    Raises
    ------
    InputError
        Unknown impulse or argument, or a value that is negative or not finite.
    """
    impulse = model.impulse(event.impulse)
    known = [argument.name for argument in impulse.arguments]
    for name, value in event.arguments.items():
        if name not in known:
            raise unknown_name(f"giving {event.impulse} on day {event.day:g}", name, known)
        if not 0 <= value < float("inf"):
            raise InputError(
                doing=f"giving {event.impulse} on day {event.day:g}",
                found=f"{name} = {value:g}",
                expected="a finite number that is not negative",
                try_="correcting the dose",
            )
    return [event.arguments.get(argument.name, argument.default) for argument in impulse.arguments]


def checked_events(model: Model, events: Sequence[Event], start: float, horizon: float) -> list[Event]:
    """Events in time order; one outside the simulated time is refused.

    Raises
    ------
    InputError
        An event before `start` or after `horizon`.
    """
    for event in events:
        argument_vector(model, event)
        if event.day < start:
            raise InputError(
                doing=f"placing {event.impulse} in time",
                found=f"day {event.day:g}, before the start on day {start:g}",
                expected=f"every event between day {start:g} and day {horizon:g}",
                try_="starting the simulation earlier, or moving the regimen",
            )
        if not event.day <= horizon:
            raise InputError(
                doing=f"placing {event.impulse} in time",
                found=f"day {event.day:g}, after the horizon on day {horizon:g}",
                expected=f"a regimen no longer than the horizon, day {horizon:g}",
                try_=f"a horizon of at least {event.day:g} days",
            )
    return sorted([*clock_events(model, start, horizon), *events], key=lambda event: event.day)


def clock_events(model: Model, start: float, horizon: float) -> list[Event]:
    """Steps of the model's clocks after `start` and not after `horizon`.

    Raises
    ------
    InputError
        More steps than memory is meant for.
    """
    found: list[Event] = []
    for clock in (impulse for impulse in model.impulses if impulse.every):
        every = float(clock.every or 0.0)
        low, high = math.floor((start - clock.first) / every) - 1, math.ceil((horizon - clock.first) / every) + 1
        if high - low > _MOST_STEPS:
            raise InputError(
                doing=f"stepping the clock {clock.name!r}",
                found=f"{high - low} steps from day {start:g} to day {horizon:g}",
                expected=f"{_MOST_STEPS} at most",
                try_="an earlier horizon",
            )
        days = [clock.first + k * every for k in range(max(low, 0), high + 1)]
        found += [Event(day, clock.name) for day in days if start < day <= horizon]
    return found
