"""`abscopal trials simulate` and `design`: virtual trials of a design, and what changing it does."""

from pathlib import Path
from typing import Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_lines, print_table, progress_bars

WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes of a local cluster.")]
ClusterOption = Annotated[str | None, typer.Option(help="Address of a Dask scheduler; needs --out on a shared disk.")]
DrawsOption = Annotated[int, typer.Option(min=2, max=1000, help="Parameter sets of the immune model.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of patients and chance.")]
ChunkOption = Annotated[
    int | None, typer.Option(min=1, help="Replicates stored together under --out, a multiple of 50.")
]
EXAMPLE = "consolidation"
UNITS = {"median_exp": "month", "median_ctrl": "month", "rmst_difference": "month", "landmark_difference": "1",
         "rate_exp": "1", "rate_ctrl": "1", "events": "patients", "months": "month"}  # fmt: skip


def add_to(trials: typer.Typer) -> None:
    """Add the commands to `abscopal trials`."""
    trials.command()(simulate)
    trials.command("design")(design_mode)


def simulate(
    design: Annotated[Path | None, typer.Argument(help="Trial design (.toml).")] = None,
    replicates: Annotated[int, typer.Option(min=1, max=1_000_000, help="Virtual trials.")] = 500,
    draws: DrawsOption = 40,
    patients: Annotated[int, typer.Option(min=10, help="Distinct virtual patients of each parameter set.")] = 200,
    seed: SeedOption = 0,
    null: Annotated[bool, typer.Option("--null", help="No treatment effect at all: the type I error.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for results, figures and what is needed to go on.")] = None,
    chunk: ChunkOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    example: Annotated[bool, typer.Option("--example", help="Print a whole design file and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run virtual replicates of a trial design: hazard ratio, power, curves, who gained."""
    from abscopal.trials.design import read_design
    from abscopal.trials.examples import example_design
    from abscopal.trials.virtual import run_trial

    if example:
        typer.echo(example_design(EXAMPLE), nl=False)
        return
    wanted = read_design(given_design(design))
    with progress_bars():
        result = run_trial(
            wanted, replicates, draws=draws, patients=patients, seed=seed, null=null, chunk=chunk, workers=workers,
            cluster=cluster, out=None if out is None else out / "work",
        )  # fmt: skip
        files = [] if out is None else _write_trial(result, out)
    content = {"title": wanted.title, "summary": result.summary, "benefit": result.benefit.to_dict("records"),
               "manifest": result.manifest.model_dump(), "files": files}  # fmt: skip
    if as_json:
        print_json(content)
        return
    _show_trial(content)


def given_design(design: Path | None) -> Path:
    """The path of a design file that is there.

    Raises
    ------
    InputError
        None given, or no such file.
    """
    from abscopal.domain.errors import InputError

    if design is not None and design.is_file():
        return design
    raise InputError(
        doing="reading a trial design", found="no file" if design is None else f"no file {design.name}",
        expected="a .toml file", try_="`abscopal trials simulate --example > design.toml`",
    )  # fmt: skip


def _write_trial(result: Any, out: Path) -> list[str]:
    from abscopal.trials.virtual_figures import effects, survival_curves

    out.mkdir(parents=True, exist_ok=True)
    result.replicates.to_csv(out / "replicates.csv", index=False)
    result.benefit.to_csv(out / "benefit.csv", index=False)
    drawn = [effects(result)] + ([] if result.curves.empty else [survival_curves(result)])
    paths = [path for figure in drawn for path in figure.save(out)]
    return [str(path) for path in (out / "replicates.csv", out / "benefit.csv", *paths)]


def _show_trial(content: dict[str, Any]) -> None:
    s = content["summary"]
    for comparison in s["comparisons"]:
        title = (f"{content['title'] or 'trial'}: {comparison['arm']} against {s['control']}, {s['replicates']} "
                 f"simulated trials of {s['patients']} patients")  # fmt: skip
        print_table(title, ("", "median", "90 % over model, patients and chance"), _rows(comparison, s["endpoint"]))
    lines = [] if s["calibration"] == "fitted" else [("WARNING", s["calibration_note"])]
    if len(s["comparisons"]) > 1:
        lines.append(("any arm", f"probability of success {s['probability_of_success']:.3f}"))
    if s["efficacy_bounds"]:
        bounds = ", ".join(f"{b['z']:.3f} at {b['information']:g}" for b in s["efficacy_bounds"])
        lines.append(("bounds", f"|z| for efficacy by share of events: {bounds}"))
    if "hazard_ratio" in s["comparisons"][0]:
        lines += [("gain", f"{row['arm']}: {row['gain_months']:+.2f} months of restricted mean, of which mechanism "
                   f"{row['gain_by_mechanism_months']:+.2f}") for row in content["benefit"]
                  if row["covariate"] == "all"]  # fmt: skip
        lines.append(("", "by thirds of each covariate: benefit.csv of --out, or --json"))
    if s["calibration"] == "fitted":
        lines.append(("note", s["calibration_note"]))
    lines += [("note", f"simulated; immune parameters: {s['parameters']} (mouse), carried to people by assumptions"),
              ("note", "hypothesis ranking only; docs/validation/trials says how such predictions scored")]  # fmt: skip
    print_lines([*lines, *(("file", path) for path in content["files"])])


def _rows(comparison: dict[str, Any], endpoint: str) -> list[tuple[str, str, str]]:
    name = "hazard_ratio" if "hazard_ratio" in comparison else "odds_ratio"
    low, high = comparison[f"{name}_interval_90"]
    rows = [
        (f"{endpoint} {name.replace('_', ' ')}", f"{comparison[name]:.2f}", f"{low:.2f} to {high:.2f}"),
        ("probability of success", f"{comparison['probability_of_success']:.3f}",
         f"Monte-Carlo SE {comparison['monte_carlo_se']:.3f}"),
        ("favours experimental", f"{comparison['p_favours_experimental']:.2f}", ""),
    ]  # fmt: skip
    rows += [(f"stopped for {why}", f"{comparison[f'stopped_for_{why}']:.3f}", "")
             for why in ("futility", "efficacy") if comparison[f"stopped_for_{why}"]]  # fmt: skip
    for key in (each for each in UNITS if each in comparison):
        parts = [comparison[key][part] for part in ("median", "low_90", "high_90")]
        cells = ["not reached" if part is None else f"{part:.3g}" for part in parts]
        label = "calendar months to the end" if key == "months" else key.replace("_", " ")
        rows.append((f"{label} [{UNITS[key]}]", cells[0], f"{cells[1]} to {cells[2]}"))
    return rows


def design_mode(
    design: Annotated[Path, typer.Argument(help="Trial design (.toml) to start from.")],
    vary: Annotated[
        list[str],
        typer.Option(help="FEATURE=VALUE,VALUE of target, dose_per_fraction, ici_start or patients; may be repeated."),
    ],
    replicates: Annotated[int, typer.Option(min=1, max=100_000, help="Virtual trials of each combination.")] = 200,
    draws: DrawsOption = 40,
    seed: SeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder: table, figure, and what is needed to go on.")] = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sweep features of a design and show the chance of success of each."""
    from abscopal.trials.design import read_design
    from abscopal.trials.operating import sweep
    from abscopal.trials.response_layer import calibration_note
    from abscopal.trials.virtual_figures import power_curve

    start = read_design(given_design(design))
    values = _all_tried(vary)
    with progress_bars():
        found = sweep(start, values, replicates, seed=seed, draws=draws, workers=workers, cluster=cluster,
                      out=None if out is None else out / "work")  # fmt: skip
    status, note = calibration_note(start)
    files = [] if out is None else [str(path) for path in power_curve(found.table, list(values), status).save(out)]
    rows = [{str(k): v for k, v in row.items()} for row in found.table.to_dict("records")]
    if as_json:
        print_json({"title": start.title, "replicates": replicates, "designs": rows, "files": files, "simulated": True,
                    "calibration": status, "calibration_note": note})  # fmt: skip
        return
    _show_sweep(f"{start.title or 'trial'}: {replicates} simulated trials each", list(values), rows)
    print_lines([("note" if status == "fitted" else "WARNING", note),
                 ("note", "simulated; differences rest on mouse mechanisms carried to people by assumptions"),
                 *(("file", path) for path in files)])  # fmt: skip


def _show_sweep(title: str, features: list[str], rows: list[dict[str, Any]]) -> None:
    several = len({row["arm"] for row in rows}) > 1
    ratio = "hazard_ratio" if "hazard_ratio" in rows[0] else "odds_ratio"
    looks = any(row["stopped_for_futility"] or row["stopped_for_efficacy"] for row in rows)
    cells = []
    for row in rows:
        swept = [f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in features]
        cells.append([
            *swept, *([row["arm"]] if several else []),
            f"{row['probability_of_success']:.2f} ± {row['monte_carlo_se']:.2f}", f"{row[ratio]:.2f}",
            f"{row['low_90']:.2f}–{row['high_90']:.2f}",
            *([f"{row['stopped_for_futility']:.2f}", f"{row['stopped_for_efficacy']:.2f}"] if looks else []),
        ])  # fmt: skip
    headings = [*(name.replace("_", " ") for name in features), *(["arm"] if several else []), "P(success)",
                "HR" if ratio == "hazard_ratio" else "OR", "90 %",
                *(["futile", "early win"] if looks else [])]  # fmt: skip
    print_table(title, headings, cells)


def _all_tried(vary: list[str]) -> dict[str, list[Any]]:
    from abscopal.domain.errors import InputError

    pairs = [_tried(text) for text in vary]
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError(
            doing="reading what to vary", found="a feature given twice", expected="one --vary for each feature",
            try_="all values of a feature in one list: patients=300,600",
        )  # fmt: skip
    return values


def _tried(text: str) -> tuple[str, list[Any]]:
    from abscopal.domain.errors import InputError

    name, _, listed = text.partition("=")
    values = [part.strip() for part in listed.split(",") if part.strip()]
    if name.strip() == "target":
        return "target", list(values)
    try:
        return name.strip(), [float(value) for value in values]
    except ValueError as exc:
        raise InputError(
            doing="reading what to vary", found=repr(text), expected="FEATURE=NUMBER,NUMBER or target=NAME,NAME",
            try_="dose_per_fraction=2,5,8",
        ) from exc  # fmt: skip
