"""Figures of virtual trials; each says that it is simulated."""

from typing import Any

import numpy as np
import pandas as pd

from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.trials.figures import SIMULATED, Figure, ratio_axis
from abscopal.trials.virtual import TrialResult


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
        title = f"{SIMULATED}: {result.summary['replicates']} trials of {result.summary['patients']} patients"
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
    """Distribution of the effect estimate over replicates."""
    name = "log_odds_ratio" if "log_odds_ratio" in result.replicates else "log_hr"
    label = "odds ratio" if name == "log_odds_ratio" else "hazard ratio"
    values = result.replicates[name].replace([np.inf, -np.inf], np.nan).dropna()
    data = pd.DataFrame({label.replace(" ", "_"): np.exp(values), "won": result.replicates.loc[values.index, "won"]})
    with canvas(5.6, 3.2) as (figure, axes):
        edges = np.exp(np.linspace(values.min() - 0.01, values.max() + 0.01, 31))
        won = result.replicates.loc[values.index, "won"].astype(bool)
        axes.hist([np.exp(values[won]), np.exp(values[~won])], bins=edges, stacked=True, color=[PALETTE[2], PALETTE[7]],
                  label=["primary end point met", "not met"])  # fmt: skip
        axes.axvline(1.0, color=INK, linewidth=0.8)
        ratio_axis(axes, np.exp(values.to_numpy()))
        axes.set(xlabel=f"{result.design.analysis.endpoint} {label} of one trial", ylabel="simulated trials")
        axes.legend(loc="upper right")
        return Figure("effects", to_svg(figure, f"Simulated distribution of the {label}"), data)


def power_curve(table: pd.DataFrame, features: list[str]) -> Figure:
    """Probability of success against the first feature swept, one line per combination of the others."""
    first, others = features[0], features[1:]
    groups = list(table.groupby(others, sort=False)) if others else [((), table)]
    with canvas(5.8, 3.6) as (figure, axes):
        for index, (key, part) in enumerate(groups):
            place = range(len(part)) if part[first].dtype == object else part[first]
            levels = zip(others, key if isinstance(key, tuple) else (key,), strict=True)
            label = ", ".join(
                f"{name} {level:g}" if isinstance(level, float) else f"{name} {level}" for name, level in levels
            )
            axes.errorbar(place, part["probability_of_success"], yerr=1.645 * part["monte_carlo_se"], fmt="o-",
                          color=PALETTE[index % len(PALETTE)], label=label or None, capsize=2)  # fmt: skip
            if part[first].dtype == object:
                axes.set_xticks(list(place), list(part[first]))
        units = {"dose_per_fraction": " [Gy]", "ici_start": " [day]", "patients": ""}
        axes.set(xlabel=first.replace("_", " ") + units.get(first, ""), ylabel="probability of success", ylim=(0, 1),
                 title=f"{SIMULATED}; bars: 90 % Monte-Carlo interval")  # fmt: skip
        if others:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return Figure("design", to_svg(figure, "Simulated probability of success over the designs swept"), table)
