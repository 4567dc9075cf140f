"""The synthetic thorax case: CT, contours, plan and dose of one stated phantom as DICOM."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.registry import unknown_name
from abscopal.dose.dicom.write import BeamRecord, Identity, PlanRecord, StudyRecord, write_case
from abscopal.dose.dvh import compute_dvh
from abscopal.dose.grid import DoseGrid, Volume
from abscopal.dose.outline import outline_planes
from abscopal.dose.sample.anatomy import SHEET, build_anatomy, paint_ct, structure_rows
from abscopal.dose.sample.beams import Axes, FieldDose, FieldSetup, Phantom, plan_fields, relative_density
from abscopal.dose.sample.delivery import SampleInfo, deliver
from abscopal.dose.sample.shapes import Solid, Tube, union
from abscopal.dose.structures import Structure
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]

NOTES = (
    "Synthetic phantom, not a patient; geometry and beam data are assumptions of this project.",
    "Doses follow an analytic model with water-equivalent depth: no transport of electrons or scatter.",
    "Tumour in the left lung; node LN_Mediast is subcarinal (station 7). The CT covers the thorax only, so"
    " mean body dose must be taken as integral dose over a whole-body volume.",
)


@dataclass(frozen=True)
class Schedule:
    """One way the phantom is treated.

    Attributes
    ----------
    name, label : str
    n_fractions : int
    dose_per_fraction : float
        [Gy]
    margin : float
        Target outline to field edge. [mm]
    dose_rate : float
        [MU/min]
    flattening_filter_free, treats_node : bool
    fields : tuple of (gantry, weight, aim)
        Angle [degree], relative dose at the aim's reference point [1], and what the aperture
        follows: PTV, PTVn, or all with the mediastinal strip and the bridge to it.
    """

    name: str
    label: str
    n_fractions: int
    dose_per_fraction: float
    margin: float
    dose_rate: float
    flattening_filter_free: bool
    treats_node: bool
    fields: tuple[tuple[float, float, str], ...]

    @property
    def total(self) -> float:
        """Prescribed dose of the course, in Gy."""
        return self.n_fractions * self.dose_per_fraction


def schedule_names() -> tuple[str, ...]:
    """Schedules the phantom can be built with."""
    return tuple(load(SHEET).table("schedules")["schedule"])


def find_schedule(name: str) -> Schedule:
    """The schedule called `name`.

    Raises
    ------
    InputError
        Unknown name, with the close matches.
    """
    if name not in schedule_names():
        raise unknown_name("choosing a schedule of the thorax sample", name, list(schedule_names()))
    row = load(SHEET).table("schedules").set_index("schedule").loc[name].to_dict()
    fields = load(SHEET).table("fields").query("schedule == @name")
    return Schedule(
        name=name,
        label=str(row["label"]),
        n_fractions=int(row["n_fractions"]),
        dose_per_fraction=float(row["dose_per_fraction_gy"]),
        margin=float(row["aperture_margin_mm"]),
        dose_rate=float(row["dose_rate_mu_per_min"]),
        flattening_filter_free=bool(row["fluence"] == "FFF"),
        treats_node=bool(row["treats_node"]),
        fields=tuple(
            zip(fields["gantry_deg"].astype(float), fields["weight"].astype(float), fields["aim"], strict=True)
        ),
    )


def build_thorax(out: Path, schedule: str = "3x18") -> SampleInfo:
    """Build the synthetic thorax and write it as DICOM.

    Parameters
    ----------
    out : Path
        Folder: absent, empty, or already holding exactly this case.
    schedule : {"3x18", "5x10", "30x2"}
        Fractions and dose per fraction in Gy.

    Returns
    -------
    SampleInfo

    Raises
    ------
    InputError
        Unknown schedule, or `out` holds something else. Nothing is written then.

    Notes
    -----
    Repeated runs give the same bytes. The geometry, the dose model and every number behind them
    are described in the knowledge sheet `dose/thorax_phantom` and in the samples page of the manual.
    """
    record = thorax_record(schedule)

    def fill(folder: Path) -> None:
        write_case(folder, record)

    present = deliver(out, fill)
    return SampleInfo(
        name=f"thorax {schedule}",
        folder=out,
        files=tuple(sorted(path.name for path in out.iterdir())),
        origin="computed by abscopal from its own phantom definition",
        licence="Apache-2.0, as the project",
        notes=NOTES,
        already_present=present,
    )


def thorax_record(schedule: str) -> StudyRecord:
    """The synthetic thorax as arrays and contours, ready to be written.

    Raises
    ------
    InputError
        Unknown schedule, with the close matches.
    """
    plan = find_schedule(schedule)
    parts = build_anatomy()
    axes = ct_axes()
    image = np.rint(paint_ct(parts, *axes))
    structures = outline_all(parts, axes[2], with_node=plan.treats_node)
    grid = dose_axes(parts["External"])
    fields, isocentre = treat(parts, structures, Volume(image, affine_of(axes)), grid, plan)
    dose = np.sum([field.dose for field in fields], axis=0)
    ptv = next(structure.number for structure in structures if structure.name == "PTV")
    return StudyRecord(
        ct=Volume(image, affine_of(axes)),
        structures=structures,
        dose=DoseGrid(dose, affine_of(grid), "physical"),
        plan=_plan_record(plan, fields, isocentre, ptv),
        identity=Identity(
            patient_name="Phantom^Thorax",
            patient_id="SYNTHETIC-THORAX",
            body_part="CHEST",
            description=f"Synthetic thorax phantom {schedule}",
        ),
        seed=f"abscopal synthetic thorax {schedule}",
    )


def ct_axes() -> Axes:
    """Voxel centres of the phantom's CT, in mm."""
    sheet = load(SHEET)
    count, pixel = int(sheet["pixels"]), sheet["pixel_mm"]
    across: FloatArray = (np.arange(float(count)) - (count - 1) / 2) * pixel
    along: FloatArray = sheet["first_slice_mm"] + sheet["slice_mm"] * np.arange(sheet["slices"])
    return across, across.copy(), along


def dose_axes(body: Solid) -> Axes:
    """Voxel centres of a dose grid that covers the body in the CT, shifted against its grid, in mm."""
    sheet = load(SHEET)
    pixel, shift = sheet["dose_pixel_mm"], sheet.vector("dose_offset_mm")
    z = ct_axes()[2]
    across, deep = (
        np.arange(low - pixel + offset, high + pixel, pixel)
        for (low, high), offset in zip(body.box[:2], shift[:2], strict=True)
    )
    slice_mm = sheet["slice_mm"]
    return across, deep, np.arange(z[0] - slice_mm + shift[2], z[-1] + slice_mm, slice_mm)


def affine_of(axes: Axes) -> FloatArray:
    """Affine (4, 4) from index (i, j, k, 1) to LPS for ascending axes, in mm."""
    affine = np.diag([*(float(axis[1] - axis[0]) for axis in axes), 1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    return affine


def outline_all(parts: dict[str, Solid], z: FloatArray, *, with_node: bool) -> tuple[Structure, ...]:
    """Contours of all structures of the table on the planes `z`; `PTVn` only where the node is treated."""
    rows = [row for row in structure_rows() if with_node or row["name"] != "PTVn"]
    return tuple(
        Structure(
            number=number,
            name=str(row["name"]),
            standard_name=str(row["name"]),
            role=str(row["role"]),
            contours=outline(parts[str(row["name"])], z, float(row["contour_step_mm"])),
            color=(int(row["red"]), int(row["green"]), int(row["blue"])),
        )
        for number, row in enumerate(rows, start=1)
    )


def outline(solid: Solid, z: FloatArray, step: float) -> tuple[FloatArray, ...]:
    """Closed contours of a solid on axial planes.

    Parameters
    ----------
    solid : Solid
    z : array, shape (n,)
        Planes, ascending. [mm]
    step : float
        Grid on which the implicit function is sampled; the contour runs between grid points by
        linear interpolation, so its error is far smaller. [mm]

    Returns
    -------
    tuple of array, shape (m, 3)
        LPS, without a repeated last point. [mm]
    """
    x, y = (np.arange(low - 2 * step, high + 3 * step, step) for low, high in solid.box[:2])
    values = solid.on_grid(x, y, z, 2 * step)
    return outline_planes(x, y, zip(z, values, strict=True))


def treat(
    parts: dict[str, Solid], structures: tuple[Structure, ...], ct: Volume, grid: Axes, plan: Schedule
) -> tuple[tuple[FieldDose, ...], FloatArray]:
    """Fields of a schedule, scaled so that the stated share of each target receives the prescription.

    Returns
    -------
    tuple of FieldDose
        Doses of the whole course on `grid`, zero outside the body.
    array, shape (3,)
        Isocentre. [mm]
    """
    covered = union(parts["PTV"], parts["PTVn"]) if plan.treats_node else parts["PTV"]
    isocentre = np.round(_centre(covered))
    aims = {
        "PTV": (parts["PTV"], isocentre),
        "PTVn": (parts["PTVn"], _centre(parts["PTVn"])),
        "all": (union(covered, _bridge(parts), parts["mediastinal strip"]), isocentre),
    }
    setups = [FieldSetup(gantry, weight, *aims[aim]) for gantry, weight, aim in plan.fields]
    lung = next(float(row["hu"]) for row in structure_rows() if row["name"] == "Lung_L")
    density = relative_density(np.asarray(ct.values, dtype=np.float64))
    phantom = Phantom(density, ct_axes(), float(relative_density(np.array([lung]))[0]))
    inside = parts["External"].on_grid(*grid) < 0
    fields = [field.within(inside) for field in plan_fields(phantom, setups, isocentre, plan.margin, grid)]
    total = DoseGrid(np.sum([field.dose for field in fields], axis=0), affine_of(grid), "physical")
    factor = plan.total / _covered_dose(structures, total)
    return tuple(field.times(factor) for field in fields), isocentre


def _covered_dose(structures: tuple[Structure, ...], total: DoseGrid) -> float:
    """Dose that the stated share of every planning target volume receives, in the unit of `total`."""
    percent = load(SHEET)["coverage_percent"]
    targets = [structure for structure in structures if structure.role == "PTV"]
    return min(compute_dvh(target, total).dose_at_volume(percent) for target in targets)


def _centre(solid: Solid) -> FloatArray:
    """Centre of a solid's box, LPS, in mm."""
    return np.array([(low + high) / 2 for low, high in solid.box])


def _bridge(parts: dict[str, Solid]) -> Solid:
    """The strip between tumour and node."""
    ends = np.array([_centre(parts[name]) for name in ("GTV", "LN_Mediast")])
    return Tube(ends, np.full(2, load(SHEET)["bridge_radius_mm"])).solid()


def _plan_record(plan: Schedule, fields: tuple[FieldDose, ...], isocentre: FloatArray, target: int) -> PlanRecord:
    sheet = load(SHEET)
    width, pairs = sheet["leaf_width_mm"], int(sheet["leaf_pairs"])
    boundaries: FloatArray = (np.arange(pairs + 1.0) - pairs / 2) * width
    per_unit = sheet["dose_per_mu"] * sheet["output_factor"]
    beams = tuple(
        BeamRecord(
            number=field.number,
            name=f"Field {field.number}",
            gantry=field.gantry,
            energy_mv=sheet["energy_mv"],
            meterset=field.reference / per_unit / plan.n_fractions,
            dose_gy=field.at_point / plan.n_fractions,
            dose_point=_three(field.point),
            dose_rate=plan.dose_rate,
            isocentre=_three(isocentre),
            jaws=field.aperture.jaws(),
            sad_mm=sheet["sad_mm"],
            flattening_filter_free=plan.flattening_filter_free,
            leaf_boundaries=boundaries,
            leaf_tips=field.aperture.leaves(boundaries),
        )
        for field in fields
    )
    return PlanRecord(plan.label, plan.n_fractions, plan.total, target, beams)


def _three(point: FloatArray) -> tuple[float, float, float]:
    return (float(point[0]), float(point[1]), float(point[2]))
