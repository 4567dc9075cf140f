"""COMBINE archives carried out: our own to the same numbers, those of others as their SED-ML says, hostile ones not."""
# ruff: noqa: E501 - the documents are written as data

import json
import struct
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from abscopal.cli.main import app
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.events import Event
from tests.interchange.cases import AB, DECAY, K, ap, compartment, document, event, leaf, parameter, rule
from tests.simulation.models import decay

pytest.importorskip("libsbml", reason="archives come with the extra 'interchange'")

from abscopal.interchange import omex_file
from abscopal.interchange.omex import write_omex
from abscopal.interchange.omex_read import largest_difference, read_omex

MODEL = document(("Compartments", compartment(2.0)), ("Species", AB), ("Parameters", K), ("Reactions", DECAY))
MANIFEST = """<?xml version="1.0"?><omexManifest xmlns="http://identifiers.org/combine.specifications/omex-manifest">
<content location="." format="http://identifiers.org/combine.specifications/omex"/>
<content location="./m.xml" format="http://identifiers.org/combine.specifications/sbml"/>
<content location="./e.sedml" format="http://identifiers.org/combine.specifications/sed-ml" master="true"/>
</omexManifest>"""
SED = """<?xml version="1.0"?><sedML xmlns="http://sed-ml.org/sed-ml/level1/version{version}" level="1" version="{version}">
<listOfSimulations><uniformTimeCourse id="s" initialTime="0" outputStartTime="{start}" outputEndTime="4" {points}="8">
<algorithm kisaoID="{kisao}"/></uniformTimeCourse></listOfSimulations>
<listOfModels><model id="m" language="urn:sedml:language:sbml" source="{source}">{changes}</model></listOfModels>
<listOfTasks><task id="t" modelReference="m" simulationReference="s"/></listOfTasks>
<listOfDataGenerators><dataGenerator id="time"><listOfVariables><variable id="v" symbol="urn:sedml:symbol:time"
taskReference="t"/></listOfVariables><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>v</ci></math></dataGenerator>
<dataGenerator id="twice"><listOfVariables><variable id="a" taskReference="t" target="{target}"/></listOfVariables>
<listOfParameters><parameter id="p" value="2"/></listOfParameters>
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>p</ci><ci>a</ci></apply></math></dataGenerator>
</listOfDataGenerators><listOfOutputs>{output}</listOfOutputs></sedML>"""
REPORT = '<report id="r"><listOfDataSets><dataSet id="d1" label="time" dataReference="time"/><dataSet id="d2" label="2 A" dataReference="twice"/></listOfDataSets></report>'
A = "/sbml:sbml/sbml:model/sbml:listOfSpecies/sbml:species[@id='A']"
CHANGE = '<listOfChanges><changeAttribute target="{}" newValue="{}"/></listOfChanges>'


def sed(**words):
    given = {"version": 4, "start": 0, "points": "numberOfSteps", "kisao": "KISAO:0000019", "source": "m.xml",
             "changes": "", "target": A, "output": REPORT}  # fmt: skip
    return SED.format(**(given | words))


def archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def of(path, model=MODEL, **words):
    return archive(path / "a.omex", {"manifest.xml": MANIFEST, "m.xml": model, "e.sedml": sed(**words)})


def test_our_own_archive_gives_its_own_numbers(tmp_path):
    regimen = Regimen.equal_fractions(8, 3, start=7, drug_doses=[DrugDose(drug="anti-PD-1", mg=0.2, day=2.0)])
    experiment = read_omex(write_omex(tmp_path / "a.omex", diw_model(), regimen, 30.0, outputs=["V_0", "V_1", "R_1"]))
    (report,) = experiment.run().values()
    assert list(report) == ["time", "V_0", "V_1", "R_1"]
    assert largest_difference(report, experiment.results) < 1e-6


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_experiment_of_another_program(tmp_path, version):
    points = "numberOfSteps" if version == 4 else "numberOfPoints"
    experiment = read_omex(of(tmp_path, version=version, points=points, start=1))
    (columns,) = experiment.run().values()
    np.testing.assert_allclose(columns["time"], np.linspace(1, 4, 9))
    np.testing.assert_allclose(columns["2 A"], 3.0 * np.exp(-0.5 * columns["time"]), rtol=1e-6)
    assert experiment.results == {}


@pytest.mark.parametrize(
    ("target", "value", "factor"),
    [
        ("x:species[@id='A']/@initialConcentration", 6.0, lambda t: 12.0 * np.exp(-0.5 * t)),
        ("x:parameter[@id='k']/@value", 1.5, lambda t: 3.0 * np.exp(-1.5 * t)),
        ("x:compartment[@id='C']/@size", 1.0, lambda t: 6.0 * np.exp(-0.5 * t)),
    ],
)
def test_changes_of_attributes_are_made_first(tmp_path, target, value, factor):
    (columns,) = read_omex(of(tmp_path, changes=CHANGE.format(target, value))).run().values()
    np.testing.assert_allclose(columns["2 A"], factor(columns["time"]), rtol=1e-6)


def test_events_on_states_are_solved_too_and_notes_say_what_differs(tmp_path):
    model = document(
        ("Parameters", parameter("A", 0.0, "false")),
        ("Rules", rule("rate", "A", leaf(1.0))),
        ("Events", event(ap("geq", "A", 1.0), {"A": 0.0})),
    )
    plot = '<plot2D id="p"><listOfCurves/></plot2D>'
    experiment = read_omex(of(tmp_path, model=model, kisao="KISAO:0000030", output=REPORT + plot))
    (columns,) = experiment.run().values()
    assert columns["2 A"].max() <= 2.0 + 1e-9
    assert any("KISAO:0000030" in note for note in experiment.notes)
    assert any("plot2D" in note for note in experiment.notes)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"source": "http://example.org/m.xml"}, InputError, "elsewhere"),
        ({"source": "../../etc/passwd"}, InputError, "paths inside"),
        ({"source": "other.xml"}, InputError, "not in the archive"),
        ({"target": "x:species[@id='nobody']"}, InputError, "nobody"),
        ({"target": "//species"}, UnsupportedError, "'//species'"),
        ({"changes": "<listOfChanges><computeChange id='c' target='x'/></listOfChanges>"}, UnsupportedError, "computeChange"),
        ({"changes": CHANGE.format("x:reaction[@id='J']/@id", 1)}, UnsupportedError, "J"),
        ({"changes": CHANGE.format("x:parameter[@id='k']/@value", "many")}, InputError, "newValue = 'many'"),
        ({"output": '<plot2D id="p"><listOfCurves/></plot2D>'}, InputError, "no report"),
        ({"start": 5}, InputError, "ascending times"),
        ({"start": "soon"}, InputError, "outputStartTime = 'soon'"),
        ({"output": REPORT.replace('"twice"', '"thrice"')}, InputError, "thrice"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused(tmp_path, words, kind, said):
    with pytest.raises(kind, match=said):
        next(iter(read_omex(of(tmp_path, **words)).run().values()))


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ("uniformTimeCourse", "steadyState", UnsupportedError, "a steadyState"),
        ("<task ", "<repeatedTask ", UnsupportedError, "a repeatedTask"),
        ("urn:sedml:language:sbml", "urn:sedml:language:cellml", UnsupportedError, "cellml"),
        ('numberOfSteps="8"', 'numberOfSteps="1e9"', InputError, "steps"),
        ('modelReference="m"', 'modelReference="n"', InputError, "'n' and 's'"),
        ("http://sed-ml.org", "http://example.org", InputError, "root"),
        ("</sedML>", "", InputError, "line"),
        ("<sedML", '<!DOCTYPE s [<!ENTITY a "b">]><sedML', InputError, "DOCTYPE"),
        ("<ci>a</ci>", "<ci>b</ci>", InputError, "unknown identifier 'b'"),
        (' id="twice"', "", InputError, "without id"),
    ],
)
def test_sedml_that_does_not_fit_is_refused(tmp_path, old, new, kind, said):
    text = sed().replace(old, new)
    with pytest.raises(kind, match=said):
        read_omex(archive(tmp_path / "a.omex", {"manifest.xml": MANIFEST, "m.xml": MODEL, "e.sedml": text}))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"m.xml": MODEL}, "no manifest"),
        ({"manifest.xml": MANIFEST, "../m.xml": MODEL}, "paths inside"),
        ({"manifest.xml": MANIFEST, "/etc/m.xml": MODEL}, "paths inside"),
        ({"manifest.xml": MANIFEST, "C:\\m.xml": MODEL}, "paths inside"),
        ({"manifest.xml": MANIFEST, "m.xml": MODEL}, "not in the archive"),
        ({"manifest.xml": "<a/>"}, "omexManifest"),
        ({"manifest.xml": MANIFEST.replace("./m.xml", "../m.xml")}, "paths inside"),
        ({"manifest.xml": MANIFEST.replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>')}, "DOCTYPE"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, files, said):
    with pytest.raises(InputError, match=said):
        read_omex(archive(tmp_path / "a.omex", files))


def test_bombs_and_what_is_no_zip_are_refused(tmp_path, monkeypatch):
    for content in (b"", b"PK\x03\x04 nonsense", bytes(200)):
        (tmp_path / "x.omex").write_bytes(content)
        with pytest.raises(InputError, match="cannot be unpacked"):
            read_omex(tmp_path / "x.omex")
    monkeypatch.setattr(omex_file, "MOST_BYTES", 10_000)
    bomb = archive(tmp_path / "b.omex", {"manifest.xml": MANIFEST, "zeros": "0" * 10**6})
    with pytest.raises(InputError, match="unpacks to more"):
        read_omex(bomb)
    # a header that lies about the size is not believed either
    raw = bytearray(bomb.read_bytes())
    place = raw.rfind(b"PK\x01\x02")
    raw[place + 24 : place + 28] = struct.pack("<I", 10)
    bomb.write_bytes(raw)
    with pytest.raises(InputError, match=r"unpacks to more|cannot be unpacked|unknown|not in the archive"):
        read_omex(bomb)
    monkeypatch.setattr(omex_file, "MOST_FILES", 3)
    with pytest.raises(InputError, match="3 at most"):
        read_omex(archive(tmp_path / "c.omex", {f"{k}": "" for k in range(4)}))
    monkeypatch.setattr(omex_file, "LARGEST", 100)
    with pytest.raises(InputError, match="MiB"):
        read_omex(of(tmp_path))


def test_the_command_writes_the_report_and_compares(tmp_path):
    made = write_omex(tmp_path / "a.omex", decay(), [Event(1.0, "bolus", {"mg": 2.0})], 4.0, steps=4)
    out = tmp_path / "r.csv"
    shown = CliRunner().invoke(app, ["interchange", "run", str(made), "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "largest difference" in shown.stdout
    assert out.read_text().splitlines()[0].startswith("time,A")
    told = json.loads(CliRunner().invoke(app, ["interchange", "run", str(made), "--json"]).stdout)
    assert told["difference_from_results"]["report"] < 1e-6
    assert len(told["reports"]["report"]["time"]) == 5
