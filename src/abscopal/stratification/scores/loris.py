"""LORIS: the pan-cancer and lung logistic scores of Chang et al. (2024) and their reduced forms.

Fitted on patients who all received an ICI, and class-balanced: the raw value is a score, not
a probability of response. It says who does well under an ICI; it says nothing about adding
radiotherapy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import expit, logit

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.domain.registry import register, unknown_name
from abscopal.knowledge.load import load
from abscopal.stratification.score import Score, missing
from abscopal.stratification.scores.blood_scores import ratio_of

SHEET = "scores/loris"
SOURCE = "Chang et al., Nat Cancer, 2024"
CAPS = {"TMB": "tmb_cap", "NLR": "nlr_cap", "age": "age_cap"}
"""Terms the publication clips from above, and the sheet's key of each limit."""
NAMES = {
    "TMB": "biomarkers.tmb", "PD_L1": "biomarkers.pd_l1_tps", "PSTH": "history.prior_systemic_therapy",
    "albumin": "labs.albumin", "NLR": "labs.anc and labs.alc, or labs.nlr", "age": "age",
}  # fmt: skip
"""Where `patient.toml` holds each term."""


@dataclass(frozen=True)
class LorisResult:
    """Raw score p [1], and what was clipped on the way."""

    p: float
    clipped: tuple[str, ...]


def loris_models() -> dict[str, tuple[str, ...]]:
    """Terms each model needs, without the intercept and the cancer types, by model name."""
    return {model: tuple(term for term in weights if term in NAMES) for model, weights in _coefficients().items()}


def _coefficients() -> dict[str, dict[str, float]]:
    """Coefficient of each term, by model."""
    found: dict[str, dict[str, float]] = {}
    for model, term, value in load(SHEET).table("coefficients").itertuples(index=False, name=None):
        found.setdefault(model, {})[term] = value
    return found


def loris(model: str, values: Mapping[str, float], cancer_type: str | None = None) -> LorisResult:
    r"""Raw LORIS score of one patient.

    .. math:: p = 1 / (1 + \exp(-(b + \sum_j c_j x_j)))

    Parameters
    ----------
    model : str
        `pan`, `pan_no_psth`, `pan_no_tmb`, `pan_no_cancer_type`, `nsclc`, `nsclc_no_psth` or
        `nsclc_tmb_pd_l1`.
    values : mapping
        `TMB` [mutation/megabase], `PD_L1` [percent, 0 to 100], `PSTH` [0 or 1], `albumin` [g/dL],
        `NLR` [1], `age` [year]; those the model needs, others are ignored.
    cancer_type : str, optional
        One of the sixteen of the publication, for the models that use it.

    Raises
    ------
    InputError
        Unknown model or cancer type, or a value the model needs is missing.

    References
    ----------
    Chang TG et al., Nat Cancer 2024;5:1158.
    """
    models = _coefficients()
    if model not in models:
        raise unknown_name("computing LORIS", model, list(models))
    weights = models[model]
    terms = [term for term in weights if term in NAMES]
    absent = missing({NAMES[name]: values.get(name) for name in terms})
    if absent:
        raise InputError(doing=f"computing LORIS {model}", found=absent, expected="every term", try_="a reduced model")
    total, clipped = weights["intercept"], []
    for name in terms:
        value = values[name]
        if name in CAPS and value > (cap := load(SHEET)[CAPS[name]]):
            clipped.append(f"{name} {value:g} counted as {cap:g}, as published")
            value = cap
        total += weights[name] * value
    return LorisResult(float(expit(total + _type_weight(model, weights, cancer_type))), tuple(clipped))


def _type_weight(model: str, weights: Mapping[str, float], cancer_type: str | None) -> float:
    types = [name for name in weights if name not in NAMES and name != "intercept"]
    if not types:
        return 0.0
    if cancer_type not in types:
        raise unknown_name(f"computing LORIS {model} for a cancer type", str(cancer_type), types)
    return weights[cancer_type]


def recalibrated(p: float) -> float:
    """Probability of response behind a raw pan-cancer score (Platt scaling on the training cohort)."""
    sheet = load(SHEET)
    return float(expit(sheet["recalibration_slope"] * logit(p) + sheet["recalibration_intercept"]))


def stratum(p: float) -> tuple[str, float]:
    """Published stratum of a raw pan-cancer score and its observed response rate in percent."""
    table = load(SHEET).table("strata")
    row = table.loc[p <= table["high"]].iloc[0]
    return str(row["label"]), float(row["response_rate_percent"])


@register("score", "loris_pan", needs=("albumin", "anc", "alc", "age"), source=SOURCE)
def pan_score(patient: Patient) -> Score:
    """Pan-cancer score, by the fullest form the known values allow."""
    cancer_type, note = _cancer_type(patient)
    if cancer_type is None and not patient.options.loris_other_cancer:
        reason = f"a cancer type of its training list ({patient.disease} is not), or options.loris_other_cancer = true"
        return _score("loris_pan", "LORIS pan-cancer", not_computable=f"not computable: needs {reason}")
    if cancer_type is None:
        note = (f"{patient.disease} is outside the training list: the form without cancer type is used, on request",)
        return _evaluate("loris_pan", "LORIS pan-cancer", ("pan_no_cancer_type",), patient, None, note)
    return _evaluate("loris_pan", "LORIS pan-cancer", ("pan", "pan_no_psth", "pan_no_tmb"), patient, cancer_type, note)


@register("score", "loris_pan_probability", needs=("albumin", "anc", "alc", "age"), source=SOURCE)
def pan_probability(patient: Patient) -> Score:
    """Recalibrated probability of response behind the full pan-cancer score."""
    raw = pan_score(patient)
    name, label = "loris_pan_probability", "LORIS pan-cancer, recalibrated probability of response to an ICI"
    if raw.value is None:
        return _score(name, label, not_computable=raw.not_computable)
    if raw.inputs["form"] != "pan":
        needs = missing({NAMES[term]: _values(patient).get(term) for term in loris_models()["pan"]})
        why = needs or "not computable: needs a cancer type of the training list (recalibrated for the full form only)"
        return _score(name, label, not_computable=why)
    notes = ("the raw score is class-balanced; this value is scaled to the response rate of the training cohort",)
    return _score(name, label, value=recalibrated(raw.value), inputs=raw.inputs, notes=notes)


@register("score", "loris_nsclc", needs=("pd_l1_tps", "tmb"), source=SOURCE)
def nsclc_score(patient: Patient) -> Score:
    """Lung-cancer score with PD-L1, by the fullest form the known values allow."""
    name, label = "loris_nsclc", "LORIS NSCLC"
    if patient.disease != "NSCLC":
        return _score(name, label, not_computable=f"not computable: needs NSCLC, the disease is {patient.disease}")
    note = ("trained on both cohorts of the authors, so only later cohorts test it",)
    return _evaluate(name, label, ("nsclc", "nsclc_no_psth", "nsclc_tmb_pd_l1"), patient, None, note)


def _evaluate(
    name: str, label: str, forms: tuple[str, ...], patient: Patient, cancer_type: str | None, notes: tuple[str, ...]
) -> Score:
    """The first of `forms` whose values are all known; otherwise what the first one lacks."""
    values, terms = _values(patient), loris_models()
    reasons = {form: missing({NAMES[term]: values.get(term) for term in terms[form]}) for form in forms}
    usable = [form for form in forms if not reasons[form]]
    if not usable:
        return _score(name, label, not_computable=reasons[forms[0]])
    form = usable[0]
    used = {term: value for term in terms[form] if (value := values[term]) is not None}
    found = loris(form, used, cancer_type)
    if form != forms[0]:
        notes = (
            *notes,
            f"reduced form '{form}': " + reasons[forms[0]].removeprefix("not computable: ") + " for the full one",
        )
    category = _category(found.p)
    if form.startswith("pan"):
        label_, rate = stratum(found.p)
        if form == "pan":
            notes = (*notes, f"observed response rate with a score {label_}: {rate:g} % (authors' test cohort)")
    inputs: dict[str, float | str] = {"form": form, **used}
    if cancer_type is not None and form != "pan_no_cancer_type":
        inputs["cancer_type"] = cancer_type
    return _score(name, label, value=found.p, category=category, inputs=inputs, notes=(*notes, *found.clipped))


def _category(p: float) -> str:
    threshold = load(SHEET)["threshold"]
    return f"above {threshold:g}" if p > threshold else f"at or below {threshold:g}"


def _cancer_type(patient: Patient) -> tuple[str | None, tuple[str, ...]]:
    table = load(SHEET).table("cancer_types").fillna("").set_index("disease")
    if patient.disease not in table.index:
        return None, ()
    row = table.loc[patient.disease]
    return str(row["loris_type"]), (str(row["note"]),) if row["note"] else ()


def _values(patient: Patient) -> dict[str, float | None]:
    labs, history = patient.labs, patient.history
    prior = history.prior_systemic_therapy
    return {
        "TMB": patient.biomarkers.tmb,
        "PD_L1": patient.biomarkers.pd_l1_tps,
        "PSTH": None if prior is None else float(prior),
        "albumin": labs.albumin,
        "NLR": ratio_of(patient),
        "age": patient.age,
    }


def _score(
    name: str,
    label: str,
    *,
    value: float | None = None,
    category: str = "",
    inputs: dict[str, float | str] | None = None,
    notes: tuple[str, ...] = (),
    not_computable: str = "",
) -> Score:
    limits: tuple[str, ...] = (
        "prognostic under an ICI; fitted on ICI-treated patients only, without radiotherapy",
        "class-balanced: not a probability of response",
    )
    if value is None:
        limits = ()
    elif name.endswith("probability"):
        limits = limits[:1]
    return Score(
        name=name, label=label, value=value, category=category, evidence="prognostic", status="computed",
        source=SOURCE, inputs=inputs or {}, notes=(*limits, *notes), not_computable=not_computable,
    )  # fmt: skip
