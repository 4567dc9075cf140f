"""`abscopal simulate`: one patient or a population under one or several regimens, here or on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
from abscopal.cli.window import (
    IciDaysOption,
    IntervalOption,
    NodeOption,
    OffOption,
    Parameters,
    WeekdaysOption,
    build_experiment,
)

if TYPE_CHECKING:
    import xarray as xr

    from abscopal.domain.regimen import Regimen
    from abscopal.equations.model import Model

_DEFAULT_ICI, _DEFAULT_PATIENTS = "anti-CTLA-4", 1000
_REFERENCE = "diw"
_WHO, _WHERE = "Who", "Where it is computed"
_NOTE = "note  mouse reference set B: a demonstration of structure, not a prediction for a human"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    source: Annotated[
        Path | None, typer.Argument(help="Spec (.toml) to draw patients from, or patients (.csv, .parquet).")
    ] = None,
    model_name: Annotated[
        str, typer.Option("--model", help="diw, or a published model of one patient; `compare --cards` lists them.")
    ] = "diw",
    n: Annotated[
        int | None,
        typer.Option(
            "--n", min=1, rich_help_panel=_WHO, help="Patients to draw; without it and a source, one patient."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, rich_help_panel=_WHO, help="Seed of the draws; chosen and told if left out.")
    ] = None,
    method: Annotated[
        Literal["random", "sobol", "latin-hypercube"],
        typer.Option(rich_help_panel=_WHO, help="How patients are spread."),
    ] = "random",
    scatter: Annotated[
        float, typer.Option(min=0.001, max=3, rich_help_panel=_WHO, help="SD of the logarithm, without a source.")
    ] = 0.3,
    example_spec: Annotated[
        bool, typer.Option("--example-spec", rich_help_panel=_WHO, help="Print a spec to start from and stop.")
    ] = False,
    dose: Annotated[float, typer.Option(min=0, max=100, help="Dose per fraction [Gy].")] = 8.0,
    fractions: Annotated[int, typer.Option(min=0, max=60, help="Number of fractions.")] = 3,
    interval: IntervalOption = 1.0,
    weekdays: WeekdaysOption = False,
    rt_start: Annotated[
        float | None,
        typer.Option(min=0, help="Day of the first fraction; the reference's by default."),
    ] = None,
    ici: Annotated[
        str | None,
        typer.Option(
            "--ici",
            help="Class (anti-CTLA-4, anti-PD-1, anti-PD-L1) or drug name, at the reference's doses; none for no ICI. "
            f"{_DEFAULT_ICI} unless --drug is given.",
        ),
    ] = None,
    ici_days: IciDaysOption = "",
    drug: Annotated[
        list[str] | None,
        typer.Option(
            "--drug",
            help="NAME:MG:DAYS on days of the simulation, such as anti-PD-1:0.2:2,5,8; may be repeated.",
        ),
    ] = None,
    node_dose: NodeOption = 0.0,
    regimen: Annotated[
        list[str] | None,
        typer.Option(
            "--regimen",
            help="ARM=FILE.toml instead of the options above; may be repeated for more arms.",
        ),
    ] = None,
    control: Annotated[bool, typer.Option("--control", help="Also an arm without treatment.")] = False,
    off: OffOption = None,
    horizon: Annotated[float, typer.Option(min=0.5, max=2000, help="Last day.")] = 40.0,
    step: Annotated[float, typer.Option(min=0.001, max=100, help="Days between rows of one patient's course.")] = 0.5,
    summary: Annotated[
        list[str] | None,
        typer.Option(
            "--summary",
            help="Of a population: NAME:KIND[:THRESHOLD], such as V_0:minimum or V_1:above:200; may be repeated.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_WHERE, help="Threads; all processors if left out.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "gpu"],
        typer.Option(rich_help_panel=_WHERE, help="Processor; a graphics processor where one is found."),
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_WHERE, help="Processes of a local cluster.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(rich_help_panel=_WHERE, help="Address of a Dask scheduler, such as tcp://host:8786.")
    ] = None,
    chunk: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_WHERE, help="Patients per chunk of the store.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print the model's equations and stop.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV file; for a population also a .zarr store, which a second call goes on filling."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate the two-lesion mouse reference model: one patient, or a virtual population."""
    from abscopal.cli.arms import drug_doses, read_arms, regimen_of

    if model_name != _REFERENCE:
        _published(
            model_name, source, n, off, dose=dose, fractions=fractions, interval=interval, weekdays=weekdays,
            rt_start=rt_start, ici=ici, ici_days=ici_days, drug=drug or [], files=regimen or [], control=control,
            horizon=horizon, step=step, latex=latex, out=out, as_json=as_json,
        )  # fmt: skip
        return
    chosen = ici or ("none" if drug else _DEFAULT_ICI)
    experiment = build_experiment(
        chosen, ici_days, interval, weekdays, off or [], node_dose, parameters=Parameters.set_b
    )
    model = experiment.model
    if latex or example_spec:
        typer.echo(model.latex() if latex else _spec(model, scatter), nl=latex)
        return
    start = _reference_start() if rt_start is None else rt_start
    doses = [given.model_copy(update={"day": given.day + start}) for given in experiment.drugs]
    doses += [given for text in drug or [] for given in drug_doses(text)]
    treated = regimen_of(dose, fractions, start, doses, interval=interval, weekdays=weekdays)
    arms = read_arms(regimen or [], treated, control=control)
    how = {"threads": threads, "device": device, "fraction_arguments": {"d_node": node_dose} if node_dose else {}}
    if source is None and n is None:
        _refuse_cluster(workers, cluster)
        _one_patient(model, arms, horizon, step, out, as_json, **how)
        return
    from abscopal.cli.patients import simulate_patients

    simulate_patients(
        model, arms, horizon,
        {"source": source, "n": n or _DEFAULT_PATIENTS, "method": method, "seed": seed, "scatter": scatter},
        summary or ["V_0:minimum", "V_1:area"], out, as_json, workers=workers, cluster=cluster, chunk=chunk, **how,
    )  # fmt: skip


def _published(
    name: str, source: Path | None, n: int | None, off: list[str] | None, *, dose: float, fractions: int,
    interval: float, weekdays: bool, rt_start: float | None, ici: str | None, ici_days: str, drug: list[str],
    files: list[str], control: bool, horizon: float, step: float, latex: bool, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """One patient of a published model; drugs only where they are asked for."""
    from abscopal.cli.arms import drug_doses, read_arms, regimen_of
    from abscopal.cli.published import simulate_published
    from abscopal.domain.errors import InputError
    from abscopal.immune.published.catalogue import published

    model = published(name)
    if source is not None or n is not None or off:
        raise InputError(
            doing=f"simulating {name}", found="patients to draw, or a mechanism to leave out",
            expected="one patient with the published values", try_="--model diw for populations and mechanisms",
        )  # fmt: skip
    start = model.start_day if rt_start is None else rt_start
    experiment = build_experiment(ici or "none", ici_days, interval, weekdays, [], 0.0)
    doses = [given.model_copy(update={"day": given.day + start}) for given in experiment.drugs]
    doses += [given for text in drug for given in drug_doses(text)]
    treated = regimen_of(dose, fractions, start, doses, interval=interval, weekdays=weekdays)
    arms = read_arms(files, treated, control=control)
    if latex:
        typer.echo(model.course(treated)[0].latex())
        return
    simulate_published(model, arms, horizon, step, out, as_json)


def _spec(model: "Model", scatter: float) -> str:
    from abscopal.simulation.population_spec import spec_from_model

    return spec_from_model(model, scatter=scatter).to_toml()


def _reference_start() -> float:
    from abscopal.knowledge.load import load

    return load("immune/window")["rt_start"]


def _refuse_cluster(workers: int | None, cluster: str | None) -> None:
    from abscopal.domain.errors import InputError

    if workers is not None or cluster is not None:
        raise InputError(
            doing="choosing where to simulate one patient",
            found=f"{workers} workers" if workers else f"the cluster {cluster}",
            expected="a population, for which several processes are worth their start",
            try_="--n 10000, or leaving the option out",
        )


def _one_patient(
    model: "Model", arms: "dict[str, Regimen]", horizon: float, step: float, out: Path | None, as_json: bool, **how: Any
) -> None:
    """The course of every state and quantity under each arm."""
    import numpy as np

    from abscopal.simulation.dataset import names_of
    from abscopal.simulation.many import simulate_many

    days = np.unique(np.append(np.arange(0, horizon, step), horizon))
    with progress_bars():
        course = simulate_many(model, list(arms.values()), days, horizon=horizon, **how)
    _require_solved(course, list(arms))
    names = names_of(model)
    if out is not None:
        _write(out, course, list(arms), names)
    if as_json:
        print_json(
            {
                "t_day": days.tolist(),
                "units": {name: course[name].attrs["units"] for name in names},
                "arms": {arm: {name: course[name].values[k].tolist() for name in names} for k, arm in enumerate(arms)},
            }
        )
        return
    last = course.isel(time=-1)
    print_table(
        f"one patient, day {horizon:g}",
        ("arm", "lesion", "volume [mm³]", "effector T cells", "PD-L1"),
        [
            (arm, label, f"{float(last[f'V_{i}'][k] + last[f'M_{i}'][k]):.4g}", _text(last, f"E_{i}", k),
             _text(last, f"P_{i}", k))
            for k, arm in enumerate(arms)
            for label, i in (("irradiated", 0), ("other", 1))
        ],
    )  # fmt: skip
    screen().print(_NOTE, markup=False)
    if out is not None:
        screen().print(f"course {out}", markup=False)


def _require_solved(course: "xr.Dataset", arms: list[str]) -> None:
    from abscopal.domain.errors import ConvergenceError
    from abscopal.simulation.dataset import describe, solved

    for k, arm in enumerate(arms):
        if not solved(course)[k]:
            raise ConvergenceError(
                doing=f"simulating {arm}", found=describe(course, k), expected="a solution to the last day",
                try_="parameters closer to the reference set",
            )  # fmt: skip


def _text(last: "xr.Dataset", name: str, arm: int) -> str:
    return f"{float(last[name][arm]):.3g}" if name in last else "off"


def _write(path: Path, course: "xr.Dataset", arms: list[str], names: list[str]) -> None:
    import csv
    import io

    from abscopal.report.html import write_whole

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["arm", "t [day]", *(f"{name} [{course[name].attrs['units']}]" for name in names)])
    for k, arm in enumerate(arms):
        columns = [course["time"].values.tolist(), *(course[name].values[k].tolist() for name in names)]
        rows.writerows([arm, *map(repr, row)] for row in zip(*columns, strict=True))
    write_whole(path, text.getvalue())
