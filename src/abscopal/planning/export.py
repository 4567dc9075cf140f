"""A planned dose as DICOM: RTDOSE (physical, and EQD2 or BED as effective dose), RTSTRUCT and a minimal RTPLAN.

The objects say what they are: a plan for research, not approved, whose fluence was never sequenced for a machine.
Without a study to be filed with they bring their own CT under a dummy identity, so that a strict reader finds
everything it is referred to.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.intake import Case
from abscopal.dose.dicom.records import Radiation
from abscopal.dose.dicom.write import (
    BeamRecord,
    Conversion,
    Identity,
    PlanRecord,
    StudyImages,
    StudyRecord,
    write_case,
)
from abscopal.dose.grid import FloatArray, Volume
from abscopal.dose.structures import Structure
from abscopal.knowledge.load import load
from abscopal.planning.influence import InfluenceMatrix
from abscopal.radiobiology.tissue import alpha_beta_of

COMMENT = "Planned by abscopal for research. NOT FOR TREATMENT: not approved, not sequenced, not measured."
REMOVED = "Identifiers were not read; dummies by abscopal"
DEFAULT_LABEL = "RESEARCH ONLY"
WIDEST_FIELD_MM = 400.0
SHEET = "planning/export"


def default_conversions() -> tuple[Conversion, ...]:
    """EQD2 for a tumour and for late-reacting tissue, and BED for a tumour, with the sourced α/β."""
    tumour, late = alpha_beta_of("tumour").alpha_beta, alpha_beta_of("late_normal").alpha_beta
    return (Conversion("EQD2", tumour), Conversion("EQD2", late), Conversion("BED", tumour))


def planned_identity(pseudonym: str = "PLANNED", when: datetime | None = None) -> Identity:
    """Dummy identifiers for a study of its own; the date of today unless given."""
    now = when or datetime.now().astimezone()
    return Identity(
        patient_name=f"{pseudonym}^Research",
        patient_id=pseudonym,
        date=now.strftime("%Y%m%d"),
        time=now.strftime("%H%M%S"),
        description="Research plan, not for treatment",
        comment=COMMENT,
        model="abscopal planning",
        removed=REMOVED,
    )


def plan_study(
    case: Case,
    matrix: InfluenceMatrix,
    weights: ArrayLike,
    *,
    label: str = DEFAULT_LABEL,
    extra: Sequence[Structure] = (),
    conversions: Sequence[Conversion] | None = None,
    identity: Identity | None = None,
    images: StudyImages | None = None,
) -> StudyRecord:
    """Everything that is written of a plan.

    Parameters
    ----------
    case : Case
        With its CT.
    matrix : InfluenceMatrix
        Made on this case.
    weights : array, shape (n_bixels,)
    label : str
        RTPlanLabel, at most 16 characters.
    extra : sequence of Structure
        The project's own, such as the vertices and valleys of a lattice; they get free ROI numbers.
    conversions : sequence of Conversion, optional
        By default `default_conversions`.
    identity : Identity, optional
        By default dummies; that of `source_study` to file the objects with the study.
    images : StudyImages, optional
        The CT they refer to then.

    Raises
    ------
    InputError
        No CT, frames of reference that differ, a target without contours, no dose.
    """
    ct = _checked_ct(case, matrix, label)
    dose = matrix.dose(weights)
    structures = numbered(list(case.structures.values()), extra)
    named = {one.label: one.number for one in structures} | {one.name: one.number for one in structures}
    lead = matrix.targets[0]
    if lead not in named:
        raise InputError(
            doing="writing a plan as DICOM",
            found=f"the target {lead} without contours",
            expected="a target among the structures of the case",
            try_="giving its contours as an extra structure",
        )
    asked = matrix.prescription
    plan = PlanRecord(label, asked.n_fractions, asked.total, named[lead], beams_of(matrix, weights), machine="RESEARCH")
    return StudyRecord(
        ct=ct,
        structures=structures,
        dose=dose,
        plan=plan,
        identity=identity or planned_identity(),
        seed=_seed(case, matrix, weights, label),
        patient_position=case.patient_position or "HFS",
        dose_bits=32,
        conversions=default_conversions() if conversions is None else tuple(conversions),
        images=images,
        drawn=frozenset(one.number for one in case.structures.values()),
    )


def export_plan(out: Path, study: StudyRecord) -> tuple[Path, ...]:
    """Write what `plan_study` put together and return the files; none may be there already."""
    return write_case(out, study)


def beams_of(matrix: InfluenceMatrix, weights: ArrayLike) -> tuple[BeamRecord, ...]:
    """One static field for each beam that carries weight: angles, the extent of its bixels, its share of dose.

    Parameters
    ----------
    matrix : InfluenceMatrix
    weights : array, shape (n_bixels,)

    Returns
    -------
    tuple of BeamRecord
        BeamDose is the dose of one fraction at the centre of the first target. No meterset: the fluence was not
        sequenced. Fields whose bixels have no known place are stated as wide open.

    Raises
    ------
    InputError
        No weight at all.
    """
    w = np.asarray(weights, dtype=np.float64)
    centre = target_centre(matrix)
    table = matrix.bixels
    radiation: Radiation = "PROTON" if matrix.modality == "protons" else "PHOTON"
    beams: list[BeamRecord] = []
    for index in np.unique(table.beam[w > 0]):
        chosen = table.beam == index
        lit = chosen & (w > 0)
        energies = table.energy[lit][np.isfinite(table.energy[lit])]
        given = matrix.dose(np.where(chosen, w, 0.0)).sample(centre[None, :])[0]
        beams.append(
            BeamRecord(
                number=len(beams) + 1,
                name=f"Beam {int(index) + 1}",
                gantry=float(table.gantry[lit][0]) % 360.0,
                couch=float(table.couch[lit][0]) % 360.0,
                energy_mv=float(energies.max()) if energies.size else None,
                isocentre=_three(centre),
                jaws=(_extent(table.across, chosen, lit), _extent(table.along, chosen, lit)),
                sad_mm=load(SHEET)["source_axis_distance"],
                dose_gy=float(given) / matrix.prescription.n_fractions,
                dose_point=_three(centre),
                radiation=radiation,
            )
        )
    if not beams:
        raise InputError(
            doing="writing a plan as DICOM", found="weights that are all zero", expected="a plan with dose",
            try_="the weights the optimiser returned",
        )  # fmt: skip
    return tuple(beams)


def target_centre(matrix: InfluenceMatrix) -> FloatArray:
    """Centre of mass of the first target, shape (3,), LPS, in mm."""
    region = matrix.region(matrix.targets[0])
    k, j, i = np.unravel_index(region.voxels, matrix.shape)
    index = np.array([region.weights @ axis for axis in (i, j, k)])
    return np.asarray(matrix.affine[:3, :3] @ index + matrix.affine[:3, 3], dtype=np.float64)


def numbered(drawn: Sequence[Structure], extra: Sequence[Structure]) -> tuple[Structure, ...]:
    """The structures of the case as they are, and extra ones behind them with free ROI numbers."""
    first = max((one.number for one in drawn), default=0) + 1
    return (*drawn, *(replace(one, number=first + k) for k, one in enumerate(extra)))


def _extent(places: FloatArray, chosen: NDArray[np.bool_], lit: NDArray[np.bool_]) -> tuple[float, float]:
    """From the outer edge of the first lit bixel to that of the last, in mm."""
    known = np.unique(places[chosen])
    if not np.isfinite(known).all():
        return -WIDEST_FIELD_MM / 2, WIDEST_FIELD_MM / 2
    half = float(np.diff(known).min()) / 2 if known.size > 1 else 0.0
    return float(places[lit].min()) - half, float(places[lit].max()) + half


def _seed(case: Case, matrix: InfluenceMatrix, weights: ArrayLike, label: str) -> str:
    """Names the plan: other inputs, weights or labels give other UIDs."""
    made = hashlib.sha256(np.ascontiguousarray(np.asarray(weights, dtype=np.float64)).tobytes())
    for part in (*sorted(case.inputs.values()), matrix.digest(), label):
        made.update(part.encode())
    return f"abscopal plan {made.hexdigest()}"


def _three(point: FloatArray) -> tuple[float, float, float]:
    return (float(point[0]), float(point[1]), float(point[2]))


def _checked_ct(case: Case, matrix: InfluenceMatrix, label: str) -> Volume:
    frames = {
        uid
        for uid in (
            matrix.frame_of_reference_uid,
            case.dose.frame_of_reference_uid,
            "" if case.ct is None else case.ct.frame_of_reference_uid,
        )
        if uid
    }
    wrong = {
        "a case without a CT": case.ct is None,
        f"{len(frames)} frames of reference": len(frames) > 1,
        f"a label of {len(label)} characters": not 0 < len(label) <= 16,
    }
    found = [text for text, bad in wrong.items() if bad]
    if found or case.ct is None:
        raise InputError(
            doing="writing a plan as DICOM",
            found=", ".join(found),
            expected="the CT the plan was made on, one frame of reference, and a label of 1 to 16 characters",
            try_="the case that the influence matrix was made on",
        )
    return case.ct
