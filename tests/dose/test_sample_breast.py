"""The sample breast plan from a made-up archive: checked, unpacked by name, all or nothing."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from abscopal.domain.errors import AbscopalError, InputError
from abscopal.dose.sample import breast
from abscopal.dose.sample.breast import Archive, Member, fetch_breast
from abscopal.dose.sample.delivery import deliver, fingerprints

FILES = {"ct.0.dcm": b"slice" * 50, "rtdose.dcm": b"dose" * 99}
ROOT = "made-1.0/data/"
Maker = Callable[..., Path]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """A stand-in for the package index: makes an archive and lets `fetch_breast` find it."""

    def make(contents: dict[str, bytes] | None = None, *, trust: bool = True, kind: bytes = tarfile.REGTYPE) -> Path:
        path = tmp_path / "served" / "made-1.0.tar.gz"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as bundle:
            for name, data in (contents or {ROOT + name: data for name, data in FILES.items()}).items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.type = len(data) if kind == tarfile.REGTYPE else 0, kind
                entry.linkname = "/etc/hostname" if kind == tarfile.SYMTYPE else ""
                bundle.addfile(entry, io.BytesIO(data))
        data = path.read_bytes()
        archive = Archive("made==1.0", path.name, len(data), digest(data) if trust else "0" * 64)
        members = tuple(Member(name, ROOT + name, len(body), digest(body)) for name, body in FILES.items())
        monkeypatch.setattr(breast, "expected_archive", lambda: archive)
        monkeypatch.setattr(breast, "expected_members", lambda: members)
        monkeypatch.setattr(breast, "download", lambda _folder: path)
        return path

    return make


def test_only_the_expected_files_and_a_note_arrive(index: Maker, tmp_path: Path) -> None:
    index({ROOT + name: data for name, data in FILES.items()} | {"made-1.0/setup.py": b"x", "../../escape": b"y"})
    info = fetch_breast(tmp_path / "out")
    assert set(info.files) == {*FILES, "ORIGIN.txt"}
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
    note = (tmp_path / "out" / "ORIGIN.txt").read_text(encoding="utf-8")
    assert "Aditya Panchal" in note
    assert "per cent" in note
    assert not info.already_present
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "served"]


def test_a_second_call_downloads_nothing(index: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index()
    fetch_breast(tmp_path / "out")
    monkeypatch.setattr(breast, "download", lambda _folder: pytest.fail("downloaded again"))
    assert fetch_breast(tmp_path / "out").already_present


def test_another_archive_hash_is_refused_and_nothing_is_written(index: Maker, tmp_path: Path) -> None:
    index(trust=False)
    with pytest.raises(AbscopalError, match="checking 'made-1") as caught:
        fetch_breast(tmp_path / "out")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


@pytest.mark.parametrize(
    "contents",
    [
        {ROOT + "ct.0.dcm": FILES["ct.0.dcm"]},
        {ROOT + "ct.0.dcm": FILES["ct.0.dcm"], ROOT + "rtdose.dcm": b"else" * 99},
        {ROOT + "ct.0.dcm": FILES["ct.0.dcm"], ROOT + "rtdose.dcm": b"dose" * 10_000},
    ],
    ids=["missing", "changed", "oversized"],
)
def test_a_member_that_differs_is_refused_and_nothing_is_written(
    index: Maker, tmp_path: Path, contents: dict[str, bytes]
) -> None:
    index(contents)
    with pytest.raises(AbscopalError, match=r"rtdose\.dcm"):
        fetch_breast(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_place_of_a_file_is_refused(index: Maker, tmp_path: Path) -> None:
    index(kind=tarfile.SYMTYPE)
    with pytest.raises(AbscopalError, match=r"ct\.0\.dcm"):
        fetch_breast(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_content_is_left_alone(index: Maker, tmp_path: Path) -> None:
    index()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.dcm").write_bytes(b"mine")
    with pytest.raises(InputError, match="other content"):
        fetch_breast(tmp_path / "out")
    assert fingerprints(tmp_path / "out") == {"mine.dcm": digest(b"mine")}


def test_a_file_in_place_of_the_folder_is_refused(index: Maker, tmp_path: Path) -> None:
    index()
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(InputError, match="not a folder"):
        fetch_breast(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_an_empty_folder_is_filled(index: Maker, tmp_path: Path) -> None:
    index()
    (tmp_path / "out").mkdir()
    assert len(fetch_breast(tmp_path / "out").files) == 3


def test_without_a_network_the_message_names_the_synthetic_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(AbscopalError) as caught:
        fetch_breast(tmp_path / "out")
    assert caught.value.exit_code == 1
    assert "abscopal sample thorax" in caught.value.try_
    assert set(caught.value.parts()) == {"error", "doing", "found", "expected", "try"}
    assert not (tmp_path / "out").exists()


def test_delivery_refuses_when_what_it_finds_differs(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"old")
    with pytest.raises(InputError, match="1 files differ"):
        deliver(tmp_path / "out", lambda folder: folder.joinpath("a").write_bytes(b"new") and None)
    assert fingerprints(tmp_path / "out") == {"a": digest(b"old")}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_delivery_leaves_nothing_behind_after_an_error(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(InputError, match="disk full"):
        deliver(tmp_path / "out", fail)
    assert list(tmp_path.iterdir()) == []


def test_the_known_hashes_are_those_of_the_reference_copy(breast_case: Path) -> None:
    for member in breast.expected_members():
        data = (breast_case / member.file).read_bytes()
        assert (len(data), digest(data)) == (member.bytes, member.sha256)


@pytest.mark.network
def test_the_real_plan_is_fetched(tmp_path: Path) -> None:
    try:
        info = fetch_breast(tmp_path / "out")
    except AbscopalError as exc:
        if "No matching distribution" in exc.found or "connection" in exc.found.lower():
            pytest.skip("no network to the package index")
        raise
    assert set(info.files) == {"ct.0.dcm", "rtdose.dcm", "rtplan.dcm", "rtss.dcm", "ORIGIN.txt"}
