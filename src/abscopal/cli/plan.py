"""`abscopal plan CASE --prescription 50/5 --spare lymphocytes`: a reference plan and one that spares immunity."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from abscopal.cli import plan_decide
from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen
from abscopal.cli.plan_options import (
    BixelOption,
    GantryOption,
    GridOption,
    ProtonsOption,
    SpareOption,
    TargetOption,
    beam_setup,
)

if TYPE_CHECKING:
    from abscopal.planning.sweep import Point, Sweep

MAKE = "make"
PHANTOM = "tg119"


class _CaseOrCommand(TyperGroup):
    """`abscopal plan CASE …` is `abscopal plan make CASE …`; a folder named like a command is written `./compare`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "--show-completion"):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_CaseOrCommand,
    no_args_is_help=True,
    help="Plans with the immune system in view. `abscopal plan CASE …` is `abscopal plan make CASE …`.",
)
plan_decide.add_to(app)


@app.command(MAKE)
def make(
    case: Annotated[str, typer.Argument(help="Folder or zip with CT and RTSTRUCT, or `tg119` for the phantom.")],
    prescription: Annotated[str, typer.Option(help="Total dose in Gy / fractions, such as 50/5.")],
    out: Annotated[Path, typer.Option(help="Folder of results; a run that was cut short goes on in it.")],
    spare: SpareOption = None,
    target: TargetOption = None,
    name: Annotated[
        list[str] | None, typer.Option(help="FILE_NAME=TG263_NAME, for a structure that was not recognised; repeat.")
    ] = None,
    gantry: GantryOption = None,
    protons: ProtonsOption = False,
    bixel: BixelOption = 5.0,
    grid: GridOption = 5.0,
    limit: Annotated[
        list[str] | None, typer.Option(help="Hard bound STRUCTURE:max|mean|min:GY (or EDRIC:GY); repeat.")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(min=0.001, max=1000, help="Weight of the immune terms tried; repeat.")
    ] = None,
    peak: Annotated[
        float,
        typer.Option(min=0, max=200, help="Total dose [Gy] of the vertices that `abscopal plan lattice --out` drew."),
    ] = 0.0,
    robust: Annotated[
        float, typer.Option(min=0, max=30, help="Setup error [mm] along each axis that coverage is held against.")
    ] = 0.0,
    tolerance: Annotated[float, typer.Option(min=1e-6, max=0.1, help="Residual at which a plan is converged.")] = 1e-3,
    as_json: JsonOption = False,
) -> None:
    """Make a reference plan and plans that spare the immune system at the same coverage; write both and the sweep."""
    from abscopal.cli.assess import check_out
    from abscopal.planning.influence import Prescription
    from abscopal.planning.navigate import Navigator
    from abscopal.planning.navigation_file import save_navigation
    from abscopal.planning.protocol import not_contoured
    from abscopal.planning.sweep import sweep_plans

    wanted = Prescription.parse(prescription)
    bounds = tuple(read_bound(text) for text in limit or ())
    setup = beam_setup(gantry, protons, bixel, grid)
    check_out(out)
    with progress_bars():
        matrix = matrix_on(case, wanted, setup, target, _names(name or []), out / "cache")
        found = sweep_plans(
            matrix, spare or ["lymphocytes"], weights=weight, bounds=bounds, folder=out / "cache", tolerance=tolerance,
            peak=peak, robust=robust,
        )  # fmt: skip
    answer = _answer(found)
    absent = not_contoured(matrix, spare or ["lymphocytes"])
    answer["notes"] += [f"not contoured, so not spared: {', '.join(absent)}"] if absent else []
    _write(out, answer, found)
    plans = {point.name: point.course.weights for point in found.points}
    save_navigation(Navigator.from_plans(found.matrix, plans, notes=found.matrix.notes), out / plan_decide.NAVIGATION)
    if as_json:
        print_json(answer)
        return
    _show(answer, found, out)


def read_bound(text: str) -> Any:
    """A hard bound written as `Heart:mean:5`, `SpinalCord:max:20`, `PTV:min:47` or `EDRIC:3`, in Gy.

    Raises
    ------
    InputError
        Not in that form.
    """
    from abscopal.domain.errors import InputError
    from abscopal.planning.bounds import AtMost, MaxDose, MinDose
    from abscopal.planning.terms.dose import MeanDose
    from abscopal.planning.terms.immune import Edric

    structure, _, rest = text.partition(":")
    kind, _, number = rest.rpartition(":")
    try:
        value = float(number)
        if structure == "EDRIC" and not kind:
            return AtMost(Edric(), value)
        makers: dict[str, Any] = {"mean": lambda: AtMost(MeanDose(structure), value),
                                  "max": lambda: MaxDose(structure, value),
                                  "min": lambda: MinDose(structure, value)}  # fmt: skip
        return makers[kind]()
    except (ValueError, KeyError) as exc:
        raise InputError(
            doing="reading a hard bound", found=repr(text),
            expected="STRUCTURE:max:GY, STRUCTURE:mean:GY, STRUCTURE:min:GY or EDRIC:GY", try_="SpinalCord:max:20",
        ) from exc  # fmt: skip


def _names(pairs: list[str]) -> dict[str, str]:
    from abscopal.domain.errors import InputError

    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(
            doing="reading names of structures", found=repr(wrong[0]), expected="FILE_NAME=TG263_NAME",
            try_="--name 'Lunge li=Lung_L'",
        )  # fmt: skip
    return {pair.rpartition("=")[0]: pair.rpartition("=")[2] for pair in pairs}


def matrix_on(case: str, wanted: Any, setup: Any, target: str | None, names: Mapping[str, str], folder: Path) -> Any:
    """The influence matrix of a case, or of the phantom, kept in a folder."""
    from abscopal.dose.dicom.intake import read_anatomy
    from abscopal.planning.pyradplan import matrix_of_case, tg119_matrix

    if case == PHANTOM and not Path(case).exists():
        return tg119_matrix(wanted, setup, folder=folder)
    return matrix_of_case(read_anatomy(case, names=names), wanted, setup, target=target, folder=folder)


def _answer(found: "Sweep") -> dict[str, Any]:
    matrix = found.matrix
    return {
        "prescription": plain(matrix.prescription),
        "targets": list(matrix.targets),
        "modality": matrix.modality,
        "dose": matrix.kind,
        "engine": matrix.origin,
        "n_bixels": matrix.n_bixels,
        "spared": [term.label for term in found.terms],
        "chosen": found.chosen.name,
        "plans": [_point(point, found) for point in found.points],
        "limits": [plain(limit) for limit in found.limits],
        "notes": [
            *matrix.notes,
            "dose is that of the whole course; every plan is scaled to the prescription at D95% of the first target",
        ],
    }


def _point(point: "Point", found: "Sweep") -> dict[str, Any]:
    from abscopal.planning.sweep import TARGET_PERCENTS

    plan, target = point.plan, found.matrix.targets[0]
    return {
        "name": point.name,
        "weight": point.weight,
        "status": plan.status,
        "residual": plan.residual,
        "tolerance": plan.tolerance,
        "excess_over_bounds": plan.excess,
        "objective": plan.objective,
        "iterations": plan.iterations,
        "cpu_s": plan.cpu_s,
        "local_optimum_only": plan.local,
        "target": {f"D{percent}_gy": point.figure(target, percent) for percent in TARGET_PERCENTS},
        "immune": {term.label: value for term, value in zip(found.terms, point.immune, strict=True)},
        "mean_gy": {name: dvh.mean for name, dvh in point.course.dvhs.items()},
        "limits_broken": list(point.broken),
        "organs_raised": list(point.raised),
        "goals": [
            {"term": goal.term.label, "weight": goal.weight, "value": value}
            for goal, value in zip(plan.goals, plan.values, strict=True)
        ],
        "bounds": [
            {"bound": bound.label, "multiplier": multiplier}
            for bound, multiplier in zip(plan.bounds, plan.multipliers, strict=True)
        ],
    }


def _write(out: Path, answer: dict[str, Any], found: "Sweep") -> None:
    from abscopal.cli.results import write_results
    from abscopal.planning.sweep import rows_of
    from abscopal.report.plan_sweep_figures import draw_histograms, draw_tradeoff, shown_structures

    names = shown_structures(found)
    axis = max((found.reference.course.dvhs[name].edges for name in names), key=len)[::10]
    curves = [
        [float(gy), *(point.course.dvhs[name].volume_at_dose(float(gy)) for point in (found.reference, found.chosen)
                      for name in names)]
        for gy in axis
    ]  # fmt: skip
    head = ["dose_gy", *(f"{name} {kind}" for kind in ("reference", "chosen") for name in names)]
    write_results(
        out, answer, {"dvh": draw_histograms(found), "tradeoff": draw_tradeoff(found)},
        {"tradeoff": rows_of(found), "dvh": (head, curves)},
    )  # fmt: skip


def _show(answer: dict[str, Any], found: "Sweep", out: Path) -> None:
    from abscopal.planning.sweep import TARGET_PERCENTS

    first, chosen, target = found.reference, found.chosen, found.matrix.targets[0]
    rows = [
        (f"{target} D{percent}%", first.figure(target, percent), chosen.figure(target, percent), "Gy")
        for percent in TARGET_PERCENTS
    ]
    rows += [
        (term.label, first.immune[k], chosen.immune[k], "1" if term.label.startswith("lymphocyte") else "Gy")
        for k, term in enumerate(found.terms)
    ]
    told = {term.label for term in found.terms}
    rows += [
        (f"{name} mean", first.figure(name), chosen.figure(name), "Gy")
        for name in first.course.dvhs
        if f"{name} mean" not in told and not name.startswith(("GTV", "CTV", "ITV", "PTV"))
    ]
    beside = chosen.name if chosen is not first else "itself: no plan that spares keeps the limits"
    print_table(
        f"Reference plan and {beside}, {answer['prescription']['total']:g} Gy in "
        f"{answer['prescription']['n_fractions']} fractions",
        ("", "reference", "chosen", "change", "unit"),
        [
            (label, f"{a:.2f}", f"{b:.2f}", f"{100 * (b / a - 1):+.1f} %" if a >= 0.005 else "", unit)
            for label, a, b, unit in rows
        ],
    )
    console = screen()
    for point in found.points:
        marks = [*point.broken, *(f"raised: {text}" for text in point.raised)]
        console.print(
            f"{point.name:14} {point.plan.status}, residual {point.plan.residual:.1e}"
            + ("; " + "; ".join(marks) if marks else ""),
            markup=False,
        )
    for note in answer["notes"]:
        console.print(f"note     {note}", markup=False)
    console.print(f"written  {out}", markup=False, soft_wrap=True)
