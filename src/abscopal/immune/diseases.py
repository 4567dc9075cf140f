"""Human diseases and their clinical settings, for the dose-immune model: wide priors, not calibrations."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from abscopal.domain.registry import unknown_name
from abscopal.immune.draws import load_draws
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
SHEET = "immune/diseases"
NOTE = (
    "Growth, radiosensitivity and immunogenicity of the disease are wide assumptions; everything else of the model is "
    "calibrated on mice. No number here was fitted to patients."
)


def diseases() -> tuple[str, ...]:
    """Names of the diseases on file."""
    return tuple(str(name) for name in load(SHEET).table("diseases")["disease"])


@dataclass(frozen=True)
class Setting:
    """A clinical setting of a disease.

    Attributes
    ----------
    disease : str
        As in the table `immune/diseases:diseases`; "" for a setting that none of them covers.
    doubling_days : float
        Volume doubling time: the setting's own, else the disease's. [day]
    response_percent : float
        Single-agent response rate of a checkpoint inhibitor. [percent]
    other_lesions : float
        Lesions besides the irradiated one. [1]
    """

    name: str
    disease: str
    doubling_days: float
    response_percent: float
    other_lesions: float


@cache
def settings() -> dict[str, Setting]:
    """Clinical settings by name."""
    own = load(SHEET).table("diseases").set_index("disease")["doubling_days"].to_dict()
    found = {}
    for row in load(SHEET).table("settings").to_dict("records"):
        name, disease = str(row["setting"]), row["disease"] if isinstance(row["disease"], str) else ""
        doubling = float(row["doubling_days"])
        if math.isnan(doubling):
            doubling = float(own[disease])
        found[name] = Setting(name, disease, doubling, float(row["orr_percent"]), float(row["other_lesions"]))
    return found


def setting(name: str) -> Setting:
    """One clinical setting.

    Raises
    ------
    InputError
        Unknown setting, with the close match.
    """
    if name not in settings():
        raise unknown_name("choosing a clinical setting", name, list(settings()))
    return settings()[name]


def disease_draws(name: str, n: int = 200, seed: int = 0) -> dict[str, FloatArray]:
    """Parameter draws for one disease: its own ranges, and immunogenicity relative to the mouse posterior.

    Parameters
    ----------
    name : str
        As in the table `immune/diseases:diseases`.
    n : int
    seed : int

    Returns
    -------
    dict
        Values of `g`, `K`, `alpha`, `beta` and the factor of `s0` as `s0`, each of shape (n,), ready for
        `simulate_many(..., parameters=...)` with the model's posterior parameter set.

    Raises
    ------
    InputError
        Unknown disease, with the close match.
    """
    if name not in diseases():
        raise unknown_name("choosing a disease", name, list(diseases()))
    table = load(SHEET).table("diseases").set_index("disease")
    numbers = table.drop(columns=["status", "meaning"]).astype(float)
    row = {str(key): float(numbers[key][name]) for key in numbers.columns}
    random = np.random.default_rng(seed)

    def drawn(key: str, low: str, high: str) -> FloatArray:
        width = math.log(row[high] / row[low]) / (2 * float(ndtri(0.95)))
        return np.asarray(row[key] * np.exp(width * random.standard_normal(n)))

    doubling = drawn("doubling_days", "doubling_low", "doubling_high")
    alpha, ratio = drawn("alpha", "alpha_low", "alpha_high"), drawn("alpha_beta", "alpha_beta_low", "alpha_beta_high")
    immune = drawn("immunogenicity", "immunogenicity_low", "immunogenicity_high")
    return {
        "g": math.log(2) / doubling,
        "K": np.full(n, load(SHEET)["carrying_volume"]),
        "alpha": alpha,
        "beta": alpha / ratio,
        "s0": immune * load_draws("posterior").medians()["s0"],
    }
