"""Pictures of a patient's complications and of two plans compared, as SVG."""

from collections.abc import Callable
from typing import Any

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.toxicity.answer import OrganRisk, Part, ToxicityComparison, ToxicitySummary

LEAST_SHOWN = 1e-3
"""The axis begins here; what is smaller lies on its edge."""
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ASSUMED = (0, (2, 1.2))
RADIATION, IMMUNE, BOTH = PALETTE[0], PALETTE[1], INK


def draw_summary(summary: ToxicitySummary, say: Callable[..., str] = str.format) -> str | None:
    """Every complication on one logarithmic axis: radiation, immune and combined, each with its interval.

    Parameters
    ----------
    say : callable
        Gives a phrase and its values in the language of the page; left out, in English.

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
            (RADIATION, "o", say("radiation model")), (IMMUNE, "o", say("immune event rate")),
            (BOTH, "o", say("either cause")), (IMMUNE, "D", say("with the interaction offset")),
        ):  # fmt: skip
            face = "none" if marker == "D" else colour
            axes.plot([], [], marker, color=colour, markersize=4, markerfacecolor=face, label=label)
        axes.plot([], [], linestyle=ASSUMED, color=BOTH, label=say("width assumed or combined"))
        _frame(axes, rows, say)
        figure.legend(loc="outside upper left", ncols=5)
        text = say("Probabilities of {n} complications with 95 % intervals, by cause", n=len(rows))
        return to_svg(figure, text)


def _mark(axes: Any, part: Part | None, y: float, colour: str) -> None:
    if part is None:
        return
    low, high = (max(limit, LEAST_SHOWN) for limit in part.interval)
    style = "-" if part.basis in ("printed limits", "counted patients") else ASSUMED
    axes.plot([low, high], [y, y], linestyle=style, color=colour, linewidth=1.6)
    axes.plot(max(part.probability, LEAST_SHOWN), y, "o", color=colour, markersize=4.5)


def _frame(axes: Any, rows: list[OrganRisk], say: Callable[..., str]) -> None:
    axes.set_xscale("log")
    axes.set(xlim=(LEAST_SHOWN * 0.93, 1.05), ylim=(-0.6, len(rows) - 0.4))
    ticks = [f"{100 * tick:g}" if tick > LEAST_SHOWN else f"≤{100 * tick:g}" for tick in TICKS]
    axes.set_xticks(TICKS, ticks)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(say("probability [%]"))
    axes.set_yticks(range(len(rows)), [_name(row, say) for row in rows], fontsize=8)
    axes.grid(visible=True, axis="x", color=FAINT)
    axes.grid(visible=False, axis="y")


def _name(row: OrganRisk, say: Callable[..., str]) -> str:
    if row.grade[:1] not in ">5":
        return f"{row.label} ({row.organ})"
    grade = row.grade.replace(">=", "≥ ")
    return say("{complication}, grade {grade} ({organ})", complication=row.label, grade=grade, organ=row.organ)


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
