"""Muscle, PD-L1 CPS, blood TMB, dose to immune cells and the microbiome."""

from abscopal.blood.immune_dose import edric
from abscopal.domain.patient import Patient
from abscopal.domain.registry import register
from abscopal.knowledge.load import load
from abscopal.stratification.score import Card, Score, missing
from abscopal.stratification.scores.blood_scores import PROGNOSTIC, index_of

SHEET = "scores/body"
SMI = Card(
    "smi",
    "Skeletal muscle index at L3",
    "prognostic",
    "cut-offs of Prado and of Martin",
    (f"{SHEET}:smi",),
    unit="cm^2/m^2",
)
CPS = Card("pd_l1_cps", "PD-L1 combined positive score", "predictive", "drug labels", (f"{SHEET}:cps_positive",))
BTMB = Card(
    "btmb",
    "Blood tumour mutational burden",
    "prognostic",
    "open trial data",
    (f"{SHEET}:btmb_high",),
    unit="mutation/megabase",
)
EDRIC = Card(
    "edric",
    "Dose to circulating immune cells (EDRIC)",
    "prognostic",
    "Jin et al.; cohorts under RT and ICI",
    ("blood/edric:lung_weight", f"{SHEET}:edric_high"),
    unit="Gy",
)
TOPOSCORE = Card(
    "toposcore",
    "TOPOSCORE of the gut microbiome",
    "prognostic",
    "derived on 245 patients with NSCLC",
    (f"{SHEET}:toposcore_low",),
)


@register("score", "smi", needs=("l3_muscle_area", "height", "sex"), source=SMI.source)
def smi(patient: Patient) -> Score:
    """Skeletal muscle area over height squared, against two sets of cut-offs."""
    reason = missing({"l3_muscle_area": patient.l3_muscle_area, "height": patient.height, "sex": patient.sex})
    if reason or patient.l3_muscle_area is None or patient.height is None:
        return SMI.lacks(reason)
    value = patient.l3_muscle_area / (patient.height / 100) ** 2
    body = index_of(patient)
    table = load(SHEET).table("smi")
    table = table[table["sex"] == patient.sex]
    classes = []
    for rule in dict.fromkeys(table["rule"]):
        rows = table[table["rule"] == rule]
        limited = rows["bmi_below"].notna()
        if limited.any() and body is None:
            classes.append(f"{rule}: needs the BMI")
            continue
        lean = rows[limited & (rows["bmi_below"] > (body or 0.0))]
        row = (lean if len(lean) else rows[~limited]).iloc[0]
        classes.append(f"{rule}: {'low' if value < row['cutoff'] else 'not low'} (cut-off {row['cutoff']:g})")
    inputs: dict[str, float | str] = {"l3_muscle_area": patient.l3_muscle_area, "height": patient.height}
    return SMI.score(value, "; ".join(classes), inputs=inputs, notes=(PROGNOSTIC,))


@register("score", "pd_l1_cps", needs=("pd_l1_cps",), source=CPS.source)
def pd_l1_cps(patient: Patient) -> Score:
    """Combined positive score in the classes of the head and neck label."""
    value, sheet = patient.biomarkers.pd_l1_cps, load(SHEET)
    if value is None:
        return CPS.lacks("biomarkers.pd_l1_cps")
    low, high = sheet["cps_positive"], sheet["cps_high"]
    names = {high: f"{high:g} or more", low: f"{low:g} to below {high:g}", 0.0: f"below {low:g}"}
    notes: tuple[str, ...] = (
        "predictive of an ICI against none, in some diseases; not of adding radiotherapy to an ICI",
    )
    if patient.disease != "head_and_neck":
        notes = (*notes, f"classes are those of head and neck cancer; the disease is {patient.disease}")
    return CPS.score(
        value, next(text for floor, text in names.items() if value >= floor), inputs={"pd_l1_cps": value}, notes=notes
    )


@register("score", "btmb", needs=("btmb",), source=BTMB.source)
def btmb(patient: Patient) -> Score:
    """Blood TMB against the cut-off of its assay."""
    value, cut = patient.biomarkers.btmb, load(SHEET)["btmb_high"]
    if value is None:
        return BTMB.lacks("biomarkers.btmb")
    side = f"high (at or above {cut:g})" if value >= cut else f"not high (below {cut:g})"
    return BTMB.score(value, side, inputs={"btmb": value}, notes=(PROGNOSTIC,))


@register(
    "score", "edric", needs=("mean_lung_dose", "mean_heart_dose", "integral_dose", "fractions"), source=EDRIC.source
)
def edric_score(patient: Patient) -> Score:
    """EDRIC of the planned course as a possible modifier of what an ICI does."""
    course = patient.radiotherapy
    reason = missing(
        {
            f"radiotherapy.{name}": getattr(course, name)
            for name in ("mean_lung_dose", "mean_heart_dose", "integral_dose", "fractions")
        }
    )
    lung, heart, integral, n = course.mean_lung_dose, course.mean_heart_dose, course.integral_dose, course.fractions
    if reason or lung is None or heart is None or integral is None or n is None:
        return EDRIC.lacks(reason)
    found = edric(lung, heart, integral, n)
    cut = load(SHEET)["edric_high"]
    value = found.value or 0.0
    return EDRIC.score(
        value, f"{'at or above' if value >= cut else 'below'} {cut:g} Gy", inputs=dict(found.inputs),
        notes=(
            "under RT and ICI a higher value went with worse survival in two observational cohorts: an association, "
            "with tumour size and stage behind it, not a shown modification of effect",
            *found.notes,
        ),
    )  # fmt: skip


@register("score", "toposcore", needs=("toposcore",), source=TOPOSCORE.source)
def toposcore(patient: Patient) -> Score:
    """Class of a reported TOPOSCORE; the grey zone is decided by Akkermansia."""
    value, akkermansia, sheet = patient.microbiome.toposcore, patient.microbiome.akkermansia, load(SHEET)
    if value is None:
        return TOPOSCORE.lacks(
            "microbiome.toposcore as reported (the species lists of its two groups are not public to us)"
        )
    low, high = sheet["toposcore_low"], sheet["toposcore_high"]
    if value < low or value > high:
        category = "SIG1+" if value < low else "SIG2+"
    elif akkermansia is None:
        category = "grey zone: needs microbiome.akkermansia"
    else:
        category = "SIG1+" if akkermansia == 0 or akkermansia > sheet["akkermansia_high"] else "SIG2+"
        category += " (grey zone, decided by Akkermansia)"
    inputs: dict[str, float | str] = {"toposcore": value}
    if akkermansia is not None:
        inputs["akkermansia"] = akkermansia
    notes: tuple[str, ...] = (PROGNOSTIC, "cut-offs are uncertain")
    if patient.disease != "NSCLC":
        notes = (*notes, f"derived in lung cancer; the disease is {patient.disease}")
    return TOPOSCORE.score(value, category, inputs=inputs, notes=notes)
