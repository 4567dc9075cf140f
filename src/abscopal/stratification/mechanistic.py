"""What a patient's covariates would mean for the dose-immune model, by a declared and uncertain mapping."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.stratification.scores.blood_scores import ratio_of
from abscopal.stratification.scores.expression import gep
from abscopal.stratification.scores.radiosensitivity import linear_radiosensitivity, rsi_of

FloatArray = NDArray[np.float64]
SHEET = "scores/phenotypes"
MODEL = "immune/diw"
START_VOLUMES = {"V0_0": "V_irradiated", "V0_1": "V_other"}
"""Model parameters whose centre has another name on the sheet."""


@dataclass(frozen=True)
class Link:
    """One line of the mapping: `slope` of ln(parameter) per unit of the transformed covariate."""

    covariate: str
    transform: str
    reference: float
    spread: float
    parameter: str
    slope: float
    slope_sd: float
    status: str
    reason: str

    def place(self, value: float) -> float:
        """The covariate from its reference, transformed. [1]."""
        if self.transform == "log":
            return math.log(max(value, 1e-3) / self.reference)
        if self.transform == "log2":
            return math.log2(max(value, 0.1) / self.reference)
        if self.transform == "percent":
            return (value - self.reference) / 100
        if self.transform == "alpha":
            least = linear_radiosensitivity(self.reference) / 10  # an RSI near one gives an alpha below zero
            return math.log(max(linear_radiosensitivity(value), least) / linear_radiosensitivity(self.reference))
        return value - self.reference


def mapping() -> tuple[Link, ...]:
    """Every line of the mapping, as the knowledge sheet has it."""
    return tuple(Link(*row) for row in load(SHEET).table("mapping").itertuples(index=False, name=None))


def known_covariates(patient: Patient) -> dict[str, float]:
    """What is known of the covariates the mapping uses, in the units of `patient.toml`; volumes in cm³."""
    volumes = {flag: [le.volume for le in patient.lesions if le.irradiated == flag] for flag in (True, False)}
    sites = [lesion.site.casefold() for lesion in patient.lesions]
    found: dict[str, float | None] = {
        "tmb": patient.biomarkers.tmb,
        "pd_l1_tps": patient.biomarkers.pd_l1_tps,
        "nlr": ratio_of(patient),
        "alc": patient.labs.alc,
        "gep": gep(patient).value,
        "rsi": rsi_of(patient)[0],
        "irradiated_volume": sum(volumes[True]) if volumes[True] else None,
        "other_volume": sum(volumes[False]) if volumes[False] else None,
        "liver_metastasis": float(any("liver" in site for site in sites)) if sites else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def parameter_draws(covariates: Mapping[str, float], draws: int, seed: int) -> dict[str, FloatArray]:
    """Model parameters of one patient, one value per draw.

    Parameters
    ----------
    covariates : mapping
        By the mapping's names. One that is missing is drawn from its spread among patients.
    draws : int
    seed : int
        The same seed gives every patient the same draws of what is not known, so that patients differ
        only by what is known of them.

    Returns
    -------
    dict
        Values by parameter name, inside the range the knowledge sheet gives. [unit of the parameter]
    """
    links, rng = mapping(), np.random.default_rng(seed)
    names = list(dict.fromkeys(link.parameter for link in links))
    unknown = {name: rng.standard_normal(draws) for name in dict.fromkeys(link.covariate for link in links)}
    slopes = [link.slope + link.slope_sd * rng.standard_normal(draws) for link in links]
    scatter = load(SHEET)["residual_scatter"]
    logs = {name: scatter * rng.standard_normal(draws) for name in names}
    for link, slope in zip(links, slopes, strict=True):
        known = covariates.get(link.covariate)
        place = link.spread * unknown[link.covariate] if known is None else np.full(draws, link.place(known))
        logs[link.parameter] = logs[link.parameter] + slope * place
    return {name: _inside(name, np.exp(shift)) for name, shift in logs.items()}


def _inside(name: str, factor: FloatArray) -> FloatArray:
    number = load(MODEL).number(START_VOLUMES.get(name, name))
    centre = number.value if isinstance(number.value, float | int) else number.value[0]
    values = centre * factor
    if number.range is not None:
        values = np.clip(values, *number.range)
    return np.asarray(values, dtype=np.float64)


def stacked(patients: Sequence[Mapping[str, float]], draws: int, seed: int) -> dict[str, FloatArray]:
    """Parameters of many patients one after the other, shape (patients * draws,)."""
    each = [parameter_draws(covariates, draws, seed) for covariates in patients]
    return {name: np.concatenate([one[name] for one in each]) for name in each[0]}
