"""Writing the report: one HTML file that opens offline, and the JSON behind it."""

import json
import os
import re
import tempfile
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from abscopal.assessment.types import Assessment, StructureSummary
from abscopal.domain.patient import field_units
from abscopal.dose.dicom.intake import Case
from abscopal.knowledge.schema import STATUS_MEANING
from abscopal.report.figures import draw_figures
from abscopal.report.headline import headline, main_risks
from abscopal.report.numbers import percent, percent_range, significant
from abscopal.report.picture import draw_dose
from abscopal.report.words import Words
from abscopal.trials.nearest import DISTANCE

FIGURES = ("dose", "dvh", "alc", "window_curve", "window_map", "drugs", "alternatives", "toxicity", "trials")
ENGLISH = Words()


def write_report(assessment: Assessment, path: Path, case: Case | None = None, words: Words = ENGLISH) -> Path:
    """Write the assessment as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        File to write; replaced in one step, so a reader never sees half a report.
    case : Case, optional
        Gives the dose picture; left out, the report has none.
    words : Words
        The report's own words, from `read_words`; left out, English.
    """
    return write_whole(path, render(assessment, case, words))


def write_json(assessment: Assessment, path: Path) -> Path:
    """Write the numbers of the report as JSON (schema: `assessment_schema`)."""
    return write_whole(path, assessment.model_dump_json(indent=1) + "\n")


def assessment_schema() -> dict[str, Any]:
    """The published JSON schema of `assessment.json`."""
    return Assessment.model_json_schema(mode="serialization")


def render(assessment: Assessment, case: Case | None = None, words: Words = ENGLISH) -> str:
    """The report as HTML text."""
    environment = Environment(
        loader=PackageLoader("abscopal.report", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(_filters(words))
    environment.globals["_"] = words.html
    figures = dict.fromkeys(FIGURES, "") | draw_figures(assessment, words)
    if case is not None:
        figures["dose"] = draw_dose(case, assessment.plan.prescription_gy, words)
    return environment.get_template("report.html.j2").render(
        a=assessment,
        css=(environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""),
        figures=figures,
        words=words,
        sections=_sections(words),
        headline=headline(assessment, words),
        main_risks=main_risks(assessment),
        assumed=[row for row in assessment.checklist if row.kind == "assumed"],
        patient_rows=_patient_rows(assessment.patient),
        status_meaning=STATUS_MEANING,
        distance=DISTANCE,
    )


def _sections(say: Words) -> tuple[tuple[str, str], ...]:
    """Anchor and title of each section."""
    return (
        ("plan", say("Plan and patient")),
        ("dose", say("Dose")),
        ("immune", say("Immune dose")),
        ("window", say("Window")),
        ("alternatives", say("Alternatives")),
        ("toxicity", say("Toxicity")),
        ("scores", say("Stratification")),
        ("evidence", say("Evidence")),
        ("parameters", say("Parameters")),
        ("manifest", say("Manifest")),
    )


def _filters(say: Words) -> dict[str, Callable[..., Any]]:
    return {
        "sig": significant,
        "bound": partial(_bound, say=say),
        "maybe": partial(_maybe, say=say),
        "either": partial(_either, say=say),
        "plain": _plain,
        "unit": _unit,
        "percent": partial(percent, say=say),
        "span": partial(percent_range, say=say),
        "kind": _kind,
        "shared": _shared_notes,
    }


def write_whole(path: Path, text: str) -> Path:
    """Write `text` to `path` in one step: a temporary file beside it, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-", text=True)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    """The mask new files get here; mkstemp ignores it and makes files only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _bound(value: float | None, is_open: bool, say: Words) -> str:
    if is_open:
        return say("open")
    return say("none") if value is None else significant(value)


def _maybe(value: float | None, say: Words) -> str:
    return say("not computable") if value is None else significant(value)


def _either(choices: str, say: Words) -> str:
    """A trial's `60|66` as a reader's words."""
    return reduce(lambda first, second: say("{first} or {second}", first=first, second=second), choices.split("|"))


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else significant(value, 4)


def _kind(warning: str) -> str:
    """The category of a warning as a reader's word: `extrapolation` or `unverified`."""
    return warning.partition("Warning")[0].lower()


UNITS = {
    "percent": "%",
    "mutation/megabase": "mut/Mb",
    "kg/m^2": "kg/m²",
    "cm^3": "cm³",
    "second": "s",
    "1e9/L": "10⁹/L",
    "1e18/L^2": "10¹⁸/L²",
}


def _unit(unit: str) -> str:
    """A unit as it is printed."""
    return "" if unit == "1" else UNITS.get(unit, unit)


def _shared_notes(structures: tuple[StructureSummary, ...]) -> list[tuple[str, str]]:
    """Each note once, with the structures it is about."""
    about: dict[str, list[str]] = {}
    for structure in structures:
        for note in structure.notes:
            about.setdefault(note, []).append(structure.standard_name or structure.name)
    return [(note, ", ".join(names)) for note, names in about.items()]


def _patient_rows(patient: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in patient.items():
        if isinstance(value, dict):
            rows += _patient_rows(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            for index, item in enumerate(value):
                rows += _patient_rows(item, f"{prefix}{key}[{index}].")
        elif value is not None and value not in ([], ()):
            rows.append((f"{prefix}{key}", _cell(value, field_units().get(re.sub(r"\[\d+\]", "", prefix + key), ""))))
    return rows


def _cell(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value) if isinstance(value, bool) else str(value)
    return f"{significant(float(value), 5)} {_unit(unit)}".rstrip()
