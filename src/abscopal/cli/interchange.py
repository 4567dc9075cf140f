"""`abscopal interchange`: models in and out of the formats of other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli import fhir, petab
from abscopal.cli.console import JsonOption, plain, print_json, print_lines, print_table, progress_bars, screen
from abscopal.cli.window import IntervalOption, OffOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abscopal.domain.regimen import Regimen
    from abscopal.equations.model import Model
    from abscopal.simulation.events import Event

app = typer.Typer(no_args_is_help=True, help="Models and experiments in the formats of other programs.")
petab.add_to(app)
fhir.add_to(app)


@app.command("sbml-suite")
def sbml_suite(
    folder: Annotated[Path, typer.Argument(help="Folder of cases in the layout of the SBML Test Suite.")],
    as_json: JsonOption = False,
) -> None:
    """Run semantic cases of the SBML Test Suite and count them by tag; exit code 1 if one fails."""
    from abscopal.interchange.sbml_suite import by_tag, run_suite

    with progress_bars():
        results = run_suite(folder)
    counts, verdicts = by_tag(results), ("pass", "fail", "unsupported", "error")
    total = {verdict: sum(r.verdict == verdict for r in results) for verdict in verdicts}
    if as_json:
        cases = [{"case": r.case, "verdict": r.verdict, "reason": r.reason} for r in results]
        print_json({"total": total, "tags": counts, "cases": cases})
    else:
        rows = [(tag, *(str(count[verdict]) for verdict in verdicts)) for tag, count in counts.items()]
        print_table("SBML Test Suite, semantic cases", ("tag", *verdicts), rows)
        for result in results:
            if result.verdict != "pass":
                screen().print(f"{result.verdict:12}{result.case}  {result.reason}", markup=False, soft_wrap=True)
        screen().print("total       " + ", ".join(f"{n} {verdict}" for verdict, n in total.items()), markup=False)
    if total["fail"] or total["error"]:
        raise typer.Exit(1)


@app.command("export")
def export(
    out: Annotated[Path, typer.Option(help="SBML file (.xml), or COMBINE archive with results and a figure (.omex).")],
    model: Annotated[str, typer.Option(help="diw, or a published model; compare --cards lists them.")] = "diw",
    dose: Annotated[float, typer.Option(min=0, max=100, help="Dose per fraction [Gy].")] = 8.0,
    fractions: Annotated[int, typer.Option(min=0, max=60, help="Number of fractions.")] = 3,
    start: Annotated[
        float | None, typer.Option("--rt-start", min=0, help="Day of the first fraction; the model's by default.")
    ] = None,
    interval: IntervalOption = 1.0,
    drug: Annotated[list[str] | None, typer.Option("--drug", help="NAME:MG:DAYS; may be repeated.")] = None,
    off: OffOption = None,
    until: Annotated[float, typer.Option(min=0.5, max=2000, help="Last day of an archive's experiment.")] = 40.0,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Its rows after the first.")] = 200,
) -> None:
    """Write a model with a regimen as SBML Level 3 Version 2, or its experiment as a COMBINE archive."""
    from abscopal.interchange.omex import write_omex
    from abscopal.interchange.sbml_write import write_sbml
    from abscopal.report.html import write_whole

    made, course = _prepared(model, dose, fractions, start, interval, drug or [], off or [])
    with progress_bars():
        if out.suffix == ".omex":
            write_omex(out, made, course, until, steps=steps)
        else:
            write_whole(out, write_sbml(made, course))
    screen().print(f"model {out}", markup=False)


@app.command("run")
def run(
    source: Annotated[Path, typer.Argument(help="SBML file, or COMBINE archive (.omex).")],
    until: Annotated[float, typer.Option(min=0.0, help="Last time of an SBML model, in its own unit.")] = 100.0,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Its rows after the first.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="CSV file; of an archive with several reports, one file for each.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Solve an SBML model, or carry out the experiment of an archive and compare with the results in it."""
    if source.suffix == ".omex":
        _run_archive(source, out, as_json)
    else:
        _run_model(source, until, steps, out, as_json)


def _run_model(source: Path, until: float, steps: int, out: Path | None, as_json: bool) -> None:
    import numpy as np

    from abscopal.interchange.sbml_read import read_sbml
    from abscopal.report.html import write_whole
    from abscopal.simulation.solve import require_ok, simulate

    times = np.linspace(0.0, until, steps + 1) if until else np.zeros(1)
    with progress_bars():
        made = read_sbml(source)
        course = require_ok(simulate(made.model, [], times, side="after"), f"simulating {source.name}")
    if out is not None:
        write_whole(out, _csv({"time": course.t, **{name: course[name] for name in course.names}}))
    if as_json:
        print_json({"time": course.t.tolist(), "values": {name: course[name].tolist() for name in course.names}})
        return
    last = [(name, f"{course[name][-1]:.6g}") for name in course.names]
    print_table(f"{made.model.name}, time {until:g}", ("symbol", "value"), last)


def _run_archive(source: Path, out: Path | None, as_json: bool) -> None:
    from abscopal.interchange.omex_read import largest_difference, read_omex
    from abscopal.report.html import write_whole

    with progress_bars():
        experiment = read_omex(source)
        reports = experiment.run()
    differences = {
        name: largest_difference(columns, experiment.results) if set(columns) == set(experiment.results) else None
        for name, columns in reports.items()
    }
    for name, columns in reports.items():
        if out is not None:
            write_whole(out if len(reports) == 1 else out.with_stem(f"{out.stem}_{name}"), _csv(columns))
    if as_json:
        print_json({"reports": plain(reports), "difference_from_results": differences, "notes": experiment.notes})
        return
    lines = [("note", note) for note in experiment.notes]
    for name, columns in reports.items():
        rows = [(label, f"{values[0]:.6g}", f"{values[-1]:.6g}") for label, values in columns.items()]
        print_table(f"report {name}", ("column", "first", "last"), rows)
        if (found := differences[name]) is not None:
            lines.append(("compared", f"largest difference from the results inside: {found:.2g} of a column's largest"))
    print_lines(lines)


def _csv(columns: "Mapping[str, Any]") -> str:
    import csv
    import io

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(map(repr, row) for row in zip(*(values.tolist() for values in columns.values()), strict=False))
    return text.getvalue()


def _prepared(
    name: str, dose: float, fractions: int, start: float | None, interval: float, drugs: list[str], off: list[str]
) -> "tuple[Model, list[Event] | Regimen]":
    """The model, and the regimen of the options as it takes it."""
    from abscopal.cli.arms import drug_doses, regimen_of
    from abscopal.domain.errors import InputError
    from abscopal.immune.model import diw_model
    from abscopal.immune.published.catalogue import OWN, published

    chosen = published(name)
    first = chosen.start_day if start is None else start
    doses = [given for text in drugs for given in drug_doses(text)]
    regimen = regimen_of(dose, fractions, first, doses, interval=interval)
    if name == OWN:
        return diw_model(switches=dict.fromkeys(off, False)), regimen
    if off:
        raise InputError(
            doing=f"exporting the model {name}", found=f"the mechanism {off[0]!r} to leave out",
            expected="a published model whole", try_="--model diw",
        )  # fmt: skip
    return chosen.course(regimen)
