"""`abscopal sample breast|thorax OUT`: a case to work on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, progress_bars, screen


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sample")(sample)


def sample(
    name: Annotated[
        Literal["breast", "thorax"],
        typer.Argument(
            help="`breast`: a real anonymised boost plan (needs the package index). `thorax`: built in code."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; must be new, empty or already hold the sample.")],
    schedule: Annotated[Literal["3x18", "5x10", "30x2"], typer.Option(help="Fractions × Gy, thorax only.")] = "3x18",
    as_json: JsonOption = False,
) -> None:
    """Write a sample case as DICOM RT files and say where it came from."""
    from abscopal.dose.sample.breast import fetch_breast
    from abscopal.dose.sample.thorax import build_thorax

    with progress_bars():
        info = fetch_breast(out) if name == "breast" else build_thorax(out, schedule)
    if as_json:
        print_json(
            {
                "name": info.name,
                "folder": str(info.folder),
                "files": list(info.files),
                "origin": info.origin,
                "licence": info.licence,
                "notes": list(info.notes),
            }
        )
        return
    console = screen()
    console.print(f"{info.name}: {len(info.files)} files in {info.folder}", markup=False)
    console.print(f"origin   {info.origin}\nlicence  {info.licence}", markup=False)
    for note in info.notes:
        console.print(f"note     {note}", markup=False)
