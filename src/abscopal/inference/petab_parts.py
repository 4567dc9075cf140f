"""The numeric rows of the calibration as the parts of a PEtab problem, for others' tools.

Volumes of the one line that has them (TSA) go along with all parameters that they can move, and so do the rows that
report the value of such a parameter. PEtab compares one simulated value with one measurement, under one condition: it
has no signs, orders or cures, and no dose of half control, which is searched for over many arms. Those stay behind.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from abscopal.equations.model import Model
from abscopal.equations.pieces import Quantity
from abscopal.equations.symbolic import symbol
from abscopal.immune.arms import arm
from abscopal.inference.ablation import FULL, variant
from abscopal.inference.observations import Observation, of_split
from abscopal.inference.parameters import REFERENCE_LINE, fitted_priors
from abscopal.knowledge.load import load
from abscopal.simulation.events import Event

EVIDENCE = "evidence/dose_immune"


@dataclass(frozen=True, eq=False)
class PetabParts:
    """What a PEtab writer needs.

    Attributes
    ----------
    model : Model
        With the quantities `size_0` and `size_1`, viable and doomed volume [mm³], and `value_NAME` for each reported
        parameter.
    arms : mapping of name to events
    measurements : DataFrame
        Columns arm, observable, day [day] and value [mm³, or the parameter's unit].
    noise : mapping of observable to float
        Standard deviation of the logarithm.
    bounds : mapping of parameter to (low, high)
        First and 99th percentile of its prior.
    log_priors : mapping of parameter to (mean, sd)
        Of the natural logarithm, for those that are log-normal.
    """

    model: Model
    arms: dict[str, tuple[Event, ...]]
    measurements: pd.DataFrame
    noise: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    log_priors: dict[str, tuple[float, float]]


def petab_parts() -> PetabParts:
    """The parts; one animal stands for its group."""
    rows = [one for one in of_split("calibration") if one.kind == "volume" and one.weight > 0]
    rows = [one for one in rows if arm(one.arms[0][0]).line == REFERENCE_LINE]
    made = fitted_priors()
    spread = made.values(np.outer([-float(ndtri(0.99)), 0, float(ndtri(0.99)), 1], np.ones(len(made.names))))
    columns = dict(zip(made.names, spread.T, strict=True))
    model = variant(FULL).with_values({name: float(column[1]) for name, column in columns.items()})
    columns = {name: columns[name] for name in made.names if name in {one.name for one in model.parameters}}
    values = [
        one for one in of_split("calibration") if one.kind == "value" and one.weight > 0 and one.readout in columns
    ]
    lines = [line for one in rows for line in _lines(one)]
    lines += [_value_line(one, str(lines[0]["arm"])) for one in values]
    measured = _once(pd.DataFrame(lines))
    named = measured["arm"].astype(str).unique()
    noise = {_name(one): _sd(one) for one in (*rows, *values)}
    normal = set(np.array(made.names)[~made.uniform])
    return PetabParts(
        model=_with_values(with_sizes(model), [one.readout for one in values]),
        arms={str(name): arm(str(name)).events for name in named},
        measurements=measured,
        noise=noise,
        bounds={name: (float(column[0]), float(column[2])) for name, column in columns.items()},
        log_priors={
            name: (float(np.log(column[1])), float(np.log(column[3] / column[1])))
            for name, column in columns.items()
            if name in normal
        },
    )


def with_sizes(model: Model) -> Model:
    """The model with the volume of each lesion as a quantity."""
    sizes = tuple(
        Quantity(f"size_{i}", "mm^3", f"volume of lesion {i}", symbol(f"V_{i}") + symbol(f"M_{i}")) for i in (0, 1)
    )
    return replace(model, pieces=replace(model.pieces, quantities=(*model.pieces.quantities, *sizes)))


def _with_values(model: Model, parameters: list[str]) -> Model:
    units = {parameter.name: parameter.unit for parameter in model.parameters}
    made = [
        Quantity(f"value_{name}", units[name], f"the parameter {name}", symbol(name))
        for name in dict.fromkeys(parameters)
    ]
    return replace(model, pieces=replace(model.pieces, quantities=(*model.pieces.quantities, *made)))


def _name(one: Observation) -> str:
    readout = one.readout if one.kind == "volume" else f"value_{one.readout}"
    return f"{readout}_e{_sd(one):.3g}".replace(".", "p")


def _sd(one: Observation) -> float:
    """Standard deviation of the logarithm; a row that counts by half has one that is √2 larger."""
    return one.threshold / math.sqrt(one.weight)


def _once(lines: pd.DataFrame) -> pd.DataFrame:
    """Each measurement once: the control of two rows with different errors keeps the smaller one."""
    ordered = lines.assign(of=lines["observable"].str.split("_e").str[0]).sort_values("sd", kind="stable")
    kept = ordered.drop_duplicates(["arm", "of", "day", "value"]).sort_index()
    return kept[["arm", "observable", "day", "value"]].reset_index(drop=True)


def _value_line(one: Observation, control: str) -> dict[str, object]:
    """A reported parameter, which is the same under every condition and on every day."""
    return {"arm": control, "observable": _name(one), "day": 0.0, "value": math.exp(one.reported or 0.0), "sd": 0.0}


def _lines(one: Observation) -> list[dict[str, object]]:
    """Volume of the arm and of its untreated control, in mm³."""
    row = load(EVIDENCE).table("observations").iloc[one.row]
    day = one.arms[0][1]
    pairs = ((one.arms[0][0], "arm_value"), (one.references[0][0], "control_value"))
    return [
        {"arm": who, "observable": _name(one), "day": day, "value": float(row[column]), "sd": one.threshold}
        for who, column in pairs
    ]
