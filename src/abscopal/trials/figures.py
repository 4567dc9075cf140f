"""Figures of the evidence, each with the numbers it shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abscopal.drawing import FAINT, INK, PALETTE, canvas, standalone, to_svg
from abscopal.trials.evidence import load_trials
from abscopal.trials.influence import influence
from abscopal.trials.pooling import pool

SIMULATED = "simulated"


@dataclass(frozen=True)
class Figure:
    """An SVG element for a page, and the table behind it.

    Attributes
    ----------
    name : str
        File name without ending.
    svg : str
    data : DataFrame
        What is drawn, one row per mark.
    """

    name: str
    svg: str
    data: pd.DataFrame

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write `<name>.svg` and `<name>.csv` into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        picture, table = folder / f"{self.name}.svg", folder / f"{self.name}.csv"
        picture.write_text(standalone(self.svg), encoding="utf-8")
        self.data.to_csv(table, index=False)
        return picture, table


def forest(rows: pd.DataFrame, by: str | None = None) -> Figure:
    """Hazard ratios of trials with 95 % intervals, their REML pools and prediction intervals.

    Parameters
    ----------
    rows : DataFrame
        As from `evidence.select`.
    by : str, optional
        Column whose levels get a pool each, such as `timing` or `comparison_type`.
    """
    groups = [("all trials", rows)] if by is None else [*rows.groupby(by, sort=True), ("all trials", rows)]
    table: list[dict[str, Any]] = []
    for level, part in groups:
        if by is None or level != "all trials":
            table += [_trial_mark(row, str(level)) for row in part.sort_values("log_hr").to_dict("records")]
        table.append(_pool_mark(part, str(level)))
    data = pd.DataFrame(table)
    endpoint = "/".join(sorted(set(rows["endpoint"])))
    with canvas(7.6, 0.9 + 0.21 * len(data)) as (figure, axes):
        for place, mark in enumerate(reversed(table)):
            _draw_mark(axes, place, mark)
        axes.axvline(1.0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(table)), [_label(mark) for mark in reversed(table)], fontsize=7)
        ratio_axis(axes, data[["low", "high"]].to_numpy())
        axes.set(
            xlabel=f"{endpoint} hazard ratio, experimental against control; 95 % interval", ylim=(-0.7, len(table))
        )
        axes.grid(visible=False, axis="y")
        return Figure("forest", to_svg(figure, f"Forest plot of {len(rows)} {endpoint} hazard ratios"), data)


def _trial_mark(row: dict[Any, Any], group: str) -> dict[str, Any]:
    half = 1.959964 * row["se"]
    return {
        "kind": "trial", "group": group, "label": f"{row['trial']}, {row['endpoint']}", "hr": row["hr"],
        "low": float(np.exp(row["log_hr"] - half)), "high": float(np.exp(row["log_hr"] + half)),
        "new_low": np.nan, "new_high": np.nan, "status": row["confidence"],
    }  # fmt: skip


def _pool_mark(rows: pd.DataFrame, group: str) -> dict[str, Any]:
    found = pool(rows["log_hr"], rows["se"])
    new = found.prediction_interval or (np.nan, np.nan)
    return {
        "kind": "pool", "group": group, "label": f"pooled: {group} (k = {found.k}, I² {found.i2:.0f} %)",
        "hr": found.hr, "low": found.interval[0], "high": found.interval[1], "new_low": new[0], "new_high": new[1],
        "status": "",
    }  # fmt: skip


def _label(mark: dict[str, Any]) -> str:
    doubt = {"recalled": " †", "uncertain": " ?"}.get(mark["status"], "")
    return f"{mark['label']}{doubt}  {mark['hr']:.2f} ({mark['low']:.2f}–{mark['high']:.2f})"


def _draw_mark(axes: Any, place: int, mark: dict[str, Any]) -> None:
    if mark["kind"] == "trial":
        axes.plot([mark["low"], mark["high"]], [place, place], color=PALETTE[0], linewidth=1.3)
        axes.plot(mark["hr"], place, "s", color=PALETTE[0], markersize=4)
        return
    axes.plot([mark["new_low"], mark["new_high"]], [place, place], ":", color=PALETTE[1], linewidth=1.2)
    axes.fill(
        [mark["low"], mark["hr"], mark["high"], mark["hr"]], [place, place + 0.32, place, place - 0.32],
        color=PALETTE[1], linewidth=0,
    )  # fmt: skip


def ratio_axis(axes: Any, values: Any) -> None:
    """A logarithmic axis of ratios with few, round ticks."""
    low, high = max(0.1, float(np.nanmin(values))), min(10.0, float(np.nanmax(values)))
    axes.set_xscale("log")
    axes.set_xlim(min(0.8, low) / 1.1, max(1.25, high) * 1.1)
    ticks = [x for x in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0) if low / 1.1 <= x <= high * 1.1]
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.minorticks_off()


def funnel(rows: pd.DataFrame) -> Figure:
    """Standard error against hazard ratio, with contours of two-sided p of 0.1, 0.05 and 0.01 about no effect."""
    centre = pool(rows["log_hr"], rows["se"])
    data = rows[["trial", "endpoint", "hr", "se", "confidence"]].reset_index(drop=True)
    deepest = 1.1 * float(rows["se"].max())
    with canvas(5.6, 4.2) as (figure, axes):
        edge = np.array([0.0, deepest])
        for z, p, shade in ((2.576, "0.01 < p < 0.05", 0.1), (1.960, "0.05 < p < 0.1", 0.15), (1.645, "p > 0.1", 0.25)):
            axes.fill_betweenx(edge, np.exp(-z * edge), np.exp(z * edge), color=PALETTE[7], alpha=shade,
                               linewidth=0, label=p)  # fmt: skip
        axes.plot(rows["hr"], rows["se"], "o", color=PALETTE[0], markersize=5)
        axes.axvline(1.0, color=INK, linewidth=0.8)
        axes.axvline(centre.hr, color=PALETTE[1], linewidth=1.0, linestyle="--", label=f"pooled {centre.hr:.2f}")
        ratio_axis(axes, rows["hr"].to_numpy())
        axes.set(xlabel="hazard ratio", ylabel="standard error of ln HR", ylim=(deepest, 0))
        axes.legend(loc="lower left", bbox_to_anchor=(1.0, 0.0))
        return Figure("funnel", to_svg(figure, f"Contour funnel plot of {len(rows)} trials"), data)


def baujat(rows: pd.DataFrame) -> Figure:
    """Each trial's contribution to Q against its pull on the pooled effect."""
    data = influence(rows)
    with canvas(5.6, 4.0) as (figure, axes):
        axes.plot(data["baujat_q"], data["baujat_influence"], "o", color=PALETTE[0], markersize=5)
        for row in data.nlargest(5, "baujat_q").to_dict("records"):
            axes.annotate(row["trial"], (row["baujat_q"], row["baujat_influence"]), fontsize=7,
                          xytext=(4, 3), textcoords="offset points", color=INK)  # fmt: skip
        axes.set(xlabel="contribution to Q [1]", ylabel="influence on the fixed-effect mean [1]")
        return Figure("baujat", to_svg(figure, f"Baujat plot of {len(rows)} trials"), data)


def bubble(rows: pd.DataFrame) -> Figure:
    """Hazard ratios by timing of the ICI, one bubble a trial, area by weight, colour by kind of control."""
    data = rows[["trial", "endpoint", "timing", "comparison_type", "eni", "hr", "se"]].reset_index(drop=True)
    levels = ["before", "during", "after"]
    present = [level for level in levels if (data["timing"] == level).any()]
    weight = 1 / data["se"] ** 2
    rng = np.random.default_rng(0)
    data["place"] = data["timing"].map({level: k for k, level in enumerate(present)}) + rng.uniform(
        -0.2, 0.2, len(data)
    )
    with canvas(5.6, 4.0) as (figure, axes):
        for index, (kind, part) in enumerate(data.groupby("comparison_type")):
            axes.scatter(part["place"], part["hr"], s=300 * weight[part.index] / weight.max(), alpha=0.65,
                         color=PALETTE[index], label=str(kind).replace("_", " "), linewidth=0)  # fmt: skip
        axes.axhline(1.0, color=INK, linewidth=0.8)
        axes.set_yscale("log")
        ticks = [x for x in (0.4, 0.5, 0.7, 1.0, 1.4, 2.0) if data["hr"].min() / 1.2 <= x <= data["hr"].max() * 1.2]
        axes.set_yticks(ticks, [f"{x:g}" for x in ticks])
        axes.minorticks_off()
        axes.set_xticks(range(len(present)), [f"ICI {level} RT" for level in present])
        axes.set(ylabel="hazard ratio", xlim=(-0.5, len(present) - 0.5))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return Figure("bubble", to_svg(figure, f"Bubble plot of {len(rows)} hazard ratios by timing"), data)


def evidence_map(rows: pd.DataFrame | None = None) -> Figure:
    """All trials by disease and timing of the ICI; colour is the dose per fraction, fill whether a result is known.

    Parameters
    ----------
    rows : DataFrame, optional
        As from `load_trials`; the package's unless given.
    """
    rows = load_trials() if rows is None else rows
    table = rows.drop_duplicates("trial")
    result = rows.groupby("trial")[["hr", "rate_exp", "median_exp_months"]].count().sum(axis=1) > 0
    dose = table["dose_per_fraction_gy"].astype(str).str.extract(r"([\d.]+)", expand=False).astype(float)
    data = pd.DataFrame({
        "trial": table["trial"], "disease": table["disease"], "timing": table["timing"], "dose_per_fraction_gy": dose,
        "known": table["trial"].map(result), "withheld": table["pool"] == "holdout",
        "band": pd.cut(dose, [0, 1.4, 2.2, 5.0, 30.0], labels=["below 1.5 Gy", "1.5–2.2 Gy", "2.3–5 Gy", "above 5 Gy"])
                  .astype(object).fillna("not stated"),
    }).sort_values(["disease", "timing", "trial"]).reset_index(drop=True)  # fmt: skip
    diseases, timings = sorted(data["disease"].unique()), ["before", "during", "after"]
    data["x"] = data["timing"].map({t: float(k) for k, t in enumerate(timings)})
    data["y"] = data["disease"].map({d: k for k, d in enumerate(reversed(diseases))})
    order = data.groupby(["disease", "timing"]).cumcount()
    data["x"] += 0.9 * ((order + 0.5) / (order.max() + 1) - 0.5)
    bands = ["below 1.5 Gy", "1.5–2.2 Gy", "2.3–5 Gy", "above 5 Gy", "not stated"]
    with canvas(8.4, 1.1 + 0.27 * len(diseases)) as (figure, axes):
        for index, band in enumerate(bands):
            for known in (True, False):
                part = data.loc[(data["band"] == band) & (data["known"] == known)]
                axes.plot(part["x"], part["y"], "o", color=PALETTE[index], markersize=5.5,
                          markerfacecolor=PALETTE[index] if known else "none",
                          label=band if known else None)  # fmt: skip
        axes.set_yticks(range(len(diseases)), list(reversed(diseases)), fontsize=7)
        axes.set_xticks(range(3), [f"ICI {t} RT" for t in timings])
        axes.set(xlim=(-0.5, 2.5), xlabel="open circle: no result in the table (not found, or withheld)")
        for line in (0.5, 1.5):
            axes.axvline(line, color=FAINT, linewidth=0.8)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="dose per fraction")
        return Figure("evidence_map", to_svg(figure, f"Map of {len(data)} trials by disease, timing and dose"), data)
