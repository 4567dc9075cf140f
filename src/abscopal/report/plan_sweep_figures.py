"""Figures of `abscopal plan`: histograms of two plans, and what sparing the immune system costs."""

from collections.abc import Sequence

import numpy as np

from abscopal.drawing import PALETTE, canvas, to_svg
from abscopal.knowledge.load import load
from abscopal.planning.protocol import FAR, NEAR, SHEET
from abscopal.planning.sweep import Point, Sweep
from abscopal.planning.terms.dose import MeanDose

HELPERS = (NEAR, FAR)
MOST_CURVES = 8


def draw_histograms(sweep: Sweep) -> str:
    """Cumulative histograms of the target and the most irradiated organs: reference dashed, chosen plan solid."""
    first, chosen = sweep.reference, sweep.chosen
    names = shown_structures(sweep)
    with canvas(8.2, 3.8) as (figure, axes):
        for colour, name in zip(PALETTE, names, strict=False):
            for point, style in ((first, "--"), (chosen, "-")):
                dvh = point.course.dvhs[name]
                label = name if style == "-" else None
                axes.plot(dvh.edges, 100 * dvh.volume_fraction, style, color=colour, label=label)
        axes.set(xlabel="dose of the course [Gy]", ylabel="volume [%]", xlim=(0, None), ylim=(0, 101))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title=f"{chosen.name}\ndashed: {first.name}")
        return to_svg(figure, f"Dose-volume histograms of {len(names)} structures, {first.name} and {chosen.name}")


def draw_tradeoff(sweep: Sweep) -> str:
    """Each immune term, and what it costs, relative to the reference plan, against the weight of the immune terms."""
    points = sweep.points
    places = np.arange(len(points))
    with canvas(8.2, 3.6) as (figure, axes):
        for colour, k in zip(PALETTE, range(len(sweep.terms)), strict=False):
            start = points[0].immune[k]
            if start < load(SHEET)["least_mean"] and isinstance(sweep.terms[k], MeanDose):
                continue  # relative to next to nothing
            axes.plot(places, [point.immune[k] / start for point in points], "o-", color=colour,
                      label=sweep.terms[k].label)  # fmt: skip
        for style, (label, values) in zip((":", "--", "-."), _costs(sweep).items(), strict=False):
            start = values[0] or 1.0
            axes.plot(places, np.array(values) / start, style, color="#7f7f7f", label=label)
        marked = points.index(sweep.chosen)
        axes.axvline(marked, color="#7f7f7f", linewidth=0.8)
        axes.annotate("chosen", (marked, 0.0), xytext=(3, 3), textcoords="offset points", fontsize=8)
        axes.set(xlabel="weight of the immune terms [1]", ylabel="relative to the reference plan [1]", ylim=(0, None))
        axes.set_xticks(places, [f"{point.weight:g}" for point in points])
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, f"Trade-off over {len(points)} plans at the same coverage of the target")


def shown_structures(sweep: Sweep) -> list[str]:
    """The target, then organs by the larger of their two mean doses."""
    both: Sequence[Point] = (sweep.reference, sweep.chosen)
    target = sweep.matrix.targets[0]
    organs = [n for n in sweep.reference.course.dvhs if n not in (*HELPERS, *sweep.matrix.targets, "GTV", "CTV", "ITV")]
    organs.sort(key=lambda name: -max(point.figure(name) for point in both))
    spared = [n for n in organs if any(n in term.label for term in sweep.terms)]
    return [target, *dict.fromkeys((*spared, *organs))][:MOST_CURVES]


def _costs(sweep: Sweep) -> dict[str, list[float]]:
    target = sweep.matrix.targets[0]
    costs = {f"{target} D2%": [point.figure(target, 2) for point in sweep.points]}
    if FAR in sweep.matrix.regions:
        costs["body beyond target D2%"] = [point.figure(FAR, 2) for point in sweep.points]
    if "Lungs" in sweep.matrix.regions:
        costs["Lungs mean"] = [point.figure("Lungs") for point in sweep.points]
    return costs
