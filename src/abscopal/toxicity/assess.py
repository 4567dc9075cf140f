"""The toxicity question for one case: every published model whose organ and covariates are known."""

from collections.abc import Iterator, Mapping
from itertools import product

from abscopal.domain.errors import InputError
from abscopal.domain.risk import Risk
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import NotComputable, ToxicityAnswer
from abscopal.toxicity.covariates import Covariates, asked_for, covariate
from abscopal.toxicity.exposure import Absent, Exposure, exposures, figure, in_model_dose, mean_note
from abscopal.toxicity.forms import geud
from abscopal.toxicity.models import Bins, Value, probability
from abscopal.toxicity.offsets import ici_class, ici_offsets
from abscopal.toxicity.table import SHEET, NtcpModel, load_models
from abscopal.toxicity.uncertainty import interval


def assess_toxicity(dvhs: Mapping[str, DVH], n_fractions: int, covariates: Covariates | None = None) -> ToxicityAnswer:
    """Complication probabilities of one course, with everything that could not be computed.

    Parameters
    ----------
    dvhs : mapping
        Physical-dose histograms of the whole course, by TG-263 name.
    n_fractions : int
        Fractions of the course; used to convert each bin for models fitted on EQD2. [1]
    covariates : mapping, optional
        As `domain.patient.covariates` gives them. Further names some models ask for:
        `ici` (class of the ICI, or "" for none), `overall_treatment_days` [day], `rt_setting`
        (definitive or postoperative), `tumour_side` (left or right), `tumour_site` (larynx,
        pharynx or oral_cavity), `xerostomia_baseline` (none, mild or moderate_severe),
        `xerostomia_baseline_score`, `dysphagia_baseline` (grade_0_1, grade_2 or grade_3plus).

    Returns
    -------
    ToxicityAnswer
        Nothing is imputed: a model that lacks a required value is listed with what it needs. A
        risk factor that is not known counts as absent only where the model's reference is the
        factor-free patient, and the answer says so.

    Raises
    ------
    InputError
        A fraction count below one, or a category no model knows.
    """
    if isinstance(n_fractions, bool) or not isinstance(n_fractions, int) or n_fractions < 1:
        raise InputError(
            doing="assessing toxicity",
            found=f"{n_fractions!r} fractions",
            expected="a whole number of at least 1",
            try_="giving the fraction count of the plan",
        )
    known: Covariates = {name: value for name, value in (covariates or {}).items() if value is not None}
    models = load_models()
    risks: list[Risk] = []
    lacking: list[NotComputable] = []
    for model in models.values():
        for found in _assess(model, dvhs, n_fractions, known) if model.role == "model" else ():
            if isinstance(found, Risk):
                risks.append(found)
            else:
                lacking.append(found)
    if ici_class(known):
        shifted, without = ici_offsets(models, risks, known)
        risks.extend(shifted)
        lacking.extend(without)
    anchors = [none(m, f"anchor, not an evaluable model: {m.remark}") for m in models.values() if m.role == "anchor"]
    return ToxicityAnswer(risks=tuple(risks), not_computable=tuple(lacking), anchors=tuple(anchors))


def none(model: NtcpModel, reason: str, needs: tuple[str, ...] = ()) -> NotComputable:
    """The entry of a model that gives no probability."""
    return NotComputable(
        model=model.id, endpoint=model.endpoint, organ=model.organ, grade=model.grade, status=model.status,
        needs=needs, reason=reason,
    )  # fmt: skip


def _assess(
    model: NtcpModel, dvhs: Mapping[str, DVH], n_fractions: int, known: Covariates
) -> Iterator[Risk | NotComputable]:
    barred = _barred(model, known)
    if barred:
        yield none(model, barred)
        return
    labels = tuple(dict.fromkeys(p.organ for p in model.predictors if p.source == "dose"))
    found = {label: exposures(label, dvhs, known) for label in labels}
    needs = [need for value in found.values() if isinstance(value, Absent) for need in value.needs]
    facts = {p.name: covariate(p.statistic, known) for p in model.predictors if p.source == "covariate"}
    needs += [
        f"covariate {asked_for(p.statistic)}"
        for p in model.predictors
        if p.required and p.source == "covariate" and facts[p.name] is None
    ]
    if needs:
        yield none(model, "not computable: needs " + ", ".join(needs), tuple(needs))
        return
    choices = [value for value in found.values() if not isinstance(value, Absent)]
    for chosen in product(*choices):
        yield _risk(model, dict(zip(labels, chosen, strict=True)), facts, n_fractions, known)


def _barred(model: NtcpModel, known: Covariates) -> str:
    """Why a model does not apply to this patient, or ""."""
    disease = known.get("disease")
    if model.diseases and disease not in model.diseases:
        return f"not applicable: for {' or '.join(model.diseases)}, the disease is {disease or 'not given'}"
    if model.not_with and known.get(model.not_with):
        return f"not applicable with {model.not_with.replace('_', ' ')}: {model.remark}"
    setting = known.get("rt_setting")
    if model.setting and setting is not None and setting != model.setting:
        return f"not applicable: for {model.setting} radiotherapy, this is {setting}"
    return ""


def _risk(
    model: NtcpModel,
    organs: Mapping[str, Exposure],
    facts: Mapping[str, float | str | None],
    n_fractions: int,
    known: Covariates,
) -> Risk | NotComputable:
    wrong = [e.name for e in organs.values() if e.dvh.kind != "physical"]
    if wrong:
        need = f"physical-dose DVH of {', '.join(wrong)}"
        return none(model, f"not computable: needs {need}", (need,))
    converted = {label: in_model_dose(exposure.dvh, model, n_fractions) for label, exposure in organs.items()}
    values: dict[str, Value] = {p.name: figure(converted[p.organ], p.statistic) for p in model.predictors if p.organ}
    values |= {name: value for name, value in facts.items() if value is not None}
    limits, how = interval(model, values)
    return Risk(
        endpoint=model.endpoint,
        organ=", ".join(exposure.name for exposure in organs.values()),
        grade=model.grade,
        model=model.id,
        probability=probability(model, values),
        interval=limits,
        inputs=_inputs(model, organs, values),
        population=model.cohort,
        source=model.source,
        status=model.status,
        notes=tuple(filter(None, (*_cautions(model, organs, facts, n_fractions, known), how))),
    )


def _inputs(model: NtcpModel, organs: Mapping[str, Exposure], values: Mapping[str, Value]) -> dict[str, float | str]:
    """The figures that entered the model, named by structure and figure or by covariate."""
    suffix = f" EQD{model.reference_gy:g}" if model.dose == "eqd" else ""
    shown: dict[str, float | str] = {}
    for predictor in model.predictors:
        value = values.get(predictor.name)
        if value is None:
            continue
        if isinstance(value, Bins):
            exponent, kind = (model.parameters["a"], "gEUD") if predictor.statistic == "gEUD" else (1.0, "mean")
            shown[f"{organs[predictor.organ].name} {kind}{suffix}"] = geud(value.dose, value.volume, exponent)
        elif predictor.organ:
            shown[f"{organs[predictor.organ].name} {predictor.statistic}{suffix}"] = value
        else:
            shown[predictor.statistic] = value
    return shown


def _cautions(
    model: NtcpModel,
    organs: Mapping[str, Exposure],
    facts: Mapping[str, float | str | None],
    n_fractions: int,
    known: Covariates,
) -> Iterator[str]:
    """Everything a reader must know before using the number."""
    if model.status == "uncertain":
        yield "uncertain: this model's numbers may be wrong"
    yield model.remark
    for exposure in organs.values():
        yield from exposure.notes
        yield mean_note(exposure.dvh)
        if exposure.dvh.outside_fraction > 0:
            yield f"{100 * exposure.dvh.outside_fraction:.1f} % of {exposure.name} lies off the dose grid"
    yield from _dose_notes(model, max(e.dvh.maximum for e in organs.values()) / n_fractions)
    yield _unirradiated(model)
    yield _unknown_factors(model, facts)
    if model.not_with and model.not_with not in known:
        yield f"does not hold with {model.not_with.replace('_', ' ')}, which is not known"
    if model.setting and "rt_setting" not in known:
        yield f"for {model.setting} radiotherapy; the setting is not given"
    if ici_class(known) and not model.with_immunotherapy:
        yield "fitted without an ICI"


def _dose_notes(model: NtcpModel, per_fraction: float) -> Iterator[str]:
    sheet = load(SHEET)
    if model.dose == "eqd":
        yield (
            f"dose converted bin by bin to fractions of {model.reference_gy:g} Gy with alpha/beta "
            f"{model.alpha_beta:g} Gy ({model.conversion_status})"
        )
        if per_fraction > sheet["lq_limit"]:
            yield (
                f"extrapolation: up to {per_fraction:.1f} Gy per fraction in this organ; above "
                f"{sheet['lq_limit']:g} Gy the linear-quadratic conversion is in doubt"
            )
        return
    if model.conversion_status == "assumed":
        yield "the source states Gy without a conversion: taken as physical dose"
    if per_fraction > sheet["conventional_limit"]:
        yield (
            f"extrapolation: fitted on physical dose near 2 Gy per fraction, this organ receives up to "
            f"{per_fraction:.1f} Gy per fraction; nothing is converted"
        )


def _unirradiated(model: NtcpModel) -> str:
    """What a relative-seriality model says of an organ without dose, where that is not nothing."""
    if model.form != "relative_seriality":
        return ""
    floor = probability(model, {"dvh": 0.0})
    return f"this model gives {100 * floor:.0f} % at zero dose" if round(100 * floor) > 0 else ""


def _unknown_factors(model: NtcpModel, facts: Mapping[str, float | str | None]) -> str:
    optional = [p for p in model.predictors if p.source == "covariate" and not p.required]
    unknown = list(dict.fromkeys(asked_for(p.statistic) for p in optional if facts[p.name] is None))
    if not unknown:
        return ""
    if all(facts[p.name] is None for p in optional):
        return "factor-free patient: no risk factor is known, so none is counted"
    return "not known, so not counted: " + ", ".join(unknown)
