"""`abscopal window`: at which dose per fraction radiation and ICI do most together."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.window.experiment import Experiment
    from abscopal.window.surface import Window

IciOption = Annotated[
    str, typer.Option("--ici", help="Class (anti-CTLA-4, anti-PD-1, anti-PD-L1) or drug name; none for no ICI.")
]
IciDaysOption = Annotated[str, typer.Option(help="Days of the ICI doses after the first fraction, such as 2,5,8.")]
IntervalOption = Annotated[float, typer.Option(min=0.01, help="Days between fractions.")]
WeekdaysOption = Annotated[bool, typer.Option("--weekdays", help="Fractions Monday to Friday instead of an interval.")]
OffOption = Annotated[list[str] | None, typer.Option("--off", help="Mechanism to leave out; may be repeated.")]
NodeOption = Annotated[float, typer.Option(min=0, help="Dose to the draining node with each fraction [Gy].")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("window")(window)


def window(
    fractions: Annotated[int, typer.Option(min=1, max=60, help="Number of fractions (family `n fixed`).")] = 3,
    family: Annotated[
        Literal["n fixed", "total dose fixed", "iso-BED10"], typer.Option(help="What is held while the dose varies.")
    ] = "n fixed",
    total_dose: Annotated[float | None, typer.Option(min=0.1, help="Total dose of the second family [Gy].")] = None,
    bed10: Annotated[float | None, typer.Option(min=0.1, help="BED, α/β 10, of the third family [Gy].")] = None,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    interval: IntervalOption = 1.0,
    weekdays: WeekdaysOption = False,
    level: Annotated[list[float] | None, typer.Option(help="Share of the largest gain; may be repeated.")] = None,
    off: OffOption = None,
    node_dose: NodeOption = 0.0,
    ablations: Annotated[bool, typer.Option("--ablations/--no-ablations", help="Also without each mechanism.")] = True,
    draws: Annotated[int, typer.Option(min=0, max=5000, help="Draws of scattered parameters; 0 for none.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file for the curves.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the dose-immune window of the mouse-calibrated reference model, with its ablations."""
    from abscopal.window.ensemble import parameter_scatter
    from abscopal.window.surface import find_window
    from abscopal.window.uncertainty import ablate_window, window_uncertainty

    experiment = build_experiment(ici, ici_days, interval, weekdays, off or [], node_dose)
    levels = level or [0.5, 0.8]
    with progress_bars():
        full = find_window(
            family,
            n=fractions,
            total_dose=total_dose,
            bed10=bed10,
            level=levels[0],
            experiment=experiment,
        )
        found = {"full": full}
        if ablations and family == "n fixed":
            found |= ablate_window(n=fractions, level=levels[0], experiment=experiment)
        scatter = (
            window_uncertainty(
                fractions,
                ensemble=parameter_scatter(experiment.model, draws, seed=seed),
                level=levels[0],
                experiment=experiment,
            )
            if draws and family == "n fixed"
            else None
        )
    rows = [("full", full.at_level(share)) for share in levels]
    rows += [(label, curve) for label, curve in found.items() if label != "full"]
    if out is not None:
        _write_curves(out, found)
    if as_json:
        print_json(
            {
                "family": full.family,
                "windows": [{"model": label, **_plain(curve)} for label, curve in rows],
                "scatter": None if scatter is None else _scatter(scatter),
                "notes": list(full.notes if scatter is None else scatter.notes),
            }
        )
        return
    print_table(
        f"Dose-immune window, family {full.family}, {ici}",
        ("model", "level", "window"),
        [(label, f"{100 * curve.level:.0f} %", curve.text()) for label, curve in rows],
    )
    console = screen()
    if scatter is not None:
        console.print(
            f"scatter  {scatter.n} draws: {100 * scatter.p_open:.0f} % open at the top, "
            f"{100 * scatter.p_no_window:.0f} % without a window",
            markup=False,
        )
    for note in full.notes if scatter is None else scatter.notes:
        console.print(f"note     {note}", markup=False)


def build_experiment(
    ici: str, ici_days: str, interval: float, weekdays: bool, off: list[str], node_dose: float
) -> "Experiment":
    """The reference experiment with what the options change."""
    from dataclasses import replace

    from abscopal.pharmacology.drugs import drug_class
    from abscopal.window.experiment import reference_drugs, reference_experiment

    drugs = () if ici == "none" else reference_drugs(drug_class(ici))
    if ici_days and drugs:
        drugs = tuple(drugs[0].model_copy(update={"day": day}) for day in parse_days(ici_days))
    experiment = reference_experiment(drugs=drugs, interval=interval, weekdays=weekdays, node_dose=node_dose)
    return replace(experiment, model=experiment.model.with_switches(**dict.fromkeys(off, False)))


def parse_days(text: str) -> list[float]:
    """Days written as `2,5,8`."""
    from abscopal.domain.errors import InputError

    try:
        days = sorted(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        days = []
    if days and all(isfinite(day) for day in days):
        return days
    raise InputError(
        doing="reading the days of the ICI doses",
        found=repr(text),
        expected="numbers separated by commas",
        try_="2,5,8",
    )


def _plain(curve: "Window") -> dict[str, Any]:
    return {
        "level": curve.level,
        "lower_gy": curve.d_lo,
        "peak_gy": curve.d_peak,
        "upper_gy": curve.d_hi,
        "open_below": curve.bounds.open_low,
        "open_above": curve.bounds.open_high,
        "found": curve.bounds.found,
        "gain_max": curve.bounds.gain_max,
        "dose_per_fraction_gy": curve.doses.tolist(),
        "n_fractions": curve.n_fractions.tolist(),
        "gain": curve.gain.tolist(),
    }


def _scatter(scatter: Any) -> dict[str, Any]:
    from dataclasses import asdict

    bounds = {name: asdict(getattr(scatter, name)) for name in ("d_lo", "d_peak", "d_hi", "gain_max")}
    return {
        **bounds,
        "p_open": scatter.p_open,
        "p_no_window": scatter.p_no_window,
        "draws": scatter.n,
    }


def _write_curves(path: Path, found: "dict[str, Window]") -> None:
    from abscopal.report.html import write_whole

    lines = ["model,dose_per_fraction_gy,n_fractions,gain_log10"]
    for label, curve in found.items():
        columns = zip(curve.doses.tolist(), curve.n_fractions.tolist(), curve.gain.tolist(), strict=True)
        lines += [f"{label},{dose!r},{n},{gain!r}" for dose, n, gain in columns]
    write_whole(path, "\n".join(lines) + "\n")
