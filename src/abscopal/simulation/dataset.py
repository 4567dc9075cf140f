"""The result of many patients as an xarray Dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from abscopal.domain.version import __version__
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.simulation.control import Control
from abscopal.simulation.inputs import checked_names
from abscopal.simulation.kernels.target import host
from abscopal.simulation.summaries import Watch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
STATUS = (
    "ok", "too many steps", "not finite", "step too small", "below the state's limit", "ok, by the reference solver",
    "stopped by the reference solver",
)  # fmt: skip
"""Meaning of each status; 0 and 5 are good."""
BY_REFERENCE, NOT_BY_REFERENCE = 5, 6


@dataclass(frozen=True)
class Request:
    """What to report: days, columns (states, then quantities), the first day, and the side of an impulse."""

    days: FloatArray
    columns: IntArray
    start: float
    side: Literal["before", "after"]


@dataclass(frozen=True)
class Outcome:
    """What a kernel wrote for n patients.

    Attributes
    ----------
    rows : array, shape (n, n_t, n_columns)
    finals : array, shape (n, n_states)
    kept : array, shape (n, n_slots, 5)
    counts : array, shape (n, 4)
        Status, state, steps, rejected steps.
    reached : array, shape (n,)
        [day]
    stiff : array of bool, shape (n,)
        Whether the Rosenbrock method solved the patient.
    senses : array, shape (n, n_t, n_directions, n_columns)
        Sensitivities.
    """

    rows: FloatArray
    finals: FloatArray
    kept: FloatArray
    counts: IntArray
    reached: FloatArray
    stiff: NDArray[np.bool_]
    senses: FloatArray

    def take(self, patients: IntArray) -> "Outcome":
        """A copy of some of the patients."""
        return Outcome(**{f.name: np.ascontiguousarray(getattr(self, f.name)[patients]) for f in fields(self)})

    def put(self, patients: IntArray, part: "Outcome") -> None:
        """Write back what `take` gave."""
        for f in fields(self):
            getattr(self, f.name)[patients] = getattr(part, f.name)


def names_of(model: Model) -> list[str]:
    """States, then quantities, in the kernel's order."""
    return [piece.name for piece in (*model.states, *ordered_quantities(model))]


def columns_of(model: Model, outputs: Literal["all", "states"] | Sequence[str]) -> IntArray:
    """Places of the outputs asked for.

    Raises
    ------
    InputError
        An unknown name.
    """
    names = names_of(model)
    if outputs == "all":
        outputs = names
    elif outputs == "states":
        outputs = names[: len(model.states)]
    elif isinstance(outputs, str):
        outputs = [outputs]
    return np.array(checked_names(model, outputs, names, "choosing outputs"), dtype=np.int64)


def to_dataset(
    model: Model,
    request: Request,
    watch: Watch,
    control: Control,
    outcome: Outcome,
    sensitivities: Sequence[str] = (),
    device: str = "cpu",
) -> xr.Dataset:
    """Named variables with units."""
    names, units = names_of(model), [p.unit for p in (*model.states, *ordered_quantities(model))]
    unit = dict(zip(names, units, strict=True))
    data: dict[str, object] = {
        names[column]: (("patient", "time"), outcome.rows[:, :, k], {"units": units[column]})
        for k, column in enumerate(request.columns)
    }
    for summary, values in zip(watch.summaries, watch.values(outcome.kept).values(), strict=True):
        own = unit[summary.name]
        kinds = {"minimum": own, "maximum": own, "area": f"({own})·day"}
        data[summary.title] = ("patient", values, {"units": kinds.get(summary.kind, "day")})
    data["final"] = (("patient", "state"), outcome.finals)
    coordinates: dict[str, object] = {"time": ("time", request.days, {"units": "day"})}
    coordinates["state"] = [state.name for state in model.states]
    if sensitivities:
        data["sensitivity"] = (("patient", "time", "with_respect_to", "output"), outcome.senses)
        coordinates["with_respect_to"] = list(sensitivities)
        coordinates["output"] = [names[column] for column in request.columns]
    meaning = {"flag_values": list(range(len(STATUS))), "flag_meanings": list(STATUS)}
    data["status"] = ("patient", outcome.counts[:, 0], meaning)
    data["status_time"] = ("patient", outcome.reached, {"units": "day"})
    data["status_state"] = ("patient", _state_names(model, outcome.counts[:, 1]))
    data["steps"] = ("patient", outcome.counts[:, 2])
    data["stiff"] = ("patient", outcome.stiff)
    data["rejected"] = ("patient", outcome.counts[:, 3])
    return xr.Dataset(
        data,
        coords=coordinates,
        attrs={
            "model": model.name,
            "model_digest": model.digest,
            "method": control.method,
            "device": device,
            "vector_width": host().width if device == "cpu" else 1,
            "relative_tolerance": control.relative,
            "version": __version__,
        },
    )


def _state_names(model: Model, places: IntArray) -> NDArray[np.str_]:
    return np.array([*(state.name for state in model.states), ""])[places]


def solved(result: xr.Dataset) -> NDArray[np.bool_]:
    """Which patients were solved to the last day; over (patient, …) as `status` is."""
    good: NDArray[np.bool_] = np.isin(result["status"].values, (0, BY_REFERENCE))
    return good


def describe(result: xr.Dataset, patient: int) -> str:
    """What happened to a patient, as a sentence: `ok`, or what went wrong, when and in which state."""
    row = result.isel(patient=patient)
    code = int(row["status"])
    if code in (0, BY_REFERENCE):
        return STATUS[code]
    where = f" in {row['status_state'].item()}" if row["status_state"].item() else ""
    return f"stopped on day {float(row['status_time']):g}: {STATUS[code]}{where}"
