"""The few answers a reader looks for first, in words that do not overstate them."""

from collections import Counter
from dataclasses import dataclass

from abscopal.assessment.types import Assessment
from abscopal.domain.risk import Risk
from abscopal.knowledge.schema import MARKS
from abscopal.report.numbers import percent, percent_range


@dataclass(frozen=True)
class Card:
    """One headline: what it is, the number or its absence, how to take it, and how sure its numbers are."""

    what: str
    number: str
    how: str
    status: str = ""


NOT_COMPUTABLE = "not computable"


def headline(assessment: Assessment) -> list[Card]:
    """Cards of the report's first page and rows of the command line's table."""
    return [
        _prescription(assessment),
        _edric(assessment),
        _blood(assessment),
        _alc(assessment),
        _window(assessment),
        _toxicity(assessment),
        _score(assessment),
        _evidence(assessment),
    ]


def _prescription(a: Assessment) -> Card:
    plan = a.plan
    return Card(
        "Prescription",
        f"{plan.n_fractions} × {plan.dose_per_fraction_gy:.3g} Gy",
        f"BED {plan.bed_gy:.3g} Gy, EQD2 {plan.eqd2_gy:.3g} Gy at α/β {plan.alpha_beta_gy:.3g} Gy "
        f"({plan.alpha_beta_origin})",
    )


def _edric(a: Assessment) -> Card:
    edric = a.immune_dose.edric
    if edric.value is None:
        return _absent(edric.label, edric.not_computable)
    how = "; ".join(edric.notes[:1]) or "from mean organ doses and the integral dose of the body"
    return Card(edric.label, f"{edric.value:.2f} Gy", how, edric.status)


def _absent(what: str, why: str) -> Card:
    return Card(what, NOT_COMPUTABLE, why.removeprefix(f"{NOT_COMPUTABLE}: "))


def _blood(a: Assessment) -> Card:
    first = a.immune_dose.blood[0]
    if first.value is None:
        return _absent(first.label, first.not_computable)
    return Card(first.label, f"{first.value:.3g} {first.unit}", "reference circulation", first.status)


def _alc(a: Assessment) -> Card:
    alc = a.immune_dose.alc
    if alc is None:
        return _absent("Lymphocyte nadir", a.immune_dose.alc_not_computable)
    return Card(
        "Lymphocyte nadir",
        f"{alc.nadir:.2f} {alc.unit}",
        f"{alc.nadir_low:.2f} to {alc.nadir_high:.2f} over published radiosensitivities; CTCAE grade {alc.grade}",
        alc.status,
    )


def _window(a: Assessment) -> Card:
    window = a.window
    how = f"gain {window.gain:.2g} of {window.gain_max:.2g} log₁₀ at {window.n_fractions} fractions"
    if window.radiation_alone:
        how += ", of radiation alone: no ICI dose falls before the readout"
    statuses = Counter(row.status for row in a.parameters if row.key.startswith("immune/"))
    unsure = sum(count for status, count in statuses.items() if MARKS.get(status, ""))
    how += f"; mouse reference model, {unsure} of {statuses.total()} numbers fitted, assumed or uncertain"
    return Card("Dose–immune window", window.position, how, statuses.most_common(1)[0][0] if statuses else "")


def _toxicity(a: Assessment) -> Card:
    trusted = [risk for risk in a.risks if not MARKS[risk.status]] or list(a.risks)
    if not trusted:
        return Card(
            "Largest complication probability", "none computable", "no evaluable model for the contoured organs"
        )
    dosed = [risk for risk in trusted if not _holds_a_baseline(risk)] or trusted
    worst = max(dosed, key=lambda risk: risk.probability)
    highest = max(trusted, key=lambda risk: risk.probability)
    how = f"{worst.endpoint}, {worst.organ} ({worst.model})"
    if highest is not worst:
        how += f"; {highest.endpoint} {percent(highest.probability)} ({highest.model}) holds a rate without dose"
    free = a.toxicity.complication_free
    if free is not None:
        how += f"; none of {len(a.toxicity.complication_free_of)} complications with {percent(free.probability)}"
        how += f" ({percent_range(*free.interval)}), taken as independent"
    return Card("Largest complication probability", percent(worst.probability), how, worst.status)


def _holds_a_baseline(risk: Risk) -> bool:
    """Whether much of a probability would stand without any dose: it says little about the plan."""
    return any("at zero dose" in text or text.startswith("offset") for text in (*risk.notes, *risk.warnings))


def _score(a: Assessment) -> Card:
    forms = [score for score in a.scores if score.name.startswith("loris")]
    for score in forms:
        if score.value is not None:
            return Card(score.label, f"{score.value:.3g}", f"{score.evidence}: {score.category}", score.status)
    # The form of one disease says nothing to a patient with another: the pan-cancer form names what is missing.
    wanted = "loris_nsclc" if a.patient["disease"] == "NSCLC" else "loris_pan"
    return _absent("LORIS", next((score.not_computable for score in forms if score.name == wanted), ""))


def _evidence(a: Assessment) -> Card:
    fitting = [summary for summary in a.evidence if summary.question == "adding ICI to RT" and summary.pool is not None]
    if not fitting:
        return Card("Randomised evidence", "insufficient", "no pool fits this setting")
    found = fitting[-1]
    pool = found.pool
    hr = "" if pool is None else f"HR {pool.hr:.2f} ({pool.interval[0]:.2f}–{pool.interval[1]:.2f})"
    total = sum(found.statuses.values())
    how = f"{found.endpoint}, {found.subset}: {found.verdict}"
    if found.in_disease is not None:
        how += f"; {found.in_disease} of {total} trials in {a.patient['disease']}"
    recalled = total - found.statuses.get("read", 0)
    return Card("Randomised evidence", hr, how, "recalled" if recalled else "computed")
