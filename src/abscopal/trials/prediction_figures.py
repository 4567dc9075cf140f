"""Figures of predictions held to account: each trial left out, and what each feature of a trial carries."""

import numpy as np
import pandas as pd

from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.trials.figures import Figure, ratio_axis

_SHOWN = ("mechanism and constant", "meta-regression", "pooled mean")


def left_out(scored: pd.DataFrame, endpoint: str) -> Figure:
    """Reported hazard ratios beside what three predictors say of them from all other trials, with 90 % intervals."""
    data = scored.loc[scored["predictor"].isin(_SHOWN)].copy()
    for name in ("observed", "median", "low", "high"):
        data[f"hr_{name}"] = np.exp(data[name])
    order = data.drop_duplicates("trial").sort_values("observed", ascending=False)["trial"].tolist()
    with canvas(7.4, 1.0 + 0.3 * len(order)) as (figure, axes):
        for index, name in enumerate(_SHOWN):
            part = data.loc[data["predictor"] == name].set_index("trial").loc[order]
            place = np.arange(len(order)) + 0.22 * (1 - index)
            axes.hlines(place, part["hr_low"], part["hr_high"], color=PALETTE[index], linewidth=1.6)
            axes.plot(part["hr_median"], place, "o", color=PALETTE[index], markersize=3.5, label=name)
        part = data.loc[data["predictor"] == _SHOWN[0]].set_index("trial").loc[order]
        axes.plot(part["hr_observed"], np.arange(len(order)), "|", color=INK, markersize=15, markeredgewidth=1.8,
                  label="reported")  # fmt: skip
        axes.axvline(1.0, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(order)), order, fontsize=7)
        ratio_axis(axes, data[["hr_low", "hr_high"]].to_numpy())
        axes.set(
            xlabel=f"{endpoint} hazard ratio, predicted from all other trials (90 %)", ylim=(-0.8, len(order) - 0.2)
        )
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4)
        return Figure("left_out", to_svg(figure, f"{endpoint} hazard ratios of trials left out, and predictions"), data)


def ablation(table: pd.DataFrame, endpoint: str) -> Figure:
    """Ln hazard ratio that each feature of a trial carries, with its 90 % interval over the posterior."""
    rows = list(reversed(table.to_dict("records")))
    with canvas(7.4, 1.0 + 0.22 * len(rows)) as (figure, axes):
        trials = list(dict.fromkeys(table["trial"]))
        for place, row in enumerate(rows):
            colour = PALETTE[trials.index(row["trial"]) % len(PALETTE)]
            axes.hlines(place, row["low_90"], row["high_90"], color=colour, linewidth=1.8)
            axes.plot(row["carried"], place, "o", color=colour, markersize=4)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [f"{row['trial']}: {row['feature']}" for row in rows], fontsize=7)
        axes.set(xlabel=f"simulated {endpoint} ln hazard ratio carried (90 %)",
                 ylim=(-0.7, len(rows) - 0.3))  # fmt: skip
        axes.grid(visible=False, axis="y")
        return Figure("ablation", to_svg(figure, f"{endpoint} ln hazard ratio carried by features of trials"), table)
