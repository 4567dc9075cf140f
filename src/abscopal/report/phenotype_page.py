"""What `abscopal stratify phenotypes` writes: a page, CSV and JSON, all labelled mechanistic."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from abscopal.assessment.phenotypes import LIMITS, Band, PatientPhenotype, Phenotypes
from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.report.html import write_whole
from abscopal.report.page import render_page
from abscopal.stratification.mechanistic import mapping

MOST_ROWS = 300
"""Patients on the page; the other files hold all."""
COLOURS = {name: PALETTE[place] for place, name in enumerate(LIMITS)}


def write_phenotypes(found: Phenotypes, folder: Path, manifest: dict[str, Any]) -> tuple[Path, ...]:
    """Write `phenotypes.html`, `phenotypes.csv` and `phenotypes.json`."""
    document = json.dumps({**phenotype_document(found), "manifest": manifest}, indent=1, allow_nan=False)
    return (
        write_whole(folder / "phenotypes.html", render_phenotypes(found)),
        write_whole(folder / "phenotypes.csv", phenotypes_csv(found)),
        write_whole(folder / "phenotypes.json", document + "\n"),
    )


def phenotype_document(found: Phenotypes) -> dict[str, Any]:
    """Everything as plain data."""
    return {"evidence": "mechanistic", **asdict(found)}


def phenotypes_csv(found: Phenotypes) -> str:
    """One line per patient."""
    head = "patient,phenotype,share,gain,gain_low,gain_high,lower_gy,peak_gy,upper_gy,no_window,from_data,known"
    lines = [head]
    for one in found.patients:
        numbers = (
            one.shares.get(one.phenotype), one.gain.median, one.gain.low, one.gain.high, one.lower.median,
            one.peak.median, one.upper.median, one.no_window, one.from_data,
        )  # fmt: skip
        cells = ("" if value is None else f"{value:.6g}" for value in numbers)
        lines.append(",".join([one.label, one.phenotype, *cells, " ".join(one.used)]))
    return "\n".join(lines) + "\n"


def row(one: PatientPhenotype) -> tuple[str, ...]:
    """One patient as a row of the table."""
    share = one.shares.get(one.phenotype, max(one.shares.values()))
    return (
        one.label, one.phenotype, f"{100 * share:.0f} %", _text(one.gain), f"{_end(one.lower)} to {_end(one.upper)}",
        f"{100 * one.no_window:.0f} %", f"{100 * one.from_data:.0f} %", ", ".join(one.used) or "nothing",
        ", ".join(one.lacking),
    )  # fmt: skip


def between_text(found: Phenotypes) -> str:
    """How much of the spread of the gain lies between patients."""
    share = 100 * found.between_patients
    return (
        f"{share:.0f} % of the variance of the predicted gain lies between patients: that much the data say, through "
        f"the mapping. The other {100 - share:.0f} % is prior: what is not known of the patients and of the mapping."
    )


def _text(band: Band) -> str:
    if band.median is None or band.low is None or band.high is None:
        return "none"
    return f"{band.median:.2f} ({band.low:.2f} to {band.high:.2f})"


def _end(band: Band) -> str:
    return "open" if band.median is None else f"{band.median:.1f}"


def render_phenotypes(found: Phenotypes) -> str:
    """The page as HTML text."""
    return render_page(
        "phenotypes.html.j2",
        title="Window phenotypes (mechanistic)",
        lede=f"{len(found.patients)} patients, {found.draws} draws, seed {found.seed}, {found.ici}",
        cards=[(name, str(count), "patients") for name, count in found.counts.items()],
        notes=found.notes,
        between=between_text(found),
        spread=draw_gain(found),
        rows=[row(one) for one in found.patients[:MOST_ROWS]],
        mapping=[
            (link.covariate, f"{link.reference:g} ({link.transform})", link.parameter, f"{link.slope:+g}",
             f"{link.slope_sd:g}", link.status, link.reason)
            for link in mapping()
        ],
    )  # fmt: skip


def draw_gain(found: Phenotypes) -> str:
    """Predicted gains in order, with the prior behind them."""
    ordered = sorted(found.patients, key=lambda one: one.gain.median or 0.0)
    prior = found.nobody
    with canvas(8.2, 3.2) as (figure, axes):
        if prior.low is not None and prior.high is not None and prior.median is not None:
            axes.axhspan(prior.low, prior.high, color=FAINT, alpha=0.6, linewidth=0)
            axes.axhline(prior.median, color=INK, linewidth=0.8, linestyle=":")
        seen = set()
        for place, one in enumerate(ordered):
            colour = COLOURS.get(one.phenotype, PALETTE[7])
            label = None if one.phenotype in seen else one.phenotype
            seen.add(one.phenotype)
            axes.plot([place, place], [one.gain.low, one.gain.high], color=colour, linewidth=1, alpha=0.6)
            axes.plot(place, one.gain.median, "o", color=colour, markersize=3.5, label=label)
        axes.set(xlabel="patients, in the order of their gain", ylabel="gain at 3 × 8 Gy [log₁₀]")
        axes.set_xticks([])
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, f"Predicted gain of {len(ordered)} patients, by phenotype")
