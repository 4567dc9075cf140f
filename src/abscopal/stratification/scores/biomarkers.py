"""Tumour biomarkers against the cut-offs of companion diagnostics."""

from abscopal.domain.patient import Patient
from abscopal.domain.registry import register
from abscopal.knowledge.load import load
from abscopal.stratification.score import Score, missing

SHEET = "scores/blood"
SOURCE = "companion diagnostics and drug labels"


@register("score", "pd_l1", needs=("pd_l1_tps",), source=SOURCE)
def pd_l1(patient: Patient) -> Score:
    """PD-L1 tumour proportion score in the classes of the labels."""
    value, sheet = patient.biomarkers.pd_l1_tps, load(SHEET)
    label = "PD-L1 tumour proportion score"
    reason = missing({"biomarkers.pd_l1_tps": value})
    if reason or value is None:
        return Score(
            name="pd_l1", label=label, unit="percent", evidence="predictive", status="recalled", source=SOURCE,
            not_computable=reason,
        )  # fmt: skip
    low, high = sheet["pd_l1_positive"], sheet["pd_l1_high"]
    names = {high: f"{high:g} % or more", low: f"{low:g} to below {high:g} %", 0.0: f"below {low:g} %"}
    category = next(text for floor, text in names.items() if value >= floor)
    return Score(
        name="pd_l1", label=label, value=value, unit="percent", category=category, evidence="predictive",
        status="recalled", source=SOURCE, inputs={"pd_l1_tps": value},
        notes=(
            "predictive of an ICI against none, in some diseases; not of adding radiotherapy to an ICI",
            "assays and scoring (TPS, CPS) differ between diseases",
        ),
    )  # fmt: skip


@register("score", "tmb", needs=("tmb",), source=SOURCE)
def tmb(patient: Patient) -> Score:
    """Tumour mutational burden against the tumour-agnostic cut-off."""
    value, cut = patient.biomarkers.tmb, load(SHEET)["tmb_high"]
    label, unit = "Tumour mutational burden", "mutation/megabase"
    reason = missing({"biomarkers.tmb": value})
    if reason or value is None:
        return Score(
            name="tmb", label=label, unit=unit, evidence="prognostic", status="recalled", source=SOURCE,
            not_computable=reason,
        )  # fmt: skip
    return Score(
        name="tmb", label=label, value=value, unit=unit, evidence="prognostic", status="recalled", source=SOURCE,
        category=f"high (at or above {cut:g})" if value >= cut else f"not high (below {cut:g})",
        inputs={"tmb": value},
        notes=(
            "cohorts behind the cut-off all received an ICI, so it is prognostic under an ICI",
            "the meaning of a cut-off differs between histologies and panels",
        ),
    )  # fmt: skip
