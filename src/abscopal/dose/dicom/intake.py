"""From a folder or zip of DICOM RT files to one case, with a checklist of what was found and assumed.

Files are told apart by SOPClassUID and joined by the UIDs they name. Where a link is missing, the only
candidate is taken and said to be assumed; of several, none is.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.elements import lenient_parser, number, text
from abscopal.dose.dicom.files import case_files
from abscopal.dose.dicom.links import Chosen, choose_ct, choose_dose, choose_plan, choose_structures, declared_parts
from abscopal.dose.dicom.names import map_names
from abscopal.dose.dicom.plan import Beam, PlanFacts, read_plan
from abscopal.dose.dicom.read import read_ct, read_dose, read_structures, sum_doses
from abscopal.dose.dicom.scan import REDACTED, Found, Role, Scan, scan
from abscopal.dose.dicom.stored_dvh import judge_stored_dvhs, read_stored_dvhs
from abscopal.dose.grid import DoseGrid, DoseKind, Volume
from abscopal.dose.rasterise import coverage
from abscopal.dose.structures import Structure

__all__ = ["Anatomy", "Beam", "Case", "CheckItem", "PlanFacts", "read_anatomy", "read_case"]

MAX_CT_SLICES = 2000


@dataclass(frozen=True)
class CheckItem:
    """One line of the checklist."""

    kind: Literal["found", "linked", "assumed", "skipped"]
    what: str
    detail: str


@dataclass(frozen=True, eq=False)
class Case:
    """One patient's plan, without anything that says who the patient is.

    Attributes
    ----------
    ct : Volume, optional
    structures : mapping of str to Structure
        By TG-263 name, or by the name in the file where there is none. Only those with a volume that
        touches the dose grid; the others are in the checklist.
    dose : DoseGrid
    plan : PlanFacts, optional
    checklist : tuple of CheckItem
    inputs : mapping of str to str
        Role and count to sha256; for a CT series the digest of its slices' digests in order.
    patient_position : str
        HFS and so on; '' when no file says.
    """

    ct: Volume | None
    structures: Mapping[str, Structure]
    dose: DoseGrid
    plan: PlanFacts | None
    checklist: tuple[CheckItem, ...]
    inputs: Mapping[str, str]
    patient_position: str


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One patient's CT and structures, for a plan that is yet to be made.

    Attributes
    ----------
    ct : Volume
        Hounsfield units.
    structures, checklist, inputs, patient_position
        As in `Case`; structures touch the CT.
    frame_of_reference_uid : str
        Of the structures.
    """

    ct: Volume
    structures: Mapping[str, Structure]
    checklist: tuple[CheckItem, ...]
    inputs: Mapping[str, str]
    patient_position: str
    frame_of_reference_uid: str


@dataclass
class _Intake:
    """Work in progress: the scan, the checklist and the digests so far."""

    scan: Scan
    allow_frame_mismatch: bool
    dose_kind: DoseKind | None
    checklist: list[CheckItem] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)

    def note(self, kind: Literal["found", "linked", "assumed", "skipped"], what: str, detail: str) -> None:
        self.checklist.append(CheckItem(kind, self.scan.scrub_ids(what), self.scan.scrub_ids(detail)))

    def use(self, file: Found) -> Dataset:
        same = sum(label.startswith(file.role) for label in self.inputs)
        self.inputs[f"{file.role} {same + 1}"] = file.sha256
        return file.read()


def read_case(
    path: Path | str,
    *,
    names: Mapping[str, str] = MappingProxyType({}),
    allow_frame_mismatch: bool = False,
    dose_kind: DoseKind | None = None,
) -> Case:
    """Read one patient's plan from a folder or zip archive. Nothing is written or changed.

    Parameters
    ----------
    path : path
        Folder (searched through) or zip archive.
    names : mapping, optional
        Structure name in the file to TG-263 name; wins over the synonym table.
    allow_frame_mismatch : bool
        Take structures and dose as being in one coordinate system although their
        FrameOfReferenceUIDs differ. Only if you know they coincide.
    dose_kind : {"physical", "RBE"}, optional
        What the dose is, where the RTDOSE leaves DoseType out.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        No such path, or an override of a structure that is not there.
    DicomError
        No or several candidate doses or structure sets, different frames of reference, relative or
        negative dose, an oblique grid, files of two patients, an archive that is not safe to open.
    """
    with lenient_parser(), case_files(Path(path)) as files:
        intake = _Intake(scan(files), allow_frame_mismatch, dose_kind)
        _list_files(intake)
        dose_file, reason = choose_dose(intake.scan)
        plan_file = _chosen_plan(intake, dose_file)
        dose, dose_data = _dose(intake, dose_file, reason, plan_file)
        plan = _plan(intake, plan_file)
        _stored_dvhs(intake, dose_data, dose, plan)
        chosen = choose_structures(intake.scan, dose_file, plan_file)
        structures = _structures(intake, chosen, dose, dose.frame_of_reference_uid, dict(names))
        ct, position = _ct(intake, dose.frame_of_reference_uid, chosen[0])
        position = position or (plan_file.position if plan_file else "")
        if not position:
            intake.note("assumed", "patient position", "not stated in any file; axes taken from the grids themselves")
        return Case(ct, structures, dose, plan, tuple(intake.checklist), intake.inputs, position)


def read_anatomy(path: Path | str, *, names: Mapping[str, str] = MappingProxyType({})) -> Anatomy:
    """Read CT and structures from a folder or zip archive; doses and plans in it are left aside.

    Parameters
    ----------
    path, names
        As in `read_case`.

    Raises
    ------
    InputError
        No such path, or an override of a structure that is not there.
    DicomError
        No CT that can be read, no or several candidate structure sets, different frames of reference.
    """
    with lenient_parser(), case_files(Path(path)) as files:
        intake = _Intake(scan(files), allow_frame_mismatch=False, dose_kind=None)
        _list_files(intake)
        plans = intake.scan.of("RTPLAN")
        file, kind, reason = choose_structures(intake.scan, None, plans[0] if len(plans) == 1 else None)
        ct, position = _ct(intake, file.frame, file)
        if ct is None:
            raise DicomError(
                doing="reading a case for planning",
                found="no CT that can be read: " + "; ".join(i.detail for i in intake.checklist if i.what == "CT"),
                expected="the planning CT, whose Hounsfield units give the density of tissue",
                try_="exporting the CT series of the structure set into this folder",
            )
        structures = _structures(intake, (file, kind, reason), ct, file.frame, dict(names))
        return Anatomy(ct, structures, tuple(intake.checklist), intake.inputs, position, file.frame)


def _list_files(intake: _Intake) -> None:
    roles: tuple[Role, ...] = ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE")
    for role in roles:
        count = len(intake.scan.of(role))
        if count:
            intake.note("found", role, f"{count} file{'s' if count > 1 else ''}")
    reasons: dict[str, list[str]] = {}
    for label, reason in intake.scan.skipped:
        reasons.setdefault(reason, []).append(label)
    for reason, labels in reasons.items():
        shown = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
        intake.note("skipped", shown, reason)


def _chosen_plan(intake: _Intake, dose_file: Found) -> Found | None:
    plan_file, kind, reason = choose_plan(intake.scan, dose_file)
    intake.note(kind, "RTPLAN", reason)
    return plan_file


def _dose(intake: _Intake, file: Found, reason: str, plan_file: Found | None) -> tuple[DoseGrid, Dataset]:
    plan_data = plan_file.read() if plan_file else None
    parts = [file] if file.summation == "PLAN" else declared_parts(intake.scan, file, plan_data)
    data = [intake.use(part) for part in parts]
    grids = [read_dose(one, kind=intake.dose_kind) for one in data]
    dose = grids[0] if len(grids) == 1 else sum_doses(grids)
    if dose.max == 0:
        raise DicomError(
            doing="reading the RTDOSE",
            found="a dose of zero everywhere",
            expected="the dose of the plan",
            try_="exporting the dose again after it was calculated",
        )
    size = " × ".join(str(n) for n in dose.lattice.shape)  # also refuses an oblique grid
    spacing = " × ".join(f"{step:g}" for step in dose.lattice.spacing)
    intake.note("found", "dose", f"{dose.kind}, {size} voxels of {spacing} mm, highest {dose.max:.4g} Gy")
    intake.note("linked" if len(parts) > 1 or file.summation == "PLAN" else "assumed", "RTDOSE", reason)
    if len(parts) > 1:
        intake.note("linked", "RTDOSE", f"sum of {len(parts)} {file.summation} doses that make up the plan")
    if intake.dose_kind is not None:
        intake.note("assumed", "dose kind", f"{intake.dose_kind}, given by the user")
    if not dose.frame_of_reference_uid:
        intake.note("assumed", "frame of reference", "RTDOSE names none; taken as that of the structures")
    return dose, data[0]


def _plan(intake: _Intake, file: Found | None) -> PlanFacts | None:
    if file is None:
        return None
    data = intake.use(file)
    plan = read_plan(data)
    beams = tuple(replace(beam, name=intake.scan.scrub(beam.name)) for beam in plan.beams)
    plan = replace(plan, label=intake.scan.scrub(plan.label), beams=beams)
    fractions = "unknown" if plan.n_fractions is None else str(plan.n_fractions)
    total = "unknown" if plan.prescription_gy is None else f"{plan.prescription_gy:g} Gy"
    intake.note("found", "plan", f"prescription {total}, fractions {fractions}, {len(beams)} beams")
    for remark in plan.notes:
        intake.note("assumed", "plan", remark)
    if text(data, "ApprovalStatus") not in {"", "APPROVED"}:
        intake.note("assumed", "plan", f"used although its ApprovalStatus is {text(data, 'ApprovalStatus')}")
    if plan.beam_on_s is None:
        intake.note("skipped", "beam-on time", "a beam without meterset or dose rate")
    return plan


def _stored_dvhs(intake: _Intake, dose_data: Dataset, dose: DoseGrid, plan: PlanFacts | None) -> None:
    stored = read_stored_dvhs(dose_data)
    if stored:
        good, verdict = judge_stored_dvhs(stored, dose.max, plan.prescription_gy if plan else None)
        intake.note("found" if good else "skipped", "DVHSequence", verdict)


def _structures(
    intake: _Intake, chosen: tuple[Found, Chosen, str], grid: DoseGrid | Volume, frame: str, names: dict[str, str]
) -> dict[str, Structure]:
    file, kind, reason = chosen
    intake.note(kind, "RTSTRUCT", reason)
    _require_frame(intake, "RTSTRUCT", file, frame)
    content = read_structures(intake.use(file))
    for name, why in content.skipped:
        intake.note("skipped", intake.scan.scrub_roi(name), why)
    matches = map_names([one.name for one in content.structures], names)
    kept: dict[str, Structure] = {}
    for one in content.structures:
        problem = _unusable(one, content.frames[one.number], file.frame, grid)
        match = matches[one.name]
        if problem:
            intake.note("skipped", intake.scan.scrub_roi(one.name), problem)
            continue
        standard = match.standard_name and intake.scan.scrub_roi(match.standard_name).replace(REDACTED, "redacted")
        named = replace(one, name=intake.scan.scrub_roi(one.name), standard_name=standard)
        key = named.label if named.label not in kept else f"{named.label} (ROI {one.number})"
        if key != named.label:
            named = replace(named, standard_name=None)
            intake.note("skipped", key, f"a second structure called {named.name}; kept under its number")
        kept[key] = named
        fate = f"read as {standard}" if standard else "kept under its own name"
        user = match.reason == "given by the user"
        mapped: Literal["linked", "found", "assumed"] = "found" if match.standard_name is None else "linked"
        intake.note("assumed" if user else mapped, named.name, f"{fate}: {intake.scan.scrub_roi(match.reason)}")
    if not kept:
        raise DicomError(
            doing="reading the RTSTRUCT",
            found=f"{len(content.structures)} structures, none with a volume on the grid",
            expected="closed contours around at least one organ",
            try_="exporting the structure set with its contours",
        )
    return kept


def _unusable(structure: Structure, frame: str, expected_frame: str, grid: DoseGrid | Volume) -> str:
    """Why a structure cannot be used; '' if it can."""
    if structure.is_empty:
        return "empty: no closed contour"
    if frame and expected_frame and frame != expected_frame:
        return "drawn in another frame of reference than the other structures"
    try:
        pieces = structure.slabs(thickness=grid.lattice.spacing[2])
    except DicomError as problem:
        return f"{problem.found}; expected {problem.expected}"
    if pieces.volume_cm3() <= 0.0:
        return "zero volume: its contours enclose nothing"
    window, _ = grid.lattice.window(pieces.low, pieces.high)
    inside = (window.lower <= pieces.low).all() and (window.upper >= pieces.high).all()
    what = "dose grid" if isinstance(grid, DoseGrid) else "CT"
    return "" if inside or coverage(pieces, window).any() else f"off the {what} entirely"


def _require_frame(intake: _Intake, what: str, file: Found, frame: str) -> None:
    if not file.frame or not frame:
        intake.note("assumed", what, "no frame of reference stated on one side; taken as that of the rest")
    elif file.frame == frame:
        intake.note("linked", what, "same frame of reference as the rest")
    elif intake.allow_frame_mismatch:
        intake.note("assumed", what, "another frame of reference than the rest; taken as coinciding, as asked")
    else:
        raise DicomError(
            doing="joining the files of a case",
            found=f"{what} '{file.label}' in frame of reference …{file.frame[-12:]} and the rest in …{frame[-12:]}",
            expected="one frame of reference",
            try_="registering them first, or --allow-frame-mismatch (allow_frame_mismatch=True) if they coincide",
        )


def _ct(intake: _Intake, frame: str, structure_file: Found) -> tuple[Volume | None, str]:
    series, kind, reason = choose_ct(intake.scan, structure_file, frame)
    intake.note(kind, "CT", reason)
    if not series:
        return None, ""
    _require_frame(intake, "CT", series[0], frame)
    if len(series) > MAX_CT_SLICES:
        intake.note("skipped", "CT", f"{len(series)} slices, more than {MAX_CT_SLICES}")
        return None, series[0].position
    try:
        slices = [file.read() for file in series]
        content = read_ct(slices)
    except DicomError as problem:
        intake.note("skipped", "CT", f"not readable ({problem.found}); only the picture needs it")
        return None, series[0].position
    for remark in content.notes:
        intake.note("assumed", "CT", remark)
    _digest_ct(intake, series, slices)
    return content.volume, series[0].position


def _digest_ct(intake: _Intake, series: list[Found], slices: list[Dataset]) -> None:
    order = np.argsort([number(one, "InstanceNumber") or 0.0 for one in slices], kind="stable")
    digests = [series[index].sha256 for index in order]
    joined = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    intake.inputs["CT 1" if len(digests) == 1 else f"CT 1-{len(digests)}"] = joined
