"""`abscopal interchange petab-export`, `petab-check` and `petab-run`: calibration problems in PEtab."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.interchange.petab_objective import PetabProblem
    from abscopal.interchange.petab_write import Estimated, Observable

ProblemArgument = Annotated[Path, typer.Argument(help="The problem's YAML file.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("petab-export")(petab_export)
    app.command("petab-check")(petab_check)
    app.command("petab-run")(petab_run)


def petab_export(
    folder: Annotated[Path, typer.Argument(help="Folder to write the problem into.")],
    data: Annotated[
        Path | None, typer.Option(help="Measurements (.csv: arm, observable, day, value); else the calibration's own.")
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="ARM=FILE.toml, a regimen; may be repeated.")] = None,
    observe: Annotated[
        list[str] | None, typer.Option(help="OBSERVABLE=STATE:SD:SCALE, scale lin, log or log10; may be repeated.")
    ] = None,
    estimate: Annotated[
        list[str] | None, typer.Option(help="PARAMETER:LOW:HIGH, on a log10 scale; may be repeated.")
    ] = None,
) -> None:
    """Write the numeric rows of the calibration, or your own measurements, as a PEtab problem.

    The model is the two-lesion mouse reference model.
    """
    from abscopal.interchange.petab_write import write_petab

    if data is None:
        written = _calibration(folder)
    else:
        import pandas as pd

        from abscopal.cli.arms import read_arms
        from abscopal.domain.errors import InputError
        from abscopal.domain.regimen import Regimen
        from abscopal.immune.model import diw_model

        try:
            measurements = pd.read_csv(data)
        except (OSError, ValueError) as exc:
            raise InputError(
                doing=f"reading {data.name}", found=str(exc).splitlines()[0][:120],
                expected="a table with arm, observable, day [day] and value", try_="arm,observable,day,value",
            ) from exc  # fmt: skip
        arms = read_arms(arm or [], Regimen(name="untreated"), control=False)
        observables = dict(_observable(text) for text in observe or [])
        estimated = dict(_estimated(text) for text in estimate or [])
        written = write_petab(folder, diw_model(), arms, measurements, observables, estimated)
    screen().print(f"problem {written}", markup=False)


def petab_check(source: ProblemArgument, as_json: JsonOption = False) -> None:
    """Check a PEtab problem: by its library's lint, and whether it is read here; exit code 2 if not."""
    import numpy as np

    with progress_bars():
        problem = _read(source)
        value = float(problem.objective(problem.nominal, gradient=False)[0])
    found = {
        "conditions": list(problem.conditions),
        "observables": dict(problem.observables),
        "measurements": len(problem.data),
        "parameters": problem.names,
        "objective_at_nominal": value if np.isfinite(value) else None,
    }
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.name,
            one.scale,
            f"{one.nominal:g}",
            f"{one.low:g}",
            f"{one.high:g}",
            "" if one.prior is None else "normal",
        )
        for one in problem.unknowns
    ]
    print_table("parameters to estimate", ("name", "scale", "nominal", "low", "high", "prior"), rows)
    parts = {"conditions": problem.conditions, "observables": problem.observables, "measurements": problem.data}
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    screen().print(f"lint      no complaint\nread      {counts}", markup=False)
    screen().print(f"objective {value:.6g} at the nominal values", markup=False)


def petab_run(
    source: ProblemArgument,
    starts: Annotated[int, typer.Option(min=1, max=1000, help="Starts, the first at the nominal values.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the other starts.")] = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file of the best parameters.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a PEtab problem by pyPESTO from several starts."""
    from abscopal.interchange.petab_fit import fit_petab
    from abscopal.report.html import write_whole

    problem = _read(source)
    with progress_bars():
        fit = fit_petab(problem, starts, seed=seed)
    if out is not None:
        lines = [f"{name},{value!r}" for name, value in zip(fit.names, fit.values.tolist(), strict=True)]
        write_whole(out, "\n".join(["parameter,value", *lines]) + "\n")
    if as_json:
        values = dict(zip(fit.names, fit.values.tolist(), strict=True))
        print_json({**plain(fit), "values": values, "starts_at_the_best": fit.same})
        return
    rows = [
        (name, f"{value:.6g}", "at a bound" if name in fit.at_bound else "")
        for name, value in zip(fit.names, fit.values, strict=True)
    ]
    print_table(f"best of {starts} starts, objective {fit.objective:.6g}", ("parameter", "value", ""), rows)
    screen().print(f"{fit.same} of {starts} starts ended within 0.1 of the best", markup=False)


def _read(source: Path) -> "PetabProblem":
    from abscopal.interchange.petab_read import read_petab

    return read_petab(source)


def _calibration(folder: Path) -> Path:
    from abscopal.inference.petab_parts import petab_parts
    from abscopal.interchange.petab_write import Estimated, Observable, write_petab

    parts = petab_parts()
    return write_petab(
        folder, parts.model, parts.arms, parts.measurements,
        {name: Observable(name.split("_e")[0], sd, "log") for name, sd in parts.noise.items()},
        {
            name: Estimated(low, high, "log" if name in parts.log_priors else "lin", parts.log_priors.get(name))
            for name, (low, high) in parts.bounds.items()
        },
        horizon=float(parts.measurements["day"].max()),
    )  # fmt: skip


def _observable(text: str) -> "tuple[str, Observable]":
    from abscopal.interchange.petab_write import Observable

    name, _, rest = text.partition("=")
    parts = rest.split(":")
    try:
        of, sd, scale = parts
        noise = float(sd)
    except ValueError as exc:
        raise _unread("an observable", text, "OBSERVABLE=STATE:SD:SCALE", "volume=V_0:0.2:log") from exc
    if scale not in {"lin", "log", "log10"} or not 0 < noise < float("inf"):
        raise _unread("an observable", text, "a positive SD on the scale lin, log or log10", "volume=V_0:0.2:log")
    return name, Observable(of, noise, scale)  # type: ignore[arg-type]


def _estimated(text: str) -> "tuple[str, Estimated]":
    from abscopal.interchange.petab_write import Estimated

    try:
        name, low, high = text.split(":")
        bounds = float(low), float(high)
    except ValueError as exc:
        raise _unread("a parameter", text, "PARAMETER:LOW:HIGH", "alpha:0.05:0.5") from exc
    if not 0 < bounds[0] < bounds[1] < float("inf"):
        raise _unread("a parameter", text, "0 < LOW < HIGH", "alpha:0.05:0.5")
    return name, Estimated(*bounds)


def _unread(what: str, text: str, expected: str, try_: str) -> Any:
    from abscopal.domain.errors import InputError

    return InputError(doing=f"reading {what} of a PEtab problem", found=repr(text[:80]), expected=expected, try_=try_)
