"""The few answers a reader looks for first, in words that do not overstate them."""

from collections import Counter
from dataclasses import dataclass

from abscopal.assessment.types import Assessment
from abscopal.domain.risk import Risk
from abscopal.knowledge.schema import MARKS
from abscopal.report.numbers import percent, percent_range
from abscopal.report.words import Words
from abscopal.toxicity.answer import OrganRisk


@dataclass(frozen=True)
class Card:
    """One headline: what it is, the number or its absence, how to take it, and how sure its numbers are."""

    what: str
    number: str
    how: str
    status: str = ""


NOT_COMPUTABLE = "not computable"
"""How the reasons of the models begin; a card has it as its number already."""


def headline(assessment: Assessment, say: Words) -> list[Card]:
    """Cards of the report's first page and rows of the command line's table; `say` gives the words."""
    return [
        _prescription(assessment, say),
        _edric(assessment, say),
        _blood(assessment, say),
        _alc(assessment, say),
        _window(assessment, say),
        _toxicity(assessment, say),
        _score(assessment, say),
        _evidence(assessment, say),
    ]


def main_risks(assessment: Assessment, count: int = 5) -> list[OrganRisk]:
    """The likeliest complications of a stated grade, from any cause, for the first page.

    Events of any grade, fatigue among them, would push what decides a plan off the page.
    """

    def likelihood(row: OrganRisk) -> float:
        return max((part.probability for part in (row.radiation, row.immune, row.combined) if part), default=0.0)

    graded = [row for row in assessment.toxicity.rows if row.grade != "any"]
    return sorted(graded, key=likelihood, reverse=True)[:count]


def _prescription(a: Assessment, say: Words) -> Card:
    plan = a.plan
    return Card(
        say("Prescription"),
        f"{plan.n_fractions} × {plan.dose_per_fraction_gy:.3g} Gy",
        say(
            "BED {bed} Gy, EQD2 {eqd2} Gy at α/β {alpha_beta} Gy ({origin})",
            bed=f"{plan.bed_gy:.3g}",
            eqd2=f"{plan.eqd2_gy:.3g}",
            alpha_beta=f"{plan.alpha_beta_gy:.3g}",
            origin=plan.alpha_beta_origin,
        ),
    )


def _edric(a: Assessment, say: Words) -> Card:
    edric = a.immune_dose.edric
    if edric.value is None:
        return _absent(edric.label, edric.not_computable, say)
    how = "; ".join(edric.notes[:1]) or say("from mean organ doses and the integral dose of the body")
    return Card(edric.label, f"{edric.value:.2f} Gy", how, edric.status)


def _absent(what: str, why: str, say: Words) -> Card:
    return Card(what, say("not computable"), why.removeprefix(f"{NOT_COMPUTABLE}: "))


def _blood(a: Assessment, say: Words) -> Card:
    first = a.immune_dose.blood[0]
    if first.value is None:
        return _absent(first.label, first.not_computable, say)
    return Card(first.label, f"{first.value:.3g} {first.unit}", say("reference circulation"), first.status)


def _alc(a: Assessment, say: Words) -> Card:
    alc = a.immune_dose.alc
    if alc is None:
        return _absent(say("Lymphocyte nadir"), a.immune_dose.alc_not_computable, say)
    return Card(
        say("Lymphocyte nadir"),
        f"{alc.nadir:.2f} {alc.unit}",
        say(
            "{low} to {high} over published radiosensitivities; CTCAE grade {grade}",
            low=f"{alc.nadir_low:.2f}",
            high=f"{alc.nadir_high:.2f}",
            grade=alc.grade,
        ),
        alc.status,
    )


def _window(a: Assessment, say: Words) -> Card:
    window = a.window
    values = {"gain": f"{window.gain:.2g}", "largest": f"{window.gain_max:.2g}", "n": window.n_fractions}
    how = say("gain {gain} of {largest} log₁₀ at {n} fractions", **values)
    if window.radiation_alone:
        how = say(
            "gain {gain} of {largest} log₁₀ at {n} fractions, of radiation alone: no ICI dose falls before the readout",
            **values,
        )
    statuses = Counter(row.status for row in a.parameters if row.key.startswith("immune/"))
    unsure = sum(count for status, count in statuses.items() if MARKS.get(status, ""))
    total = statuses.total()
    model = say("mouse reference model, {n} of {total} numbers fitted, assumed or uncertain", n=unsure, total=total)
    position = {
        "below": say("below"),
        "inside": say("inside"),
        "above": say("above"),
        "no window": say("no window"),
    }[window.position]
    return Card(
        say("Dose–immune window"), position, f"{how}; {model}", statuses.most_common(1)[0][0] if statuses else ""
    )


def _toxicity(a: Assessment, say: Words) -> Card:
    what = say("Largest complication probability")
    trusted = [risk for risk in a.risks if not MARKS[risk.status]] or list(a.risks)
    if not trusted:
        return Card(what, say("none computable"), say("no evaluable model for the contoured organs"))
    dosed = [risk for risk in trusted if not _holds_a_baseline(risk)] or trusted
    worst = max(dosed, key=lambda risk: risk.probability)
    highest = max(trusted, key=lambda risk: risk.probability)
    how = [f"{worst.endpoint}, {worst.organ} ({worst.model})"]
    if highest is not worst:
        how.append(
            say(
                "{endpoint} {probability} ({model}) holds a rate without dose",
                endpoint=highest.endpoint,
                probability=percent(highest.probability, say),
                model=highest.model,
            )
        )
    free = a.toxicity.complication_free
    if free is not None:
        how.append(
            say(
                "none of {n} complications with {probability} ({interval}), taken as independent",
                n=len(a.toxicity.complication_free_of),
                probability=percent(free.probability, say),
                interval=percent_range(*free.interval, say),
            )
        )
    return Card(what, percent(worst.probability, say), "; ".join(how), worst.status)


def _holds_a_baseline(risk: Risk) -> bool:
    """Whether much of a probability would stand without any dose: it says little about the plan."""
    return any("at zero dose" in text or text.startswith("offset") for text in (*risk.notes, *risk.warnings))


def _score(a: Assessment, say: Words) -> Card:
    forms = [score for score in a.scores if score.name.startswith("loris")]
    for score in forms:
        if score.value is not None:
            return Card(score.label, f"{score.value:.3g}", f"{score.evidence}: {score.category}", score.status)
    # The form of one disease says nothing to a patient with another: the pan-cancer form names what is missing.
    wanted = "loris_nsclc" if a.patient["disease"] == "NSCLC" else "loris_pan"
    return _absent("LORIS", next((score.not_computable for score in forms if score.name == wanted), ""), say)


def _evidence(a: Assessment, say: Words) -> Card:
    fitting = [summary for summary in a.evidence if summary.question == "adding ICI to RT" and summary.pool is not None]
    if not fitting:
        return Card(say("Randomised evidence"), say("insufficient"), say("no pool fits this setting"))
    found = fitting[-1]
    hr = ""
    if found.pool is not None:
        low, high = (f"{limit:.2f}" for limit in found.pool.interval)
        hr = say("HR {hr} ({low}–{high})", hr=f"{found.pool.hr:.2f}", low=low, high=high)
    total = sum(found.statuses.values())
    how = f"{found.endpoint}, {found.subset}: {found.verdict}"
    if found.in_disease is not None:
        n, disease = found.in_disease, a.patient["disease"]
        how += "; " + say("{n} of {total} trials in {disease}", n=n, total=total, disease=disease)
    recalled = total - found.statuses.get("read", 0)
    return Card(say("Randomised evidence"), hr, how, "recalled" if recalled else "computed")
