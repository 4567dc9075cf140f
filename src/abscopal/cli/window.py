"""`abscopal window`: at which dose per fraction radiation and ICI do most together, and what moves that."""

from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen
from abscopal.cli.results import write_results
from abscopal.cli.window_output import (
    column_text,
    curve_answer,
    family_answer,
    map_answer,
    say_notes,
    show_window,
    spread_text,
    what_if_table,
    write_window,
)

if TYPE_CHECKING:
    from abscopal.immune.model import ParameterSet
    from abscopal.window.ensemble import Ensemble
    from abscopal.window.experiment import Experiment


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
OnOption = Annotated[list[str] | None, typer.Option("--on", help="Mechanism to add to set B; may be repeated.")]
ModalityOption = Annotated[
    str, typer.Option(help="Radiation other than photons: proton, carbon, flash, spatially_fractionated, …")
]
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
    on: OnOption = None,
    modality: ModalityOption = "",
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

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters, on, modality)
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
        "families": [family_answer(windows[family], scatter[family]) for family in FAMILIES],
        "ablations": [{"model": label, **curve_answer(curve)} for label, curve in without.items()],
        "bound_setters": plain(setters),
        "lower_bound": setter_text(setters, "low") if setters else "",
        "upper_bound": setter_text(setters, "high") if setters else "",
        "maps": [map_answer(label, made, rows[label]) for label, made in maps.items()],
        "notes": list(scatter["n fixed"].notes),
    }
    if out is not None:
        write_window(out, answer, windows, scatter, without, maps)
    if as_json:
        print_json(answer)
        return
    show_window(answer, windows, scatter, without, ici, level, out)


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
    on: OnOption = None,
    modality: ModalityOption = "",
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

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters, on, modality)
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
                *(spread_text(s) for s in (e.effect_rt, e.effect_ici, e.effect_both, e.bliss, e.hsa, e.dose_reduction)),
            )
            for e in found.end_points
        ],
    )
    for row in found.end_points:
        screen().print(f"{row.name}: {row.text}", markup=False)
    say_notes(found.notes, out)


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
    on: OnOption = None,
    modality: ModalityOption = "",
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

    setup = build_experiment(ici, ici_days, interval, weekdays, off, node_dose, modulator, parameters, on, modality)
    days = parse_days(starts) if starts else None
    with progress_bars():
        setup, ensemble = drawn(setup, draws, 1, seed, disease)
        radiation = setup.schedule(dose, fractions)
        start = ici_timing(radiation, days, experiment=setup, ensemble=ensemble)
        stop = ici_stopping(radiation, most_doses, experiment=setup, ensemble=ensemble)
    answer = {"start": plain(start), "stop": plain(stop)}
    if out is not None:
        tables = {name: what_if_table(curves) for name, curves in (("start", start), ("stop", stop))}
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
                    column_text(curves.ratio["ici"], k),
                    column_text(curves.ratio["both"], k),
                    column_text(curves.gain, k),
                    column_text(curves.log_synergy, k),
                    column_text(curves.reached["both"], k, ".0f"),
                )
                for k, x in enumerate(curves.x)
            ],
        )
    screen().print(f"largest median gain with the first ICI dose on day {start.best():g}", markup=False)
    say_notes(start.notes, out)


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
    say_notes(found.notes, out)


def build_experiment(
    ici: str,
    ici_days: str,
    interval: float,
    weekdays: bool,
    off: list[str] | None,
    node_dose: float,
    modulators: list[str] | None = None,
    parameters: Parameters | None = None,
    on: list[str] | None = None,
    modality: str = "",
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
        switches=dict.fromkeys(off or [], False) | dict.fromkeys(on or [], True),
        modulators=modulators or (),
        parameter_set=shipped_set() if parameters is None else SETS[parameters],
        modality=modality,
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


def _first_day(setup: "Experiment") -> float:
    return min((dose.day for dose in setup.drugs), default=0.0)
