"""`abscopal simulate`: the course of every state of the reference model under one regimen."""

from pathlib import Path
from typing import Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, screen
from abscopal.cli.window import (
    IciDaysOption,
    IciOption,
    IntervalOption,
    NodeOption,
    OffOption,
    WeekdaysOption,
    build_experiment,
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    dose: Annotated[float, typer.Option(min=0, max=100, help="Dose per fraction [Gy].")] = 8.0,
    fractions: Annotated[int, typer.Option(min=0, max=60, help="Number of fractions.")] = 3,
    interval: IntervalOption = 1.0,
    weekdays: WeekdaysOption = False,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    rt_start: Annotated[
        float | None, typer.Option(min=0, help="Day of the first fraction; the reference's by default.")
    ] = None,
    horizon: Annotated[float, typer.Option(min=0.5, max=2000, help="Last day.")] = 34.0,
    step: Annotated[float, typer.Option(min=0.001, max=100, help="Days between rows.")] = 0.5,
    off: OffOption = None,
    node_dose: NodeOption = 0.0,
    latex: Annotated[bool, typer.Option("--latex", help="Print the model's equations and stop.")] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the whole course.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate the two-lesion mouse reference model under one regimen."""
    experiment = build_experiment(ici, ici_days, interval, weekdays, off or [], node_dose)
    if latex:
        typer.echo(experiment.model.latex())
        return
    import numpy as np

    from abscopal.domain.regimen import Regimen
    from abscopal.knowledge.load import load
    from abscopal.simulation.solve import require_ok
    from abscopal.simulation.solve import simulate as solve

    start = load("immune/window")["rt_start"] if rt_start is None else rt_start
    regimen = Regimen.equal_fractions(
        dose, fractions, start=start, interval=interval, weekdays=weekdays,
        drug_doses=[given.model_copy(update={"day": given.day + start}) for given in experiment.drugs],
    )  # fmt: skip
    times = np.unique(np.append(np.arange(0, horizon, step), horizon))
    course = solve(
        experiment.model, regimen, times, horizon=horizon, fraction_arguments={"d_node": node_dose} if node_dose else {}
    )
    require_ok(course, f"simulating {regimen.name}")
    if out is not None:
        _write(out, course)
    if as_json:
        print_json(
            {"t_day": course.t.tolist(), "states": {name: course[name].tolist() for name in course.names},
             "units": dict(zip(course.names, course.units, strict=True)), "status": course.status}
        )  # fmt: skip
        return
    lesions = [("irradiated lesion", 0), ("other lesion", 1)]
    print_table(
        f"{regimen.name}, {ici}, day {horizon:g}",
        ("", "volume [mm³]", "effector T cells", "PD-L1"),
        [
            (
                label,
                f"{course[f'V_{i}'][-1] + course[f'M_{i}'][-1]:.4g}",
                _last(course, f"E_{i}"),
                _last(course, f"P_{i}"),
            )
            for label, i in lesions
        ],
    )
    console = screen()
    console.print(
        "note  mouse reference set B: a demonstration of structure, not a prediction for a human", markup=False
    )
    if out is not None:
        console.print(f"course {out}", markup=False)


def _last(course: Any, name: str) -> str:
    return f"{course[name][-1]:.3g}" if name in course.names else "off"


def _write(path: Path, course: Any) -> None:
    from abscopal.report.html import write_whole

    heading = ",".join(
        ["t [day]", *(f"{name} [{unit}]" for name, unit in zip(course.names, course.units, strict=True))]
    )
    rows = (
        ",".join(map(repr, [float(t), *values])) for t, values in zip(course.t, course.values.tolist(), strict=True)
    )
    write_whole(path, "\n".join([heading, *rows]) + "\n")
