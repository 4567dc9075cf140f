"""Pictures of a patient's complications and of two plans compared, as SVG."""

from typing import Any

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.toxicity.answer import OrganRisk, Part, ToxicityComparison, ToxicitySummary

LEAST_SHOWN = 1e-3
"""The axis begins here; what is smaller lies on its edge."""
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ASSUMED = (0, (2, 1.2))
RADIATION, IMMUNE, BOTH = PALETTE[0], PALETTE[1], INK


def draw_summary(summary: ToxicitySummary) -> str | None:
    """Every complication on one logarithmic axis: radiation, immune and combined, each with its interval.

    Returns
    -------
    str or None
        SVG element (see `abscopal.drawing`); None without any row.
    """
    rows = list(reversed(summary.rows))
    if not rows:
        return None
    with canvas(8.2, 1.1 + 0.36 * len(rows)) as (figure, axes):
        for y, row in enumerate(rows):
            both = row.radiation is not None and row.immune is not None
            for part, colour, lift in ((row.radiation, RADIATION, 0.2), (row.immune, IMMUNE, -0.2)):
                _mark(axes, part, y + (lift if both else 0.0), colour)
            _mark(axes, row.combined if both else None, y, BOTH)
            if row.with_interaction is not None:
                at = max(row.with_interaction.probability, LEAST_SHOWN)
                axes.plot(at, y, "D", color=IMMUNE, markersize=4, markerfacecolor="none", zorder=4)
        for colour, marker, label in (
            (RADIATION, "o", "radiation model"), (IMMUNE, "o", "immune event rate"), (BOTH, "o", "either cause"),
            (IMMUNE, "D", "with the interaction offset"),
        ):  # fmt: skip
            face = "none" if marker == "D" else colour
            axes.plot([], [], marker, color=colour, markersize=4, markerfacecolor=face, label=label)
        axes.plot([], [], linestyle=ASSUMED, color=BOTH, label="width assumed or combined")
        _frame(axes, rows)
        figure.legend(loc="outside upper left", ncols=5)
        return to_svg(figure, f"Probabilities of {len(rows)} complications with 95 % intervals, by cause")


def _mark(axes: Any, part: Part | None, y: float, colour: str) -> None:
    if part is None:
        return
    low, high = (max(limit, LEAST_SHOWN) for limit in part.interval)
    style = "-" if part.basis in ("printed limits", "counted patients") else ASSUMED
    axes.plot([low, high], [y, y], linestyle=style, color=colour, linewidth=1.6)
    axes.plot(max(part.probability, LEAST_SHOWN), y, "o", color=colour, markersize=4.5)


def _frame(axes: Any, rows: list[OrganRisk]) -> None:
    axes.set_xscale("log")
    axes.set(xlim=(LEAST_SHOWN * 0.93, 1.05), ylim=(-0.6, len(rows) - 0.4))
    ticks = [f"{100 * tick:g}" if tick > LEAST_SHOWN else f"≤{100 * tick:g}" for tick in TICKS]
    axes.set_xticks(TICKS, ticks)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("probability [%]")
    axes.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=8)
    axes.grid(visible=True, axis="x", color=FAINT)
    axes.grid(visible=False, axis="y")


def _name(row: OrganRisk) -> str:
    grade = f", grade {row.grade.replace('>=', '≥ ')}" if row.grade[:1] in ">5" else ""
    return f"{row.label}{grade} ({row.organ})"


def draw_comparison(comparison: ToxicityComparison) -> str | None:
    """Differences of each complication between two plans or regimens, with intervals.

    Returns
    -------
    str or None
        SVG element; None without any row.
    """
    free = [comparison.complication_free] if comparison.complication_free is not None else []
    rows = list(reversed([*comparison.rows, *free]))
    if not rows:
        return None
    with canvas(8.2, 1.0 + 0.27 * len(rows)) as (figure, axes):
        for y, row in enumerate(rows):
            axes.plot([100 * limit for limit in row.interval], [y, y], color=PALETTE[0], linewidth=1.8)
            axes.plot(100 * row.difference, y, "o", color=PALETTE[0], markersize=4.5)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [f"{row.label} ({row.organ})" for row in rows], fontsize=8)
        axes.set_xlabel(f"{comparison.second} less {comparison.first} [percentage points]")
        axes.grid(visible=False, axis="y")
        return to_svg(figure, f"Differences of {len(rows)} probabilities between two plans")
