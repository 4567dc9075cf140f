"""How much of a checkpoint inhibitor a person has in the blood over time."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.trajectory import Trajectory
from abscopal.pharmacology.drugs import kinetics_of
from abscopal.pharmacology.kinetics import kinetics_model
from abscopal.simulation.solve import simulate


def drug_exposure(
    doses: Sequence[DrugDose],
    times: ArrayLike,
    *,
    row: str | None = None,
    weight: float | None = None,
    sex: Literal["female", "male"] | None = None,
    partner: str = "",
    side: Literal["before", "after", "both"] = "before",
) -> Trajectory:
    """Concentration of one drug in a person given these doses as boluses.

    Parameters
    ----------
    doses : sequence of DrugDose
        All of one drug.
    times : array, shape (n_t,)
        Ascending days; later doses are left out. [day]
    row, weight, sex, partner
        As in `kinetics_of`.

    Returns
    -------
    Trajectory
        A1, A2 [mg], C [mg/L], CL [L/day].

    Raises
    ------
    InputError
        No dose, or doses of several drugs.
    UnsupportedError
        The drug has no complete kinetics on file.
    """
    names = {dose.drug for dose in doses}
    if len(names) != 1:
        raise InputError(
            doing="computing the exposure to a drug",
            found="no dose" if not names else "doses of " + ", ".join(sorted(names)),
            expected="doses of one drug",
            try_="one call per drug",
        )
    first = min(dose.day for dose in doses)
    person = kinetics_of(names.pop(), row=row, weight=weight, sex=sex, partner=partner)
    model = kinetics_model(person, first_day=first)
    days = np.atleast_1d(np.asarray(times, dtype=np.float64))
    given = Regimen(drug_doses=tuple(dose for dose in doses if dose.day <= days.max(initial=first)))
    return simulate(model, given, days, start=min(first, days.min(initial=first)), side=side)
