"""`abscopal interchange fhir-export` and `fhir-import`: courses as FHIR bundles."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, screen

if TYPE_CHECKING:
    from abscopal.domain.regimen import Regimen
    from abscopal.domain.risk import Risk

_LARGEST = 64 * 2**20


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("fhir-export")(fhir_export)
    app.command("fhir-import")(fhir_import)


def fhir_export(
    source: Annotated[Path, typer.Argument(help="A regimen (.toml) or an assessment.json with its risks.")],
    out: Annotated[Path, typer.Option(help="Bundle to write (.json).")],
    delivered: Annotated[
        bool, typer.Option("--delivered", help="As a course that was given, and not as a prescription.")
    ] = False,
    start: Annotated[str, typer.Option(help="Date of day 0, YYYY-MM-DD; a date of nobody unless given.")] = "",
    volume: Annotated[str, typer.Option(help="Name of the target.")] = "PTV",
) -> None:
    """Write a regimen and its risks as a FHIR R4 bundle (CodeX Radiation Therapy, mCODE), without identifiers."""
    from abscopal.interchange.fhir_write import DAY_0, write_fhir
    from abscopal.report.html import write_whole

    regimen, risks = _source(source)
    day_0 = _date(start) if start else DAY_0
    text = write_fhir(regimen, risks=risks, delivered=delivered, start=day_0, volume=volume)
    write_whole(out, text)
    screen().print(f"bundle {out}", markup=False)


def fhir_import(
    source: Annotated[Path, typer.Argument(help="Bundle (.json).")],
    volume: Annotated[str, typer.Option(help="Target whose doses are wanted; that with most dose unless given.")] = "",
    out: Annotated[Path | None, typer.Option(help="Regimen to write (.toml).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the treated or prescribed course of a FHIR bundle as a regimen."""
    from abscopal.interchange.fhir_read import read_fhir
    from abscopal.report.html import write_whole

    found = read_fhir(source, volume=volume)
    regimen = found.regimen
    if out is not None:
        write_whole(out, _toml(regimen))
    if as_json:
        print_json({**plain(found), "regimen": regimen.model_dump(mode="json")})
        return
    rows = [
        (f"{day:g}", f"{dose:g} Gy") for day, dose in zip(regimen.fraction_days, regimen.fraction_doses, strict=True)
    ]
    rows += [(f"{given.day:g}", f"{given.drug} {given.mg:g} mg") for given in regimen.drug_doses]
    title = f"{'delivered' if found.delivered else 'prescribed'} to {found.volume or 'no volume'}: from {found.origin}"
    print_table(title, ("day", "given"), rows)
    for one in found.volumes:
        times = "" if one.fractions is None else f" in {one.fractions} fractions"
        screen().print(f"volume {one.name}: {one.dose:g} Gy{times}", markup=False)
    for note in found.notes:
        screen().print(f"note   {note}", markup=False)
    for kind, count in found.unused.items():
        screen().print(f"unused {count} {kind}", markup=False)
    if out is not None:
        screen().print(f"regimen {out}", markup=False)


def _source(path: Path) -> "tuple[Regimen, tuple[Risk, ...]]":
    from pydantic import ValidationError

    from abscopal.cli.arms import read_arms
    from abscopal.domain.errors import InputError
    from abscopal.domain.regimen import Regimen

    if path.suffix != ".json":
        (regimen,) = read_arms([str(path)], Regimen(), control=False).values()
        return regimen, ()
    from abscopal.assessment.types import Assessment
    from abscopal.interchange.fhir_write import assessed_regimen

    try:
        text = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        assessment = Assessment.model_validate_json(text)
    except (OSError, ValidationError) as exc:
        raise InputError(
            doing=f"reading {path.name}", found=str(exc).splitlines()[0][:200],
            expected=f"an assessment.json of this version, {_LARGEST // 2**20} MiB at most", try_="abscopal assess",
        ) from exc  # fmt: skip
    return assessed_regimen(assessment), assessment.risks


def _date(text: str) -> Any:
    from datetime import date

    from abscopal.domain.errors import InputError

    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(
            doing="reading the date of day 0", found=repr(text[:40]), expected="YYYY-MM-DD", try_="2000-01-03"
        ) from exc


def _toml(regimen: "Regimen") -> str:
    import json

    drugs = [f"{{ drug = {json.dumps(one.drug)}, mg = {one.mg!r}, day = {one.day!r} }}" for one in regimen.drug_doses]
    return (
        f"fraction_days = {list(regimen.fraction_days)!r}\nfraction_doses = {list(regimen.fraction_doses)!r}\n"
        f"drug_doses = [{', '.join(drugs)}]\n"
    )
