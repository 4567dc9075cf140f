"""What is kept of a quantity while solving, so that whole trajectories need not be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError
from abscopal.simulation.kernels.layout import SUMMARIES

FloatArray = NDArray[np.float64]
Kind = Literal["minimum", "maximum", "area", "above", "below", "crossing"]
_TIMED = ("above", "below", "crossing")


@dataclass(frozen=True)
class Summary:
    """One number per patient about one state or quantity over the whole run.

    Attributes
    ----------
    name : str
        State or quantity.
    kind : str
        `minimum`, `maximum`; `area` under the curve [unit·day]; `above` and `below`, the first day the value is
        at least or at most the threshold; `crossing`, the first day it has been on both sides. A day that
        never comes is infinite. Both sides of an impulse count.
    threshold : float or array, shape (n,)
        In the quantity's unit; needed by the last three.
    label : str
        Name in the result; `<name>_<kind>` unless given.
    """

    name: str
    kind: Kind
    threshold: ArrayLike | None = None
    label: str = ""

    @property
    def title(self) -> str:
        """Name in the result."""
        return self.label or f"{self.name}_{self.kind}"


@dataclass(frozen=True)
class Watch:
    """Summaries arranged as the slots that a kernel keeps.

    Attributes
    ----------
    summaries : sequence of Summary
    observed : tuple of str
        Quantity of each slot; one quantity has a slot per threshold.
    slot : list of int
        Slot of each summary.
    levels : array, shape (n, n_slots)
        Threshold of each patient.
    """

    summaries: Sequence[Summary]
    observed: tuple[str, ...]
    slot: list[int]
    levels: FloatArray = field(repr=False)

    def rows(self, chosen: NDArray[np.int64]) -> "Watch":
        """The watch of some of the patients."""
        return replace(self, levels=np.ascontiguousarray(self.levels[chosen]))

    def values(self, kept: FloatArray) -> dict[str, FloatArray]:
        """Each summary by its title, from what the kernel kept, shape (n, n_slots, 5)."""
        return {s.title: _value(s.kind, kept[:, k]) for s, k in zip(self.summaries, self.slot, strict=True)}


def watch(summaries: Sequence[Summary], n: int) -> Watch:
    """Arrange summaries for `n` patients.

    Raises
    ------
    InputError
        Two with one title, an unknown kind, a threshold that is missing, not finite, or of the wrong length.
    """
    titles = [summary.title for summary in summaries]
    for summary in summaries:
        _check(summary, titles, n)
    slots: dict[tuple[str, bytes | None], int] = {}
    levels: list[FloatArray] = []
    observed: list[str] = []
    place = []
    for summary in summaries:
        level = None if summary.threshold is None else np.asarray(summary.threshold, dtype=np.float64)
        same = next((k for k, name in enumerate(observed) if name == summary.name), None) if level is None else None
        key = (summary.name, None if level is None else level.tobytes())
        if same is None and key not in slots:
            slots[key] = len(observed)
            observed.append(summary.name)
            levels.append(np.broadcast_to(np.inf if level is None else level, (n,)))
        place.append(slots[key] if same is None else same)
    stacked = np.column_stack(levels) if levels else np.zeros((n, 0))
    return Watch(tuple(summaries), tuple(observed), place, np.ascontiguousarray(stacked, dtype=np.float64))


def _check(summary: Summary, titles: list[str], n: int) -> None:
    doing = f"setting up the summary {summary.title!r}"
    if summary.kind not in (*SUMMARIES, "crossing"):
        raise InputError(
            doing=doing,
            found=f"the kind {summary.kind!r}",
            expected="minimum, maximum, area, above, below or crossing",
            try_="one of these",
        )
    if titles.count(summary.title) > 1:
        raise InputError(
            doing=doing, found="two summaries of that name", expected="one name each", try_="giving one a label"
        )
    if summary.kind not in _TIMED:
        return
    level = np.asarray(np.nan if summary.threshold is None else summary.threshold, dtype=np.float64)
    if not np.isfinite(level).all() or level.shape not in {(), (n,)}:
        raise InputError(
            doing=doing,
            found="no threshold" if summary.threshold is None else f"a threshold of shape {level.shape}, or not finite",
            expected=f"a finite number, or one for each of {n} patients",
            try_="threshold=...",
        )


def _value(kind: str, kept: FloatArray) -> FloatArray:
    if kind == "crossing":  # one of the two was true from the start
        return np.maximum(kept[:, SUMMARIES.index("above")], kept[:, SUMMARIES.index("below")])
    return kept[:, SUMMARIES.index(kind)]
