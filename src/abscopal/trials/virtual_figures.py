"""Figures of virtual trials; each says that it is simulated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.trials.figures import SIMULATED, Figure, ratio_axis
from abscopal.trials.virtual import TrialResult

_DASHES = ("-", "--", "-.", ":")
"""So that lines on top of each other are all seen."""


def survival_curves(result: TrialResult) -> Figure:
    """Virtual Kaplan-Meier curves with their 90 % interval over replicates and a table of numbers at risk."""
    data = result.curves
    endpoint = result.design.analysis.endpoint
    arms = list(data["arm"].unique())
    with canvas(6.6, 4.6) as (figure, axes):
        for index, arm in enumerate(arms):
            part = data.loc[data["arm"] == arm]
            axes.fill_between(part["month"], part["low_90"], part["high_90"], step="post", color=PALETTE[index],
                              alpha=0.15, linewidth=0)  # fmt: skip
            axes.step(part["month"], part["survival"], where="post", color=PALETTE[index], label=arm)
        last = float(data["month"].max())
        ticks = np.arange(0, last + 1, 6 if last <= 36 else 12)
        axes.set_xticks(ticks)
        title = (
            f"{marked(result.summary)}: {result.summary['replicates']} trials of {result.summary['patients']} patients"
        )
        axes.set(xlabel="months from randomisation\n\n" + _at_risk(data, arms, ticks), ylabel=endpoint, ylim=(0, 1.02),
                 title=title)  # fmt: skip
        axes.legend(loc="upper right")
        return Figure(
            "survival", to_svg(figure, f"Simulated {endpoint} curves of both arms with numbers at risk"), data
        )


def _at_risk(data: pd.DataFrame, arms: list[str], ticks: Any) -> str:
    lines = ["mean number at risk"]
    for arm in arms:
        part = data.loc[data["arm"] == arm].set_index("month")["at_risk"]
        lines.append(f"{arm}: " + "   ".join(f"{t:g} mo {part.get(t, 0):.0f}" for t in ticks))
    return "\n".join(lines)


def effects(result: TrialResult) -> Figure:
    """Distribution of the effect estimate over replicates, a panel for each tested arm."""
    name = "log_odds_ratio" if "log_odds_ratio" in result.replicates else "log_hr"
    label = "odds ratio" if name == "log_odds_ratio" else "hazard ratio"
    table = result.replicates.replace([np.inf, -np.inf], np.nan).dropna(subset=[name])
    data = pd.DataFrame(
        {"arm": table["arm"], label.replace(" ", "_"): np.exp(table[name]), "won": table["won"].astype(bool)}
    )
    values = data[label.replace(" ", "_")]
    arms = [arm.name for arm in result.design.tested]
    with canvas(5.6 * len(arms), 3.2, columns=len(arms), squeeze=False, sharey=True) as (figure, grid):
        edges = np.exp(np.linspace(np.log(values.min()) - 0.01, np.log(values.max()) + 0.01, 31))
        for axes, arm in zip(grid[0], arms, strict=True):
            own, won = values[data["arm"] == arm], data.loc[data["arm"] == arm, "won"]
            axes.hist([own[won], own[~won]], bins=edges, stacked=True, color=[PALETTE[2], PALETTE[7]],
                      label=["primary end point met", "not met"])  # fmt: skip
            axes.axvline(1.0, color=INK, linewidth=0.8)
            ratio_axis(axes, values.to_numpy())
            axes.set(xlabel=f"{result.design.analysis.endpoint} {label} of one trial",
                     title=f"{arm} against {result.design.control.name}")  # fmt: skip
        grid[0][0].set_ylabel(f"{marked(result.summary)} trials")
        grid[0][0].legend(loc="upper right")
        return Figure("effects", to_svg(figure, f"Simulated distribution of the {label}"), data)


def marked(summary: Mapping[str, Any]) -> str:
    """What every figure says of its numbers."""
    return SIMULATED if summary["calibration"] == "fitted" else f"{SIMULATED}, NOT CALIBRATED"


def power_curve(table: pd.DataFrame, features: list[str], calibration: str = "fitted") -> Figure:
    """Probability of success against the first feature swept, one line for each tested arm and the other features.

    Parameters
    ----------
    table : DataFrame
        As from `operating.sweep`.
    features : list of str
        In the order swept.
    calibration : str
        Status of the end point, for the mark.
    """
    first, others = features[0], [*features[1:], *(["arm"] if table["arm"].nunique() > 1 else [])]
    named = not pd.api.types.is_numeric_dtype(table[first])
    groups = list(table.groupby(others, sort=False)) if others else [((), table)]
    with canvas(5.8, 3.6) as (figure, axes):
        for index, (key, part) in enumerate(groups):
            place = range(len(part)) if named else part[first]
            levels = zip(others, key if isinstance(key, tuple) else (key,), strict=True)
            label = ", ".join(f"{name.replace('_', ' ')} {level:g}" if isinstance(level, float) else f"{name} {level}"
                              for name, level in levels)  # fmt: skip
            axes.errorbar(place, part["probability_of_success"], yerr=1.645 * part["monte_carlo_se"], fmt="o",
                          linestyle=_DASHES[index % len(_DASHES)], color=PALETTE[index % len(PALETTE)],
                          label=label or None, capsize=2)  # fmt: skip
            axes.set_xticks(list(place), list(part[first]) if named else [f"{value:g}" for value in place])
        units = {"dose_per_fraction": " [Gy]", "ici_start": " [day after the anchor]", "patients": " [all arms]"}
        axes.set(xlabel=first.replace("_", " ") + units.get(first, ""), ylabel="probability of success", ylim=(0, 1),
                 title=f"{marked({'calibration': calibration})}; bars: 90 % Monte-Carlo interval")  # fmt: skip
        if others:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return Figure("design", to_svg(figure, "Simulated probability of success over the designs swept"), table)
