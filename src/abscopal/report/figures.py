"""The figures of the report, each from the assessment's own numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from abscopal.assessment.types import Assessment, Curve, WindowAnswer
from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.report.words import Words
from abscopal.toxicity.picture import draw_summary

Figures = dict[str, str]
OTHERS = PALETTE[2:]
LABEL: dict[str, Any] = {
    "color": "#000000",
    "fontsize": 8,
    "bbox": {"boxstyle": "round,pad=0.2", "facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.8},
}


def draw_figures(assessment: Assessment, say: Words) -> Figures:
    """Every figure that the assessment has data for, by name."""
    makers: dict[str, Callable[[Assessment, Words], str | None]] = {
        "dvh": _dvh,
        "alc": _alc,
        "window_curve": _window_curve,
        "window_map": _window_map,
        "drugs": _drugs,
        "alternatives": _alternatives,
        "toxicity": _toxicity,
        "trials": _trials,
    }
    drawn = {name: maker(assessment, say) for name, maker in makers.items()}
    return {name: svg for name, svg in drawn.items() if svg is not None}


def _dvh(assessment: Assessment, say: Words) -> str | None:
    rows = [row for row in assessment.structures if row.max_gy > 0]
    if not rows:
        return None
    with canvas(8.2, max(3.6, 0.6 + 0.19 * len(rows))) as (figure, axes):
        for index, row in enumerate(rows):
            style = ("-", "--", ":", "-.")[index // len(PALETTE) % 4]
            colour = PALETTE[index % len(PALETTE)]
            axes.plot(row.dvh.x, np.multiply(row.dvh.y, 100), style, color=colour, label=row.standard_name or row.name)
        axes.axvline(assessment.plan.prescription_gy, color=INK, linewidth=0.8, linestyle=":")
        axes.set(xlabel=say("dose [Gy]"), ylabel=say("volume [%]"), xlim=(0, None), ylim=(0, 101))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, say("Cumulative dose-volume histograms of {n} structures", n=len(rows)))


def _alc(assessment: Assessment, say: Words) -> str | None:
    alc = assessment.immune_dose.alc
    if alc is None:
        return None
    with canvas(8.2, 2.9) as (figure, axes):
        axes.fill_between(
            alc.days, alc.low, alc.high, color=PALETTE[0], alpha=0.18, linewidth=0, label=say("published α range")
        )
        axes.plot(alc.days, alc.central, color=PALETTE[0], label=say("central α"))
        top = max([1.1 * alc.baseline, *alc.high])
        for grade, limit in enumerate(alc.grade_limits, start=2):
            axes.axhline(limit, color=PALETTE[1], linewidth=0.8, linestyle=":")
            text = say("grade {grade} below {limit}", grade=grade, limit=f"{limit:g}")
            axes.annotate(text, (alc.days[-1], limit), color=INK, fontsize=7, ha="right", va="bottom")
        axes.set(xlabel=say("day (0 = first fraction)"), ylabel=say("ALC [10⁹/L]"))
        axes.set(ylim=(0, top), xlim=(alc.days[0], alc.days[-1]))
        axes.legend(loc="lower left")
        days, nadir = f"{alc.days[-1]:.0f}", f"{alc.nadir:.2f}"
        text = say("Predicted lymphocyte count over {days} days, nadir {nadir}", days=days, nadir=nadir)
        return to_svg(figure, text)


def _window_curve(assessment: Assessment, say: Words) -> str:
    window = assessment.window
    with canvas(8.2, 3.3) as (figure, axes):
        for index, curve in enumerate(_decisive(window)):
            axes.plot(curve.x, curve.y, "--", linewidth=1.2, color=OTHERS[index % len(OTHERS)], label=curve.label)
        axes.plot(window.curve.x, window.curve.y, color=PALETTE[0], linewidth=2.2, label=say("full model"))
        for bounds in window.bounds:
            if bounds.peak_gy is not None:
                low = bounds.lower_gy if bounds.lower_gy is not None else window.curve.x[0]
                high = bounds.upper_gy if bounds.upper_gy is not None else window.curve.x[-1]
                axes.axvspan(low, high, color=PALETTE[0], alpha=0.10, linewidth=0)
        axes.plot(
            [window.dose_per_fraction_gy],
            [window.gain],
            "o",
            color=PALETTE[1],
            markersize=8,
            label=say("this regimen"),
            zorder=5,
        )
        axes.set(
            xlabel=say("dose per fraction [Gy], {n} fractions", n=window.n_fractions),
            ylabel=say("immune gain G [log₁₀]"),
            xlim=(0, max(window.curve.x)),
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        n = window.n_fractions
        return to_svg(figure, say("Immune gain against dose per fraction for {n} fractions, with ablations", n=n))


def _decisive(window: WindowAnswer) -> list[Curve]:
    """The ablations that change the curve most, as many as colours tell apart; the table holds them all."""

    def change(curve: Curve) -> float:
        return max((abs(a - b) for a, b in zip(curve.y, window.curve.y, strict=True)), default=0.0)

    return sorted(window.ablations, key=change, reverse=True)[: len(OTHERS)]


def _window_map(assessment: Assessment, say: Words) -> str:
    window = assessment.window
    from matplotlib.colors import Normalize

    gain = np.array(window.map_gain)
    with canvas(7.4, 3.8) as (figure, axes):
        rows = np.arange(len(window.map_fractions))
        limit = max(0.1, float(np.abs(gain).max()))
        filled = axes.contourf(window.map_doses_gy, rows, gain, levels=18, cmap="PuOr_r", norm=Normalize(-limit, limit))
        axes.contour(window.map_doses_gy, rows, gain, levels=_level_values(window), colors=INK, linewidths=0.9)
        row = float(np.interp(np.log(window.n_fractions), np.log(window.map_fractions), rows))
        here = (window.dose_per_fraction_gy, row)
        axes.plot(*here, "o", markersize=10, markerfacecolor="#ffffff", markeredgecolor="#000000")
        axes.annotate(say("this regimen"), here, xytext=(9, 6), textcoords="offset points", **LABEL)
        axes.set(xlabel=say("dose per fraction [Gy]"), ylabel=say("number of fractions"))
        axes.set_yticks(rows, [str(n) for n in window.map_fractions])
        axes.grid(visible=False)
        bar = figure.colorbar(filled, ax=axes, label=say("immune gain G [log₁₀]"))
        bar.outline.set_edgecolor(FAINT)
        return to_svg(figure, say("Map of immune gain over dose per fraction and number of fractions"))


def _level_values(window: WindowAnswer) -> list[float]:
    values = {round(bounds.level * window.gain_max, 6) for bounds in window.bounds}
    return sorted(values) if window.gain_max > 0 else [0.0]


def _drugs(assessment: Assessment, say: Words) -> str | None:
    shown = [drug for drug in assessment.drugs if drug.concentration is not None]
    if not shown:
        return None
    with canvas(8.2, 2.8, columns=2) as (figure, axes):
        for index, drug in enumerate(shown):
            for panel, curve in zip(axes, (drug.concentration, drug.occupancy), strict=True):
                if curve is not None:
                    panel.plot(curve.x, curve.y, color=PALETTE[index % len(PALETTE)], label=drug.drug)
        axes[0].set(xlabel=say("day (0 = first fraction)"), ylabel=say("concentration [mg/L]"), ylim=(0, None))
        axes[1].set(xlabel=say("day (0 = first fraction)"), ylabel="c / (c + K₅₀)", ylim=(0, 1.02))
        axes[0].legend(loc="upper right")
        return to_svg(figure, say("Predicted drug concentration and target occupancy over time"))


def _alternatives(assessment: Assessment, say: Words) -> str | None:
    rows = assessment.alternatives
    if len(rows) < 2:
        return None
    with canvas(8.2, 3.0, columns=2) as (figure, axes):
        for index, row in enumerate(rows):
            # Neighbours in the ranking lie at like heights: their names go above and below in turn.
            offset: dict[str, Any] = {
                "xytext": (4, 3 if index % 2 else -9),
                "textcoords": "offset points",
                "fontsize": 7,
            }
            colour = PALETTE[1] if row.is_current else PALETTE[0]
            name = f"{row.n_fractions} × {row.dose_per_fraction_gy:.3g}"
            axes[0].plot(row.late_bed_gy, row.gain, "o", color=colour)
            axes[0].annotate(name, (row.late_bed_gy, row.gain), **offset)
            if row.alc_nadir is not None:
                axes[1].plot(row.alc_nadir, row.gain, "o", color=colour)
                axes[1].annotate(name, (row.alc_nadir, row.gain), **offset)
        alpha_beta = f"{assessment.plan.late_alpha_beta_gy:g}"
        late = say("late-tissue BED at the target [Gy, α/β = {alpha_beta} Gy]", alpha_beta=alpha_beta)
        axes[0].set(xlabel=late, ylabel=say("immune gain G [log₁₀]"))
        axes[1].set(xlabel=say("ALC nadir [10⁹/L]"), ylabel=say("immune gain G [log₁₀]"))
        text = say("Alternative regimens of equal tumour BED: gain against late effect and lymphocytes")
        return to_svg(figure, text)


def _toxicity(assessment: Assessment, say: Words) -> str | None:
    return draw_summary(assessment.toxicity, say)


def _trials(assessment: Assessment, say: Words) -> str | None:
    rows = [_Row(f"{t.trial}, {t.endpoint}", t.hr, t.interval, None) for t in assessment.trials if t.interval]
    pools = [
        _Row(
            say("pooled {endpoint}, {subset} (k = {k})", endpoint=e.endpoint, subset=e.subset, k=e.pool.k),
            e.pool.hr,
            e.pool.interval,
            e.pool.prediction_interval,
        )
        for e in assessment.evidence
        if e.pool is not None
    ]
    if not rows and not pools:
        return None
    with canvas(8.2, 0.9 + 0.27 * (len(rows) + len(pools))) as (figure, axes):
        drawn = [(row, "D", PALETTE[1]) for row in reversed(pools)] + [(row, "s", PALETTE[0]) for row in reversed(rows)]
        for y, (row, marker, colour) in enumerate(drawn):
            if row.prediction is not None:
                axes.plot(row.prediction, [y, y], color=colour, linewidth=1)
            axes.plot(row.interval, [y, y], color=colour, linewidth=2.4)
            axes.plot(row.hr, y, marker, color=colour)
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_xscale("log")
        ticks = [0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(drawn)), [row.label for row, _, _ in drawn], fontsize=7)
        axes.set_xlabel(say("hazard ratio, below 1 favours the experimental arm"))
        return to_svg(figure, say("Hazard ratios of the nearest trials and of their pool"))


@dataclass(frozen=True)
class _Row:
    """One line of the forest."""

    label: str
    hr: float
    interval: tuple[float, float] | None
    prediction: tuple[float, float] | None
