"""The toxicity question for one case, and for two plans or regimens side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from abscopal.domain.errors import InputError, UnitError
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import Difference, ToxicityAnswer, ToxicityComparison, Uncovered
from abscopal.toxicity.covariates import Covariates, ici_class
from abscopal.toxicity.evaluate import evaluate_models, none
from abscopal.toxicity.offsets import ici_offsets
from abscopal.toxicity.summary import Drawn, DrawnSummary, summarise
from abscopal.toxicity.table import SHEET, load_models
from abscopal.toxicity.uncertainty import DRAWS, interval_of

SHARED_DRAWS = "both under the same draws of every model parameter: the interval is of the difference, not of two risks"


@dataclass(frozen=True, eq=False)
class CaseToxicity:
    """The answer for one case and the draws behind its summary, for comparing it with another."""

    answer: ToxicityAnswer
    drawn: DrawnSummary


def assess_toxicity(
    dvhs: Mapping[str, DVH],
    n_fractions: int,
    covariates: Covariates | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> ToxicityAnswer:
    """Complication probabilities of one course, with everything that could not be computed.

    Parameters
    ----------
    dvhs : mapping
        Physical-dose histograms of the whole course, by TG-263 name.
    n_fractions : int
        Fractions of the course; used to convert each bin for models fitted on EQD2. [1]
    covariates : mapping, optional
        As `domain.patient.covariates` gives them. Further names some models ask for:
        `ici` (class of the ICI, or "" for none) and `overall_treatment_days` [day].
    draws, seed : int
        Draws of every parameter and rate behind the intervals.

    Returns
    -------
    ToxicityAnswer
        Nothing is imputed: a model that lacks a required value is listed with what it needs. A
        risk factor that is not known counts as absent only where the model's reference is the
        factor-free patient, and the answer says so.

    Raises
    ------
    InputError
        A fraction count below one, a category no model knows, or a histogram in cGy.
    """
    return case_toxicity(dvhs, n_fractions, covariates, draws=draws, seed=seed).answer


def case_toxicity(
    dvhs: Mapping[str, DVH],
    n_fractions: int,
    covariates: Covariates | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> CaseToxicity:
    """As `assess_toxicity`, with the draws that `compare_toxicity` needs."""
    _check(dvhs, n_fractions)
    known: Covariates = {name: value for name, value in (covariates or {}).items() if value is not None}
    models = load_models()
    evaluations, lacking = evaluate_models(models, dvhs, n_fractions, known, draws=draws, seed=seed)
    risks = [evaluation.risk for evaluation in evaluations]
    drawn = summarise(evaluations, lacking, dvhs, known, draws=draws, seed=seed)
    if ici_class(known):
        shifted, without = ici_offsets(models, risks, known)
        risks.extend(shifted)
        lacking.extend(without)
    anchors = [none(m, f"anchor, not an evaluable model: {m.remark}") for m in models.values() if m.role == "anchor"]
    answer = ToxicityAnswer(
        risks=tuple(risks), not_computable=tuple(lacking), anchors=tuple(anchors), summary=drawn.summary
    )
    return CaseToxicity(answer, drawn)


def compare_toxicity(
    first: CaseToxicity, second: CaseToxicity, names: tuple[str, str] = ("first", "second")
) -> ToxicityComparison:
    """Difference of every complication between two plans or two regimens of one patient.

    Parameters
    ----------
    first, second : CaseToxicity
        From `case_toxicity` with the same draws and seed.
    names : tuple of str
        What the two are called.

    Returns
    -------
    ToxicityComparison
        Second less first. Rows that only one of them has, or that rest on different models, are
        listed as not compared.
    """
    one, other = (
        {(row.label, row.organ): row for row in case.answer.summary.rows} for case in (first, second)
    )  # fmt: skip
    rows: list[Difference] = []
    apart: list[Uncovered] = []
    for key in dict.fromkeys((*one, *other)):
        shown = one.get(key) or other[key]
        if key not in one or key not in other:
            reason = f"computable for {names[0] if key in one else names[1]} only"
        elif _model(one[key]) != _model(other[key]):
            reason = f"different models: {_model(one[key])} and {_model(other[key])}"
        else:
            a, b = first.drawn.rows[key], second.drawn.rows[key]
            rows.append(_difference(shown.label, shown.organ, shown.grade, a, b))
            continue
        apart.append(Uncovered(toxicity=shown.toxicity, label=f"{shown.label}, {shown.organ}", reason=reason))
    return ToxicityComparison(
        first=names[0],
        second=names[1],
        rows=tuple(rows),
        complication_free=_free(first, second),
        not_compared=tuple(apart),
        notes=(SHARED_DRAWS,),
    )


def _model(row: object) -> str:
    radiation = getattr(row, "radiation", None)
    return radiation.what if radiation is not None else "no radiation model"


def _difference(label: str, organ: str, grade: str, first: Drawn, second: Drawn) -> Difference:
    point, draws = second.point - first.point, second.draws - first.draws
    low, high = interval_of(point, draws)
    return Difference(
        label=label,
        organ=organ,
        grade=grade,
        first=first.point,
        second=second.point,
        difference=point,
        interval=(float(low), float(high)),
        share_lower=float(np.mean(draws < 0)),
    )


def _free(first: CaseToxicity, second: CaseToxicity) -> Difference | None:
    """Difference of the complication-free probabilities, where both are products of the same rows."""
    if first.drawn.free is None or second.drawn.free is None:
        return None
    if first.answer.summary.complication_free_of != second.answer.summary.complication_free_of:
        return None
    return _difference("Complication-free", "assuming independence", "", first.drawn.free, second.drawn.free)


def _check(dvhs: Mapping[str, DVH], n_fractions: int) -> None:
    if isinstance(n_fractions, bool) or not isinstance(n_fractions, int) or n_fractions < 1:
        raise InputError(
            doing="assessing toxicity",
            found=f"{n_fractions!r} fractions",
            expected="a whole number of at least 1",
            try_="giving the fraction count of the plan",
        )
    limit = load(SHEET)["largest_dose"]
    for name in _hotter(dvhs, limit):
        raise UnitError(
            doing=f"reading the histogram of {name}",
            found=f"a dose of {dvhs[name].maximum:g} Gy",
            expected=f"at most {limit:g} Gy",
            try_=f"dividing by 100 if the histogram is in cGy (it would reach {dvhs[name].maximum / 100:g} Gy)",
        )


def _hotter(dvhs: Mapping[str, DVH], limit: float) -> Iterator[str]:
    return (name for name, dvh in dvhs.items() if dvh.maximum > limit)
