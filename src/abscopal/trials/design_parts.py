"""The parts of a virtual trial's design, each checked by itself."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from abscopal.knowledge.load import load

SHEET = "trials/virtual"
Target = Literal["tumour", "involved", "elective"]
Anchor = Literal["RTstart", "RTend"]
IciClass = Literal["anti-PD-1", "anti-PD-L1", "anti-CTLA-4", "anti-PD-1+anti-CTLA-4", "anti-PD-L1+anti-CTLA-4"]
EndPoint = Literal["PFS", "OS", "EFS", "ORR", "abscopal ORR", "pCR"]
Spending = Literal["O'Brien-Fleming", "Pocock"]
RATES = {"ORR", "abscopal ORR", "pCR"}
"""End points that are a share of patients; the others are times to an event."""
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, le=10_000)]
Day = Annotated[float, Field(ge=-3650, le=3650)]


COVARIATES = ("pd_l1", "tumour_volume", "lymphocytes", "growth")
"""What differs between virtual patients and may limit eligibility, each relative to a population median of 1."""


class Part(BaseModel):
    """A part of a design: fixed once read, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Covariate(Part):
    """Distribution of one covariate: log-normal about a median, both relative to the population's own."""

    median: Positive = 1.0
    sd_log: Annotated[float, Field(ge=0, le=2)] = 0.4


class Population(Part):
    """Who is randomised.

    Attributes
    ----------
    preset : str
        Clinical setting of `immune/diseases:settings`.
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


class Radiation(Part):
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
    start_day: Day = 0.0

    @property
    def days(self) -> tuple[float, ...]:
        """Day of each fraction. [day]."""
        week = int(load(SHEET)["fractions_per_week"])
        return tuple(self.start_day + k + (7 - week) * (k // week) for k in range(self.fractions))


class Ici(Part):
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
    offset_days: Day = 0.0
    doses: Annotated[int, Field(ge=1, le=100)] = 12
    interval_days: Positive = 21.0


class Arm(Part):
    """One treatment. `radiation` and `ici` may be left out; patients are dealt in the ratio of the `allocation`s."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    allocation: Positive = 1.0
    radiation: Radiation | None = None
    chemo: str = "none"
    ici: tuple[Ici, ...] = ()


class Randomisation(Part):
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


class Accrual(Part):
    """Patients enter evenly over `months`; those still followed leave at a rate of `dropout_per_month`."""

    months: Positive = 24.0
    dropout_per_month: Share = 0.003


class Assessment(Part):
    """How progression is seen: every `interval_months`, by hazard or on the simulated lesions (RECIST)."""

    interval_months: Positive = 2.0
    progression: Literal["hazard", "RECIST"] = "hazard"


class Interim(Part):
    """A look at a share of the planned events.

    Attributes
    ----------
    information : float
        Share of the final number of events. [1]
    futility_hr : float, optional
        Stop if the hazard ratio is at or above this. [1]
    futility_power : float, optional
        Stop if the conditional power under the effect seen so far is below this. [1]
    efficacy : bool
        Stop for efficacy at the bound that `spending` leaves for this look.
    """

    information: Annotated[float, Field(gt=0, lt=1)]
    futility_hr: Positive | None = None
    futility_power: Annotated[float, Field(gt=0, lt=1)] | None = None
    efficacy: bool = False


class Analysis(Part):
    """The primary comparison of every other arm with the control.

    Attributes
    ----------
    endpoint : str
        PFS, EFS, OS, ORR, abscopal ORR or pCR.
    control : str
        Name of the arm that the others are compared with; the first unless given.
    alpha : float
        Two-sided. [1]
    multiplicity : {"Bonferroni", "none"}
        How several comparisons share alpha.
    spending : {"O'Brien-Fleming", "Pocock"}
        How looks for efficacy share alpha: the spending functions of Lan and DeMets of these types.
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
    control: str = ""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    multiplicity: Literal["Bonferroni", "none"] = "Bonferroni"
    spending: Spending = "O'Brien-Fleming"
    events: Annotated[int, Field(ge=5)] | None = None
    follow_up_months: Positive = 24.0
    landmark_months: Positive = 24.0
    rmst_months: Positive = 36.0
    pcr_month: Positive = 3.5
    interim: tuple[Interim, ...] = ()


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
