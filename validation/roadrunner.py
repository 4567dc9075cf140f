"""Writes docs/validation/interchange.md: the same SBML files, and an archive, here and in libRoadRunner.

Needs libroadrunner and python-libsedml, which are in benchmarks/requirements.txt. From the repository root:
python -m validation.roadrunner
"""

import csv
import io
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import libsedml
import numpy as np
import roadrunner
from tests.interchange.cases import CASES
from tests.simulation.models import decay, forced_predator, hires, infused, robertson

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.model import diw_model
from abscopal.immune.published.catalogue import published
from abscopal.interchange.omex import write_omex
from abscopal.interchange.sbml_read import read_sbml
from abscopal.interchange.sbml_write import write_sbml
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from abscopal.simulation.windows import Infusion, window_events

TARGET = Path(__file__).resolve().parents[1] / "docs" / "validation" / "interchange.md"
ALLOWED = 1e-5
HEAD = """# SBML beside libRoadRunner

The same file read and solved here (`read_sbml`, `simulate` at relative tolerance 1e-10) and by libRoadRunner {version}
(CVODE, 1e-10). Error: largest |ours - theirs| over all states and 41 times, relative to the state's largest value.
Target: at most 1e-5 on ten models, events included. Times of output avoid the moments of events. Written by
`python -m validation.roadrunner`.

| file | what it has | states | largest error | target |
|---|---|---|---|---|
"""
ARCHIVE = """
A COMBINE archive of the dose–immune model with this regimen: libSEDML has no complaint of its experiment, and
libRoadRunner, told by it, gets the results that lie in the archive (kernels at their default tolerance of 1e-6, outputs
on the days of events included, values after them) to {error:.1e}.
"""
TREATED = Regimen.equal_fractions(8, 3, start=7, drug_doses=(DrugDose(drug="anti-PD-1", mg=0.2, day=8),))
MOUSE = Regimen.equal_fractions(2, 5, start=7, drug_doses=(DrugDose(drug="anti-PD-L1", mg=1.0, day=7),))
BOLUSES = [Event(1.0, "kill", {"d": 2.0}), Event(2.0, "bolus", {"mg": 3.0}), Event(2.0, "kill", {"d": 1.0})]
OWN = {
    "00001": "reaction, amounts in a fixed volume",
    "00003": "function definition, local parameter",
    "00005": "event set off by a state, again and again",
    "00006": "delayed event with values of the trigger's time",
    "00008": "two events at once, by priority",
    "00012": "compartment that grows",
    "00013": "stoichiometry by a rule",
    "00014": "boundary species, conversion factor",
    "00028": "rateOf of a concentration in a growing compartment",
    "00029": "rateOf in an event and an initial assignment",
    "00033": "reversible reaction of two to one",
    "00035": "delayed event set off at the start",
    "00036": "stoichiometry by an initial assignment",
}


def files() -> dict[str, tuple[str, str, float]]:
    """What each file has, its text, and the last time."""
    drip = window_events(infused(), [Infusion("drip", 5.0, 0.0, 0.5), Infusion("drip", 3.0, 4.0, 1.0)])
    made = {
        "dose–immune model, 3 × 8 Gy + anti-PD-1": (
            "28 states, events for fractions and doses",
            write_sbml(diw_model(), TREATED),
            60.0,
        ),
        "Kosinsky 2018, 5 × 2 Gy + anti-PD-L1": (
            "events for fractions and doses",
            write_sbml(*published("kosinsky2018").course(MOUSE)),
            40.0,
        ),
        "one compartment": ("boluses and fractions, two at one time", write_sbml(decay(), BOLUSES), 5.0),
        "infusion and transit chain": ("rate windows as events", write_sbml(infused(), drip), 10.0),
        "predator and prey": ("explicit time", write_sbml(forced_predator()), 6.0),
        "Robertson": ("stiff", write_sbml(robertson()), 40.0),
        "HIRES": ("stiff", write_sbml(hires()), 30.0),
    }
    return made | {f"case {name}": (what, CASES[name][1], 4.0) for name, what in OWN.items()}


def error(text: str, end: float) -> tuple[int, float]:
    """Number of states, and the largest error between the two programs."""
    made = read_sbml(text)
    times = np.linspace(0.013 * end, 0.987 * end, 41)
    here = simulate(made.model, [], times, side="after", tolerance=Tolerance(relative=1e-10, absolute=1e-13))
    if here.status != "ok":
        raise RuntimeError(here.status)
    runner = roadrunner.RoadRunner(text)
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-13
    runner.integrator.maximum_num_steps = 1_000_000
    back = {new: old for old, new in made.names.items()}
    names = [state.name for state in made.model.states if state.name in back]
    names += [q.name for q in made.model.quantities if back.get(q.name) in made.species]  # of a state in amounts
    chosen = [f"[{back[n]}]" if made.species.get(back[n], ("", False))[1] else back[n] for n in names]
    runner.timeCourseSelections = ["time", *chosen]
    there = np.array(runner.simulate(times=[0.0, *times.tolist()]))[1:, 1:]
    ours = np.column_stack([here[name] for name in names])
    size = np.abs(there).max(axis=0)
    return len(names), float((np.abs(ours - there).max(axis=0) / np.where(size > 0, size, 1.0)).max())


def archived() -> float:
    """An archive carried out by libRoadRunner as its SED-ML says, against our results in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_omex(Path(folder) / "a.omex", diw_model(), TREATED, 40.0, steps=160)
        with zipfile.ZipFile(path) as archive:
            told = libsedml.readSedMLFromString(archive.read("experiment.sedml").decode())
            model = archive.read(told.getModel(0).getSource()).decode()
            rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode())))
    if told.getNumErrors():
        raise RuntimeError(told.getError(0).getMessage())
    names = [told.getDataGenerator(k).getName() for k in range(1, told.getNumDataGenerators())]
    course, runner = told.getSimulation(0), roadrunner.RoadRunner(model)
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-8, 1e-12
    runner.integrator.maximum_num_steps = 1_000_000
    runner.timeCourseSelections = ["time", *names]
    steps = course.getNumberOfSteps()
    there = np.array(runner.simulate(course.getOutputStartTime(), course.getOutputEndTime(), steps + 1))[:, 1:]
    ours = np.array([[float(row[name]) for name in names] for row in rows])
    size = np.abs(there).max(axis=0)
    return float((np.abs(ours - there).max(axis=0) / np.where(size > 0, size, 1.0)).max())


def main() -> None:
    """Solve every file twice and write the page."""
    rows, worst = [], 0.0
    for name, (what, text, end) in files().items():
        n, found = error(text, end)
        worst = max(worst, found)
        rows.append(f"| {name} | {what} | {n} | {found:.1e} | {'met' if found <= ALLOWED else '**missed**'} |")
    tail = f"\n{len(rows)} files, largest error {worst:.1e}.\n" + ARCHIVE.format(error=archived())
    TARGET.write_text(HEAD.format(version=version("libroadrunner")) + "\n".join(rows) + "\n" + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
