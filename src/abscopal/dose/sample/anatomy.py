"""The synthetic thorax as solids: an adult on the back, head first, arms up, in LPS millimetres.

+x is the patient's left, +y the back, +z the head. The tumour sits in the left lung, the
liver under the right dome, the spleen on the left.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.dose.sample.shapes import (
    FAR,
    Solid,
    Tube,
    blend_of_spheres,
    difference,
    ellipsoid,
    intersection,
    side,
    stack,
    standing,
    union,
)
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]

SHEET = "dose/thorax_phantom"
VESSELS = ("A_Aorta", "A_Pulmonary", "V_Venacava_S", "V_Venacava_I")
XYZ = ["x_mm", "y_mm", "z_mm"]
HALF_AXES = ["a_mm", "b_mm", "c_mm"]
LONG_AXIS = ["axis_x", "axis_y", "axis_z"]


def build_anatomy() -> dict[str, Solid]:
    """Every solid of the phantom by structure name (TG-263), with helpers in lower case.

    Returns
    -------
    dict of str to Solid
        Structures of the table `structures` of the sheet `dose/thorax_phantom`, and the
        unnamed parts `cage`, `domes`, `sternum` and `column` that only the CT needs.
    """
    sheet = load(SHEET)
    pleura = sheet["pleura_mm"]
    parts = _tubes() | _ellipsoids() | _stacks()
    parts["VB_T"] = _vertebrae(parts["column"])
    parts["GTV"] = _tumour()
    parts["PTV"] = parts["GTV"].grown(sheet["ptv_margin_mm"])
    parts["PTVn"] = parts["LN_Mediast"].grown(sheet["ptv_margin_mm"])
    parts["Stomach"] = intersection(parts["Stomach"], parts["domes"].grown(-pleura))
    parts["Spleen"] = difference(intersection(parts["Spleen"], parts["domes"].grown(-pleura)), parts["Stomach"])
    parts["Heart"] = difference(parts["Heart"], parts["domes"])
    parts |= _vessels_outside_the_heart(parts)
    parts["Liver"] = difference(
        intersection(parts["Liver"], parts["cage"].grown(-pleura)),
        *(parts[name].grown(pleura) for name in ("Stomach", "A_Aorta", "column")),
        parts["V_Venacava_I"],
    )
    parts["Bronchus"] = difference(parts["Bronchus"], parts["Trachea"])
    parts["Esophagus"] = difference(
        parts["Esophagus"], *(parts[name] for name in ("A_Aorta", "Trachea", "Heart", "Stomach"))
    )
    parts["LN_Mediast"] = difference(parts["LN_Mediast"], parts["Esophagus"], parts["Bronchus"], parts["GreatVes"])
    parts |= _lungs(parts, pleura, sheet["airway_wall_mm"])
    return parts


def _rows(table: str) -> pd.DataFrame:
    return load(SHEET).table(table)


def _tubes() -> dict[str, Solid]:
    flatten = load(SHEET)["spine_flatten"]
    built: dict[str, Solid] = {}
    for (organ, _branch), rows in _rows("tubes").groupby(["organ", "branch"], sort=False):
        tube = Tube(rows[XYZ].to_numpy(dtype=float), rows["radius_mm"].to_numpy(dtype=float))
        name = "column" if organ == "VB_T" else str(organ)
        solid = tube.solid(flatten=flatten if name == "column" else 1.0)
        built[name] = union(built[name], solid) if name in built else solid
    return built


def _ellipsoids() -> dict[str, Solid]:
    built: dict[str, Solid] = {}
    renamed = {"Diaphragm": "domes", "Sternum": "sternum", "Mediastinum": "mediastinum"}
    for _, row in _rows("ellipsoids").iterrows():
        solid = ellipsoid(*(row[keys].tolist() for keys in (XYZ, HALF_AXES, LONG_AXIS)))
        name = renamed.get(str(row["organ"]), str(row["organ"]))
        if name == "domes":
            solid = standing(solid, float(row["z_mm"]))
        built[name] = union(built[name], solid) if name in built else solid
    return built


def _stacks() -> dict[str, Solid]:
    rows = _rows("sections")
    exponent = load(SHEET)["section_exponent"]
    columns = {name: rows[name].to_numpy(dtype=float) for name in rows}

    def build(part: str) -> Solid:
        wide, deep, back = (columns[f"{part}_{what}_mm"] for what in ("half_width", "half_depth", "y"))
        return stack(columns["z_mm"], wide, deep, back, exponent)

    return {"External": build("body"), "cage": build("cage")}


def _tumour() -> Solid:
    rows = _rows("spheres")
    return blend_of_spheres(
        rows[XYZ].to_numpy(dtype=float), rows["radius_mm"].to_numpy(dtype=float), load(SHEET)["gtv_blend_mm"]
    )


def periodic_gap(phase: FloatArray, pitch: float) -> FloatArray:
    """Distance from the nearest multiple of `pitch`, in mm."""
    return np.abs(phase - pitch * np.round(phase / pitch))


def _vertebrae(column: Solid) -> Solid:
    """The column without its discs."""
    pitch, disc = load(SHEET)["vertebra_pitch_mm"], load(SHEET)["disc_mm"]
    return Solid(
        lambda x, y, z: np.maximum(column.field(x, y, z), disc / 2 - periodic_gap(z, pitch)),
        column.box,
    )


def _vessels_outside_the_heart(parts: dict[str, Solid]) -> dict[str, Solid]:
    """Great vessels without the part inside the heart or the spine, and their union."""
    vessels: dict[str, Solid] = {}
    for name in VESSELS:
        vessels[name] = difference(parts[name], parts["Heart"], parts["column"], *vessels.values())
    return vessels | {"GreatVes": union(*vessels.values())}


def _lungs(parts: dict[str, Solid], pleura: float, wall: float) -> dict[str, Solid]:
    """Both lungs: the cage above the diaphragm less the mediastinum and all it holds."""
    strip = load(SHEET)["mediastinum_half_width_mm"]
    inside = difference(
        parts["cage"],
        parts["domes"],
        parts["mediastinum"],
        *(parts[name].grown(pleura) for name in ("Heart", "GreatVes", "Esophagus", "column")),
        *(parts[name].grown(wall) for name in ("Trachea", "Bronchus", "LN_Mediast")),
    )
    bottom = load(SHEET)["lung_bottom_mm"]
    (low, high), depth, (_, top) = parts["cage"].box

    def lung(sign: int, across: tuple[float, float]) -> Solid:
        field = intersection(inside, side(strip, sign)).field
        return Solid(lambda x, y, z: np.maximum(field(x, y, z), bottom - z), (across, depth, (bottom, top)))

    return {"Lung_L": lung(1, (strip, high)), "Lung_R": lung(-1, (low, -strip))}


def structure_rows() -> tuple[dict[str, Any], ...]:
    """Rows of the structure table: name, role, colour, Hounsfield units, contouring step."""
    return tuple({str(key): value for key, value in row.items()} for row in _rows("structures").to_dict("records"))


def paint_ct(parts: dict[str, Solid], x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Hounsfield units on a grid, each surface blended over one pixel (partial volumes).

    Parameters
    ----------
    parts : dict of str to Solid
        As `build_anatomy` gives it.
    x, y, z : array, shapes (nx,), (ny,), (nz,)
        Ascending voxel centres, LPS. [mm]

    Returns
    -------
    array, shape (nz, ny, nx)
        [HU]
    """
    sheet = load(SHEET)
    pixel = float(x[1] - x[0])
    fields = {
        name: parts[name].on_grid(x, y, z, pixel) for name in ("External", "cage", "domes", "column", "SpinalCord")
    }
    image = np.full(fields["External"].shape, sheet["hu_air"])

    def paint(field: FloatArray, hu: float) -> None:
        share = np.clip(0.5 - field / pixel, 0.0, 1.0)
        image[...] += share * (hu - image)

    organs = sorted((row for row in structure_rows() if row["paint_order"]), key=lambda row: int(row["paint_order"]))
    for row in organs:
        name = str(row["name"])
        field = fields[name] if name in fields else parts[name].on_grid(x, y, z, pixel)
        if name == "VB_T":
            paint(fields["column"], sheet["hu_disc"])
        paint(field, float(row["hu"]))
        if name == "External":
            paint(field + sheet["fat_mm"], sheet["hu_muscle"])
            paint(fields["cage"], sheet["hu_mediastinum"])
            paint(np.maximum(fields["domes"], fields["cage"]), sheet["hu_abdomen"])
            paint(_bones(fields, parts["sternum"].on_grid(x, y, z, pixel), y, z), sheet["hu_rib"])
    return np.where(fields["External"] < FAR, image, sheet["hu_air"])


def _bones(fields: dict[str, FloatArray], sternum: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Ribs in the chest wall, vertebral arches around the canal, and the sternum."""
    sheet = load(SHEET)
    inner, outer = sheet.vector("rib_mm")
    shell = np.maximum(inner - fields["cage"], fields["cage"] - outer)
    phase = z[:, None, None] - sheet["rib_slope"] * y[None, :, None]
    ribs = np.maximum(shell, periodic_gap(phase, sheet["rib_pitch_mm"]) - sheet["rib_height_mm"] / 2)
    near, far = sheet.vector("canal_wall_mm")
    arch = np.maximum(near - fields["SpinalCord"], fields["SpinalCord"] - far)
    return np.minimum(np.minimum(ribs, arch), np.maximum(sternum, fields["External"] + sheet["sternum_depth_mm"]))
