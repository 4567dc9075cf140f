"""What each arm does to the tumours of the same virtual patients, by the immune model.

The only place that touches the immune model. Its parameters are the shipped posterior draws if
there are any, else a scatter about the reference set; both are mouse parameters. What is changed to
speak of people stands on the sheet `trials/virtual`, marked as assumed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ConvergenceError, InputError
from abscopal.domain.progress import track
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.diseases import setting
from abscopal.immune.draws import load_draws
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.population import Column, Provenance, VirtualPopulation
from abscopal.simulation.population_run import simulate_population
from abscopal.trials.design import DAYS_PER_MONTH, TrialDesign
from abscopal.trials.design_parts import SHEET, Arm, Covariate, fraction_days, ici_days

if TYPE_CHECKING:
    from distributed import Client

    from abscopal.equations.model import Model

FloatArray = NDArray[np.float64]
GRID_MONTHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 24, 30, 36)
"""Months after the origin at which the immune model is read; linear in the logarithm between them."""
_VARIED = ("alpha", "kk", "pT", "s0")
"""Parameters that differ between people without being a named covariate."""
_BY_COVARIATE = {"pd_l1": ("Pb",), "tumour_volume": ("V0_0", "V0_1"), "lymphocytes": ("L0",), "growth": ("g",)}
_CEILING = {"Pb": 0.95}
_STOPS = (0.25, 0.5, 1.0)
"""Shares of the planned ICI doses that patients who stop for toxicity, or do not, are given."""
_CONTROL = Control(relative=1e-4)


@dataclass(frozen=True, eq=False)
class ParameterDraws:
    """Equally likely parameter sets of the immune model, with where they come from."""

    values: Mapping[str, FloatArray] = field(repr=False)
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def digest(self) -> str:
        """sha256 of all values."""
        text = json.dumps({name: column.tolist() for name, column in sorted(self.values.items())})
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def parameter_draws(n: int, seed: int = 0) -> ParameterDraws:
    """`n` parameter sets: of the posterior shipped with the immune model, else of a scatter about its reference set.

    Parameters
    ----------
    n : int
    seed : int
        Of the scatter; the posterior is thinned evenly.
    """
    model = diw_model()
    own = {parameter.name for parameter in model.parameters}
    try:
        draws = load_draws("posterior")
    except InputError:  # no posterior in this copy
        people = VirtualPopulation.from_model(model, n, scatter=0.2, seed=seed)
        kind = "scatter about the reference set"
        return ParameterDraws(people.parameters(model), {"kind": kind, "sd_log": 0.2, "seed": seed})
    chosen = draws.subset(min(n, len(draws)))
    columns = {name: column for name, column in chosen.columns().items() if name in own}
    return ParameterDraws(columns, {"kind": "posterior of the immune model", **chosen.manifest})


@dataclass(frozen=True, eq=False)
class Library:
    """The same virtual patients under every arm.

    Attributes
    ----------
    months : array, shape (k,)
        From the origin of the design. [month]
    burden, distant : dict of array by arm, shape (draws, patients, k)
        Natural logarithm of all tumour volume, and of the volume outside the field. [ln mm³]
    residual : dict of array by arm, shape (draws, patients, k)
        Natural logarithm of the irradiated volume. [ln mm³]
    lymphocytes : dict of array by arm, shape (draws, patients, k)
        Relative to baseline. [1]
    covariates : dict of array, shape (draws, patients)
    provenance : dict
        Hashes of model, parameters and design.
    """

    months: FloatArray
    burden: dict[str, FloatArray] = field(repr=False)
    distant: dict[str, FloatArray] = field(repr=False)
    residual: dict[str, FloatArray] = field(repr=False)
    lymphocytes: dict[str, FloatArray] = field(repr=False)
    covariates: dict[str, FloatArray] = field(repr=False)
    provenance: dict[str, Any]


def respond(
    design: TrialDesign,
    *,
    draws: int = 40,
    patients: int = 200,
    seed: int = 0,
    kill_factor: float = 1.0,
    switches: Mapping[str, bool] | None = None,
    out: Path | None = None,
    workers: int | None = None,
    cluster: "Client | str | None" = None,
) -> Library:
    """Every arm for `draws` parameter sets of `patients` virtual patients each.

    Parameters
    ----------
    design : TrialDesign
    draws, patients : int
    seed : int
        Of the patients; all arms have the same ones.
    kill_factor : float
        On killing by effectors per doubling time, relative to the mouse. [1]
    switches : mapping, optional
        Mechanisms of the immune model to leave out.
    out : Path, optional
        Folder of Zarr stores; the same call again goes on where it stopped.
    workers, cluster
        As in `simulate_population`.

    Raises
    ------
    InputError
        An eligibility that lets almost nobody in.
    ConvergenceError
        More than one patient in a hundred that the immune model could not be solved for.
    """
    model = diw_model(switches=dict(switches or {}))
    base = parameter_draws(draws)
    rng = np.random.default_rng(seed)
    covariates = _covariates(design, len(base) * patients, rng)
    preset = design.population.preset
    columns = _human(model, base, patients, preset, covariates, rng)
    columns["kk"] = columns["kk"] * kill_factor
    stops = _stops(len(columns["g"]), design, rng)
    times = design.origin + np.array(GRID_MONTHS) * DAYS_PER_MONTH
    known = {state.name for state in model.states}
    outputs = tuple(name for name in ("V_0", "M_0", "V_1", "M_1", "L") if name in known)  # without lymphopenia no L
    read: dict[str, dict[str, FloatArray]] = {}
    for place, arm in enumerate(track(design.arms, "simulating the arms")):
        people = _people(model, columns | _field_factors(columns, arm), seed)
        courses = _courses(model, arm, stops, float(times[-1]))
        result = simulate_population(
            model, courses, people, times, outputs=outputs, start=design.origin,
            control=_CONTROL, out=None if out is None else out / f"{place}-{_slug(arm.name)}.zarr", workers=workers,
            cluster=cluster, command="abscopal trials",
        )  # fmt: skip
        read[arm.name] = {name: result[name].values for name in outputs}
        if "L" not in outputs:
            read[arm.name]["L"] = np.ones_like(result["V_0"].values)
    shape = (len(base), patients)
    return _library(design, read, shape, covariates, {
        "model_digest": model.digest, "parameters_sha256": base.digest, "parameters": base.manifest.get("kind", ""),
        "kill_factor": kill_factor, "switches": dict(switches or {}), "draws": len(base), "patients": patients,
        "seed": seed,
    })  # fmt: skip


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _covariates(design: TrialDesign, n: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Eligible patients' covariates, each relative to the population's median."""
    sd = load(SHEET)["patient_sd_log"]
    found = {}
    for name in _BY_COVARIATE:
        spread = design.population.covariates.get(name, Covariate(sd_log=sd))
        low, high = design.population.eligibility.get(name, (0.0, np.inf))
        kept = np.empty(0)
        for _ in range(200):
            drawn = spread.median * np.exp(spread.sd_log * rng.standard_normal(n))
            kept = np.concatenate([kept, drawn[(drawn >= low) & (drawn <= high)]])[:n]
            if kept.size == n:
                break
        if kept.size < n:
            raise InputError(
                doing="drawing eligible virtual patients",
                found=f"{kept.size} of {n} with {name} from {low:g} to {high:g}",
                expected="a range that at least one patient in a hundred meets", try_="widening population.eligibility",
            )  # fmt: skip
        found[name] = kept
    return found


def _human(
    model: "Model", base: ParameterDraws, patients: int, preset: str, covariates: dict[str, FloatArray],
    rng: np.random.Generator,
) -> dict[str, FloatArray]:  # fmt: skip
    """Parameters of every patient: a draw, slowed to the disease, scattered between people."""
    own = {
        parameter.name: float(value)
        for parameter, value in zip(model.parameters, model.parameter_vector(None), strict=True)
    }
    columns = {name: np.repeat(column, patients) for name, column in base.values.items() if name in own}
    n = len(base) * patients
    needed = ("g", "kk", "kel", "v", "Pb", "pT", "s0", "alpha", "V0_0", "V0_1", "L0")
    columns |= {name: np.full(n, own[name]) for name in needed if name in own and name not in columns}
    slower = np.log(2) / setting(preset).doubling_days / columns["g"]
    columns["g"] = columns["g"] * slower
    columns["kk"] = columns["kk"] * slower
    odds = [rate / (100 - rate) for rate in (setting(preset).response_percent, load(SHEET)["reference_response"])]
    columns["pT"] = columns["pT"] * odds[0] / odds[1]
    columns["kel"] = np.full(n, np.log(2) / load(SHEET)["drug_half_life"])
    sd = load(SHEET)["patient_sd_log"]
    for name in (each for each in _VARIED if each in columns):
        columns[name] = columns[name] * np.exp(sd * rng.standard_normal(n))
    for covariate, names in _BY_COVARIATE.items():
        for name in (each for each in names if each in columns):  # a switch can remove a parameter
            columns[name] = np.minimum(columns[name] * covariates[covariate], _CEILING.get(name, np.inf))
    return columns


def _field_factors(columns: Mapping[str, FloatArray], arm: Arm) -> dict[str, FloatArray]:
    if arm.radiation is None:
        return {}
    sheet = load(SHEET)
    chemo = sheet.table("chemo").set_index("drug")["lymphocyte_factor"]
    factor = sheet[f"blood_factor_{arm.radiation.target}"] * float(chemo[arm.chemo])
    return {"v": np.minimum(columns["v"] * factor, 0.95)} if "v" in columns else {}


def _people(model: "Model", columns: Mapping[str, FloatArray], seed: int) -> VirtualPopulation:
    units = {parameter.name: parameter.unit for parameter in model.pieces.parameters}
    return VirtualPopulation(
        tuple(Column(name, units[name]) for name in columns), np.column_stack(list(columns.values())),
        Provenance("given", seed),
    )  # fmt: skip


def _stops(n: int, design: TrialDesign, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which share of the planned ICI doses each patient is given, as a place in `_STOPS`."""
    planned = max((days[-1] - days[0] for arm in design.arms if (days := ici_days(arm))), default=0.0)
    rate = -np.log1p(-load(SHEET)["discontinuation"])
    stop = rng.exponential(1 / rate, n) * DAYS_PER_MONTH / max(planned, 1e-9)
    return np.where(stop < 0.375, 0, np.where(stop < 0.75, 1, 2))


def _courses(model: "Model", arm: Arm, stops: NDArray[np.int64], end: float) -> Any:
    variants = [tuple(_events(model, arm, share, end)) for share in _STOPS]
    return [variants[place] for place in stops] if arm.ici else variants[-1]


def _events(model: "Model", arm: Arm, share: float, end: float) -> Sequence[Event]:
    mouse = load("immune/diw")["mouse_dose"]
    days = ici_days(arm)
    last = days[0] + share * (days[-1] - days[0]) if days else 0.0
    doses = [
        DrugDose(drug=drug, mg=mouse, day=day)
        for block in arm.ici
        for day in ici_days(arm.model_copy(update={"ici": (block,)}))
        if day <= min(last, end)
        for drug in block.ici_class.split("+")
    ]
    given = Regimen(
        fraction_days=fraction_days(arm),
        fraction_doses=() if arm.radiation is None else (arm.radiation.dose_per_fraction,) * arm.radiation.fractions,
        drug_doses=tuple(sorted(doses, key=lambda dose: dose.day)),
    )
    if arm.radiation is None:
        return regimen_events(model, given)
    node = load(SHEET)[f"node_share_{arm.radiation.target}"] * arm.radiation.dose_per_fraction
    return regimen_events(model, given, fraction_arguments={"d_node": node})


def _library(
    design: TrialDesign, read: dict[str, dict[str, FloatArray]], shape: tuple[int, int],
    covariates: dict[str, FloatArray], provenance: dict[str, Any],
) -> Library:  # fmt: skip
    floor = load(SHEET)["burden_floor"]
    solved = np.all([np.isfinite(values["V_0"]).all(1) for values in read.values()], axis=0)
    if solved.mean() < 0.99:
        raise ConvergenceError(
            doing="simulating the arms of a trial",
            found=f"{int((~solved).sum())} of {solved.size} patients not solved",
            expected="fewer than one in a hundred", try_="another set of parameter draws",
        )  # fmt: skip
    stand_in = np.where(solved, np.arange(solved.size), _neighbours(solved))

    others = setting(design.population.preset).other_lesions

    def log(arm: str, local: float, distant: float) -> FloatArray:
        volume = {name: np.maximum(read[arm][name][stand_in], 0.0) for name in ("V_0", "M_0", "V_1", "M_1")}
        total = local * (volume["V_0"] + volume["M_0"]) + distant * (volume["V_1"] + volume["M_1"])
        return np.asarray(np.log(total + floor), float).reshape(*shape, -1)

    names = [arm.name for arm in design.arms]
    return Library(
        months=np.array(GRID_MONTHS, float),
        burden={arm: log(arm, 1.0, others) for arm in names},
        distant={arm: log(arm, 0.0, 1.0) for arm in names},
        residual={arm: log(arm, 1.0, 0.0) for arm in names},
        lymphocytes={arm: read[arm]["L"][stand_in].reshape(*shape, -1) for arm in names},
        covariates={name: column[stand_in].reshape(shape) for name, column in covariates.items()},
        provenance=provenance | {"not_solved": int((~solved).sum())},
    )


def _neighbours(solved: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each patient the nearest earlier one that was solved (the next, at the start)."""
    places = np.where(solved, np.arange(solved.size), -1)
    earlier = np.maximum.accumulate(places)
    return np.where(earlier < 0, int(np.argmax(solved)), earlier)
