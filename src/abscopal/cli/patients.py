"""Virtual patients in the `simulate` command: drawing or reading them, and telling what became of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from abscopal.cli.console import print_json, print_table, progress_bars, screen
from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from abscopal.domain.regimen import Regimen
    from abscopal.equations.model import Model
    from abscopal.simulation.population import VirtualPopulation
    from abscopal.simulation.summaries import Summary

_SHARES = (0.05, 0.5, 0.95)


def simulate_patients(
    model: "Model",
    arms: "dict[str, Regimen]",
    horizon: float,
    who: dict[str, Any],
    summaries: list[str],
    out: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Draw or read patients, take them through every arm, and tell quantiles of the summaries.

    Parameters
    ----------
    who : dict
        Arguments of `read_patients`.
    summaries : list of str
        `NAME:KIND[:THRESHOLD]`.
    **how
        Where to compute, for `simulate_population`.
    """
    from abscopal.simulation.dataset import solved
    from abscopal.simulation.population_run import simulate_population

    store = _store_path(out)
    asked = [_summary(text) for text in summaries]
    with progress_bars():
        people = read_patients(model, **who)
        result = simulate_population(
            model, arms, people, [horizon], summaries=asked, out=store, command="abscopal simulate", **how
        )
        rows = [_row(result, arm, item.title) for item in asked for arm in arms]
        if out is not None and store is None:
            _write_csv(out, result, [item.title for item in asked])
    failed = {arm: int((~solved(result.sel(arm=arm))).sum()) for arm in arms}
    if as_json:
        print_json({**_origin(people), "horizon_day": horizon, "summaries": rows, "failed": failed})
        return
    _show(people, rows, failed, out)


def _store_path(out: Path | None) -> Path | None:
    if out is None or out.suffix in {".zarr", ".csv"}:
        return out if out is not None and out.suffix == ".zarr" else None
    raise InputError(
        doing="choosing where results go", found=repr(out.name), expected="a name ending in .zarr or .csv",
        try_=f"{out.stem}.zarr",
    )  # fmt: skip


def read_patients(
    model: "Model", source: Path | None, n: int, method: Any, seed: int | None, scatter: float
) -> "VirtualPopulation":
    """Patients of a file, or drawn from a spec or from the knowledge sheets."""
    from abscopal.simulation.population import VirtualPopulation
    from abscopal.simulation.population_files import read_population
    from abscopal.simulation.population_spec import load_spec, spec_from_model

    if source is not None and source.suffix.lower() != ".toml":
        return read_population(source, model)
    spec = spec_from_model(model, scatter=scatter) if source is None else load_spec(source)
    return VirtualPopulation.draw(spec, n, model=model, method=method, seed=seed)


def _summary(text: str) -> "Summary":
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
