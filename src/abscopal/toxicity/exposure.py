"""From an organ label of a model to the histogram of this case, and to the figure the model asks for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import trapezoid

from abscopal.domain.errors import ModelError
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.radiobiology.survival import lql_log_kill
from abscopal.toxicity.covariates import Covariates
from abscopal.toxicity.forms import FloatArray
from abscopal.toxicity.models import Bins
from abscopal.toxicity.table import SHEET, NtcpModel


@dataclass(frozen=True, eq=False)
class Exposure:
    """The histogram taken for an organ label, and how it was chosen."""

    name: str
    dvh: DVH
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Absent:
    """What the case lacks for an organ label."""

    needs: tuple[str, ...]


def exposures(label: str, dvhs: Mapping[str, DVH], covariates: Covariates) -> tuple[Exposure, ...] | Absent:
    """The histograms that answer to an organ label: one, or one per organ of a pair.

    Parameters
    ----------
    label : str
        A label of the organs table of `ntcp/models`.
    dvhs : mapping
        Physical-dose histograms by TG-263 name.
    covariates : mapping
        `tumour_side` ("left" or "right") decides which gland is contralateral.
    """
    table = load(SHEET).table("organs").set_index("label")
    structures, choice = str(table.at[label, "structures"]), str(table.at[label, "choice"])
    if choice == "first":
        return _first(structures.split(" > "), dvhs)
    names = structures.split(" & ")
    present = [Exposure(name, dvhs[name]) for name in names if name in dvhs]
    if choice == "each":
        return tuple(present) or Absent((f"DVH of {' or '.join(names)}",))
    missing = tuple(f"DVH of {name}" for name in names if name not in dvhs)
    if missing:
        return Absent(missing)
    return _one_of_a_pair(choice, present, covariates)


def _first(options: list[str], dvhs: Mapping[str, DVH]) -> tuple[Exposure, ...] | Absent:
    for option in options:
        parts = option.split("+")
        if all(part in dvhs for part in parts):
            unknown = tuple(f"volume of {part}" for part in parts if not dvhs[part].volume_cm3 > 0)
            if len(parts) > 1 and unknown:
                return Absent(unknown)
            found = dvhs[parts[0]] if len(parts) == 1 else union([dvhs[part] for part in parts], option)
            notes = () if option == options[0] else (f"{options[0]} is not contoured: {option} used in its place",)
            return (Exposure(option, found, notes),)
    return Absent((f"DVH of {' or '.join(options)}",))


def _one_of_a_pair(choice: str, present: list[Exposure], covariates: Covariates) -> tuple[Exposure, ...] | Absent:
    if choice == "least":
        spared = min(present, key=lambda exposure: exposure.dvh.mean)
        return (replace(spared, notes=("the gland with the lower mean dose is taken as the spared one",)),)
    ending = {"left": "_R", "right": "_L"}.get(str(covariates.get("tumour_side")))
    if ending is None:
        return Absent(("covariate tumour_side (left or right)",))
    return tuple(exposure for exposure in present if exposure.name.endswith(ending))


def union(parts: list[DVH], name: str) -> DVH:
    """Histogram of disjoint structures taken as one organ, weighted by volume."""
    edges = np.unique(np.concatenate([part.edges for part in parts]))
    volumes = np.array([part.volume_cm3 for part in parts])
    share = volumes / volumes.sum()
    fractions = [np.interp(edges, part.edges, part.volume_fraction, right=0.0) for part in parts]
    return DVH(
        organ=name,
        edges=edges,
        volume_fraction=share @ np.array(fractions),
        volume_cm3=float(volumes.sum()),
        mean=float(share @ [part.mean for part in parts]),
        minimum=min(part.minimum for part in parts),
        maximum=max(part.maximum for part in parts),
        outside_fraction=float(share @ [part.outside_fraction for part in parts]),
        kind=parts[0].kind,
    )


def model_dose(total: FloatArray, model: NtcpModel, n_fractions: int) -> FloatArray:
    """Total physical doses in the dose convention of a model.

    Parameters
    ----------
    total : array, shape (m,)
        Total dose of each bin or voxel of the whole course. [Gy]
    model : NtcpModel
        One fitted on physical dose takes the dose as it is. Otherwise each dose becomes the dose
        in fractions of the model's reference r with the same LQ-L log kill: linear-quadratic up to
        the transition `lq_limit` per fraction, along its tangent above.
    n_fractions : int
        Fractions of the course. [1]

    Returns
    -------
    array, shape (m,)
        [Gy]
    """
    if model.dose != "eqd" or model.alpha_beta is None or model.reference_gy is None:
        return total
    kill = lql_log_kill(total / n_fractions, 1.0, 1 / model.alpha_beta, load(SHEET)["lq_limit"])
    return np.asarray(n_fractions * kill / (1 + model.reference_gy / model.alpha_beta))


def in_model_dose(dvh: DVH, model: NtcpModel, n_fractions: int) -> DVH:
    """The histogram in the dose convention of a model, converted bin by bin; see `model_dose`."""
    if model.dose != "eqd":
        return dvh
    dose, fraction = dvh.differential()
    lowest, highest = model_dose(np.array([dvh.minimum, dvh.maximum]), model, n_fractions)
    return replace(
        dvh,
        edges=model_dose(dvh.edges, model, n_fractions),
        mean=float(fraction @ model_dose(dose, model, n_fractions)),
        minimum=float(lowest),
        maximum=float(highest),
        kind="EQD2",
    )


_FIGURES: dict[str, Callable[[DVH], float | Bins]] = {
    "mean": lambda dvh: dvh.mean,
    "max": lambda dvh: dvh.maximum,
    "volume_cc": lambda dvh: dvh.volume_cm3,
    "gEUD": lambda dvh: Bins(*dvh.differential()),
    "dvh": lambda dvh: Bins(*dvh.differential()),
}


def figure(dvh: DVH, statistic: str) -> float | Bins:
    """One figure of a histogram: `mean`, `max`, `volume_cc`, `V30_pct`, `V30_cc`, `D40_pct`, or its bins.

    Doses in Gy, volumes in percent or cm3.
    """
    if statistic in _FIGURES:
        return _FIGURES[statistic](dvh)
    match = re.fullmatch(r"(V|D)(\d+(?:\.\d+)?)_(pct|cc)", statistic)
    if match is None:
        raise ModelError(
            doing=f"reading the histogram of {dvh.organ}",
            found=f"the unknown figure '{statistic}'",
            expected="mean, max, volume_cc, gEUD, dvh, V<dose>_pct, V<dose>_cc or D<percent>_pct",
            try_="one of these",
        )
    axis, at, unit = match[1], float(match[2]), match[3]
    if axis == "D":
        return dvh.dose_at_volume(at) if unit == "pct" else dvh.dose_at_cm3(at)
    return dvh.volume_at_dose(at) * (100.0 if unit == "pct" else dvh.volume_cm3)


def mean_difference(dvh: DVH) -> float:
    """Integral of the cumulative histogram less the mean it states, in Gy.

    The integral of volume fraction over dose is the mean; a difference beyond rounding means a
    truncated histogram, a wrong unit or a wrong mean.
    """
    return float(trapezoid(dvh.volume_fraction, dvh.edges)) - dvh.mean


def mean_note(dvh: DVH) -> str:
    """A note when the histogram and its stated mean disagree by more than the tolerance, or ""."""
    difference = mean_difference(dvh)
    if abs(difference) <= load(SHEET)["mean_tolerance"]:
        return ""
    return (
        f"the histogram of {dvh.organ} integrates to {dvh.mean + difference:.2f} Gy but its mean is {dvh.mean:.2f} Gy"
    )
