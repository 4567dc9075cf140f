"""An experiment as a COMBINE archive: the model in SBML, what was done in SED-ML, the results and a figure of them."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.equations.model import Model
from abscopal.interchange.sbml_write import write_sbml
from abscopal.simulation.dataset import describe, names_of, solved
from abscopal.simulation.events import Event
from abscopal.simulation.inputs import checked_names
from abscopal.simulation.many import simulate_many

if TYPE_CHECKING:
    import xarray as xr

_SEDML = "http://sed-ml.org/sed-ml/level1/version4"
_SBML = "http://www.sbml.org/sbml/level3/version2/core"
_MATHML = "http://www.w3.org/1998/Math/MathML"
_MANIFEST = "http://identifiers.org/combine.specifications/omex-manifest"
_FORMATS = {
    ".": "http://identifiers.org/combine.specifications/omex",
    "./manifest.xml": _MANIFEST,
    "./model.xml": "http://identifiers.org/combine.specifications/sbml.level-3.version-2",
    "./experiment.sedml": "http://identifiers.org/combine.specifications/sed-ml.level-1.version-4",
    "./results.csv": "http://purl.org/NET/mediatypes/text/csv",
    "./figure.svg": "http://purl.org/NET/mediatypes/image/svg+xml",
}
_MASTER = "./experiment.sedml"
_CVODE, _RELATIVE, _ABSOLUTE = "KISAO:0000019", "KISAO:0000209", "KISAO:0000211"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every file, so that the same experiment is the same bytes."""


def write_omex(
    path: Path,
    model: Model,
    course: Regimen | Sequence[Event],
    until: float,
    *,
    steps: int = 200,
    outputs: Sequence[str] = (),
) -> Path:
    """Write an archive that another program can run again, with our results beside it.

    Parameters
    ----------
    path : Path
        Ending in `.omex`.
    model : Model
        One that kernels solve and SBML can hold.
    course : Regimen or sequence of Event
    until : float
        Last day. [day]
    steps : int
        Equal steps from day 0.
    outputs : sequence of str
        States and quantities to report and draw; all states unless given.

    Raises
    ------
    InputError
        Another ending, no step, an unknown output, a course that is not solved to the last day.
    UnsupportedError
        As `write_sbml`.
    """
    if path.suffix != ".omex" or steps < 1 or not 0 < until < float("inf"):
        raise InputError(
            doing="writing a COMBINE archive",
            found=f"{path.name!r}, {steps} steps until day {until:g}",
            expected="a name ending in .omex, one step or more, a day after the first",
            try_=f"{path.stem}.omex",
        )
    names = list(outputs) or [state.name for state in model.states]
    checked_names(model, names, names_of(model), "reporting an output")
    days = np.linspace(0.0, until, steps + 1)
    result = simulate_many(model, course, days, outputs=names, side="after", fallback=0)
    if not solved(result)[0]:
        raise InputError(
            doing="running the experiment of an archive", found=describe(result, 0),
            expected="a solution to the last day", try_="an earlier last day",
        )  # fmt: skip
    content = {
        "./manifest.xml": _manifest(),
        "./model.xml": write_sbml(model, course, horizon=until),
        "./experiment.sedml": _experiment(until, steps, names),
        "./results.csv": _table(result, names),
        "./figure.svg": _figure(result, names),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name.removeprefix("./"), _EPOCH), text, zipfile.ZIP_DEFLATED)
    return path


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _manifest() -> str:
    root = ET.Element("omexManifest", xmlns=_MANIFEST)
    for place, kind in _FORMATS.items():
        entry = ET.SubElement(root, "content", location=place, format=kind)
        if place == _MASTER:
            entry.set("master", "true")
    return _text(root)


def _experiment(until: float, steps: int, names: Sequence[str]) -> str:
    """SED-ML Level 1 Version 4: one uniform time course, a report and a plot of every output."""
    root = ET.Element("sedML", {"xmlns": _SEDML, "xmlns:sbml": _SBML, "level": "1", "version": "4"})
    models = ET.SubElement(root, "listOfModels")
    ET.SubElement(models, "model", id="model", language="urn:sedml:language:sbml.level-3.version-2", source="model.xml")
    simulations = ET.SubElement(root, "listOfSimulations")
    course = ET.SubElement(
        simulations, "uniformTimeCourse", id="course", initialTime="0", outputStartTime="0",
        outputEndTime=repr(float(until)), numberOfSteps=str(steps),
    )  # fmt: skip
    algorithm = ET.SubElement(course, "algorithm", kisaoID=_CVODE)
    settings = ET.SubElement(algorithm, "listOfAlgorithmParameters")
    for kisao, value in ((_RELATIVE, "1e-8"), (_ABSOLUTE, "1e-12")):
        ET.SubElement(settings, "algorithmParameter", kisaoID=kisao, value=value)
    tasks = ET.SubElement(root, "listOfTasks")
    ET.SubElement(tasks, "task", id="task", modelReference="model", simulationReference="course")
    generators = ET.SubElement(root, "listOfDataGenerators")
    _generator(generators, "time", {"symbol": "urn:sedml:symbol:time"})
    for name in names:
        place = f"/sbml:sbml/sbml:model/sbml:listOfParameters/sbml:parameter[@id='{name}']"
        _generator(generators, name, {"target": place})
    outputs = ET.SubElement(root, "listOfOutputs")
    report = ET.SubElement(outputs, "report", id="report", name="results.csv")
    sets = ET.SubElement(report, "listOfDataSets")
    for name in ("time", *names):
        ET.SubElement(sets, "dataSet", id=f"set_{name}", label=name, dataReference=f"data_{name}")
    plot = ET.SubElement(outputs, "plot2D", id="plot", name="figure.svg")
    curves = ET.SubElement(plot, "listOfCurves")
    for name in names:
        ET.SubElement(curves, "curve", id=f"curve_{name}", xDataReference="data_time", yDataReference=f"data_{name}")
    return _text(root)


def _generator(generators: ET.Element, name: str, source: dict[str, str]) -> None:
    made = ET.SubElement(generators, "dataGenerator", id=f"data_{name}", name=name)
    variables = ET.SubElement(made, "listOfVariables")
    ET.SubElement(variables, "variable", {"id": f"variable_{name}", "taskReference": "task"} | source)
    math = ET.SubElement(made, "math", xmlns=_MATHML)
    ET.SubElement(math, "ci").text = f"variable_{name}"


def _table(result: "xr.Dataset", names: Sequence[str]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["time", *names])
    columns = [result["time"].values.tolist(), *(result[name].values[0].tolist() for name in names)]
    rows.writerows(map(repr, row) for row in zip(*columns, strict=True))
    return text.getvalue()


def _figure(result: "xr.Dataset", names: Sequence[str]) -> str:
    """One panel per output, with its unit, and the same bytes for the same curves."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    across = min(len(names), 4)
    down = -(-len(names) // across)
    figure = Figure(figsize=(2.6 * across, 2.0 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        panel.plot(result["time"].values, result[name].values[0], color="#1f5fa8", linewidth=1.2)
        panel.set_title(f"{name} [{result[name].attrs['units']}]", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.set_xlabel("day", fontsize=7)
    for panel in panels[len(names) :]:
        panel.axis("off")
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "abscopal"}):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata={"Date": None})
    return text.getvalue()
