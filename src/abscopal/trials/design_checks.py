"""What makes a virtual trial impossible: each check names the place in the design and the reason."""

from collections import Counter
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.trials.design_parts import COVARIATES, RATES, SHEET, Arm, Ici, fraction_days, ici_days

if TYPE_CHECKING:
    from abscopal.trials.design import TrialDesign

SMALLEST_ARM = 5
"""Patients expected of an arm below which there is nothing to analyse."""


def check_design(design: "TrialDesign") -> None:
    """Refuse a design that cannot be.

    Raises
    ------
    ValueError
        The place in the design and the reason.
    """
    _check_names(design)
    for place, arm in enumerate(design.arms):
        _check_days(design, place, arm)
        _check_doses(place, arm)
    _check_overlap(design.arms)
    _check_sizes(design)
    _check_looks(design)
    if design.randomisation.at == "RTend" and any(arm.radiation is None for arm in design.arms):
        raise ValueError("randomisation.at: RTend needs radiation in both arms" if len(design.arms) == 2
                         else "randomisation.at: RTend needs radiation in all arms")  # fmt: skip


def _check_names(design: "TrialDesign") -> None:
    presets = list(load(SHEET).table("presets")["preset"])
    if design.population.preset not in presets:
        raise ValueError(f"population.preset: {_unknown(design.population.preset, presets)}")
    arms = [arm.name for arm in design.arms]
    if design.analysis.control and design.analysis.control not in arms:
        raise ValueError(f"analysis.control: {_unknown(design.analysis.control, arms)}")
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


def _check_days(design: "TrialDesign", place: int, arm: Arm) -> None:
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


def _check_overlap(arms: tuple[Arm, ...]) -> None:
    """Each arm has a name of its own and gives something that no other gives."""
    for (one, first), (two, second) in combinations(enumerate(arms), 2):
        if first.name == second.name:
            raise ValueError(f"arms[{two}].name: '{second.name}' is also the name of arms[{one}]")
        same = [arm.model_dump(exclude={"name", "allocation"}) for arm in (first, second)]
        if same[0] == same[1]:
            raise ValueError(f"arms[{two}]: gives exactly what arms[{one}] gives; write different treatments")


def _check_doses(place: int, arm: Arm) -> None:
    given = Counter((drug, day) for block in arm.ici for drug in block.ici_class.split("+")
                    for day in _block_days(arm, block))  # fmt: skip
    twice = [f"{drug} on day {day:g}" for (drug, day), times in given.items() if times > 1]
    if twice:
        raise ValueError(f"arms[{place}].ici: two blocks give the same drug on the same day ({twice[0]})")


def _check_sizes(design: "TrialDesign") -> None:
    total = sum(arm.allocation for arm in design.arms)
    for place, arm in enumerate(design.arms):
        own = design.population.n * arm.allocation / total
        if own < SMALLEST_ARM:
            raise ValueError(
                f"arms[{place}].allocation: {own:.1f} of {design.population.n} patients; an arm needs {SMALLEST_ARM}"
            )


def _check_looks(design: "TrialDesign") -> None:
    looks = design.analysis.interim
    if not looks:
        return
    if design.analysis.endpoint in RATES:
        raise ValueError(f"analysis.interim: {design.analysis.endpoint} is a rate; looks are for times to an event")
    if design.analysis.events is None:
        raise ValueError("analysis.interim: the information at a look is a share of analysis.events, which is missing")
    for place, (before, look) in enumerate(pairwise(looks), start=1):
        if look.information <= before.information:
            raise ValueError(
                f"analysis.interim[{place}].information: {look.information:g} is not after {before.information:g}"
            )
    for place, look in enumerate(looks):
        if not (look.efficacy or look.futility_hr or look.futility_power):
            raise ValueError(f"analysis.interim[{place}]: stops nothing; give efficacy, futility_hr or futility_power")


def _block_days(arm: Arm, block: Ici) -> list[float]:
    return ici_days(arm.model_copy(update={"ici": (block,)}))
