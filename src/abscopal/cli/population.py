"""`abscopal population`: virtual patients under one or several regimens, here or on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    import xarray as xr

    from abscopal.domain.regimen import Regimen
    from abscopal.equations.model import Model
    from abscopal.simulation.population import VirtualPopulation
    from abscopal.simulation.summaries import Summary

_SHARES = (0.05, 0.5, 0.95)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("population")(population)


def population(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Spec (.toml) to draw from, or patients (.csv, .parquet); the knowledge sheets if left out."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Patients to draw.")] = 1000,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws; chosen and told if left out.")] = None,
    method: Annotated[
        Literal["random", "sobol", "latin-hypercube"], typer.Option(help="How patients are spread.")
    ] = "random",
    scatter: Annotated[float, typer.Option(min=0.001, max=3, help="SD of the logarithm, without a source.")] = 0.3,
    dose: Annotated[float, typer.Option(min=0, max=100, help="Dose per fraction [Gy].")] = 8.0,
    fractions: Annotated[int, typer.Option(min=0, max=60, help="Number of fractions.")] = 3,
    interval: Annotated[float, typer.Option(min=0.01, help="Days between fractions.")] = 1.0,
    weekdays: Annotated[bool, typer.Option("--weekdays", help="Fractions Monday to Friday.")] = False,
    start: Annotated[float, typer.Option(min=0, help="Day of the first fraction.")] = 0.0,
    drug: Annotated[
        list[str] | None, typer.Option("--drug", help="NAME:MG:DAYS, such as anti-PD-1:0.2:2,5,8; may be repeated.")
    ] = None,
    regimen: Annotated[
        list[str] | None,
        typer.Option("--regimen", help="ARM=FILE.toml instead of the options above; may be repeated for more arms."),
    ] = None,
    control: Annotated[bool, typer.Option("--control", help="Also an arm without treatment.")] = False,
    horizon: Annotated[float, typer.Option(min=0.5, max=2000, help="Last day.")] = 40.0,
    summary: Annotated[
        list[str] | None,
        typer.Option("--summary", help="NAME:KIND[:THRESHOLD], such as V_0:minimum or V_1:above:200; may be repeated."),
    ] = None,
    off: Annotated[list[str] | None, typer.Option("--off", help="Mechanism to leave out; may be repeated.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of a local cluster.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    chunk: Annotated[int | None, typer.Option(min=1, help="Patients per chunk of the store.")] = None,
    out: Annotated[Path | None, typer.Option(help="Result: a .zarr store, which is resumed, or a .csv file.")] = None,
    example_spec: Annotated[bool, typer.Option("--example-spec", help="Print a spec to start from and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate virtual patients of the two-lesion mouse reference model."""
    from abscopal.immune.model import diw_model
    from abscopal.simulation.population_run import simulate_population
    from abscopal.simulation.population_spec import spec_from_model

    model = diw_model(switches=dict.fromkeys(off or [], False))
    if example_spec:
        typer.echo(spec_from_model(model, scatter=scatter).to_toml(), nl=False)
        return
    store = _store_path(out)
    if regimen:
        arms = dict(_regimen_file(text) for text in regimen)
    else:
        treated = _regimen(dose, fractions, interval, weekdays, start, drug or [])
        arms = {treated.name: treated}
    arms |= _untreated() if control else {}
    asked = [_summary(text) for text in summary or ["V_0:minimum", "V_1:area"]]
    with progress_bars():
        people = _people(source, model, n, method, seed, scatter)
        result = simulate_population(
            model, arms, people, [horizon], summaries=asked, workers=workers, cluster=cluster, out=store, chunk=chunk,
            command="abscopal population",
        )  # fmt: skip
        rows = [_row(result, arm, item.title) for item in asked for arm in arms]
        if out is not None and store is None:
            _write_csv(out, result, [item.title for item in asked])
    failed = {arm: int((~result["status"].sel(arm=arm).isin([0, 5])).sum()) for arm in arms}
    if as_json:
        print_json({**_origin(people), "horizon_day": horizon, "summaries": rows, "failed": failed})
        return
    _show(people, rows, failed, out)


def _store_path(out: Path | None) -> Path | None:
    from abscopal.domain.errors import InputError

    if out is None or out.suffix in {".zarr", ".csv"}:
        return out if out is not None and out.suffix == ".zarr" else None
    raise InputError(
        doing="choosing where results go", found=repr(out.name), expected="a name ending in .zarr or .csv",
        try_=f"{out.stem}.zarr",
    )  # fmt: skip


def _people(
    source: Path | None, model: "Model", n: int, method: Any, seed: int | None, scatter: float
) -> "VirtualPopulation":
    from abscopal.simulation.population import VirtualPopulation
    from abscopal.simulation.population_files import read_population
    from abscopal.simulation.population_spec import load_spec, spec_from_model

    if source is not None and source.suffix.lower() != ".toml":
        return read_population(source, model)
    spec = spec_from_model(model, scatter=scatter) if source is None else load_spec(source)
    return VirtualPopulation.draw(spec, n, model=model, method=method, seed=seed)


def _regimen(dose: float, fractions: int, interval: float, weekdays: bool, start: float, drugs: list[str]) -> "Regimen":
    from abscopal.domain.regimen import Regimen

    doses = [given for text in drugs for given in _drug_doses(text)]
    return Regimen.equal_fractions(
        dose, fractions, start=start, interval=interval, weekdays=weekdays, drug_doses=doses,
        name=f"{fractions} × {dose:g} Gy" + "".join(f" + {name}" for name in dict.fromkeys(d.drug for d in doses)),
    )  # fmt: skip


def _untreated() -> "dict[str, Regimen]":
    from abscopal.domain.regimen import Regimen

    return {"no treatment": Regimen(name="no treatment")}


def _drug_doses(text: str) -> list[Any]:
    from pydantic import ValidationError

    from abscopal.domain.errors import InputError
    from abscopal.domain.regimen import DrugDose

    try:
        name, amount, days = text.split(":")
        return [DrugDose(drug=name.strip(), mg=float(amount), day=float(day)) for day in days.split(",")]
    except (ValueError, ValidationError) as exc:
        raise InputError(
            doing="reading a drug", found=repr(text), expected="NAME:MG:DAYS, amounts not negative",
            try_="anti-PD-1:0.2:2,5,8",
        ) from exc  # fmt: skip


def _regimen_file(text: str) -> "tuple[str, Regimen]":
    import tomllib

    from pydantic import ValidationError

    from abscopal.domain.errors import InputError
    from abscopal.domain.regimen import Regimen

    name, _, path = text.rpartition("=")
    try:
        read = Regimen.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as exc:
        raise InputError(
            doing=f"reading the regimen {text!r}",
            found=str(exc).splitlines()[0],
            expected="ARM=FILE.toml with fraction_days [day], fraction_doses [Gy] and drug_doses (drug, mg, day)",
            try_="fraction_days = [7, 8, 9] and fraction_doses = [8, 8, 8]",
        ) from exc
    return name or read.name or Path(path).stem, read


def _summary(text: str) -> "Summary":
    from abscopal.domain.errors import InputError
    from abscopal.simulation.summaries import Summary

    name, _, rest = text.partition(":")
    kind, _, level = rest.partition(":")
    try:
        return Summary(name, kind, float(level) if level else None)  # type: ignore[arg-type]  # refused when set up
    except ValueError as exc:
        raise InputError(
            doing="reading a summary", found=repr(text), expected="NAME:KIND or NAME:KIND:THRESHOLD",
            try_="V_0:above:200",
        ) from exc  # fmt: skip


def _row(result: "xr.Dataset", arm: str, title: str) -> dict[str, Any]:
    """Quantiles over the patients that were solved; None where that patient never gets there."""
    import numpy as np

    values = result[title].sel(arm=arm).values
    solved = values[~np.isnan(values)]
    found = np.quantile(solved, _SHARES, method="inverted_cdf") if solved.size else np.full(3, np.inf)
    return {
        "summary": title,
        "unit": result[title].attrs["units"],
        "arm": arm,
        "n": int(solved.size),
        "reached": float(np.isfinite(solved).mean()) if solved.size else 0.0,
        **{
            key: float(q) if np.isfinite(q) else None
            for key, q in zip(("p05", "median", "p95"), found.tolist(), strict=True)
        },
    }


def _origin(people: "VirtualPopulation") -> dict[str, Any]:
    made = people.provenance
    counts = [{"filter": count.name, "tested": count.tested, "passed": count.passed} for count in made.filters]
    return {
        "patients": len(people), "how": made.how, "seed": made.seed, "candidates": made.candidates, "filters": counts,
        "population_sha256": people.digest, "notes": list(made.notes),
    }  # fmt: skip


def _show(people: "VirtualPopulation", rows: list[dict[str, Any]], failed: dict[str, int], out: Path | None) -> None:
    def text(value: float | None) -> str:
        return "never" if value is None else f"{value:.3g}"

    made = people.provenance
    seed = "" if made.seed is None else f", seed {made.seed}"
    print_table(
        f"{len(people)} virtual patients ({made.how}{seed})",
        ("summary", "arm", "5 %", "median", "95 %", "unit", "reached"),
        [
            (
                row["summary"], row["arm"], text(row["p05"]), text(row["median"]), text(row["p95"]), row["unit"],
                f"{100 * row['reached']:.0f} %",
            )
            for row in rows
        ],
    )  # fmt: skip
    console = screen()
    for count in made.filters:
        console.print(f"filter   {count.name}: {count.passed} of {count.tested} candidates pass", markup=False)
    for arm, number in failed.items():
        if number:
            console.print(f"failed   {number} patients of {arm}", markup=False)
    console.print(
        "note     mouse reference set B: a demonstration of structure, not a prediction for a human", markup=False
    )
    if out is not None:
        console.print(f"result   {out}", markup=False)


def _write_csv(path: Path, result: "xr.Dataset", titles: list[str]) -> None:
    from abscopal.simulation.population_files import write_lines

    lines = [",".join(["patient", "arm", "status", *(f"{t} [{result[t].attrs['units']}]" for t in titles)])]
    for arm in result["arm"].values.tolist():
        one = result.sel(arm=arm)
        columns = [one["patient"].values.tolist(), one["status"].values.tolist()]
        columns += [one[title].values.tolist() for title in titles]
        quoted = '"' + arm.replace('"', '""') + '"'
        lines += [
            f"{patient},{quoted},{status}," + ",".join(map(repr, values))
            for patient, status, *values in zip(*columns, strict=True)
        ]
    write_lines(path, lines)
