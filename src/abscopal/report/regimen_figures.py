"""The figure of `abscopal regimens`: what no other regimen beats."""

from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.regimens.decide import Decision

LABEL = {
    "local": "irradiated lesion [log₁₀ start / smallest]",
    "distant": "other lesion [log₁₀ untreated / treated]",
    "lymphocytes": "ALC nadir [10⁹/L]",
    "complications": "any counted complication [1]",
}
CHOICES = {"mean": "^", "robust": "s", "sparing": "v"}


def draw_pareto(found: Decision) -> str:
    """Effect on the other lesion against each further objective; intervals of the Pareto set only."""
    others = [name for name in found.objectives if name != "distant"] or ["local"]
    chosen = {"mean": found.mean_choice, "robust": found.robust_choice, "sparing": found.sparing_choice}
    with canvas(3.5 * len(others) + 0.8, 3.6, columns=len(others), sharey=True, squeeze=False) as (figure, axes):
        for panel, name in zip(axes[0], others, strict=True):
            for row in found.regimens:
                x, y = row.values[name], row.values["distant"]
                if row.pareto:
                    panel.plot([x.value, x.value], [y.low, y.high], color=PALETTE[0], linewidth=0.8, alpha=0.5)
                colour, size = (PALETTE[0], 5) if row.pareto else (PALETTE[7], 3)
                panel.plot(x.value, y.value, "o", color=colour, markersize=size, alpha=1 if row.pareto else 0.5)
            for label, choice in chosen.items():
                if choice is not None:
                    here = (choice.values[name].value, choice.values["distant"].value)
                    panel.plot(*here, CHOICES[label], color=PALETTE[1], markersize=11, fillstyle="none", label=label)
            if found.present is not None and name in found.present.values:
                here = (found.present.values[name].value, found.present.values["distant"].value)
                panel.plot(*here, "X", color=INK, markersize=8, label="present")
            panel.set_xlabel(LABEL[name])
        axes[0, 0].set_ylabel(LABEL["distant"])
        axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(
            figure, f"Effect on the lesion outside the field against {len(others)} other objectives; Pareto set in blue"
        )
