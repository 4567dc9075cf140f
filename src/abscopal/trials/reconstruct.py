"""Patients behind a published Kaplan-Meier curve, by the algorithm of Guyot and others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.trials.survival import kaplan_meier

FloatArray = NDArray[np.float64]
_ROUNDS = 1000
"""Corrections of the censored number in one interval before it is left as it is."""


@dataclass(frozen=True)
class Reconstruction:
    """Times and events that give back the published curve.

    Attributes
    ----------
    time : array, shape (n,)
        [month]
    event : array of bool, shape (n,)
    rmse, worst : float
        Root mean square and largest difference of the reproduced from the digitised survival. [1]
    notes : tuple of str
        What was changed or assumed on the way.
    """

    time: FloatArray
    event: NDArray[np.bool_]
    rmse: float
    worst: float
    notes: tuple[str, ...]


def reconstruct(
    times: ArrayLike,
    survival: ArrayLike,
    risk_times: ArrayLike,
    at_risk: ArrayLike,
    *,
    total_events: int | None = None,
) -> Reconstruction:
    """Individual times from points of a curve and its numbers at risk.

    Parameters
    ----------
    times : array, shape (m,)
        Of the digitised points, ascending. [month]
    survival : array, shape (m,)
        Read off at those points; made monotone. [1]
    risk_times : array, shape (q,)
        Where numbers at risk are printed, the first 0. [month]
    at_risk : array, shape (q,)
        [patients]
    total_events : int, optional
        Of the arm; fixes the censoring of the last interval. [patients]

    Raises
    ------
    InputError
        Times that do not ascend, survival outside 0 to 1, numbers at risk that rise or do not start at 0.

    References
    ----------
    Guyot P, Ades AE, Ouwens MJNM, Welton NJ, BMC Med Res Methodol 2012.
    """
    t, s, when, n, notes = _checked(times, survival, risk_times, at_risk)
    groups = [np.flatnonzero((t >= a) & (t < b)) for a, b in zip(when, [*when[1:], np.inf], strict=True)]
    state = _State(level=1.0, alive=int(n[0]))
    for k, clicks in enumerate(groups[:-1]):
        state.take(_interval(state, t[clicks], s[clicks], (when[k], when[k + 1]), int(n[k + 1])))
    end = float(max(t[-1], when[-1]))
    last = groups[-1]
    rate = state.censored / max(float(when[-1]), 1e-9)
    guess = min(state.alive, round(rate * (end - float(when[-1]))))
    state.take(_last(state, t[last], s[last], (float(when[-1]), end), guess, total_events))
    state.times.extend([end] * state.alive)
    state.events.extend([False] * state.alive)
    time, event = np.array(state.times), np.array(state.events, bool)
    error = kaplan_meier(time, event).at(t) - s
    if total_events is not None and int(event.sum()) != total_events:
        notes = (*notes, f"{int(event.sum())} events reproduced, {total_events} published")
    return Reconstruction(time, event, float(np.sqrt((error**2).mean())), float(np.abs(error).max()), notes)


@dataclass
class _Piece:
    """What one interval holds: events and censorings by time, and who is left."""

    times: list[float]
    events: list[bool]
    alive: int
    level: float
    censored: int


class _State:
    def __init__(self, *, level: float, alive: int) -> None:
        self.level, self.alive, self.censored = level, alive, 0
        self.times: list[float] = []
        self.events: list[bool] = []

    def take(self, piece: _Piece) -> None:
        self.times += piece.times
        self.events += piece.events
        self.alive, self.level, self.censored = piece.alive, piece.level, self.censored + piece.censored


def _interval(state: _State, t: FloatArray, s: FloatArray, span: tuple[float, float], left: int) -> _Piece:
    """Events and censorings that leave `left` patients at the end of the interval."""
    end_level = float(s[-1]) if s.size else state.level
    censored = max(0, round(state.alive * end_level / max(state.level, 1e-12) - left))
    piece = _place(state, t, s, span, censored)
    for _ in range(_ROUNDS):
        excess = piece.alive - left
        if excess == 0 or (excess < 0 and censored == 0):
            break
        step = int(np.sign(excess))
        candidate = _place(state, t, s, span, max(0, censored + step))
        if abs(candidate.alive - left) > abs(excess):
            break
        censored, piece = max(0, censored + step), candidate
    return piece


def _last(
    state: _State, t: FloatArray, s: FloatArray, span: tuple[float, float], guess: int, total: int | None
) -> _Piece:
    piece = _place(state, t, s, span, guess)
    if total is None:
        return piece
    wanted = total - sum(state.events)
    options = [_place(state, t, s, span, c) for c in range(state.alive + 1)]
    return min(options, key=lambda p: (abs(sum(p.events) - wanted), abs(p.level - (s[-1] if s.size else p.level))))


def _place(state: _State, t: FloatArray, s: FloatArray, span: tuple[float, float], censored: int) -> _Piece:
    """Spread the censored evenly over the interval, then give each point of the curve its events."""
    out = span[0] + (span[1] - span[0]) * (np.arange(censored) + 0.5) / max(censored, 1)
    times, events, alive, level, gone = [], [], state.alive, state.level, 0
    for when, height in zip(t.tolist(), s.tolist(), strict=True):
        before = int(np.searchsorted(out, when, side="left"))
        times += out[gone:before].tolist()
        events += [False] * (before - gone)
        alive, gone = alive - (before - gone), before
        deaths = min(max(alive, 0), round(alive * (1 - height / level))) if level > 0 and alive > 0 else 0
        times += [when] * deaths
        events += [True] * deaths
        level *= 1 - deaths / alive if alive > 0 else 1.0
        alive -= deaths
    times += out[gone:].tolist()
    events += [False] * (censored - gone)
    return _Piece(times, events, max(0, alive - (censored - gone)), level, censored)


def _checked(
    times: ArrayLike, survival: ArrayLike, risk_times: ArrayLike, at_risk: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, tuple[str, ...]]:
    t, s, when, n = (np.atleast_1d(np.asarray(x, float)) for x in (times, survival, risk_times, at_risk))
    wrong = [
        text
        for bad, text in (
            (t.shape != s.shape or t.size < 2 or t.ndim != 1, "points and survival of unlike length, or under two"),
            (when.shape != n.shape or when.size < 1, "numbers at risk and their times of unlike length"),
            (not all(np.isfinite(x).all() for x in (t, s, when, n)), "a number that is not finite"),
            ((np.diff(t) < 0).any() or (t < 0).any(), "times that do not ascend from 0"),
            ((s < 0).any() or (s > 1).any(), "survival outside 0 to 1 (percent?)"),
            (when.size and (when[0] != 0 or (np.diff(when) <= 0).any()), "times of the numbers at risk not from 0 up"),
            ((np.diff(n) > 0).any() or (n < 0).any() or (n.size and n[0] < 1), "numbers at risk that rise, or none"),
        )
        if bad
    ]  # fmt: skip
    if wrong:
        raise InputError(
            doing="reconstructing patients from a survival curve", found=wrong[0],
            expected="points (time, survival) of one arm and its numbers at risk", try_="digitising again",
        )  # fmt: skip
    monotone = np.minimum.accumulate(s)
    raised = int((monotone < s).sum())
    return t, monotone, when, n, _raised(raised)


def _raised(points: int) -> tuple[str, ...]:
    return (f"{points} points that rose were lowered",) if points else ()
