"""What `abscopal stratify score` writes: a page with a card per patient, CSV, JSON, and SVG cards."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from abscopal.domain.progress import track
from abscopal.drawing import FAINT, INK, PALETTE, canvas, to_svg
from abscopal.report.html import UNITS, write_whole
from abscopal.report.numbers import significant
from abscopal.report.page import render_page
from abscopal.stratification.score import Score
from abscopal.stratification.table import PatientTable

MOST_CARDS = 300
"""Cards on one page; the other files hold every patient."""
MOST_PICTURES = 60
"""Cards drawn as SVG files."""
EVIDENCE_COLOUR = {"prognostic": PALETTE[0], "predictive": PALETTE[1], "mechanistic": PALETTE[2]}
Rows = Sequence[tuple[Score, ...]]


def write_scores(table: PatientTable, scores: Rows, folder: Path, manifest: dict[str, Any]) -> tuple[Path, ...]:
    """Write `scores.html`, `scores.csv`, `scores.json` and a card per patient under `cards/`."""
    files = [
        write_whole(folder / "scores.html", render_scores(table, scores)),
        write_whole(folder / "scores.csv", scores_csv(table, scores)),
        write_whole(
            folder / "scores.json",
            json.dumps({**scores_document(table, scores), "manifest": manifest}, indent=1, allow_nan=False) + "\n",
        ),
    ]
    for label, row in track(list(zip(_labels(table), scores, strict=True))[:MOST_PICTURES], "cards"):
        files.append(write_whole(folder / "cards" / f"{label}.svg", draw_card(label, row, scores)))
    return tuple(files)


def scores_document(table: PatientTable, scores: Rows) -> dict[str, Any]:
    """Everything as plain data."""
    return {
        "columns": {c.name: {"field": c.field, "unit": c.unit} for c in table.columns},
        "ignored_columns": list(table.ignored),
        "flags": list(table.flags),
        "patients": [
            {"patient": label, "disease": patient.disease, "written_disease": written,
             "scores": [score.model_dump(mode="json") for score in row]}
            for label, patient, written, row in zip(
                _labels(table), table.patients, table.written_disease, scores, strict=True
            )
        ],
    }  # fmt: skip


def _labels(table: PatientTable) -> list[str]:
    """A label per row; a label that comes again gets its place added, so that no card overwrites another."""
    seen: dict[str, int] = {}
    found = []
    for place, patient in enumerate(table.patients, 1):
        again = patient.pseudonym in seen
        seen[patient.pseudonym] = place
        found.append(f"{patient.pseudonym}-{place}" if again else patient.pseudonym)
    return found


def scores_csv(table: PatientTable, scores: Rows) -> str:
    """One line per patient and score."""
    lines = ["patient,disease,score,value,unit,class,evidence,status,not_computable"]
    for label, patient, row in zip(_labels(table), table.patients, scores, strict=True):
        for score in row:
            cells = (
                label, patient.disease, score.name, "" if score.value is None else repr(score.value), score.unit,
                score.category, score.evidence, score.status, score.not_computable,
            )  # fmt: skip
            lines.append(",".join(_quoted(cell) for cell in cells))
    return "\n".join(lines) + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\n') else cell


def summary_rows(scores: Rows) -> list[tuple[str, ...]]:
    """One row per score: how many, median and range, evidence, status, and why others have none."""
    by_name: dict[str, list[Score]] = {}
    for score in (one for row in scores for one in row):
        by_name.setdefault(score.name, []).append(score)
    rows = []
    for found in by_name.values():
        values = sorted(score.value for score in found if score.value is not None)
        spread = ""
        if values:
            median, low, high = (significant(v) for v in (float(np.median(values)), values[0], values[-1]))
            unit = UNITS.get(found[0].unit, found[0].unit).removeprefix("1")
            spread = (median if len(values) == 1 else f"{median} ({low} to {high})") + (f" {unit}" if unit else "")
        rows.append((found[0].label, str(len(values)), spread, found[0].evidence, found[0].status, _reasons(found)))
    return sorted(rows, key=lambda row: (row[1] == "0", row[0]))


def _reasons(found: Sequence[Score]) -> str:
    counts: dict[str, int] = {}
    for score in found:
        if score.not_computable:
            text = score.not_computable.removeprefix("not computable: ").split(", the disease is ")[0]
            counts[text] = counts.get(text, 0) + 1
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    told = "; ".join(f"{text} ({n})" for text, n in ordered[:3])
    return told + (f"; {len(ordered) - 3} other reasons" if len(ordered) > 3 else "")


def render_scores(table: PatientTable, scores: Rows) -> str:
    """The page as HTML text."""
    cards = [
        {
            "label": label,
            "disease": patient.disease,
            "computed": [score for score in row if score.value is not None],
            "reasons": [score for score in row if score.value is None],
        }
        for label, patient, row in zip(_labels(table), table.patients, scores, strict=True)
    ]
    return render_page(
        "scores.html.j2",
        title="Patient scores",
        lede=f"{len(cards)} patients",
        n=len(cards),
        flags=table.flags,
        ignored=table.ignored[:60],
        summary=summary_rows(scores),
        picture=draw_cohort(scores) if len(cards) > 1 else "",
        cards=cards[:MOST_CARDS],
        left_out=len(cards) > MOST_CARDS,
    )


def _values(scores: Rows) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for score in (one for row in scores for one in row):
        if score.value is not None:
            found.setdefault(score.label, []).append(score.value)
    return found


def draw_cohort(scores: Rows) -> str:
    """Distribution of every score that varies, on its own axis from smallest to largest."""
    varied = {label: values for label, values in _values(scores).items() if len(set(values)) > 1}
    if not varied:
        return ""
    with canvas(8.2, 0.8 + 0.34 * len(varied)) as (figure, axes):
        for y, (_, values) in enumerate(sorted(varied.items(), reverse=True)):
            low, high = min(values), max(values)
            place = (np.array(values) - low) / (high - low)
            axes.plot(place, np.full(len(values), y), "|", color=PALETTE[0], alpha=0.35, markersize=9)
            axes.plot(np.median(place), y, "o", color=PALETTE[1], markersize=4)
            axes.annotate(significant(low), (-0.01, y), ha="right", va="center", fontsize=7, color=INK)
            axes.annotate(significant(high), (1.01, y), ha="left", va="center", fontsize=7, color=INK)
            axes.axhline(y, color=FAINT, linewidth=0.5, zorder=0)
        axes.set_yticks(range(len(varied)), sorted(varied, reverse=True), fontsize=7)
        axes.set_xticks([])
        axes.set(xlim=(-0.12, 1.12), xlabel="from the smallest to the largest value; dot: median")
        axes.grid(visible=False)
        return to_svg(figure, f"Distribution of {len(varied)} scores over the patients")


def draw_card(label: str, row: Sequence[Score], scores: Rows) -> str:
    """One patient's scores as a picture: value, class, and place among the patients of the file."""
    shown = [score for score in row if score.value is not None]
    everyone = _values(scores)
    with canvas(8.2, 0.9 + 0.30 * max(len(shown), 1)) as (figure, axes):
        for y, score in enumerate(reversed(shown)):
            peers = np.array(everyone[score.label])
            value = score.value or 0.0
            axes.plot([0, 100], [y, y], color=FAINT, linewidth=0.5, zorder=0)
            if len(peers) >= 10 and np.ptp(peers) > 0:
                percentile = 100 * float(np.mean(peers < value) + np.mean(peers == value) / 2)
                axes.plot(percentile, y, "o", color=EVIDENCE_COLOUR[score.evidence], markersize=6)
            unit = "" if score.unit == "1" else " " + UNITS.get(score.unit, score.unit)
            text = f"{significant(value)}{unit}" + (f", {score.category}" if score.category else "")
            axes.annotate(text[:70], (104, y), va="center", fontsize=7, color=INK)
        axes.set_yticks(range(len(shown)), [score.label for score in reversed(shown)], fontsize=7)
        axes.set(xlim=(0, 210), xlabel="percentile among the patients of the file (where ten or more have the score)")
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.grid(visible=False)
        # A standalone file has no page to take its colours from.
        text = to_svg(figure, f"{len(shown)} scores of {label}")
    style = "color:#16181d;--line:#d4d8df;--paper:#ffffff;background:#ffffff"
    return text.replace("<svg ", f'<svg style="{style}" ', 1)
