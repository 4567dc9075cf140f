"""Competing events: cause-specific Cox models together, and Fine and Gray's subdistribution."""

import numpy as np
from numpy.typing import NDArray

from abscopal.learning.estimators.cox import PenalisedCox, weighted_cox
from abscopal.learning.estimators.survival import SurvivalEstimator
from abscopal.learning.outcome import FloatArray
from abscopal.learning.product_limit import StepFunction, censoring_survival


class CauseSpecificCox(SurvivalEstimator):
    r"""Cumulative incidence from one Cox model per cause.

    .. math:: F_1(t \mid x) = \int_0^t S(u^- \mid x)\, dH_1(u \mid x), \quad S = e^{-H_1 - H_2}

    Parameters
    ----------
    penalizer : float
        Ridge penalty of both models. [1]
    """

    def __init__(self, penalizer: float = 0.1) -> None:
        self.penalizer = penalizer

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        self.interest_ = PenalisedCox(self.penalizer).fit(X, np.column_stack([time, code == 1]))
        self.others_ = None
        if (code == 2).any():
            self.others_ = PenalisedCox(self.penalizer).fit(X, np.column_stack([time, code == 2]))

    def _risk(self, X: FloatArray) -> FloatArray:
        """Probability of the event of interest by the last time observed."""
        return self._event_probability(X, self.interest_.baseline_time_[-1:])[:, 0]

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        grid = self.interest_.baseline_time_
        mine = self.interest_.cumulative_hazard(X, grid)
        others = 0.0 if self.others_ is None else self.others_.cumulative_hazard(X, grid)
        free = np.exp(-(mine + others))
        before = np.column_stack([np.ones(len(X)), free[:, :-1]])
        steps = np.diff(mine + others, axis=1, prepend=0.0)
        own = np.diff(mine, axis=1, prepend=0.0)
        # Each step takes its own share of what leaves the event-free state, so the causes and the free sum to one.
        share = np.divide(own, steps, out=np.zeros_like(own), where=steps > 0)
        incidence = np.cumsum(before * -np.expm1(-steps) * share, axis=1)
        place = np.searchsorted(grid, times, side="right")
        return np.column_stack([np.zeros(len(X)), incidence])[:, place]


class FineGray(SurvivalEstimator):
    r"""Proportional subdistribution hazards.

    .. math:: F_1(t \mid x) = 1 - \exp(-H_0(t)\, e^{\beta (x - \bar x)})

    A patient with a competing event stays at risk, with the weight
    :math:`G(u^-)/G(T^-)` of still being under observation at each later time `u`.

    Parameters
    ----------
    penalizer : float
        Ridge penalty, as lifelines defines it. [1]

    References
    ----------
    Fine JP, Gray RJ, J Am Stat Assoc 1999 (form recalled).
    """

    def __init__(self, penalizer: float = 0.0) -> None:
        self.penalizer = penalizer

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        self.coef_ = np.zeros(X.shape[1])
        self.center_ = X.mean(axis=0)
        start, stop, event, weight, patient = _pseudo_rows(time, code)
        self.coef_ = weighted_cox(X[patient], stop, event, penalizer=self.penalizer, entry=start, weights=weight)
        relative = np.exp(self._risk(X))
        times = np.unique(time[code == 1])
        at_risk = np.array([
            (weight * relative[patient])[(start < at) & (stop >= at)].sum() for at in times
        ])  # fmt: skip
        events = np.array([(time[code == 1] == at).sum() for at in times])
        self.baseline_time_, self.baseline_hazard_ = times, np.cumsum(events / at_risk)

    def _risk(self, X: FloatArray) -> FloatArray:
        return np.asarray((X - self.center_) @ self.coef_)

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        baseline = StepFunction(self.baseline_time_, self.baseline_hazard_, 0.0)(times)
        return -np.expm1(-np.exp(np.clip(self._risk(X), -50, 50))[:, None] * baseline[None, :])


def _pseudo_rows(
    time: FloatArray, code: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], FloatArray, NDArray[np.int64]]:
    """Rows (start, stop] with an event flag, a weight and the patient they belong to."""
    censoring = censoring_survival(time, code)
    marks = np.unique(time[code == 1])
    start, stop = [np.zeros(len(time))], [time]
    event, weight, patient = [code == 1], [np.ones(len(time))], [np.arange(len(time))]
    for index in np.flatnonzero(code == 2):
        later = marks[marks > time[index]]
        left = censoring(later, before=True) / censoring(time[index], before=True)
        kept = left > 0
        later, left = later[kept], left[kept]
        start.append(np.concatenate([[time[index]], later])[:-1] if len(later) else later)
        stop.append(later)
        event.append(np.zeros(len(later), dtype=bool))
        weight.append(left)
        patient.append(np.full(len(later), index))
    joined = [np.concatenate(part) for part in (start, stop, event, weight, patient)]
    return joined[0], joined[1], joined[2], joined[3], joined[4].astype(np.int64)
