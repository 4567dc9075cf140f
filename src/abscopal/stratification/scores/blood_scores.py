"""Scores of routine blood values: NLR, dNLR, LIPI, PLR, SII, ALI, PIV and the lymphocyte grade."""

from abscopal.domain.patient import Patient
from abscopal.domain.registry import register
from abscopal.knowledge.load import load, record
from abscopal.stratification.score import Score, missing
from abscopal.stratification.scores.counts import derived_nlr, neutrophil_lymphocyte_ratio, platelet_lymphocyte_ratio

SHEET = "scores/blood"
IN_USE = "cut-off in common use; no single source read"
PROGNOSTIC = "prognostic: not a reason to give or withhold an ICI or radiotherapy"


def _make(name: str, label: str, key: str, source: str, **fields: object) -> Score:
    """A prognostic score whose status is that of the cut-off `key`."""
    status = record(f"{SHEET}:{key}").entry.status
    return Score.model_validate(
        {"name": name, "label": label, "evidence": "prognostic", "status": status, "source": source, **fields}
    )


def _needs(patient: Patient, *names: str) -> str:
    """The reason the laboratory values called `names` do not suffice, or ""."""
    labs = patient.labs.model_dump()
    return missing({f"labs.{name}": labs[name] for name in names})


def _lymphocytes(patient: Patient, *names: str) -> str:
    reason = _needs(patient, "alc", *names)
    if not reason and patient.labs.alc == 0:
        return "not computable: needs a lymphocyte count above zero"
    return reason


def _high(value: float, key: str) -> str:
    cut = load(SHEET)[key]
    return f"high (at or above {cut:g})" if value >= cut else f"not high (below {cut:g})"


def _nlr(patient: Patient) -> float:
    return neutrophil_lymphocyte_ratio(patient.labs.anc or 0.0, patient.labs.alc or 0.0)


def ratio_of(patient: Patient) -> float | None:
    """The NLR from the counts, else as written; None where neither is known or there are no lymphocytes."""
    labs = patient.labs
    if labs.anc is not None and labs.alc is not None:
        return neutrophil_lymphocyte_ratio(labs.anc, labs.alc) if labs.alc > 0 else None
    return labs.nlr


def index_of(patient: Patient) -> float | None:
    """The BMI in kg/m2 from weight and height, else as written."""
    if patient.weight is not None and patient.height is not None:
        return body_mass_index(patient.weight, patient.height)
    return patient.bmi


def _ratio_inputs(patient: Patient) -> dict[str, float]:
    counted = patient.labs.anc is not None and patient.labs.alc is not None
    return _used(patient, "anc", "alc") if counted else _used(patient, "nlr")


def _needs_ratio(patient: Patient, *names: str) -> str:
    """Why there is no NLR, or other values called `names` are missing, or ""."""
    others = {f"labs.{name}": getattr(patient.labs, name) for name in names}
    if patient.labs.alc == 0:
        return "not computable: needs a lymphocyte count above zero"
    return missing({"labs.anc and labs.alc, or labs.nlr": ratio_of(patient), **others})


@register("score", "nlr", needs=("anc", "alc"), source=IN_USE)
def nlr(patient: Patient) -> Score:
    """Neutrophil-lymphocyte ratio."""
    label, reason = "Neutrophil-lymphocyte ratio (NLR)", _needs_ratio(patient)
    value = ratio_of(patient)
    if reason or value is None:
        return _make("nlr", label, "nlr_high", IN_USE, not_computable=reason)
    return _make(
        "nlr", label, "nlr_high", IN_USE, value=value, category=_high(value, "nlr_high"),
        inputs=_ratio_inputs(patient), notes=("3 and 4 are used as cut-offs too", PROGNOSTIC),
    )  # fmt: skip


@register("score", "dnlr", needs=("anc", "wbc"), source="LIPI definition")
def dnlr(patient: Patient) -> Score:
    """Derived neutrophil-lymphocyte ratio."""
    label, source = "Derived neutrophil-lymphocyte ratio (dNLR)", "LIPI definition"
    reason = _white_cells(patient)
    if reason:
        return _make("dnlr", label, "dnlr_high", source, not_computable=reason)
    value = derived_nlr(patient.labs.anc or 0.0, patient.labs.wbc or 0.0)
    cut = load(SHEET)["dnlr_high"]
    category = f"high (above {cut:g})" if value > cut else f"not high ({cut:g} or below)"
    inputs = _used(patient, "anc", "wbc")
    return _make("dnlr", label, "dnlr_high", source, value=value, category=category, inputs=inputs, notes=(PROGNOSTIC,))


@register("score", "lipi", needs=("anc", "wbc", "ldh", "ldh_uln"), source="LIPI, pooled analysis of 9,959 patients")
def lipi(patient: Patient) -> Score:
    """Lung immune prognostic index: one point each for dNLR above 3 and LDH above normal."""
    label, source = "Lung immune prognostic index (LIPI)", "LIPI, pooled analysis of 9,959 patients"
    reason = _needs(patient, "anc", "wbc", "ldh", "ldh_uln") or _white_cells(patient)
    if reason:
        return _make("lipi", label, "dnlr_high", source, not_computable=reason)
    labs, sheet = patient.labs, load(SHEET)
    ratio = derived_nlr(labs.anc or 0.0, labs.wbc or 0.0)
    points = int(ratio > sheet["dnlr_high"]) + int((labs.ldh or 0.0) > (labs.ldh_uln or 0.0))
    notes = [PROGNOSTIC, "prognostic under chemotherapy and kinase inhibitors too, so not predictive"]
    if points:
        hazard = sheet["lipi_hr_poor" if points == 2 else "lipi_hr_intermediate"]
        notes.append(f"overall-survival hazard ratio {hazard:g} against the good group (pooled)")
    if patient.disease != "NSCLC":
        notes.append(f"derived in lung cancer; the disease is {patient.disease}")
    return _make(
        "lipi", label, "dnlr_high", source, value=float(points), category=("good", "intermediate", "poor")[points],
        inputs={"dnlr": ratio, **_used(patient, "ldh", "ldh_uln")}, notes=tuple(notes),
    )  # fmt: skip


@register("score", "plr", needs=("platelets", "alc"), source=IN_USE)
def plr(patient: Patient) -> Score:
    """Platelet-lymphocyte ratio."""
    label, reason = "Platelet-lymphocyte ratio (PLR)", _lymphocytes(patient, "platelets")
    if reason:
        return _make("plr", label, "plr_high", IN_USE, not_computable=reason)
    value = platelet_lymphocyte_ratio(patient.labs.platelets or 0.0, patient.labs.alc or 0.0)
    return _make(
        "plr", label, "plr_high", IN_USE, value=value, category=_high(value, "plr_high"),
        inputs=_used(patient, "platelets", "alc"), notes=("cut-offs of 150 to 300 are in use", PROGNOSTIC),
    )  # fmt: skip


@register("score", "sii", needs=("platelets", "anc", "alc"), source=IN_USE)
def sii(patient: Patient) -> Score:
    """Systemic immune-inflammation index."""
    label, reason = "Systemic immune-inflammation index (SII)", _lymphocytes(patient, "platelets", "anc")
    if reason:
        return _make("sii", label, "sii_low", IN_USE, unit="1e9/L", not_computable=reason)
    value = (patient.labs.platelets or 0.0) * _nlr(patient)
    low, high = load(SHEET)["sii_low"], load(SHEET)["sii_high"]
    category = "below" if value < low else "above" if value > high else "within"
    return _make(
        "sii", label, "sii_low", IN_USE, value=value, unit="1e9/L",
        category=f"{category} the cut-offs in use ({low:g} to {high:g})",
        inputs=_used(patient, "platelets", "anc", "alc"), notes=("cut-offs differ between studies", PROGNOSTIC),
    )  # fmt: skip


@register("score", "ali", needs=("weight", "height", "albumin", "anc", "alc"), source=IN_USE)
def ali(patient: Patient) -> Score:
    """Advanced lung cancer inflammation index: BMI times albumin over NLR."""
    label = "Advanced lung cancer inflammation index (ALI)"
    body, ratio = index_of(patient), ratio_of(patient)
    reason = missing({"weight and height, or bmi": body}) or _needs_ratio(patient, "albumin")
    if not reason and ratio == 0:
        reason = "not computable: needs a neutrophil count above zero"
    if reason or body is None or ratio is None:
        return _make("ali", label, "ali_low", IN_USE, not_computable=reason)
    value = body * (patient.labs.albumin or 0.0) / ratio
    cut = load(SHEET)["ali_low"]
    return _make(
        "ali", label, "ali_low", IN_USE, value=value,
        category=f"low (below {cut:g})" if value < cut else f"not low ({cut:g} or above)",
        inputs={"bmi": body, **_used(patient, "albumin"), **_ratio_inputs(patient)},
        notes=(PROGNOSTIC,),
    )  # fmt: skip


@register("score", "piv", needs=("anc", "platelets", "monocytes", "alc"), source=IN_USE)
def piv(patient: Patient) -> Score:
    """Pan-immune-inflammation value: neutrophils times platelets times monocytes over lymphocytes."""
    label, reason = "Pan-immune-inflammation value (PIV)", _lymphocytes(patient, "anc", "platelets", "monocytes")
    if reason:
        return _make("piv", label, "nlr_high", IN_USE, unit="1e18/L^2", not_computable=reason)
    value = _nlr(patient) * (patient.labs.platelets or 0.0) * (patient.labs.monocytes or 0.0)
    return _make(
        "piv", label, "nlr_high", IN_USE, value=value, unit="1e18/L^2",
        inputs=_used(patient, "anc", "platelets", "monocytes", "alc"),
        notes=("split at the median of each cohort: a single value has no class", PROGNOSTIC),
    )  # fmt: skip


@register("score", "alc_grade", needs=("alc",), source="CTCAE, lymphocyte count decreased")
def alc_grade(patient: Patient) -> Score:
    """CTCAE grade of lymphopenia before treatment."""
    label, source = "Lymphocyte count before treatment (CTCAE grade)", "CTCAE, lymphocyte count decreased"
    reason = _needs(patient, "alc")
    if reason:
        return _make("alc_grade", label, "alc_grade_3", source, not_computable=reason)
    alc, sheet = patient.labs.alc or 0.0, load(SHEET)
    grade, normal = next((g for g in (4, 3, 2) if alc < sheet[f"alc_grade_{g}"]), 0), patient.labs.alc_lln
    if not grade and normal is not None:
        grade = int(alc < normal)
    unsure = not grade and normal is None
    text = "grade 0 or 1 (telling them apart needs labs.alc_lln)" if unsure else f"grade {grade}"
    notes = ("before treatment; the course under radiotherapy is computed from dose to blood", PROGNOSTIC)
    return _make(
        "alc_grade", label, "alc_grade_3", source, value=float(grade), category=text, inputs={"alc": alc}, notes=notes
    )


@register("score", "bmi", needs=("weight", "height"), source=IN_USE)
def bmi(patient: Patient) -> Score:
    """Body-mass index."""
    value = index_of(patient)
    if value is None:
        reason = missing({"weight and height, or bmi": None})
        return _make("bmi", "Body-mass index", "bmi_obese", IN_USE, unit="kg/m^2", not_computable=reason)
    cut = load(SHEET)["bmi_obese"]
    return _make(
        "bmi", "Body-mass index", "bmi_obese", IN_USE, value=value, unit="kg/m^2",
        category=f"obese (at or above {cut:g})" if value >= cut else f"not obese (below {cut:g})",
        inputs={"bmi": value},
        notes=("the link with survival under an ICI is U-shaped and differs by sex (uncertain)",),
    )  # fmt: skip


def body_mass_index(weight: float, height: float) -> float:
    """BMI in kg/m2 from weight in kg and height in cm."""
    return weight / (height / 100) ** 2


def _white_cells(patient: Patient) -> str:
    reason = _needs(patient, "anc", "wbc")
    if not reason and (patient.labs.wbc or 0.0) <= (patient.labs.anc or 0.0):
        return "not computable: needs a white cell count above the neutrophil count"
    return reason


def _used(patient: Patient, *names: str) -> dict[str, float]:
    labs = patient.labs.model_dump()
    return {name: labs[name] for name in names}
