"""The dose-influence matrix: dose to every voxel for one unit of weight of every bixel, and where all of it lies.

One column is a pencil of radiation (a bixel of a photon beam, a spot of a proton beam). The dose of weights w is
D w, the total of the course; the number of fractions is kept apart and enters only where biology asks for it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.dose.grid import DoseGrid, DoseKind, FloatArray
from abscopal.planning.archive import UNREADABLE, read_archive, reason, write_archive

IntArray = NDArray[np.int64]
Modality = Literal["photons", "protons"]
FORMAT = "abscopal influence 1"
BYTES_PER_ENTRY = 12
"""One value in single precision kept on disk, one in double and one column index while it is used."""
MAX_SHARE = 1.0 + 1e-6


@dataclass(frozen=True)
class Prescription:
    """What the target shall get.

    Attributes
    ----------
    total : float
        Dose of the course. [Gy]
    n_fractions : int
    """

    total: float
    n_fractions: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.total) and self.total > 0 and self.n_fractions >= 1):
            raise InputError(
                doing="reading a prescription",
                found=f"{self.total:g} Gy in {self.n_fractions} fractions",
                expected="a positive total dose in Gy and one fraction or more",
                try_="50/5 for 50 Gy in 5 fractions",
            )

    @property
    def per_fraction(self) -> float:
        """Dose of one fraction, in Gy."""
        return self.total / self.n_fractions

    @classmethod
    def parse(cls, text: str) -> "Prescription":
        """The prescription written as `50/5`: total dose in Gy, then the number of fractions."""
        try:
            total, count = text.split("/")
            return cls(float(total), int(count))
        except ValueError as exc:
            raise InputError(
                doing="reading a prescription",
                found=repr(text),
                expected="total dose in Gy and number of fractions, such as 50/5",
                try_="50/5 for 50 Gy in 5 fractions",
            ) from exc


@dataclass(frozen=True, eq=False)
class Region:
    """A structure on the dose grid, whole: voxels that another structure also fills are kept.

    Attributes
    ----------
    name : str
        TG-263 name, or the name in the file where there is none.
    voxels : array, shape (m,)
        Rows of the matrix, ascending.
    shares : array, shape (m,)
        Part of each voxel that lies inside, above 0 to 1. [1]
    volume_cm3 : float
        Of the part on the grid. [cm3]
    """

    name: str
    voxels: IntArray
    shares: FloatArray
    volume_cm3: float

    @property
    def weights(self) -> FloatArray:
        """Shares that sum to 1: the mean dose is `weights @ dose[voxels]`."""
        return self.shares / float(self.shares.sum())

    def mean(self, voxel_dose: FloatArray) -> float:
        """Mean of a dose given on all voxels, in Gy."""
        return float(self.weights @ voxel_dose[self.voxels])


@dataclass(frozen=True, eq=False)
class Bixels:
    """Where each column comes from; arrays of shape (n_bixels,).

    Attributes
    ----------
    beam : array of int
        Counts from 0.
    gantry, couch : array
        IEC 61217. [degree]
    across, along : array
        Position in the isocentre plane, seen from the beam. [mm]
    energy : array
        MeV of a proton spot, nominal MV of a photon beam; NaN where not known.
    """

    beam: IntArray
    gantry: FloatArray
    couch: FloatArray
    across: FloatArray
    along: FloatArray
    energy: FloatArray

    def __post_init__(self) -> None:
        sizes = {name: column.shape for name, column in self.columns().items()}
        if set(sizes.values()) != {(len(self.beam),)}:
            raise InputError(
                doing="building a table of bixels",
                found=f"columns of shapes {sizes}",
                expected="one value for each bixel in every column",
                try_="Bixels.of_beams where only the beams are known",
            )

    def __len__(self) -> int:
        return len(self.beam)

    @classmethod
    def of_beams(cls, gantry: ArrayLike, per_beam: ArrayLike) -> "Bixels":
        """Bixels known only by the gantry angle [degree] of their beam and their number in it."""
        angles, counts = np.atleast_1d(np.asarray(gantry, float)), np.atleast_1d(np.asarray(per_beam, np.int64))
        beam = np.repeat(np.arange(angles.size, dtype=np.int64), counts)
        unknown = np.full(beam.size, np.nan)
        return cls(beam, angles[beam], np.zeros(beam.size), unknown, unknown.copy(), unknown.copy())

    def columns(self) -> dict[str, NDArray[Any]]:
        """The table by column name."""
        return {name: getattr(self, name) for name in ("beam", "gantry", "couch", "across", "along", "energy")}


@dataclass(frozen=True, eq=False)
class InfluenceMatrix:
    """Dose for weights, on its own grid, with the structures on that grid.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array, shape (n_voxels, n_bixels)
        Rows in C order of an array (nz, ny, nx); not negative. [Gy per unit weight, whole course]
    shape : tuple of int
        (nz, ny, nx) of the dose grid.
    affine : array, shape (4, 4)
        Maps the index (i, j, k, 1) to patient LPS. [mm]
    bixels : Bixels
    regions : mapping of str to Region
        By TG-263 name.
    targets : tuple of str
        Names of the regions that get the prescription; the first one leads.
    prescription : Prescription
    modality : {"photons", "protons"}
    kind : {"physical", "RBE"}
        What D w is.
    frame_of_reference_uid : str
    origin : str
        Engine and version, for reports.
    notes : tuple of str
    """

    matrix: sparse.csr_array
    shape: tuple[int, int, int]
    affine: FloatArray
    bixels: Bixels
    regions: Mapping[str, Region]
    targets: tuple[str, ...]
    prescription: Prescription
    modality: Modality = "photons"
    kind: DoseKind = "physical"
    frame_of_reference_uid: str = ""
    origin: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        rows, columns = self.matrix.shape
        wrong = {
            f"{rows} rows for a grid of {self.shape}": rows != int(np.prod(self.shape)),
            f"{columns} columns for {len(self.bixels)} bixels": columns != len(self.bixels),
            "values that are negative or not finite": not _all_doses(self.matrix.data),
            "no target": not self.targets,
        }
        found = [text for text, bad in wrong.items() if bad]
        found += [f"the target {name} among no regions" for name in self.targets if name not in self.regions]
        found += [f"the region {region.name} off the grid" for region in self.regions.values() if _off(region, rows)]
        if found:
            raise InputError(
                doing="building a dose-influence matrix",
                found="; ".join(found),
                expected="doses of voxels x bixels that fit the grid, the bixels, and a target among the regions",
                try_="checking the axis order: rows are voxels in C order of (nz, ny, nx)",
            )

    @property
    def n_bixels(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @property
    def nbytes(self) -> int:
        """Memory that the matrix holds."""
        return int(self.matrix.data.nbytes + self.matrix.indices.nbytes + self.matrix.indptr.nbytes)

    @property
    def voxel_volume_cm3(self) -> float:
        """Volume of one voxel, in cm3."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def region(self, name: str) -> Region:
        """The region called `name`; an unknown name answers with the close match."""
        if name not in self.regions:
            raise unknown_name("looking for a structure of the plan", name, sorted(self.regions))
        return self.regions[name]

    def voxel_dose(self, weights: ArrayLike) -> FloatArray:
        """Dose of every voxel, shape (n_voxels,), of weights shape (n_bixels,); the course's total. [Gy]."""
        w = np.asarray(weights, dtype=np.float64)
        if w.shape != (self.n_bixels,) or not np.isfinite(w).all() or w.min(initial=0.0) < 0:
            raise InputError(
                doing="computing the dose of a plan",
                found=f"weights of shape {w.shape}" + (" that are negative or not finite" if w.size else ""),
                expected=f"{self.n_bixels} finite weights of at least 0",
                try_="the weights of a plan made on this matrix",
            )
        return np.asarray(self.matrix @ w, dtype=np.float64)

    def dose(self, weights: ArrayLike) -> DoseGrid:
        """Dose grid of weights, shape (n_bixels,), for the whole course."""
        values = self.voxel_dose(weights).reshape(self.shape)
        return DoseGrid(values, self.affine.copy(), self.kind, frame_of_reference_uid=self.frame_of_reference_uid)

    def mean_row(self, name: str) -> FloatArray:
        """The row a, shape (n_bixels,), for which ``a @ w`` is the mean dose of a region. [Gy per unit weight]."""
        region = self.region(name)
        spread = np.zeros(self.matrix.shape[0])
        spread[region.voxels] = region.weights
        return np.asarray(self.matrix.T @ spread, dtype=np.float64)

    def digest(self) -> str:
        """Digest of everything a plan depends on; equal matrices have equal digests."""
        made = hashlib.sha256(FORMAT.encode())
        for name, array in sorted(self._arrays().items()):
            made.update(name.encode())
            made.update(np.ascontiguousarray(array).tobytes())
        made.update(json.dumps(self._facts(), sort_keys=True).encode())
        return made.hexdigest()

    def save(self, path: Path) -> None:
        """Write everything to a NumPy archive (`.npz`, no pickle); whole or not at all."""
        write_archive(path, self._facts(), self._arrays())

    @classmethod
    def load(cls, path: Path) -> "InfluenceMatrix":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            Another format, a damaged file, or parts that do not fit each other.
        """
        try:
            return _assembled(*read_archive(path, FORMAT))
        except UNREADABLE as exc:
            raise _unreadable(path, reason(exc)) from exc

    def _facts(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "shape": list(self.shape),
            "columns": self.n_bixels,
            "regions": [[region.name, region.volume_cm3] for region in self.regions.values()],
            "targets": list(self.targets),
            "prescription": [self.prescription.total, self.prescription.n_fractions],
            "modality": self.modality,
            "kind": self.kind,
            "frame": self.frame_of_reference_uid,
            "origin": self.origin,
            "notes": list(self.notes),
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "data": self.matrix.data,
            "indices": self.matrix.indices,
            "indptr": self.matrix.indptr,
            "affine": self.affine,
        }
        arrays |= {f"bixel_{name}": column for name, column in self.bixels.columns().items()}
        for number, region in enumerate(self.regions.values()):
            arrays |= {f"voxels_{number}": region.voxels, f"shares_{number}": region.shares}
        return arrays


def from_arrays(
    matrix: Any,
    shape: tuple[int, int, int],
    affine: ArrayLike,
    occupancies: Mapping[str, ArrayLike],
    *,
    targets: tuple[str, ...],
    prescription: Prescription,
    bixels: Bixels | None = None,
    modality: Modality = "photons",
    kind: DoseKind = "physical",
    frame_of_reference_uid: str = "",
    origin: str = "",
    notes: tuple[str, ...] = (),
) -> InfluenceMatrix:
    """An influence matrix from plain arrays.

    Parameters
    ----------
    matrix : sparse or dense, shape (n_voxels, n_bixels)
        [Gy per unit weight]
    shape : tuple of int
        (nz, ny, nx).
    affine : array, shape (4, 4)
        Index (i, j, k, 1) to LPS. [mm]
    occupancies : mapping of str to array, shape (nz, ny, nx)
        Part of each voxel inside each structure, 0 to 1; see `abscopal.dose.structures.occupancy`. [1]
    targets, prescription, modality, kind, frame_of_reference_uid, origin, notes
        As in `InfluenceMatrix`.
    bixels : Bixels, optional
        One beam at gantry 0 by default.

    Raises
    ------
    InputError
        Parts that do not fit, a structure that fills nothing.
    """
    rows = sparse.csr_array(matrix)
    rows.sort_indices()
    placed = np.asarray(affine, dtype=np.float64)
    volume = abs(float(np.linalg.det(placed[:3, :3]))) / 1000.0
    regions = {name: region_of(name, np.asarray(filled, float), shape, volume) for name, filled in occupancies.items()}
    return InfluenceMatrix(
        rows, shape, placed, bixels or Bixels.of_beams([0.0], [rows.shape[1]]), regions, targets, prescription,
        modality, kind, frame_of_reference_uid, origin, notes,
    )  # fmt: skip


def region_of(name: str, filled: FloatArray, shape: tuple[int, int, int], voxel_cm3: float) -> Region:
    """A region from the part of each voxel (nz, ny, nx) it fills."""
    if filled.shape != shape or not np.isfinite(filled).all() or filled.min() < 0 or filled.max() > MAX_SHARE:
        raise InputError(
            doing=f"placing {name} on the dose grid",
            found=f"an array of shape {filled.shape} with values from {filled.min():g} to {filled.max():g}",
            expected=f"the part of each voxel inside, 0 to 1, on the grid {shape}",
            try_="abscopal.dose.structures.occupancy",
        )
    flat = filled.ravel()
    voxels = np.flatnonzero(flat).astype(np.int64)
    if voxels.size == 0:
        raise InputError(
            doing=f"placing {name} on the dose grid",
            found="a structure that fills no voxel",
            expected="a structure that overlaps the dose grid",
            try_="leaving the structure out, or a grid that covers it",
        )
    shares = np.minimum(flat[voxels], 1.0)
    return Region(name, voxels, shares, float(shares.sum()) * voxel_cm3)


def cached(folder: Path | None, identity: Mapping[str, Any], compute: Callable[[], InfluenceMatrix]) -> InfluenceMatrix:
    """The matrix of an identity from `folder`, or computed now and kept there.

    Parameters
    ----------
    folder : Path, optional
        None computes without keeping. The file holds data of the patient: it belongs beside the results.
    identity : mapping
        Everything the matrix depends on, as JSON takes it: digests of the inputs, settings, engine version.
    compute : callable
    """
    if folder is None:
        return compute()
    key = hashlib.sha256(json.dumps({"format": FORMAT, **identity}, sort_keys=True).encode()).hexdigest()
    path = folder / f"influence-{key[:16]}.npz"
    if path.is_file():
        try:
            return InfluenceMatrix.load(path)
        except InputError:
            path.unlink()  # damaged: computed again below
    made = compute()
    folder.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return made


def memory_needed(entries: int, n_voxels: int, n_bixels: int) -> int:
    """Bytes that a matrix with so many stored doses holds while a plan is made on it.

    The matrix itself, and the rows of the structures once more in double precision for the solver.
    """
    return 2 * entries * BYTES_PER_ENTRY + 16 * n_voxels + 64 * n_bixels


def _assembled(arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> InfluenceMatrix:
    shape = (int(facts["shape"][0]), int(facts["shape"][1]), int(facts["shape"][2]))
    size = (int(np.prod(shape)), int(facts["columns"]))
    matrix = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=size)
    matrix.check_format(full_check=True)
    regions = {
        name: Region(name, arrays[f"voxels_{number}"], arrays[f"shares_{number}"], float(volume))
        for number, (name, volume) in enumerate(facts["regions"])
    }
    columns = ("beam", "gantry", "couch", "across", "along", "energy")
    total, count = facts["prescription"]
    return InfluenceMatrix(
        matrix, shape, arrays["affine"], Bixels(*(arrays[f"bixel_{name}"] for name in columns)), regions,
        tuple(facts["targets"]), Prescription(total, count), facts["modality"], facts["kind"], facts["frame"],
        facts["origin"], tuple(facts["notes"]),
    )  # fmt: skip


def _all_doses(data: NDArray[Any]) -> bool:
    return bool(data.size == 0 or (np.isfinite(data).all() and data.min() >= 0))


def _off(region: Region, rows: int) -> bool:
    voxels = region.voxels
    return bool(voxels.shape != region.shares.shape or voxels.size == 0 or voxels.min() < 0 or voxels.max() >= rows)


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        doing=f"reading the influence matrix {path.name}",
        found=found,
        expected="an archive written by abscopal",
        try_="deleting the file; it is computed again",
    )
