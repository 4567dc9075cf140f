"""A planned dose as DICOM: RTDOSE (physical, and EQD2 or BED as effective dose), RTSTRUCT and a minimal RTPLAN.

The objects say what they are: a plan for research, not approved, whose fluence was never sequenced for a machine.
Without a study to be filed with they bring their own CT under a dummy identity, so that a strict reader finds
everything it is referred to.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from abscopal.dose.grid import DoseGrid, FloatArray, Volume
from abscopal.dose.structures import Structure
from abscopal.knowledge.load import load
from abscopal.planning.influence import Bixels, InfluenceMatrix, Modality, Prescription, Region
from abscopal.planning.navigate import Navigator
from abscopal.radiobiology.tissue import alpha_beta_of

COMMENT = "Planned by abscopal for research. NOT FOR TREATMENT: not approved, not sequenced, not measured."
MODEL = "abscopal planning"
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
        model=MODEL,
        removed=REMOVED,
    )


@dataclass(frozen=True, eq=False)
class PlannedDose:
    """A dose and the plan behind it, as far as DICOM asks for it.

    Attributes
    ----------
    dose : DoseGrid
        Of the course.
    prescription : Prescription
    target : str
        Leading target.
    beams : tuple of BeamRecord
    digest : str
        Differs wherever the plan does.
    """

    dose: DoseGrid
    prescription: Prescription
    target: str
    beams: tuple[BeamRecord, ...]
    digest: str

    @classmethod
    def of_weights(cls, matrix: InfluenceMatrix, weights: ArrayLike) -> "PlannedDose":
        """The plan of weights, shape (n_bixels,), with the dose of each beam at the centre of the target."""
        w = np.asarray(weights, dtype=np.float64)
        centre = target_centre(matrix.region(matrix.targets[0]), matrix.shape, matrix.affine)
        n = matrix.prescription.n_fractions

        def given(lit: NDArray[np.bool_]) -> float:
            return float(matrix.dose(np.where(lit, w, 0.0)).sample(centre[None, :])[0]) / n

        beams = beams_of(matrix.bixels, w, centre, matrix.modality, given)
        return cls(matrix.dose(w), matrix.prescription, matrix.targets[0], beams, _digest(w, matrix.digest()))

    @classmethod
    def of_mix(cls, navigator: Navigator, mix: Mapping[str, float] | ArrayLike) -> "PlannedDose":
        """The plan between plans; the dose of each beam alone is not kept for these."""
        first = next(one for one in navigator.regions if one.name == navigator.targets[0])
        whole = replace(first, voxels=navigator.voxels[first.voxels])
        w = navigator.weights_at(mix)
        beams = beams_of(
            navigator.bixels, w, target_centre(whole, navigator.shape, navigator.affine), navigator.modality
        )
        return cls(navigator.at(mix).dose, navigator.prescription, navigator.targets[0], beams, _digest(w, ""))


def filed_identity(source: Identity) -> Identity:
    """Identifiers of a source study, with the words that say what the objects filed with it are."""
    return replace(source, comment=COMMENT, model=MODEL)


def plan_study(
    case: Case,
    planned: PlannedDose,
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
    planned : PlannedDose
        Made on this case.
    label : str
        RTPlanLabel, at most 16 characters.
    extra : sequence of Structure
        The project's own, such as the vertices and valleys of a lattice; they get free ROI numbers.
    conversions : sequence of Conversion, optional
        By default `default_conversions`.
    identity : Identity, optional
        By default dummies; `filed_identity` of that of `source_study` to file the objects with the study.
    images : StudyImages, optional
        The CT they refer to then.

    Raises
    ------
    InputError
        No CT, frames of reference that differ, a target without contours.
    """
    ct = _checked_ct(case, planned.dose, label)
    structures = numbered(list(case.structures.values()), extra)
    named = {one.label: one.number for one in structures} | {one.name: one.number for one in structures}
    if planned.target not in named:
        raise InputError(
            doing="writing a plan as DICOM",
            found=f"the target {planned.target} without contours",
            expected="a target among the structures of the case",
            try_="giving its contours as an extra structure",
        )
    asked = planned.prescription
    number = named[planned.target]
    return StudyRecord(
        ct=ct,
        structures=structures,
        dose=planned.dose,
        plan=PlanRecord(label, asked.n_fractions, asked.total, number, planned.beams, machine="RESEARCH"),
        identity=identity or planned_identity(),
        seed=" ".join(("abscopal plan", planned.digest, label, *sorted(case.inputs.values()))),
        patient_position=case.patient_position or "HFS",
        dose_bits=32,
        conversions=default_conversions() if conversions is None else tuple(conversions),
        images=images,
        drawn=frozenset(one.number for one in case.structures.values()),
    )


def export_plan(out: Path, study: StudyRecord) -> tuple[Path, ...]:
    """Write what `plan_study` put together and return the files; none may be there already."""
    return write_case(out, study)


def beams_of(
    table: Bixels,
    weights: FloatArray,
    centre: FloatArray,
    modality: Modality = "photons",
    given: Callable[[NDArray[np.bool_]], float] | None = None,
) -> tuple[BeamRecord, ...]:
    """One static field for each beam that carries weight: angles and the extent of its bixels.

    Parameters
    ----------
    table : Bixels
    weights : array, shape (n_bixels,)
    centre : array, shape (3,)
        Isocentre, LPS. [mm]
    modality : {"photons", "protons"}
    given : callable, optional
        Dose of one fraction at the isocentre from some bixels, given as a mask. [Gy]

    Returns
    -------
    tuple of BeamRecord
        No meterset: the fluence was not sequenced. Fields whose bixels have no known place are stated as wide open;
        where the gantry angles are not known there is no beam.

    Raises
    ------
    InputError
        No weight at all.
    """
    radiation: Radiation = "PROTON" if modality == "protons" else "PHOTON"
    lit_angles = np.concatenate([table.gantry[weights > 0], table.couch[weights > 0]])
    if not np.isfinite(lit_angles).all():
        return ()
    beams: list[BeamRecord] = []
    for index in np.unique(table.beam[weights > 0]):
        chosen = table.beam == index
        lit = chosen & (weights > 0)
        energies = table.energy[lit][np.isfinite(table.energy[lit])]
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
                dose_gy=None if given is None else given(chosen),
                dose_point=None if given is None else _three(centre),
                radiation=radiation,
            )
        )
    if not beams:
        raise InputError(
            doing="writing a plan as DICOM", found="weights that are all zero", expected="a plan with dose",
            try_="the weights the optimiser returned",
        )  # fmt: skip
    return tuple(beams)


def target_centre(region: Region, shape: tuple[int, int, int], affine: FloatArray) -> FloatArray:
    """Centre of mass of a target, shape (3,), LPS, in mm."""
    k, j, i = np.unravel_index(region.voxels, shape)
    index = np.array([region.weights @ axis for axis in (i, j, k)])
    return np.asarray(affine[:3, :3] @ index + affine[:3, 3], dtype=np.float64)


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


def _digest(weights: FloatArray, matrix: str) -> str:
    return hashlib.sha256(np.ascontiguousarray(weights).tobytes() + matrix.encode()).hexdigest()


def _three(point: FloatArray) -> tuple[float, float, float]:
    return (float(point[0]), float(point[1]), float(point[2]))


def _checked_ct(case: Case, dose: DoseGrid, label: str) -> Volume:
    frames = {
        uid
        for uid in (
            dose.frame_of_reference_uid,
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
