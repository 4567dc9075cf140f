"""Made-up head-and-neck patients: spheres in a cylinder, with a dose that follows distance."""

from pathlib import Path

import numpy as np

from abscopal.dose.dicom import intake
from abscopal.dose.grid import Volume
from abscopal.dose.structures import Structure
from abscopal.planning.prediction.anatomy import Anatomy, Example
from abscopal.planning.prediction.by_distance import nearest_target

VOXEL = (5.0, 5.0, 4.0)
SHAPE = (24, 28, 22)
ORGAN_SPHERES = {
    "Brainstem": ((80.0, 70.0, 12.0), 12.0),
    "SpinalCord": ((90.0, 70.0, 50.0), 7.0),
    "RightParotid": ((50.0, 30.0, 24.0), 11.0),
    "LeftParotid": ((50.0, 110.0, 24.0), 13.0),
    "Larynx": ((35.0, 70.0, 60.0), 12.0),
    "Mandible": ((30.0, 60.0, 20.0), 11.0),
}
TARGET_SPHERES = {
    "PTV70": ((50.0, 80.0, 40.0), 14.0),
    "PTV63": ((50.0, 60.0, 44.0), 16.0),
    "PTV56": ((55.0, 75.0, 44.0), 30.0),
}


def sphere(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    axes = [(np.arange(n) + 0.5) * size for n, size in zip(SHAPE, VOXEL, strict=True)]
    y, x, z = np.meshgrid(*axes, indexing="ij")
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 + (z - centre[2]) ** 2 <= radius**2


def made_up_anatomy(shift: float = 0.0, *, organs: bool = True) -> Anatomy:
    """One patient; `shift` [mm] moves the targets to the patient's left."""
    axes = [(np.arange(n) + 0.5) * size for n, size in zip(SHAPE, VOXEL, strict=True)]
    y, x, _ = np.meshgrid(*axes, indexing="ij")
    body = ((y - 60) / 55) ** 2 + ((x - 70) / 65) ** 2 <= 1
    masks, taken = {}, np.zeros(SHAPE, dtype=bool)
    for name, ((a, b, c), radius) in TARGET_SPHERES.items():
        masks[name] = sphere((a, b + shift, c), radius) & ~taken & body
        taken |= masks[name]
    if organs:
        masks |= {name: sphere(*place) & body for name, place in ORGAN_SPHERES.items()}
    return Anatomy(np.where(body, 1000.0, 0.0).astype(np.float32), masks, body, VOXEL)


def made_up_example(name: str = "one", shift: float = 0.0) -> Example:
    """A patient whose dose is the prescription in the targets and falls off outside them."""
    anatomy = made_up_anatomy(shift)
    level, distance = nearest_target(anatomy)
    dose = np.array([56.0, 63.0, 70.0])[level] * np.exp(-np.maximum(distance, 0) / 25.0) * anatomy.region
    return Example(name, anatomy, dose.astype(np.float32))


def write_openkbp(folder: Path, example: Example, split: str) -> Path:
    """The patient in the OpenKBP npz layout."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(example.anatomy.masks)
    bits = sum(
        (example.anatomy.masks[name].astype(np.uint16) << k for k, name in enumerate(names)), np.zeros(SHAPE, np.uint16)
    )
    path = folder / f"{split}_{example.name}.npz"
    np.savez_compressed(
        path, ct=example.anatomy.ct.astype(np.int16), dose_cgy=np.round(100 * example.dose).astype(np.uint16),
        possible_dose_mask=example.anatomy.region, mask_bits=bits, mask_names=np.array(names),
        voxel_size_mm=np.array(VOXEL, dtype=np.float32),
    )  # fmt: skip
    return path


def circle(centre: tuple[float, float], radius: float, z: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn), np.full(40, z)], axis=1)


def ball(number: int, name: str, centre: tuple[float, float, float], radius: float, standard: str | None) -> Structure:
    heights = [z for z in np.arange(-120.0, 121.0, 4.0) if abs(z - centre[2]) < radius]
    rings = tuple(circle(centre[:2], float(np.sqrt(radius**2 - (z - centre[2]) ** 2)), float(z)) for z in heights)
    return Structure(number, name, standard, "", rings)


def made_up_case(targets: dict[str, float] | None = None, *, head: bool = True, body: bool = True) -> intake.Anatomy:
    """A case with CT and contours: an 8 cm cylinder along the patient, two targets, a left parotid."""
    n = (61, 50, 50)  # 4 mm cubes from -120 mm, -98 mm, -98 mm
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-98.0, -98.0, -120.0)
    y, x = np.meshgrid(-98.0 + 4 * np.arange(n[1]), -98.0 + 4 * np.arange(n[2]), indexing="ij")
    plane = np.where(x**2 + y**2 <= 80.0**2, 0.0, -1000.0)
    ct = Volume(np.broadcast_to(plane, n).astype(np.float32), affine, "1.2.3")
    names = list(targets or {"PTV_7000": 70.0, "PTV_5600": 56.0})
    parts = [ball(1, names[0], (10.0, 0.0, 0.0), 20.0, names[0])]
    parts += [ball(2, names[1], (0.0, 5.0, -10.0), 42.0, names[1])] if len(names) > 1 else []
    if head:
        parts.append(ball(3, "Parotid_L", (50.0, 10.0, 30.0), 14.0, "Parotid_L"))
    if body:
        rings = tuple(circle((0.0, 0.0), 80.0, float(z)) for z in np.arange(-120.0, 121.0, 4.0))
        parts.append(Structure(4, "BODY", "External", "EXTERNAL", rings))
    return intake.Anatomy(ct, {one.label: one for one in parts}, (), {}, "HFS", ct.frame_of_reference_uid)
