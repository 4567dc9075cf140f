"""Between a few Pareto plans: convex combinations of their weights, with dose and histograms at once.

The dose of mixed weights is the mix of the doses, so everything linear in dose (means, EDRIC, mean blood dose) mixes
exactly, and a convex combination never breaks a convex limit that every plan keeps. What is not linear (D95, D2%,
homogeneity) is read off the mixed dose, voxel by voxel. The doses of the plans are computed once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.dose.grid import DoseGrid, DoseKind, FloatArray
from abscopal.planning.influence import Bixels, InfluenceMatrix, Modality, Prescription, Region
from abscopal.planning.steering import least_worse
from abscopal.planning.terms.immune import Edric, MeanBloodDose

CURVE_POINTS = 161
FINE = 32
"""Bins of the histograms that are sorted into, for each step of the curves."""
MOST_PLANS = 50
MOST_VOXELS = 20_000_000
EDRIC, BLOOD = "EDRIC", "Mean blood dose"
ROOM = 1.02
"""The dose axis of the curves ends this much above the highest voxel of any plan."""


@dataclass(frozen=True)
class Metric:
    """One figure of a plan.

    Attributes
    ----------
    name : str
        Such as "Heart mean" or "EDRIC".
    value : float
    unit : str
    low, high : float or None
        Its range over the plans, for figures that mix linearly; None for the others.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Curve:
    """Cumulative histogram of one structure.

    Attributes
    ----------
    name : str
    dose : array, shape (m,)
        The same for every structure and every mix. [Gy]
    volume : array, shape (m,)
        Share of the structure that receives at least that dose. [1]
    """

    name: str
    dose: FloatArray
    volume: FloatArray


@dataclass(frozen=True, eq=False)
class Mixed:
    """A plan between the plans.

    Attributes
    ----------
    mix : array, shape (n_plans,)
        Not negative, sums to 1. [1]
    metrics : tuple of Metric
    curves : tuple of Curve
    dose : DoseGrid
        0 Gy outside every structure.
    """

    mix: FloatArray
    metrics: tuple[Metric, ...]
    curves: tuple[Curve, ...]
    dose: DoseGrid

    def metric(self, name: str) -> Metric:
        """The figure called `name`; an unknown name answers with the close match."""
        found = {one.name: one for one in self.metrics}
        if name not in found:
            raise unknown_name("reading a figure of a plan", name, sorted(found))
        return found[name]


@dataclass(frozen=True, eq=False)
class Navigator:
    """A few plans on one dose grid, ready to be mixed.

    Attributes
    ----------
    plans : tuple of str
        Names of the plans.
    weights : array, shape (n_plans, n_bixels)
        Fluence of each plan.
    doses : array, shape (n_plans, m)
        Dose of the voxels that lie in any structure, single precision. [Gy]
    voxels : array, shape (m,)
        Their index in C order of the grid.
    shape, affine, frame_of_reference_uid
        As in `InfluenceMatrix`.
    regions : tuple of Region
        Their `voxels` count along the second axis of `doses`.
    targets : tuple of str
    prescription : Prescription
    bixels : Bixels
        Where the columns of `weights` come from.
    linear : mapping of str to array, shape (n_plans,)
        Figures that mix linearly, by name, of each plan.
    units : mapping of str to str
        Of `linear`.
    kind : {"physical", "RBE"}
    notes : tuple of str
    """

    plans: tuple[str, ...]
    weights: FloatArray
    doses: NDArray[np.float32]
    voxels: NDArray[np.int64]
    shape: tuple[int, int, int]
    affine: FloatArray
    regions: tuple[Region, ...]
    targets: tuple[str, ...]
    prescription: Prescription
    bixels: Bixels
    linear: Mapping[str, FloatArray]
    units: Mapping[str, str]
    modality: Modality = "photons"
    frame_of_reference_uid: str = ""
    kind: DoseKind = "physical"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise InputError(
                doing="setting up the navigation between plans",
                found=problem,
                expected=f"2 to {MOST_PLANS} plans with finite doses on one grid, a target, and one value of every "
                "figure for each plan",
                try_="Navigator.from_plans",
            )

    @classmethod
    def from_plans(
        cls,
        matrix: InfluenceMatrix,
        plans: Mapping[str, ArrayLike],
        *,
        linear: Mapping[str, Sequence[float]] | None = None,
        units: Mapping[str, str] | None = None,
        regions: Sequence[str] | None = None,
        notes: Sequence[str] = (),
    ) -> "Navigator":
        """A navigator over weights that were found on one matrix.

        Parameters
        ----------
        matrix : InfluenceMatrix
        plans : mapping of str to array, shape (n_bixels,)
            Weights by plan name; with the same number of fractions, so that EDRIC mixes linearly.
        linear : mapping of str to sequence of float, optional
            Further figures that are linear in dose beside means, EDRIC and mean blood dose, one value for each plan.
        units : mapping of str to str, optional
            Of `linear`; Gy where nothing is said.
        regions : sequence of str, optional
            Structures to show; all by default. Targets are always shown.
        notes : sequence of str

        Raises
        ------
        InputError
            Fewer than two plans, weights that do not fit, an unknown structure, a figure that lacks a plan.
        """
        shown = list(dict.fromkeys((*matrix.targets, *(regions or matrix.regions))))
        known = [matrix.region(name) for name in shown]
        voxels = np.unique(np.concatenate([region.voxels for region in known]))
        weights = np.array([np.asarray(w, dtype=np.float64) for w in plans.values()]).reshape(len(plans), -1)
        whole = [matrix.voxel_dose(w) for w in weights]
        figures = {f"{region.name} mean": np.array([region.mean(dose) for dose in whole]) for region in known}
        found = _immune_figures(matrix, weights)
        given = {name: np.asarray(values, dtype=np.float64) for name, values in (linear or {}).items()}
        return cls(
            plans=tuple(plans),
            weights=weights,
            doses=np.array([dose[voxels] for dose in whole], dtype=np.float32).reshape(len(plans), -1),
            voxels=voxels,
            shape=matrix.shape,
            affine=matrix.affine,
            regions=tuple(_moved(region, voxels) for region in known),
            targets=matrix.targets,
            prescription=matrix.prescription,
            bixels=matrix.bixels,
            linear={**found, **given, **figures},
            units={name: (units or {}).get(name, "Gy") for name in (*found, *given, *figures)},
            modality=matrix.modality,
            frame_of_reference_uid=matrix.frame_of_reference_uid,
            kind=matrix.kind,
            notes=tuple(notes),
        )

    @property
    def n_fractions(self) -> int:
        """Number of fractions."""
        return self.prescription.n_fractions

    @property
    def prescription_gy(self) -> float:
        """Total prescribed dose, in Gy."""
        return self.prescription.total

    def as_matrix(self) -> InfluenceMatrix:
        """A matrix whose columns are the plans: its weights are a mix, and every figure of a plan can be asked of it.

        Structures that are not shown, and dose outside all that are, are not in it.
        """
        n, kept = self.doses.shape
        rows = np.zeros((int(np.prod(self.shape)) + 1,), dtype=np.int64)
        rows[self.voxels + 1] = n
        values = sparse.csr_array(
            (self.doses.T.ravel(), np.tile(np.arange(n), kept), np.cumsum(rows)), shape=(len(rows) - 1, n)
        )
        regions = {one.name: replace(one, voxels=self.voxels[one.voxels]) for one in self.regions}
        return InfluenceMatrix(
            values, self.shape, self.affine, Bixels.of_beams([0.0], [n]), regions, self.targets, self.prescription,
            self.modality, self.kind, self.frame_of_reference_uid, "plans: " + ", ".join(self.plans), self.notes,
        )  # fmt: skip

    @cached_property
    def axis(self) -> FloatArray:
        """Doses of the curves, in Gy."""
        return np.linspace(0.0, max(ROOM * float(self.doses.max()), 1e-3), CURVE_POINTS)

    def mix_of(self, mix: Mapping[str, float] | ArrayLike) -> FloatArray:
        """Weights of the plans that sum to 1, from slider positions of any scale.

        Parameters
        ----------
        mix : mapping of plan name to number, or array, shape (n_plans,)
            Not negative, not all 0. Plans left out of a mapping count as 0.

        Raises
        ------
        InputError
            Negative numbers, all zeros, another number of plans, an unknown plan.
        """
        if isinstance(mix, Mapping):
            for name in mix:
                if name not in self.plans:
                    raise unknown_name("mixing plans", str(name), list(self.plans))
            mix = [float(mix.get(name, 0.0)) for name in self.plans]
        values = np.asarray(mix, dtype=np.float64)
        total = float(values.sum()) if values.shape == (len(self.plans),) else np.nan
        if not (np.isfinite(total) and total > 0 and values.min() >= 0):
            raise InputError(
                doing="mixing plans",
                found=f"weights {np.array2string(values, threshold=8)}",
                expected=f"{len(self.plans)} numbers of at least 0 and a positive sum",
                try_="1 for one plan and 0 for the others",
            )
        return values / total

    def at(self, mix: Mapping[str, float] | ArrayLike) -> Mixed:
        """Figures, histograms and dose of a mix.

        Parameters
        ----------
        mix
            As in `mix_of`.
        """
        shares = self.mix_of(mix)
        dose = shares.astype(np.float32) @ self.doses
        metrics = [self._linear(name, shares) for name in self.linear]
        curves = []
        for region in self.regions:
            inside = dose[region.voxels]
            fine = self._cumulative(region, inside)
            curves.append(Curve(region.name, self.axis, fine[::FINE]))
            metrics += self._covered(region, inside) if region.name in self.targets else self._hot(region, fine)
        return Mixed(mix=shares, metrics=tuple(metrics), curves=tuple(curves), dose=self._grid(dose))

    def weights_at(self, mix: Mapping[str, float] | ArrayLike) -> FloatArray:
        """Fluence of a mix, shape (n_bixels,): a plan like those it is made of, without leaf sequence."""
        return np.asarray(self.mix_of(mix) @ self.weights, dtype=np.float64)

    def steer(self, name: str, value: float, mix: Mapping[str, float] | ArrayLike) -> FloatArray:
        """Move one slider: the mix whose figure `name` is `value` while the others worsen as little as they can.

        Parameters
        ----------
        name : str
            A figure that mixes linearly.
        value : float
            Taken to the end of its range where it lies outside.
        mix
            Where the sliders are now.

        Returns
        -------
        array, shape (n_plans,)
            The largest rise of any other figure, each over its range, is as small as any mix allows; among those
            the mix nearest to the present one by its largest step.

        Raises
        ------
        InputError
            An unknown figure, or a value that is not finite.
        """
        if name not in self.linear:
            raise unknown_name("moving a slider", name, sorted(self.linear))
        if not np.isfinite(value):
            raise InputError(
                doing=f"moving {name}", found=str(value), expected="a finite value", try_="a value in its range"
            )
        now = self.mix_of(mix)
        row = self.linear[name]
        aim = float(np.clip(value, row.min(), row.max()))
        others = [self.linear[key] for key in self._trading() if key != name]
        spans = [float(np.ptp(other)) for other in others]
        rises = [(other - other @ now) / span for other, span in zip(others, spans, strict=True) if span > 0]
        return least_worse(np.array(rises).reshape(-1, len(now)), row, aim, now)

    def _linear(self, name: str, shares: FloatArray) -> Metric:
        values = self.linear[name]
        return Metric(name, float(shares @ values), self.units[name], float(values.min()), float(values.max()))

    def _trading(self) -> list[str]:
        """Figures a slider may cost: all that mix linearly but the means of targets, which are aims."""
        return [name for name in self.linear if name not in {f"{target} mean" for target in self.targets}]

    def _covered(self, region: Region, inside: NDArray[np.float32]) -> list[Metric]:
        """Figures of a target that do not mix linearly, voxel by voxel."""
        shown = (95.0, 98.0, 50.0, 2.0)
        values = dict(zip(shown, doses_at_volume(inside, region.shares, shown), strict=True))
        found = [Metric(f"{region.name} D{percent:g}%", value, "Gy") for percent, value in values.items()]
        if values[50.0] > 0:
            spread = (values[2.0] - values[98.0]) / values[50.0]
            found.append(Metric(f"{region.name} homogeneity index", spread, "1"))
        return found

    def _hot(self, region: Region, fine: FloatArray) -> list[Metric]:
        """D2% of an organ, within one fine bin."""
        last = int(np.flatnonzero(fine >= 0.02)[-1])
        return [Metric(f"{region.name} D2%", last * float(self.axis[1]) / FINE, "Gy")]

    def _cumulative(self, region: Region, inside: NDArray[np.float32]) -> FloatArray:
        """Share of a structure that receives at least the lower end of each fine bin."""
        count = FINE * (CURVE_POINTS - 1) + 1
        bins = np.minimum((inside * np.float32(FINE / self.axis[1])).astype(np.int32), count - 1)
        amount = np.bincount(bins, weights=region.shares, minlength=count)
        return np.asarray(np.cumsum(amount[::-1])[::-1] / amount.sum(), dtype=np.float64)

    def _grid(self, dose: NDArray[np.float32]) -> DoseGrid:
        values = np.zeros(int(np.prod(self.shape)))
        values[self.voxels] = dose
        return DoseGrid(
            values.reshape(self.shape), self.affine, self.kind, frame_of_reference_uid=self.frame_of_reference_uid
        )


def doses_at_volume(dose: NDArray[np.floating], shares: FloatArray, percents: Sequence[float]) -> list[float]:
    """The highest dose that at least so many per cent of a structure receive, linear between voxels.

    Parameters
    ----------
    dose, shares : array, shape (m,)
        Dose [Gy] and part inside [1] of each voxel of the structure.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    list of float
        [Gy]
    """
    order = np.argsort(dose)[::-1]
    reached = np.cumsum(shares[order])
    middle = (reached - shares[order] / 2) / reached[-1]
    return [float(value) for value in np.interp(np.asarray(percents) / 100.0, middle, dose[order])]


def _immune_figures(matrix: InfluenceMatrix, weights: FloatArray) -> dict[str, FloatArray]:
    """EDRIC and mean blood dose of each plan, where the structures they need are there."""
    found = {}
    for name, term in ((EDRIC, Edric()), (BLOOD, MeanBloodDose())):
        try:
            rows = term.on(matrix).functionals(matrix)
        except InputError:  # a structure is missing: the figure is not shown
            continue
        found[name] = np.asarray(rows @ weights.T, dtype=np.float64)[0]
    return found


def _moved(region: Region, voxels: NDArray[np.int64]) -> Region:
    """The region counted along the kept voxels."""
    return Region(region.name, np.searchsorted(voxels, region.voxels), region.shares, region.volume_cm3)


def _problem(made: Navigator) -> str:
    n, kept = len(made.plans), made.doses.shape[-1]
    names = {region.name for region in made.regions}
    checks = {
        f"{n} plan(s)": not 2 <= n <= MOST_PLANS or len(set(made.plans)) != n,
        f"doses of shape {made.doses.shape}": made.doses.shape != (n, len(made.voxels)) or not 0 < kept <= MOST_VOXELS,
        f"weights of shape {made.weights.shape}": made.weights.shape != (n, len(made.bixels)),
        "values that are negative or not finite": not all(
            np.isfinite(values).all() and values.min(initial=0.0) >= 0 for values in (made.doses, made.weights)
        ),
        "voxels off the grid": not _within(made.voxels, int(np.prod(made.shape))),
        "a structure off the grid": not all(
            region.voxels.shape == region.shares.shape and _within(region.voxels, kept) and region.shares.min() > 0
            for region in made.regions
        ),
        "no target among the structures": not made.targets or not set(made.targets) <= names,
        "figures that do not have one finite value for each plan": not all(
            values.shape == (n,) and np.isfinite(values).all() and name in made.units
            for name, values in made.linear.items()
        ),
    }
    return "; ".join(text for text, bad in checks.items() if bad)


def _within(index: NDArray[np.int64], size: int) -> bool:
    return bool(index.size and index.dtype.kind == "i" and index.min() >= 0 and index.max() < size)
