"""Plans to navigate between as one file: a NumPy archive without pickle, checked when it is read."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.dose.grid import DoseKind
from abscopal.planning.archive import UNREADABLE, read_archive, reason, write_archive
from abscopal.planning.influence import Bixels, Modality, Prescription, Region
from abscopal.planning.navigate import Navigator

FORMAT = "abscopal navigation 2"
COLUMNS = ("beam", "gantry", "couch", "across", "along", "energy")


def save_navigation(made: Navigator, path: Path) -> None:
    """Write a navigator to a `.npz`; whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {
        "weights": made.weights,
        "doses": made.doses,
        "voxels": made.voxels,
        "affine": made.affine,
    }
    arrays |= {f"bixel_{name}": column for name, column in made.bixels.columns().items()}
    for number, region in enumerate(made.regions):
        arrays |= {f"voxels_{number}": region.voxels, f"shares_{number}": region.shares}
    for number, values in enumerate(made.linear.values()):
        arrays[f"linear_{number}"] = values
    write_archive(path, _facts(made), arrays)


def load_navigation(path: Path) -> Navigator:
    """Read what `save_navigation` wrote.

    Raises
    ------
    InputError
        Another format, a damaged file, or parts that do not fit each other.
    """
    try:
        return _assembled(*read_archive(path, FORMAT))
    except UNREADABLE as exc:
        raise _unreadable(path, reason(exc)) from exc


def _facts(made: Navigator) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "plans": list(made.plans),
        "shape": list(made.shape),
        "regions": [[region.name, region.volume_cm3] for region in made.regions],
        "targets": list(made.targets),
        "prescription": [made.prescription.total, made.prescription.n_fractions],
        "modality": made.modality,
        "linear": list(made.linear),
        "units": dict(made.units),
        "frame": made.frame_of_reference_uid,
        "kind": made.kind,
        "notes": list(made.notes),
    }


def _assembled(arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> Navigator:
    shape = (int(facts["shape"][0]), int(facts["shape"][1]), int(facts["shape"][2]))
    regions = tuple(
        Region(str(name), arrays[f"voxels_{number}"], arrays[f"shares_{number}"], float(volume))
        for number, (name, volume) in enumerate(facts["regions"])
    )
    total, count = facts["prescription"]
    kind: DoseKind = "RBE" if facts["kind"] == "RBE" else "physical"
    modality: Modality = "protons" if facts["modality"] == "protons" else "photons"
    return Navigator(
        tuple(facts["plans"]), arrays["weights"], arrays["doses"], arrays["voxels"], shape, arrays["affine"], regions,
        tuple(facts["targets"]), Prescription(float(total), int(count)),
        Bixels(*(arrays[f"bixel_{name}"] for name in COLUMNS)),
        {str(name): arrays[f"linear_{number}"] for number, name in enumerate(facts["linear"])},
        {str(name): str(unit) for name, unit in facts["units"].items()},
        modality, str(facts["frame"]), kind, tuple(facts["notes"]),
    )  # fmt: skip


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        doing=f"reading the navigation {path.name}",
        found=found,
        expected="an archive written by abscopal",
        try_="making it again with `abscopal plan`",
    )
