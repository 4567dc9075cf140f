"""A population under one or several regimens: the same call in one process, on several, and on a cluster."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.manifest import make_manifest
from abscopal.equations.model import Model
from abscopal.simulation.chunk_store import ChunkStore
from abscopal.simulation.chunks import CHUNK, Patients, Run, device_name, identity, parameters_digest, solve_chunk
from abscopal.simulation.cluster import fill_store, packed
from abscopal.simulation.control import Control
from abscopal.simulation.courses import Courses, event_table, number_of_courses
from abscopal.simulation.dataset import names_of
from abscopal.simulation.inputs import Values, initial_matrix, number_of_patients, rows_of
from abscopal.simulation.many import Device, available_processors, device_for
from abscopal.simulation.population import VirtualPopulation
from abscopal.simulation.summaries import Summary

if TYPE_CHECKING:
    from distributed import Client

FloatArray = NDArray[np.float64]
_RESERVED = {
    "sensitivity",
    "output",
    "population",
    "patient",
    "column",
    "arm",
    "time",
    "state",
    "chunk_sha256",
    "chunk_tries",
    "chunk_device",
}
WHAT = "simulating the population"
"""How progress names this work."""


def simulate_population(
    model: Model,
    regimens: Courses | Mapping[str, Courses],
    population: VirtualPopulation,
    times: ArrayLike,
    *,
    outputs: Literal["all", "states"] | Sequence[str] = (),
    summaries: Sequence[Summary] = (),
    sensitivities: Sequence[str] = (),
    initial: Values = None,
    fraction_arguments: Mapping[str, float] | None = None,
    start: float = 0.0,
    horizon: float | None = None,
    side: Literal["before", "after"] = "before",
    control: Control | None = None,
    reference: bool = False,
    device: Device = "auto",
    threads: int | None = None,
    workers: int | None = None,
    cluster: "Client | str | None" = None,
    out: Path | None = None,
    chunk: int | None = None,
    mixed_devices: bool = False,
    command: str = "simulate_population",
) -> xr.Dataset:
    """The courses of a virtual population.

    The result is the same to the last bit with any number of threads, workers and chunks, on processors of one kind.

    Parameters
    ----------
    model : Model
    regimens : Regimen, sequence of Event, a sequence of these per patient, or a mapping of these by arm
        With a mapping every patient goes through every arm, and the result has the dimension `arm`.
    population : VirtualPopulation
        What it does not hold has the model's value.
    times : array, shape (n_t,)
        Days to report, ascending; the last ends the run. [day]
    outputs, summaries, sensitivities, initial, fraction_arguments, start, horizon, side, control
        See `simulate_many`. Nothing is reported at `times` by default.
    reference : bool
        Let SciPy solve again every patient whom the kernel gave up, at a tenth of a second or more each. Does not
        apply with summaries or initial states.
    device : {"auto", "cpu", "gpu"}
        See `simulate_many`; chosen once, here, and the same on every worker.
    threads : int, optional
        In this process; all processors unless given. Workers of a cluster use one thread for a chunk.
    workers : int, optional
        Processes of a local Dask cluster. A script that asks for them needs `if __name__ == "__main__":`.
    cluster : distributed.Client or str, optional
        A Dask cluster, or its scheduler's address. Needs `out`, on a file system that driver and workers share.
    out : Path, optional
        Zarr store that is filled chunk by chunk; the same call again goes on where it stopped. Without it results
        stay in memory.
    chunk : int, optional
        Patients per chunk; 4096, or the store's own.
    mixed_devices : bool
        Accept processors of different kinds; the last digits of their results may differ.
    command : str
        For the manifest.

    Returns
    -------
    Dataset
        That of `simulate_many`, with `patient` as a coordinate, the drawn values as `population` over (patient,
        column), and in the attributes `manifest` and how the population was made, as JSON. From a store it is
        read when used.

    Raises
    ------
    InputError
        Inputs that do not fit; a store made by another calculation, naming what differs; a cluster without `out`.
    ModelError
        A parameter below its minimum, naming the patient.
    ConvergenceError
        A chunk on which several workers died in turn.
    UnsupportedError
        Workers or a store without the extra `cluster`.
    """
    _check_where(workers, cluster, out, chunk)
    arms = dict(regimens) if isinstance(regimens, Mapping) else {"": regimens}
    levels = tuple(_own_threshold(summary) for summary in summaries)
    run = Run(
        model=model,
        days=np.ascontiguousarray(np.atleast_1d(np.asarray(times, dtype=np.float64))),
        outputs=_listed(outputs),
        summaries=tuple(
            s if own is None else replace(s, threshold=None) for s, own in zip(summaries, levels, strict=True)
        ),
        sensitivities=tuple(sensitivities),
        fraction_arguments=dict(fraction_arguments or {}),
        start=start,
        horizon=horizon,
        side=side,
        control=control or Control(),
        arms=tuple(arms),
        reference=reference,
        device=device_for(device, sensitivities),
    )
    patients = _patients(run, tuple(arms.values()), population, initial, levels)
    fixed = _fixed(run, population, command)
    many_threads = threads or available_processors()
    if out is None and not workers and cluster is None:
        return _finished(solve_chunk(run, patients, many_threads, quiet=False), fixed)
    with tempfile.TemporaryDirectory(prefix="abscopal-") as folder:
        store = _store(out or Path(folder) / "result.zarr", run, patients, population, fixed, chunk, mixed_devices)
        blob = packed(run, store, mixed_devices=mixed_devices)
        fill_store(store, blob, patients.part, what=WHAT, threads=many_threads, workers=workers, cluster=cluster)
        result = store.dataset()
        return result if out is not None else result.load()


def _check_where(workers: int | None, cluster: object, out: Path | None, chunk: int | None) -> None:
    doing = "choosing where to simulate a population"
    if workers is not None and (cluster is not None or workers < 1):
        raise InputError(
            doing=doing,
            found=f"{workers} workers" + (" and a cluster" if cluster is not None else ""),
            expected="one or more local workers, or a cluster",
            try_="one of the two",
        )
    if cluster is not None and out is None:
        raise InputError(
            doing=doing,
            found="a cluster, but no place for its results",
            expected="a Zarr store on a file system that the driver and all workers see",
            try_="out=...",
        )
    if chunk is not None and chunk < 1:
        raise InputError(doing=doing, found=f"chunks of {chunk}", expected="1 or more patients", try_="leaving it out")


def _listed(outputs: Literal["all", "states"] | Sequence[str]) -> Literal["all", "states"] | tuple[str, ...]:
    if outputs == "all":
        return "all"
    if outputs == "states":
        return "states"
    return (outputs,) if isinstance(outputs, str) else tuple(outputs)


def _own_threshold(summary: Summary) -> FloatArray | None:
    if summary.threshold is None or not np.ndim(summary.threshold):
        return None
    return np.asarray(summary.threshold, dtype=np.float64)


def _patients(
    run: Run,
    courses: tuple[Courses, ...],
    population: VirtualPopulation,
    initial: Values,
    levels: tuple[FloatArray | None, ...],
) -> Patients:
    """Each patient's own inputs, checked as a whole before anything is computed."""
    if not courses:
        raise InputError(doing="reading the arms", found="none", expected="one or more", try_="Regimen() for no course")
    _check_names(run)
    n = number_of_patients(
        {
            "the population": len(population),
            "the initial states": rows_of(initial),
            **{
                f"the regimens of arm {arm!r}": number_of_courses(own)
                for arm, own in zip(run.arms, courses, strict=True)
            },
            **{
                f"the thresholds of {s.title}": len(own)
                for s, own in zip(run.summaries, levels, strict=True)
                if own is not None
            },
        }
    )
    parameters = population.parameters(run.model)
    _check_minimum(run.model, parameters, population)
    patients = Patients(n, parameters, _initial(run.model, initial, n), courses, levels)
    for own in courses if run.days.size else ():
        end = float(run.days[-1]) if run.horizon is None else run.horizon
        event_table(run.model, own, n, run.start, end, fraction_arguments=run.fraction_arguments)
    return patients


def _check_names(run: Run) -> None:
    named = {summary.title for summary in run.summaries} | set(names_of(run.model))
    taken = sorted(named & _RESERVED)
    if taken:
        raise InputError(
            doing="naming the results of a population",
            found=f"a state, quantity or summary called {taken[0]!r}",
            expected=f"other names than {', '.join(sorted(_RESERVED))}",
            try_="another label",
        )


def _initial(model: Model, initial: Values, n: int) -> dict[str, FloatArray]:
    if initial is None:
        return {}
    matrix = initial_matrix(model, initial, n)
    names = [state.name for state in model.states]
    given = list(initial) if isinstance(initial, Mapping) else names
    return {} if matrix is None else {name: np.ascontiguousarray(matrix[:, names.index(name)]) for name in given}


def _check_minimum(model: Model, values: Mapping[str, FloatArray], population: VirtualPopulation) -> None:
    model.parameter_vector({name: float(own[0]) for name, own in values.items()})
    for parameter in model.parameters:
        own = values.get(parameter.name)
        if own is None or parameter.minimum is None or not (own < parameter.minimum).any():
            continue
        row = int(np.argmax(own < parameter.minimum))
        raise ModelError(
            doing=f"setting the parameter {parameter.name} of patient {population.patients[row]}",
            found=f"{own[row]:g} {parameter.unit}",
            expected=f"at least {parameter.minimum:g}",
            try_="truncating its prior with low=...",
        )


def _fixed(run: Run, population: VirtualPopulation, command: str) -> xr.Dataset:
    """What is known before solving: the patients, and where everything comes from."""
    made = population.provenance
    inputs = {"population": population.digest, "model": run.model.digest}
    inputs |= {"population file": made.file_sha256} if made.file_sha256 else {}
    inputs |= {"population spec": made.spec_sha256} if made.spec_sha256 else {}
    manifest = make_manifest(
        command=command, inputs=inputs, parameters_sha256=parameters_digest(run.model), seed=made.seed
    )
    manifest = manifest.model_copy(update={"device": device_name(run.device)})
    units = [column.unit for column in population.columns]
    return xr.Dataset(
        {"population": (("patient", "column"), population.values, {"units": units})},
        coords={
            "patient": population.patients,
            "column": population.names,
            "time": ("time", run.days, {"units": "day"}),
        },
        attrs={**population.attributes(), "manifest": manifest.model_dump_json()},
    )


def _finished(result: xr.Dataset, fixed: xr.Dataset) -> xr.Dataset:
    merged = result.assign({"population": fixed["population"]}).assign_coords(fixed.coords)
    merged.attrs = {**result.attrs, **fixed.attrs}
    return merged


def _store(
    path: Path,
    run: Run,
    patients: Patients,
    population: VirtualPopulation,
    fixed: xr.Dataset,
    chunk: int | None,
    mixed_devices: bool,
) -> ChunkStore:
    """The store to go on with, or a new one."""
    wanted = identity(run, patients, population.digest, population.provenance.seed)
    if path.exists():
        store = ChunkStore(path)
    else:
        template = solve_chunk(run, patients.part(0, 1), 1)  # also compiles the kernel before workers want it
        fixed = fixed.assign_attrs(template.attrs | fixed.attrs)
        store = ChunkStore.create(path, template, patients.n, chunk or CHUNK, wanted, fixed)
    store.require(wanted, chunk, mixed_devices=mixed_devices)
    return store
