"""The toxicity question for one case, and for two plans or regimens side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from abscopal.domain.errors import InputError, UnitError
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import Difference, OrganRisk, ToxicityAnswer, ToxicityComparison, Uncovered
from abscopal.toxicity.covariates import Covariates, ici_class
from abscopal.toxicity.evaluate import evaluate_models, none
from abscopal.toxicity.offsets import ici_offsets
from abscopal.toxicity.summary import Drawn, DrawnSummary, complication_free, summarise
from abscopal.toxicity.table import SHEET, load_models
from abscopal.toxicity.uncertainty import DRAWS, interval_of

NOTHING = Drawn(0.0, np.zeros(1))
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
    pairs: dict[tuple[str, str], tuple[OrganRisk, Drawn, Drawn]] = {}
    apart: list[Uncovered] = []
    for key, row in {**_rows(second), **_rows(first)}.items():
        reason = _apart(key, first, second, names)
        if reason:
            apart.append(Uncovered(toxicity=row.toxicity, label=f"{row.label}, {row.organ}", reason=reason))
        else:
            one, other = (case.drawn.rows.get(key, NOTHING) for case in (first, second))
            pairs[key] = (row, one, other)
    rows = [_difference(row.label, row.organ, row.grade, a, b) for row, a, b in pairs.values()]
    counted = [(a, b) for row, a, b in pairs.values() if row.counted]
    before, after = (complication_free([pair[side] for pair in counted]) for side in (0, 1))
    return ToxicityComparison(
        first=names[0],
        second=names[1],
        rows=tuple(rows),
        complication_free=None
        if before is None or after is None
        else _difference("Complication-free of the counted rows", "assuming independence", "", before, after),
        not_compared=tuple(apart),
        notes=(SHARED_DRAWS,),
    )


def _rows(case: CaseToxicity) -> dict[tuple[str, str], OrganRisk]:
    return {(row.label, row.organ): row for row in case.answer.summary.rows}


def _apart(key: tuple[str, str], first: CaseToxicity, second: CaseToxicity, names: tuple[str, str]) -> str:
    """Why a complication cannot be compared, or ""; an immune event without any ICI is none at all."""
    one, other = _rows(first).get(key), _rows(second).get(key)
    if one is None or other is None:
        present, absent = (one or other), (first if one is None else second)
        if present is not None and present.radiation is None and not absent.answer.summary.ici:
            return ""
        return f"computable for {names[0] if other is None else names[1]} only"
    if _model(one) != _model(other):
        return f"different models: {_model(one)} and {_model(other)}"
    return ""


def _model(row: OrganRisk) -> str:
    return row.radiation.what if row.radiation is not None else "no radiation model"


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
