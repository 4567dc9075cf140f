"""The answer for one patient, as data: what `assessment.json` holds and the report prints.

Every model here is part of the published JSON schema (`docs/schema/assessment.schema.json`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abscopal.domain.manifest import RESEARCH_USE, Manifest
from abscopal.domain.risk import Risk
from abscopal.stratification.score import Score
from abscopal.toxicity.answer import NotComputable, ToxicitySummary
from abscopal.trials.nearest import TrialRow
from abscopal.trials.summary import EvidenceSummary

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """Base of every part: frozen, closed, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ChecklistRow(Part):
    """One line of the intake checklist."""

    kind: Literal["found", "linked", "assumed", "skipped"]
    what: str
    detail: str


class PlanSummary(Part):
    """The prescription as read, with the radiobiology of it."""

    label: str
    n_fractions: int
    dose_per_fraction_gy: Finite
    prescription_gy: Finite
    prescription_origin: str
    dose_kind: str
    grid_max_gy: Finite
    beams: tuple[str, ...]
    beam_on_s: Finite
    beam_on_origin: str
    alpha_beta_gy: Finite
    alpha_beta_origin: str
    late_alpha_beta_gy: Finite
    bed_gy: Finite
    eqd2_gy: Finite


class Curve(Part):
    """A sampled curve with its units."""

    x: tuple[Finite, ...]
    y: tuple[Finite, ...]
    x_unit: str
    y_unit: str
    label: str = ""


class StructureSummary(Part):
    """Dose to one structure."""

    name: str
    standard_name: str | None
    role: str
    volume_cm3: Finite
    mean_gy: Finite
    min_gy: Finite
    max_gy: Finite
    d2_gy: Finite
    d50_gy: Finite
    d98_gy: Finite
    v5_percent: Finite
    v20_percent: Finite
    dvh: Curve
    notes: tuple[str, ...] = ()


class Quantity(Part):
    """One number with its unit, or the reason there is none."""

    label: str
    value: Finite | None
    unit: str
    status: str
    not_computable: str = ""
    notes: tuple[str, ...] = ()


class AlcForecast(Part):
    """Predicted absolute lymphocyte count, with a band over published radiosensitivities."""

    baseline: Finite
    unit: str
    days: tuple[Finite, ...]
    central: tuple[Finite, ...]
    low: tuple[Finite, ...]
    high: tuple[Finite, ...]
    nadir: Finite
    nadir_low: Finite
    nadir_high: Finite
    nadir_day: Finite
    grade: int
    grade_band: tuple[int, int]
    grade_limits: tuple[Finite, ...]
    alpha_band: tuple[Finite, Finite]
    p_grade3_or_worse: Finite
    p_grade4: Finite
    days_to_recovery: Finite | None
    status: str
    notes: tuple[str, ...]


class ImmuneDose(Part):
    """Dose to blood and lymphocytes."""

    edric: Quantity
    edric_terms: tuple[Quantity, ...]
    edric_context: tuple[str, ...]
    indices: tuple[Quantity, ...]
    blood: tuple[Quantity, ...]
    alc: AlcForecast | None
    alc_not_computable: str = ""
    notes: tuple[str, ...] = ()


class Bounds(Part):
    """The dose window at one level of the maximal gain; None where there is none."""

    level: Finite
    lower_gy: Finite | None
    peak_gy: Finite | None
    upper_gy: Finite | None
    open_below: bool
    open_above: bool
    verdict: str


class WindowAnswer(Part):
    """Where the regimen sits in the dose–immune window of the reference model."""

    model: str
    ici_class: str
    n_fractions: int
    dose_per_fraction_gy: Finite
    read_out_day: Finite
    gain: Finite
    bliss_excess: Finite
    log_synergy: Finite
    gain_max: Finite
    position: Literal["below", "inside", "above", "no window"]
    radiation_alone: bool
    bounds: tuple[Bounds, ...]
    curve: Curve
    ablations: tuple[Curve, ...]
    ablation_bounds: dict[str, Bounds]
    scatter: dict[str, str]
    map_doses_gy: tuple[Finite, ...]
    map_fractions: tuple[int, ...]
    map_gain: tuple[tuple[Finite, ...], ...]
    notes: tuple[str, ...]


class AlternativeRow(Part):
    """One regimen of equal tumour BED, and what it costs."""

    n_fractions: int
    dose_per_fraction_gy: Finite
    total_gy: Finite
    course_days: Finite
    tumour_bed_gy: Finite
    late_bed_gy: Finite
    gain: Finite
    bliss_excess: Finite
    alc_nadir: Finite | None
    edric_gy: Finite | None
    is_current: bool
    notes: tuple[str, ...] = ()


class RegimenChoice(Part):
    """One regimen of the search that is worth discussing, and what it costs."""

    regimen: str
    n_fractions: int
    dose_per_fraction_gy: Finite
    course_days: Finite
    ici_start_day: Finite | None
    tumour_bed_gy: Finite
    distant: tuple[Finite, Finite, Finite]
    local: tuple[Finite, Finite, Finite]
    alc_nadir: Finite | None
    complication: Annotated[float, Field(ge=0, le=1)] | None
    better_than_present: Annotated[float, Field(ge=0, le=1)] | None
    is_present: bool
    reason: str


class DrugCourse(Part):
    """Predicted concentration of one drug and the occupancy of its target."""

    drug: str
    ici_class: str
    parameters: str
    concentration: Curve | None = None
    occupancy: Curve | None = None
    first_trough_mg_per_l: Finite | None = None
    not_computable: str = ""
    notes: tuple[str, ...] = ()


class ParameterRow(Part):
    """One knowledge entry used, with its source."""

    key: str
    value: str
    unit: str
    status: str
    mark: str
    meaning: str
    citation: str
    doi: str
    locator: str


class Assessment(Part):
    """Everything computed for one patient."""

    schema_version: Literal[1] = 1
    research_use: str = RESEARCH_USE
    patient: dict[str, Any]
    plan: PlanSummary
    checklist: tuple[ChecklistRow, ...]
    structures: tuple[StructureSummary, ...]
    immune_dose: ImmuneDose
    drugs: tuple[DrugCourse, ...]
    window: WindowAnswer
    alternatives: tuple[AlternativeRow, ...]
    alternatives_notes: tuple[str, ...]
    choices: tuple[RegimenChoice, ...]
    choices_verdict: str
    choices_notes: tuple[str, ...]
    toxicity: ToxicitySummary
    risks: tuple[Risk, ...]
    risks_not_computable: tuple[NotComputable, ...]
    risk_anchors: tuple[NotComputable, ...]
    scores: tuple[Score, ...]
    trials: tuple[TrialRow, ...]
    evidence: tuple[EvidenceSummary, ...]
    parameters: tuple[ParameterRow, ...]
    notes: tuple[str, ...]
    manifest: Manifest
