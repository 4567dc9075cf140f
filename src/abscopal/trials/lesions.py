"""RECIST on simulated lesions: when they progress, whether they respond."""

import numpy as np
from numpy.typing import NDArray

from abscopal.immune.diseases import setting
from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign, months
from abscopal.trials.design_parts import SHEET
from abscopal.trials.response import Library

FloatArray = NDArray[np.float64]


def diameters(library: Library, design: TrialDesign, *, outside_field: bool = False) -> FloatArray:
    """Sum of lesion diameters, relative units (cube root of volume), by visit.

    Returns
    -------
    array, shape (arms, draws, patients, visits)
        Control first; visits at the landmark and then every assessment interval.
    """
    floor = load(SHEET)["burden_floor"]
    visits = _visits(library, design)
    others = setting(design.population.preset).other_lesions
    total = []
    for arm in design.compared:
        parts = [others * np.cbrt(np.maximum(np.exp(_at(library, library.distant[arm.name], visits)) - floor, 0.0))]
        if not outside_field:
            parts.append(np.cbrt(np.maximum(np.exp(_at(library, library.residual[arm.name], visits)) - floor, 0.0)))
        total.append(sum(parts))
    return np.stack(total)


def _visits(library: Library, design: TrialDesign) -> FloatArray:
    start = months(design.landmark - design.origin)
    return np.arange(start, library.months[-1] + 1e-9, design.assessment.interval_months)


def _at(library: Library, values: FloatArray, when: FloatArray) -> FloatArray:
    place = np.clip(np.searchsorted(library.months, when, side="right") - 1, 0, library.months.size - 2)
    share = (when - library.months[place]) / (library.months[place + 1] - library.months[place])
    return np.asarray(values[..., place] * (1 - share) + values[..., place + 1] * share, float)


def progression_month(library: Library, design: TrialDesign) -> FloatArray:
    """Months from the landmark to the first visit with progression; infinite without.

    Returns
    -------
    array, shape (arms, draws, patients)
    """
    size = diameters(library, design)
    nadir = np.minimum.accumulate(size, axis=-1)
    grown = size >= np.maximum(nadir * (1 + load(SHEET)["recist_progression"]), 1e-9)
    grown[..., 0] = False
    first = np.argmax(grown, axis=-1).astype(float) * design.assessment.interval_months
    return np.where(grown.any(axis=-1), first, np.inf)


def best_response(library: Library, design: TrialDesign) -> FloatArray:
    """Chance of the design's binary end point for each virtual patient.

    Returns
    -------
    array, shape (arms, draws, patients)
        0 or 1 for a response on lesions within a year; for a complete response of the primary a logistic
        function of its residual volume relative to the control arm. [1]
    """
    if design.analysis.endpoint == "pCR":
        return _complete(library, design)
    size = diameters(library, design, outside_field=design.analysis.endpoint == "abscopal ORR")
    year = max(2, int(12 // design.assessment.interval_months) + 1)
    best = size[..., 1:year].min(axis=-1) / np.maximum(size[..., 0], 1e-9)
    return np.asarray(best <= 1 - load(SHEET)["recist_response"], float)


def _complete(library: Library, design: TrialDesign) -> FloatArray:
    sheet = load(SHEET)
    when = np.array([design.analysis.pcr_month])
    left = np.stack([_at(library, library.residual[arm.name], when)[..., 0] for arm in design.compared])
    odds = sheet["pcr_percent"] / (100 - sheet["pcr_percent"])
    score = np.log(odds) - sheet["pcr_volume"] * (left - left[0].mean(axis=-1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))), float)
