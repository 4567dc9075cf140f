"""Dose-influence matrices from pyRadPlan: photons and protons, on its TG-119 phantom and on any case.

pyRadPlan (BSD) is an extra and imported when it is needed. Its images are SimpleITK images in LPS; arrays come out of
them as (z, y, x), and a row of its matrix is a voxel in C order of that.
"""

import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.progress import track
from abscopal.dose.dicom.intake import Anatomy
from abscopal.dose.grid import FloatArray, Volume
from abscopal.dose.structures import Structure, occupancy
from abscopal.knowledge.load import load
from abscopal.planning.beams import BeamSetup
from abscopal.planning.influence import (
    Bixels,
    InfluenceMatrix,
    Prescription,
    cached,
    from_arrays,
    memory_needed,
)

BODY = "External"
TARGETS = ("PTV", "PTVn", "CTV", "ITV", "GTV")
AIR, WATER = -1000.0, 0.0  # the two points that define the Hounsfield scale
TISSUE = -900.0
"""Hounsfield units below which a whole body would be air."""
LATERAL_CUTOFF_MM = 50.0
"""Reach of a bixel across its axis that the engine keeps by default."""
MEMORY_SHARE = 0.8
"""Part of the free memory that a matrix may take."""


def pyradplan() -> Any:
    """The module `pyRadPlan`.

    Raises
    ------
    UnsupportedError
        Without the extra `planning`.
    """
    try:
        with _quiet():
            engine = importlib.import_module("pyRadPlan")
    except ImportError as exc:
        raise UnsupportedError(
            doing="calculating a dose-influence matrix",
            found="no pyRadPlan on this machine",
            expected="the extra 'planning'",
            try_="pip install 'abscopal[planning]'",
        ) from exc
    engine.core.ProgressReporter.console_progress = False  # its bars would run through ours
    return engine


def matrix_of_case(
    anatomy: Anatomy,
    prescription: Prescription,
    setup: BeamSetup,
    *,
    target: str | None = None,
    folder: Path | None = None,
    memory: int | None = None,
) -> InfluenceMatrix:
    """The influence matrix of a CT with structures.

    Parameters
    ----------
    anatomy : Anatomy
        Of `abscopal.dose.dicom.intake.read_anatomy`.
    prescription : Prescription
    setup : BeamSetup
    target : str, optional
        Structure that gets the prescription; else the PTVs, else the only CTV, ITV or GTV.
    folder : Path, optional
        Where the matrix is kept and looked for; it holds data of the patient.
    memory : int, optional
        Bytes that may be used; by default a part of what is free.

    Returns
    -------
    InfluenceMatrix
        All structures whole, on the dose grid of the engine. Protons carry their constant RBE.

    Raises
    ------
    InputError
        No target, a target outside the body, no body contour, a CT that is no map of density, a matrix that does not
        fit in memory (estimated before it is calculated).
    UnsupportedError
        Without the extra `planning`.
    """
    targets = choose_targets(anatomy.structures, target)
    require_density(anatomy)
    require_inside(anatomy, targets)
    engine = pyradplan()
    identity = {
        "inputs": dict(anatomy.inputs), "names": sorted(anatomy.structures), "targets": list(targets),
        "prescription": [prescription.total, prescription.n_fractions], "engine": engine_version(), **setup.facts(),
    }  # fmt: skip

    def compute() -> InfluenceMatrix:
        with _quiet():
            ct = engine.CT(cube_hu=_image(anatomy.ct, np.float64))
            vois = [_voi(engine, ct, anatomy, name) for name in (*targets, BODY)]
            cst = engine.cst.create_cst(vois, ct=ct)
        dij, bixels = _calculate(engine, ct, cst, setup, _body_cm3(anatomy), memory)
        affine, shape = _geometry(dij.dose_grid)
        grid = Volume(np.zeros(shape), affine, anatomy.frame_of_reference_uid)
        filled = {name: occupancy(structure, grid) for name, structure in track_structures(anatomy.structures)}
        return _finished(dij, bixels, shape, affine, _touching(filled), targets, prescription, setup,
                         anatomy.frame_of_reference_uid)  # fmt: skip

    return cached(folder, identity, compute)


def tg119_matrix(
    prescription: Prescription, setup: BeamSetup, *, folder: Path | None = None, memory: int | None = None
) -> InfluenceMatrix:
    """The TG-119 C-shape phantom of pyRadPlan's own files; structures `PTV` (OuterTarget), `Core` and `External`."""
    engine = pyradplan()
    names = {"OuterTarget": "PTV", "Core": "Core", "BODY": BODY}
    identity = {
        "phantom": "TG119", "engine": engine_version(), **setup.facts(),
        "prescription": [prescription.total, prescription.n_fractions],
    }  # fmt: skip

    def compute() -> InfluenceMatrix:
        with _quiet():
            ct, cst = engine.load_tg119()
        volume = sum(int(voi.indices_numpy.size) for voi in cst.vois if voi.name == "BODY")
        volume_cm3 = volume * float(np.prod(ct.cube_hu.GetSpacing())) / 1000.0
        dij, bixels = _calculate(engine, ct, cst, setup, volume_cm3, memory)
        affine, shape = _geometry(dij.dose_grid)
        filled = {names[voi.name]: shares_on(voi, dij.dose_grid) for voi in cst.vois}
        return _finished(dij, bixels, shape, affine, filled, ("PTV",), prescription, setup, "")

    return cached(folder, identity, compute)


def from_pyradplan(
    dij: Any,
    occupancies: Mapping[str, FloatArray],
    *,
    targets: tuple[str, ...],
    prescription: Prescription,
    bixels: Bixels | None = None,
    frame_of_reference_uid: str = "",
) -> InfluenceMatrix:
    """An influence matrix from a `Dij` of pyRadPlan that is at hand.

    Parameters
    ----------
    dij : pyRadPlan.dij.Dij
        Its first scenario is taken.
    occupancies : mapping of str to array, shape (nz, ny, nx)
        On its dose grid. [1]
    targets, prescription, frame_of_reference_uid
        As in `InfluenceMatrix`.
    bixels : Bixels, optional
        By default the beams are known by number only.
    """
    affine, shape = _geometry(dij.dose_grid)
    beams = np.asarray(dij.beam_num, dtype=np.int64)
    unknown = np.full(beams.size, np.nan)
    table = bixels or Bixels(beams, unknown, unknown.copy(), unknown.copy(), unknown.copy(), unknown.copy())
    return from_arrays(
        _doses(dij), shape, affine, occupancies, targets=targets, prescription=prescription, bixels=table,
        frame_of_reference_uid=frame_of_reference_uid, origin=engine_version(),
    )  # fmt: skip


def engine_version() -> str:
    """Name and version of the engine, for reports and cache keys."""
    from importlib.metadata import version

    return f"pyRadPlan {version('pyRadPlan')}"


def choose_targets(structures: Mapping[str, Structure], target: str | None = None) -> tuple[str, ...]:
    """Structures that get the prescription.

    Raises
    ------
    InputError
        None is there, or several could be meant.
    """
    if target is not None and target in structures:
        return (target,)
    planning = tuple(
        name for name, one in structures.items() if one.role.upper() == "PTV" or name.upper().startswith("PTV")
    )
    if target is None and planning:
        return planning
    others = tuple(name for name in structures if name.upper().startswith(TARGETS[2:]))
    if target is None and len(others) == 1:
        return others
    found = f"no structure {target}" if target is not None else f"{len(others)} CTV, ITV or GTV and no PTV"
    raise InputError(
        doing="looking for the target of the plan", found=found,
        expected="a PTV, or one CTV, ITV or GTV; present are " + ", ".join(sorted(structures)),
        try_="--target NAME",
    )  # fmt: skip


def require_density(anatomy: Anatomy) -> None:
    """Refuse an image whose values cannot be Hounsfield units of this patient."""
    if BODY not in anatomy.structures:
        raise InputError(
            doing="preparing the CT for dose calculation", found="no body contour (External)",
            expected="the outline of the patient: dose is calculated inside it",
            try_="contouring the body, or --name FILE_NAME=External",
        )  # fmt: skip
    values = np.asarray(anatomy.ct.values, dtype=np.float64)
    inside = values[occupancy(anatomy.structures[BODY], anatomy.ct) >= 0.5]
    middle = float(np.median(inside)) if inside.size else AIR
    flat = bool(inside.size and np.ptp(inside) == 0)
    if not np.isfinite(values).all() or middle < TISSUE or values.min() >= WATER or flat:
        raise InputError(
            doing="turning the CT into densities",
            found=f"values from {values.min():g} to {values.max():g}, in the body about {middle:g}",
            expected="Hounsfield units: air about -1000 around and in the patient, soft tissue about 0",
            try_="the planning CT with its RescaleSlope and RescaleIntercept; other images carry no density",
        )  # fmt: skip


def require_inside(anatomy: Anatomy, targets: tuple[str, ...]) -> None:
    """Refuse a target that lies outside the body, in whole or for the most part."""
    body = occupancy(anatomy.structures[BODY], anatomy.ct)
    for name in targets:
        filled = occupancy(anatomy.structures[name], anatomy.ct)
        share = float((filled * body).sum() / max(float(filled.sum()), 1e-12))
        if share < 0.5:
            raise InputError(
                doing="placing the target in the patient", found=f"{100 * share:.0f} % of {name} inside the body",
                expected="a target inside the body contour", try_="checking that both are drawn on the same CT",
            )  # fmt: skip


def require_memory(n_bixels: int, body_cm3: float, setup: BeamSetup, limit: int | None = None) -> int:
    """Bytes the matrix will need; refuses what does not fit.

    A bixel reaches a cylinder of the engine's cut-off radius through the body, as long as the body is thick.
    """
    available = free_memory() if limit is None else limit
    thickness = 2.0 * (3.0 * body_cm3 * 1000.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    reached = min(body_cm3 * 1000.0, np.pi * LATERAL_CUTOFF_MM**2 * thickness)
    entries = int(n_bixels * reached / setup.grid_mm**3)
    needed = memory_needed(entries, int(4.0 * body_cm3 * 1000.0 / setup.grid_mm**3), n_bixels)
    if needed > available:
        raise InputError(
            doing="calculating a dose-influence matrix",
            found=f"about {entries / 1e6:.0f} million doses for {n_bixels} bixels: {needed / 2**30:.1f} GiB",
            expected=f"at most the {available / 2**30:.1f} GiB that are free",
            try_=f"wider bixels than {setup.bixel_mm:g} mm, a coarser grid than {setup.grid_mm:g} mm, or fewer beams",
        )  # fmt: skip
    return needed


def free_memory() -> int:
    """Bytes that a matrix may take on this machine."""
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    if "SC_AVPHYS_PAGES" not in names:
        return 4 * 2**30  # not told by this system
    return int(MEMORY_SHARE * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def shares_on(voi: Any, grid: Any) -> FloatArray:
    """Part of each voxel of a grid inside a structure of pyRadPlan, by linear interpolation, shape (nz, ny, nx)."""
    sitk = importlib.import_module("SimpleITK")
    mask = sitk.Cast(voi.mask, sitk.sitkFloat32)
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(n) for n in grid.dimensions])
    resample.SetOutputSpacing([float(grid.resolution[axis]) for axis in "xyz"])
    resample.SetOutputOrigin([float(v) for v in grid.origin])
    resample.SetOutputDirection([float(v) for v in np.asarray(grid.direction).ravel()])
    resample.SetInterpolator(sitk.sitkLinear)
    return np.asarray(sitk.GetArrayFromImage(resample.Execute(mask)), dtype=np.float64)


def track_structures(structures: Mapping[str, Structure]) -> Iterator[tuple[str, Structure]]:
    """The structures one by one, with progress."""
    yield from track(list(structures.items()), "structures on the dose grid")


def _calculate(
    engine: Any, ct: Any, cst: Any, setup: BeamSetup, body_cm3: float, memory: int | None
) -> tuple[Any, Bixels]:
    plan_type = engine.PhotonPlan if setup.modality == "photons" else engine.IonPlan
    plan = plan_type(radiation_mode=setup.modality, machine=setup.machine)
    plan.prop_stf = {
        "gantry_angles": list(setup.gantry), "couch_angles": [0.0] * len(setup.gantry), "bixel_width": setup.bixel_mm,
    }  # fmt: skip
    plan.prop_dose_calc = {"dose_grid": {"resolution": dict.fromkeys("xyz", setup.grid_mm)}}
    with _quiet():
        for step in track(("beams", "doses"), "dose of every bixel"):
            if step == "beams":
                stf = engine.generate_stf(ct, cst, plan)
                bixels = _bixels(stf)
                require_memory(len(bixels), body_cm3, setup, memory)
            else:
                dij = engine.calc_dose_influence(ct, cst, stf, plan)
    return dij, bixels


def _bixels(stf: Any) -> Bixels:
    rows = [
        (number, float(beam.gantry_angle), float(beam.couch_angle), float(ray.ray_pos_bev[0]),
         float(ray.ray_pos_bev[2]), float(spot.energy))
        for number, beam in enumerate(stf.beams)
        for ray in beam.rays
        for spot in ray.beamlets
    ]  # fmt: skip
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Bixels(table[:, 0].astype(np.int64), *(table[:, column].copy() for column in range(1, 6)))


def _finished(
    dij: Any, bixels: Bixels, shape: tuple[int, int, int], affine: FloatArray, filled: Mapping[str, FloatArray],
    targets: tuple[str, ...], prescription: Prescription, setup: BeamSetup, frame: str,
) -> InfluenceMatrix:  # fmt: skip
    doses = _doses(dij)
    notes: tuple[str, ...] = ("dose by a pencil-beam engine with a generic machine: no plan for a real one",)
    protons = setup.modality == "protons"
    if protons:
        rbe = load("radiobiology/modality")["proton_rbe"]
        doses.data *= np.float32(rbe)
        notes = (*notes, f"proton dose times a constant RBE of {rbe:g}")
    return from_arrays(
        doses, shape, affine, filled, targets=targets, prescription=prescription, bixels=bixels,
        modality=setup.modality, kind="RBE" if protons else "physical", frame_of_reference_uid=frame,
        origin=engine_version(), notes=notes,
    )  # fmt: skip


def _doses(dij: Any) -> sparse.csr_array:
    """The first scenario, row by row, with 32-bit indices where they suffice."""
    rows = sparse.csr_array(dij.physical_dose.flat[0])
    if rows.nnz < np.iinfo(np.int32).max:
        rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    rows.data = np.maximum(rows.data, 0.0)
    return rows


def _geometry(grid: Any) -> tuple[FloatArray, tuple[int, int, int]]:
    steps = np.array([grid.resolution["x"], grid.resolution["y"], grid.resolution["z"]], dtype=np.float64)
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(grid.direction, dtype=np.float64).reshape(3, 3) * steps
    affine[:3, 3] = np.asarray(grid.origin, dtype=np.float64)
    nx, ny, nz = (int(n) for n in grid.dimensions)
    return affine, (nz, ny, nx)


def _touching(filled: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: shares for name, shares in filled.items() if shares.any()}


def _body_cm3(anatomy: Anatomy) -> float:
    return anatomy.structures[BODY].slabs().volume_cm3()


def _image(volume: Volume, kind: Any) -> Any:
    sitk = importlib.import_module("SimpleITK")
    lattice = volume.lattice
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.on_lattice(), dtype=kind))
    image.SetSpacing([float(v) for v in lattice.spacing])
    image.SetOrigin([float(v) for v in lattice.origin])
    return image


def _voi(engine: Any, ct: Any, anatomy: Anatomy, name: str) -> Any:
    """The body or a target on the CT's own grid; the other structures are placed on the dose grid by ourselves."""
    inside = (occupancy(anatomy.structures[name], anatomy.ct) >= 0.5).astype(np.float64)
    kind = engine.cst.ExternalVOI if name == BODY else engine.cst.Target
    return kind(name=name, ct_image=ct, mask=_image(Volume(inside, anatomy.ct.affine), np.uint8))


@contextmanager
def _quiet() -> Iterator[None]:
    """The engine warns and logs for its developers; what a user must know is checked here."""
    told = logging.getLogger("pyRadPlan")
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(level)
