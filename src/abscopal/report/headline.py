"""The few answers a reader looks for first, in words that do not overstate them."""

from dataclasses import dataclass

from abscopal.assessment.types import Assessment
from abscopal.knowledge.schema import MARKS


@dataclass(frozen=True)
class Card:
    """One headline: what it is, the number or its absence, and how to take it."""

    what: str
    number: str
    how: str


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
        f"BED {plan.bed_gy:.3g} Gy, EQD2 {plan.eqd2_gy:.3g} Gy at α/β {plan.alpha_beta_gy:.3g} Gy",
    )


def _edric(a: Assessment) -> Card:
    edric = a.immune_dose.edric
    if edric.value is None:
        return Card(edric.label, "not computable", edric.not_computable.removeprefix("not computable: "))
    return Card(edric.label, f"{edric.value:.2f} Gy", "; ".join(edric.notes[:1]) or "chest form")


def _blood(a: Assessment) -> Card:
    first = a.immune_dose.blood[0]
    return Card(first.label, "not computable" if first.value is None else f"{first.value:.3g} {first.unit}",
                first.not_computable or "reference circulation")  # fmt: skip


def _alc(a: Assessment) -> Card:
    alc = a.immune_dose.alc
    if alc is None:
        return Card("Lymphocyte nadir", "not computable", a.immune_dose.alc_not_computable)
    return Card(
        "Lymphocyte nadir",
        f"{alc.nadir:.2f} {alc.unit}",
        f"{alc.nadir_low:.2f} to {alc.nadir_high:.2f} over published radiosensitivities; CTCAE grade {alc.grade}",
    )


def _window(a: Assessment) -> Card:
    window = a.window
    how = f"gain {window.gain:.2g} of {window.gain_max:.2g} log₁₀ at {window.n_fractions} fractions"
    return Card("Dose–immune window", window.position, how + "; mouse-calibrated reference model")


def _toxicity(a: Assessment) -> Card:
    trusted = [risk for risk in a.risks if not MARKS[risk.status]] or list(a.risks)
    if not trusted:
        return Card(
            "Largest complication probability", "none computable", "no evaluable model for the contoured organs"
        )
    worst = max(trusted, key=lambda risk: risk.probability)
    caution = "".join(f"; {note}" for note in worst.notes if "zero dose" in note)
    how = f"{worst.endpoint}, {worst.organ} ({worst.model}){caution}"
    return Card("Largest complication probability", f"{100 * worst.probability:.2g} %", how)


def _score(a: Assessment) -> Card:
    for score in a.scores:
        if score.name.startswith("loris") and score.value is not None:
            return Card(score.label, f"{score.value:.3g}", f"{score.evidence}: {score.category}")
    return Card("LORIS", "not computable", next((s.not_computable for s in a.scores if s.name.startswith("loris")), ""))


def _evidence(a: Assessment) -> Card:
    fitting = [summary for summary in a.evidence if summary.question == "adding ICI to RT" and summary.pool is not None]
    if not fitting:
        return Card("Randomised evidence", "insufficient", "no pool fits this setting")
    found = fitting[-1]
    pool = found.pool
    hr = "" if pool is None else f"HR {pool.hr:.2f} ({pool.interval[0]:.2f}–{pool.interval[1]:.2f})"
    return Card("Randomised evidence", hr, f"{found.endpoint}, {found.subset}: {found.verdict}")
