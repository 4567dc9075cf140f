"""Blood dose of a plan with uneven organs: each organ's DVH as parallel paths for its blood.

A compartment is split into parallel parts, one for each bin of its dose-volume histogram,
with flow in proportion to volume. Blood takes one path per visit. The part of a large organ
that the beam misses is then a part of its own, so that the share of blood touched is no
longer that of the whole organ.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.circulation import SHEET, Network, split_compartment
from abscopal.blood.delivery import Timing
from abscopal.blood.exposure import BloodDose, blood_dose_of_segments
from abscopal.blood.organs import (
    Assignment,
    assign_organs,
    assignment_notes,
    best_alternative,
    remainder_body_mean,
    used_structures,
)
from abscopal.blood.spread import Spread, spread_of
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Missing = Literal["body", "zero", "stop"]
BODY = "External"
BODY_BINS = 2  # irradiated parts of a compartment spread over the body: its place in the beam is a guess anyway
SEPARATOR = ":"
ONE_PATH = (
    "an uneven organ is split by its dose-volume histogram and blood takes one path per visit; "
    "this gives the same mean as any other path, and wide tails"
)


@dataclass(frozen=True, eq=False)
class Bins:
    """Dose of an organ in a few bins.

    Attributes
    ----------
    doses : array, shape (m,)
        Mean dose of each bin over the course. [Gy]
    shares : array, shape (m,)
        Share of volume; sums to 1. [1]
    """

    doses: FloatArray
    shares: FloatArray

    @property
    def mean(self) -> float:
        """Mean dose of the organ, in Gy."""
        return float(self.doses @ self.shares)


def blood_dose_of_plan(
    dvhs: Mapping[str, DVH],
    n_fractions: int,
    network: Network,
    timing: Timing,
    *,
    bins: int = 6,
    missing: Missing = "body",
) -> BloodDose:
    """Blood dose of one fraction of a plan from its dose-volume histograms.

    Parameters
    ----------
    dvhs : mapping
        TG-263 name to the DVH of the course, physical dose; `External` gives what lies
        outside the other structures.
    n_fractions : int
    network : Network
    timing : Timing
        Of one fraction.
    bins : int
        Most parallel parts of an organ above the smallest dose counted. 1 takes organs as
        even, which makes the touched share an upper bound.
    missing : {"body", "zero", "stop"}
        What a compartment without a structure gets: the dose of the rest of the body,
        nothing, or an error.

    Returns
    -------
    BloodDose
        `sources` names what stands behind each compartment, `notes` what was assumed.

    Raises
    ------
    InputError
        Fewer than one fraction or bin, a dose that is not physical, or structures missing
        under `"stop"`.
    """
    plan = compartment_doses(dvhs, n_fractions, network, bins=bins, missing=missing)
    per_fraction: dict[str, float] = {}
    for compartment, parts in plan.bins.items():
        network, doses = _split(network, compartment, parts)
        per_fraction |= doses
    floor = load(SHEET)["smallest_dose_counted"]
    counted = [name for name, dose in per_fraction.items() if dose > floor]
    result = blood_dose_of_segments(network, timing.segments(per_fraction), counted=counted)
    return replace(result, notes=(*network.notes, *timing.notes, *plan.notes), sources=plan.sources)


@dataclass(frozen=True, eq=False)
class CompartmentDoses:
    """Dose of each compartment in one fraction of a plan.

    Attributes
    ----------
    bins : mapping
        Compartment to its dose in one fraction, in a few bins.
    sources : mapping
        Compartment to the structures or the assumption behind its dose.
    notes : tuple of str
    """

    bins: Mapping[str, Bins]
    sources: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def means(self) -> dict[str, float]:
        """Mean dose of each compartment in one fraction, in Gy."""
        return {name: bins.mean for name, bins in self.bins.items()}

    @property
    def spread(self) -> dict[str, Spread]:
        """Dose relative to the mean in compartments that are not even, for sampled blood."""
        return {
            name: spread_of(bins.doses, bins.shares)
            for name, bins in self.bins.items()
            if bins.doses.size > 1 and bins.mean > 0.0
        }


def compartment_doses(
    dvhs: Mapping[str, DVH], n_fractions: int, network: Network, *, bins: int = 6, missing: Missing = "body"
) -> CompartmentDoses:
    """Dose of each compartment from a plan; parameters and errors as `blood_dose_of_plan`."""
    _check(dvhs, n_fractions, bins)
    means = {name: dvh.mean for name, dvh in dvhs.items()}
    rest = rest_of_body(dvhs, network.compartments) if missing == "body" else None
    assigned = assign_organs(network, means, None if rest is None else rest.mean)
    if missing == "stop":
        _refuse_missing(sorted({name for item in assigned if not item.contoured for name in item.missing}))
    table = load(SHEET).table("organs").fillna("").set_index("compartment")["structures"]
    floor = load(SHEET)["smallest_dose_counted"]
    fallback = rest or Bins(np.zeros(1), np.ones(1))
    found: dict[str, Bins] = {}
    for item in assigned:
        names = best_alternative(str(table.get(item.compartment, "")), means)
        parts = _of_structures(names, dvhs, fallback) if item.contoured else fallback
        most = bins if item.contoured else min(bins, BODY_BINS)
        parts = _rescaled(merge_bins(parts, most, floor * n_fractions), item.dose)
        found[item.compartment] = Bins(parts.doses / n_fractions, parts.shares)
    sources = {item.compartment: item.basis for item in assigned}
    return CompartmentDoses(found, sources, _notes(assigned, rest, floor, bins))


def bins_of(dvh: DVH) -> Bins:
    """Every occupied bin of a DVH, with the mean of its samples kept."""
    doses, shares = dvh.differential()
    kept = shares > 0.0
    return _rescaled(Bins(doses[kept], shares[kept] / shares[kept].sum()), dvh.mean)


def merge_bins(fine: Bins, most: int, floor: float) -> Bins:
    """At most `most` bins above `floor` [Gy], even in dose, and one for all at or below it; the mean stays."""
    if most == 1 and floor <= 0.0:
        return Bins(np.array([fine.mean]), np.ones(1))
    low = fine.doses <= floor
    groups = [np.flatnonzero(low)]
    above = np.flatnonzero(~low)
    if above.size:
        edges = np.linspace(floor, float(fine.doses.max()), most + 1)[1:-1]
        place = np.searchsorted(edges, fine.doses[above])
        groups += [above[place == k] for k in range(most)]
    groups = [group for group in groups if fine.shares[group].sum() > 0.0]
    shares = np.array([fine.shares[group].sum() for group in groups])
    doses = np.array([fine.doses[group] @ fine.shares[group] for group in groups]) / shares
    return Bins(doses, shares / shares.sum())


def rest_of_body(dvhs: Mapping[str, DVH], compartments: Collection[str] | None = None) -> Bins | None:
    """Dose of the body outside the structures that stand for a compartment; None without `External`.

    What the scan does not show, up to the whole-body volume of EDRIC, counts as unirradiated.
    """
    body = dvhs.get(BODY)
    if body is None:
        return None
    means = {name: dvh.mean for name, dvh in dvhs.items()}
    doses, volume = volume_outside(body, [dvhs[name] for name in sorted(used_structures(means, compartments))])
    unseen = max(0.0, load("blood/edric")["body_volume"] - body.volume_cm3)
    whole = Bins(np.append(doses, 0.0), np.append(volume, unseen))
    kept = whole.shares > 0.0
    bins = Bins(whole.doses[kept], whole.shares[kept] / whole.shares.sum())
    volumes = {name: dvh.volume_cm3 for name, dvh in dvhs.items()}
    return _rescaled(bins, remainder_body_mean(body.integral_dose, means, volumes, compartments))


def volume_outside(whole: DVH, parts: Sequence[DVH]) -> tuple[FloatArray, FloatArray]:
    """Bin doses [Gy] of `whole` and the volume [cm³] in each that is not in `parts`, which lie inside it."""
    doses, shares = whole.differential()
    volume = shares * whole.volume_cm3
    for part in parts:
        reached = np.interp(whole.edges, part.edges, part.volume_fraction, right=0.0)
        volume = volume + np.diff(reached) * part.volume_cm3
    return doses, np.maximum(volume, 0.0)


def _of_structures(names: list[str], dvhs: Mapping[str, DVH], fallback: Bins) -> Bins:
    parts = [bins_of(dvhs[name]) if name in dvhs else fallback for name in names]
    return Bins(
        np.concatenate([part.doses for part in parts]), np.concatenate([part.shares for part in parts]) / len(parts)
    )


def _rescaled(bins: Bins, mean: float) -> Bins:
    """The same spread about another mean; even where there was no dose to scale."""
    if bins.mean <= 0.0:
        return Bins(np.array([mean]), np.ones(1))
    return Bins(bins.doses * (mean / bins.mean), bins.shares)


def _split(network: Network, compartment: str, parts: Bins) -> tuple[Network, dict[str, float]]:
    if parts.shares.size == 1:
        return network, {compartment: float(parts.doses[0])}
    names = [f"{compartment}{SEPARATOR}{k + 1}" for k in range(parts.shares.size)]
    shares = {name: (float(share), float(share)) for name, share in zip(names, parts.shares, strict=True)}
    return split_compartment(network, compartment, shares), dict(zip(names, parts.doses.tolist(), strict=True))


def _notes(assigned: tuple[Assignment, ...], rest: Bins | None, floor: float, bins: int) -> tuple[str, ...]:
    notes = assignment_notes(assigned, None if rest is None else rest.mean)
    if rest is not None:
        notes.append(
            "blood outside the structures meets the dose of the rest of the body contour, "
            "taken as a part of a whole body of reference volume"
        )
    notes.append(ONE_PATH if bins > 1 else "organs are taken as even above the smallest dose counted")
    notes.append(f"touched means at least once in a part that gets more than {floor:g} Gy in a fraction")
    return tuple(notes)


def _check(dvhs: Mapping[str, DVH], n_fractions: int, bins: int) -> None:
    wrong = [f"{name} in {dvh.kind}" for name, dvh in dvhs.items() if dvh.kind == "EQD2"]
    if n_fractions < 1:
        wrong.append(f"{n_fractions} fractions")
    if bins < 1:
        wrong.append(f"{bins} bins")
    if wrong:
        raise InputError(
            doing="computing blood dose of a plan",
            found=", ".join(wrong),
            expected="dose-volume histograms in physical (or RBE-weighted) dose, one fraction and one bin or more",
            try_="the histograms before any conversion to EQD2",
        )


def _refuse_missing(names: list[str]) -> None:
    if names:
        raise InputError(
            doing="computing blood dose of a plan",
            found=f"no contour of {', '.join(names)}",
            expected="every organ of the circulation contoured, as asked",
            try_="missing='body' or 'zero', which the result then states",
        )
