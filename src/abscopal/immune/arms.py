"""Arms of the experiments in the evidence table, run for many parameter draws in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.knowledge.load import load
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary

FloatArray = NDArray[np.float64]
EXPERIMENTS = "immune/experiments"
DRUGS = {"c1": "dose anti-PD-1", "c4": "dose anti-CTLA-4"}
TOLERANCE = 1e-5
"""Relative tolerance of the solver for arms; a log-likelihood moves by about a thousandth."""
TERCILES = (-0.967421566101701, 0.0, 0.967421566101701)
"""Middle of each third of a standard normal: three animals stand for all."""


@dataclass(frozen=True)
class Arm:
    """One group of animals.

    Attributes
    ----------
    line : str
        Tumour line.
    lesions : int
        1 or 2; the second is not irradiated.
    events : tuple of Event
        On the mouse clock. [day]
    overrides : mapping
        Parameter values of this arm, such as those of a knock-out.
    start : float
        Day of the first fraction. [day]
    """

    name: str
    line: str
    lesions: int
    events: tuple[Event, ...]
    overrides: Mapping[str, float] = field(default_factory=dict)
    start: float = 12.0


@cache
def arms() -> dict[str, Arm]:
    """Every arm of the table `immune/experiments:arms`, by name."""
    table = load(EXPERIMENTS).table("arms").fillna({"drugs": "", "options": ""})
    return {str(row["arm"]): _arm(row) for row in table.to_dict("records")}


def arm(name: str) -> Arm:
    """The arm called `name`; an unknown name answers with the close match."""
    if name not in arms():
        raise unknown_name("looking up an arm of the experiments", name, sorted(arms()))
    return arms()[name]


def single_dose_arm(like: Arm, dose: float, overrides: Mapping[str, float]) -> Arm:
    """The same animals with one fraction of another dose."""
    events = _fractions(dose, 1, 1.0, weekdays=False, start=like.start, node=0.0)
    both = {**like.overrides, **overrides}
    return Arm(f"{like.name} {dose:g} Gy {sorted(overrides)}", like.line, like.lesions, events, both, like.start)


def _arm(row: Mapping[Any, object]) -> Arm:
    settings, overrides, flags = _options(str(row["options"]))
    start = float(settings.get("start", load(EXPERIMENTS)["rt_day"]))
    dose, n, interval = float(str(row["dose"])), int(str(row["n"])), float(str(row["interval"]))
    at_node = float(settings.get("node", 0))
    apart = "node_at" in settings
    fractions = _fractions(dose, n, interval, weekdays="weekdays" in flags, start=start, node=0.0 if apart else at_node)
    if apart:
        first = start + float(settings["node_at"])
        fractions += tuple(Event(first + k, "fraction", {"d_node": at_node}) for k in range(n))
    if "other" in settings:
        low, times = settings["other"].split("x")
        fractions += tuple(Event(start + k, "fraction", {"d_1": float(low)}) for k in range(int(times)))
    events = sorted((*fractions, *_doses(str(row["drugs"]), start)), key=lambda event: event.day)
    return Arm(str(row["arm"]), str(row["line"]), int(str(row["lesions"])), tuple(events), overrides, start)


def _options(text: str) -> tuple[dict[str, str], dict[str, float], set[str]]:
    settings: dict[str, str] = {}
    overrides: dict[str, float] = {}
    flags: set[str] = set()
    for word in text.split():
        name, _, value = word.partition("=")
        if not value:
            flags.add(name)
        elif name in {"start", "node", "node_at", "other"}:
            settings[name] = value
        else:
            overrides[name] = float(value)
    return settings, overrides, flags


def _fractions(dose: float, n: int, interval: float, *, weekdays: bool, start: float, node: float) -> tuple[Event, ...]:
    days = [start + (k + 2 * (k // 5) if weekdays else k * interval) for k in range(n)]
    return tuple(Event(day, "fraction", {"d_0": dose, "d_blood": dose, "d_node": node}) for day in days)


def _doses(text: str, start: float) -> list[Event]:
    amount = load("immune/diw")["mouse_dose"]
    events = []
    for given in text.split("+") if text else []:
        drug, _, days = given.partition("@")
        argument = "mg_" + DRUGS[drug].removeprefix("dose ").replace("-", "_")
        events += [Event(start + float(day), DRUGS[drug], {argument: amount}) for day in days.split()]
    return events


@dataclass(frozen=True, eq=False)
class Courses:
    """What a set of arms did under each parameter draw.

    Attributes
    ----------
    days : array, shape (n_t,)
        Of the mouse clock. [day]
    values : mapping of output to array, shape (n_arms, n_animals, n_draws, n_t)
    least : mapping of lesion to array, shape (n_arms, n_animals, n_draws)
        Least viable volume of the whole course. [mm³]
    failed : array of bool, shape (n_draws,)
        Draws for which an arm could not be solved.
    """

    arms: tuple[Arm, ...]
    days: FloatArray
    values: dict[str, FloatArray]
    least: dict[int, FloatArray]
    failed: NDArray[np.bool_]


def run_arms(
    model: Model,
    chosen: Sequence[Arm],
    parameters: Sequence[Mapping[str, FloatArray]],
    *,
    outputs: Sequence[str],
    days: FloatArray,
    animals: Sequence[float] = TERCILES,
    threads: int | None = None,
) -> Courses:
    """Run arms for many parameter draws with one call of the solver.

    Parameters
    ----------
    model : Model
        Two lesions, the first irradiated.
    chosen : sequence of Arm, length n_arms
    parameters : sequence of mappings, length n_arms
        For each arm (of its line): values by parameter, each of shape (n_draws,).
    outputs : sequence of str
        States and quantities to report.
    days : array, shape (n_t,)
        Ascending days of the mouse clock on which to report; every arm ends on the last. [day]
    animals : sequence of float
        Standard normal numbers: how far priming of each animal lies from the median.
    threads : int, optional

    Returns
    -------
    Courses
    """
    if len(chosen) != len(parameters) or not chosen:
        raise InputError(
            doing="running the arms of experiments",
            found=f"{len(chosen)} arms and {len(parameters)} sets of parameters",
            expected="at least one arm, and one set for each",
            try_="one mapping per arm",
        )
    sheet = load(EXPERIMENTS)
    n = len(next(iter(parameters[0].values())))
    shape = (len(chosen), len(animals), n)
    table = _stacked(model, chosen, parameters, np.exp(sheet["animal_scatter"] * np.asarray(animals)), shape)
    courses = [course for one in chosen for course in [one.events] * (len(animals) * n)]
    found = simulate_many(
        model,
        courses,
        days,
        parameters=table,
        outputs=tuple(outputs),
        summaries=[Summary(f"V_{lesion}", "minimum") for lesion in (0, 1)],
        control=Control(relative=TOLERANCE),
        threads=threads,
    )
    failed = (found["status"].to_numpy() != 0).reshape(shape).any(axis=(0, 1))
    values = {name: found[name].to_numpy().reshape(*shape, len(days)) for name in outputs}
    least = {lesion: found[f"V_{lesion}_minimum"].to_numpy().reshape(shape) for lesion in (0, 1)}
    return Courses(tuple(chosen), days, values, least, failed)


def _stacked(
    model: Model,
    chosen: Sequence[Arm],
    parameters: Sequence[Mapping[str, FloatArray]],
    animal: FloatArray,
    shape: tuple[int, int, int],
) -> dict[str, FloatArray]:
    """Parameters of every animal of every arm; an arm without a second lesion has one of no volume."""
    defaults = {p.name: p.value for p in model.parameters if p.value is not None}
    names = sorted({name for values in parameters for name in values} | {n for one in chosen for n in one.overrides})
    known = {p.name for p in model.pieces.parameters}
    table: dict[str, FloatArray] = {}
    for name in [name for name in names if name in known]:
        column = np.empty(shape)
        for k, (one, values) in enumerate(zip(chosen, parameters, strict=True)):
            column[k] = one.overrides.get(name, values.get(name, defaults.get(name, 0.0)))
        table[name] = column
    table.setdefault("pT", np.full(shape, defaults["pT"]))
    table["pT"] = table["pT"] * animal[None, :, None]
    table.setdefault("V0_1", np.full(shape, defaults["V0_1"]))
    table["V0_1"] *= np.array([one.lesions == 2 for one in chosen])[:, None, None]
    return {name: column.ravel() for name, column in table.items()}
