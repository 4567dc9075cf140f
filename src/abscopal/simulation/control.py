"""Error control of the compiled solver."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model


@dataclass(frozen=True)
class Control:
    """How accurately and how long a patient is solved.

    Attributes
    ----------
    relative : float
        Relative tolerance of each step.
    absolute : float or mapping of state name to float
        Absolute tolerance, in the state's unit; states left out of a mapping take 1e-10.
    floor : float
        Share of a state's largest value so far below which relative accuracy is not chased.
    negative : float
        How far below its lower limit a state may go, relative to its largest value so far: a step that
        goes further is refused and tried shorter. Reported values are never below the limit.
    first_step : float
        First step, and longest step just after an impulse. [day]
    max_steps : int
        Steps after which a patient is given up.
    method : {"auto", "rosenbrock", "explicit"}
        `auto` solves every patient by an explicit method of order five, and from the start again by the
        L-stable Rosenbrock method each one whose steps stability holds back: a stiff patient loses a few
        cheap steps, one that is not stiff gains severalfold. The choice looks at that patient alone.
    """

    relative: float = 1e-6
    absolute: float | Mapping[str, float] = 1e-10
    floor: float = 1e-6
    negative: float = 1e-6
    first_step: float = 0.02
    max_steps: int = 100_000
    method: Literal["auto", "rosenbrock", "explicit"] = "auto"

    def __post_init__(self) -> None:
        values = {
            "relative": self.relative, "floor": self.floor, "negative": self.negative, "first_step": self.first_step,
            "max_steps": self.max_steps,
        }  # fmt: skip
        low = {"relative": 1e-13, "first_step": 1e-300, "max_steps": 1}
        for name, value in values.items():
            if not low.get(name, 0.0) <= value < float("inf"):
                raise InputError(
                    doing="setting the error control of the solver",
                    found=f"{name} = {value:g}",
                    expected=f"a finite number of at least {low.get(name, 0.0):g}",
                    try_=f"leaving {name} out",
                )

    def absolute_vector(self, model: Model) -> NDArray[np.float64]:
        """Absolute tolerance per state, shape (n_states,).

        Raises
        ------
        InputError
            An unknown state, or a tolerance that is negative or not finite.
        """
        names = [state.name for state in model.states]
        given = dict(self.absolute) if isinstance(self.absolute, Mapping) else dict.fromkeys(names, self.absolute)
        for name, value in given.items():
            if name not in names:
                raise unknown_name("setting absolute tolerances", name, names)
            if not 0 <= value < float("inf"):
                raise InputError(
                    doing="setting the error control of the solver",
                    found=f"an absolute tolerance of {value:g} for {name}",
                    expected="a finite number that is not negative",
                    try_="a small share of the state's usual size",
                )
        return np.maximum([given.get(name, 1e-10) for name in names], 1e-300)  # a state at rest at zero has no error
