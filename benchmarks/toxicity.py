"""Time complication models over a cohort against straightforward loops over the same patients.

Run `python benchmarks/toxicity.py`; needs only the package. The task is 10,000 patients, 20 models and 1,000
draws of every model's parameters, with the central 95 % limits. The peers are the same 20 models as a loop over
patients and draws in plain Python (`loop`), and as a loop over patients with NumPy over the draws (`loop over
patients`); they run on fewer patients in the same process and are compared by time per probability. The largest
difference of the limits is printed beside the times.
"""

import argparse
import json
import math
import time
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from abscopal.toxicity.cohort import Cohort, Histograms, cohort_risks
from abscopal.toxicity.models import Bins
from abscopal.toxicity.table import NtcpModel, find_model
from abscopal.toxicity.uncertainty import Spread, draw_parameters

FRACTIONS = 30
BINS = 120
MODELS = (
    "rp_quantec_mld", "rp_appelt_clinical", "rp_lkb_seppenwoolde", "rp_lkb_burman", "rp_lkb_semenenko",
    "oes_acute_belderbos", "oes_acute_chapet", "oes_late_chen", "oes_perf_gay", "rild_dawson_primary",
    "rild_dawson_mets", "rild_aviplanner", "liver_failure_gay", "cord_myelopathy_lib", "heart_rs_aapm26",
    "lv_rs_aapm26", "heart_mortality_gagliardi", "heart_pericarditis_lib", "heart_pericarditis_gay",
    "brain_necrosis_gay",
)  # fmt: skip


def cohort(n: int, seed: int = 0) -> Cohort:
    """Random histograms that fall off with dose, one per organ the models ask for."""
    rng = np.random.default_rng(seed)
    labels = dict.fromkeys(p.organ for name in MODELS for p in find_model(name).predictors if p.organ)
    edges = np.linspace(0, 60, BINS + 1)

    def one() -> Histograms:
        volume = rng.gamma(1.0, 1.0, (n, BINS)) * np.exp(-np.outer(rng.uniform(1, 8, n), edges[:-1] / 60))
        return Histograms(edges, volume / volume.sum(axis=1, keepdims=True), np.full(n, 100.0))

    return Cohort({label: one() for label in labels}, np.full(n, FRACTIONS))


def plain(model: NtcpModel, spread: Spread, value: Any, k: int) -> float:
    """One probability in plain Python floats, as a textbook writes it."""
    p = {**model.parameters, **{name: float(drawn[k]) for name, drawn in spread.parameters.items()}}
    if model.form == "relative_seriality":
        product = 1.0
        for dose, volume in zip(value.dose.tolist(), value.volume.tolist(), strict=True):
            response = 2 ** -math.exp(math.e * p["gamma"] * (1 - dose / p["d50"]))
            product *= (1 - response ** p["s"]) ** volume
        return (1 - product) ** (1 / p["s"])
    if isinstance(value, Bins):
        a = 1 / p["n"] if p.get("n") else p["a"]
        top = max(value.dose)
        total = sum(v * (d / top) ** a for d, v in zip(value.dose.tolist(), value.volume.tolist(), strict=True))
        value = top * total ** (1 / a)
    if model.form == "lkb":
        return 0.5 * math.erfc(-(value - p["td50"]) / (p["m"] * p["td50"]) / math.sqrt(2))
    if model.form == "log_logit":
        return 1 / (1 + (p["td50"] / value) ** (4 * p["gamma50"]))
    if model.form == "appelt":
        return 1 / (1 + math.exp(-4 * p["gamma50_0"] * (value / p["d50_0"] - 1)))
    score = float(spread.slope[k]) * (p["b0"] + p["b1"] * value * float(spread.scale[k]))
    return 1 / (1 + math.exp(-score))


def per_patient(model: NtcpModel, spread: Spread, value: Any) -> np.ndarray:
    """One patient's probabilities, NumPy over the draws."""
    p = {**model.parameters, **spread.parameters}
    if model.form == "relative_seriality":
        s, gamma, d50 = (np.asarray(p[name])[..., np.newaxis] for name in ("s", "gamma", "d50"))
        response = 2 ** -np.exp(np.e * gamma * (1 - value.dose / d50))
        return (1 - np.prod((1 - response**s) ** value.volume, axis=-1)) ** (1 / p["s"])
    if isinstance(value, Bins):
        a = np.asarray(1 / p["n"] if p.get("n") is not None else p["a"])
        top = value.dose.max()
        value = top * ((value.dose / top) ** a[..., np.newaxis] @ value.volume) ** (1 / a)
    if model.form == "lkb":
        return ndtr((value - p["td50"]) / (p["m"] * p["td50"]))
    if model.form == "log_logit":
        return expit(4 * p["gamma50"] * np.log(value / p["td50"]))
    if model.form == "appelt":
        return expit(4 * p["gamma50_0"] * (value / p["d50_0"] - 1))
    return expit(spread.slope * (p["b0"] + p["b1"] * value * spread.scale))


def loops(patients: Cohort, n: int, draws: int, *, scalar: bool) -> tuple[float, np.ndarray]:
    """CPU seconds per probability, and the limits, of a loop over the first n patients."""
    spreads = {name: draw_parameters(find_model(name), draws) for name in MODELS}
    limits = np.empty((len(MODELS), n, 2))
    start = time.process_time()
    for i, name in enumerate(MODELS):
        model, spread = find_model(name), spreads[name]
        for row in range(n):
            values = patients.values(model, np.array([row]), FRACTIONS)
            value = next(iter(values.values()))
            value = Bins(value.dose, value.volume[0]) if isinstance(value, Bins) else float(value[0])
            if scalar:
                drawn = np.array([plain(model, spread, value, k) for k in range(draws)])
            else:
                drawn = per_patient(model, spread, value)
            limits[i, row] = np.quantile(drawn, (0.025, 0.975))
    return (time.process_time() - start) / (len(MODELS) * n * draws), limits


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    patients = cohort(options.patients)
    cohort_risks(cohort(10), MODELS, draws=10)  # code loaded, tables read
    wall, cpu = time.perf_counter(), time.process_time()
    found = cohort_risks(patients, MODELS, draws=options.draws, workers=options.workers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    each = cpu / (len(MODELS) * options.patients * options.draws)
    result: dict[str, Any] = {"patients": options.patients, "models": len(MODELS), "draws": options.draws}
    result |= {"wall_s": wall, "cpu_s": cpu, "cpu_ns_per_probability": 1e9 * each}
    ours = np.stack([found["low"].to_numpy(), found["high"].to_numpy()], axis=-1)
    for name, scalar, n in (("loop", True, 2), ("loop over patients", False, 100)):
        peer, limits = loops(patients, n, options.draws, scalar=scalar)
        result[name] = {"patients": n, "cpu_ns_per_probability": 1e9 * peer, "ratio": peer / each}
        apart, steep = np.abs(limits - ours[:, :n]).max(axis=(1, 2)), MODELS.index("lv_rs_aapm26")
        result[name]["largest_difference"] = float(np.delete(apart, steep).max())
        result[name]["difference_of_lv_rs_aapm26"] = float(apart[steep])
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
