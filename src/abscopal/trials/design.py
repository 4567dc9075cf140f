"""A virtual trial as a person writes it in TOML, checked once at the edge."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.trials.design_checks import check_design
from abscopal.trials.design_parts import (
    SHEET,
    Accrual,
    Analysis,
    Arm,
    Assessment,
    Part,
    Population,
    Randomisation,
    fraction_days,
    ici_days,
)

_LARGEST_FILE = 200_000
MOST_ARMS = 6


class TrialDesign(Part):
    """A virtual trial of two or more arms; see `examples/trials` for whole files.

    Attributes
    ----------
    treatment_window : tuple of float
        First and last day on which a fraction may be given. [day]
    """

    title: str = ""
    population: Population
    arms: Annotated[tuple[Arm, ...], Field(min_length=2, max_length=MOST_ARMS)]
    randomisation: Randomisation = Randomisation()
    accrual: Accrual = Accrual()
    assessment: Assessment = Assessment()
    analysis: Analysis = Analysis()
    treatment_window: tuple[float, float] = (-120.0, 180.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_design(self)
        return self

    @property
    def compared(self) -> tuple[Arm, ...]:
        """All arms, the control first."""
        control = self.analysis.control or self.arms[0].name
        return tuple(sorted(self.arms, key=lambda arm: arm.name != control))

    @property
    def control(self) -> Arm:
        """The arm that the others are compared with."""
        return self.compared[0]

    @property
    def tested(self) -> tuple[Arm, ...]:
        """The arms compared with the control, in the order of the design."""
        return self.compared[1:]

    @property
    def origin(self) -> float:
        """Day from which survival is counted before any landmark: the first treatment of any arm. [day]."""
        return min([0.0, *(day for arm in self.arms for day in (*fraction_days(arm), *ici_days(arm)[:1]))])

    @property
    def landmark(self) -> float:
        """Day of randomisation: `origin`, or after RT in a consolidation design. [day]."""
        if self.randomisation.at == "RTstart":
            return self.origin
        return max(fraction_days(arm)[-1] for arm in self.arms) + self.randomisation.gap_days


def preset_number(preset: str, column: str) -> float:
    """Control-arm survival of a clinical setting, in the unit of its column in `trials/virtual:presets`."""
    table = load(SHEET).table("presets")
    return float(table.loc[table["preset"] == preset, column].to_numpy(float)[0])


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
