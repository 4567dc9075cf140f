"""What happens over time in the two-lesion experiment, arm by arm."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.regimen import Regimen
from abscopal.knowledge.load import load
from abscopal.simulation.dataset import BY_REFERENCE
from abscopal.simulation.many import simulate_many
from abscopal.window.arms import RULES
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import Experiment

FloatArray = NDArray[np.float64]
SHOWN = {"irradiated": ("V_0", "M_0"), "distant": ("V_1", "M_1"), "T cells": ("E_1",), "lymphocytes": ("L",)}
"""States that are added up for each curve: volumes hold viable and doomed cells."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Course of both lesions, of the effector cells in the distant one, and of the lymphocytes.

    Attributes
    ----------
    days : array, shape (n_t,)
        Day 0 is the first fraction. [day]
    values : mapping of arm, then curve, to array, shape (n_animals, n_t)
        Volumes in mm³, T cells per volume, lymphocytes as a share of their start. Animals that could
        not be solved under every arm are left out.
    """

    days: FloatArray
    values: Mapping[str, Mapping[str, FloatArray]]


def course_curves(
    setup: Experiment, radiation: Regimen, ensemble: Ensemble | None = None, *, points: int = 100
) -> Curves:
    """Every arm of one schedule over time.

    Parameters
    ----------
    setup : Experiment
    radiation : Regimen
        Day 0 the first fraction.
    ensemble : Ensemble, optional
        By default one animal with the experiment's parameters.
    points : int
        Number of days.

    Raises
    ------
    InputError
        A fraction after the readout.
    """
    nothing = Regimen()
    courses = {
        "both": setup.course(radiation),
        "ici": setup.course(nothing, day=setup.readout_day(radiation)),
        "rt": setup.course(radiation, ici=False),
        "none": setup.course(nothing, ici=False, day=setup.readout_day(radiation)),
    }
    start = load(RULES)["rt_start"]
    days = np.linspace(0.0, setup.readout_day(radiation), points)
    columns = ensemble.columns if ensemble else {}
    n = max((len(column) for column in columns.values()), default=1)
    result = simulate_many(
        setup.model,
        [course.events(setup.model) for course in courses.values()] * n,
        days.tolist(),
        parameters={**setup.parameters, **{name: np.repeat(column, len(courses)) for name, column in columns.items()}},
        outputs=sorted({state for states in SHOWN.values() for state in states}),
    )
    good = np.isin(result["status"].to_numpy(), (0, BY_REFERENCE)).reshape(n, len(courses)).all(axis=1)
    values: dict[str, dict[str, FloatArray]] = {arm: {} for arm in courses}
    for name, states in SHOWN.items():
        total = np.sum([result[state].to_numpy() for state in states], axis=0).reshape(n, len(courses), points)
        for place, arm in enumerate(courses):
            values[arm][name] = total[good, place]
    return Curves(days - start, values)
