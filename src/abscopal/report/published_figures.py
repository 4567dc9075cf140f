"""Figures of published models side by side: ranks, courses and the doses they favour."""

import numpy as np

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.immune.published.compare import LEAST, Comparison, Courses, EnsembleWindow

MOST_SHOWN = -4.0
"""log10 of the smallest share of the start that a course is drawn to."""


def draw_ranks(result: Comparison) -> str:
    """Rank of each regimen in each model, with the effect behind it; 1 is best."""
    n, m = result.ranks.shape
    with canvas(2.2 + 1.25 * m, 1.2 + 0.42 * n) as (figure, axes):
        shown = axes.imshow(result.ranks, cmap="PuOr_r", vmin=1, vmax=max(m, 2), aspect="auto", alpha=0.45)
        for i in range(n):
            for j in range(m):
                rank, effect = result.ranks[i, j], result.effect[i, j]
                size = "gone" if 10**effect <= 1.001 * LEAST else f"{effect:.2f}"
                text = "not taken" if np.isnan(rank) else f"{rank:g}  ({size})"
                axes.text(j, i, text, ha="center", va="center", color=INK, fontsize=8)
        axes.set_xticks(range(m), result.regimens, rotation=20, ha="right")
        axes.set_yticks(range(n), result.models)
        axes.grid(visible=False)
        bar = figure.colorbar(shown, ax=axes, label="rank (log10 effect)", ticks=range(1, m + 1))
        bar.outline.set_edgecolor(FAINT)
        return to_svg(figure, "Rank of each regimen in each published model")


def draw_courses(courses: Courses) -> str:
    """The irradiated tumour of each model over its start, one panel per model, days from the first fraction."""
    columns = min(3, len(courses.models))
    rows = -(-len(courses.models) // columns)
    with canvas(0.6 + 3.3 * columns, 0.9 + 2.3 * rows) as (figure, _):
        figure.clf()
        panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
        colour = dict(zip(courses.regimens, PALETTE, strict=False))
        for panel, model in zip(panels, courses.models, strict=False):
            for (name, regimen), (t, share) in courses.shares.items():
                if name == model:
                    drawn = np.log10(np.maximum(share, 10**MOST_SHOWN))
                    panel.plot(t, drawn, color=colour.get(regimen, INK), label=regimen)
            panel.set_title(model)
            panel.set(xlabel="days after the first fraction", ylabel="log10 of tumour over its start [1]")
        for panel in panels[len(courses.models) :]:
            panel.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        for panel in panels[1 : len(courses.models)]:
            more, names = panel.get_legend_handles_labels()
            handles += [h for h, name in zip(more, names, strict=True) if name not in labels]
            labels += [name for name in names if name not in labels]
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
        return to_svg(figure, "Course of the tumour under each regimen in each published model")


def draw_window(over: EnsembleWindow) -> str:
    """Effect over the model's largest against dose per fraction, and the share of models that agree."""
    with canvas(7.2, 3.8) as (figure, axes):
        for name, row, colour in zip(over.models, over.relative, PALETTE, strict=False):
            axes.plot(over.doses, row, marker="o", markersize=3, color=colour, label=name)
        axes.fill_between(over.doses, 0, over.share, color=FAINT, step=None, alpha=0.8, label="share of models inside")
        axes.axhline(over.level, color=INK, linewidth=0.8, linestyle=":")
        axes.set(
            xlabel=f"dose per fraction [Gy], {over.n_fractions} fractions",
            ylabel="effect over the model's largest [1]",
            ylim=(min(0.0, float(np.nanmin(over.relative))) - 0.02, 1.05),
        )  # fmt: skip
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, "Doses that each published model favours")
