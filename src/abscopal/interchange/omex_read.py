"""An experiment of a COMBINE archive, carried out as its SED-ML says: uniform time courses of SBML models."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.trajectory import Trajectory
from abscopal.equations.symbolic import expression, symbol
from abscopal.interchange.extra import libsbml
from abscopal.interchange.omex_file import OmexFiles
from abscopal.interchange.sbml_math import Formulas
from abscopal.interchange.sbml_read import SbmlModel, read_sbml
from abscopal.interchange.timed import timed
from abscopal.interchange.xml_text import parsed, xml_text
from abscopal.simulation.control import Control
from abscopal.simulation.dataset import names_of, solved
from abscopal.simulation.many import simulate_many
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import require_ok, simulate

FloatArray = NDArray[np.float64]
MOST_STEPS = 1_000_000
_TIME = "urn:sedml:symbol:time"
_TARGET = re.compile(r"\[@id=['\"]([A-Za-z_]\w*)['\"]\](?:/@(\w+))?$")
_CHANGED = {
    "parameter": ("value",), "species": ("initialAmount", "initialConcentration"), "compartment": ("size",),
}  # fmt: skip
_RELATIVE, _ABSOLUTE = "KISAO:0000209", "KISAO:0000211"
_CVODE = "KISAO:0000019"


@dataclass(frozen=True)
class Simulation:
    """A uniform time course.

    Attributes
    ----------
    initial, start, end : float
        First time, and first and last time of output, in the model's own unit.
    steps : int
        Equal steps between the outputs.
    relative, absolute : float
        Tolerances.
    algorithm : str
        KiSAO term that is asked for; ours is used.
    """

    initial: float
    start: float
    end: float
    steps: int
    relative: float
    absolute: float
    algorithm: str

    @property
    def times(self) -> FloatArray:
        """Times of output, shape (steps + 1,)."""
        return np.linspace(self.start, self.end, self.steps + 1)


@dataclass(frozen=True)
class Variable:
    """A value of a task: an identifier of its model, or time where that is empty."""

    task: str
    target: str


@dataclass(frozen=True)
class Generator:
    """A column: a formula over variables."""

    formula: Any
    variables: dict[str, Variable]


@dataclass(frozen=True)
class Experiment:
    """What an archive says was done.

    Attributes
    ----------
    models : dict of str to SbmlModel
    simulations : dict of str to Simulation
    tasks : dict of str to (str, str)
        Model and simulation of each task.
    reports : dict of str to (dict of str to Generator)
        Columns of each report by their label.
    notes : tuple of str
        What is left out or done in another way.
    results : dict of str to FloatArray
        Columns of a table in the archive with the labels of a report; empty where there is none.
    """

    models: dict[str, SbmlModel]
    simulations: dict[str, Simulation]
    tasks: dict[str, tuple[str, str]]
    reports: dict[str, dict[str, Generator]]
    notes: tuple[str, ...]
    results: dict[str, FloatArray]

    def run(self) -> dict[str, dict[str, FloatArray]]:
        """Columns of each report, by label.

        Raises
        ------
        ConvergenceError
            A model that could not be solved.
        """
        courses = {task: self._course(model, course) for task, (model, course) in self.tasks.items()}
        return {
            name: {label: self._column(one, courses) for label, one in columns.items()}
            for name, columns in self.reports.items()
        }

    def _course(self, model: str, simulation: str) -> Trajectory:
        made, how = self.models[model], self.simulations[simulation]
        ready = timed(made.model)
        if ready is not None and how.initial == 0.0:
            events = [event for event in ready[1] if event.day <= how.end]
            control = Control(relative=how.relative, absolute=how.absolute)
            found = simulate_many(ready[0], events, how.times, side="after", control=control, fallback=0)
            if solved(found)[0]:
                names = tuple(names_of(ready[0]))
                values = np.column_stack([found[name].values[0] for name in names])
                return Trajectory(how.times, values, names, ("1",) * len(names))
        tolerance = Tolerance(relative=how.relative, absolute=how.absolute)
        found_slowly = simulate(made.model, [], how.times, side="after", start=how.initial, tolerance=tolerance)
        return require_ok(found_slowly, "running an experiment of an archive")

    def _column(self, one: Generator, courses: dict[str, Trajectory]) -> FloatArray:
        values = []
        for variable in one.variables.values():
            made, course = self.models[self.tasks[variable.task][0]], courses[variable.task]
            values.append(made.values(course, variable.target) if variable.target else course.t)
        compute: Callable[..., Any] = sp.lambdify([symbol(name) for name in one.variables], one.formula, "numpy")
        length = max((len(column) for column in values), default=1)
        return np.broadcast_to(np.asarray(compute(*values), dtype=float), (length,)).copy()


def read_omex(path: Path) -> Experiment:
    """Read an archive.

    Read are SED-ML Level 1 Versions 1 to 4 with uniform time courses, tasks, changes of attributes of parameters,
    species and compartments, data generators and reports. Plots are left out, with a note.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        An archive too large, damaged or with paths out of it; XML with a document type; parts that do not fit.
    UnsupportedError
        Other simulations, repeated tasks, other changes, models that are not SBML core, by name.
    """
    files = OmexFiles(path)
    found = files.of_format("sed-ml") or [name for name in files.files if name.endswith(".sedml")]
    if not found:
        raise _wrong("no SED-ML file", "an archive with an experiment")
    return _Reader(files, found[0]).read()


class _Reader:
    def __init__(self, files: OmexFiles, name: str) -> None:
        self.files, self.name = files, name
        doing = f"reading {name}"
        self.root = parsed(xml_text(files.files[name], doing), doing)
        self.notes: list[str] = []
        if _local(self.root) != "sedML" or not self.root.tag.startswith("{http://sed-ml.org"):
            raise _wrong(f"a root {self.root.tag[:80]!r} in {name}", "a sedML document")

    def read(self) -> Experiment:
        self.generators = {self._id(one): one for one in self._list("listOfDataGenerators")}
        models = {self._id(one): self._model(one) for one in self._list("listOfModels")}
        simulations = {self._id(one): self._simulation(one) for one in self._list("listOfSimulations")}
        tasks = {self._id(one): self._task(one, models, simulations) for one in self._list("listOfTasks")}
        self.tasks = tasks
        reports: dict[str, dict[str, Generator]] = {}
        for output in self._list("listOfOutputs"):
            if _local(output) != "report":
                self.notes.append(f"the {_local(output)} {self._id(output)!r} is not drawn")
                continue
            reports[self._id(output)] = {
                one.get("label") or one.get("id") or f"column {k}": self._generator(one.get("dataReference", ""))
                for k, one in enumerate(_deep(output, "dataSet"), start=1)
            }
        if not reports:
            raise _wrong(f"no report in {self.name}", "an experiment with a report")
        return Experiment(models, simulations, tasks, reports, tuple(self.notes), self._results(reports))

    # parts

    def _list(self, name: str) -> list[ET.Element]:
        return [part for one in self.root if _local(one) == name for part in one]

    def _id(self, one: ET.Element) -> str:
        if not (name := one.get("id", "")):
            raise _wrong(f"a {_local(one)} without id in {self.name}", "an id for every part")
        return name

    def _model(self, one: ET.Element) -> SbmlModel:
        language = one.get("language", "")
        if "sbml" not in language.lower():
            raise self._unsupported(one, f"the language {language[:80]!r}", "SBML")
        place = self.files.resolve(one.get("source", ""), self.name)
        text = xml_text(self.files.files[place], f"reading {place}")
        changes = [part for part in _deep(one, None) if _local(part) in _CHANGES]
        return read_sbml(self._changed(text, place, changes) if changes else text)

    def _changed(self, text: str, place: str, changes: list[ET.Element]) -> str:
        parsed(text, f"reading {place}", keep=False)
        document = libsbml().readSBMLFromString(text)
        source = document.getModel()
        for change in changes:
            if _local(change) != "changeAttribute":
                raise self._unsupported(change, f"a {_local(change)}", "changes of attributes")
            target = _TARGET.search(change.get("target", ""))
            element: Any = source.getElementBySId(target[1]) if source is not None and target else None
            kind = "" if element is None else element.getElementName()
            if target is None or target[2] not in _CHANGED.get(kind, ()):
                raise self._unsupported(
                    change, f"the target {change.get('target', '')[:120]!r}",
                    "the value of a parameter, start of a species or size of a compartment of the model",
                )  # fmt: skip
            if kind == "species":
                element.unsetInitialAmount()
                element.unsetInitialConcentration()
            attribute = str(target[2])
            getattr(element, f"set{attribute[0].upper()}{attribute[1:]}")(self._number(change, "newValue"))
        return str(libsbml().writeSBMLToString(document))

    def _simulation(self, one: ET.Element) -> Simulation:
        if _local(one) != "uniformTimeCourse":
            raise self._unsupported(one, f"a {_local(one)}", "uniform time courses")
        steps = self._number(one, "numberOfSteps" if one.get("numberOfSteps") else "numberOfPoints")
        times = [self._number(one, name) for name in ("initialTime", "outputStartTime", "outputEndTime")]
        if not (1 <= steps <= MOST_STEPS and steps == int(steps) and times[0] <= times[1] < times[2]):
            raise _wrong(
                f"times {times} in {steps:g} steps in {self.name}", f"ascending times, 1 to {MOST_STEPS} steps"
            )
        algorithm = next((part.get("kisaoID", "") for part in one if _local(part) == "algorithm"), "")
        settings = {part.get("kisaoID", ""): part for part in _deep(one, "algorithmParameter")}
        relative, absolute = (
            min(max(self._number(settings[key], "value"), 1e-12), 1e-3) if key in settings else default
            for key, default in ((_RELATIVE, 1e-8), (_ABSOLUTE, 1e-10))
        )
        if algorithm and algorithm != _CVODE:
            self.notes.append(f"the algorithm {algorithm} is replaced by this package's solvers")
        return Simulation(times[0], times[1], times[2], int(steps), relative, absolute, algorithm)

    def _task(
        self, one: ET.Element, models: dict[str, SbmlModel], simulations: dict[str, Simulation]
    ) -> tuple[str, str]:
        if _local(one) != "task":
            raise self._unsupported(one, f"a {_local(one)}", "single tasks")
        model, simulation = one.get("modelReference", ""), one.get("simulationReference", "")
        if model not in models or simulation not in simulations:
            raise _wrong(
                f"the task {one.get('id')!r} of {model!r} and {simulation!r}", "a model and simulation of the file"
            )
        return model, simulation

    def _generator(self, reference: str) -> Generator:
        if reference not in self.generators:
            raise _wrong(f"the data generator {reference[:80]!r}", " or ".join(self.generators) or "a data generator")
        one = self.generators[reference]
        variables = {self._id(part): self._variable(part) for part in _deep(one, "variable")}
        numbers = {self._id(part): self._number(part, "value") for part in _deep(one, "parameter")}
        known = {name: symbol(name) for name in variables} | {
            name: expression(value) for name, value in numbers.items()
        }
        math = next(iter(_deep(one, "math")), None)
        node = None if math is None else libsbml().readMathMLFromString(ET.tostring(math, encoding="unicode"))
        return Generator(Formulas(known, self._no_delay)(node, f"the dataGenerator {reference!r}"), variables)

    def _variable(self, one: ET.Element) -> Variable:
        task = one.get("taskReference", "")
        if task not in self.tasks:
            raise _wrong(
                f"the variable {one.get('id')!r} of the task {task[:80]!r}", " or ".join(self.tasks) or "a task"
            )
        if one.get("symbol") == _TIME:
            return Variable(task, "")
        target = _TARGET.search(one.get("target", ""))
        if target is None or target[2]:
            found = one.get("symbol") or one.get("target") or ""
            raise self._unsupported(one, f"the target {found[:120]!r}", "time, or an element of the model by its id")
        return Variable(task, str(target[1]))

    def _no_delay(self, *_: Any) -> Any:
        raise UnsupportedError(
            doing=f"reading {self.name}", found="a delay in a data generator", expected="values of the same time",
            try_="a report without it",
        )  # fmt: skip

    def _number(self, one: ET.Element, name: str) -> float:
        try:
            value = float(one.get(name, ""))
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise _wrong(f"{name} = {one.get(name, '')[:40]!r} of the {_local(one)} {one.get('id', '')!r}", "a number")
        return value

    def _unsupported(self, one: ET.Element, found: str, expected: str) -> UnsupportedError:
        return UnsupportedError(
            doing=f"reading the {_local(one)} {one.get('id', '')!r} of {self.name}", found=found, expected=expected,
            try_="docs/interchange.md, which lists what is read",
        )  # fmt: skip

    def _results(self, reports: dict[str, dict[str, Generator]]) -> dict[str, FloatArray]:
        """A table of the archive with exactly the columns of a report."""
        wanted = [set(columns) for columns in reports.values()]
        for name, content in self.files.files.items():
            if not name.endswith(".csv"):
                continue
            rows = list(csv.reader(content.decode("utf-8", "replace").splitlines()))
            if rows and set(rows[0]) in wanted:
                try:
                    table = np.array(rows[1:], dtype=float)
                except ValueError:
                    continue
                return {label: table[:, k] for k, label in enumerate(rows[0])} if table.ndim == 2 else {}
        return {}


_CHANGES = ("changeAttribute", "computeChange", "changeXML", "addXML", "removeXML")


def largest_difference(found: dict[str, FloatArray], stored: dict[str, FloatArray]) -> float:
    """Largest difference of two tables of the same columns, each relative to its column's largest value."""
    if any(found[label].shape != column.shape for label, column in stored.items()):
        return float("inf")
    scales = {label: float(np.abs(column).max(initial=0.0)) or 1.0 for label, column in stored.items()}
    return max(
        float(np.abs(found[label] - column).max(initial=0.0)) / scales[label] for label, column in stored.items()
    )


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _deep(element: ET.Element, name: str | None) -> list[ET.Element]:
    return [part for part in element.iter() if part is not element and name in (None, _local(part))]


def _wrong(found: str, expected: str) -> InputError:
    return InputError(
        doing="reading the experiment of a COMBINE archive", found=found, expected=expected,
        try_="docs/interchange.md, which lists what is read",
    )  # fmt: skip
