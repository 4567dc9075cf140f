"""Parameters and initial states of many patients as checked matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model

FloatArray = NDArray[np.float64]
Values = ArrayLike | Mapping[str, ArrayLike] | None
"""One number or one per patient by name, a table with names as columns, or a whole matrix in the model's order."""


def by_name(values: Values) -> Values:
    """A table's columns as a mapping, so that they are taken by name; anything else as it is."""
    columns = getattr(values, "columns", None)
    return values if columns is None else {str(name): np.asarray(values[name]) for name in columns}  # type: ignore[index]


def number_of_patients(given: Mapping[str, int | None]) -> int:
    """The number of patients that all inputs agree on; one if none says.

    Raises
    ------
    InputError
        Two inputs for different numbers of patients, naming both.
    """
    told = {what: count for what, count in given.items() if count is not None}
    if len(set(told.values())) > 1:
        raise InputError(
            doing="counting the patients",
            found=" but ".join(f"{count} in {what}" for what, count in told.items()),
            expected="the same number everywhere",
            try_="a single value for what all patients share",
        )
    n = next(iter(told.values()), 1)
    if not n:
        raise InputError(
            doing="counting the patients",
            found="none",
            expected="at least one",
            try_="checking the filters before this",
        )
    return n


def rows_of(values: Values) -> int | None:
    """How many patients some values are for; None if they are the same for all."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        counts = {name: len(np.asarray(value)) for name, value in values.items() if np.ndim(value)}
        return number_of_patients(counts) if counts else None
    return len(np.asarray(values))


def parameter_matrix(model: Model, values: Values, n: int) -> FloatArray:
    """Parameters of every patient, in the order of `model.parameters`.

    Parameters
    ----------
    values : mapping, array of shape (n, n_parameters), or None
        Overrides by name, each one number or one per patient; or a whole matrix.

    Returns
    -------
    array, shape (n, n_parameters)

    Raises
    ------
    InputError
        A wrong shape or an unknown name.
    ModelError
        A value that is missing, not finite or below its minimum, naming the parameter and the patient.
    """
    if values is not None and not isinstance(values, Mapping):
        matrix = np.ascontiguousarray(values, dtype=np.float64)
        _check_shape(matrix, (n, len(model.parameters)), "parameters")
        return _checked(model, matrix)
    given = dict(values or {})
    known = [parameter.name for parameter in model.pieces.parameters]
    for name in given:
        if name not in known:
            raise unknown_name(f"setting a parameter of the model {model.name!r}", name, known)
    columns = [given.get(parameter.name, parameter.value) for parameter in model.parameters]
    matrix = np.empty((n, len(columns)))
    for k, column in enumerate(columns):
        matrix[:, k] = np.nan if column is None else np.asarray(column, dtype=np.float64)
    return _checked(model, matrix)


def _checked(model: Model, matrix: FloatArray) -> FloatArray:
    low = np.array([-np.inf if p.minimum is None else p.minimum for p in model.parameters])
    wrong = ~(np.isfinite(matrix) & (matrix >= low))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        parameter = model.parameters[column]
        at_least = "" if parameter.minimum is None else f", at least {parameter.minimum:g}"
        raise ModelError(
            doing=f"setting the parameter {parameter.name} of patient {row}",
            found=f"{matrix[row, column]:g}",
            expected=f"a finite number in {parameter.unit}{at_least}",
            try_=f"giving {parameter.name} ({parameter.meaning}) a value",
        )
    return matrix


def initial_matrix(model: Model, values: Values, n: int) -> FloatArray | None:
    """Initial states of every patient, NaN where the model's own holds; None if all do.

    Parameters
    ----------
    values : mapping, array of shape (n, n_states), or None

    Raises
    ------
    InputError
        A wrong shape, an unknown state, or a value that is not finite or below the state's limit.
    """
    if values is None:
        return None
    names = [state.name for state in model.states]
    if isinstance(values, Mapping):
        matrix = np.full((n, len(names)), np.nan)
        for name, value in values.items():
            if name not in names:
                raise unknown_name(f"setting the initial state of the model {model.name!r}", name, names)
            matrix[:, names.index(name)] = np.asarray(value, dtype=np.float64)
        used = [names.index(name) for name in values]
    else:
        matrix, used = np.ascontiguousarray(values, dtype=np.float64), list(range(len(names)))
        _check_shape(matrix, (n, len(names)), "initial states")
    low = np.array([-np.inf if s.lower is None else s.lower for s in model.states])
    wrong = ~(np.isfinite(matrix[:, used]) & (matrix[:, used] >= low[used]))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            doing=f"setting the initial state {names[used[column]]} of patient {row}",
            found=f"{matrix[row, used[column]]:g}",
            expected=f"a finite number, at least {low[used[column]]:g}",
            try_="leaving it out to take the model's own",
        )
    return matrix


def _check_shape(matrix: FloatArray, wanted: tuple[int, int], what: str) -> None:
    if matrix.shape != wanted:
        raise InputError(
            doing=f"reading the {what} of many patients",
            found=f"an array of shape {matrix.shape}",
            expected=f"shape {wanted}: one row per patient, one column each",
            try_="a mapping from name to values",
        )


def checked_names(model: Model, names: Sequence[str], known: Sequence[str], doing: str) -> list[int]:
    """Places of names among the known ones.

    Raises
    ------
    InputError
        An unknown name, with the close match.
    """
    for name in names:
        if name not in known:
            raise unknown_name(f"{doing} of the model {model.name!r}", name, list(known))
    places: Any = {name: k for k, name in enumerate(known)}
    return [places[name] for name in names]
