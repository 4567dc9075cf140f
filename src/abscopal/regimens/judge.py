"""What each regimen does: both lesions in the immune model over shared draws, and its costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.regimen import Regimen
from abscopal.knowledge.load import load
from abscopal.regimens.candidates import Candidate
from abscopal.window.arms import RULES, Arms, Course, run_courses
from abscopal.window.ensemble import Ensemble, Values
from abscopal.window.experiment import Experiment

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval: of the draws, or of the model it comes from; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self, form: str = ".2f") -> str:
        """The number with its interval."""
        if self.low is None or self.high is None:
            return f"{self.value:{form}}"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


Costing = Callable[[Candidate], Estimate | None]
"""From a regimen to a cost on this patient, None where it cannot be computed."""


@dataclass(frozen=True, eq=False)
class Response:
    """The immune model's answer for many regimens.

    Attributes
    ----------
    local : array, shape (n_draws, n_candidates)
        log10 of the irradiated lesion's untreated volume on day 0 over its smallest viable volume. [1]
    control : array, shape (n_draws, n_candidates)
        Probability that none of its clonogens survives. [1]
    distant : array, shape (n_draws, n_candidates)
        log10 of the other lesion's volume untreated over that under the regimen, on the readout day. [1]
    gain : array, shape (n_draws, n_candidates)
        log10 of that volume under the same ICI alone over that under the regimen. [1]
    readout : float
        Day of the mouse clock on which every regimen is read. [day]
    solved : array of bool, shape (n_draws,)
    """

    local: FloatArray
    control: FloatArray
    distant: FloatArray
    gain: FloatArray
    readout: float
    solved: NDArray[np.bool_]


Responder = Callable[[Sequence[Candidate], Experiment, Ensemble], Response]
"""From regimens to the immune model's answer."""


def respond(candidates: Sequence[Candidate], setup: Experiment, ensemble: Ensemble) -> Response:
    """Solve every regimen for every draw in one call.

    Parameters
    ----------
    setup : Experiment
        Model (made with every modulator that a candidate has), the present ICI schedule and parameters.
    ensemble : Ensemble
        The same draws for every regimen, so that differences are paired.

    Raises
    ------
    ConvergenceError
        No draw could be solved.
    """
    given = [candidate.radiation() for candidate in candidates]
    day = common_readout(candidates, setup)
    asked: dict[str, list[Course]] = {"both": [], "ici": [], "none": []}
    nothing = Regimen()
    for candidate, radiation in zip(candidates, given, strict=True):
        here = _setup(candidate, setup)
        asked["both"].append(here.course(radiation, day=day))
        asked["ici"].append(replace(here, targets=(0,), node_dose=0.0).course(nothing, day=day))
        asked["none"].append(setup.course(nothing, ici=False, day=day))
    values: Values = {**setup.parameters, **ensemble.columns}
    arms = run_courses(setup.model, asked, values, observed=setup.observed)
    nadir = arms.nadir["both"]
    start = _start_volume(setup, ensemble, arms)
    return Response(
        local=np.log10(start / nadir),
        control=np.exp(-load(RULES)["clonogens_per_mm3"] * nadir),
        distant=np.log10(arms.volume["none"] / arms.volume["both"]),
        gain=arms.gain(),
        readout=day,
        solved=arms.solved,
    )


def common_readout(candidates: Sequence[Candidate], setup: Experiment) -> float:
    """One day of the mouse clock on which all of them are read.

    Lesions grow: of two regimens the one read later would look better for that alone.
    """
    return max(setup.readout_day(candidate.radiation()) for candidate in candidates)


def _setup(candidate: Candidate, setup: Experiment) -> Experiment:
    moved = setup if candidate.ici_start is None else setup.starting_ici(candidate.ici_start)
    return replace(
        moved,
        targets=(0,) if candidate.target == "irradiated" else (0, setup.observed),
        node_dose=candidate.node_gy,
        modulators=candidate.modulators,
    )


def _start_volume(setup: Experiment, ensemble: Ensemble, arms: Arms) -> FloatArray:
    default = next(p.value for p in setup.model.parameters if p.name == "V0_0")
    column = ensemble.columns.get("V0_0", np.full(ensemble.draws * ensemble.animals, default, dtype=np.float64))
    return np.asarray(column)[arms.solved, None]
