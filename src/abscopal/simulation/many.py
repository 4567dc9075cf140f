"""Many patients in one call: parameters, initial states and regimens of their own, one compiled kernel."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.progress import track
from abscopal.equations.model import Model
from abscopal.simulation.control import Control
from abscopal.simulation.courses import Courses, EventTable, event_table, number_of_courses
from abscopal.simulation.dataset import Outcome, Request, columns_of, names_of, to_dataset
from abscopal.simulation.explicit import STABLE
from abscopal.simulation.fallback import solve_again, solve_one_by_one
from abscopal.simulation.inputs import (
    Values,
    by_name,
    checked_names,
    initial_matrix,
    number_of_patients,
    parameter_matrix,
    rows_of,
)
from abscopal.simulation.kernels.compile import Kernel, Variant
from abscopal.simulation.kernels.gpu import GpuKernel, require_gpu, why_no_gpu
from abscopal.simulation.kernels.layout import COUNTS, SUMMARIES, Method
from abscopal.simulation.kernels.store import kernel_for
from abscopal.simulation.kernels.target import host, nvidia
from abscopal.simulation.summaries import Summary, Watch, watch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Device = Literal["auto", "cpu", "gpu"]
_CHUNK = 512
_GPU_BLOCK = 65536


def simulate_many(
    model: Model,
    courses: Courses,
    times: ArrayLike,
    *,
    parameters: Values = None,
    initial: Values = None,
    outputs: Literal["all", "states"] | Sequence[str] = "all",
    summaries: Sequence[Summary] = (),
    sensitivities: Sequence[str] = (),
    fraction_arguments: Mapping[str, float] | None = None,
    start: float = 0.0,
    horizon: float | None = None,
    side: Literal["before", "after"] = "before",
    control: Control | None = None,
    device: Device = "auto",
    threads: int | None = None,
    fallback: int = 100,
) -> xr.Dataset:
    """The courses of many patients, each solved with its own steps by a compiled kernel.

    A model with delays or conditions has no kernel: its patients are solved one by one by the reference solver.

    Results do not depend on the order of the patients, on their company or on the number of threads: each
    patient's numbers are the same to the last bit.

    Parameters
    ----------
    model : Model
    courses : Regimen, sequence of Event, or a sequence of n of these
        One course for all, or one per patient.
    times : array, shape (n_t,)
        Ascending days to report; the last ends the run. [day]
    parameters : mapping, DataFrame, or array of shape (n, n_parameters), optional
        Values that replace the model's defaults, each one number or one per patient.
    initial : mapping, DataFrame, or array of shape (n, n_states), optional
        Values that replace the model's own initial states.
    outputs : {"all", "states"} or sequence of str
        What to report at `times`: states and quantities, states, those named, or nothing with `()`.
    summaries : sequence of Summary
        Numbers kept over the whole run in place of trajectories; 10⁵ patients then fit in a gigabyte.
    sensitivities : sequence of str
        Parameters, and states for their initial values, by which every output is differentiated at `times`:
        `sensitivity` over (patient, time, with_respect_to, output). Solved by the Rosenbrock method, jumps included.
    start, horizon : float
        First day, and the day no event may come after; by default the last of `times`, where the run ends. [day]
    side : {"before", "after"}
        Which value to report on a day that has an impulse.
    control : Control, optional
        Tolerances.
    device : {"auto", "cpu", "gpu"}
        Where patients are solved. `auto` takes a graphics processor where CuPy finds one, but not for
        sensitivities, whose memory per patient is too large to choose it unasked.
    threads : int, optional
        All processors this process may use unless given.
    fallback : int
        Patients at most that the SciPy reference solves again where the kernel gave up; it takes a tenth of a
        second or more for each, and does not apply to summaries or given initial states.

    Returns
    -------
    Dataset
        Variables by name over (patient, time), summaries over (patient,), the states at the end as `final`
        over (patient, state), and `status`, `status_time` [day], `status_state`, `steps`, `rejected` and `stiff`
        over (patient,). Status 0 is ok; the others are in its attributes. Values a patient did not reach are NaN.

    Raises
    ------
    InputError
        Times that do not ascend from `start`; inputs for different numbers of patients; an unknown name; an
        event outside the simulated time.
    ModelError
        A parameter that is missing, not finite or below its minimum, naming the patient.
    UnsupportedError
        `device="gpu"` where there is none.
    """
    by_kernel = bool(model.states) and not model.needs_history
    if not by_kernel:
        _refuse_without_kernel(model, summaries, sensitivities)
    days = _checked_times(times, start)
    parameters, initial = by_name(parameters), by_name(initial)
    n = number_of_patients(
        {
            "the courses": number_of_courses(courses),
            "the parameters": rows_of(parameters),
            "the initial states": rows_of(initial),
            "the thresholds": thresholds_of(summaries),
        }
    )
    control = control or Control()
    end = float(days[-1]) if horizon is None else horizon
    checked_names(model, [summary.name for summary in summaries], names_of(model), "summarising a quantity")
    work = Work(
        model=model,
        events=event_table(model, courses, n, start, end, fraction_arguments=fraction_arguments),
        request=Request(days, columns_of(model, outputs), start, side),
        parameters=parameter_matrix(model, parameters, n),
        initial=initial_matrix(model, initial, n),
        watch=watch(summaries, n),
        control=control,
        sensitivities=_directions(model, sensitivities),
        device=device_for(device, sensitivities) if by_kernel else "cpu",
    )
    if not by_kernel:
        outcome = work.empty()
        solve_one_by_one(model, work.events, work.parameters, work.initial, work.request, control, outcome)
        return to_dataset(model, work.request, work.watch, control, outcome)
    outcome = work.solve(threads or available_processors())
    if not summaries and not sensitivities and initial is None:
        solve_again(model, work.events, work.parameters, work.request, control, outcome, fallback)
    return to_dataset(model, work.request, work.watch, control, outcome, work.sensitivities, work.device)


def _refuse_without_kernel(model: Model, summaries: Sequence[Summary], sensitivities: Sequence[str]) -> None:
    """Without a kernel there is no summary and no sensitivity."""
    if not (summaries or sensitivities):
        return
    what = [f"a value of the past, {delay.name}" for delay in model.delays]
    what += [f"a condition, that of {c.impulse}" for c in model.conditions]
    raise UnsupportedError(
        doing=f"compiling the model {model.name!r} for {'summaries' if summaries else 'sensitivities'}",
        found=[*what, "no states"][0],
        expected="ordinary differential and difference equations with impulses at known times",
        try_="outputs at chosen days, or a transit chain for a delay",
    )


def device_for(asked: Device, sensitivities: Sequence[str] = ()) -> Literal["cpu", "gpu"]:
    """Where to solve: what was asked for, or a graphics processor where one is found.

    Raises
    ------
    UnsupportedError
        A graphics processor asked for where there is none.
    """
    if asked == "gpu":
        require_gpu()
    return "gpu" if asked == "gpu" or (asked == "auto" and not sensitivities and not why_no_gpu()) else "cpu"


def available_processors() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _directions(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    known = [piece.name for piece in (*model.parameters, *model.states)]
    checked_names(model, names, known, "differentiating a solution")
    return tuple(names)


def thresholds_of(summaries: Sequence[Summary]) -> int | None:
    """How many patients the thresholds are for; None if they are the same for all."""
    return next((len(np.asarray(s.threshold)) for s in summaries if np.ndim(s.threshold) == 1), None)  # type: ignore[arg-type]


def _checked_times(times: ArrayLike, start: float) -> FloatArray:
    days = np.ascontiguousarray(np.atleast_1d(np.asarray(times, dtype=np.float64)))
    if days.ndim == 1 and days.size and np.isfinite(days).all() and days[0] >= start and (np.diff(days) > 0).all():
        return days
    raise InputError(
        doing="choosing the days to report",
        found="no day" if not days.size else "days that are not finite, not ascending, or before the start",
        expected=f"at least one finite day, each once and ascending, none before day {start:g}",
        try_="sorting the days",
    )


@dataclass(frozen=True)
class Work:
    """Everything a kernel needs to solve a set of patients."""

    model: Model
    events: EventTable
    request: Request
    parameters: FloatArray
    initial: FloatArray | None
    watch: Watch
    control: Control
    sensitivities: tuple[str, ...] = ()
    device: Literal["cpu", "gpu"] = "cpu"

    def solve(self, threads: int) -> Outcome:
        """Solve every patient, by the explicit method first unless the control says otherwise."""
        n = len(self.parameters)
        method = "rosenbrock" if self.sensitivities else self.control.method
        outcome = self.empty()
        outcome.stiff[:] = method == "rosenbrock"
        order = np.arange(n)
        if method != "rosenbrock":
            self._solve(order, "explicit", outcome, threads)
            order = np.flatnonzero(outcome.counts[:, 0]) if method == "auto" else order[:0]
            outcome.stiff[order] = True
        if len(order):
            self._solve(order, "rosenbrock", outcome, threads)
        self._blank(outcome)
        return outcome

    def empty(self) -> Outcome:
        """Room for the results of every patient."""
        n = len(self.parameters)
        return Outcome(
            rows=np.empty((n, len(self.request.days), len(self.request.columns))),
            finals=np.empty((n, len(self.model.states))),
            kept=np.full((n, len(self.watch.observed), len(SUMMARIES)), np.nan),
            counts=np.zeros((n, len(COUNTS)), dtype=np.int64),
            reached=np.zeros(n),
            stiff=np.zeros(n, dtype=np.bool_),
            senses=np.empty((n, len(self.request.days), len(self.sensitivities), len(self.request.columns))),
        )

    def _blank(self, outcome: Outcome) -> None:
        """What a patient who failed did not reach is NaN; the kernel never wrote it."""
        failed = np.flatnonzero(outcome.counts[:, 0])
        late = self.request.days > outcome.reached[failed, None]
        for values in (outcome.rows, outcome.senses):
            values[failed] = np.where(late.reshape(*late.shape, *(1,) * (values.ndim - 2)), np.nan, values[failed])
        outcome.kept[failed] = np.nan

    def _solve(self, order: IntArray, method: Method, outcome: Outcome, threads: int) -> None:
        """Solve some of the patients."""
        variant = Variant(self.watch.observed, method, self.sensitivities)
        kernel = kernel_for(self.model, variant, nvidia() if self.device == "gpu" else host())
        if isinstance(kernel, GpuKernel):
            self._on_gpu(kernel, order, outcome)
        else:
            self._on_threads(kernel, order, outcome, threads)

    def _on_threads(self, kernel: Kernel, order: IntArray, outcome: Outcome, threads: int) -> None:
        """Chunks of patients over threads; a kernel releases the interpreter lock."""
        n, width = len(order), kernel.shape.width
        arrays = self._arrays(order, outcome)
        addresses = {name: array.ctypes.data for name, array in arrays.items()} | self._counts()
        size = max(width, min(_CHUNK, -(-n // threads)))
        edges = [*range(0, n, size), n]
        jobs = [addresses | {"next": first, "last": last} for first, last in pairwise(edges)]
        if threads == 1 or len(jobs) == 1:
            for job in track(jobs, "solving patients"):
                kernel(job)
        else:
            with ThreadPoolExecutor(min(threads, len(jobs))) as pool:
                for _ in track(pool.map(kernel, jobs), "solving patients", len(jobs)):
                    pass

    def _on_gpu(self, kernel: GpuKernel, order: IntArray, outcome: Outcome) -> None:
        """Blocks of patients that fit a device's memory, each copied there and back."""
        blocks = [order[first : first + _GPU_BLOCK] for first in range(0, len(order), _GPU_BLOCK)]
        for chosen in track(blocks, "solving patients"):
            part = outcome.take(chosen)
            arrays = self._part(chosen)._arrays(np.arange(len(chosen)), part)
            kernel(arrays, self._counts() | {"next": 0, "last": len(chosen)})
            outcome.put(chosen, part)

    def _part(self, chosen: IntArray) -> "Work":
        """Some of the patients."""
        return replace(
            self,
            events=self.events.rows(chosen),
            parameters=np.ascontiguousarray(self.parameters[chosen]),
            initial=None if self.initial is None else np.ascontiguousarray(self.initial[chosen]),
            watch=self.watch.rows(chosen),
        )

    def _counts(self) -> dict[str, int]:
        """The job's slots that hold numbers."""
        columns = self.request.columns
        return {
            "n_times": len(self.request.days),
            "n_columns": len(columns),
            "any_quantity": int((columns >= len(self.model.states)).any()),
        }

    def _arrays(self, order: IntArray, outcome: Outcome) -> dict[str, NDArray[Any]]:
        """The job's slots that hold arrays; they must stay alive while it runs."""
        c, request = self.control, self.request
        stable = STABLE if c.method == "auto" else np.inf
        after = float(request.side == "after")
        options = np.array([c.relative, c.floor, c.negative, c.first_step, c.max_steps, request.start, after, stable])
        given = {} if self.initial is None else {"initial": self.initial}
        return given | {
            "order": order,
            "parameters": self.parameters,
            "event_begin": self.events.begin,
            "event_end": self.events.end,
            "event_time": self.events.day,
            "event_kind": self.events.kind,
            "event_arguments": self.events.arguments,
            "times": request.days,
            "columns": request.columns,
            "rows": outcome.rows,
            "finals": outcome.finals,
            "summaries": outcome.kept,
            "thresholds": self.watch.levels,
            "senses": outcome.senses,
            "counts": outcome.counts,
            "facts": outcome.reached,
            "options": options,
            "absolute": c.absolute_vector(self.model),
            "lower": np.array([-np.inf if s.lower is None else s.lower for s in self.model.states]),
        }
