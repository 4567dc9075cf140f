"""What the pooled evidence says to one question, worded no stronger than it is."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from abscopal.knowledge.load import load
from abscopal.trials.diseases import disease_matches
from abscopal.trials.evidence import SHEET, TIMING, Timing, select
from abscopal.trials.pooling import Pool, pool

Question = Literal["adding ICI to RT", "adding RT to ICI"]
INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True)
class EvidenceSummary:
    """One question, the pool that answers it, and how far the answer carries.

    Attributes
    ----------
    subset : str
        Which trials, in words.
    verdict : str
        `"insufficient evidence"`, `"no mean effect shown"`, `"mean effect, uncertain in a new
        setting"`, or `"effect expected in a new setting of this kind"`: the last only when the
        prediction interval excludes 1 and rests on a between-trial variance above zero.
    statement : str
        One or two sentences for a person.
    pool : Pool, optional
        None where no trial answers.
    sensitivity : dict
        The same pool without immature estimates, and with read estimates only.
    trials : tuple of str
        Those pooled.
    caveats : tuple of str
        What the pool cannot say.
    in_disease : int, optional
        How many of the trials are in the disease asked for.
    """

    question: Question
    subset: str
    endpoint: str
    verdict: str
    statement: str
    pool: Pool | None
    sensitivity: dict[str, Pool]
    trials: tuple[str, ...]
    statuses: dict[str, int]
    caveats: tuple[str, ...]
    in_disease: int | None = None


def evidence_summary(
    *, disease: str | None = None, sequence: str | None = None, endpoint: str = "OS"
) -> tuple[EvidenceSummary, ...]:
    """Answers to both questions for one endpoint: all trials, and those timed as the patient's.

    Parameters
    ----------
    disease : str, optional
        As in `nearest_trials`; only used to say how many of the trials are in it.
    sequence : str, optional
        When the ICI is given relative to RT, as in `nearest_trials`; adds the pool of that
        timing where one exists.
    endpoint : str
        `"OS"`, `"PFS"` or `"EFS"`.
    """
    timing = TIMING.get(sequence or "")
    answers = [_add_ici(endpoint, None, disease)]
    if timing is not None:
        answers.append(_add_ici(endpoint, timing, disease))
    rows = select(endpoint=endpoint, pool="rt")
    answers.append(
        _answer("adding RT to ICI", "trials that randomised RT with ICI in both arms", endpoint, rows, disease)
    )
    return tuple(answers)


def _add_ici(endpoint: str, timing: Timing | None, disease: str | None) -> EvidenceSummary:
    rows = select(endpoint=endpoint, comparison_type="add_ici", timing=timing)
    when = {"after": " given after RT", "during": " started before the end of RT", "before": " given before RT"}
    subset = "trials of an added ICI" + (when[timing] if timing else "")
    return _answer("adding ICI to RT", subset, endpoint, rows, disease)


def _answer(question: Question, subset: str, endpoint: str, rows: pd.DataFrame, disease: str | None) -> EvidenceSummary:
    result = pool(rows["log_hr"], rows["se"]) if len(rows) else None
    verdict = _verdict(result)
    return EvidenceSummary(
        question=question,
        subset=subset,
        endpoint=endpoint,
        verdict=verdict,
        statement=_statement(question, endpoint, subset, result, verdict),
        pool=result,
        sensitivity=_sensitivity(rows),
        trials=tuple(rows["trial"]),
        statuses={str(status): int(count) for status, count in rows["confidence"].value_counts().items()},
        caveats=_caveats(rows, result, disease),
        in_disease=None if disease is None else _in_disease(rows, disease),
    )


def _verdict(result: Pool | None) -> str:
    if result is None or result.k < load(SHEET)["fewest_for_conclusion"] or result.prediction_interval is None:
        return INSUFFICIENT
    low, high = result.prediction_interval
    if (low > 1 or high < 1) and result.tau2 > 0:
        return "effect expected in a new setting of this kind"
    low, high = result.hk_interval or result.interval
    return "mean effect, uncertain in a new setting" if low > 1 or high < 1 else "no mean effect shown"


def _statement(question: Question, endpoint: str, subset: str, result: Pool | None, verdict: str) -> str:
    if result is None:
        return f"{question[0].upper()}{question[1:]}: {INSUFFICIENT}; no {endpoint} hazard ratio from {subset}."
    mean = f"{endpoint} hazard ratio {result.hr:.2f} ({_interval(result.interval)}) over {result.k} {subset}"
    if verdict == INSUFFICIENT:
        return (
            f"{question[0].upper()}{question[1:]}: {INSUFFICIENT}. {mean}; with {result.k} studies a prediction "
            "interval is not given or the Hartung-Knapp interval is uninformative."
        )
    prediction = result.prediction_interval
    if prediction is None:
        return mean
    reading = "includes harm" if prediction[1] > 1 else "lies below 1"
    if result.tau2 == 0:
        reading += " but takes the trials to agree, which their number does not show"
    return (
        f"{question[0].upper()}{question[1:]}: {mean}, on average. In a new trial the hazard ratio is expected "
        f"between {prediction[0]:.2f} and {prediction[1]:.2f} (95 % prediction interval), which {reading}; that "
        "interval, not the mean, is the expectation for a new setting."
    )


def _interval(limits: tuple[float, float]) -> str:
    return f"{limits[0]:.2f} to {limits[1]:.2f}"


def _sensitivity(rows: pd.DataFrame) -> dict[str, Pool]:
    if rows.empty:
        return {}
    mature = ~rows["flags"].map(lambda flags: "maturity" in flags).astype(bool)
    subsets = {
        "without immature estimates": rows.loc[mature],
        "read estimates only": rows.loc[rows["confidence"] == "read"],
        "without glioblastoma": rows.loc[rows["disease"] != "glioblastoma"],
    }
    return {name: pool(part["log_hr"], part["se"]) for name, part in subsets.items() if 0 < len(part) < len(rows)}


def _in_disease(rows: pd.DataFrame, disease: str) -> int:
    same = {label for label, match in disease_matches(disease, set(rows["disease"])).items() if match == "same"}
    return int(rows["disease"].isin(same).sum())


def _caveats(rows: pd.DataFrame, result: Pool | None, disease: str | None) -> tuple[str, ...]:
    caveats = ["trials differ in site, stage, drug and control; the pool is an average over them"]
    if disease is not None:
        caveats.append(f"{_in_disease(rows, disease)} of {len(rows)} trials are in {disease}")
    doubtful = int((rows["confidence"] != "read").sum())
    if doubtful:
        caveats.append(f"{doubtful} of {len(rows)} estimates are recalled, not read")
    if (rows["timing"] == "after").any():
        caveats.append("trials of ICI after RT randomise only patients alive and free of progression after it")
    if result is not None and result.tau2 == 0 and result.tau2_interval is not None:
        caveats.append(
            "a between-trial variance estimated as zero does not show that the trials agree: "
            f"its 95 % interval reaches {result.tau2_interval[1]:.2f}"
        )
    caveats.append("trials without a retrievable hazard ratio are missing, not null")
    caveats.append("dose per fraction varies too little between these trials for a dose effect to be estimated")
    return tuple(caveats)
