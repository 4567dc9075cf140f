"""A calibration problem as PEtab version 1: model, conditions, observables, data and parameters in one folder."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import sympy as sp

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.equations.symbolic import substitute, symbol
from abscopal.interchange.extra import petab
from abscopal.interchange.sbml_write import write_sbml
from abscopal.simulation.events import Event, argument_vector, checked_events, regimen_events

Scale = Literal["lin", "log", "log10"]
COLUMNS = ("arm", "observable", "day", "value")


@dataclass(frozen=True)
class Estimated:
    """A parameter to estimate.

    Attributes
    ----------
    low, high : float
        Bounds, in the parameter's unit.
    scale : {"lin", "log", "log10"}
        On which it is searched.
    prior : tuple of float, optional
        Mean and standard deviation of a normal prior on that scale.
    """

    low: float
    high: float
    scale: Scale = "log10"
    prior: tuple[float, float] | None = None


@dataclass(frozen=True)
class Observable:
    """What is measured.

    Attributes
    ----------
    of : str
        A state or quantity of the model.
    noise : float or str
        Standard deviation on the scale of the data, or the name of a parameter to estimate.
    scale : {"lin", "log", "log10"}
        On which the noise is normal.
    """

    of: str
    noise: float | str
    scale: Scale = "lin"


def write_petab(
    folder: Path,
    model: Model,
    arms: Mapping[str, Regimen | Sequence[Event]],
    measurements: pd.DataFrame,
    observables: Mapping[str, Observable],
    estimated: Mapping[str, Estimated],
    *,
    horizon: float = 365.0,
) -> Path:
    """Write a PEtab problem and return the path of its YAML file.

    The SBML model holds every impulse of every arm; the condition table sets the arguments of those an arm does not
    have to zero, so such an impulse must then change nothing.

    Parameters
    ----------
    folder : Path
        Created if need be.
    model : Model
    arms : mapping of str to Regimen or sequence of Event
    measurements : DataFrame
        Columns arm, observable, day [day] and value.
    observables : mapping of str to Observable
    estimated : mapping of str to Estimated
        Parameters of the model, or of the noise.
    horizon : float
        [day]

    Raises
    ------
    InputError
        An unknown arm, observable, parameter or column; an impulse that acts without its arguments; what the PEtab
        library finds wrong.
    UnsupportedError
        Without the extra `interchange`.
    """
    library = petab()
    _check(model, arms, measurements, observables, estimated)
    events = {arm: _events(model, course, horizon) for arm, course in arms.items()}
    union = _union(events)
    for event in union:
        _require_neutral(model, event.impulse)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.xml").write_text(write_sbml(model, union, horizon=horizon), encoding="utf-8")
    rows = [_condition(model, arm, own, union) for arm, own in events.items()]
    tables = {
        "conditions": pd.DataFrame(rows),
        "observables": pd.DataFrame([_observable(name, one) for name, one in observables.items()]),
        "measurements": pd.DataFrame(
            {
                "observableId": measurements["observable"],
                "simulationConditionId": measurements["arm"],
                "measurement": measurements["value"],
                "time": measurements["day"],
            }
        ),
        "parameters": pd.DataFrame([_parameter(model, name, one) for name, one in estimated.items()]),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    path = folder / "problem.yaml"
    library.create_problem_yaml(
        sbml_files=folder / "model.xml",
        condition_files=folder / "conditions.tsv",
        measurement_files=folder / "measurements.tsv",
        parameter_file=folder / "parameters.tsv",
        observable_files=folder / "observables.tsv",
        yaml_file=path,
    )
    require_lint(library.Problem.from_yaml(path))
    return path


def require_lint(problem: Any) -> None:
    """Refuse a problem that the PEtab library finds wrong, with what it says of each table."""
    with _Complaints() as complaints:
        is_wrong = petab().lint_problem(problem)
    if is_wrong:
        raise InputError(
            doing="checking a PEtab problem",
            found="; ".join(complaints.said)[:600] or "a problem that petablint refuses",
            expected="tables that fit the model and each other",
            try_="petablint problem.yaml",
        )


class _Complaints(logging.Handler):
    """Keeps what the PEtab library reports as wrong, in place of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def __enter__(self) -> Self:
        self.log = logging.getLogger("petab")
        self.before = (self.log.handlers, self.log.propagate)
        self.log.handlers, self.log.propagate = [self], False
        return self

    def __exit__(self, *_: object) -> None:
        self.log.handlers, self.log.propagate = self.before

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.said.append(" ".join(record.getMessage().split()))


def _check(
    model: Model,
    arms: Mapping[str, object],
    measurements: pd.DataFrame,
    observables: Mapping[str, Observable],
    estimated: Mapping[str, Estimated],
) -> None:
    doing = "writing a PEtab problem"
    for column in COLUMNS:
        if column not in measurements.columns:
            raise unknown_name(f"{doing}: a column of the measurements", column, [str(c) for c in measurements.columns])
    for column, known in (("arm", arms), ("observable", observables)):
        for name in measurements[column].unique():
            if name not in known:
                raise unknown_name(f"{doing}: the {column} of a measurement", str(name), list(known))
    names = [piece.name for piece in (*model.states, *model.quantities)]
    noises = [str(one.noise) for one in observables.values() if isinstance(one.noise, str)]
    for one in observables.values():
        if one.of not in names:
            raise unknown_name(f"{doing}: an observable", one.of, names)
    known_parameters = [*(parameter.name for parameter in model.parameters), *noises]
    for name in estimated:
        if name not in known_parameters:
            raise unknown_name(f"{doing}: a parameter to estimate", name, known_parameters)


def _events(model: Model, course: Regimen | Sequence[Event], horizon: float) -> list[Event]:
    listed = regimen_events(model, course) if isinstance(course, Regimen) else course
    return checked_events(model, listed, 0.0, horizon)


def _union(events: Mapping[str, Sequence[Event]]) -> list[Event]:
    """Every impulse and day once, as often as the arm that has it most, with no arguments."""
    found: dict[tuple[float, str, int], Event] = {}
    for own in events.values():
        for key, event in _numbered(own).items():
            found.setdefault(key, Event(event.day, event.impulse))
    return sorted(found.values(), key=lambda event: event.day)


def _numbered(events: Sequence[Event]) -> dict[tuple[float, str, int], Event]:
    found: dict[tuple[float, str, int], Event] = {}
    for event in events:
        count = sum(key[:2] == (event.day, event.impulse) for key in found)
        found[event.day, event.impulse, count] = event
    return found


def _require_neutral(model: Model, impulse: str) -> None:
    zeros = {symbol(a.name): sp.Integer(0) for a in model.impulse(impulse).arguments}
    dummy: Any = sp.Dummy
    for update in model.updates:
        if update.impulse != impulse or model.impulse(impulse).every:
            continue
        left: Any = substitute(update.expression, zeros) - symbol(update.state)
        # states and parameters are positive: without that Min(0, dT) and a power of zero would stay as they are
        left = left.xreplace({one: dummy(one.name, positive=True) for one in left.free_symbols})
        if left.equals(0) is not True:
            raise InputError(
                doing="writing arms as conditions of one PEtab model",
                found=f"the impulse {impulse!r}, which changes {update.state} even without its arguments",
                expected="impulses that do nothing when their arguments are zero",
                try_="one problem per arm",
            )


def _condition(model: Model, arm: str, own: Sequence[Event], union: Sequence[Event]) -> dict[str, object]:
    row: dict[str, object] = {"conditionId": arm}
    mine = _numbered(own)
    for place, (key, event) in enumerate(_numbered(union).items(), start=1):
        names = [argument.name for argument in model.impulse(event.impulse).arguments]
        values = argument_vector(model, mine[key]) if key in mine else [0.0] * len(names)
        row |= {f"event_{place}_{name}": value for name, value in zip(names, values, strict=True)}
    return row


def _observable(name: str, one: Observable) -> dict[str, object]:
    return {
        "observableId": name,
        "observableFormula": one.of,
        "observableTransformation": one.scale,
        "noiseFormula": one.noise,
        "noiseDistribution": "normal",
    }


def _parameter(model: Model, name: str, one: Estimated) -> dict[str, object]:
    nominal = next((p.value for p in model.parameters if p.name == name), None)
    row: dict[str, object] = {
        "parameterId": name,
        "parameterScale": one.scale,
        "lowerBound": one.low,
        "upperBound": one.high,
        "nominalValue": (one.low * one.high) ** 0.5 if nominal is None else nominal,
        "estimate": 1,
    }
    if one.prior is not None:
        row |= {
            "objectivePriorType": "parameterScaleNormal",
            "objectivePriorParameters": f"{one.prior[0]!r};{one.prior[1]!r}",
        }
    return row
