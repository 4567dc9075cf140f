"""Where everything lies in a kernel's workspace, and what a call hands it."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from abscopal.simulation.explicit import STAGES
from abscopal.simulation.kernels.program import Program
from abscopal.simulation.kernels.tangent import tangent_sizes
from abscopal.simulation.rosenbrock import RODAS4

Method = Literal["rosenbrock", "explicit"]

JOB = (
    "workspace", "parameters", "initial", "event_begin", "event_end", "event_time", "event_kind", "event_arguments",
    "times", "n_times", "columns", "n_columns", "any_quantity", "rows", "finals", "summaries", "thresholds", "senses",
    "counts", "facts", "next", "last", "order", "changed", "options", "absolute", "lower", "scratch",
)  # fmt: skip
"""64-bit slots of a call: addresses and counts."""

OPTIONS = ("relative", "floor", "negative", "first_step", "max_steps", "start", "after", "stable")
"""Float64 settings of a call, in this order."""

COUNTS = ("code", "state", "steps", "rejected")
"""Integers reported per patient."""

FACTS = ("time",)
"""Numbers reported per patient: the day reached."""

SUMMARIES = ("minimum", "maximum", "area", "above", "below")
"""What is kept of each observed quantity, in this order."""


@dataclass(frozen=True)
class Layout:
    """Offsets of the workspace's regions, counted in vectors.

    Attributes
    ----------
    offsets, sizes : dict of str to int
    arguments : int
        Most arguments of any impulse: the row length of the event table.
    """

    offsets: dict[str, int]
    sizes: dict[str, int]
    arguments: int

    @property
    def total(self) -> int:
        """Vectors in the workspace."""
        return sum(self.sizes.values())


def layout(program: Program, arguments: int, method: Method) -> Layout:
    """Lay out the workspace of a program."""
    n, watched = program.n_states, len(program.observed)
    sizes = dict.fromkeys(("Y", "YS", "F", "R", "PEAK", "ATOL", "LOWER"), n)
    sizes |= {"FT": n if program.time_rates else 0, "U": n * max(RODAS4.stages, STAGES)}
    if method == "rosenbrock":
        sizes |= {"J": len(program.jacobian), "LU": len(program.factors.nodes)}
    sizes |= {"P": program.n_parameters, "C": len(program.table)}
    sizes |= dict.fromkeys(
        ("T", "TS", "H", "STOP", "SHIFT", "STEPS", "REJECTED", "ALIVE", "AGAIN", "NEGATIVE", "STIFF", "CALM"), 1
    )
    sizes |= dict.fromkeys(("PATIENT", "EVENT", "OUT"), 1)  # integers
    sizes |= dict.fromkeys(("Q0", "D0", "Q1", "D1", "MINIMUM", "MAXIMUM", "AREA", "ABOVE", "BELOW", "LEVEL"), watched)
    if program.tangent:
        sizes |= tangent_sizes(
            n, len(program.quantities), len(program.jacobian), bool(program.time_rates), program.tangent
        )
    ends = list(accumulate(sizes.values(), initial=0))
    return Layout(dict(zip(sizes, ends, strict=False)), sizes, max(arguments, 1))
