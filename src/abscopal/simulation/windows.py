"""What is given over a time, infusions and beam-on times, as the events of a model's rate windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.equations.pieces import Window
from abscopal.simulation.events import Event, regimen_events

_SECONDS, _MINUTES = 86400.0, 1440.0  # in a day


@dataclass(frozen=True)
class Infusion:
    """An amount given at a constant rate.

    Attributes
    ----------
    window : str
        Name of a rate window of the model.
    amount : float
        In all. [unit of the window]
    day : float
        When it begins. [day]
    duration : float
        [day]
    """

    window: str
    amount: float
    day: float
    duration: float


def window_events(
    model: Model, infusions: Infusion | Sequence[Infusion], *, until: float | None = None
) -> tuple[Event, ...]:
    """Starts and stops of infusions, by day; those that overlap add.

    The rate is the amount over the time between the two events as the computer holds them, so that
    rate times time is the amount.

    Parameters
    ----------
    model : Model
    infusions : Infusion or sequence of Infusion
    until : float, optional
        Day on which infusions still running are cut off, the rest never given. Without it an infusion
        that crosses the horizon is refused when the model is solved. [day]

    Raises
    ------
    InputError
        An unknown window, an amount that is negative or not finite, a duration that is not positive (a
        bolus is an impulse) or too short to tell its end from its start, an infusion that begins at
        `until` or later.
    """
    listed = [infusions] if isinstance(infusions, Infusion) else infusions
    events = [event for infusion in listed for event in _start_and_stop(model, infusion, until)]
    return tuple(sorted(events, key=lambda event: event.day))


def windowed_regimen(
    model: Model,
    regimen: Regimen,
    *,
    beam_on_s: ArrayLike | None = None,
    infusion_min: Mapping[str, float] | None = None,
    fraction_arguments: Mapping[str, float] | None = None,
    until: float | None = None,
) -> tuple[Event, ...]:
    """Events of a regimen with fractions or drugs given over a time.

    Parameters
    ----------
    model : Model
    regimen : Regimen
        Its days are when each fraction or dose begins.
    beam_on_s : float or array, shape (n_fractions,), optional
        Beam-on time, for a model with a rate window with the trigger `fraction`. Without it fractions
        are impulses. [s]
    infusion_min : mapping of drug to float, optional
        Infusion time of a drug with a window with the trigger `drug:<name>`; the other drugs are
        impulses. [min]
    fraction_arguments : mapping, optional
        Further arguments of fractions that are impulses.
    until : float, optional
        As in `window_events`. [day]

    Raises
    ------
    InputError
        As `window_events`; a wrong number of beam-on times; a model or a regimen without such a
        fraction or drug.
    """
    given: list[Infusion] = []
    if beam_on_s is not None:
        given += _fractions(_by_trigger(model, "fraction"), regimen, beam_on_s)
        regimen = regimen.without_radiation()
    for drug, minutes in (infusion_min or {}).items():
        window = _by_trigger(model, f"drug:{drug}")
        doses = [dose for dose in regimen.drug_doses if dose.drug == drug]
        if not doses:
            raise unknown_name("setting infusion times", drug, sorted({d.drug for d in regimen.drug_doses}))
        given += [Infusion(window.name, dose.mg, dose.day, minutes / _MINUTES) for dose in doses]
        rest = tuple(dose for dose in regimen.drug_doses if dose.drug != drug)
        regimen = regimen.model_copy(update={"drug_doses": rest})
    sudden = regimen_events(model, regimen, fraction_arguments=fraction_arguments)
    return tuple(sorted((*sudden, *window_events(model, given, until=until)), key=lambda event: event.day))


def _fractions(window: Window, regimen: Regimen, beam_on_s: ArrayLike) -> list[Infusion]:
    given = np.asarray(beam_on_s, dtype=np.float64)
    times = np.full(regimen.n_fractions, given).tolist() if given.ndim == 0 else given.ravel().tolist()
    if len(times) != regimen.n_fractions:
        raise InputError(
            doing="giving fractions their beam-on times",
            found=f"{len(times)} times for {regimen.n_fractions} fractions",
            expected="one time for all, or one per fraction",
            try_="checking the lengths",
        )
    rows = zip(regimen.fraction_days, regimen.fraction_doses, times, strict=True)
    return [Infusion(window.name, dose, day, seconds / _SECONDS) for day, dose, seconds in rows]


def _by_trigger(model: Model, trigger: str) -> Window:
    triggers = {window.trigger: window for window in model.windows if window.trigger}
    if trigger not in triggers:
        raise unknown_name(f"looking for a rate window of the model {model.name!r}", trigger, sorted(triggers))
    return triggers[trigger]


def _start_and_stop(model: Model, infusion: Infusion, until: float | None) -> tuple[Event, Event]:
    window = model.window(infusion.window)
    end = infusion.day + infusion.duration
    _check(infusion, end, until)
    step = {window.argument: infusion.amount / (end - infusion.day)}
    last = end if until is None else min(end, until)
    return Event(infusion.day, window.start, step), Event(last, window.stop, step)


def _check(infusion: Infusion, end: float, until: float | None) -> None:
    wrong = {
        f"an amount of {infusion.amount:g}": not 0 <= infusion.amount < float("inf"),
        f"a duration of {infusion.duration:g} days": not infusion.day < end < float("inf"),
        f"a start on day {infusion.day:g}": until is not None and not infusion.day < until,
    }
    for found, is_wrong in wrong.items():
        if is_wrong:
            raise InputError(
                doing=f"giving {infusion.window} from day {infusion.day:g}",
                found=found,
                expected="an amount that is finite and not negative, over a time that is finite and longer than zero"
                + ("" if until is None else f", beginning before day {until:g}"),
                try_="an impulse for what is given at once",
            )
