"""Every published model asked of one case: a probability with its draws, or what is lacking."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from abscopal.domain.errors import ExtrapolationWarning, UnverifiedWarning
from abscopal.domain.risk import Risk
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import NotComputable
from abscopal.toxicity.covariates import Covariates, asked_for, covariate, ici_class
from abscopal.toxicity.exposure import Absent, Exposure, exposures, figure, in_model_dose, mean_note
from abscopal.toxicity.forms import FloatArray, geud
from abscopal.toxicity.models import Bins, Value, probability
from abscopal.toxicity.table import SHEET, NtcpModel
from abscopal.toxicity.uncertainty import DRAWS, draw_parameters, draw_probabilities, interval_of


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A risk with the draws behind its interval.

    Attributes
    ----------
    risk : Risk
    draws : array, shape (d,)
        Probability under each draw of the model's parameters; the same draws for every plan. [1]
    """

    risk: Risk
    draws: FloatArray


def evaluate_models(
    models: Mapping[str, NtcpModel],
    dvhs: Mapping[str, DVH],
    n_fractions: int,
    known: Covariates,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[list[Evaluation], list[NotComputable]]:
    """Evaluate every model whose organ and covariates are known; list the others with their reason."""
    found: list[Evaluation] = []
    lacking: list[NotComputable] = []
    for model in models.values():
        for one in _evaluate(model, dvhs, n_fractions, known, draws, seed) if model.role == "model" else ():
            if isinstance(one, Evaluation):
                found.append(one)
            else:
                lacking.append(one)
    return found, lacking


def none(model: NtcpModel, reason: str, needs: tuple[str, ...] = ()) -> NotComputable:
    """The entry of a model that gives no probability."""
    return NotComputable(
        model=model.id, endpoint=model.endpoint, organ=model.organ, grade=model.grade, status=model.status,
        needs=needs, reason=reason,
    )  # fmt: skip


def _evaluate(
    model: NtcpModel, dvhs: Mapping[str, DVH], n_fractions: int, known: Covariates, draws: int, seed: int
) -> Iterator[Evaluation | NotComputable]:
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
        case = _Case(dict(zip(labels, chosen, strict=True)), facts, n_fractions, known)
        yield _evaluation(model, case, draws, seed)


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


@dataclass(frozen=True, eq=False)
class _Case:
    """What one model is evaluated on."""

    organs: Mapping[str, Exposure]
    facts: Mapping[str, float | str | None]
    n_fractions: int
    known: Covariates


def _evaluation(model: NtcpModel, case: _Case, draws: int, seed: int) -> Evaluation | NotComputable:
    wrong = [e.name for e in case.organs.values() if e.dvh.kind != "physical"]
    if wrong:
        need = f"physical-dose DVH of {', '.join(wrong)}"
        return none(model, f"not computable: needs {need}", (need,))
    needs = tuple(
        f"volume of {case.organs[p.organ].name}"
        for p in model.predictors
        if p.statistic.endswith("_cc") and not case.organs[p.organ].dvh.volume_cm3 > 0
    )
    if needs:
        return none(model, "not computable: needs " + ", ".join(needs), needs)
    converted = {label: in_model_dose(e.dvh, model, case.n_fractions) for label, e in case.organs.items()}
    values: dict[str, Value] = {p.name: figure(converted[p.organ], p.statistic) for p in model.predictors if p.organ}
    values |= {name: value for name, value in case.facts.items() if value is not None}
    point, spread = probability(model, values), draw_parameters(model, draws, seed)
    sampled = draw_probabilities(model, values, spread)[0]
    low, high = interval_of(point, sampled)
    risk = Risk(
        endpoint=model.endpoint,
        organ=", ".join(exposure.name for exposure in case.organs.values()),
        grade=model.grade,
        model=model.id,
        probability=point,
        interval=(float(low), float(high)),
        basis=spread.basis,
        inputs=_inputs(model, case.organs, values),
        population=model.cohort,
        source=model.source,
        status=model.status,
        notes=tuple(filter(None, (*_cautions(model, case), spread.note))),
        warnings=tuple(_warnings(model, case, values)),
    )
    return Evaluation(risk, sampled)


def _inputs(model: NtcpModel, organs: Mapping[str, Exposure], values: Mapping[str, Value]) -> dict[str, float | str]:
    """The figures that entered the model, named by structure and figure or by covariate."""
    suffix = f" EQD{model.reference_gy:g}" if model.dose == "eqd" else ""
    shown: dict[str, float | str] = {}
    for predictor in model.predictors:
        value = values.get(predictor.name)
        if value is None or isinstance(value, np.ndarray):
            continue
        if isinstance(value, Bins):
            exponent, kind = (model.parameters["a"], "gEUD") if predictor.statistic == "gEUD" else (1.0, "mean")
            equivalent = float(geud(value.dose, value.volume, exponent))
            shown[f"{organs[predictor.organ].name} {kind}{suffix}"] = equivalent
        elif predictor.organ:
            shown[f"{organs[predictor.organ].name} {predictor.statistic}{suffix}"] = value
        else:
            shown[predictor.statistic] = value
    return shown


def _cautions(model: NtcpModel, case: _Case) -> Iterator[str]:
    """What a reader must know before using the number."""
    yield model.remark
    for exposure in case.organs.values():
        yield from exposure.notes
        if exposure.dvh.outside_fraction > 0:
            yield f"{100 * exposure.dvh.outside_fraction:.1f} % of {exposure.name} lies off the dose grid"
    yield _conversion(model)
    yield _unknown_factors(model, case.facts)
    if model.not_with and model.not_with not in case.known:
        yield f"does not hold with {model.not_with.replace('_', ' ')}, which is not known"
    if model.setting and "rt_setting" not in case.known:
        yield f"for {model.setting} radiotherapy; the setting is not given"
    if ici_class(case.known) and not model.with_immunotherapy:
        yield "fitted without an ICI"


def _conversion(model: NtcpModel) -> str:
    if model.dose == "eqd":
        return (
            f"dose converted bin by bin to fractions of {model.reference_gy:g} Gy with alpha/beta "
            f"{model.alpha_beta:g} Gy ({model.conversion_status})"
        )
    if model.conversion_status == "assumed":
        return "the source states Gy without a conversion: taken as physical dose"
    return ""


def _warnings(model: NtcpModel, case: _Case, values: Mapping[str, Value]) -> Iterator[str]:
    """The reasons to doubt the number itself, each under the category of `domain.errors`."""
    outside, unverified = ExtrapolationWarning.__name__, UnverifiedWarning.__name__
    if model.status == "uncertain":
        yield f"{unverified}: this model's numbers may be wrong"
    for told in filter(None, (mean_note(exposure.dvh) for exposure in case.organs.values())):
        yield f"{unverified}: {told}"
    sheet, per_fraction = load(SHEET), max(e.dvh.maximum for e in case.organs.values()) / case.n_fractions
    if model.dose == "eqd" and per_fraction > sheet["lq_limit"]:
        yield (
            f"{outside}: up to {per_fraction:.1f} Gy per fraction in this organ; above {sheet['lq_limit']:g} Gy "
            "the linear-quadratic conversion is in doubt and the LQ-L tangent is used"
        )
    if model.dose != "eqd" and per_fraction > sheet["conventional_limit"]:
        yield (
            f"{outside}: fitted on physical dose near 2 Gy per fraction, this organ receives up to "
            f"{per_fraction:.1f} Gy per fraction; nothing is converted"
        )
    disease = case.known.get("disease")
    if model.fitted_on and disease is not None and disease not in model.fitted_on:
        yield f"{outside}: fitted on {' or '.join(model.fitted_on).replace('_', ' ')}, the disease is {disease}"
    if model.form == "relative_seriality" and (floor := round(100 * probability(model, {"dvh": 0.0}))) > 0:
        yield f"{outside}: this model gives {floor} % at zero dose, a rate of its cohort rather than of this plan"
    if model.form == "nomogram":
        for name, limits in (("Dmean", "nomogram_dose"), ("ALC", "nomogram_lymphocytes")):
            low, high = sheet.vector(limits)
            value = values[name]
            if isinstance(value, float) and not low <= value <= high:
                yield f"{outside}: {name} {value:.3g} is held within the nomogram's {low:g} to {high:g}"


def _unknown_factors(model: NtcpModel, facts: Mapping[str, float | str | None]) -> str:
    optional = [p for p in model.predictors if p.source == "covariate" and not p.required]
    unknown = list(dict.fromkeys(asked_for(p.statistic) for p in optional if facts[p.name] is None))
    if not unknown:
        return ""
    if all(facts[p.name] is None for p in optional):
        return "factor-free patient: no risk factor is known, so none is counted"
    return "not known, so not counted: " + ", ".join(unknown)
