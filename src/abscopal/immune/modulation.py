"""When modulators are given: the events of their levels."""

from abscopal.equations.model import Model
from abscopal.simulation.events import Event
from abscopal.simulation.windows import Infusion, window_events


def modulator_events(model: Model, name: str, start: float, stop: float, *, level: float = 1.0) -> tuple[Event, ...]:
    """Start and stop of a modulator of `diw_model(modulators=...)`.

    Parameters
    ----------
    model : Model
        Made with this modulator.
    name : str
        As in the table `immune/modulators:effects`.
    start, stop : float
        [day]
    level : float
        1 is the full effect of the table. [1]

    Raises
    ------
    InputError
        A modulator the model was not made with; a stop that is not after the start; a negative level.
    """
    return window_events(model, Infusion(f"u_{name}", level * (stop - start), start, stop - start))
