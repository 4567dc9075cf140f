"""Human diseases as parameters of the dose-immune model: wide priors, not calibrations."""

import math

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
