"""Figures of model cards and validation reports, each from the document's own numbers."""

import numpy as np

from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.learning.card import OutcomeRecord
from abscopal.learning.risk_groups import RiskGroup
from abscopal.learning.transport import Transport
from abscopal.learning.validate import Validation

MOST_ROWS = 25


def draw_validation(validation: Validation) -> dict[str, str]:
    """Calibration, decision curve, risk groups and, with a model, the shift of the features."""
    figures = {
        "calibration": _calibration(validation),
        "decision": _decision(validation),
        "groups": draw_groups(validation.groups, validation.outcome),
    }
    if validation.transport is not None:
        figures["transport"] = _transport(validation.transport)
    return figures


def _calibration(validation: Validation) -> str:
    curve, groups = validation.curve, validation.groups
    with canvas(5.2, 4.6) as (figure, axes):
        top = min(1.0, 1.1 * max(*curve.predicted, *curve.observed, *(group.observed for group in groups), 0.1))
        axes.plot([0, top], [0, top], color=INK, linewidth=0.8, linestyle=":", label="perfect")
        axes.fill_between(curve.predicted, curve.low, curve.high, color=PALETTE[0], alpha=0.18, linewidth=0)
        axes.plot(curve.predicted, curve.observed, color=PALETTE[0], label="flexible curve, 95 %")
        axes.plot(
            [g.predicted for g in groups], [g.observed for g in groups], "o", color=PALETTE[1], label="risk groups"
        )
        marks = np.clip(validation.predicted, 0, top)
        axes.plot(marks, np.zeros(len(marks)), "|", color=FAINT, markersize=8)
        axes.set(xlabel="predicted risk [1]", ylabel="observed risk [1]", xlim=(0, top), ylim=(-0.02 * top, top))
        axes.legend(loc="upper left")
        return to_svg(figure, "Calibration: observed against predicted risk")


def _decision(validation: Validation) -> str:
    curve = validation.decision
    with canvas(5.6, 3.6) as (figure, axes):
        axes.plot(curve.threshold, curve.model, color=PALETTE[0], label="model")
        axes.plot(curve.threshold, curve.everyone, color=PALETTE[1], linestyle="--", label="act on everyone")
        axes.axhline(0, color=INK, linewidth=0.8, label="act on nobody")
        high = max(*curve.model, *curve.everyone, 0.01)
        axes.set(xlabel="threshold of risk [1]", ylabel="net benefit [1]", ylim=(-0.25 * high, 1.1 * high))
        axes.legend()
        return to_svg(figure, "Decision curve: net benefit over thresholds")


def draw_groups(groups: tuple[RiskGroup, ...], outcome: OutcomeRecord) -> str:
    """Observed incidence by risk group, or bars for a yes-no outcome."""
    if outcome.kind == "binary":
        return _bars(groups)
    with canvas(7.2, 3.4) as (figure, axes):
        end = groups[0].at_risk_time[-1]
        for group, colour in zip(groups, PALETTE, strict=False):
            time, incidence = np.array(group.time), np.array(group.incidence)
            kept = time <= end
            axes.step(time[kept], incidence[kept], where="post", color=colour, label=f"predicted {group.label}")
        axes.axvline(outcome.horizon, color=INK, linewidth=0.8, linestyle=":")
        axes.set(xlabel=f"time [{outcome.unit}]", ylabel="observed incidence [1]", xlim=(0, end), ylim=(0, 1))
        axes.legend()
        return to_svg(figure, "Observed incidence by group of predicted risk")


def _bars(groups: tuple[RiskGroup, ...]) -> str:
    with canvas(5.6, 3.0) as (figure, axes):
        at = np.arange(len(groups))
        axes.bar(at - 0.18, [g.predicted for g in groups], 0.36, color=PALETTE[0], label="predicted")
        axes.bar(at + 0.18, [g.observed for g in groups], 0.36, color=PALETTE[1], label="observed")
        axes.set_xticks(at, [f"{g.label}\nn = {g.n}" for g in groups])
        axes.set(xlabel="group of predicted risk", ylabel="risk [1]")
        axes.legend()
        return to_svg(figure, "Predicted and observed risk by group")


def _transport(transport: Transport) -> str:
    rows = [row for row in transport.features if row.standardised_difference is not None]
    rows = sorted(rows, key=lambda row: abs(row.standardised_difference or 0))[-MOST_ROWS:]
    with canvas(6.2, 0.9 + 0.2 * max(len(rows), 1)) as (figure, axes):
        values = [row.standardised_difference for row in rows]
        colours = [PALETTE[1] if row.flagged else PALETTE[0] for row in rows]
        axes.barh([row.name for row in rows], values, color=colours)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set(xlabel="difference of means, development standard deviations [1]")
        return to_svg(figure, "Shift of each feature from the development cohort")
