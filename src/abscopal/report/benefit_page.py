"""What `abscopal stratify benefit` writes: a page with the verdict first, JSON, figures, and predicted gains."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.report.html import write_whole
from abscopal.report.numbers import significant
from abscopal.report.page import render_page
from abscopal.stratification.benefit.analyse import NOT_SHOWN, BenefitAnalysis, Heterogeneity
from abscopal.stratification.benefit.evaluate import Estimate
from abscopal.stratification.benefit.propensity import TRIM, UNBALANCED

MOST_COVARIATES = 40
"""Rows of the balance figure."""


def write_benefit(analysis: BenefitAnalysis, folder: Path, manifest: dict[str, Any]) -> tuple[Path, ...]:
    """Write `benefit.html`, `benefit.json`, `gains.csv` and the figures as SVG."""
    figures = draw_benefit(analysis)
    document = json.dumps({**benefit_document(analysis), "manifest": manifest}, indent=1, allow_nan=False)
    files = [
        write_whole(folder / "benefit.html", render_benefit(analysis, figures)),
        write_whole(folder / "benefit.json", document + "\n"),
        write_whole(folder / "gains.csv", _gains(analysis)),
    ]
    style = '<svg style="color:#16181d;--line:#d4d8df;--paper:#ffffff;background:#ffffff" '
    files += [
        write_whole(folder / f"{name}.svg", svg.replace("<svg ", style, 1)) for name, svg in figures.items() if svg
    ]
    return tuple(files)


def _gains(analysis: BenefitAnalysis) -> str:
    names = [found.estimator for found in analysis.heterogeneity]
    lines = ["row,treated,time_months,event,score_months," + ",".join(f"predicted_{name}_months" for name in names)]
    trial = analysis.trial
    columns = (trial.w, trial.time, trial.event, analysis.scores, *(f.predicted for f in analysis.heterogeneity))
    lines += [
        f"{i}," + ",".join(f"{value:.6g}" for value in row) for i, row in enumerate(zip(*columns, strict=True), 1)
    ]
    return "\n".join(lines) + "\n"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(estimate: Estimate) -> dict[str, float | None]:
    return {"value": _number(estimate.value), "low": _number(estimate.low), "high": _number(estimate.high)}


def benefit_document(analysis: BenefitAnalysis) -> dict[str, Any]:
    """Everything but the rows of the patients, as plain data; months where nothing else is said."""
    trial = analysis.trial
    return {
        "arms": {"treated": trial.treated, "control": trial.control, "randomised": trial.randomised},
        "patients": trial.n,
        "events": int(trial.event.sum()),
        "covariates": list(trial.names),
        "horizon_months": analysis.horizon,
        "transform": analysis.transform,
        "verdict": analysis.verdict,
        "verdict_heterogeneity": analysis.verdict_heterogeneity,
        "verdict_rt_added_to_ici": analysis.verdict_rt,
        "average_difference": _plain(analysis.average),
        "unadjusted_difference": _plain(analysis.unadjusted),
        "hazard_ratio": _plain(analysis.hazard_ratio),
        "modifiers": {m.name: _plain(m.ratio) for m in analysis.modifiers},
        "e_value": None if analysis.e_value is None else list(analysis.e_value),
        "negative_control": None if analysis.negative_control is None else _plain(analysis.negative_control),
        "heterogeneity": [_one(found) for found in analysis.heterogeneity],
        "overlap": {
            "auc": analysis.overlap.auc, "outside": analysis.overlap.outside,
            "effective_patients": {"control": analysis.overlap.effective[0], "treated": analysis.overlap.effective[1]},
            "standardised_difference": analysis.overlap.difference,
            "after_weighting": analysis.overlap.weighted_difference,
        },
        "notes": list(analysis.notes),
    }  # fmt: skip


def _one(found: Heterogeneity) -> dict[str, Any]:
    names = ("autoc", "qini", "concordance", "in_the_large", "slope", "policy", "treat_all")
    return {
        "estimator": found.estimator,
        "shown": found.shown,
        **{name: _plain(getattr(found, name)) for name in names},
        "groups": [
            {"label": g.label, "n": g.n, "predicted": g.predicted, "observed": _plain(g.observed)} for g in found.groups
        ],
    }


def text(estimate: Estimate, digits: int = 2) -> str:
    """An estimate with its interval."""
    if not math.isfinite(estimate.high):
        return "no spread in the predictions"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def heterogeneity_row(found: Heterogeneity) -> tuple[str, ...]:
    """One estimator as a row of the table."""
    return (
        found.estimator, text(found.autoc), text(found.qini), text(found.concordance), text(found.slope),
        text(found.in_the_large), "ranks observed gain" if found.shown else NOT_SHOWN,
    )  # fmt: skip


def average_rows(analysis: BenefitAnalysis) -> list[tuple[str, ...]]:
    """The average effect in several ways."""

    def row(label: str, estimate: Estimate, unit: str) -> tuple[str, ...]:
        interval = f"{significant(estimate.low)} to {significant(estimate.high)}"
        return label, significant(estimate.value), interval, unit

    rows = [
        row("restricted mean survival, doubly robust", analysis.average, "months"),
        row("restricted mean survival, unadjusted", analysis.unadjusted, "months"),
        row("hazard ratio, adjusted", analysis.hazard_ratio, ""),
    ]
    if analysis.e_value is not None:
        value, limit = analysis.e_value
        rows.append(("E-value of the hazard ratio", significant(value), f"limit {significant(limit)}", "risk ratio"))
    if analysis.negative_control is not None:
        rows.append(row("negative control: should be zero", analysis.negative_control, "standard deviations"))
    return rows


def render_benefit(analysis: BenefitAnalysis, figures: dict[str, str]) -> str:
    """The page as HTML text."""
    trial, primary = analysis.trial, analysis.heterogeneity[0]
    head, _, rest = analysis.verdict.partition(":")
    head_h, _, rest_h = analysis.verdict_heterogeneity.partition(":")
    unbalanced = analysis.overlap.unbalanced(weighted=not trial.randomised)
    return render_page(
        "benefit.html.j2",
        title=f"{trial.treated} against {trial.control}",
        lede=(
            f"{trial.n} patients, {int(trial.event.sum())} events, "
            f"{'randomised' if trial.randomised else 'not randomised'}"
            f" · horizon {significant(analysis.horizon)} months"
        ),
        cards=[
            ("average effect", head, rest),
            ("who gains more", head_h, rest_h),
            ("radiotherapy added to an ICI", *analysis.verdict_rt.split(":", 1)),
        ],
        notes=analysis.notes,
        average_rows=average_rows(analysis),
        modifier_rows=[
            (m.name, significant(m.ratio.value), f"{significant(m.ratio.low)} to {significant(m.ratio.high)}")
            for m in analysis.modifiers
        ],
        heterogeneity_rows=[heterogeneity_row(found) for found in analysis.heterogeneity],
        group_rows=[(g.label, str(g.n), f"{g.predicted:.2f}", text(g.observed)) for g in primary.groups],
        policy_rows=[
            ("treat those with a predicted gain above zero", text(primary.policy)),
            ("treat everybody", text(primary.treat_all)),
        ],
        overlap_lines=[
            f"covariates tell the arms apart with an AUC of {analysis.overlap.auc:.2f} (0.5 in a randomised trial)",
            f"{analysis.overlap.outside} patients with a propensity outside {TRIM[0]:g} to {TRIM[1]:g}",
            f"effective patients after weighting: {analysis.overlap.effective[0]:.0f} control, "
            f"{analysis.overlap.effective[1]:.0f} treated",
            "unbalanced: " + (", ".join(unbalanced) or "none"),
        ],
        verdict_rt=analysis.verdict_rt,
        **figures,
    )


def draw_benefit(analysis: BenefitAnalysis) -> dict[str, str]:
    """Every figure of the page, by name."""
    return {
        "curves": _curves(analysis),
        "groups": _groups(analysis.heterogeneity[0]),
        "toc": _toc(analysis),
        "balance": _balance(analysis),
    }


def _curves(analysis: BenefitAnalysis) -> str:
    from lifelines import KaplanMeierFitter

    trial = analysis.trial
    end = float(trial.time.max())
    marks = np.linspace(0, end, 6)
    with canvas(8.2, 3.6) as (figure, axes):
        for place, (arm, label) in enumerate(((1.0, trial.treated), (0.0, trial.control))):
            members = trial.w == arm
            fitted = KaplanMeierFitter().fit(trial.time[members], trial.event[members])
            curve, band = fitted.survival_function_.iloc[:, 0], fitted.confidence_interval_
            axes.step(curve.index, curve.to_numpy(), where="post", color=PALETTE[place], label=label)
            axes.fill_between(
                band.index, band.iloc[:, 0], band.iloc[:, 1], step="post", color=PALETTE[place], alpha=0.15, linewidth=0
            )
            at_risk = [int((trial.time[members] >= mark).sum()) for mark in marks]
            for mark, n in zip(marks, at_risk, strict=True):
                axes.annotate(
                    str(n), (mark, 0), xytext=(0, -38 - 11 * place), textcoords="offset points", ha="center",
                    fontsize=7, color=PALETTE[place], annotation_clip=False,
                )  # fmt: skip
        axes.axvline(analysis.horizon, color=INK, linewidth=0.8, linestyle=":")
        axes.set(xlabel="months\n\n\n", ylabel="without the event", ylim=(0, 1.02), xlim=(0, end))
        axes.legend(loc="upper right")
        return to_svg(figure, f"Kaplan-Meier curves of {trial.treated} and {trial.control} over {end:.0f} months")


def _groups(primary: Heterogeneity) -> str:
    if not primary.groups:
        return ""
    with canvas(8.2, 0.9 + 0.4 * len(primary.groups)) as (figure, axes):
        for y, group in enumerate(primary.groups):
            axes.plot([group.observed.low, group.observed.high], [y, y], color=PALETTE[0], linewidth=2)
            axes.plot(group.observed.value, y, "o", color=PALETTE[0])
            axes.plot(group.predicted, y, "s", color=PALETTE[1], markerfacecolor="none")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(primary.groups)), [f"{g.label} (n = {g.n})" for g in primary.groups])
        axes.set(
            xlabel="difference in restricted mean survival, treated less control [months]",
            ylim=(-0.6, len(primary.groups) - 0.4),
        )
        return to_svg(figure, "Observed difference between arms in groups of predicted gain")


def _toc(analysis: BenefitAnalysis) -> str:
    with canvas(8.2, 2.9) as (figure, axes):
        for place, found in enumerate(analysis.heterogeneity):
            g = analysis.scores[np.argsort(-found.predicted, kind="stable")]
            share = np.arange(1, len(g) + 1) / len(g)
            top = np.cumsum(g) / np.arange(1, len(g) + 1) - g.mean()
            shown = share >= 0.05
            colour = PALETTE[place % len(PALETTE)]
            axes.plot(share[shown], top[shown], color=colour, linewidth=2 if place == 0 else 1, label=found.estimator)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(xlabel="share with the largest predicted gain", ylabel="above the mean of all [months]", xlim=(0, 1))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, "Targeting operator curve of each estimator")


def _balance(analysis: BenefitAnalysis) -> str:
    before, after = analysis.overlap.difference, analysis.overlap.weighted_difference
    names = sorted(before, key=lambda name: abs(before[name]))[-MOST_COVARIATES:]
    if not names:
        return ""
    with canvas(8.2, 0.9 + 0.24 * len(names)) as (figure, axes):
        rows = range(len(names))
        axes.plot([before[n] for n in names], rows, "o", color=PALETTE[1], markerfacecolor="none", label="as it is")
        axes.plot([after[n] for n in names], rows, "o", color=PALETTE[0], markersize=4, label="weighted")
        axes.axvspan(-UNBALANCED, UNBALANCED, color=FAINT, alpha=0.5, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(rows, names, fontsize=7)
        axes.set_xlabel("standardised mean difference, treated less control")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, f"Balance of {len(names)} covariates")
