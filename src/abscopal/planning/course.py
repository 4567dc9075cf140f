"""A plan as a course: weights, fractions and days, its histograms, and its tumour and node as the models see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from abscopal.blood.indices import NODE_PREFIXES
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH, dvh_of_samples
from abscopal.dose.grid import FloatArray
from abscopal.immune.mechanisms.parts import UNIFORM, Histogram
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load
from abscopal.planning.influence import InfluenceMatrix, Region
from abscopal.regimens.candidates import Candidate, weekday_days
from abscopal.regimens.judge import Responder, Response, common_readout, respond
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import Experiment

SHEET = "planning/biology"
COVERAGE_PERCENT = 95.0
COVERAGE_BINS = 100_000
GTV = "GTV"
UNIONS = {"Lungs": ("Lung_L", "Lung_R"), "Kidneys": ("Kidney_L", "Kidney_R"), "Parotids": ("Parotid_L", "Parotid_R")}
LEAST_DOSE = 1e-6
"""Gy; a part of the tumour without dose still is a regimen for the immune model."""


@dataclass(frozen=True, eq=False)
class PlannedCourse:
    """Weights on a matrix, given on certain days.

    Attributes
    ----------
    name : str
    matrix : InfluenceMatrix
        With the prescription of this course.
    weights : array, shape (n_bixels,)
    gap : float
        Least days between fractions. [day]
    ici_start : float, optional
        Day of the first ICI dose; None for the schedule as it is. [day]
    """

    name: str
    matrix: InfluenceMatrix
    weights: FloatArray
    gap: float = 1.0
    ici_start: float | None = None

    @property
    def n_fractions(self) -> int:
        """Number of fractions."""
        return self.matrix.prescription.n_fractions

    @cached_property
    def days(self) -> tuple[float, ...]:
        """Days of the fractions: weekdays, from a Monday."""
        return weekday_days(self.n_fractions, self.gap)

    @cached_property
    def voxel_dose(self) -> FloatArray:
        """Dose of every voxel over the course, shape (n_voxels,), in Gy."""
        return self.matrix.voxel_dose(self.weights)

    @cached_property
    def dvhs(self) -> Mapping[str, DVH]:
        """Histograms of every region, and of the unions the models ask for, by TG-263 name."""
        return region_dvhs(self.matrix, self.voxel_dose)

    @property
    def coverage(self) -> float:
        """D95% of the leading target, in Gy; in bins so fine that it scales with the weights."""
        region = self.matrix.region(self.matrix.targets[0])
        dose = self.voxel_dose[region.voxels]
        fine = max(float(dose.max()), LEAST_DOSE) / COVERAGE_BINS
        return dvh_of_samples(region.name, dose, region.shares, bin_gy=fine).dose_at_volume(COVERAGE_PERCENT)

    def scaled_to(self, coverage: float) -> "PlannedCourse":
        """The same plan with every weight multiplied so that D95% of the leading target is `coverage`. [Gy].

        Raises
        ------
        InputError
            A plan that leaves more than 5 % of the target without any dose.
        """
        if self.coverage <= 0:
            raise InputError(
                doing=f"scaling the plan '{self.name}'",
                found=f"a D95% of 0 Gy in {self.matrix.targets[0]}",
                expected="a plan that covers its target",
                try_="beams that reach the whole target",
            )
        return replace(self, weights=self.weights * (coverage / self.coverage))

    def node(self) -> Region | None:
        """The draining node: the first region named as one that is no target; None without one."""
        names = (name for name in self.matrix.regions if name.startswith(NODE_PREFIXES))
        return next((self.matrix.region(name) for name in names if name not in self.matrix.targets), None)

    def candidate(self) -> Candidate:
        """The course as the search over regimens knows it, with the prescribed dose in each fraction."""
        node = self.node()
        return Candidate(
            dose=self.matrix.prescription.per_fraction,
            n=self.n_fractions,
            days=self.days,
            gap=self.gap,
            ici_start=self.ici_start,
            node_dose=0.0 if node is None else node.mean(self.voxel_dose) / self.n_fractions,
            plan=self.name,
        )

    def parts(self) -> "Parts":
        """Dose of one fraction in equal parts of the tumour (the GTV, or the leading target without one)."""
        region = self.matrix.regions.get(GTV, self.matrix.region(self.matrix.targets[0]))
        return tumour_parts(self.voxel_dose[region.voxels] / self.n_fractions, region.shares)


@dataclass(frozen=True, eq=False)
class Parts:
    """A tumour in parts of even dose.

    Attributes
    ----------
    doses : array, shape (m,)
        Of one fraction. [Gy]
    shares : array, shape (m,)
        Of volume; sum to 1. [1]
    """

    doses: FloatArray
    shares: FloatArray


def tumour_parts(doses: FloatArray, shares: FloatArray) -> Parts:
    """Voxels sorted by dose and cut into parts of about equal volume, each with its mean dose.

    Parameters
    ----------
    doses, shares : array, shape (m,)
        Of one fraction [Gy], and part of each voxel inside [1].
    """
    count = int(load(SHEET)["tumour_parts"])
    order = np.argsort(doses, kind="stable")
    reached = (np.cumsum(shares[order]) - shares[order] / 2) / shares.sum()
    place = np.minimum((reached * count).astype(np.int64), count - 1)
    volume = np.bincount(place, weights=shares[order], minlength=count)
    dose = np.bincount(place, weights=(shares * doses)[order], minlength=count)
    kept = volume > 0
    return Parts(np.maximum(dose[kept] / volume[kept], LEAST_DOSE), volume[kept] / volume.sum())


def respond_in_parts(parts: Mapping[tuple[str, int], Parts]) -> Responder:
    """The immune model's answer to tumours whose parts get different doses.

    The model itself averages kill and interferon over the parts (`diw_model(histograms=...)`), so that a cold part
    costs control and a lattice keeps parts within the window. A tumour that is even within a rounding step gets its
    mean dose.

    Parameters
    ----------
    parts : mapping of (plan name, number of fractions) to Parts

    Returns
    -------
    callable
        From candidates, an experiment and an ensemble to a `Response`; a candidate without parts is of even dose.
        Only draws that could be solved for every plan count.
    """

    def answer(candidates: Sequence[Candidate], setup: Experiment, ensemble: Ensemble) -> Response:
        shared = replace(setup, readout=common_readout(candidates, setup))
        seen = [_seen(one, parts.get((one.plan, one.n))) for one in candidates]
        groups: dict[Histogram, list[int]] = {}
        for place, (histogram, _) in enumerate(seen):
            groups.setdefault(histogram, []).append(place)
        found = {
            histogram: respond([seen[place][1] for place in places], _with_histogram(shared, histogram), ensemble)
            for histogram, places in groups.items()
        }
        solved = np.logical_and.reduce([one.solved for one in found.values()])

        def gathered(name: str) -> FloatArray:
            values = np.full((solved.size, len(candidates)), np.nan)
            for histogram, places in groups.items():
                values[np.ix_(found[histogram].solved, np.array(places))] = getattr(found[histogram], name)
            return values[solved]

        return Response(
            local=gathered("local"),
            control=gathered("control"),
            distant=gathered("distant"),
            gain=gathered("gain"),
            readout=next(iter(found.values())).readout,
            solved=solved,
        )

    return answer


def _seen(candidate: Candidate, parts: Parts | None) -> tuple[Histogram, Candidate]:
    """Parts as relative doses in steps, and the candidate with the mean dose they are relative to."""
    if parts is None:
        return UNIFORM, candidate
    mean = float(parts.doses @ parts.shares)
    step = load(SHEET)["dose_step"]
    shares: dict[float, float] = {}
    for dose, share in zip(parts.doses / mean, parts.shares, strict=True):
        rounded = round(round(float(dose) / step) * step, 6)
        shares[rounded] = shares.get(rounded, 0.0) + float(share)
    return tuple(shares.items()), replace(candidate, dose=mean)


def _with_histogram(setup: Experiment, histogram: Histogram) -> Experiment:
    if len(histogram) == 1:
        return setup
    model = diw_model(parameter_set=setup.parameter_set, histograms={0: histogram}, modulators=setup.modulators)
    return replace(setup, model=model.with_switches(**dict(setup.model.switches)))


def region_dvhs(matrix: InfluenceMatrix, voxel_dose: FloatArray) -> dict[str, DVH]:
    """Histograms of a dose on all voxels: one for each region, unions of paired organs, and `Lungs-GTV`."""
    regions = dict(matrix.regions)
    for name, sides in UNIONS.items():
        if name not in regions and all(side in regions for side in sides):
            regions[name] = _united(matrix, name, [regions[side] for side in sides])
    if "Lungs" in regions and GTV in regions and "Lungs-GTV" not in regions:
        rest = _united(matrix, "Lungs-GTV", [regions["Lungs"]], [regions[GTV]])
        regions |= {rest.name: rest} if rest.voxels.size else {}
    cm3 = matrix.voxel_volume_cm3
    return {
        name: dvh_of_samples(name, voxel_dose[one.voxels], one.shares * cm3, kind=matrix.kind)
        for name, one in regions.items()
    }


def _united(matrix: InfluenceMatrix, name: str, added: Sequence[Region], taken: Sequence[Region] = ()) -> Region:
    filled = np.zeros(int(np.prod(matrix.shape)))
    for region in added:
        filled[region.voxels] += region.shares
    filled = np.minimum(filled, 1.0)
    for region in taken:
        filled[region.voxels] -= region.shares
    voxels = np.flatnonzero(filled > 0)
    return Region(name, voxels, filled[voxels], float(filled[voxels].sum()) * matrix.voxel_volume_cm3)
