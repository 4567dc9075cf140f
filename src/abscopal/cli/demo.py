"""`abscopal demo`: a sample case walked from DICOM to a report, with or without a network."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from abscopal.cli.assess import run, show
from abscopal.cli.console import JsonOption, errors, progress_bars
from abscopal.domain.errors import AbscopalError, InputError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the sample, the report and the JSON file.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the window's ablations and parameter scatter.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the breast sample (or build the thorax case), assess it and write the report."""
    name, case = _sample(out)
    with as_file(files("abscopal.cli") / "demo_patients" / f"{name}.toml") as patient:
        answer = run(case, patient, out, quick=quick)
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        show(answer, out)


def _sample(out: Path) -> tuple[str, Path]:
    from abscopal.dose.sample.breast import fetch_breast
    from abscopal.dose.sample.thorax import build_thorax

    try:
        with progress_bars():
            return "breast", fetch_breast(out / "breast").folder
    except InputError:
        raise
    except AbscopalError as error:
        errors().print(
            f"The breast sample could not be fetched ({error.found}). "
            "Going on with the synthetic thorax case, which needs no network.",
            style="yellow",
            markup=False,
        )
        with progress_bars():
            return "thorax", build_thorax(out / "thorax").folder
