"""The test problems: a model, a regimen, a population and its true solution."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr
from stiff_model import stiff_model

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.model import Model
from abscopal.immune.model import diw_model
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.many import simulate_many

ALLOWED = 4e-5
"""Largest true error at which solvers are compared."""


@dataclass(frozen=True)
class Problem:
    """A model with one regimen for all and log-normal parameters.

    Attributes
    ----------
    times : array, shape (n_t,)
        None of them on the day of an event: SBML tools report the value after it. [day]
    """

    name: str
    model: Model
    regimen: Regimen
    times: np.ndarray
    most: int = 4000
    checked: int = 200
    parameters: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        values = np.array(self.model.parameter_vector())
        spread = 0.2 * np.random.default_rng(2024).standard_normal((self.most, len(values)))
        object.__setattr__(self, "parameters", values * np.exp(spread))

    @property
    def events(self) -> tuple[Event, ...]:
        """The regimen's events."""
        return regimen_events(self.model, self.regimen)

    def compiled(self, n: int, control: Control, **options: object) -> xr.Dataset:
        """The first n patients by this package's kernel."""
        return simulate_many(
            self.model, self.regimen, self.times, parameters=self.parameters[:n], outputs="states", control=control,
            fallback=0, **options,
        )  # fmt: skip

    @cached_property
    def truth(self) -> np.ndarray:
        """States of the checked patients at a tolerance of 1e-11."""
        return states(self.compiled(self.checked, Control(relative=1e-11, absolute=1e-14, floor=0.0)))

    def error(self, result: np.ndarray | xr.Dataset) -> float:
        """Largest error over patients, times and states, relative with a thousandth of the peak as floor."""
        found = states(result) if isinstance(result, xr.Dataset) else result
        exact = self.truth[: len(found)]
        peak = np.abs(exact).max(axis=1, keepdims=True)
        return float((np.abs(found[: len(exact)] - exact) / (np.abs(exact) + 1e-3 * peak + 1e-300)).max())


def states(result: xr.Dataset) -> np.ndarray:
    """States as an array, shape (n, n_t, n_states)."""
    return np.stack([result[str(name)].values for name in result.state.values], axis=-1)


def problems() -> list[Problem]:
    """Both problems."""
    mouse = tuple(DrugDose(drug=drug, mg=0.2, day=day) for drug in ("anti-PD-1", "anti-CTLA-4") for day in (7, 10, 13))
    antibody = tuple(DrugDose(drug="antibody", mg=20, day=10 + 14 * k) for k in range(8))
    return [
        Problem(
            "dose-immune model (28 states)", diw_model(), Regimen.equal_fractions(8, 3, start=7, drug_doses=mouse),
            np.linspace(0.25, 60.25, 41),
        ),
        Problem(
            "stiff model (25 states)", stiff_model(), Regimen.equal_fractions(8, 5, start=10, drug_doses=antibody),
            np.linspace(0.25, 200.25, 41),
        ),
    ]  # fmt: skip
