"""A virtual population as a person writes it: priors, covariates, correlations and plausibility filters."""

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import convert, same_dimension
from abscopal.equations.model import Model
from abscopal.equations.pieces import Parameter
from abscopal.knowledge.load import SEPARATOR, load
from abscopal.knowledge.schema import Number
from abscopal.simulation.plausibility import CheckRun, Filter
from abscopal.simulation.priors import LogNormal, LogUniform, Prior, Uniform
from abscopal.simulation.toml_text import toml_text

FloatArray = NDArray[np.float64]
_MAX_BYTES = 2**20
Role = Literal["parameter", "covariate"]


class Correlation(BaseModel):
    """Correlation of the normal scores of two priors (Gaussian copula); not of their values.

    The rank correlation (Spearman) that it gives is 6/π·asin(value/2), somewhat less than `value`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    between: tuple[str, str]
    value: Annotated[float, Field(gt=-1, lt=1)]


class PopulationSpec(BaseModel):
    """What a population is drawn from; frozen, and the same as TOML.

    Attributes
    ----------
    title : str
    parameters : mapping of str to Prior
        By the model's parameter name. What is left out has the model's value for every patient.
    covariates : mapping of str to Prior
        Facts of a patient that the model does not use, such as age; for filters, correlations and export.
    correlations : tuple of Correlation
        Pairs left out have correlation zero.
    filters : tuple of Filter
        In the order they are applied.
    check : CheckRun, optional
        The simulation that filters on measures look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    parameters: dict[str, Prior] = Field(default_factory=dict)
    covariates: dict[str, Prior] = Field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    check: CheckRun | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        both = sorted(set(self.parameters) & set(self.covariates))
        if both:
            raise ValueError(f"{', '.join(both)}: both a parameter and a covariate")
        if not self.priors:
            raise ValueError("no parameter and no covariate")
        self._check_correlations()
        return self

    def _check_correlations(self) -> None:
        varying = [name for name, prior in self.priors.items() if prior.varies]
        pairs = [frozenset(item.between) for item in self.correlations]
        for pair in pairs:
            unknown = sorted(pair - set(varying))
            if unknown:
                raise ValueError(f"correlations: {unknown[0]!r} has no prior that varies")
            if len(pair) == 1:
                raise ValueError(f"correlations: {next(iter(pair))!r} with itself")
            if pairs.count(pair) > 1:
                raise ValueError(f"correlations: {' and '.join(sorted(pair))} twice")

    @property
    def priors(self) -> dict[str, Prior]:
        """Parameters, then covariates."""
        return {**self.parameters, **self.covariates}

    @property
    def correlated_names(self) -> list[str]:
        """Names that some correlation mentions, in the order of the priors."""
        told = {name for item in self.correlations for name in item.between}
        return [name for name in self.priors if name in told]

    def correlation_matrix(self) -> FloatArray:
        """Correlations of `correlated_names`, shape (d, d)."""
        names = self.correlated_names
        matrix = np.eye(len(names))
        for item in self.correlations:
            i, j = (names.index(name) for name in item.between)
            matrix[i, j] = matrix[j, i] = item.value
        return matrix

    @property
    def digest(self) -> str:
        """sha256 of the content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def to_toml(self) -> str:
        """The spec as TOML that `read_spec` reads back to an equal one."""
        return toml_text(self.model_dump(mode="json", exclude_none=True, exclude_defaults=False))

    def check_against(self, model: Model) -> None:
        """Refuse what does not fit a model.

        Raises
        ------
        InputError
            A parameter the model does not have, with the close match.
        ModelError
            A prior in a unit of another dimension.
        """
        own = {parameter.name: parameter for parameter in model.pieces.parameters}
        for name, prior in self.parameters.items():
            if name not in own:
                raise unknown_name(f"giving a prior to a parameter of the model {model.name!r}", name, sorted(own))
            if not same_dimension(prior.unit, own[name].unit):
                raise ModelError(
                    doing=f"giving a prior to {name} ({own[name].meaning})",
                    found=f"the unit {prior.unit}",
                    expected=f"a unit that converts to {own[name].unit}",
                    try_=f'unit = "{own[name].unit}"',
                )


def read_spec(text: str, what: str = "a population") -> PopulationSpec:
    """A spec from TOML text.

    Raises
    ------
    InputError
        Text that is not TOML, or breaks the schema: each wrong entry is named by its path.
    """
    if len(text) > _MAX_BYTES:
        raise _unreadable(what, "more than a megabyte of text")
    try:
        return PopulationSpec.model_validate(tomllib.loads(text))
    except ValidationError as exc:
        wrong = [f"{'.'.join(map(str, error['loc'])) or 'spec'}: {error['msg']}" for error in exc.errors()[:5]]
        raise _unreadable(what, "; ".join(wrong)) from exc
    except (ValueError, RecursionError) as exc:
        raise _unreadable(what, str(exc)) from exc


def load_spec(path: Path) -> PopulationSpec:
    """A spec from a TOML file.

    Raises
    ------
    InputError
        No such file, not text, or not a spec.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        return read_spec(content.decode(), path.name)
    except (OSError, UnicodeDecodeError) as exc:
        found = exc.strerror if isinstance(exc, OSError) else "bytes that are not UTF-8 text"
        raise _unreadable(path.name, str(found)) from exc


def _unreadable(what: str, found: str) -> InputError:
    return InputError(
        doing=f"reading the population spec {what}",
        found=found,
        expected="parameters with kind, unit and the numbers of that kind",
        try_='[parameters.g] kind = "log-normal" unit = "1/day" median = 0.2 sd_log = 0.3',
    )


def spec_from_model(
    model: Model,
    *,
    scatter: float | None = 0.3,
    parameters: Sequence[str] | None = None,
) -> PopulationSpec:
    """Priors from what the knowledge sheets say of a model's parameters.

    Parameters
    ----------
    model : Model
    scatter : float, optional
        SD of the natural logarithm about the model's value, truncated to the sheet's range where there is one.
        None: uniform over the sheet's range instead, in the logarithm where its ends are ten times apart.
    parameters : sequence of str, optional
        By default those whose sheet gives a range. A scatter without a range may reach values no one has, such as
        a share above one: name such a parameter only if that cannot be.

    Raises
    ------
    InputError
        An unknown parameter; none with a range; a parameter that cannot vary so.
    """
    known = {parameter.name: parameter for parameter in model.parameters}
    ranged = {name: number for name, p in known.items() if (number := _number(p)) and number.range}
    chosen = list(ranged) if parameters is None else list(parameters)
    if not chosen:
        raise InputError(
            doing=f"making a population from the model {model.name!r}",
            found="no parameter with a range in its knowledge sheet",
            expected="at least one parameter to vary",
            try_="parameters=[...]",
        )
    for name in chosen:
        if name not in known:
            raise unknown_name(f"varying a parameter of the model {model.name!r}", name, sorted(known))
    priors = {name: _prior(known[name], _number(known[name]), scatter) for name in chosen}
    return PopulationSpec(title=f"{model.name} from its knowledge sheets", parameters=priors)


def _number(parameter: Parameter) -> Number | None:
    if not parameter.key:
        return None
    sheet, _, key = parameter.key.partition(SEPARATOR)
    return load(sheet).number(key)


def _prior(parameter: Parameter, number: Number | None, scatter: float | None) -> Prior:
    about: dict[str, Any] = {
        "unit": parameter.unit, "source": parameter.key, "status": None if number is None else number.status,
    }  # fmt: skip
    bounds = None
    if number is not None and number.range is not None:
        bounds = [convert(bound, number.unit, parameter.unit) for bound in number.range]
    if scatter is None:
        if bounds is None or not bounds[0] < bounds[1]:
            raise _cannot_vary(parameter, "no range", "scatter=0.3")
        apart = bounds[0] > 0 and bounds[1] >= 10 * bounds[0]
        return (LogUniform if apart else Uniform)(low=bounds[0], high=bounds[1], **about)
    if parameter.value is None or parameter.value <= 0:
        raise _cannot_vary(parameter, f"the value {parameter.value}", "a prior of its own")
    ends = bounds or (None, None)
    low = None if ends[0] is None or ends[0] <= 0 else ends[0]
    return LogNormal(median=parameter.value, sd_log=scatter, low=low, high=ends[1], **about)


def _cannot_vary(parameter: Parameter, found: str, hint: str) -> InputError:
    return InputError(
        doing=f"varying {parameter.name} ({parameter.meaning})",
        found=found,
        expected="a positive value, or a range in its knowledge sheet",
        try_=hint,
    )
