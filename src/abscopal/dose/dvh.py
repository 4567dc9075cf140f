"""Dose-volume histograms of structures, their Boolean combinations, and the figures read off them.

A structure is sampled on the dose grid's own voxels, cut into smaller ones when it is small: each axis
is divided by the smallest whole number that gives the structure 500 000 sub-voxels (at most 12). A
sub-voxel carries the trilinear dose at its centre and the fraction of it inside the contours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from abscopal.domain.errors import DicomError, InputError
from abscopal.dose.grid import DoseGrid, DoseKind, FloatArray, Lattice, require_convertible
from abscopal.dose.rasterise import ROUNDING, Slabs, coverage
from abscopal.dose.structures import END_CAP, Structure
from abscopal.radiobiology.isoeffect import eqd2_of_total

BIN_GY = 0.01
TARGET_SAMPLES = 500_000
MAX_FACTOR = 12
CHUNK_VOXELS = 4_000_000
MAX_BINS = 1_000_000
OUTSIDE_SHOWN = 1e-3  # fraction of a structure off the grid below which it is rounding


@dataclass(frozen=True, eq=False)
class DVH:
    """Cumulative dose-volume histogram.

    Attributes
    ----------
    organ : str
    edges : array, shape (m,)
        Ascending from 0. [Gy]
    volume_fraction : array, shape (m,)
        Fraction of the volume that receives at least the edge's dose; starts at 1, never rises, ends
        at 0. [1]
    volume_cm3 : float
        Volume of the part that lies on the dose grid. [cm3]
    mean, minimum, maximum : float
        Of the samples themselves, not of the histogram. [Gy]
    notes : tuple of str
        End caps, supersampling, and what lies off the grid.
    outside_fraction : float
        Share of the structure off the dose grid. Its dose is unknown and enters no figure here. [1]
    kind : {"physical", "EQD2", "RBE"}
    """

    organ: str
    edges: FloatArray
    volume_fraction: FloatArray
    volume_cm3: float
    mean: float
    minimum: float
    maximum: float
    notes: tuple[str, ...] = ()
    outside_fraction: float = 0.0
    kind: DoseKind = "physical"

    @property
    def integral_dose(self) -> float:
        """Mean dose times volume, in Gy cm3 (the body's is the integral dose of EDRIC)."""
        return self.mean * self.volume_cm3

    def dose_at_volume(self, percent: float) -> float:
        """The D_x%: highest dose that at least `percent` of the volume receives, in Gy.

        Linear between histogram edges; D_0% is the maximum, D_100% the minimum.
        """
        self._require(0 <= percent <= 100, f"D at {percent:g} % of the volume", "0 to 100 %")
        share, fraction = percent / 100.0, self.volume_fraction
        last = int(np.searchsorted(-fraction, -share, side="right")) - 1
        if last + 1 >= len(fraction):
            return self.maximum
        part = (fraction[last] - share) / (fraction[last] - fraction[last + 1])
        dose = self.edges[last] + part * (self.edges[last + 1] - self.edges[last])
        return float(np.clip(dose, self.minimum, self.maximum))

    def dose_at_cm3(self, cc: float) -> float:
        """The D_cc: highest dose that at least `cc` cm3 receive, in Gy."""
        self._require(0 <= cc <= self.volume_cm3, f"D at {cc:g} cm3", f"at most its {self.volume_cm3:.3g} cm3")
        return self.dose_at_volume(100.0 * cc / self.volume_cm3)

    def volume_at_dose(self, gy: float) -> float:
        """The V_x: fraction (0 to 1) of the volume that receives at least `gy`."""
        self._require(gy >= 0, f"V at {gy:g} Gy", "a dose of at least 0 Gy")
        return float(np.interp(gy, self.edges, self.volume_fraction, right=0.0))

    def differential(self) -> tuple[FloatArray, FloatArray]:
        """Bin doses (centres, kept within minimum and maximum) [Gy] and the fractions in them, sum 1."""
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        return np.clip(centres, self.minimum, self.maximum), -np.diff(self.volume_fraction)

    def gEUD(self, a: float) -> float:
        r"""Generalised equivalent uniform dose, ``(Σ v_i D_i^a)^(1/a)``, in Gy.

        Parameters
        ----------
        a : float
            Volume parameter: 1 gives the mean, large a the maximum, negative a (targets) the minimum.
            Not zero. Some authors write n = 1/a. [1]
        """
        self._require(np.isfinite(a) and a != 0, f"gEUD with a = {a:g}", "a finite exponent other than 0")
        dose, fraction = self.differential()
        dose, fraction = dose[fraction > 0], fraction[fraction > 0]
        scale = float(dose.max() if a > 0 else dose.min())  # keeps the powers within 0 .. 1
        if scale == 0.0:
            return 0.0
        return float(scale * np.sum(fraction * (dose / scale) ** a) ** (1.0 / a))

    def scaled(self, factor: float) -> "DVH":
        """The histogram with every dose multiplied by `factor`, for a course of another total dose."""
        self._require(0 <= factor < float("inf"), f"every dose times {factor:g}", "a factor that is not negative")
        return replace(
            self,
            edges=factor * self.edges,
            mean=factor * self.mean,
            minimum=factor * self.minimum,
            maximum=factor * self.maximum,
            notes=(*self.notes, f"every dose times {factor:.4g}"),
        )

    def to_eqd2(self, alpha_beta: float, n_fractions: int) -> "DVH":
        """The histogram with each edge turned to EQD2; refuses a histogram that is EQD2 already.

        The conversion rises with dose, so the fractions stay exact; the mean comes from the bins.
        """
        require_convertible(self.kind, alpha_beta, n_fractions)
        dose, fraction = self.differential()
        converted = eqd2_of_total(np.array([self.minimum, self.maximum]), n_fractions, alpha_beta)
        return replace(
            self,
            edges=eqd2_of_total(self.edges, n_fractions, alpha_beta),
            mean=float(fraction @ eqd2_of_total(dose, n_fractions, alpha_beta)),
            minimum=float(converted[0]),
            maximum=float(converted[1]),
            kind="EQD2",
            notes=(*self.notes, f"EQD2 with α/β {alpha_beta:g} Gy, {n_fractions} fractions"),
        )

    def _require(self, holds: bool | np.bool_, found: str, expected: str) -> None:
        if not holds:
            raise InputError(
                doing=f"reading the DVH of {self.organ}",
                found=found,
                expected=expected,
                try_="another point of the curve",
            )


def compute_dvh(
    structure: Structure,
    dose: DoseGrid,
    *,
    end_cap: float = END_CAP,
    thickness: float | None = None,
    bin_gy: float = BIN_GY,
) -> DVH:
    """DVH of one structure on a dose grid; see `combine_dvh`."""
    return combine_dvh(structure.label, [structure], dose, end_cap=end_cap, thickness=thickness, bin_gy=bin_gy)


def combine_dvh(
    organ: str,
    include: Sequence[Structure],
    dose: DoseGrid,
    *,
    exclude: Sequence[Structure] = (),
    end_cap: float = END_CAP,
    thickness: float | None = None,
    bin_gy: float = BIN_GY,
) -> DVH:
    """DVH of the union of `include` less the union of `exclude`.

    Parameters
    ----------
    organ : str
        Name of the result, for example `Lungs-GTV`.
    include, exclude : sequence of Structure
        In a sub-voxel that several of them fill in part, the parts of a union are taken as disjoint
        (their sum, at most 1) and the excluded part as lying within the included one.
    dose : DoseGrid
    end_cap : float
        Reach beyond the first and last contour in plane spacings. [1]
    thickness : float, optional
        Slab thickness of structures on a single plane; the dose grid's slice spacing by default. [mm]
    bin_gy : float
        Width of a histogram bin. [Gy]

    Raises
    ------
    DicomError
        Nothing is enclosed, everything lies off the dose grid, or the geometry cannot be used.
    """
    lattice = dose.lattice
    thickness = thickness or lattice.spacing[2]
    solid = [part.slabs(end_cap=end_cap, thickness=thickness) for part in include if not part.is_empty]
    removed = [part.slabs(end_cap=end_cap, thickness=thickness) for part in exclude if not part.is_empty]
    enclosed = sum(part.volume_cm3() for part in solid)
    if enclosed == 0.0:
        raise _nothing(
            organ, "a structure of zero volume", "contours that enclose a volume", "leaving the structure out"
        )
    factor = supersampling(enclosed, lattice)
    samples = [_sample(solid, removed, *chunk, dose) for chunk in _chunks(solid, lattice, factor)]
    doses = np.concatenate([part[0] for part in samples]) if samples else np.empty(0)
    volumes = np.concatenate([part[1] for part in samples]) if samples else np.empty(0)
    if doses.size == 0:
        found = "nothing of it on the dose grid" if not removed else "nothing left of it on the dose grid"
        raise _nothing(organ, found, "a structure that overlaps the dose", "a dose grid that covers it")
    on_grid = sum(part[2] for part in samples)
    outside = max(0.0, 1.0 - on_grid / enclosed)
    notes = [note for part in solid[:1] for note in part.notes]
    notes.append(f"dose voxels divided by {factor} along each axis" if factor > 1 else "dose voxels used as they are")
    if outside > OUTSIDE_SHOWN:
        notes.append(f"{100 * outside:.1f} % of {enclosed:.4g} cm3 lies off the dose grid and enters no figure")
    dvh = dvh_of_samples(organ, doses, volumes, bin_gy=bin_gy, kind=dose.kind)
    return replace(dvh, notes=tuple(notes), outside_fraction=outside if outside > OUTSIDE_SHOWN else 0.0)


def dvh_of_samples(
    organ: str, doses: FloatArray, volumes_cm3: FloatArray, *, bin_gy: float = BIN_GY, kind: DoseKind = "physical"
) -> DVH:
    """DVH of dose samples, each standing for a volume.

    Parameters
    ----------
    organ : str
    doses : array, shape (n,)
        [Gy]
    volumes_cm3 : array, shape (n,)
        Positive in sum. [cm3]
    bin_gy : float
        [Gy]
    kind : {"physical", "EQD2", "RBE"}
    """
    order = np.argsort(doses, kind="stable")
    doses, volumes_cm3 = doses[order], volumes_cm3[order]
    received: FloatArray = np.append(np.cumsum(volumes_cm3[::-1])[::-1], 0.0)
    if not bin_gy > 0 or doses[-1] / bin_gy > MAX_BINS:
        raise InputError(
            doing=f"computing the DVH of {organ}",
            found=f"bins of {bin_gy:g} Gy up to {doses[-1]:g} Gy",
            expected=f"at most {MAX_BINS} bins of positive width",
            try_=f"bin_gy={BIN_GY}",
        )
    edges: FloatArray = bin_gy * np.arange(int(doses[-1] / bin_gy) + 3, dtype=np.float64)
    fraction: FloatArray = np.asarray(received[np.searchsorted(doses, edges)] / received[0], dtype=np.float64)
    mean = float(np.clip(doses @ volumes_cm3 / volumes_cm3.sum(), doses[0], doses[-1]))
    return DVH(organ, edges, fraction, float(received[0]), mean, float(doses[0]), float(doses[-1]), kind=kind)


def supersampling(volume_cm3: float, lattice: Lattice) -> int:
    """How many parts each voxel axis is cut into for a structure of this volume."""
    voxels = volume_cm3 / lattice.voxel_volume_cm3
    return int(np.clip(np.ceil((TARGET_SAMPLES / voxels) ** (1 / 3)), 1, MAX_FACTOR))


def _chunks(solid: list[Slabs], lattice: Lattice, factor: int) -> Iterator[tuple[Lattice, tuple[int, int, int], int]]:
    """Boxes of whole dose slices around the structure, small enough to hold at once."""
    low = np.min([part.low for part in solid], axis=0)
    high = np.max([part.high for part in solid], axis=0)
    window, _ = lattice.window(low, high)
    nx, ny, nz = window.shape
    if 0 in window.shape:
        return
    step = max(1, CHUNK_VOXELS // (nx * ny * factor**3))
    for k in range(0, nz, step):
        z_low = window.lower[2] + k * window.spacing[2]
        z_high = z_low + min(step, nz - k) * window.spacing[2]
        near = [piece for part in solid if (piece := part.between(z_low, z_high)).polygons]
        if not near:
            continue
        box_low = np.min([piece.low for piece in near], axis=0)
        box_high = np.max([piece.high for piece in near], axis=0)
        middle = window.spacing[2] / 2  # aim at slice centres, so that rounding cannot add a slice
        box_low[2], box_high[2] = z_low + middle, z_high - middle
        box, first = lattice.window(box_low, box_high)
        if 0 not in box.shape:
            yield box, first, factor


def _sample(
    solid: list[Slabs],
    removed: list[Slabs],
    box: Lattice,
    first: tuple[int, int, int],
    factor: int,
    dose: DoseGrid,
) -> tuple[FloatArray, FloatArray, float]:
    """Doses and volumes of the sub-voxels in a box, and the volume before anything was removed."""
    fine = box.refined(factor)
    parts = [coverage(part, fine) for part in solid]
    filled = np.minimum(sum(parts[1:], start=parts[0]), 1.0)
    whole = sum(float(part.sum()) for part in parts) * fine.voxel_volume_cm3
    for part in removed:
        filled = filled - coverage(part, fine)
    inside = filled > ROUNDING
    return _refined_dose(dose, box, first, factor)[inside], filled[inside] * fine.voxel_volume_cm3, whole


def _refined_dose(dose: DoseGrid, box: Lattice, first: tuple[int, int, int], factor: int) -> FloatArray:
    """Trilinear dose at the sub-voxel centres of a box, one axis after the other."""
    starts, counts = first[::-1], box.shape[::-1]
    values = dose.on_lattice()
    if factor == 1:
        return values[tuple(slice(s, s + n) for s, n in zip(starts, counts, strict=True))]
    margins = [max(s - 1, 0) for s in starts]
    values = values[tuple(slice(m, s + n + 1) for m, s, n in zip(margins, starts, counts, strict=True))]
    for axis in range(3):
        at = starts[axis] - margins[axis] - 0.5 + (np.arange(counts[axis] * factor) + 0.5) / factor
        at = np.clip(at, 0, values.shape[axis] - 1)
        below = np.minimum(at.astype(np.int64), max(values.shape[axis] - 2, 0))
        above = np.minimum(below + 1, values.shape[axis] - 1)
        part = (at - below).reshape([-1 if other == axis else 1 for other in range(3)])
        values = values.take(below, axis) * (1 - part) + values.take(above, axis) * part
    return values


def _nothing(organ: str, found: str, expected: str, try_: str) -> DicomError:
    return DicomError(doing=f"computing the DVH of {organ}", found=found, expected=expected, try_=try_)
