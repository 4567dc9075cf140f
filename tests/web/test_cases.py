"""Cases through the interface: taking, naming, looking, forgetting."""

import io
import zipfile

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.web.conftest import finished, opened


def _zip(folder):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            archive.writestr(f"Doe^Jane/{path.name}", data)
    return stream.getvalue()


@pytest.fixture
def named_case(thorax_case, tmp_path):
    """The thorax case with a patient in every file."""
    (tmp_path / "named").mkdir()
    for path in thorax_case.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = "Doe^Jane", "HOSP-4711"
        dataset.PatientBirthDate, dataset.InstitutionName = "19500101", "Example Hospital"
        dataset.save_as(tmp_path / "named" / path.name)
    return tmp_path / "named"


def _take(client, content, name="Doe_Jane.zip"):
    return client.post("/api/cases", files={"file0": (name, content, "application/zip")})


def test_a_zip_becomes_a_case_without_identifiers(client, app, named_case):
    answer = _take(client, _zip(named_case))
    assert answer.status_code == 201
    case = answer.json()
    assert case["plan"]["fractions"] == 3
    assert case["has_ct"]
    server = app.state.server
    kept = b"".join(path.read_bytes() for path in server.shelf.folder.rglob("*") if path.is_file())
    for word in (b"Doe", b"Jane", b"HOSP-4711", b"19500101", b"Example Hospital"):
        assert word not in kept
        assert word.decode() not in answer.text


def test_a_case_is_seen_by_its_own_session_only(client, app):
    case = client.post("/api/cases/sample").json()
    other = opened(app)
    assert other.get("/api/cases").json() == []
    for path in ("", "/dvh", "/planes/axial?at=0", "/planes/axial/picture?at=0"):
        assert other.get(f"/api/cases/{case['id']}{path}").status_code == 404
    assert other.delete(f"/api/cases/{case['id']}").status_code == 404
    refused = other.post("/api/views/blood/run", json={"values": {"case": case["case"]}})
    assert finished(other, refused.json()["id"])["state"] == "failed"


def test_a_deleted_case_leaves_nothing(client, app):
    case = client.post("/api/cases/sample").json()
    assert client.delete(f"/api/cases/{case['id']}").status_code == 200
    assert client.get(f"/api/cases/{case['id']}").status_code == 404
    assert not [path for path in app.state.server.shelf.folder.rglob("*") if path.is_file()]


def test_an_unused_case_is_deleted_after_its_time(client, app, monkeypatch):
    case = client.post("/api/cases/sample").json()
    later = app.state.server.settings.case_ttl_s + 1
    import time

    now = time.time()
    monkeypatch.setattr("abscopal.web.shelf.time.time", lambda: now + later)
    app.state.server.shelf.sweep()
    assert client.get(f"/api/cases/{case['id']}").status_code == 404


def test_names_can_be_given(client):
    case = client.post("/api/cases/sample").json()
    first = next(one for one in case["structures"] if one["standard_name"] == "Liver")
    renamed = client.put(f"/api/cases/{case['id']}/names", json={"names": {first["name"]: "Spleen"}})
    if renamed.status_code == 422:  # the thorax has a spleen already: the clash is explained
        assert "Spleen" in renamed.json()["found"]
    wrong = client.put(f"/api/cases/{case['id']}/names", json={"names": {"no such structure": "Heart"}})
    assert wrong.status_code == 422
    assert client.get(f"/api/cases/{case['id']}").json()["id"] == case["id"]


def test_the_hot_side_is_on_the_right_side(client):
    """The thorax tumour lies in the left lung: in the radiological view its dose is on the reader's right."""
    case = client.post("/api/cases/sample").json()
    axial = next(plane for plane in case["planes"] if plane["name"] == "axial")
    assert axial["letters"][:2] == ["R", "L"]
    content = client.get(f"/api/cases/{case['id']}/planes/axial/picture", params={"at": axial["at"], "wash": 1}).content
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)
    red = (pixels[..., 0] > 100) & (pixels[..., 2] < 60)
    assert red.any()
    assert np.nonzero(red)[1].mean() > 0.55 * pixels.shape[1]
    lines = client.get(f"/api/cases/{case['id']}/planes/axial", params={"at": axial["at"]}).json()["outlines"]
    left = np.concatenate([np.array(line) for line in lines["Lung_L"]])
    right = np.concatenate([np.array(line) for line in lines["Lung_R"]])
    assert left[:, 0].mean() > 0.5 > right[:, 0].mean()


@pytest.mark.slow
def test_the_histogram_is_the_program_s_own(client, app):
    case = client.post("/api/cases/sample").json()
    rows = client.get(f"/api/cases/{case['id']}/dvh").json()
    held = next(iter(app.state.server.shelf._cases.values()))
    for row in rows:
        assert row["mean_gy"] == held.dvhs[row["name"]].mean
        assert row["volume_percent"][0] == pytest.approx(100)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_what_is_no_case_is_refused_with_a_reason(client, app, content):
    answer = _take(client, content)
    assert answer.status_code == 422
    assert answer.json()["found"]
    assert not [path for path in app.state.server.shelf.folder.rglob("*") if path.is_file()]


def test_an_archive_that_leaves_its_folder_is_refused(client):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../escape.dcm", b"x")
    assert _take(client, stream.getvalue()).status_code == 422


def test_a_plane_outside_the_grid_is_refused(client):
    case = client.post("/api/cases/sample").json()
    assert client.get(f"/api/cases/{case['id']}/planes/axial?at=9999").status_code == 422
    assert client.get(f"/api/cases/{case['id']}/planes/oblique?at=0").status_code == 422


def test_tables_of_other_kinds_are_refused(client):
    assert client.post("/api/files?suffix=.pkl", content=b"x").status_code == 422
    assert client.post("/api/files?suffix=.csv", content=b"\xff\xfe\x00").status_code == 422
    kept = client.post("/api/files?suffix=.csv", content=b"age,sex\n1,f\n").json()
    assert [(one["name"], one["field"], one["unit"]) for one in kept["columns"]] == [
        ("age", "age", "year"), ("sex", "sex", ""),
    ]  # fmt: skip


def test_cases_of_a_server_that_was_killed_are_deleted_by_the_next(tmp_path):
    import os
    import subprocess
    import sys

    from abscopal.web.shelf import HELD, Shelf
    from tests.web.conftest import settings

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, running = tmp_path / f"{HELD}{ended.pid}-x", tmp_path / f"{HELD}{os.getpid()}-x"
    for folder in (left, running):
        (folder / "case").mkdir(parents=True)
    shelf = Shelf(settings(tmp_path))
    assert not left.exists()
    assert running.exists()
    assert shelf.folder.parent == tmp_path
    assert shelf.folder.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_said_and_nothing_is_kept(client, app, monkeypatch):
    import errno
    import os
    from pathlib import Path

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    answer = client.post("/api/files", params={"suffix": ".csv"}, content=b"age\n50\n")
    assert answer.status_code == 507
    assert "No space left" in answer.json()["found"]
    monkeypatch.undo()
    assert client.post("/api/files", params={"suffix": ".csv"}, content=b"age\n50\n").status_code == 201
