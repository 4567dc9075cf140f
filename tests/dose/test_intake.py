import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from abscopal.domain.errors import AbscopalError, DicomError, InputError
from abscopal.dose.dicom.intake import Case, read_anatomy, read_case
from tests.dose import build
from tests.dose.build import SECRETS, Field

HERE = (-15.0, 26.0)  # inside the dose grid of the small case


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build.save(tmp_path / "case", build.small_case())


def with_files(tmp_path: Path, **changed: Dataset | None) -> Path:
    """The small case with some files replaced, added or (None) left out."""
    files: dict[str, Dataset] = {f"{name}": ds for name, ds in build.small_case().items()}
    for name, ds in changed.items():
        files.pop(f"{name}.dcm", None)
        if ds is not None:
            files[f"{name}.dcm"] = ds
    return build.save(tmp_path / "changed", files)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def lines(case: Case, kind: str) -> str:
    return "\n".join(f"{item.what}: {item.detail}" for item in case.checklist if item.kind == kind)


def refused(path: Path, **options: object) -> AbscopalError:
    """The refusal of a case: four parts, no identifier, and not a file touched."""
    before = digests(path) if path.is_dir() else {}
    with pytest.raises(InputError) as refusal:
        read_case(path, **options)
    assert all(refusal.value.parts().values())
    assert not any(secret in str(refusal.value) for secret in SECRETS)
    assert before == (digests(path) if path.is_dir() else {})
    return refusal.value


def test_a_complete_case(folder: Path) -> None:
    before = digests(folder)
    case = read_case(folder)
    assert set(case.structures) == {"Heart", "External"}
    assert case.structures["External"].name == "BODY"
    assert case.dose.values.shape == (12, 14, 16)
    assert case.ct is not None
    assert case.ct.values.shape == (3, 4, 5)
    assert case.plan is not None
    assert case.plan.n_fractions == 5
    assert case.patient_position == "HFS"
    assert list(case.inputs) == ["RTDOSE 1", "RTPLAN 1", "RTSTRUCT 1", "CT 1-3"]
    assert case.inputs["RTDOSE 1"] == before["RD.dcm"]
    assert "named by the RTDOSE" in lines(case, "linked")
    assert "read as External" in lines(case, "linked")
    assert digests(folder) == before


def test_no_identifier_reaches_the_case(tmp_path: Path) -> None:
    files = build.small_case()
    files["RP.dcm"].RTPlanLabel = "Doe boost"
    files["RP.dcm"].BeamSequence[0].BeamName = "PID-778899 AP"
    files["RS.dcm"].StructureSetROISequence[0].ROIName = "Heart PID-778899"
    folder = build.save(tmp_path / "case", files)
    (folder / "Doe_Jane.txt").write_text("notes")
    case = read_case(folder)
    words = json.dumps([vars(item) for item in case.checklist]) + repr(case.plan) + repr(list(case.structures))
    words += "".join(s.name for s in case.structures.values()) + repr(case.inputs)
    assert not any(secret in words for secret in SECRETS)
    assert "[redacted]" in words


def test_names_of_files_do_not_matter(folder: Path, tmp_path: Path) -> None:
    shuffled = tmp_path / "shuffled" / "deep"
    shuffled.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        (shuffled / f"IM{number}").write_bytes(path.read_bytes())
    assert read_case(shuffled.parent).inputs["RTDOSE 1"] == read_case(folder).inputs["RTDOSE 1"]


def test_override_of_a_name(folder: Path) -> None:
    case = read_case(folder, names={"BODY": "CTV_Body"})
    assert set(case.structures) == {"Heart", "CTV_Body"}
    assert "BODY: read as CTV_Body: given by the user" in lines(case, "assumed")
    assert refused(folder, names={"Body": "External"}).try_ == "'BODY'"


def test_missing_plan_and_ct_are_survived(tmp_path: Path) -> None:
    case = read_case(with_files(tmp_path, RP=None, CT0=None, CT1=None, CT2=None))
    assert case.plan is None
    assert case.ct is None
    assert "fractions and prescription are unknown" in lines(case, "skipped")
    assert "no anatomy picture" in lines(case, "skipped")
    assert "only one; neither plan nor dose names it" in lines(case, "assumed")


@pytest.mark.parametrize("role", ["RD", "RS"])
def test_missing_dose_or_structures_is_refused(tmp_path: Path, role: str) -> None:
    refusal = refused(with_files(tmp_path, **{role: None}))
    assert {"RD": "no RTDOSE among 3 CT", "RS": "no RTSTRUCT among 3 CT"}[role] in refusal.found


def test_other_frame_of_reference_is_refused_unless_allowed(tmp_path: Path) -> None:
    contours = {"Heart": build.sphere(8.0, (-15.0, 26.0, -28.0), 1.0)}
    folder = with_files(tmp_path, RS=build.struct(contours, frame=build.OTHER_FRAME))
    refusal = refused(folder)
    assert "frame of reference …" in refusal.found
    assert "--allow-frame-mismatch" in refusal.try_
    assert "allow_frame_mismatch=True" in refusal.try_
    case = read_case(folder, allow_frame_mismatch=True)
    assert "taken as coinciding" in lines(case, "assumed")


def test_ct_in_another_frame_is_refused_too(tmp_path: Path) -> None:
    slices = {f"CT{n}": one for n, one in enumerate(build.ct(frame=build.OTHER_FRAME))}
    assert "CT 'CT" in refused(with_files(tmp_path, **slices)).found


def test_unstated_frames_are_assumed_equal(tmp_path: Path) -> None:
    dose = build.dose(Field.of(lambda x, y, z: 40 + 0.3 * x + 0 * y * z), frame=None)
    assert "no frame of reference stated" in lines(read_case(with_files(tmp_path, RD=dose)), "assumed")


def test_truncated_and_foreign_files_are_skipped_with_a_reason(tmp_path: Path) -> None:
    folder = with_files(tmp_path, **{f"CT{n}": one for n, one in enumerate(build.ct((0.0, 3.0, 6.0, 9.0, 12.0)))})
    (folder / "notes.txt").write_text("not DICOM")
    whole = (folder / "CT1.dcm").read_bytes()
    (folder / "CT1.dcm").write_bytes(whole[:-10])
    (folder / "short.dcm").write_bytes(whole[:140])
    case = read_case(folder)
    assert "notes.txt: not a DICOM file" in lines(case, "skipped")
    assert "CT1.dcm: truncated" in lines(case, "skipped")
    assert "short.dcm: " in lines(case, "skipped")
    assert "1 of 5 CT slices missing" in lines(case, "assumed")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_truncated_dose_is_refused_and_named(folder: Path, share: float) -> None:
    path = folder / "RD.dcm"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "no RTDOSE" in refused(folder).found


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_truncated_structures_are_refused_rather_than_read_in_part(folder: Path, share: float) -> None:
    path = folder / "RS.dcm"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "no RTSTRUCT" in refused(folder).found


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_survived_or_refused_but_never_crashes(folder: Path, seed: int) -> None:
    """Some bytes of one file overwritten: a case or a four-part message, nothing else."""
    random = np.random.default_rng(seed)
    path = folder / str(random.choice(["RD.dcm", "RS.dcm", "RP.dcm", "CT0.dcm"]))
    data = bytearray(path.read_bytes())
    for position in random.integers(132, min(len(data), 2500), size=random.integers(1, 30)):
        data[position] = random.integers(256)
    path.write_bytes(bytes(data))
    parts = {}
    try:
        parts["dose"] = str(read_case(folder).dose.max)
    except AbscopalError as refusal:
        parts = refusal.parts()
    assert parts
    assert all(parts.values())


def test_all_foreign_and_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert "no file" in refused(tmp_path / "a").found
    (tmp_path / "a" / "notes.txt").write_text("nothing")
    assert "not a DICOM file" in refused(tmp_path / "a").found
    assert "not there" in refused(tmp_path / "missing").found
    assert "a single file" in refused(tmp_path / "a" / "notes.txt").found


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda ds: setattr(ds, "DoseUnits", "RELATIVE"), "RELATIVE"),
        (lambda ds: build.pixels(ds, np.full((12, 14, 16), -5, dtype=np.int32)), "doses from"),
        (lambda ds: setattr(ds, "ImageOrientationPatient", [0.96, 0.28, 0, -0.28, 0.96, 0]), "oblique"),
    ],
)
def test_unusable_doses_are_refused(tmp_path: Path, change: Callable[[Dataset], None], word: str) -> None:
    ds = build.small_case()["RD.dcm"]
    change(ds)
    assert word in refused(with_files(tmp_path, RD=ds)).found


def test_zero_volume_structures_are_skipped_or_refused(tmp_path: Path) -> None:
    line = np.array([[-15.0, 26, -28], [-10, 26, -28], [-5, 26, -28]])
    tilted = np.array([[-15.0, 26, -28], [-10, 26, -20], [-5, 30, -28]])
    far = build.square(5.0, -28.0, (900.0, 0.0))
    around = [build.square(500.0, -28.0), build.square(400.0, -28.0)]  # a frame whose hole holds the grid
    bad = {"Line": [line], "Empty": [], "Tilted": [tilted], "Far": [far], "Around": around}
    good = {"Heart": build.sphere(8.0, (-15.0, 26.0, -28.0), 1.0)}
    case = read_case(with_files(tmp_path, RS=build.struct(bad | good)))
    assert set(case.structures) == {"Heart"}
    skipped = lines(case, "skipped")
    for part in (
        "Line: zero volume",
        "Empty: empty",
        "Tilted: a contour that spans",
        "Far: off the dose grid",
        "Around: off",
    ):
        assert part in skipped
    assert "none with a volume" in refused(with_files(tmp_path / "bad", RS=build.struct(bad))).found


def test_two_patients_are_refused_without_naming_them(tmp_path: Path) -> None:
    other = build.plan(uid=build.PLAN_UID + ".9")
    other.PatientID = "SECOND-PATIENT"
    refusal = refused(with_files(tmp_path, other=other))
    assert "2 patients" in refusal.found
    assert "SECOND" not in str(refusal)


def test_of_several_the_linked_one_is_taken(tmp_path: Path) -> None:
    stray_set = build.struct({"Wrong": [build.square(5, -28.0, HERE)]}, uid=build.STRUCT_UID + ".9")
    stray_plan = build.plan(uid=build.PLAN_UID + ".9", fractions=33)
    beam = build.dose(Field(np.ones((12, 14, 16))), uid=build.DOSE_UID + ".9", summation="BEAM")
    case = read_case(with_files(tmp_path, A=stray_set, B=stray_plan, C=beam))
    assert "Wrong" not in case.structures
    assert case.plan is not None
    assert case.plan.n_fractions == 5
    assert case.dose.max > 30
    assert "named by the RTPLAN; 1 other(s) left aside" in lines(case, "linked")
    assert "DoseSummationType PLAN; 1 other dose(s) left aside" in lines(case, "linked")


def test_several_unlinked_are_not_guessed(tmp_path: Path) -> None:
    second = build.dose(Field(np.ones((12, 14, 16))), uid=build.DOSE_UID + ".9")
    assert "2 candidates for the RTDOSE" in refused(with_files(tmp_path / "doses", RE=second)).found
    sets = {
        "RP": None,
        "RS": build.struct({"A": [build.square(5, -28.0, HERE)]}),
        "RT": build.struct({"B": [build.square(5, -28.0, HERE)]}, uid=build.STRUCT_UID + ".9"),
    }
    assert "2 candidates for the RTSTRUCT" in refused(with_files(tmp_path / "sets", **sets)).found


def test_a_plan_that_the_dose_does_not_name_is_left_out(tmp_path: Path) -> None:
    case = read_case(with_files(tmp_path, RP=build.plan(uid=build.PLAN_UID + ".9")))
    assert case.plan is None
    assert "names another plan" in lines(case, "skipped")


def beam_doses(*numbers: int, plan: str = build.PLAN_UID) -> dict[str, Dataset | None]:
    field = Field(np.ones((12, 14, 16)))
    made = {
        f"B{n}": build.dose(field, uid=f"{build.DOSE_UID}.{n}", summation="BEAM", beams=[n], plan=plan) for n in numbers
    }
    return {"RD": None, **made}


def test_beam_doses_that_make_up_the_plan_are_summed(tmp_path: Path) -> None:
    case = read_case(with_files(tmp_path, **beam_doses(1, 2)))
    np.testing.assert_allclose(case.dose.values, 2.0)
    assert "sum of 2 BEAM doses" in lines(case, "linked")
    assert {"RTDOSE 1", "RTDOSE 2"} < set(case.inputs)


@pytest.mark.parametrize("numbers", [(1,), (1, 3)])
def test_an_incomplete_set_of_beams_is_refused(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    assert "BEAM dose(s)" in refused(with_files(tmp_path, **beam_doses(*numbers))).found


def test_copies_are_skipped(folder: Path) -> None:
    (folder / "copy.dcm").write_bytes((folder / "RD.dcm").read_bytes())
    assert "a second copy" in lines(read_case(folder), "skipped")


def test_two_structures_of_one_name_are_told_apart(tmp_path: Path) -> None:
    ds = build.struct({"Heart": [build.square(5, -28.0, HERE)], "Heart2": [build.square(4, -28.0, HERE)]})
    ds.StructureSetROISequence[1].ROIName = "Heart"
    case = read_case(with_files(tmp_path, RS=ds))
    assert set(case.structures) == {"Heart", "Heart (ROI 2)"}


def zipped(folder: Path, target: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"export/{path.name}")
    return target


def test_zip_reads_like_the_folder(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "case.zip")
    before = archive.read_bytes()
    left = set(tmp_path.iterdir())
    case, plain = read_case(archive), read_case(folder)
    assert case.inputs == plain.inputs
    assert set(case.structures) == set(plain.structures)
    assert archive.read_bytes() == before
    assert set(tmp_path.iterdir()) == left


@pytest.mark.parametrize("name", ["../evil.dcm", "/etc/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm", "C:\\evil.dcm"])
def test_path_escape_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    archive = zipped(folder, tmp_path / "case.zip")
    with zipfile.ZipFile(archive, "a") as stream:
        stream.writestr(zipfile.ZipInfo(name), b"x")
    assert "leaves the archive's folder" in refused(archive).found
    assert not (tmp_path / "evil.dcm").exists()


def test_link_in_a_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "case.zip")
    link = zipfile.ZipInfo("export/link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as stream:
        stream.writestr(link, "/etc/passwd")
    assert "symbolic link" in refused(archive).found


def test_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("zeros.dcm", bytes(80 * 1024**2))
    assert "times its size" in refused(archive).found


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 3), ("MAX_TOTAL_BYTES", 10_000)])
def test_size_and_count_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(f"abscopal.dose.dicom.files.{limit}", value)
    assert "in all" in refused(folder).found


def test_encrypted_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "case.zip", zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + 8] |= 1  # general purpose flag of the first central directory entry
    archive.write_bytes(bytes(data))
    assert "encrypted" in refused(archive).found


def test_damaged_member_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "case.zip", zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[2000] ^= 0xFF  # inside the first file: its checksum no longer fits
    archive.write_bytes(bytes(data))
    assert "damaged member" in refused(archive).found


@pytest.mark.skipif(os.name == "nt", reason="permissions differ")
def test_a_read_only_folder_is_enough(folder: Path) -> None:
    folder.chmod(0o555)
    try:
        assert read_case(folder).plan is not None
    finally:
        folder.chmod(0o755)


def test_a_dose_of_zero_everywhere_is_refused(tmp_path: Path) -> None:
    ds = build.small_case()["RD.dcm"]
    build.pixels(ds, np.zeros((12, 14, 16), dtype=np.int32))
    assert "zero everywhere" in refused(with_files(tmp_path, RD=ds)).found


def test_people_and_places_are_kept_out_of_structure_and_file_names(tmp_path: Path) -> None:
    files = build.small_case()
    files["RS.dcm"].PatientName = "Quillfeather^Heart"
    files["RS.dcm"].InstitutionName = "Zebrawood Hospital"
    files["RS.dcm"].ReferringPhysicianName = "Marmaduke"
    first, second = files["RS.dcm"].StructureSetROISequence
    first.ROIName, second.ROIName = "GTV Quillfeather", "Heart"
    folder = build.save(tmp_path / "case", files)
    (folder / "Zebrawood Hospital, Marmaduke.txt").write_text("letter")
    case = read_case(folder)
    words = json.dumps([vars(item) for item in case.checklist]) + repr(case.structures)
    assert not any(secret in words for secret in ("Quillfeather", "Zebrawood", "Marmaduke"))
    assert set(case.structures) == {"GTV_redacted", "Heart"}  # a word of anatomy stays, whoever bears it
    assert case.structures["GTV_redacted"].name == "GTV [redacted]"


def test_ct_and_structures_are_read_without_a_dose(thorax_case: Path, tmp_path: Path) -> None:
    whole = read_case(thorax_case)
    for path in thorax_case.iterdir():
        if path.name.startswith("ct_") or path.name == "rtstruct.dcm":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    anatomy = read_anatomy(tmp_path)
    assert set(anatomy.structures) == set(whole.structures)
    assert whole.ct is not None
    np.testing.assert_array_equal(anatomy.ct.values, whole.ct.values)
    assert anatomy.frame_of_reference_uid == whole.dose.frame_of_reference_uid
    assert not any(label.startswith("RTDOSE") for label in anatomy.inputs)


def test_without_a_ct_there_is_nothing_to_plan_on(thorax_case: Path, tmp_path: Path) -> None:
    (tmp_path / "rtstruct.dcm").write_bytes((thorax_case / "rtstruct.dcm").read_bytes())
    with pytest.raises(DicomError, match="no CT that can be read"):
        read_anatomy(tmp_path)
