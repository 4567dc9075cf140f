"""Arms run for parameter draws, and what each evidence row would read off them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ModelError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.immune.arms import Arm, Courses, arm, run_arms, single_dose_arm
from abscopal.inference.observations import EXPERIMENTS, Observation
from abscopal.inference.parameters import Parameters
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
_OUTPUTS = ("V_0", "M_0", "V_1", "M_1")
_LEAST = 1e-9
"""Added to read-outs before their logarithm is taken; far below any that matters."""
_TEMPLATE = "FSA_TCD50"


@dataclass(frozen=True, eq=False)
class Bench:
    """Observations and the model they are compared with.

    Attributes
    ----------
    model : Model
        Two lesions, the first irradiated.
    rows : tuple of Observation
    threads : int, optional
        All processors unless given.
    """

    model: Model
    rows: tuple[Observation, ...]
    threads: int | None = None

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm of the rows, once."""
        names = [name for one in self.rows for name, _ in (*one.arms, *one.references) if name != _TEMPLATE]
        return tuple(arm(name) for name in dict.fromkeys(names))

    @cached_property
    def days(self) -> FloatArray:
        """Days on which something is read."""
        if any(one.kind in {"peak", "survival"} for one in self.rows):
            return np.arange(0.0, load(EXPERIMENTS)["last_day"] + 1)
        read = {day for one in self.rows for _, day in (*one.arms, *one.references) if not math.isnan(day)}
        return np.array(sorted(read | {load(EXPERIMENTS)["last_day"]}))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """States read by the rows."""
        states = {state.name for state in self.model.states}
        read = [one.readout for one in self.rows if one.readout in states]
        return tuple(dict.fromkeys((*_OUTPUTS, *read)))

    def effects(self, draws: Parameters) -> FloatArray:
        """What each row reads under each draw, shape (n_rows, n_draws); NaN for draws that failed.

        A log ratio, log value or log days for numeric kinds, a log ratio for signs and effects (positive where the
        arm shrinks more, for read-outs called `shrink`), a score for ranks, and for cures the share of animals cured
        in the arm plus that in the reference times 1e3, see `cure_shares`.
        """
        reader = _Reader(self, draws)
        found = np.array([reader.effect(one) for one in self.rows])
        found[:, reader.failed] = np.nan
        return found


def cure_shares(effect: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares cured in the arm and in its reference, from the effect of a cure row."""
    reference = np.floor(effect) / 1e3
    return effect - np.floor(effect), reference


class _Reader:
    """One run of every arm, read row by row."""

    def __init__(self, bench: Bench, draws: Parameters) -> None:
        self.bench, self.draws = bench, draws
        self.place = {one.name: k for k, one in enumerate(bench.arms)}
        lines = {one.line: draws.of_line(one.line) for one in bench.arms}
        self.run: Courses = run_arms(
            bench.model,
            bench.arms,
            [lines[one.line] for one in bench.arms],
            outputs=bench.outputs,
            days=bench.days,
            threads=bench.threads,
        )
        self.failed = self.run.failed
        self._tcd50: dict[bool, FloatArray] = {}

    def effect(self, one: Observation) -> FloatArray:
        readers = {
            "tcd50": lambda _: self._tcd50_ratio(),
            "tcd50_with": lambda _: np.log(self.tcd50(False)),
            "cure": self._cured,
            "peak": self._peak,
            "survival": self._survival,
            "rank": self._first,
            "control": self._first,
        }
        if one.kind in readers:
            return readers[one.kind](one)
        if not one.arms:
            return np.log(self._parameter(one.readout) + _LEAST) - (math.log(0.5) if one.kind == "sign" else 0.0)
        return self._gap(one)

    def _first(self, one: Observation) -> FloatArray:
        return self._score(one.readout, *one.arms[0])

    def _gap(self, one: Observation) -> FloatArray:
        """Log of the arm's read-out over the reference's; over the reference that comes nearest to it."""
        against = [self._score(one.readout, *own) for own in one.references]
        gaps = np.array([self._score(one.readout, *one.arms[0]) - other for other in against])
        if one.kind == "change":
            largest: FloatArray = np.take_along_axis(gaps, np.abs(gaps).argmax(axis=0)[None], axis=0)[0]
            return largest
        return np.asarray(gaps.min(axis=0))

    def _score(self, readout: str, name: str, day: float) -> FloatArray:
        """Log of a read-out of an arm, averaged over its animals; larger is better for `shrink` and `nadir`."""
        k = self.place[name]
        if readout == "shrink_both":
            return np.minimum(self._score("shrink_0", name, day), self._score("shrink_1", name, day))
        kind, _, lesion = readout.partition("_")
        if kind == "nadir":
            return np.asarray(-np.log(np.maximum(self.run.least[int(lesion)][k].mean(axis=0), 0) + _LEAST))
        at = int(np.searchsorted(self.bench.days, day))
        if kind in {"shrink", "size"}:
            size = self.run.values[f"V_{lesion}"][k, :, :, at] + self.run.values[f"M_{lesion}"][k, :, :, at]
            return np.asarray((-1.0 if kind == "shrink" else 1.0) * np.log(size.mean(axis=0) + _LEAST))
        if readout not in self.run.values:  # a state that an ablation took away: no difference between arms
            return np.zeros(self.failed.shape)
        return np.asarray(np.log(self.run.values[readout][k, :, :, at].mean(axis=0) + _LEAST))

    def _cured(self, one: Observation) -> FloatArray:
        shares = [self._share_cured(name) for name, _ in (*one.arms, *one.references)]
        return np.clip(shares[0], 0, 1 - 1e-9) + np.floor(1e3 * shares[1])

    def _share_cured(self, name: str) -> FloatArray:
        density = load(EXPERIMENTS)["clonogens"]
        left = sum(self.run.least[lesion][self.place[name]] for lesion in range(arm(name).lesions))
        return np.asarray(np.exp(-density * left).mean(axis=0))

    def _peak(self, one: Observation) -> FloatArray:
        name = one.arms[0][0]
        if one.readout not in self.run.values:
            return np.zeros(self.failed.shape)
        course = self.run.values[one.readout][self.place[name], 1]
        days = self.bench.days[np.argmax(course, axis=-1)] - arm(name).start
        return np.asarray(np.log(np.maximum(days, 0.5)))

    def _survival(self, one: Observation) -> FloatArray:
        """Log of days to the volume that the control reaches at its median survival, over those days."""
        control, day = one.references[0]
        size = self.run.values["V_0"] + self.run.values["M_0"]
        at = int(np.searchsorted(self.bench.days, day))
        lethal = size[self.place[control], 1, :, at]
        course = size[self.place[one.arms[0][0]], 1]
        late = (course >= lethal[:, None]) & (self.bench.days >= arm(control).start)
        first = np.where(late.any(axis=1), late.argmax(axis=1), len(self.bench.days) - 1)
        return np.asarray(np.log(self.bench.days[first] / day))

    def _tcd50_ratio(self) -> FloatArray:
        """Log of the dose of half control without killing by T cells over that with."""
        return np.asarray(np.subtract(*(np.log(self.tcd50(without)) for without in (True, False))))

    def tcd50(self, without_t_cells: bool) -> FloatArray:
        """Single dose of half control in Gy, with or without killing by T cells, shape (n_draws,)."""
        if without_t_cells not in self._tcd50:
            self._tcd50[without_t_cells] = self._search_tcd50(without_t_cells)
        return self._tcd50[without_t_cells]

    def _search_tcd50(self, without_t_cells: bool) -> FloatArray:
        """Single dose that controls half the irradiated lesions, by interpolation of the log of surviving clonogens."""
        sheet, template = load(EXPERIMENTS), arm(_TEMPLATE)
        doses = np.array(sheet.vector("tcd50_doses"))
        overrides = {"kk": 0.0} if without_t_cells else {}
        own = self.draws.of_line(template.line)
        run = run_arms(
            self.bench.model,
            [single_dose_arm(template, dose, overrides) for dose in doses],
            [own] * len(doses),
            outputs=("V_0",),
            days=np.array([sheet["last_day"]]),
            animals=(0.0,),
            threads=self.bench.threads,
        )
        self.failed = self.failed | run.failed
        excess = np.log(sheet["clonogens"] * np.maximum(run.least[0][:, 0], 1e-100)) - math.log(math.log(2))
        return _first_crossing(doses, excess)

    def _parameter(self, name: str) -> FloatArray:
        base = self.draws.of_line("TSA")
        if name == "blood_dose_60":
            return 60 * base["v"]
        if name == "resident_survival_8":
            linear = base["aT"]
            return np.asarray(np.exp(-8 * linear - 64 * self._default("bT")))
        if name not in base:
            raise unknown_name("reading a parameter", name, sorted(base))
        return base[name]

    def _default(self, name: str) -> float:
        for parameter in self.bench.model.pieces.parameters:
            if parameter.name == name and parameter.value is not None:
                return parameter.value
        raise ModelError(
            doing="reading a default of the model", found=f"none for {name}", expected="a value", try_="another name"
        )


def _first_crossing(x: FloatArray, y: FloatArray) -> FloatArray:
    """Where each column of `y` (n_x, n) first falls to zero.

    Beyond the last `x` by the last slope where it never does; the first `x` where it always is below.
    """
    below = y <= 0
    k = np.clip(np.where(below.any(axis=0), below.argmax(axis=0), len(x) - 1), 1, len(x) - 1)
    columns = np.arange(y.shape[1])
    high, low = y[k - 1, columns], y[k, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, high / (high - low), 0.0)
    return np.asarray(x[k - 1] + np.clip(share, 0, 10) * (x[k] - x[k - 1]))


def merged(parts: Sequence[FloatArray]) -> FloatArray:
    """Effects of successive blocks of draws as one table."""
    return np.concatenate(list(parts), axis=1)


def effects_in_blocks(bench: Bench, draws: Parameters, size: int = 40) -> FloatArray:
    """`Bench.effects` for many draws without holding every course at once."""
    from abscopal.domain.progress import track

    blocks = [slice(k, k + size) for k in range(0, len(draws), size)]
    return merged([bench.effects(draws.rows(block)) for block in track(blocks, "running the arms", len(blocks))])


def rows_by(rows: Sequence[Observation]) -> Mapping[int, Observation]:
    """Observations by evidence row."""
    return {one.row: one for one in rows}
