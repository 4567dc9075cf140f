"""Many animals: draws of what is not known, times the variation between animals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.immune.diseases import NOTE, disease_draws
from abscopal.immune.draws import load_draws
from abscopal.immune.model import ParameterSet
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Values = Mapping[str, float | FloatArray]
VARIABILITY = "immune/variability"
EXPERIMENTS = "immune/experiments"
SCATTERED = (
    "g", "alpha", "kk", "kin", "KQ", "h", "kS", "dX", "KA", "kD", "s0",
    "pT", "e4", "wS", "kEp", "Emax", "kex", "rR", "v",
)  # fmt: skip
"""Parameters scattered by default: those the search set, with `dX`, which places the upper bound."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Parameter sets of virtual animals; the animals of one draw follow each other.

    Attributes
    ----------
    columns : mapping of str to array, shape (draws * animals,)
        Values by parameter name; parameters that are not named are the model's.
    draws : int
        Draws of what is not known about the model.
    animals : int
        Animals per draw.
    notes : tuple of str
        Where the draws come from.
    """

    columns: Mapping[str, FloatArray]
    draws: int
    animals: int
    notes: tuple[str, ...]

    def per_draw(self, values: FloatArray) -> FloatArray:
        """Values by animal as (draws, animals, ...)."""
        return values.reshape(self.draws, self.animals, *values.shape[1:])


def parameter_scatter(
    model: Model,
    draws: int = 100,
    *,
    seed: int = 0,
    scatter: float | None = None,
    parameters: Sequence[str] = SCATTERED,
    fixed: Mapping[str, float] | None = None,
) -> Ensemble:
    """Independent log-normal scatter around one parameter set. Not a posterior: no data weigh the draws.

    Parameters
    ----------
    model : Model
    draws : int
        Draw k is the same whatever the number of draws.
    seed : int
    scatter : float, optional
        Standard deviation of each parameter's logarithm; by default 0.2. [1]
    parameters : sequence of str
    fixed : mapping, optional
        Values that replace the model's as centres.

    Raises
    ------
    InputError
        No draw, a negative scatter, or a parameter the model does not have.
    """
    width = load("immune/window")["scatter"] if scatter is None else scatter
    if draws < 1 or not 0 <= width < float("inf"):
        raise InputError(
            doing="scattering the parameters of the window",
            found=f"{draws} draws with a scatter of {width:g}",
            expected="at least one draw and a scatter that is not negative",
            try_="draws=100, scatter=0.2",
        )
    base = _centres(model, parameters, fixed or {})
    factors = np.exp(width * _normals(draws, len(base), seed))
    note = (
        f"Scatter of {width:.0%} on {len(base)} parameters, independent and log-normal, {draws} draws, seed {seed}. "
        "This is parameter scatter around one fitted set, not a posterior: no data weigh the draws."
    )
    columns = {name: value * factors[:, k] for k, (name, value) in enumerate(base.items())}
    return Ensemble(columns, draws, 1, (note,))


def posterior_draws(draws: int | None = None, *, seed: int = 0) -> Ensemble:
    """Draws of the calibrated model from those that ship with the package.

    Parameters
    ----------
    draws : int, optional
        Evenly spaced over the shipped ones; more than there are are drawn from them again. By default all.
    seed : int
        Of drawing again.

    Raises
    ------
    InputError
        None is shipped, or fewer than one are asked for.
    """
    shipped = load_draws("posterior")
    n = len(shipped) if draws is None else draws
    columns = shipped.columns() if n == len(shipped) else {}
    again = ""
    if n < len(shipped):
        columns = shipped.subset(n).columns()
    elif n > len(shipped):
        chosen = np.random.default_rng(seed).integers(len(shipped), size=n)
        columns = {name: values[chosen] for name, values in shipped.columns().items()}
        again = " drawn again, with replacement,"
    note = f"{n} draws{again} of the {len(shipped)} of the posterior that was calibrated on mouse experiments."
    return Ensemble(columns, n, 1, (note,))


def shipped_set() -> ParameterSet:
    """`posterior` where calibrated draws ship with the package, else `set_b`."""
    try:
        load_draws("posterior")
    except InputError:
        return "set_b"
    return "posterior"


def standard_ensemble(
    model: Model,
    parameter_set: ParameterSet,
    draws: int,
    *,
    animals: int = 1,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    disease: str = "",
) -> Ensemble:
    """What is not known about a parameter set, times the variation between animals.

    Parameters
    ----------
    model : Model
        Made with this parameter set.
    parameter_set : {"set_b", "posterior"}
        Scatter around reference set B, or draws of the calibration.
    draws : int
    animals : int
        Animals for each draw; 0 for none of their variation.
    seed : int
    fixed : mapping, optional
        As in `parameter_scatter`.
    disease : str
        A human disease in place of the mouse line, for the calibrated model.

    Raises
    ------
    InputError
        As `parameter_scatter`, `posterior_draws`, `as_disease` and `with_variability`; a disease with set B.
    """
    if disease and parameter_set != "posterior":
        raise InputError(
            doing=f"drawing animals with {disease}", found="reference set B", expected="the calibrated model",
            try_="--parameters posterior",
        )  # fmt: skip
    if parameter_set == "posterior":
        ensemble = _without(posterior_draws(draws, seed=seed), fixed or {})
        ensemble = as_disease(ensemble, disease, seed=seed) if disease else ensemble
    else:
        ensemble = parameter_scatter(model, draws, seed=seed, fixed=fixed)
    return with_variability(ensemble, model, animals, seed=seed) if animals else ensemble


def _without(ensemble: Ensemble, fixed: Mapping[str, float]) -> Ensemble:
    """The same draws, but for parameters that the experiment sets."""
    return replace(ensemble, columns={name: v for name, v in ensemble.columns.items() if name not in fixed})


def as_disease(ensemble: Ensemble, disease: str, *, seed: int = 0) -> Ensemble:
    """The same draws with growth, radiosensitivity and immunogenicity of a human disease.

    Parameters
    ----------
    ensemble : Ensemble
        Of the calibrated model, before any variation between animals.
    disease : str
        By the names of `immune.diseases.diseases`.
    seed : int

    Raises
    ------
    InputError
        Unknown disease, with the close match; no calibration shipped.
    """
    own = disease_draws(disease, ensemble.draws, seed)
    return replace(ensemble, columns={**ensemble.columns, **own}, notes=(*ensemble.notes, f"{disease}: {NOTE}"))


def with_variability(ensemble: Ensemble, model: Model, animals: int, *, seed: int = 0) -> Ensemble:
    """Several animals for each draw, which differ by log-normal spreads of start volumes, growth and priming.

    Raises
    ------
    InputError
        No animal.
    """
    if animals < 1:
        raise InputError(
            doing="drawing virtual animals", found=f"{animals} animals for each draw", expected="at least one",
            try_="animals=20",
        )  # fmt: skip
    spreads = {**load(VARIABILITY).values(), "pT": load(EXPERIMENTS)["animal_scatter"]}
    centres = _centres(model, list(spreads), {})
    n = ensemble.draws * ensemble.animals * animals
    columns = {name: np.repeat(values, animals) for name, values in ensemble.columns.items()}
    factors = np.exp(_normals(n, len(spreads), seed + 1) * list(spreads.values()))
    for k, name in enumerate(spreads):
        columns[name] = columns.get(name, np.full(n, centres[name])) * factors[:, k]
    who = "The animals of different draws" if animals == 1 else f"{animals} animals for each draw"
    note = f"{who} differ in {', '.join(spreads)} (assumed spreads)."
    return Ensemble(columns, ensemble.draws, ensemble.animals * animals, (*ensemble.notes, note))


def _centres(model: Model, names: Sequence[str], fixed: Mapping[str, float]) -> dict[str, float]:
    known = {p.name: p.value for p in model.pieces.parameters if p.value is not None} | dict(fixed)
    for name in names:
        if name not in known:
            raise unknown_name("scattering a parameter", name, sorted(known))
    return {name: float(known[name]) for name in names}


def _normals(rows: int, columns: int, seed: int) -> FloatArray:
    """Standard normal numbers; more rows keep the first ones."""
    return np.random.default_rng(seed).standard_normal((rows, columns))
