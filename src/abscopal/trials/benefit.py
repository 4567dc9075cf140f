"""Who gains: the same virtual patients under the control and under each tested arm, without trial noise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.trials.calibrate import adds_ici
from abscopal.trials.design import TrialDesign
from abscopal.trials.patient_pool import PatientPool
from abscopal.trials.population_layer import HORIZON, hazards
from abscopal.trials.response import Library

FloatArray = NDArray[np.float64]
_THIRDS = ("lowest third", "middle third", "highest third")


def who_gained(design: TrialDesign, pool: PatientPool, libraries: Mapping[int, Library]) -> pd.DataFrame:
    """Gain of restricted mean time by tested arm and by thirds of each covariate.

    Returns
    -------
    DataFrame
        `gain_months` with the constant effect of an added ICI, `gain_by_mechanism_months` without it, and the
        share of patients who gain by the mechanism alone. [month]
    """
    endpoint = "OS" if design.analysis.endpoint == "OS" else "PFS"
    sets = pool.sets[endpoint]
    place = int(sets["factor"].mode().iloc[0])
    mean = sets.loc[sets["factor"] == place]
    link = float(mean["link"].mean())
    constant = [float(mean["effect"].mean()) if adds_ici(design, k) else 0.0 for k in range(len(design.tested))]
    whole = _gain(design, pool.relative[place], endpoint, link, np.array(constant)[:, None])
    alone = _gain(design, pool.relative[place], endpoint, link, np.zeros((len(constant), 1)))
    rows = []
    for arm, own, by_mechanism in zip(design.tested, whole, alone, strict=True):
        rows.append(_gained(arm.name, "all", "", own, by_mechanism))
        for name, column in libraries[place].covariates.items():
            third = np.digitize(column.ravel(), np.quantile(column, [1 / 3, 2 / 3]))
            rows += [_gained(arm.name, name, label, own[third == k], by_mechanism[third == k])
                     for k, label in enumerate(_THIRDS)]  # fmt: skip
    return pd.DataFrame(rows)


def _gain(design: TrialDesign, relative: FloatArray, endpoint: str, link: float, constant: FloatArray) -> FloatArray:
    """Gain of restricted mean time of each virtual patient, shape (tested arms, patients). [month]."""
    found = hazards(design, relative, endpoint, link, trial_effect=constant)
    limit = min(HORIZON, round(design.analysis.rmst_months))
    survival = np.exp(-found.cumulative[..., : limit + 1])
    mean = ((survival[..., 1:] + survival[..., :-1]) / 2).sum(-1)
    return np.asarray(mean[1:] - mean[0], float).reshape(len(mean) - 1, -1)


def _gained(arm: str, covariate: str, who: str, whole: FloatArray, alone: FloatArray) -> dict[str, Any]:
    return {
        "arm": arm, "covariate": covariate, "who": who, "gain_months": float(whole.mean()),
        "gain_by_mechanism_months": float(alone.mean()), "share_gaining_by_mechanism": float((alone > 0).mean()),
    }  # fmt: skip
