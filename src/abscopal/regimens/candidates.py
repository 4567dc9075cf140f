"""The regimens that are tried: dose, fractions, spacing on weekdays, target, node, ICI start, modulators."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import isoeffective_dose_per_fraction

SHEET = "regimens/search"
Target = Literal["irradiated", "all"]
TARGETS: tuple[Target, ...] = ("irradiated", "all")


@dataclass(frozen=True)
class Candidate:
    """One regimen to judge; day 0 is the first fraction.

    Attributes
    ----------
    dose : float
        Per fraction. [Gy]
    n : int
    days : tuple of float
        Of the fractions. [day]
    gap : float
        Least days between fractions. [day]
    ici_start : float or None
        Day of the first ICI dose; None for the schedule as it is. [day]
    target : {"irradiated", "all"}
        The lesions now irradiated, or every lesion.
    node : bool
        The draining node gets the dose too; otherwise it is spared.
    modulators : tuple of str
    node_dose : float, optional
        What the draining node gets with each fraction, where a plan gives it; replaces `node`. [Gy]
    plan : str
        Name of the plan behind the doses, where there is one.
    """

    dose: float
    n: int
    days: tuple[float, ...]
    gap: float = 1.0
    ici_start: float | None = None
    target: Target = "irradiated"
    node: bool = False
    modulators: tuple[str, ...] = ()
    node_dose: float | None = None
    plan: str = ""

    @property
    def node_gy(self) -> float:
        """Dose to the draining node with each fraction, in Gy."""
        if self.node_dose is not None:
            return self.node_dose
        return self.dose if self.node else 0.0

    @property
    def total(self) -> float:
        """Total dose, in Gy."""
        return self.n * self.dose

    @property
    def length(self) -> float:
        """Days from the first to the last fraction, both counted."""
        return self.days[-1] - self.days[0] + 1

    def radiation(self) -> Regimen:
        """The fractions, without drugs."""
        return Regimen(fraction_days=self.days, fraction_doses=(self.dose,) * self.n)

    def text(self) -> str:
        """The regimen in words."""
        spacing = {1.0: "each weekday", 2.0: "every other weekday", 7.0: "weekly"}.get(
            self.gap, f"every {self.gap:g} days at least"
        )
        parts = [f"{self.n} × {self.dose:.3g} Gy", spacing if self.n > 1 else "once"]
        if self.ici_start is not None:
            parts.append(f"ICI from day {self.ici_start:g}")
        parts += ["every lesion"] if self.target == "all" else []
        parts += ["node irradiated"] if self.node else []
        parts += [self.plan] if self.plan else []
        return ", ".join((*parts, *(name.replace("_", " ") for name in self.modulators)))


@dataclass(frozen=True)
class Grid:
    """What is tried of each choice; empty for the sheet's values.

    Attributes
    ----------
    doses : tuple of float
        Doses per fraction; empty for those with the tumour BED of the floor times the sheet's factors. [Gy]
    fractions : tuple of int
    gaps : tuple of float
        Least days between fractions. [day]
    ici_starts : tuple of float or None
        None keeps the present schedule. [day]
    targets, nodes : tuple
    modulators : tuple of str
        Each is tried alone beside none.
    """

    doses: tuple[float, ...] = ()
    fractions: tuple[int, ...] = ()
    gaps: tuple[float, ...] = ()
    ici_starts: tuple[float | None, ...] = (None,)
    targets: tuple[Target, ...] = ("irradiated",)
    nodes: tuple[bool, ...] = (False,)
    modulators: tuple[str, ...] = ()


def weekday_days(n: int, gap: float) -> tuple[float, ...]:
    """Days of `n` fractions from a Monday, at least `gap` days apart, none on a weekend.

    Examples
    --------
    >>> weekday_days(6, 1)
    (0.0, 1.0, 2.0, 3.0, 4.0, 7.0)
    >>> weekday_days(4, 2)
    (0.0, 2.0, 4.0, 7.0)
    """
    days = [0.0]
    for _ in range(n - 1):
        day = days[-1] + gap
        days.append(day + max(0.0, 7 - day % 7) if day % 7 >= 5 else day)
    return tuple(days)


def candidates(grid: Grid, floor: float, alpha_beta: float) -> list[Candidate]:
    """Every regimen of a grid.

    Parameters
    ----------
    grid : Grid
    floor : float
        Tumour BED from which doses per fraction are taken where the grid names none. [Gy]
    alpha_beta : float
        Of the tumour. [Gy]

    Raises
    ------
    InputError
        A choice outside what a machine can give, an unknown target, no candidate, or too many.
    """
    sheet = load(SHEET)
    _check(grid)
    fractions = grid.fractions or tuple(int(n) for n in sheet.vector("fraction_numbers"))
    modulators = ((), *((name,) for name in grid.modulators))
    made = [
        Candidate(dose, n, weekday_days(n, gap), gap, start, target, node, chosen)
        for n in fractions
        for dose in _doses(grid, n, floor, alpha_beta)
        for gap in _gaps(grid, n)
        for start, target, node, chosen in product(grid.ici_starts, grid.targets, grid.nodes, modulators)
    ]
    most = sheet["most_candidates"]
    if 0 < len(made) <= most:
        return list(dict.fromkeys(made))
    raise InputError(
        doing="listing the regimens to try",
        found=f"{len(made)} candidates",
        expected=f"between 1 and {most:g}",
        try_="fewer choices" if made else "doses per fraction inside the range of the search",
    )


def _doses(grid: Grid, n: int, floor: float, alpha_beta: float) -> Iterator[float]:
    low, high = load(SHEET).vector("dose_range")
    if grid.doses:
        yield from (dose for dose in grid.doses if low <= dose <= high)
        return
    for factor in load(SHEET).vector("bed_factors"):
        dose = float(isoeffective_dose_per_fraction(factor * floor, n, alpha_beta))
        if low <= dose <= high:
            yield dose


def _gaps(grid: Grid, n: int) -> Sequence[float]:
    gaps = grid.gaps or load(SHEET).vector("gaps")
    return gaps if n > 1 else gaps[:1]


def _check(grid: Grid) -> None:
    numbers = [*grid.doses, *grid.fractions, *grid.gaps]
    wrong = [value for value in numbers if not 0 < value < 1000]
    wrong += [gap for gap in grid.gaps if gap < 1 or gap != int(gap)]
    wrong += [start for start in grid.ici_starts if start is not None and not -365 <= start <= 365]
    if wrong or not grid.targets or not grid.nodes or not grid.ici_starts:
        raise InputError(
            doing="listing the regimens to try",
            found=f"{wrong[0]:g}" if wrong else "no target, node or ICI start",
            expected="positive doses and numbers of fractions, whole days between fractions, ICI starts within a "
            "year, and at least one of every choice",
            try_="leaving that choice out",
        )
    for target in grid.targets:
        if target not in TARGETS:
            raise unknown_name("choosing what to irradiate", target, list(TARGETS))
