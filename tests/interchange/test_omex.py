"""COMBINE archives: complete, the same bytes each time, and telling another program what was done."""

import csv
import io
import zipfile
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from tests.simulation.models import blow_up, decay

pytest.importorskip("libsbml", reason="archives come with the extra 'interchange'")

from abscopal.interchange.omex import write_omex
from abscopal.interchange.sbml_read import read_sbml

COURSE = [Event(1.0, "bolus", {"mg": 2.0}), Event(2.0, "kill", {"d": 2.0})]
SEDML = "{http://sed-ml.org/sed-ml/level1/version4}"
MANIFEST = "{http://identifiers.org/combine.specifications/omex-manifest}"


def test_the_archive_says_what_is_in_it(tmp_path):
    with zipfile.ZipFile(write_omex(tmp_path / "a.omex", decay(), COURSE, 4.0)) as archive:
        manifest = ET.fromstring(archive.read("manifest.xml"))
        listed = {entry.get("location") for entry in manifest.iter(f"{MANIFEST}content")}
        assert listed == {".", *(f"./{name}" for name in archive.namelist())}
        assert [e.get("location") for e in manifest if e.get("master") == "true"] == ["./experiment.sedml"]
        assert b"A [mg]" in archive.read("figure.svg") or b"<svg" in archive.read("figure.svg")


def test_what_it_tells_another_program_to_do_gives_its_results(tmp_path):
    """The SED-ML is carried out as written, on the SBML in the archive."""
    with zipfile.ZipFile(
        write_omex(tmp_path / "a.omex", decay(), COURSE, 4.0, steps=7, outputs=["A", "half"])
    ) as archive:
        told = ET.fromstring(archive.read("experiment.sedml"))
        model = read_sbml(archive.read(told.find(f"{SEDML}listOfModels")[0].get("source")).decode()).model
        rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode())))
    course = told.find(f"{SEDML}listOfSimulations")[0]
    days = np.linspace(0, float(course.get("outputEndTime")), int(course.get("numberOfSteps")) + 1)
    found = simulate(model, [], days, side="after", tolerance=Tolerance(1e-10, 1e-12))
    targets = {
        g.get("id"): g.find(f".//{SEDML}variable").get("target") for g in told.find(f"{SEDML}listOfDataGenerators")
    }
    sets = list(told.iter(f"{SEDML}dataSet"))
    assert [one.get("label") for one in sets] == list(rows[0]) == ["time", "A", "half"]
    for one in sets[1:]:
        name = targets[one.get("dataReference")].rpartition("@id='")[2].rstrip("']")
        values = [float(row[one.get("label")]) for row in rows]
        np.testing.assert_allclose(values, found[name], rtol=1e-6, atol=1e-9)


def test_the_same_experiment_is_the_same_bytes(tmp_path):
    model, regimen = diw_model(), Regimen.equal_fractions(8, 3, start=7)
    a, b = (write_omex(tmp_path / f"{n}.omex", model, regimen, 20.0, outputs=["V_0", "V_1"]) for n in "ab")
    assert a.read_bytes() == b.read_bytes()


def test_what_cannot_be_archived_is_refused(tmp_path):
    with pytest.raises(InputError, match="ending in"):
        write_omex(tmp_path / "a.zip", decay(), [], 4.0)
    with pytest.raises(InputError, match="unknown name 'B'"):
        write_omex(tmp_path / "a.omex", decay(), [], 4.0, outputs=["B"])
    with pytest.raises(InputError, match="stopped on day 10"):
        write_omex(tmp_path / "a.omex", blow_up(), [], 20.0)
    assert list(tmp_path.iterdir()) == []


def test_libsedml_has_no_complaint(tmp_path):
    libsedml = pytest.importorskip("libsedml", reason="no libSEDML here")
    with zipfile.ZipFile(write_omex(tmp_path / "a.omex", decay(), COURSE, 4.0)) as archive:
        document = libsedml.readSedMLFromString(archive.read("experiment.sedml").decode())
    assert [document.getError(k).getMessage() for k in range(document.getNumErrors())] == []
