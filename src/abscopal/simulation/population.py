"""Virtual patients: parameters and covariates with units, and where they came from."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import convert
from abscopal.equations.model import Model
from abscopal.simulation.plausibility import FilterCount, Gate, Predicate
from abscopal.simulation.population_spec import PopulationSpec, Role, spec_from_model
from abscopal.simulation.sampling import Method, batches, correlated, lower_factor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_SAME_PATIENT: dict[str, str] = {
    "random": "patient k is the same for any number of patients",
    "sobol": "patient k is the same for any number of patients, given the same varying parameters in order",
    "latin-hypercube": "a patient belongs to a design of this many: another number gives other patients",
}
_LARGEST = 100_000_000
"""Most values, patients times columns, that are drawn into memory (800 MB)."""


@dataclass(frozen=True)
class Column:
    """What one column of a population holds.

    Attributes
    ----------
    name, unit : str
    role : {"parameter", "covariate"}
    source : str
        Of its prior, or the file it was read from.
    status : str
        As in the knowledge sheets; empty if nobody said.
    """

    name: str
    unit: str
    role: Role = "parameter"
    source: str = ""
    status: str = ""


@dataclass(frozen=True)
class Provenance:
    """How a population was made.

    Attributes
    ----------
    how : str
        `random`, `sobol`, `latin-hypercube`, `imported` or `given`.
    seed : int, optional
    spec_sha256, file_sha256 : str
        Digest of the spec drawn from, or of the file read.
    candidates : int
        Patients drawn to have as many as asked for, up to the last one kept.
    filters : tuple of FilterCount
        In the order they were applied.
    notes : tuple of str
    """

    how: str
    seed: int | None = None
    spec_sha256: str = ""
    file_sha256: str = ""
    candidates: int = 0
    filters: tuple[FilterCount, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class VirtualPopulation:
    """Patients as rows, parameters and covariates as columns.

    Attributes
    ----------
    columns : tuple of Column
    values : array, shape (n, n_columns)
        In the columns' units; read-only.
    provenance : Provenance
    patients : array of int, shape (n,)
        Number of each patient, unique.

    Raises
    ------
    InputError
        A wrong shape, a name or number used twice, a value that is not finite.
    """

    columns: tuple[Column, ...]
    values: FloatArray = field(repr=False)
    provenance: Provenance = Provenance("given")
    patients: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64), repr=False)

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64, order="C")
        patients = np.array(self.patients, dtype=np.int64)
        if not patients.size:
            patients = np.arange(len(values))
        _check_table([column.name for column in self.columns], values, patients)
        for name, array in (("values", values), ("patients", patients)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def draw(
        cls,
        spec: PopulationSpec,
        n: int,
        *,
        model: Model | None = None,
        method: Method = "random",
        seed: int | None = None,
        predicates: Mapping[str, Predicate] | None = None,
        max_candidates: int | None = None,
    ) -> Self:
        """`n` plausible patients.

        Parameters
        ----------
        spec : PopulationSpec
        n : int
        model : Model, optional
            To check names and units against; needed where the spec has a check that simulates.
        method : {"random", "sobol", "latin-hypercube"}
            See `sampling.batches` for which keeps patient k the same when `n` changes. Filters keep the property;
            they thin out a Sobol sequence or a Latin hypercube, which is then no longer balanced.
        seed : int, optional
            Chosen and recorded if not given.
        predicates : mapping of str to callable, optional
            Further conditions, in Python, after those of the spec.
        max_candidates : int, optional
            Drawn at most before giving up; 1000 per patient unless given.

        Raises
        ------
        InputError
            What does not fit the model; correlations that cannot hold together; filters that let too few through,
            with the counts of each.
        """
        if model is not None:
            spec.check_against(model)
        _check_size(n, len(spec.priors))
        seed = _checked_seed(seed)
        units = {name: prior.unit for name, prior in spec.priors.items()}
        gate = Gate(spec.filters, spec.check, predicates or {}, units, model)
        most = 1000 * n if max_candidates is None else max_candidates
        values, failed = _accepted(spec, n, model, gate, _candidates(spec, n, method, seed), most)
        roles: dict[str, Role] = {name: "parameter" if name in spec.parameters else "covariate" for name in units}
        columns = tuple(
            Column(name, prior.unit, roles[name], prior.source, prior.status or "")
            for name, prior in spec.priors.items()
        )
        notes = (
            _SAME_PATIENT[method],
            *(["some filters are Python functions and not in the spec"] if predicates else []),
        )
        counts = gate.counts(failed)
        made = Provenance(method, seed, spec.digest, candidates=len(failed), filters=counts, notes=notes)
        return cls(columns, values, made)

    @classmethod
    def from_model(
        cls,
        model: Model,
        n: int,
        *,
        scatter: float | None = 0.3,
        parameters: Sequence[str] | None = None,
        method: Method = "random",
        seed: int | None = None,
    ) -> Self:
        """`n` patients scattered about a model's values, within the ranges of its knowledge sheets.

        The same as `draw` of `population_spec.spec_from_model`, which says what is varied and how.
        """
        spec = spec_from_model(model, scatter=scatter, parameters=parameters)
        return cls.draw(spec, n, model=model, method=method, seed=seed)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def __getitem__(self, name: str) -> FloatArray:
        """One column, shape (n,), in its own unit; an unknown name answers with the close match."""
        if name not in self.names:
            raise unknown_name("reading a column of a population", name, self.names)
        return np.ascontiguousarray(self.values[:, self.names.index(name)])

    def parameters(self, model: Model) -> dict[str, FloatArray]:
        """Parameters by name in the model's units, each of shape (n,); covariates are left out.

        Raises
        ------
        InputError
            A parameter the model does not have, with the close match.
        UnitError
            A unit of another dimension.
        """
        own = {parameter.name: parameter.unit for parameter in model.pieces.parameters}
        found = {}
        for column in self.columns:
            if column.role != "parameter":
                continue
            if column.name not in own:
                raise unknown_name(f"giving a population to the model {model.name!r}", column.name, sorted(own))
            found[column.name] = _converted(self[column.name], column.unit, own[column.name])
        return found

    def select(self, chosen: slice | Sequence[int] | NDArray[np.bool_]) -> Self:
        """Some of the patients, with their numbers."""
        rows = np.arange(len(self))[chosen]
        notes = (*self.provenance.notes, f"{len(rows)} of {len(self)} patients chosen")
        made = replace(self.provenance, notes=notes)
        return replace(self, values=self.values[rows], patients=self.patients[rows], provenance=made)

    @property
    def digest(self) -> str:
        """sha256 of the columns' names, units and roles, of the patients' numbers and of all values."""
        heads = json.dumps([(column.name, column.unit, column.role) for column in self.columns])
        return hashlib.sha256(heads.encode() + self.patients.tobytes() + self.values.tobytes()).hexdigest()

    def attributes(self) -> dict[str, str]:
        """Columns and provenance as JSON, for the attributes of a result."""
        return {
            "population_columns": json.dumps([asdict(column) for column in self.columns]),
            "population": json.dumps({**asdict(self.provenance), "sha256": self.digest}),
        }

    def to_dataset(self) -> xr.Dataset:
        """One variable per column over `patient`, with units, role, source and status."""
        data = {
            column.name: (
                "patient",
                self[column.name],
                {"units": column.unit, "role": column.role, "source": column.source, "status": column.status},
            )
            for column in self.columns
        }
        return xr.Dataset(data, coords={"patient": self.patients}, attrs=self.attributes())

    def to_csv(self, path: Path) -> Path:
        """Write the patients with units in the headings; `population_files.read_population` reads them back."""
        from abscopal.simulation.population_files import write_csv

        return write_csv(self, path)

    def to_parquet(self, path: Path) -> Path:
        """Write the patients as Parquet (needs the extra `cluster`)."""
        from abscopal.simulation.population_files import write_parquet

        return write_parquet(self, path)


def _converted(values: FloatArray, unit: str, to: str) -> FloatArray:
    return values if unit == to else values * convert(1.0, unit, to)


def _candidates(spec: PopulationSpec, n: int, method: Method, seed: int) -> Iterator[dict[str, FloatArray]]:
    """Endless batches of drawn columns in the units of the spec."""
    varying = [name for name, prior in spec.priors.items() if prior.varies]
    tied = spec.correlated_names
    factor = lower_factor(spec.correlation_matrix(), tied) if tied else None
    places = [varying.index(name) for name in tied]
    for points in batches(method, varying, n, seed):
        if factor is not None:
            points[:, places] = correlated(points[:, places], factor)
        shares = {name: np.ascontiguousarray(points[:, k]) for k, name in enumerate(varying)}
        filler = np.full(len(points), 0.5)
        yield {name: prior.quantile(shares.get(name, filler)) for name, prior in spec.priors.items()}


def _accepted(
    spec: PopulationSpec,
    n: int,
    model: Model | None,
    gate: Gate,
    drawn: Iterator[dict[str, FloatArray]],
    most: int,
) -> tuple[FloatArray, IntArray]:
    """The first `n` that pass, and for each candidate up to the last of them the condition it failed."""
    kept: list[FloatArray] = []
    failed: list[IntArray] = []
    missing, total = n, 0
    while missing:
        columns = next(drawn)
        first = gate.first_failed(columns, _in_model_units(spec, model, columns))
        passed = np.flatnonzero(first == len(gate.names))[:missing]
        used = len(first) if len(passed) < missing else int(passed[-1]) + 1
        failed.append(first[:used])
        kept.append(np.column_stack(list(columns.values()))[passed])
        missing, total = missing - len(passed), total + used
        if missing and total >= most:
            raise _too_few(gate, np.concatenate(failed), n)
    return np.concatenate(kept), np.concatenate(failed)


def _in_model_units(
    spec: PopulationSpec, model: Model | None, columns: Mapping[str, FloatArray]
) -> Callable[[NDArray[np.bool_]], dict[str, FloatArray]]:
    own = {} if model is None else {parameter.name: parameter.unit for parameter in model.pieces.parameters}

    def of(rows: NDArray[np.bool_]) -> dict[str, FloatArray]:
        return {
            name: _converted(np.ascontiguousarray(columns[name][rows]), prior.unit, own[name])
            for name, prior in spec.parameters.items()
        }

    return of


def _too_few(gate: Gate, failed: IntArray, n: int) -> InputError:
    counts = ", ".join(f"{count.name!r} {count.passed} of {count.tested}" for count in gate.counts(failed))
    return InputError(
        doing=f"drawing {n} plausible patients",
        found=f"{int((failed == len(gate.names)).sum())} among {len(failed)} candidates; passed: {counts}",
        expected=f"{n} patients that pass every filter",
        try_="a wider filter, narrower priors, or a larger max_candidates",
    )


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(32)
    if seed >= 0:
        return int(seed)
    raise InputError(doing="seeding a population", found=str(seed), expected="a whole number, 0 or more", try_="seed=0")


def _check_size(n: int, columns: int) -> None:
    most = _LARGEST // max(columns, 1)
    if not 1 <= n <= most:
        raise InputError(
            doing="drawing a population",
            found=f"{n} patients of {columns} values",
            expected=f"from 1 to {most} patients at a time",
            try_="several populations with seeds of their own",
        )


def _check_table(names: Sequence[str], values: FloatArray, patients: IntArray) -> None:
    doing = "making a population"
    if values.ndim != 2 or values.shape[1] != len(names) or len(patients) != len(values) or not values.size:
        raise InputError(
            doing=doing,
            found=f"values of shape {values.shape} for {len(names)} columns and {len(patients)} patients",
            expected="one row per patient and one column per name, at least one of each",
            try_="checking the shapes",
        )
    if len(set(names)) < len(names) or len(np.unique(patients)) < len(patients):
        raise InputError(
            doing=doing, found="a name or a patient twice", expected="each once", try_="renaming or renumbering"
        )
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            doing=doing,
            found=f"{names[column]} = {values[row, column]} in row {row}",
            expected="finite numbers",
            try_="leaving that patient out",
        )
