"""Which plan, structure set, dose and CT belong together. Of several unlinked ones, none is chosen."""

from typing import Literal

from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.elements import items, number
from abscopal.dose.dicom.plan import fraction_groups, referenced_beams
from abscopal.dose.dicom.scan import Found, Role, Scan

Chosen = Literal["linked", "assumed", "skipped"]


def choose_dose(scan: Scan) -> tuple[Found, str]:
    """The plan dose, and why this one.

    Raises
    ------
    DicomError
        No RTDOSE, or several that could be the plan's.
    """
    doses = scan.of("RTDOSE")
    if not doses:
        raise _missing(scan, "RTDOSE", "the plan dose in Gy")
    plans = {plan.uid for plan in scan.of("RTPLAN")}
    whole = [one for one in doses if one.summation == "PLAN"]
    if len(whole) > 1:
        linked = [one for one in whole if one.refers_to & plans]
        if len(linked) == 1:
            return linked[0], f"of {len(whole)} plan doses the one whose RTPLAN is here"
        planned = [one for one in linked or whole if not one.converted]
        physical = [one for one in planned if one.dose_type == "PHYSICAL"]
        if len(physical) == 1:
            return physical[0], f"of {len(whole)} plan doses the only physical one"
        if len(planned) == 1:
            return planned[0], f"of {len(whole)} plan doses the only one that is not converted to EQD2 or BED"
        raise _several(whole, "RTDOSE", "one plan dose")
    if whole:
        rest = f"; {len(doses) - 1} other dose(s) left aside" if len(doses) > 1 else ""
        return whole[0], f"DoseSummationType PLAN{rest}"
    kinds = {one.summation for one in doses}
    if len(doses) > 1 and kinds not in ({"BEAM"}, {"FRACTION"}):
        raise _several(doses, "RTDOSE", "one plan dose, or parts of one kind")
    return doses[0], f"DoseSummationType {doses[0].summation or 'missing'}"


def declared_parts(scan: Scan, dose: Found, plan: Dataset | None) -> list[Found]:
    """The doses that together make up a plan when there is no plan dose.

    BEAM (or FRACTION) doses are summed only when each names the same plan and the beams (fraction
    groups) they name are exactly the plan's, each once.

    Raises
    ------
    DicomError
        The parts on hand do not declare a whole plan.
    """
    if dose.summation not in {"BEAM", "FRACTION"}:
        return [dose]
    parts = [one for one in scan.of("RTDOSE") if one.summation == dose.summation]
    needed = (
        set[int]() if plan is None else referenced_beams(plan) if dose.summation == "BEAM" else fraction_groups(plan)
    )
    named = [index for part in parts for index in _named(part.read(), dose.summation)]
    same_plan = len({part.refers_to for part in parts}) == 1 and bool(parts[0].refers_to)
    if plan is None or not same_plan or not named or sorted(named) != sorted(needed):
        raise DicomError(
            doing="finding the plan dose",
            found=f"{len(parts)} {dose.summation} dose(s) naming parts {sorted(named)} of the plan's {sorted(needed)}",
            expected=f"a PLAN dose, or {dose.summation} doses that name each part of one plan once",
            try_="exporting the dose with DoseSummationType PLAN",
        )
    return parts


def _named(dose: Dataset, summation: str) -> list[int]:
    groups = [
        group
        for plan in items(dose, "ReferencedRTPlanSequence")
        for group in items(plan, "ReferencedFractionGroupSequence")
    ]
    if summation == "FRACTION":
        return [int(n) for group in groups if (n := number(group, "ReferencedFractionGroupNumber")) is not None]
    beams = [beam for group in groups for beam in items(group, "ReferencedBeamSequence")]
    return [int(n) for beam in beams if (n := number(beam, "ReferencedBeamNumber")) is not None]


def choose_plan(scan: Scan, dose: Found) -> tuple[Found | None, Chosen, str]:
    """The plan of a dose, or None; how it was found and why."""
    plans = scan.of("RTPLAN")
    linked = [plan for plan in plans if plan.uid in dose.refers_to]
    if linked:
        rest = f"; {len(plans) - 1} other(s) left aside" if len(plans) > 1 else ""
        return linked[0], "linked", f"named by the RTDOSE{rest}"
    if not plans:
        return None, "skipped", "none; fractions and prescription are unknown unless you give them"
    if len(plans) > 1:
        return None, "skipped", f"{len(plans)} plans, none named by the RTDOSE; none is used"
    if dose.refers_to & _plan_like(scan, dose):
        return None, "skipped", "the RTDOSE names another plan than the one here; it is not used"
    return plans[0], "assumed", "the only one; the RTDOSE names no plan"


def _plan_like(scan: Scan, dose: Found) -> set[str]:
    """References of a dose that are not the structure sets on hand: a plan that is not here."""
    return set(dose.refers_to) - {one.uid for one in scan.of("RTSTRUCT")}


def choose_structures(scan: Scan, dose: Found | None, plan: Found | None) -> tuple[Found, Chosen, str]:
    """The structure set of a plan and dose, how it was found and why.

    Raises
    ------
    DicomError
        No RTSTRUCT, or several without a link.
    """
    sets = scan.of("RTSTRUCT")
    if not sets:
        raise _missing(scan, "RTSTRUCT", "the structure set of the plan")
    rest = f"; {len(sets) - 1} other(s) left aside" if len(sets) > 1 else ""
    for name, file in (("RTPLAN", plan), ("RTDOSE", dose)):
        linked = [one for one in sets if file is not None and one.uid in file.refers_to]
        if linked:
            return linked[0], "linked", f"named by the {name}{rest}"
    if len(sets) == 1:
        return sets[0], "assumed", "the only one; neither plan nor dose names it"
    near = [one for one in sets if dose is not None and one.frame and one.frame == dose.frame]
    if len(near) == 1:
        return near[0], "assumed", f"the only one in the dose's frame of reference{rest}"
    raise _several(sets, "RTSTRUCT", "one, or one that the plan names")


def choose_ct(scan: Scan, structures: Found, frame: str) -> tuple[list[Found], Chosen, str]:
    """The slices of the planning CT, how they were found and why."""
    slices = scan.of("CT")
    series: dict[str, list[Found]] = {}
    for one in slices:
        series.setdefault(one.series, []).append(one)
    if not series:
        return [], "skipped", "none; the report has no anatomy picture"
    rest = f"; {len(series) - 1} other series left aside" if len(series) > 1 else ""
    linked = [files for uid, files in series.items() if uid in structures.refers_to]
    if linked:
        return linked[0], "linked", f"series of {len(linked[0])} slice(s) named by the RTSTRUCT{rest}"
    if len(series) == 1:
        return slices, "assumed", f"the only series, {len(slices)} slice(s); the RTSTRUCT does not name it"
    near = [files for files in series.values() if files[0].frame == frame]
    if len(near) == 1:
        return near[0], "assumed", f"the only series in the dose's frame of reference{rest}"
    return [], "skipped", f"{len(series)} series, none named by the RTSTRUCT; none is used"


def _missing(scan: Scan, role: Role, what: str) -> DicomError:
    counts = [f"{len(scan.of(one))} {one}" for one in ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE")]
    damaged = [
        f"'{label}' is {reason}"
        for label, reason in scan.skipped
        if any(word in reason for word in ("truncated", "damaged", "incomplete"))
    ]
    return DicomError(
        doing="reading a case",
        found=f"no {role} among " + ", ".join(counts) + "".join(f"; {one}" for one in damaged[:3]),
        expected=f"{what} (found by SOP class, whatever the file is called)",
        try_=f"exporting the {role} of the same plan into this folder",
    )


def _several(files: list[Found], role: Role, expected: str) -> DicomError:
    labels = ", ".join(f"'{file.label}'" for file in files[:4])
    return DicomError(
        doing="reading a case",
        found=f"{len(files)} candidates for the {role}: {labels}",
        expected=expected,
        try_="leaving only the wanted one in the folder",
    )
