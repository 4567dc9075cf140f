"""The whole patient: radiation and immune causes of each complication, together and apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abscopal.domain.risk import Basis
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import NotComputable, OrganRisk, Part, ToxicitySummary, Uncovered
from abscopal.toxicity.covariates import Covariates, ici_class
from abscopal.toxicity.evaluate import Evaluation
from abscopal.toxicity.exposure import Absent, exposures
from abscopal.toxicity.forms import FloatArray, independent_causes, shift_odds
from abscopal.toxicity.immune_events import INTERACTION_NOTE, Rate, draw_rate, immune_rate, interaction_draws, onset
from abscopal.toxicity.immune_events import SHEET as IRAE_SHEET
from abscopal.toxicity.observed import observed_groups
from abscopal.toxicity.rows import rows_of
from abscopal.toxicity.table import SHEET
from abscopal.toxicity.uncertainty import interval_of

INDEPENDENT = "radiation and immune part as independent causes"
FREE_LABEL = "none of the counted complications, assuming that they are independent of each other"
NOTES = (
    "The complication-free probability assumes that complications are independent; they share doses and patients.",
    "Immune parts are rates of all patients on that class of ICI: they do not depend on this plan.",
    "Intervals of counted patients hold sampling error alone, not the spread between trials, drugs and diseases.",
    "One lead model per complication; others are of other patients and are listed, never averaged.",
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A probability and its draws."""

    point: float
    draws: FloatArray

    def part(self, what: str, basis: Basis, grade: str = "", status: str = "") -> Part:
        """As a part of the answer."""
        low, high = interval_of(self.point, self.draws)
        return Part(
            what=what, grade=grade, probability=self.point, interval=(float(low), float(high)), basis=basis,
            status=status,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DrawnSummary:
    """A summary with the draws behind each row, by label and organ."""

    summary: ToxicitySummary
    rows: Mapping[tuple[str, str], Drawn]


def summarise(
    evaluations: Sequence[Evaluation],
    lacking: Sequence[NotComputable],
    dvhs: Mapping[str, DVH],
    known: Covariates,
    *,
    draws: int,
    seed: int,
) -> DrawnSummary:
    """Join what was evaluated with the immune events of the ICI given.

    Parameters
    ----------
    evaluations, lacking : sequence
        From `evaluate.evaluate_models`.
    dvhs : mapping
        Physical-dose histograms by TG-263 name; decide whether an organ is in the field.
    known : mapping
        `ici` gives the class.
    draws, seed : int
        As for the evaluations.
    """
    joined: list[tuple[OrganRisk, Drawn]] = []
    uncovered: list[Uncovered] = []
    ici = ici_class(known)
    for endpoint in rows_of(load(SHEET).table("endpoints")):
        leads, others = _leads(endpoint, evaluations)
        rate = immune_rate(endpoint["irae"], ici, str(endpoint["grade"])) if ici and endpoint["irae"] else None
        if not leads and rate is None:
            reason = _reason(endpoint, lacking, ici)
            uncovered.append(Uncovered(toxicity=endpoint["toxicity"], label=endpoint["label"], reason=reason))
        field = _in_field(str(endpoint["structures"]), dvhs, known)
        case = _Row(endpoint, len(leads) > 1, others, rate, ici, field, draws, seed)
        joined += [case.join(lead) for lead in leads]
        if not leads and rate is not None:
            joined.append(case.join(None))
    counted = [(row, drawn) for row, drawn in joined if row.counted]
    free = complication_free([drawn for _, drawn in counted])
    summary = ToxicitySummary(
        ici=ici,
        rows=tuple(row for row, _ in joined),
        uncovered=tuple(uncovered),
        observed=observed_groups(dvhs, known),
        complication_free=None if free is None else free.part(FREE_LABEL, "combined"),
        complication_free_of=tuple(f"{row.label}, {row.organ}" for row, _ in counted),
        notes=NOTES,
    )
    return DrawnSummary(summary, {(row.label, row.organ): drawn for row, drawn in joined})


def _leads(endpoint: Mapping[Any, Any], evaluations: Sequence[Evaluation]) -> tuple[list[Evaluation], dict[str, float]]:
    """Evaluations of the first computable model, and the probabilities of the models after it."""
    order = [name for name in endpoint["models"].split(" > ") if name]
    found = {name: [e for e in evaluations if e.risk.model == name] for name in order}
    computable = [name for name in order if found[name]]
    if not computable:
        return [], {}
    rest = {f"{name}, {e.risk.organ}": e.risk.probability for name in computable[1:] for e in found[name]}
    return found[computable[0]], rest


def _reason(endpoint: Mapping[Any, Any], lacking: Sequence[NotComputable], ici: str) -> str:
    models = [name for name in endpoint["models"].split(" > ") if name]
    reasons = {entry.model: entry.reason for entry in lacking}
    told = [f"{name}: {reasons[name]}" for name in models if name in reasons]
    if told:
        return "; ".join(told)
    if endpoint["irae"] and not ici:
        return "no evaluable radiation model found; immune event: no ICI is given"
    if endpoint["irae"]:
        return f"no evaluable radiation model found; no rate of the immune event for {ici}"
    return "no evaluable model found" + (f": {endpoint['remark']}" if endpoint["remark"] else "")


def _in_field(label: str, dvhs: Mapping[str, DVH], known: Covariates) -> bool | None:
    """Whether the hottest per cent of the organ gets the in-field dose; None where its dose is not known."""
    found = exposures(label, dvhs, known) if label else Absent(())
    if isinstance(found, Absent):
        return None
    return any(exposure.dvh.dose_at_volume(1) >= load(SHEET)["in_field_dose"] for exposure in found)


@dataclass(frozen=True, eq=False)
class _Row:
    """One endpoint of the table, ready to be joined with a lead evaluation or none."""

    endpoint: Mapping[Any, Any]
    one_of_several: bool
    others: Mapping[str, float]
    rate: Rate | None
    ici: str
    field: bool | None
    draws: int
    seed: int

    def join(self, lead: Evaluation | None) -> tuple[OrganRisk, Drawn]:
        """The row and the draws of its combined probability."""
        dose = None if lead is None else Drawn(lead.risk.probability, lead.draws)
        immune, basis = self._immune()
        both = _combined(dose, immune)
        offset, words = self._interaction(dose, immune)
        endpoint = self.endpoint
        radiation = None
        if lead is not None and dose is not None:
            radiation = dose.part(lead.risk.model, lead.risk.basis, lead.risk.grade, lead.risk.status)
        immune_part = None
        if immune is not None and self.rate is not None:
            what = f"{self.rate.endpoint} under {_ici_words(self.rate.ici)}"
            immune_part = immune.part(what, basis, self.rate.grade, self.rate.status)
        single = radiation or immune_part
        combined = both.part(INDEPENDENT, "combined") if radiation and immune_part else single
        row = OrganRisk(
            toxicity=endpoint["toxicity"],
            label=endpoint["label"],
            organ=lead.risk.organ if lead is not None and self.one_of_several else endpoint["organ"],
            structures="" if lead is None else lead.risk.organ,
            grade=immune_part.grade if immune_part and not radiation else str(endpoint["grade"]),
            timing=endpoint["timing"],
            radiation=radiation,
            immune=immune_part,
            combined=combined or both.part(INDEPENDENT, "combined"),
            with_interaction=None if offset is None else offset.part(INTERACTION_NOTE, "stated prior"),
            interaction=words,
            onset=onset(self.rate.key, self.ici) if self.rate is not None else "",
            others=dict(self.others),
            counted=endpoint["counted"] == "yes",
            notes=tuple(self._notes(radiation, immune_part)),
            warnings=() if lead is None else lead.risk.warnings,
        )
        return row, both

    def _immune(self) -> tuple[Drawn | None, Basis]:
        if self.rate is None:
            return None, ""
        drawn, basis = draw_rate(self.rate, self.draws, self.seed)
        return Drawn(self.rate.rate, drawn), basis

    def _interaction(self, dose: Drawn | None, immune: Drawn | None) -> tuple[Drawn | None, str]:
        """The offset on the immune part, or on radiation's where no immune rate is tabulated."""
        rule = self.endpoint["interaction"]
        if not self.ici or rule == "none":
            return None, "no interaction assumed" if self.ici else ""
        if self.field is None:
            return None, "dose to the organ not known: no interaction assumed"
        ratio = interaction_draws(rule, self.field, self.draws, self.seed)
        if ratio is None:
            return None, "outside the field: no interaction assumed"
        middle = float(np.exp(np.log(ratio).mean()))
        shifted = immune if immune is not None else dose
        if shifted is None:
            return None, ""
        moved = Drawn(float(shift_odds(shifted.point, middle)), shift_odds(shifted.draws, ratio))
        low, high = load(IRAE_SHEET).vector(f"{rule}_odds_ratio")
        of = "immune" if immune is not None else "radiation"
        words = f"odds ratio {low:g} to {high:g} on the {of} part, organ in the field: {INTERACTION_NOTE}"
        return _combined(dose, moved) if immune is not None else moved, words

    def _notes(self, radiation: Part | None, immune: Part | None) -> Iterator[str]:
        if self.endpoint["remark"]:
            yield self.endpoint["remark"]
        if self.rate is not None and self.rate.remark:
            yield f"immune part: {self.rate.remark}"
        if radiation and immune and radiation.grade != immune.grade:
            yield f"grades differ: radiation {radiation.grade or 'not graded'}, immune {immune.grade}"


def _ici_words(name: str) -> str:
    """A tabulated class as it is written in a sentence."""
    return {"any": "any ICI", "combination": "combined ICI"}.get(name, name)


def _combined(dose: Drawn | None, immune: Drawn | None) -> Drawn:
    if dose is None or immune is None:
        single = dose or immune
        return single if single is not None else Drawn(0.0, np.zeros(1))
    k = load(IRAE_SHEET)["hazard_power"]
    point = float(independent_causes(dose.point, immune.point, k))
    return Drawn(point, independent_causes(dose.draws, immune.draws, k))


def complication_free(counted: Sequence[Drawn]) -> Drawn | None:
    """Probability of none of them, taken as independent; None of nothing."""
    if not counted:
        return None
    point, draws = 1.0, np.ones(1)
    for drawn in counted:
        point, draws = point * (1 - drawn.point), draws * (1 - drawn.draws)
    return Drawn(point, draws)
