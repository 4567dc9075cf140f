"""The page of `abscopal blood`: blood dose-volume histogram and lymphocyte course, with what was assumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abscopal.blood.analysis import BloodAnalysis
from abscopal.blood.blood_dvh import BloodDVH
from abscopal.blood.forecast import Forecast
from abscopal.blood.immune_dose import Association, outcome_associations
from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.knowledge.load import load
from abscopal.report.html import write_whole
from abscopal.report.page import render_page

GRADE_SHADES = (0.05, 0.10, 0.18)  # grades 2, 3 and 4


def write_blood_page(analysis: BloodAnalysis, path: Path) -> Path:
    """Write the analysis as one self-contained HTML file."""
    return write_whole(path, render_blood(analysis))


def write_blood_csv(analysis: BloodAnalysis, folder: Path) -> tuple[Path, ...]:
    """Write the blood DVHs and, where there is one, the ALC course as CSV files."""
    lines = ["part,dose_gy,volume_fraction,low,high"]
    for part, dvh in (("fraction", analysis.fraction), ("course", analysis.course)):
        columns = (dvh.dose, dvh.volume_fraction, dvh.low, dvh.high)
        lines += [f"{part}," + ",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    files = [write_whole(folder / "blood_dvh.csv", "\n".join(lines) + "\n")]
    lines = ["model,day,alc_median,alc_low,alc_high"]
    for model, ahead in (("blood", analysis.forecast), ("exchange", analysis.exchange)):
        if ahead is not None:
            columns = (ahead.t, ahead.median, ahead.low, ahead.high)
            lines += [f"{model}," + ",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    if len(lines) > 1:
        files.append(write_whole(folder / "alc.csv", "\n".join(lines) + "\n"))
    if analysis.subsets:
        lines = ["subset,day,count"]
        for row in analysis.subsets:
            lines += [
                f"{row.subset},{t:.6g},{count:.6g}" for t, count in zip(row.course.t, row.course["ALC"], strict=True)
            ]
        files.append(write_whole(folder / "subsets.csv", "\n".join(lines) + "\n"))
    return tuple(files)


@dataclass(frozen=True)
class _Section:
    """A part of the page: text, a figure, a table, notes; each may be empty."""

    title: str
    text: str = ""
    figure: str = ""
    caption: str = ""
    table: str = ""
    headings: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    notes: tuple[str, ...] = ()


def render_blood(analysis: BloodAnalysis) -> str:
    """The page as HTML text."""
    sections = [_dose(analysis)]
    for title, ahead in (("Lymphocytes", analysis.forecast), ("Lymphocytes, with exchange", analysis.exchange)):
        if ahead is not None:
            sections.append(_lymphocytes(title, ahead))
    if analysis.forecast is None:
        sections.append(_Section("Lymphocytes", "Not computable: needs a baseline lymphocyte count."))
    if analysis.subsets:
        sections.append(_subsets(analysis))
    if analysis.comparisons:
        sections.append(_comparisons(analysis))
    sections += [_indices(analysis), _Section("Assumptions", notes=analysis.notes)]
    lede = f"{analysis.n_fractions} fractions on the circulation '{analysis.dose.network.name}'"
    return render_page("blood.html.j2", title="Dose to blood and lymphocytes", lede=lede, sections=sections)


def draw_blood_dvh(analysis: BloodAnalysis) -> str:
    """Blood DVH of one fraction and of the course, each with its sampling band, as SVG."""
    with canvas(8.2, 3.2, columns=2) as (figure, axes):
        for panel, dvh, label in zip(
            axes,
            (analysis.fraction, analysis.course),
            ("one fraction", f"{analysis.n_fractions} fractions"),
            strict=True,
        ):
            shown = _shown(dvh)
            percent = [100.0 * column[shown] for column in (dvh.low, dvh.volume_fraction, dvh.high)]
            band = f"{100 * dvh.confidence:.0f} % sampling band"
            panel.fill_between(
                dvh.dose[shown], percent[0], percent[2], color=PALETTE[1], alpha=0.25, linewidth=0, label=band
            )
            panel.plot(dvh.dose[shown], percent[1], color=PALETTE[0], label=label)
            panel.set(xlabel="blood dose [Gy]", ylabel="share of blood [%]", xlim=(0, None), ylim=(0, 101))
            panel.legend(loc="upper right")
        return to_svg(figure, f"Blood dose-volume histogram of one fraction and of {analysis.n_fractions} fractions")


def draw_alc(ahead: Forecast) -> str:
    """ALC course with its interval over grade bands, as SVG."""
    limits = load("blood/lymphocytes").vector("grade_limits")
    with canvas(8.2, 3.2) as (figure, axes):
        floors = (*limits[1:], 0.0)
        for grade, (top, floor, shade) in enumerate(zip(limits, floors, GRADE_SHADES, strict=True), start=2):
            axes.axhspan(floor, top, color=PALETTE[1], alpha=shade, linewidth=0)
            axes.annotate(
                f"grade {grade}", (ahead.t[-1], (top + floor) / 2), color=INK, fontsize=7, ha="right", va="center"
            )
        label = f"{100 * ahead.level:.0f} % of plausible patients"
        axes.fill_between(ahead.t, ahead.low, ahead.high, color=PALETTE[0], alpha=0.18, linewidth=0, label=label)
        axes.plot(ahead.t, ahead.median, color=PALETTE[0], label="median")
        axes.set(
            xlabel="day (0 = first fraction)", ylabel="ALC [10⁹/L]", ylim=(0, None), xlim=(ahead.t[0], ahead.t[-1])
        )
        axes.legend(loc="lower left")
        return to_svg(
            figure, f"Forecast lymphocyte count over {ahead.t[-1]:.0f} days, median nadir {ahead.nadir[0]:.2f}"
        )


def _shown(dvh: BloodDVH) -> Any:
    """Points up to where almost no blood is left."""
    return np.arange(dvh.dose.size) <= int(np.searchsorted(-dvh.volume_fraction, -1e-3)) + 1


def _dose(analysis: BloodAnalysis) -> _Section:
    total = analysis.dose.course(analysis.n_fractions)
    timing = analysis.timing
    rows = [
        ("Delivery", f"{timing.basis}: beam on {timing.beam_on:.4g} s of {timing.duration:.4g} s"),
        ("Mean blood dose, fraction and course", f"{analysis.dose.mean:.4g} and {total.mean:.4g} Gy"),
        ("Spread (sd), fraction and course", f"{analysis.dose.sd:.4g} and {total.sd:.4g} Gy"),
        ("Blood touched, fraction and course", f"{100 * analysis.dose.v_any:.3g} and {100 * total.v_any:.3g} %"),
        ("Particles", analysis.sample.basis),
    ]
    caption = "Share of blood that receives at least a dose; the band is that of sampling, not of the model."
    figure = draw_blood_dvh(analysis)
    return _Section("Blood dose-volume histogram", "", figure, caption, "Blood dose", ("quantity", "value"), rows)


def _lymphocytes(title: str, ahead: Forecast) -> _Section:
    back = ahead.recovery_days[0]
    rows = [
        ("Nadir (median, interval)", f"{ahead.nadir[0]:.2f} ({ahead.nadir[1]:.2f} to {ahead.nadir[2]:.2f}) × 10⁹/L"),
        (
            "Grade 3 or worse, grade 4",
            f"{100 * ahead.p_grade3:.0f} % and {100 * ahead.p_grade4:.0f} % of plausible patients",
        ),
        (
            "Recovered after the last fraction",
            "not within the days shown" if back is None else f"median {back:.0f} days",
        ),
        ("Status", ahead.status),
    ]
    caption = "Lymphocyte count over grades of lymphopenia."
    return _Section(title, "", draw_alc(ahead), caption, "Forecast", ("quantity", "value"), rows, ahead.notes)


def _subsets(analysis: BloodAnalysis) -> _Section:
    rows = [
        (row.subset, f"{row.baseline:.2f}", f"{row.alpha:.2f}", f"{row.nadir:.2f}", row.status)
        for row in analysis.subsets
    ]
    head = ("subset", "baseline [10⁹/L]", "α [1/Gy]", "nadir [10⁹/L]", "status")
    note = "Kill in circulating blood alone; ratios of α from culture, their mean set to the in-vivo value."
    return _Section("Lymphocyte subsets", table="Subsets", headings=head, rows=rows, notes=(note,))


def _comparisons(analysis: BloodAnalysis) -> _Section:
    rows = [
        (
            row.name, f"{row.n_fractions}", f"{row.mean:.3g}", f"{100 * row.v_any_fraction:.3g}",
            f"{100 * row.v_any_course:.3g}",
            "needs a count" if row.nadir is None else f"{row.nadir[0]:.2f} ({row.nadir[1]:.2f} to {row.nadir[2]:.2f})",
            "" if row.p_grade3 is None else f"{100 * row.p_grade3:.0f}",
            "" if row.p_grade4 is None else f"{100 * row.p_grade4:.0f}",
        )
        for row in analysis.comparisons
    ]  # fmt: skip
    head = (
        "delivery", "fractions", "mean blood dose [Gy]", "touched, fraction [%]", "touched, course [%]",
        "ALC nadir [10⁹/L]", "grade 3 or worse [%]", "grade 4 [%]",
    )  # fmt: skip
    note = (
        "Every row has the same patients, organs and lymphocyte law (blood alone, no count used); only dose, time and "
        "fractions differ. Sparing of tissue at high dose rate is not in it."
    )
    return _Section("Other ways of giving it", table="Deliveries", headings=head, rows=rows, notes=(note,))


def _indices(analysis: BloodAnalysis) -> _Section:
    edric = analysis.edric
    value = edric.not_computable if edric.value is None else f"{edric.value:.3g} Gy ({edric.status})"
    rows = [(f"EDRIC, {edric.form} form", "; ".join((value, *edric.notes)))]
    rows += [
        (f"for comparison, {row.cohort}", f"{row.statistic} {row.value:g} Gy ({row.status})") for row in edric.context
    ]
    rows += [(f"associated with {row.endpoint}, {row.cohort}", _association(row)) for row in outcome_associations()]
    for row in analysis.indices:
        text = row.not_computable if row.value is None else f"{row.value:.4g} {row.unit}"
        rows.append((row.label, "; ".join((text, *row.notes, *row.associations))))
    return _Section("Immune dose indices", table="Indices", headings=("index", "value"), rows=rows)


def _association(row: Association) -> str:
    said = f"hazard ratio {row.hazard_ratio:g} {row.contrast} ({row.status}, observational)"
    return f"{said}; {row.remark}" if row.remark else said
