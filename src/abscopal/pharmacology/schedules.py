"""A patient's drug schedules as single doses."""

from collections.abc import Sequence

from abscopal.domain.patient import DrugSchedule
from abscopal.domain.regimen import DrugDose
from abscopal.pharmacology.drugs import drug_class


def expand_schedules(schedules: Sequence[DrugSchedule]) -> tuple[DrugDose, ...]:
    """Every dose of every schedule, by day; day 0 is the first fraction.

    Parameters
    ----------
    schedules : sequence of DrugSchedule
        Such as `patient.drugs`.

    Raises
    ------
    InputError
        A drug nobody knows, with the close match.

    Examples
    --------
    >>> schedule = DrugSchedule(
    ...     name="nivolumab", dose="240 mg", first_day="0 day", interval="14 day", doses=2
    ... )
    >>> [(dose.day, dose.mg) for dose in expand_schedules([schedule])]
    [(0.0, 240.0), (14.0, 240.0)]
    """
    doses = [
        DrugDose(drug=_known(schedule.name), mg=schedule.dose, day=schedule.first_day + k * schedule.interval)
        for schedule in schedules
        for k in range(schedule.doses)
    ]
    return tuple(sorted(doses, key=lambda dose: dose.day))


def _known(name: str) -> str:
    drug_class(name)
    return name.strip().casefold()
