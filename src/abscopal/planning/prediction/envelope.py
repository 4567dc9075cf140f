"""What the training patients looked like, and whether another patient is like them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.planning.prediction.anatomy import ORGANS, SHEET, STRUCTURES, TARGETS, Anatomy, Example

Range = tuple[float, float]


class Envelope(BaseModel):
    """Ranges over the training patients.

    Attributes
    ----------
    patients : int
    volumes_cm3 : mapping of str to (smallest, largest)
        Of each structure among the patients who have it. [cm3]
    region_cm3 : (smallest, largest)
        Volume that can receive dose. [cm3]
    voxel_mm : (smallest, largest)
        [mm]
    always : tuple of str
        Structures that every training patient has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patients: int
    volumes_cm3: dict[str, Range]
    region_cm3: Range
    voxel_mm: Range
    always: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """A patient ready for prediction, and in what they differ from the training patients."""

    anatomy: Anatomy
    flags: tuple[str, ...]


def envelope_of(examples: Sequence[Example]) -> Envelope:
    """The ranges that these patients span."""
    patients = [example.anatomy for example in examples]
    volumes = {
        name: _range([one.volume_cm3(name) for one in patients if name in one.masks])
        for name in STRUCTURES
        if any(name in one.masks for one in patients)
    }
    return Envelope(
        patients=len(patients),
        volumes_cm3=volumes,
        region_cm3=_range([float(one.region.sum()) * one.voxel_cm3 for one in patients]),
        voxel_mm=_range([size for one in patients for size in one.voxel_mm]),
        always=tuple(name for name in STRUCTURES if all(name in one.masks for one in patients)),
    )


def judge(anatomy: Anatomy, envelope: Envelope) -> Judged:
    """Compare a patient with the training patients.

    An organ many times larger than any in training (an overfilled contour) is left out of the input, since a
    network has never seen such a mask; a target that lies outside the region cannot be predicted for.

    Raises
    ------
    InputError
        Most of the target lies outside the region that can receive dose.
    """
    factor = load(SHEET)["familiar_factor"]
    inside = float((anatomy.target & anatomy.region).sum()) / float(anatomy.target.sum())
    if inside < load(SHEET)["least_target_in_region"]:
        raise InputError(
            doing="predicting dose",
            found=f"{100 * inside:.0f} % of the target inside the region that can receive dose",
            expected="targets inside the body",
            try_="checking the body contour, and that CT and structures belong together",
        )  # fmt: skip
    flags, strange = list(anatomy.notes), []
    for name, (low, high) in envelope.volumes_cm3.items():
        volume = anatomy.volume_cm3(name)
        if volume == 0.0:
            if name in envelope.always:
                flags.append(f"{name} is not contoured; every training patient has it")
        elif not low / factor <= volume <= high * factor:
            left_out = name in ORGANS and volume > high
            strange += [name] if left_out else []
            flags.append(
                f"{name} has {volume:.4g} cm3; {low:.4g} to {high:.4g} in training"
                + ("; left out of the input" if left_out else "")
            )
    flags += [f"{name} was in no training patient" for name in anatomy.masks if name not in envelope.volumes_cm3]
    region = float(anatomy.region.sum()) * anatomy.voxel_cm3
    low, high = envelope.region_cm3
    if not low / factor <= region <= high * factor:
        flags.append(f"region that can receive dose {region:.4g} cm3; {low:.4g} to {high:.4g} in training")
    low, high = envelope.voxel_mm
    if not all(low / factor <= size <= high * factor for size in anatomy.voxel_mm):
        flags.append(f"voxels of {anatomy.voxel_mm} mm; {low:.3g} to {high:.3g} in training")
    if not any(name in anatomy.masks for name in TARGETS[1:]):
        flags.append("no high-dose target")
    return Judged(anatomy.without(*strange) if strange else anatomy, tuple(flags))


def _range(values: Sequence[float]) -> Range:
    return min(values), max(values)
