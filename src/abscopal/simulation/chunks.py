"""A population cut into chunks of patients, each solved by one function wherever that runs.

A patient's numbers do not depend on company, order or threads (see `simulate_many`), so no choice of chunks or
workers can change a bit of the result.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from abscopal.domain.progress import report_to
from abscopal.domain.regimen import Regimen
from abscopal.domain.version import __version__
from abscopal.equations.model import Model
from abscopal.simulation.control import Control
from abscopal.simulation.courses import Course, Courses, number_of_courses
from abscopal.simulation.kernels.gpu import gpu_name
from abscopal.simulation.kernels.target import host
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary

FloatArray = NDArray[np.float64]
_SOLVER = ("events", "explicit", "fallback", "many", "reference", "rosenbrock", "solve", "windows")
CHUNK = 4096
"""Patients per chunk unless the caller chooses."""


@dataclass(frozen=True)
class Run:
    """What all patients share.

    Attributes
    ----------
    arms : tuple of str
        One course per patient and arm; a single arm called "" adds no dimension to the result.
    reference : bool
        Whether SciPy solves again what the kernel gave up.
    """

    model: Model
    days: FloatArray
    outputs: Literal["all", "states"] | tuple[str, ...]
    summaries: tuple[Summary, ...]
    sensitivities: tuple[str, ...]
    fraction_arguments: dict[str, float]
    start: float
    horizon: float | None
    side: Literal["before", "after"]
    control: Control
    arms: tuple[str, ...]
    reference: bool
    device: Literal["cpu", "gpu"] = "cpu"


@dataclass(frozen=True)
class Patients:
    """What each patient has of their own.

    Attributes
    ----------
    n : int
    parameters, initial : mapping of str to array of shape (n,)
    courses : tuple, one per arm
        One course for all, or one for each.
    thresholds : tuple, one per summary
        Array of shape (n,) or None.
    """

    n: int
    parameters: dict[str, FloatArray]
    initial: dict[str, FloatArray]
    courses: tuple[Courses, ...]
    thresholds: tuple[FloatArray | None, ...]

    def part(self, first: int, last: int) -> "Patients":
        """Some of the patients."""
        return Patients(
            last - first,
            {name: values[first:last].copy() for name, values in self.parameters.items()},
            {name: values[first:last].copy() for name, values in self.initial.items()},
            tuple(_some(courses, first, last) for courses in self.courses),
            tuple(None if values is None else values[first:last].copy() for values in self.thresholds),
        )


def _some(courses: Courses, first: int, last: int) -> Courses:
    if number_of_courses(courses) is None:
        return courses
    own: Any = courses
    return list(own[first:last])


def chunk_edges(n: int, size: int) -> list[tuple[int, int]]:
    """First patient of each chunk and one past its last; the same for any number of workers."""
    return list(pairwise([*range(0, n, size), n]))


def solve_chunk(run: Run, patients: Patients, threads: int, *, quiet: bool = True) -> xr.Dataset:
    """The result of some patients: dimensions `patient`, `arm` where there are arms, and those of `simulate_many`."""
    summaries = [
        summary if own is None else replace(summary, threshold=own)
        for summary, own in zip(run.summaries, patients.thresholds, strict=True)
    ]
    results = [_solve_arm(run, patients, courses, summaries, threads, quiet=quiet) for courses in patients.courses]
    if run.arms == ("",):
        return results[0]
    return _stacked(results, run.arms)


def _solve_arm(
    run: Run, patients: Patients, courses: Courses, summaries: Sequence[Summary], threads: int, *, quiet: bool
) -> xr.Dataset:
    def solve() -> xr.Dataset:
        return simulate_many(
            run.model,
            courses,
            run.days,
            parameters=patients.parameters,
            initial=patients.initial or None,
            outputs=run.outputs,
            summaries=summaries,
            sensitivities=run.sensitivities,
            fraction_arguments=run.fraction_arguments,
            start=run.start,
            horizon=run.horizon,
            side=run.side,
            control=run.control,
            device=run.device,
            threads=threads,
            fallback=patients.n if run.reference else 0,  # a limit on the number would depend on the chunks
        )

    if not quiet:
        return solve()
    with report_to(lambda _what, _done, _total: None):  # progress is told by chunk
        return solve()


def _stacked(results: Sequence[xr.Dataset], arms: tuple[str, ...]) -> xr.Dataset:
    first = results[0]
    data = {
        name: (
            ("patient", "arm", *first[name].dims[1:]),
            np.stack([result[name].values for result in results], axis=1),
            first[name].attrs,
        )
        for name in first.data_vars
    }
    return xr.Dataset(data, coords={**first.coords, "arm": list(arms)}, attrs=first.attrs)


def device_name(device: Literal["cpu", "gpu"] = "cpu") -> str:
    """The kind of processor that solves patients here; results are bit-equal on the same kind."""
    if device == "gpu":
        return f"gpu {gpu_name()}"
    target = host()
    features = hashlib.sha256(target.features.encode()).hexdigest()[:8]
    return f"{target.triple} {target.cpu} width {target.width} features {features}"


def identity(run: Run, patients: Patients, population_sha256: str, seed: int | None) -> dict[str, Any]:
    """What a stored result depends on, part by part: a digest each, or the value where it is short."""
    thresholds = [None if own is None else _sha256(own.tobytes()) for own in patients.thresholds]
    return {
        "model": run.model.digest,
        "parameters": _digest([parameters_digest(run.model), _each(patients.parameters)]),
        "population": population_sha256,
        "seed": seed,
        "patients": patients.n,
        "initial states": _digest(_each(patients.initial)),
        "regimens": _digest([run.arms, [_courses_text(courses) for courses in patients.courses]]),
        "fraction arguments": run.fraction_arguments,
        "days": _digest([run.start, run.horizon, run.side, run.days.tolist()]),
        "outputs": run.outputs if isinstance(run.outputs, str) else list(run.outputs),
        "sensitivities": list(run.sensitivities),
        "summaries": _digest([[_plain(summary) for summary in run.summaries], thresholds]),
        "error control": _digest([_plain(run.control), run.reference]),
        "solver": f"abscopal {__version__}, {_solver_digest()}",
        "device": device_name(run.device),
    }


@cache
def _solver_digest() -> str:
    """sha256 of the code that makes and runs kernels: another version of it may give other last digits."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for source in (*sorted((folder / "kernels").glob("*.py")), *(folder / f"{name}.py" for name in _SOLVER)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def parameters_digest(model: Model) -> str:
    """sha256 of the model's own parameter values."""
    return _digest([[parameter.name, parameter.value] for parameter in model.parameters])


def _each(arrays: Mapping[str, FloatArray]) -> dict[str, str]:
    return {name: _sha256(values.tobytes()) for name, values in arrays.items()}


def _plain(thing: Any) -> Any:
    return {
        key: dict(value) if isinstance(value, Mapping) else np.asarray(value).tolist() if np.ndim(value) else value
        for key, value in asdict(thing).items()
    }


def _courses_text(courses: Any) -> list[str]:
    if number_of_courses(courses) is None:
        return [_course_text(courses)]
    known: dict[int, str] = {}
    return [known.get(id(course)) or known.setdefault(id(course), _course_text(course)) for course in courses]


def _course_text(course: Course) -> str:
    if isinstance(course, Regimen):
        return course.model_dump_json()
    return json.dumps([[event.day, event.impulse, dict(event.arguments)] for event in course])


def _digest(content: object) -> str:
    return _sha256(json.dumps(content, sort_keys=True, default=float).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def checksum(arrays: Iterator[tuple[str, NDArray[Any]]]) -> bytes:
    """sha256 over named arrays: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
