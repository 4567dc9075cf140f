"""Reading PEtab version 1: tables that fit each other and a model that the compiled kernels solve."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pandas as pd

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.equations.model import Model
from abscopal.equations.pieces import Quantity
from abscopal.equations.symbolic import symbol
from abscopal.interchange.extra import petab, yaml
from abscopal.interchange.petab_objective import Datum, PetabProblem, Unknown
from abscopal.interchange.petab_write import require_lint
from abscopal.interchange.sbml_read import read_sbml
from abscopal.interchange.timed import timed

_KEYS = ("sbml_files", "condition_files", "measurement_files", "observable_files")
_LARGEST = 64 * 2**20
_NORMAL = {"parameterScaleNormal": True, "normal": False}
_MISFITS = (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, AssertionError)
"""What the libraries raise at tables that are not what they should be."""
_Read = TypeVar("_Read")
_FLAT = ("", "parameterScaleUniform", "uniform")


def read_petab(path: Path) -> PetabProblem:
    """Read a PEtab version 1 problem.

    Parameters
    ----------
    path : Path
        Of its YAML file; the other files lie in the same folder or below.

    Raises
    ------
    InputError
        Files elsewhere, too large or missing; tables that the PEtab library refuses.
    UnsupportedError
        What `docs/interchange.md` lists, by name.
    """
    model_file = _checked_files(path)
    try:
        problem = petab().Problem.from_yaml(path)
        _require_known_ids(problem, path)
        require_lint(problem)
        return _problem(problem, path.parent / model_file)
    except _MISFITS as exc:
        raise _wrong(path.name, f"a table that cannot be read: {str(exc)[:200]}") from exc


def _problem(problem: Any, model_file: Path) -> PetabProblem:
    made = timed(read_sbml(model_file).model)
    if made is None:
        raise _unsupported("an SBML model with conditions on states or with delays")
    table = problem.parameter_df
    fixed = table[table["estimate"] == 0]["nominalValue"]
    unknowns = tuple(
        _row("parameters", place, lambda name=name, row=row: _unknown(str(name), row))  # type: ignore[misc]
        for place, (name, row) in enumerate(table.iterrows())
        if row["estimate"] == 1
    )
    fixed_values = {str(name): float(value) for name, value in fixed.items()}
    known = {*fixed_values, *(unknown.name for unknown in unknowns)}
    return PetabProblem(
        model=_with_observables(made[0], problem.observable_df),
        events=made[1],
        conditions=_conditions(problem.condition_df, made[0]),
        observables={str(name): _text_of(row, "observableTransformation") or "lin"
                     for name, row in problem.observable_df.iterrows()},
        data=tuple(
            _row("measurements", place, lambda row=row: _datum(row, problem.observable_df, known))  # type: ignore[misc]
            for place, (_, row) in enumerate(problem.measurement_df.iterrows())
        ),
        unknowns=unknowns,
        fixed=fixed_values,
    )  # fmt: skip


def _row(table: str, place: int, read: Callable[[], _Read]) -> _Read:
    """What is read of a row, or a refusal with its line."""
    try:
        return read()
    except _MISFITS as exc:
        raise InputError(
            doing=f"reading line {place + 2} of the {table}", found=str(exc)[:160],
            expected="numbers and identifiers as PEtab asks for them", try_="correcting that line",
        ) from exc  # fmt: skip


def _checked_files(path: Path) -> str:
    """The model's file; every file named is one of its own folder, and small enough to read."""
    library = yaml()
    try:
        content = library.safe_load(_text(path))
        (problem,) = content["problems"]
        (model_file,) = problem["sbml_files"]
        names = [content["parameter_file"], *(name for key in _KEYS for name in problem[key])]
    except (library.YAMLError, KeyError, TypeError, ValueError) as exc:
        raise _wrong(path.name, f"no list of the files of one problem ({type(exc).__name__})") from exc
    for name in names:
        inside = isinstance(name, str) and not (PurePosixPath(name).is_absolute() or ".." in Path(name).parts)
        if not inside or ":" in name:
            raise _wrong(path.name, f"the file {str(name)[:80]!r}, which is not in its folder")
        _text(path.parent / name)
    return str(model_file)


def _require_known_ids(problem: Any, path: Path) -> None:
    """Refuse identifiers of the measurements that no other table has, with file and line.

    The library says that a table does not fit; it does not say in which line.
    """
    if problem.measurement_df is None or problem.observable_df is None or problem.condition_df is None:
        return
    tables = (
        ("observableId", problem.observable_df.index), ("simulationConditionId", problem.condition_df.index),
        ("preequilibrationConditionId", problem.condition_df.index),
    )  # fmt: skip
    name = yaml().safe_load(_text(path))["problems"][0]["measurement_files"][0]
    for k, (_, row) in enumerate(problem.measurement_df.iterrows()):
        for column, known in tables:
            found = _text_of(row, column)
            if found and found not in known:
                raise InputError(
                    doing=f"reading line {k + 2} of {name}", found=f"the unknown {column} {found[:80]!r}",
                    expected=" or ".join(map(str, known[:8])), try_="correcting that line",
                )  # fmt: skip


def _text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise _wrong(path.name, "no such file" if not path.is_file() else "a file that is too large")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise _wrong(path.name, "bytes that are not UTF-8") from exc


def _text_of(row: Any, column: str) -> str:
    """A cell as text; empty where there is none."""
    value = row.get(column)
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - a missing cell is NaN


def _number_or_name(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _unknown(name: str, row: "pd.Series[Any]") -> Unknown:
    kind, prior = _text_of(row, "objectivePriorType"), None
    if kind in _NORMAL:
        mean, sd = (float(part) for part in _text_of(row, "objectivePriorParameters").split(";"))
        prior = (_NORMAL[kind], mean, sd)
    elif kind not in _FLAT:
        raise _unsupported(f"a prior of the kind {kind!r} on {name}")
    low, high = float(row["lowerBound"]), float(row["upperBound"])
    nominal = _text_of(row, "nominalValue")
    return Unknown(
        name, str(row["parameterScale"]), float(nominal) if nominal else 0.5 * (low + high), low, high, prior
    )


def _conditions(table: pd.DataFrame, model: Model) -> dict[str, dict[str, str | float]]:
    own = {parameter.name for parameter in model.parameters}
    columns = [str(column) for column in table.columns if column != "conditionName"]
    for name in columns:
        if name not in own:
            raise _unsupported(f"a condition that sets {name!r}, which is not a parameter of the model")
    return {
        str(arm): {name: _number_or_name(str(row[name])) for name in columns if _text_of(row, name)}
        for arm, row in table.iterrows()
    }


def _datum(row: "pd.Series[Any]", observables: pd.DataFrame, known: set[str]) -> Datum:
    name, time = str(row["observableId"]), float(row["time"])
    if _text_of(row, "preequilibrationConditionId"):
        raise _unsupported("preequilibration")
    if not math.isfinite(time):
        raise _unsupported("a measurement at steady state")
    observable = observables.loc[name]
    if (kind := _text_of(observable, "noiseDistribution") or "normal") != "normal":
        raise _unsupported(f"noise of the kind {kind!r}")
    formula = _text_of(observable, "noiseFormula")
    noise = _number_or_name(_text_of(row, "noiseParameters") if formula == f"noiseParameter1_{name}" else formula)
    if isinstance(noise, str) and noise not in known:
        raise _unsupported(f"the noise formula {formula!r} of {name}")
    return Datum(str(row["simulationConditionId"]), name, time, float(row["measurement"]), noise)


def _with_observables(model: Model, table: pd.DataFrame) -> Model:
    known = {piece.name: symbol(piece.name) for piece in (*model.states, *model.quantities, *model.parameters)}
    made = []
    for name, row in table.iterrows():
        parsed: Any = petab().math.sympify_petab(str(row["observableFormula"]))
        for used in parsed.free_symbols:
            if str(used) not in known:
                raise _unsupported(f"{str(used)!r} in the formula of {name}")
        formula = parsed.xreplace({used: known[str(used)] for used in parsed.free_symbols})
        made.append(Quantity(str(name), "1", f"observable {name}", formula, discontinuous=True))
    return replace(model, pieces=replace(model.pieces, quantities=(*model.pieces.quantities, *made)))


def _wrong(name: str, found: str) -> InputError:
    return InputError(
        doing=f"reading the PEtab problem {name}",
        found=found,
        expected="a PEtab version 1 problem with its files beside it",
        try_="petablint, which comes with the extra 'interchange'",
    )


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(
        doing="reading a PEtab problem",
        found=what,
        expected="what docs/interchange.md lists",
        try_="a problem without it",
    )
