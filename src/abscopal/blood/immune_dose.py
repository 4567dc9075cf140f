"""Estimated dose of radiation to immune cells (EDRIC, also EDIC): a closed-form index.

Four mean doses and a fraction count. Physical dose; the fraction count enters through
sqrt(n/45) only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

Form = Literal["chest", "oesophagus"]
SHEET = "blood/edric"
BOTH_LUNGS = ("Lungs", "Lungs-GTV")
SIDES = ("Lung_L", "Lung_R")
FORM_DISEASES: Mapping[Form, tuple[str, ...]] = {"chest": ("NSCLC", "SCLC"), "oesophagus": ("esophageal",)}


@dataclass(frozen=True)
class CohortValue:
    """The index in a published cohort, for context beside a patient's value.

    Attributes
    ----------
    value, low, high : float or None
        [Gy]
    status : str
        Knowledge status of the row.
    """

    cohort: str
    statistic: str
    n: int | None
    value: float
    low: float | None
    high: float | None
    status: str


@dataclass(frozen=True)
class Association:
    """A hazard ratio *associated* with the index; tumour size and stage confound it.

    Never multiply ratios of different cohorts.
    """

    cohort: str
    contrast: str
    endpoint: str
    hazard_ratio: float
    p_value: float | None
    status: str
    remark: str


@dataclass(frozen=True)
class ImmuneDose:
    """EDRIC of a course, or why it cannot be computed.

    Attributes
    ----------
    value : float or None
        None when not computable. [Gy]
    not_computable : str
        `""`, or `"not computable: needs X"`.
    components : mapping
        Terms of the sum by name: lung, heart, large vessels, slow organs and, in the
        oesophagus form, liver. [Gy]
    inputs : mapping
        Mean doses [Gy] and fraction count used.
    extrapolated : bool
        More fractions than the index was built for.
    status : str
        `"read"`, or `"assumed"` where an assumption of ours enters the value.
    context : tuple of CohortValue
        Published cohorts of the same form of the index, for comparison only.
    """

    value: float | None
    form: Form
    components: Mapping[str, float]
    inputs: Mapping[str, float]
    not_computable: str = ""
    extrapolated: bool = False
    status: str = "read"
    notes: tuple[str, ...] = ()
    unit: str = "Gy"
    label: str = "EDRIC"
    context: tuple[CohortValue, ...] = ()


def edric(
    mean_lung: float,
    mean_heart: float,
    body_integral_gy_cm3: float,
    n_fractions: int,
    mean_liver: float | None = None,
) -> ImmuneDose:
    r"""EDRIC from organ mean doses and the integral dose of the body.

    .. math:: 0.12\,D_{lung} + 0.08\,D_{heart}
              + \left(0.45 + 0.35 \cdot 0.85 \sqrt{n/45}\right) \frac{ITD}{62000}
              \; [+ 0.15 \cdot 0.85 \sqrt{n/45}\, D_{liver}]

    Parameters
    ----------
    mean_lung, mean_heart : float
        Mean physical dose over the course. [Gy]
    body_integral_gy_cm3 : float
        Integral total dose: mean dose times volume of everything irradiated. [Gy cm³]
    n_fractions : int
        [1]
    mean_liver : float, optional
        Given, the oesophagus form with its liver term is used. [Gy]

    Returns
    -------
    ImmuneDose

    Raises
    ------
    InputError
        A negative dose or fewer than one fraction.

    Notes
    -----
    Not EQD2. The integral dose is divided by a whole-body volume on purpose: the mean dose
    of a body contour that ends with the scan is too high. Above 45 fractions the result is
    marked as extrapolated.

    References
    ----------
    .. [1] Jin JY et al. (chest form); Xu C et al. 2020 (oesophagus form). See
       `abscopal knowledge show blood/edric`.

    Examples
    --------
    >>> round(edric(15.0, 10.0, 150_000.0, 30).value, 4)
    4.2764
    """
    mean_body = body_integral_gy_cm3 / load(SHEET)["body_volume"]
    return edric_from_mean_body_dose(mean_lung, mean_heart, mean_body, n_fractions, mean_liver)


def edric_from_mean_body_dose(
    mean_lung: float, mean_heart: float, mean_body: float, n_fractions: int, mean_liver: float | None = None
) -> ImmuneDose:
    """EDRIC from the mean dose of the *whole* body; parameters and errors else as `edric`.

    Parameters
    ----------
    mean_body : float
        Integral dose over whole-body volume, not over the scanned volume. [Gy]
    """
    doses = {"mean lung dose": mean_lung, "mean heart dose": mean_heart, "mean body dose": mean_body}
    if mean_liver is not None:
        doses["mean liver dose"] = mean_liver
    _check(doses, n_fractions)
    sheet = load(SHEET)
    saturating = sheet["saturating_fractions"]
    slow = sheet["mixing"] * math.sqrt(n_fractions / saturating)
    components = {
        "lung": sheet["lung_weight"] * mean_lung,
        "heart": sheet["heart_weight"] * mean_heart,
        "large vessels": sheet["vessel_weight"] * mean_body,
        "slow organs": sheet["slow_weight"] * slow * mean_body,
    }
    if mean_liver is not None:
        components["liver"] = sheet["liver_weight"] * slow * mean_liver
    beyond = n_fractions > saturating
    notes = (
        (f"{n_fractions} fractions extrapolate beyond the {saturating:g} the index was built for",) if beyond else ()
    )
    return ImmuneDose(
        value=sum(components.values()),
        form="chest" if mean_liver is None else "oesophagus",
        components=components,
        inputs={**doses, "fractions": float(n_fractions)},
        extrapolated=beyond,
        notes=notes,
        context=cohort_context(FORM_DISEASES["chest" if mean_liver is None else "oesophagus"]),
    )


def edric_from_case(
    mean_doses: Mapping[str, float],
    volumes: Mapping[str, float],
    body_integral_gy_cm3: float | None,
    n_fractions: int | None,
    allow_one_lung: bool = False,
    form: Form = "chest",
) -> ImmuneDose:
    """EDRIC from what a plan has contoured, or what it lacks.

    Parameters
    ----------
    mean_doses : mapping
        TG-263 structure name to mean dose of the course. [Gy]
    volumes : mapping
        TG-263 structure name to volume, to weigh two lungs. [cm³]
    body_integral_gy_cm3 : float or None
        Mean dose times volume of the body contour; None where there is none. [Gy cm³]
    n_fractions : int or None
    allow_one_lung : bool
        With one lung contoured, count the other as unirradiated with an assumed share of
        lung volume. The result then carries the status `assumed` and a note.
    form : {"chest", "oesophagus"}
        The oesophagus form needs the liver too.

    Returns
    -------
    ImmuneDose
        With `value` None and `not_computable` naming everything that is missing.
    """
    lung, lung_notes, needs = _lung_dose(mean_doses, volumes, allow_one_lung)
    heart, liver = mean_doses.get("Heart"), mean_doses.get("Liver")
    if heart is None:
        needs.append("Heart")
    if form == "oesophagus" and liver is None:
        needs.append("Liver")
    if body_integral_gy_cm3 is None:
        needs.append("External (body contour)")
    if n_fractions is None:
        needs.append("the number of fractions")
    if lung is None or heart is None or body_integral_gy_cm3 is None or n_fractions is None or needs:
        reason = "not computable: needs " + ", ".join(needs)
        return ImmuneDose(None, form, {}, {}, not_computable=reason, notes=lung_notes)
    result = edric(lung, heart, body_integral_gy_cm3, n_fractions, liver if form == "oesophagus" else None)
    one_lung = not any(name in mean_doses for name in BOTH_LUNGS) and not all(side in mean_doses for side in SIDES)
    status = "assumed" if one_lung else result.status
    return replace(result, status=status, notes=(*lung_notes, *result.notes))


def cohort_context(diseases: Sequence[str] = ()) -> tuple[CohortValue, ...]:
    """Values of EDRIC in published cohorts, of these diseases (names of `patient.toml`) or of all.

    They describe those cohorts. They are no limits, and no dose was chosen by them.
    """
    table = load(SHEET).table("cohorts")
    rows = table[table["disease"].isin(list(diseases))] if diseases else table
    return tuple(
        CohortValue(
            cohort=str(row["cohort"]),
            statistic=str(row["statistic"]),
            n=None if math.isnan(float(row["n"])) else int(row["n"]),
            value=float(row["value"]),
            low=_or_none(float(row["low"])),
            high=_or_none(float(row["high"])),
            status=str(row["status"]),
        )
        for row in rows.to_dict(orient="records")
    )


def outcome_associations() -> tuple[Association, ...]:
    """Published associations of EDRIC with survival, every one observational."""
    rows = load(SHEET).table("associations").fillna({"remark": ""}).to_dict(orient="records")
    return tuple(
        Association(
            cohort=str(row["cohort"]),
            contrast=str(row["contrast"]),
            endpoint=str(row["endpoint"]),
            hazard_ratio=float(row["hazard_ratio"]),
            p_value=_or_none(float(row["p_value"])),
            status=str(row["status"]),
            remark=str(row["remark"]),
        )
        for row in rows
    )


def _lung_dose(
    mean_doses: Mapping[str, float], volumes: Mapping[str, float], allow_one_lung: bool
) -> tuple[float | None, tuple[str, ...], list[str]]:
    """Mean dose of both lungs, notes, and the structures missing."""
    for name in BOTH_LUNGS:
        if name in mean_doses:
            return mean_doses[name], () if name == "Lungs" else (f"{name} stands for both lungs",), []
    missing = [side for side in SIDES if side not in mean_doses]
    if not missing:
        return _two_lungs(mean_doses, volumes)
    if len(missing) == len(SIDES):
        return None, (), ["Lungs"]
    present = SIDES[1 - SIDES.index(missing[0])]
    if not allow_one_lung:
        wanted = f"{missing[0]} (only {present} is contoured; the one-lung form counts the other as unirradiated)"
        return None, (), [wanted]
    right = load(SHEET)["right_lung_share"]
    share = right if present == "Lung_R" else 1.0 - right
    note = (
        f"one-lung form: {missing[0]} is not contoured and counts as unirradiated; "
        f"{present} is assumed to be {100 * share:g} % of lung volume, so lung dose may be understated"
    )
    return share * mean_doses[present], (note,), []


def _two_lungs(
    mean_doses: Mapping[str, float], volumes: Mapping[str, float]
) -> tuple[float | None, tuple[str, ...], list[str]]:
    weights = [volumes.get(side, 0.0) for side in SIDES]
    if min(weights) <= 0.0:
        return None, (), [f"the volume of {side}" for side, weight in zip(SIDES, weights, strict=True) if weight <= 0.0]
    total = sum(weight * mean_doses[side] for side, weight in zip(SIDES, weights, strict=True))
    return total / sum(weights), (), []


def _check(doses: Mapping[str, float], n_fractions: int) -> None:
    bad = [f"{name} = {dose:g} Gy" for name, dose in doses.items() if not (math.isfinite(dose) and dose >= 0.0)]
    if n_fractions < 1:
        bad.append(f"{n_fractions} fractions")
    if bad:
        raise InputError(
            doing="computing EDRIC",
            found=", ".join(bad),
            expected="mean doses of zero or more and one fraction or more",
            try_="checking signs and units (Gy over the whole course)",
        )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
