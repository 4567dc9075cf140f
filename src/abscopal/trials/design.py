"""A virtual trial as a person writes it in TOML, checked once at the edge."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load

SHEET = "trials/virtual"
Target = Literal["tumour", "involved", "elective"]
Anchor = Literal["RTstart", "RTend"]
IciClass = Literal["anti-PD-1", "anti-PD-L1", "anti-CTLA-4", "anti-PD-1+anti-CTLA-4", "anti-PD-L1+anti-CTLA-4"]
EndPoint = Literal["PFS", "OS", "EFS", "ORR", "abscopal ORR", "pCR"]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_LARGEST_FILE = 200_000
COVARIATES = ("pd_l1", "tumour_volume", "lymphocytes", "growth")
"""What differs between virtual patients and may limit eligibility, each relative to a population median of 1."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Covariate(_Part):
    """Distribution of one covariate: log-normal about a median, both relative to the population's own."""

    median: Positive = 1.0
    sd_log: Annotated[float, Field(ge=0, le=2)] = 0.4


class Population(_Part):
    """Who is randomised.

    Attributes
    ----------
    preset : str
        Clinical setting, a row of `trials/virtual:presets`.
    n : int
        Randomised patients, all arms. [patients]
    diagnosis_day : float
        On the clock whose day 0 is the first fraction; nothing can be given before it. [day]
    eligibility : dict
        Range of a covariate for entry. [1]
    covariates : dict
        Distributions that replace the package's. [1]
    """

    preset: str
    n: Annotated[int, Field(ge=20, le=20_000)]
    diagnosis_day: Annotated[float, Field(le=0, ge=-3650)] = -120.0
    eligibility: dict[str, tuple[float, float]] = Field(default_factory=dict)
    covariates: dict[str, Covariate] = Field(default_factory=dict)


class Radiation(_Part):
    """Fractions from Monday to Friday.

    Attributes
    ----------
    dose_per_fraction : float
        [Gy]
    start_day : float
        [day]
    target : {"tumour", "involved", "elective"}
        What the fields cover; sets the dose to draining nodes and the blood in the field.
    """

    dose_per_fraction: Annotated[float, Field(gt=0, le=40)]
    fractions: Annotated[int, Field(ge=1, le=80)]
    target: Target = "involved"
    start_day: float = 0.0

    @property
    def days(self) -> tuple[float, ...]:
        """Day of each fraction. [day]."""
        week = int(load(SHEET)["fractions_per_week"])
        return tuple(self.start_day + k + (7 - week) * (k // week) for k in range(self.fractions))


class Ici(_Part):
    """Doses at equal intervals, the first counted from the first or the last fraction.

    Attributes
    ----------
    offset_days : float
        Of the first dose after (before, if negative) the anchor. [day]
    interval_days : float
        [day]
    """

    ici_class: IciClass
    anchor: Anchor = "RTstart"
    offset_days: float = 0.0
    doses: Annotated[int, Field(ge=1, le=100)] = 12
    interval_days: Positive = 21.0


class Arm(_Part):
    """One treatment. `radiation` and `ici` may be left out."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    allocation: Positive = 1.0
    radiation: Radiation | None = None
    chemo: str = "none"
    ici: tuple[Ici, ...] = ()


class Randomisation(_Part):
    """When patients are randomised.

    Attributes
    ----------
    at : {"RTstart", "RTend"}
        `RTend` selects those alive without progression `gap_days` after the last fraction: the
        landmark of consolidation trials.
    gap_days : float
        [day]
    """

    at: Anchor = "RTstart"
    gap_days: Annotated[float, Field(ge=0, le=365)] = 21.0
    block: Annotated[int, Field(ge=1, le=100)] = 4


class Accrual(_Part):
    """Patients enter evenly over `months`; those still followed leave at a rate of `dropout_per_month`."""

    months: Positive = 24.0
    dropout_per_month: Share = 0.003


class Assessment(_Part):
    """How progression is seen: every `interval_months`, by hazard or on the simulated lesions (RECIST)."""

    interval_months: Positive = 2.0
    progression: Literal["hazard", "RECIST"] = "hazard"


class Interim(_Part):
    """A look at a share of the planned events.

    Attributes
    ----------
    information : float
        Share of the final number of events. [1]
    futility_hr : float, optional
        Stop if the hazard ratio is at or above this. [1]
    efficacy : bool
        Stop for efficacy beyond an O'Brien-Fleming boundary of that look.
    """

    information: Annotated[float, Field(gt=0, lt=1)]
    futility_hr: Positive | None = None
    efficacy: bool = False


class Analysis(_Part):
    """The primary comparison of the last arm with the first.

    Attributes
    ----------
    endpoint : str
        PFS, EFS, OS, ORR, abscopal ORR or pCR.
    alpha : float
        Two-sided. [1]
    events : int, optional
        Of a time to event: data are cut when so many have been seen.
    follow_up_months : float
        After the last patient entered; the cut if `events` is not reached or not given. [month]
    landmark_months, rmst_months : float
        [month]
    pcr_month : float
        Month of surgery or of judging a complete response, after the first fraction. [month]
    """

    endpoint: EndPoint = "PFS"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    events: Annotated[int, Field(ge=5)] | None = None
    follow_up_months: Positive = 24.0
    landmark_months: Positive = 24.0
    rmst_months: Positive = 36.0
    pcr_month: Positive = 3.5
    interim: tuple[Interim, ...] = ()


class TrialDesign(_Part):
    """A two-arm virtual trial; see `examples/trials` for whole files.

    Attributes
    ----------
    treatment_window : tuple of float
        First and last day on which a fraction may be given. [day]
    """

    title: str = ""
    population: Population
    arms: tuple[Arm, Arm]
    randomisation: Randomisation = Randomisation()
    accrual: Accrual = Accrual()
    assessment: Assessment = Assessment()
    analysis: Analysis = Analysis()
    treatment_window: tuple[float, float] = (-120.0, 180.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _check_names(self)
        for place, arm in enumerate(self.arms):
            _check_days(self, place, arm)
        _check_overlap(self.arms)
        if self.randomisation.at == "RTend" and any(arm.radiation is None for arm in self.arms):
            raise ValueError("randomisation.at: RTend needs radiation in both arms")
        return self

    @property
    def origin(self) -> float:
        """Day from which survival is counted before any landmark: the first treatment of either arm. [day]."""
        return min([0.0, *(day for arm in self.arms for day in (*fraction_days(arm), *ici_days(arm)[:1]))])

    @property
    def landmark(self) -> float:
        """Day of randomisation: `origin`, or after RT in a consolidation design. [day]."""
        if self.randomisation.at == "RTstart":
            return self.origin
        return max(fraction_days(arm)[-1] for arm in self.arms) + self.randomisation.gap_days


def preset_number(preset: str, column: str) -> float:
    """One number of a clinical setting, in the unit of its column in `trials/virtual:presets`."""
    table = load(SHEET).table("presets")
    return float(table.loc[table["preset"] == preset, column].to_numpy(float)[0])


def fraction_days(arm: Arm) -> tuple[float, ...]:
    """Days of the fractions of an arm. [day]."""
    return () if arm.radiation is None else arm.radiation.days


def ici_days(arm: Arm) -> list[float]:
    """Days of all ICI doses of an arm, ascending. [day]."""
    days = fraction_days(arm) or (0.0,)
    return sorted(
        (days[0] if block.anchor == "RTstart" else days[-1]) + block.offset_days + k * block.interval_days
        for block in arm.ici
        for k in range(block.doses)
    )


def _check_names(design: TrialDesign) -> None:
    presets = list(load(SHEET).table("presets")["preset"])
    if design.population.preset not in presets:
        raise ValueError(f"population.preset: {_unknown(design.population.preset, presets)}")
    drugs = list(load(SHEET).table("chemo")["drug"])
    for place, arm in enumerate(design.arms):
        if arm.chemo not in drugs:
            raise ValueError(f"arms[{place}].chemo: {_unknown(arm.chemo, drugs)}")
    for section in ("eligibility", "covariates"):
        for name in getattr(design.population, section):
            if name not in COVARIATES:
                raise ValueError(f"population.{section}: {_unknown(name, list(COVARIATES))}")
    for name, (low, high) in design.population.eligibility.items():
        if not low < high:
            raise ValueError(f"population.eligibility.{name}: {low:g} to {high:g} lets nobody in")


def _unknown(name: str, known: list[str]) -> str:
    error = unknown_name("reading a trial design", name, known)
    return f"{error.found}; {error.expected}. Try {error.try_}"


def _check_days(design: TrialDesign, place: int, arm: Arm) -> None:
    low, high = design.treatment_window
    outside = [day for day in fraction_days(arm) if not low <= day <= high]
    if outside:
        raise ValueError(
            f"arms[{place}].radiation: fraction on day {outside[0]:g} outside the treatment window {low:g} to {high:g}"
        )
    early = [day for day in ici_days(arm) if day < design.population.diagnosis_day]
    if early:
        raise ValueError(
            f"arms[{place}].ici: dose on day {early[0]:g} before the diagnosis on day "
            f"{design.population.diagnosis_day:g}"
        )


def _check_overlap(arms: tuple[Arm, Arm]) -> None:
    if arms[0].name == arms[1].name:
        raise ValueError(f"arms[1].name: '{arms[1].name}' is also the name of arms[0]")
    same = [arm.model_dump(exclude={"name", "allocation"}) for arm in arms]
    if same[0] == same[1]:
        raise ValueError("arms[1]: gives exactly what arms[0] gives; write two different treatments")
    for place, arm in enumerate(arms):
        starts = [(block.ici_class, day) for block in arm.ici for day in _block_days(arm, block)]
        if len(set(starts)) < len(starts):
            raise ValueError(f"arms[{place}].ici: two blocks give the same drug on the same day")


def _block_days(arm: Arm, block: Ici) -> list[float]:
    return ici_days(arm.model_copy(update={"ici": (block,)}))


def read_design(path: Path) -> TrialDesign:
    """The design in a TOML file.

    Raises
    ------
    InputError
        Not TOML, too large, an unknown key, or a design that cannot be: the place in the file and the reason.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise _refused(path.name, f"{path.stat().st_size} bytes", f"at most {_LARGEST_FILE}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise _refused(path.name, str(exc).splitlines()[0], "TOML in UTF-8") from exc
    return parse_design(content, path.name)


def parse_design(content: dict[str, object], name: str = "design") -> TrialDesign:
    """The design in a mapping, as from TOML or JSON."""
    try:
        return TrialDesign.model_validate(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        message = first["msg"].removeprefix("Value error, ")
        found = f"{where}: {message}" if where else message
        more = f" (and {len(exc.errors()) - 1} more)" if len(exc.errors()) > 1 else ""
        raise _refused(name, found + more, "a design as in examples/trials") from exc


def _refused(name: str, found: str, expected: str) -> InputError:
    return InputError(
        doing=f"reading the trial design {name}", found=found, expected=expected,
        try_="`abscopal trials simulate --example` for a whole file",
    )  # fmt: skip


def months(days: float) -> float:
    """Days as months of 30.4375 days."""
    return days / DAYS_PER_MONTH


DAYS_PER_MONTH = 30.4375


def planned_events(design: TrialDesign) -> float:
    """Events at which data are cut; infinite without a rule. [patients]."""
    return math.inf if design.analysis.events is None else float(design.analysis.events)
