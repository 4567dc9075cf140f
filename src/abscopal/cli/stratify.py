"""`abscopal stratify`: who does well, who gains, and what can honestly be said about adding RT."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, screen

if TYPE_CHECKING:
    from abscopal.stratification.score import Score
    from abscopal.stratification.table import PatientTable

app = typer.Typer(
    help="Patient scores, models, treatment-effect heterogeneity and mechanistic phenotypes.", no_args_is_help=True
)

ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="FIELD=COLUMN, such as labs.albumin=ALB; may be repeated.")
]
UnitOption = Annotated[list[str] | None, typer.Option("--unit", help="COLUMN=UNIT, such as ALB=g/L; may be repeated.")]


@app.command()
def score(
    patients: Annotated[Path, typer.Argument(help="CSV with one row per patient.")],
    column: ColumnOption = None,
    unit: UnitOption = None,
    disease: Annotated[str, typer.Option(help="Disease of every patient, for a file without that column.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Every score that can be computed, and why the others cannot."""
    from abscopal.stratification.stratify import score_patient
    from abscopal.stratification.table import read_patients

    columns = {name: field for field, name in pairs(column, "--column").items()}
    table = read_patients(patients, columns=columns, units=pairs(unit, "--unit"), disease=disease)
    scores = [score_patient(patient) for patient in table.patients]
    if as_json:
        print_json(_plain(table, scores))
        return
    _show(table, scores)


def pairs(options: list[str] | None, name: str) -> dict[str, str]:
    """Options written KEY=VALUE as a mapping.

    Raises
    ------
    InputError
        One of them has no equals sign.
    """
    from abscopal.domain.errors import InputError

    found = {}
    for text in options or []:
        key, sign, value = text.partition("=")
        if not (sign and key and value):
            raise InputError(doing=f"reading {name}", found=repr(text), expected="KEY=VALUE", try_=f"{name} a=b")
        found[key.strip()] = value.strip()
    return found


def _plain(table: "PatientTable", scores: "list[tuple[Score, ...]]") -> dict[str, Any]:
    return {
        "columns": {c.name: {"field": c.field, "unit": c.unit} for c in table.columns},
        "ignored_columns": list(table.ignored),
        "flags": list(table.flags),
        "patients": [
            {
                "patient": patient.pseudonym,
                "disease": patient.disease,
                "scores": [s.model_dump(mode="json") for s in row],
            }
            for patient, row in zip(table.patients, scores, strict=True)
        ],
    }


def _show(table: "PatientTable", scores: "list[tuple[Score, ...]]") -> None:
    computed: dict[str, list[float]] = {}
    reasons: dict[str, dict[str, int]] = {}
    labels = {}
    for one in (score for row in scores for score in row):
        labels[one.name] = one
        if one.value is not None:
            computed.setdefault(one.name, []).append(one.value)
        else:
            why = reasons.setdefault(one.name, {})
            why[one.not_computable] = why.get(one.not_computable, 0) + 1
    rows = []
    for name, one in labels.items():
        values = sorted(computed.get(name, []))
        spread = f"{values[len(values) // 2]:.3g} ({values[0]:.3g} to {values[-1]:.3g})" if values else ""
        text = "; ".join(
            f"{reason.removeprefix('not computable: ')} ({n})" for reason, n in reasons.get(name, {}).items()
        )
        rows.append((one.label, str(len(values)), spread, one.evidence, text))
    print_table(f"{len(scores)} patients", ("score", "n", "median (range)", "evidence", "not computable"), rows)
    for flag in table.flags:
        screen().print(f"flag     {flag}", markup=False)
