"""Figures of plans side by side."""

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.planning.compare import PlanComparison, Row

SHOWN = ("immune dose", "lymphocytes", "complications")
LEAST_PROBABILITY = 0.005
"""A relative change of a complication rarer than this says nothing."""


def changed_rows(comparison: PlanComparison) -> list[Row]:
    """Rows outside the target that have a value for every plan, one large enough for a relative change."""
    found = []
    for row in comparison.rows:
        values = [value.value for value in row.values if value is not None]
        least = LEAST_PROBABILITY if row.unit == "1" else 0.0
        if row.group in SHOWN and len(values) == len(row.values) and values[0] > least:
            found.append(row)
    return found


def relative_change(row: Row, plan: int) -> float:
    """Change of a figure over the reference's, in per cent."""
    first, here = row.values[0], row.values[plan]
    if first is None or here is None:
        return float("nan")
    return 100 * (here.value / first.value - 1)


def draw_comparison(comparison: PlanComparison) -> str:
    """Every figure outside the target as its change over the reference, at equal coverage."""
    rows = changed_rows(comparison)[::-1]
    others = comparison.names[1:]
    height = 0.8 / max(len(others), 1)
    with canvas(8.2, 1.2 + 0.26 * max(len(rows), 1)) as (figure, axes):
        for number, name in enumerate(others):
            places = [k + 0.4 - (number + 0.5) * height for k in range(len(rows))]
            changes = [relative_change(row, number + 1) for row in rows]
            axes.barh(places, changes, height=0.9 * height, color=PALETTE[number % len(PALETTE)], label=name)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
        axes.set(xlabel=f"change over {comparison.names[0]} [%]", ylim=(-0.6, len(rows) - 0.4))
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3)
        return to_svg(figure, f"Change of {len(rows)} figures over the plan {comparison.names[0]} at equal coverage")


def _named(row: Row) -> str:
    arrow = {"lower": "↓", "higher": "↑", "": ""}[row.better]
    label = row.label if len(row.label) <= 58 else row.label[:57] + "…"
    return f"{label} {arrow}".strip()
