"""The figures of `abscopal window`, each from the numbers that are written beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.window.combination import Combination
from abscopal.window.sensitivity import OUTPUTS, Sensitivity
from abscopal.window.surface import Surface, Window
from abscopal.window.timing import WhatIf
from abscopal.window.uncertainty import WindowUncertainty

OTHERS = PALETTE[1:]
GAIN = "immune gain G [log₁₀]"
ARM = {"rt": "radiation alone", "ici": "ICI alone", "both": "radiation and ICI"}


def draw_families(windows: Mapping[str, Window], scatter: Mapping[str, WindowUncertainty]) -> str:
    """Gain against dose per fraction of each family, with its band over draws and its window shaded."""
    with canvas(9.6, 3.4, columns=len(windows), sharey=True) as (figure, axes):
        for index, (panel, (family, window)) in enumerate(zip(np.atleast_1d(axes), windows.items(), strict=True)):
            colour = PALETTE[index]
            band = scatter.get(family)
            if band is not None:
                panel.fill_between(band.doses, band.gain[0], band.gain[2], color=colour, alpha=0.18, linewidth=0)
                panel.plot(band.doses, band.gain[1], "--", color=colour, linewidth=1, label="median of draws")
            panel.plot(window.doses, window.gain, color=colour, marker=".", markersize=3, label="central values")
            if window.bounds.found:
                low = window.doses[0] if window.d_lo is None else window.d_lo
                high = window.doses[-1] if window.d_hi is None else window.d_hi
                panel.axvspan(low, high, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
            panel.axhline(0, color=INK, linewidth=0.6)
            title = family if family != "n fixed" else f"{window.n_fractions[0]} fractions"
            panel.set(title=title, xlabel="dose per fraction [Gy]", xlim=(0, 30))
        first = np.atleast_1d(axes)[0]
        first.set_ylabel(GAIN)
        first.legend(loc="best", fontsize=7)
        return to_svg(figure, "Immune gain against dose per fraction in each family of schedules, with 90 % bands")


def draw_ablations(windows: Mapping[str, Window]) -> str:
    """Gain curves of the full model and without each mechanism."""
    with canvas(8.2, 3.4) as (figure, axes):
        for index, (label, window) in enumerate(windows.items()):
            if label == "full":
                axes.plot(window.doses, window.gain, color=PALETTE[0], linewidth=2.4, label="full model", zorder=5)
                continue
            style = ("--", ":", "-.")[index // len(PALETTE[1:])]
            axes.plot(
                window.doses,
                window.gain,
                style,
                linewidth=1.2,
                color=PALETTE[1:][index % len(PALETTE[1:])],
                label=label,
            )
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set(xlabel="dose per fraction [Gy]", ylabel=GAIN, xlim=(0, None))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, "Immune gain against dose per fraction with each mechanism left out in turn")


def draw_surfaces(surfaces: Mapping[str, Surface]) -> str:
    """One map of gain for each label, on one colour scale."""
    from matplotlib.colors import Normalize

    largest = max(float(np.abs(surface.gain).max()) for surface in surfaces.values())
    limit = float(max(1, np.ceil(10 * largest)) / 10)
    columns = min(3, len(surfaces))
    rows = -(-len(surfaces) // columns)
    with canvas(1.4 + 3.6 * columns, 0.6 + 2.9 * rows, columns=columns) as (figure, _):
        figure.clf()
        filled: Any = None
        panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
        for panel, (label, surface) in zip(panels, surfaces.items(), strict=False):
            y = np.arange(len(surface.n_fractions))
            levels = np.linspace(-limit, limit, 25)
            if len(y) > 1 and len(surface.doses) > 1:
                filled = panel.contourf(
                    surface.doses, y, surface.gain, levels=levels, cmap="PuOr_r", norm=Normalize(-limit, limit)
                )
                top = float(surface.gain.max())
                if top > 0:
                    panel.contour(
                        surface.doses, y, surface.gain, levels=[0.5 * top, 0.8 * top], colors=[INK], linewidths=0.8
                    )
            else:
                filled = panel.pcolormesh(surface.gain, cmap="PuOr_r", norm=Normalize(-limit, limit))
            panel.set(title=label, xlabel="dose per fraction [Gy]", ylabel="number of fractions")
            panel.set_yticks(y, [str(k) for k in surface.n_fractions])
            panel.grid(visible=False)
        for panel in panels[len(surfaces) :]:
            panel.set_axis_off()
        bar = figure.colorbar(filled, ax=panels, label=f"{GAIN}, median", ticks=np.linspace(-limit, limit, 5))
        bar.outline.set_edgecolor(FAINT)
        return to_svg(figure, "Map of immune gain over dose per fraction and number of fractions")


def draw_what_if(curves: WhatIf) -> str:
    """Volumes, gain and growth delay against one choice about ICI."""
    with canvas(9.6, 3.2, columns=3) as (figure, axes):
        for index, (arm, band) in enumerate(curves.ratio.items()):
            _band(axes[0], curves.x, band, PALETTE[index], ARM[arm])
        axes[0].set(ylabel=f"volume / untreated, day {curves.readout:g}", ylim=(0, None))
        axes[0].legend(loc="best", fontsize=7)
        _band(axes[1], curves.x, curves.gain, PALETTE[3], "gain over ICI alone")
        _band(axes[1], curves.x, curves.log_synergy, PALETTE[4], "synergy S_B")
        axes[1].axhline(0, color=INK, linewidth=0.6)
        axes[1].set(ylabel="log₁₀")
        axes[1].legend(loc="best", fontsize=7)
        for index, arm in enumerate(("both", "ici")):
            # Days past the follow-up are drawn on its line, and the line is named.
            shown = np.minimum(curves.reached[arm], curves.follow_up)
            _band(axes[2], curves.x, shown, PALETTE[2 - index], ARM[arm])
        axes[2].axhline(
            curves.follow_up, color=INK, linewidth=0.8, linestyle=":", label="end of follow-up: not reached"
        )
        axes[2].set(ylabel=f"day {curves.threshold:g} mm³ is reached", ylim=(0, None))
        axes[2].legend(loc="best", fontsize=7)
        for panel in axes:
            panel.set_xlabel(curves.choice.replace(", ", ",\n"), fontsize=8)
        return to_svg(figure, f"The lesion that is not irradiated against {curves.choice}")


def draw_synergy(found: Combination) -> str:
    """Effects of the arms at each end point, with what independent action would give."""
    with canvas(8.2, 3.0, columns=len(found.end_points), sharey=True) as (figure, axes):
        for panel, row in zip(axes, found.end_points, strict=True):
            arms = (row.effect_rt, row.effect_ici, row.effect_both)
            for index, effect in enumerate(arms):
                low, median, high = (np.nan if v is None else v for v in (effect.low, effect.median, effect.high))
                panel.plot([index, index], [low, high], color=PALETTE[index], linewidth=5, alpha=0.35)
                panel.plot(index, median, "o", color=PALETTE[index])
            rt, ici = (np.nan if e.median is None else e.median for e in arms[:2])
            expected = rt + ici - rt * ici
            panel.plot([1.7, 2.3], [expected, expected], color=INK, linewidth=1.4)
            panel.annotate("Bliss", (2.3, expected), fontsize=7, va="center", xytext=(2, 0), textcoords="offset points")
            panel.set(title=row.name, xlim=(-0.5, 2.9), ylim=(-0.03, 1.03))
            panel.set_xticks(range(3), ["RT", "ICI", "both"])
        axes[0].set_ylabel("effect, median and 90 % interval")
        return to_svg(figure, "Effect of each arm at three end points, beside what independent action would give")


def draw_sensitivity(found: Sensitivity) -> str:
    """Total Sobol index of each factor for each output; the published four filled."""
    outputs = [name for name in OUTPUTS if any(row.output == name for row in found.factors)]
    names = list(dict.fromkeys(row.name for row in found.factors))
    with canvas(10.4, 0.9 + 0.28 * len(names), columns=len(outputs), sharey=True) as (figure, axes):
        for panel, output in zip(np.atleast_1d(axes), outputs, strict=True):
            for row in (r for r in found.factors if r.output == output):
                y = len(names) - 1 - names.index(row.name)
                colour = PALETTE[1] if row.published else PALETTE[0]
                panel.barh(y, max(row.total, 0), color=colour, alpha=0.75)
                panel.plot([row.total - row.total_half, row.total + row.total_half], [y, y], color=INK, linewidth=1)
            panel.set(title=output, xlabel="total index S_T", xlim=(0, 1.1))
        np.atleast_1d(axes)[0].set_yticks(range(len(names)), names[::-1], fontsize=8)
        return to_svg(figure, "Total Sobol index of each group of parameters; orange: leading factors published before")


def _band(panel: Any, x: Sequence[float] | np.ndarray, band: np.ndarray, colour: str, label: str) -> None:
    panel.fill_between(x, band[0], band[2], color=colour, alpha=0.16, linewidth=0)
    panel.plot(x, band[1], color=colour, marker=".", markersize=4, label=label)
