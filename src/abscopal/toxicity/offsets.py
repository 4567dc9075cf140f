"""Pneumonitis with an ICI: odds-ratio offsets on a base probability, never a fitted ICI model."""

from collections.abc import Mapping, Sequence

from abscopal.domain.risk import Risk
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import NotComputable
from abscopal.toxicity.covariates import Covariates, ici_class
from abscopal.toxicity.forms import shift_odds
from abscopal.toxicity.table import SHEET, NtcpModel

LABEL = "offset, not a fitted ICI model"
BASES = ("rp_appelt_clinical", "rp_quantec_mld")
"""Base models of radiation pneumonitis, the first computed one is taken."""
ON_RADIATION = "rp_ici_offset_pacific"
ON_BASELINE = "rp_ici_offset_fda_rt90"
AFTER = "sequential"
"""`ici_sequence` of an ICI started after radiotherapy, the only timing of the trial of `ON_RADIATION`."""


def ici_offsets(
    models: Mapping[str, NtcpModel], risks: Sequence[Risk], known: Covariates
) -> tuple[list[Risk], list[NotComputable]]:
    """Labelled entries for pneumonitis when an ICI is given.

    Two published contrasts are shown, each with its base probability, its odds ratio and the
    shifted probability: the ICI added to radiation pneumonitis, and recent radiotherapy added to
    pneumonitis under an ICI. The interval is the stated prior of the odds ratio, 1 to 2.5, at the
    base probability: a range of belief, not a confidence interval. The first is left out where `known`
    says that the ICI starts before radiotherapy ends (`ici_sequence` other than "sequential").
    """
    by_model = {risk.model: risk for risk in risks}
    base = next((by_model[name] for name in BASES if name in by_model), None)
    if base is None:
        need = "DVH of Lungs-GTV or Lungs"
        lacking = [
            NotComputable(
                model=name, endpoint=models[name].endpoint, organ=models[name].organ, grade=models[name].grade,
                status=models[name].status, needs=(need,), reason=f"not computable: needs {need}",
            )
            for name in (ON_RADIATION, ON_BASELINE)
        ]  # fmt: skip
        return [], lacking
    baseline = float(models[ON_BASELINE].published[0])
    second = _entry(models[ON_BASELINE], baseline, "pooled rate on an ICI without radiotherapy", base.organ, known)
    if known.get("ici_sequence", AFTER) != AFTER:
        reason = "not computable: needs an ICI started after radiotherapy, as in the trial the odds ratio is from"
        model = models[ON_RADIATION]
        apart = NotComputable(
            model=model.id, endpoint=model.endpoint, organ=base.organ, grade=model.grade, status=model.status,
            needs=("an ICI started after radiotherapy",), reason=reason,
        )  # fmt: skip
        return [second], [apart]
    first = _entry(models[ON_RADIATION], base.probability, f"base model {base.model}", base.organ, known)
    return [first, second], []


def _entry(model: NtcpModel, base: float, origin: str, organ: str, known: Covariates) -> Risk:
    sheet, ratio = load(SHEET), float(model.parameters["OR"])
    low, high = sheet["ici_odds_ratio_low"], sheet["ici_odds_ratio_high"]
    return Risk(
        endpoint=f"{model.endpoint} ({LABEL})",
        organ=organ,
        grade=model.grade,
        model=model.id,
        probability=float(shift_odds(base, ratio)),
        interval=(float(shift_odds(base, low)), float(shift_odds(base, high))),
        interval_level=1.0,
        basis="stated prior",
        inputs={"base probability": base, "base": origin, "odds ratio": ratio, "ICI": ici_class(known)},
        population=model.cohort,
        source=model.source,
        status=model.status,
        notes=(
            LABEL,
            f"interval: odds ratio {low:g} to {high:g} on the base, a stated prior and not a confidence interval",
            "odds ratio derived from two published rates, unadjusted",
            model.remark,
        ),
    )
