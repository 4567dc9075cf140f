"""`abscopal window`: at which dose per fraction radiation and ICI do most together, and what moves that."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.immune.model import ParameterSet
    from abscopal.window.ensemble import Ensemble
    from abscopal.window.experiment import Experiment
    from abscopal.window.surface import Window
    from abscopal.window.uncertainty import WindowUncertainty


class Parameters(StrEnum):
    """Where the model's values come from."""

    posterior = "posterior"
    set_b = "set-b"


DISEASE_PARAMETERS = ("g", "K", "alpha", "beta", "s0")
SETS: "dict[Parameters, ParameterSet]" = {Parameters.posterior: "posterior", Parameters.set_b: "set_b"}
IciOption = Annotated[
    str, typer.Option("--ici", help="Class (anti-CTLA-4, anti-PD-1, anti-PD-L1) or drug name; none for no ICI.")
]
IciDaysOption = Annotated[str, typer.Option(help="Days of the ICI doses after the first fraction, such as 2,5,8.")]
IntervalOption = Annotated[float, typer.Option(min=0.01, help="Days between fractions.")]
WeekdaysOption = Annotated[bool, typer.Option("--weekdays", help="Fractions Monday to Friday instead of an interval.")]
OffOption = Annotated[list[str] | None, typer.Option("--off", help="Mechanism to leave out; may be repeated.")]
ModulatorOption = Annotated[list[str] | None, typer.Option("--modulator", help="Modulator given; may be repeated.")]
NodeOption = Annotated[float, typer.Option(min=0, help="Dose to the draining node with each fraction [Gy].")]
FractionsOption = Annotated[int, typer.Option(min=1, max=60, help="Number of fractions.")]
DoseOption = Annotated[float, typer.Option(min=0.01, max=100, help="Dose per fraction [Gy].")]
LevelOption = Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of the largest gain that bounds it.")]
DrawsOption = Annotated[int, typer.Option(min=1, max=5000, help="Draws of the parameters.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]
OutOption = Annotated[Path | None, typer.Option(help="Folder for figures (SVG), tables (CSV) and JSON.")]
ParametersOption = Annotated[
    Parameters | None,
    typer.Option("--parameters", help="Calibrated draws (the default where shipped), or scatter around set B."),
]
DiseaseOption = Annotated[
    str, typer.Option(help="Human disease in place of the mouse line, with the calibrated model: wide assumptions.")
]
AnimalsOption = Annotated[
    int, typer.Option(min=0, max=100, help="Virtual animals for each draw; 0 for no variation between animals.")
]

app = typer.Typer(invoke_without_command=True, help="The dose-immune window, its synergy, timing and sensitivity.")


def add_to(root: typer.Typer) -> None:
    """Add the command and its companions."""
    root.add_typer(app, name="window")


@app.callback()
def window(
    context: typer.Context,
    fractions: FractionsOption = 3,
    total_dose: Annotated[float | None, typer.Option(min=0.1, help="Total dose of the second family [Gy].")] = None,
    bed10: Annotated[float | None, typer.Option(min=0.1, help="BED, α/β 10, of the third family [Gy].")] = None,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    ici_starts: Annotated[str, typer.Option(help="Days of the first ICI dose, a map for each: -7,0,2.")] = "",
    interval: IntervalOption = 1.0,
    intervals: Annotated[str, typer.Option(help="Days between fractions, a map for each: 1,2,7.")] = "",
    weekdays: WeekdaysOption = False,
    level: LevelOption = 0.5,
    off: OffOption = None,
    modulator: ModulatorOption = None,
    node_dose: NodeOption = 0.0,
    ablations: Annotated[bool, typer.Option("--ablations/--no-ablations", help="Also without each mechanism.")] = True,
    surface: Annotated[bool, typer.Option("--map/--no-map", help="Also the map over dose and fractions.")] = True,
    draws: DrawsOption = 200,
    animals: AnimalsOption = 1,
    seed: SeedOption = 0,
    parameters: ParametersOption = None,
    disease: DiseaseOption = "",
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the dose-immune window of every family of schedules, with 90 % intervals and ablations."""
    if context.invoked_subcommand is not None:
        return
    from abscopal.window.surface import FAMILIES, find_window, gain_surface, surfaces_over
    from abscopal.window.uncertainty import (
        ablate_window,
        bound_setters,
        family_uncertainty,
        setter_text,
        surface_uncertainty,
    )

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters)
    held: dict[str, Any] = {"n": fractions, "total_dose": total_dose, "bed10": bed10, "level": level}
    maps: dict[str, Any] = {}
    with progress_bars():
        setup, ensemble = drawn(setup, draws, animals, seed, disease)
        windows = {family: find_window(family, experiment=setup, **held) for family in FAMILIES}
        scatter = family_uncertainty(ensemble=ensemble, experiment=setup, **held)
        without = ablate_window(n=fractions, level=level, experiment=setup) if ablations else {}
        if surface and (intervals or ici_starts):
            found = surfaces_over(
                parse_days(intervals or f"{interval}"),
                parse_days(ici_starts) if ici_starts else [_first_day(setup)],
                experiment=setup,
                ensemble=ensemble,
            )
            maps = {f"every {gap:g} d, ICI from day {start:g}": made for (gap, start), made in found.items()}
        elif surface:
            maps = {"map": gain_surface(experiment=setup, ensemble=ensemble, synergy=False)}
        rows = {
            label: {int(n): surface_uncertainty(made, int(n), level) for n in made.n_fractions}
            for label, made in maps.items()
        }
    setters = bound_setters(without) if without else ()
    answer = {
        "level": level,
        "families": [_family(windows[family], scatter[family]) for family in FAMILIES],
        "ablations": [{"model": label, **_plain(curve)} for label, curve in without.items()],
        "bound_setters": plain(setters),
        "lower_bound": setter_text(setters, "low") if setters else "",
        "upper_bound": setter_text(setters, "high") if setters else "",
        "maps": [_map(label, made, rows[label]) for label, made in maps.items()],
        "notes": list(scatter["n fixed"].notes),
    }
    if out is not None:
        _write_window(out, answer, windows, scatter, without, maps)
    if as_json:
        print_json(answer)
        return
    _show_window(answer, windows, scatter, without, ici, level, out)


@app.command("synergy")
def synergy(
    dose: DoseOption = 8.0,
    fractions: FractionsOption = 3,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    interval: IntervalOption = 1.0,
    weekdays: WeekdaysOption = False,
    off: OffOption = None,
    modulator: ModulatorOption = None,
    node_dose: NodeOption = 0.0,
    draws: DrawsOption = 100,
    animals: AnimalsOption = 20,
    seed: SeedOption = 0,
    parameters: ParametersOption = None,
    disease: DiseaseOption = "",
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bliss, HSA and Loewe synergy of one course for volume, control and abscopal response."""
    from abscopal.report.window_figures import draw_synergy
    from abscopal.window.combination import combination_synergy

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters)
    with progress_bars():
        setup, ensemble = drawn(setup, draws, animals, seed, disease)
        found = combination_synergy(dose, fractions, experiment=setup, ensemble=ensemble)
    answer = plain(found)
    if out is not None:
        rows = [
            (e.name, name, *(getattr(value, part) for part in ("median", "low", "high")))
            for e in found.end_points
            for name, value in vars(e).items()
            if hasattr(value, "median")
        ]
        write_results(
            out,
            answer,
            {"synergy": draw_synergy(found)},
            {"synergy": (("end_point", "quantity", "median", "p05", "p95"), rows)},
        )
    if as_json:
        print_json(answer)
        return
    print_table(
        f"Synergy of {fractions} × {dose:g} Gy with {ici}, median (90 % interval over draws)",
        ("end point", "effect RT", "effect ICI", "effect both", "Bliss excess", "HSA excess", "DRI"),
        [
            (
                e.name,
                *(_spread(s) for s in (e.effect_rt, e.effect_ici, e.effect_both, e.bliss, e.hsa, e.dose_reduction)),
            )
            for e in found.end_points
        ],
    )
    for row in found.end_points:
        screen().print(f"{row.name}: {row.text}", markup=False)
    _say_notes(found.notes, out)


@app.command("timing")
def timing(
    dose: DoseOption = 8.0,
    fractions: FractionsOption = 3,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    starts: Annotated[str, typer.Option(help="Days of the first ICI dose; -21 to 42 by default.")] = "",
    most_doses: Annotated[int, typer.Option(min=1, max=100, help="Most ICI doses of the curve of stopping.")] = 12,
    interval: IntervalOption = 1.0,
    weekdays: WeekdaysOption = False,
    off: OffOption = None,
    modulator: ModulatorOption = None,
    node_dose: NodeOption = 0.0,
    draws: DrawsOption = 200,
    seed: SeedOption = 0,
    parameters: ParametersOption = None,
    disease: DiseaseOption = "",
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """What if ICI started earlier or later, and what if it stopped after some doses."""
    from abscopal.report.window_figures import draw_what_if
    from abscopal.window.timing import ici_stopping, ici_timing

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters)
    days = parse_days(starts) if starts else None
    with progress_bars():
        setup, ensemble = drawn(setup, draws, 1, seed, disease)
        radiation = setup.schedule(dose, fractions)
        start = ici_timing(radiation, days, experiment=setup, ensemble=ensemble)
        stop = ici_stopping(radiation, most_doses, experiment=setup, ensemble=ensemble)
    answer = {"start": plain(start), "stop": plain(stop)}
    if out is not None:
        tables = {name: _what_if_table(curves) for name, curves in (("start", start), ("stop", stop))}
        write_results(out, answer, {"start": draw_what_if(start), "stop": draw_what_if(stop)}, tables)
    if as_json:
        print_json(answer)
        return
    for title, curves in (("First ICI dose", start), ("ICI stopped", stop)):
        print_table(
            f"{title}: {fractions} × {dose:g} Gy with {ici}, median (90 % interval)",
            (curves.choice, "volume / untreated, ICI alone", "both", "gain", "S_B", f"day of {curves.threshold:g} mm³"),
            [
                (
                    f"{x:g}",
                    _column(curves.ratio["ici"], k),
                    _column(curves.ratio["both"], k),
                    _column(curves.gain, k),
                    _column(curves.log_synergy, k),
                    _column(curves.reached["both"], k, ".0f"),
                )
                for k, x in enumerate(curves.x)
            ],
        )
    screen().print(f"largest median gain with the first ICI dose on day {start.best():g}", markup=False)
    _say_notes(start.notes, out)


@app.command("sensitivity")
def sensitivity(
    fractions: FractionsOption = 3,
    samples: Annotated[int | None, typer.Option(min=8, max=8192, help="Base samples, a power of two.")] = None,
    level: LevelOption = 0.5,
    ici: IciOption = "anti-CTLA-4",
    ici_days: IciDaysOption = "",
    interval: IntervalOption = 1.0,
    off: OffOption = None,
    seed: SeedOption = 0,
    parameters: ParametersOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sobol indices of the window's bounds, by group of parameters and by parameter."""
    from abscopal.report.window_figures import draw_sensitivity
    from abscopal.window.sensitivity import OUTPUTS, window_sensitivity

    setup = build_experiment(ici, ici_days, interval, False, off, 0.0, None, parameters)
    with progress_bars():
        found = window_sensitivity(fractions, samples=samples, seed=seed, level=level, experiment=setup)
    outputs = [name for name in OUTPUTS if any(row.output == name for row in found.factors)]
    answer = {**plain(found), "leading_factors_published": {name: found.overlap(name) for name in outputs}}
    if out is not None:
        head = ("kind", "name", "output", "first", "total", "first_half_90", "total_half_90", "published")
        rows = [
            (kind, r.name, r.output, r.first, r.total, r.first_half, r.total_half, r.published)
            for kind, some in (("factor", found.factors), ("parameter", found.parameters))
            for r in some
        ]
        write_results(out, answer, {"sensitivity": draw_sensitivity(found)}, {"sensitivity": (head, rows)})
    if as_json:
        print_json(answer)
        return
    for name in outputs:
        print_table(
            f"Sobol indices: {name} ({found.overlap(name)} of the leading four are published leading factors)",
            ("factor", "first S1", "total ST", "± 90 %", "published"),
            [
                (r.name, f"{r.first:.2f}", f"{r.total:.2f}", f"{r.total_half:.2f}", "yes" if r.published else "")
                for r in found.leading(name, 6)
            ],
        )
    _say_notes(found.notes, out)


def build_experiment(
    ici: str,
    ici_days: str,
    interval: float,
    weekdays: bool,
    off: list[str] | None,
    node_dose: float,
    modulators: list[str] | None = None,
    parameters: Parameters | None = None,
) -> "Experiment":
    """The two-lesion experiment with what the options change."""
    from abscopal.pharmacology.drugs import drug_class
    from abscopal.window.ensemble import shipped_set
    from abscopal.window.experiment import reference_drugs, reference_experiment

    drugs = () if ici == "none" else reference_drugs(drug_class(ici))
    if ici_days and drugs:
        drugs = tuple(drugs[0].model_copy(update={"day": day}) for day in parse_days(ici_days))
    return reference_experiment(
        drugs=drugs,
        interval=interval,
        weekdays=weekdays,
        node_dose=node_dose,
        switches=dict.fromkeys(off or [], False),
        modulators=modulators or (),
        parameter_set=shipped_set() if parameters is None else SETS[parameters],
    )


def drawn(setup: "Experiment", draws: int, animals: int, seed: int, disease: str = "") -> "tuple[Experiment, Ensemble]":
    """The draws and animals the options ask for, and the experiment with the central values of a disease."""
    from dataclasses import replace
    from statistics import median

    from abscopal.window.ensemble import standard_ensemble

    ensemble = standard_ensemble(
        setup.model, setup.parameter_set, draws, animals=animals, seed=seed, fixed=setup.parameters, disease=disease
    )
    if disease:
        centre = {name: median(ensemble.columns[name].tolist()) for name in DISEASE_PARAMETERS}
        setup = replace(setup, parameters={**setup.parameters, **centre})
    return setup, ensemble


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
        doing="reading a list of days",
        found=repr(text),
        expected="numbers separated by commas",
        try_="2,5,8",
    )


Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


def write_results(out: Path, answer: Any, figures: Mapping[str, str], tables: Mapping[str, Table]) -> None:
    """Write `answer.json`, each figure as SVG and each table as CSV, one whole file after another."""
    import csv
    import io
    import json

    from abscopal.cli.assess import check_out
    from abscopal.drawing import standalone
    from abscopal.report.html import write_whole

    check_out(out)
    write_whole(out / "answer.json", json.dumps(answer, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    for name, svg in figures.items():
        write_whole(out / f"{name}.svg", standalone(svg))
    for name, (head, rows) in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
        write_whole(out / f"{name}.csv", text.getvalue())


def _first_day(setup: "Experiment") -> float:
    return min((dose.day for dose in setup.drugs), default=0.0)


def _write_window(
    out: Path,
    answer: Any,
    windows: "Mapping[Any, Window]",
    scatter: "Mapping[Any, WindowUncertainty]",
    without: "Mapping[str, Window]",
    maps: Mapping[str, Any],
) -> None:
    from abscopal.report.window_figures import draw_ablations, draw_families, draw_surfaces

    figures = {"families": draw_families(windows, scatter)}
    curves = [
        (family, float(d), int(n), float(g), *(float(q) for q in band))
        for family, w in windows.items()
        for d, n, g, band in zip(w.doses, w.n_fractions, w.gain, scatter[family].gain.T, strict=True)
    ]
    head = ("family", "dose_per_fraction_gy", "n_fractions", "gain_log10", "p05", "median", "p95")
    tables: dict[str, Table] = {"families": (head, curves)}
    if without:
        figures["ablations"] = draw_ablations(without)
        rows = [
            (label, float(d), float(g)) for label, w in without.items() for d, g in zip(w.doses, w.gain, strict=True)
        ]
        tables["ablations"] = (("model", "dose_per_fraction_gy", "gain_log10"), rows)
    if maps:
        figures["map"] = draw_surfaces(maps)
        cells = [
            (label, int(n), float(d), float(made.gain[i, j]))
            for label, made in maps.items()
            for i, n in enumerate(made.n_fractions)
            for j, d in enumerate(made.doses)
        ]
        tables["map"] = (("map", "n_fractions", "dose_per_fraction_gy", "median_gain_log10"), cells)
    write_results(out, answer, figures, tables)


def _show_window(
    answer: Any,
    windows: "Mapping[Any, Window]",
    scatter: "Mapping[Any, WindowUncertainty]",
    without: "Mapping[str, Window]",
    ici: str,
    level: float,
    out: Path | None,
) -> None:
    share = f"{100 * level:.0f} % of the largest gain"
    print_table(
        f"Dose-immune window at {share}, {ici}: the bounds depend on the family",
        ("family", "central values", "lower [Gy]", "peak [Gy]", "upper [Gy]", "open top", "no window"),
        [
            (
                family,
                windows[family].text(),
                _spread(row.d_lo),
                _spread(row.d_peak),
                _spread(row.d_hi),
                f"{100 * row.p_open:.0f} %",
                f"{100 * row.p_no_window:.0f} %",
            )
            for family, row in scatter.items()
        ],
    )
    if without:
        count = int(windows["n fixed"].n_fractions[0])
        print_table(
            f"What sets the bounds, {count} fraction(s), one mechanism left out at a time",
            ("model", "window"),
            [(label, curve.text()) for label, curve in without.items()],
        )
        screen().print(f"{answer['lower_bound']}\n{answer['upper_bound']}\n", markup=False)
    _say_notes(answer["notes"], out)


def _say_notes(notes: Sequence[str], out: Path | None) -> None:
    console = screen()
    for note in notes:
        console.print(f"note     {note}", markup=False)
    if out is not None:
        console.print(f"written  {out}", markup=False, soft_wrap=True)


def _spread(spread: Any, form: str = ".3g") -> str:
    return "undefined" if spread.median is None and spread.low is None and spread.high is None else spread.text(form)


def _column(band: Any, k: int, form: str = ".2f") -> str:
    low, median, high = (f"{v:{form}}" if isfinite(v) else "never" for v in band[:, k])
    return f"{median} ({low} to {high})"


def _what_if_table(curves: Any) -> Table:
    bands = {"gain": curves.gain, "log_synergy": curves.log_synergy}
    bands |= {f"volume_ratio_{arm}": band for arm, band in curves.ratio.items()}
    bands |= {f"day_reached_{arm}": band for arm, band in curves.reached.items()}
    rows = [
        (name, float(x), *(float(v) if isfinite(v) else "never" for v in band[:, k]))
        for name, band in bands.items()
        for k, x in enumerate(curves.x)
    ]
    return ("quantity", curves.choice.replace(",", ";"), "p05", "median", "p95"), rows


def _family(window: "Window", scatter: "WindowUncertainty") -> dict[str, Any]:
    return {"family": window.family, **_plain(window), "scatter": _scatter(scatter), "text": scatter.text()}


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


def _scatter(row: "WindowUncertainty") -> dict[str, Any]:
    names = ("d_lo", "d_peak", "d_hi", "gain_max", "p_open", "p_no_window", "p_upper_below", "p_peak_inside")
    return {name: plain(getattr(row, name)) for name in names} | {"animals": row.n, "gain": row.gain.tolist()}


def _map(label: str, made: Any, rows: "Mapping[int, WindowUncertainty]") -> dict[str, Any]:
    bounds = [
        {"n_fractions": n, "text": row.text(), **{k: v for k, v in _scatter(row).items() if k != "gain"}}
        for n, row in rows.items()
    ]
    return {
        "map": label,
        "dose_per_fraction_gy": made.doses.tolist(),
        "n_fractions": made.n_fractions.tolist(),
        "median_gain": made.gain.tolist(),
        "readout_day": made.readout_day.tolist(),
        "bounds": bounds,
    }
