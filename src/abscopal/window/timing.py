"""What-if curves: ICI that starts earlier or later, and ICI that stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.knowledge.load import load
from abscopal.window.arms import RULES, Arms, run_courses
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import EARLY_DOSES, Experiment, reference_experiment
from abscopal.window.surface import finite_day, unsolved_note

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class WhatIf:
    """Curves of the lesion that is not irradiated against one choice about ICI.

    Attributes
    ----------
    choice : str
        What varies, with its unit.
    x : array, shape (n_x,)
    gain, log_synergy : array, shape (3, n_x)
        5th percentile, median, 95th percentile: log10 of volume under ICI alone over both; S_B. [1]
    ratio : mapping of arm to array, shape (3, n_x)
        Volume over untreated on the readout day, for `rt`, `ici` and `both`. [1]
    reached : mapping of arm to array, shape (3, n_x)
        Day on which the lesion first reaches `threshold`, counted from the first fraction; infinite where it
        does not within the follow-up. [day]
    never : mapping of arm to array, shape (n_x,)
        Share of animals whose lesion does not. [1]
    readout, follow_up : float
        Counted from the first fraction. [day]
    threshold : float
        [mm³]
    """

    choice: str
    x: FloatArray
    gain: FloatArray
    log_synergy: FloatArray
    ratio: Mapping[str, FloatArray]
    reached: Mapping[str, FloatArray]
    never: Mapping[str, FloatArray]
    readout: float
    follow_up: float
    threshold: float
    notes: tuple[str, ...]

    def best(self) -> float:
        """The choice with the largest median gain."""
        return float(self.x[np.argmax(self.gain[1])])


def ici_timing(
    radiation: Regimen,
    starts: Sequence[float] | None = None,
    *,
    experiment: Experiment | None = None,
    ensemble: Ensemble | None = None,
) -> WhatIf:
    """The same ICI doses with the first one on each of these days.

    Parameters
    ----------
    radiation : Regimen
        Day 0 is the first fraction.
    starts : sequence of float, optional
        Counted from the first fraction; by default -21 to 42. [day]
    experiment, ensemble
        As in `gain_surface`.

    Raises
    ------
    InputError
        No radiation, no ICI, no day, or days that are not finite or do not ascend.
    ConvergenceError
        No animal could be solved.
    """
    setup = _checked(experiment or reference_experiment(), radiation)
    days = [finite_day(day) for day in (load(RULES).vector("timing_starts") if starts is None else starts)]
    if not days or days != sorted(set(days)):
        raise InputError(
            doing="moving the first ICI dose", found=f"the days {days}",
            expected="at least one day, each once and ascending", try_="-7, 0 and 7",
        )  # fmt: skip
    return _what_if(
        "first ICI dose, days after the first fraction",
        days,
        [setup.starting_ici(day) for day in days],
        radiation,
        ensemble,
    )


def ici_stopping(
    radiation: Regimen,
    most: int | None = None,
    *,
    experiment: Experiment | None = None,
    ensemble: Ensemble | None = None,
) -> WhatIf:
    """ICI stopped after each number of doses, from none to `most`, at the spacing of the first two.

    Parameters
    ----------
    radiation : Regimen
        Day 0 is the first fraction.
    most : int, optional
        By default that of the sheet.
    experiment, ensemble
        As in `gain_surface`.

    Raises
    ------
    InputError
        No radiation, no ICI, or no dose.
    ConvergenceError
        No animal could be solved.
    """
    setup = _checked(experiment or reference_experiment(), radiation)
    count = int(load(RULES)["most_ici_doses"]) if most is None else most
    if count < 1:
        raise InputError(doing="stopping ICI", found=f"at most {count} doses", expected="at least one", try_="most=12")
    first = setup.drugs[0]
    days = sorted({dose.day for dose in setup.drugs})
    gap = days[1] - days[0] if len(days) > 1 else load(RULES)["ici_gap"]
    given = [first.model_copy(update={"day": days[0] + k * gap}) for k in range(count)]
    setups = [replace(setup, drugs=tuple(given[:k])) for k in range(count + 1)]
    return _what_if(
        f"ICI doses given, every {gap:g} days, then stopped", list(range(count + 1)), setups, radiation, ensemble
    )


def _checked(setup: Experiment, radiation: Regimen) -> Experiment:
    if radiation.n_fractions and setup.drugs:
        return setup
    raise InputError(
        doing="asking what if ICI were given at another time",
        found=f"{radiation.n_fractions} fractions and {len(setup.drugs)} ICI doses",
        expected="at least one of each",
        try_="--dose 8 --fractions 3 --ici anti-CTLA-4",
    )


def _what_if(
    choice: str, x: Sequence[float], setups: Sequence[Experiment], radiation: Regimen, ensemble: Ensemble | None
) -> WhatIf:
    rules = load(RULES)
    setup = setups[0]
    day, follow_up = setup.readout_day(radiation), rules["timing_follow_up"]
    nothing = Regimen()
    n = len(setups)
    asked = {
        "both": [s.course(radiation, day=day, until=follow_up) for s in setups],
        "ici": [s.course(nothing, day=day, until=follow_up) for s in setups],
        "rt": [setup.course(radiation, ici=False, day=day)] * n,
        "none": [setup.course(nothing, ici=False, day=day)] * n,
    }
    arms = run_courses(
        setup.model,
        asked,
        {**setup.parameters, **(ensemble.columns if ensemble else {})},
        observed=setup.observed,
        threshold=rules["timing_volume"],
        follow_up=max(follow_up, day),
    )
    ratios = {arm: arms.ratio(arm) for arm in ("rt", "ici", "both")}
    synergy = np.log10(ratios["rt"] * ratios["ici"] / ratios["both"])
    return WhatIf(
        choice=choice,
        x=np.array(x, dtype=np.float64),
        gain=_band(arms.gain()),
        log_synergy=_band(synergy),
        ratio={arm: _band(values) for arm, values in ratios.items()},
        reached={arm: _band(values - rules["rt_start"]) for arm, values in arms.reached.items()},
        never={arm: np.isinf(values).mean(axis=0) for arm, values in arms.reached.items()},
        readout=day - rules["rt_start"],
        follow_up=max(follow_up, day) - rules["rt_start"],
        threshold=rules["timing_volume"],
        notes=_notes(setups, day, ensemble, arms),
    )


def _notes(setups: Sequence[Experiment], day: float, ensemble: Ensemble | None, arms: Arms) -> tuple[str, ...]:
    start = load(RULES)["rt_start"]
    early = any(dose.day < -start for setup in setups for dose in setup.drugs)
    return (
        *[note for note in setups[-1].notes() if note != EARLY_DOSES],
        f"All are read on day {day - start:g} after the first fraction: an ICI dose after it changes the day on which "
        "the threshold is reached, not the gain.",
        *([EARLY_DOSES] if early else []),
        *(ensemble.notes if ensemble else ()),
        *unsolved_note(arms.solved),
    )


def _band(values: FloatArray) -> FloatArray:
    """5th percentile, median and 95th percentile over animals, each a member of the sample."""
    return np.asarray(np.percentile(values, [5, 50, 95], axis=0, method="inverted_cdf"))
