"""Blood dose of a plan with uneven organs: each organ's DVH as parallel paths for its blood.

A compartment is split into parallel parts, one for each bin of its dose-volume histogram,
with flow in proportion to volume. Blood takes one path per visit. The part of a large organ
that the beam misses is then a part of its own, so that the share of blood touched is no
longer that of the whole organ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.circulation import SHEET, Network, split_compartment
from abscopal.blood.delivery import Timing
from abscopal.blood.exposure import BloodDose, blood_dose_of_segments
from abscopal.blood.organs import Assignment, assign_organs, assignment_notes, best_alternative, remainder_body_mean
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
    _check(dvhs, n_fractions, bins)
    means = {name: dvh.mean for name, dvh in dvhs.items()}
    rest = _rest_of_body(dvhs, means) if missing == "body" else None
    assigned = assign_organs(network, means, None if rest is None else rest.mean)
    if missing == "stop":
        _refuse_missing(sorted({name for item in assigned if not item.contoured for name in item.missing}))
    table = load(SHEET).table("organs").fillna("").set_index("compartment")["structures"]
    floor = load(SHEET)["smallest_dose_counted"] * n_fractions
    fallback = rest or Bins(np.zeros(1), np.ones(1))
    per_fraction: dict[str, float] = {}
    for item in assigned:
        parts = (
            _of_structures(best_alternative(str(table.get(item.compartment, "")), means), dvhs, fallback)
            if item.contoured
            else fallback
        )
        most = bins if item.contoured else min(bins, BODY_BINS)
        parts = _rescaled(merge_bins(parts, most, floor), item.dose)
        network, doses = _split(network, item.compartment, parts)
        per_fraction |= {name: dose / n_fractions for name, dose in doses.items()}
    counted = [name for name, dose in per_fraction.items() if dose > floor / n_fractions]
    result = blood_dose_of_segments(network, timing.segments(per_fraction), counted=counted)
    notes = (*network.notes, *timing.notes, *_notes(assigned, rest, floor / n_fractions, bins))
    return replace(result, notes=notes, sources={item.compartment: item.basis for item in assigned})


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


def rest_of_body(dvhs: Mapping[str, DVH]) -> Bins | None:
    """Dose of the body outside the structures that stand for a compartment; None without `External`.

    What the scan does not show, up to the whole-body volume of EDRIC, counts as unirradiated.
    """
    return _rest_of_body(dvhs, {name: dvh.mean for name, dvh in dvhs.items()})


def _rest_of_body(dvhs: Mapping[str, DVH], means: Mapping[str, float]) -> Bins | None:
    body = dvhs.get(BODY)
    if body is None:
        return None
    table = load(SHEET).table("organs").fillna("")["structures"]
    used = {name for text in table for name in best_alternative(str(text), means) if name in dvhs and name != BODY}
    doses, shares = body.differential()
    volume = shares * body.volume_cm3
    for name in used:
        reached = np.interp(body.edges, dvhs[name].edges, dvhs[name].volume_fraction, right=0.0)
        volume = volume + np.diff(reached) * dvhs[name].volume_cm3
    volume = np.maximum(volume, 0.0)
    unseen = max(0.0, load("blood/edric")["body_volume"] - body.volume_cm3)
    whole = Bins(np.append(doses, 0.0), np.append(volume, unseen))
    kept = whole.shares > 0.0
    bins = Bins(whole.doses[kept], whole.shares[kept] / whole.shares.sum())
    mean = remainder_body_mean(body.integral_dose, means, {name: dvh.volume_cm3 for name, dvh in dvhs.items()})
    return _rescaled(bins, mean)


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
