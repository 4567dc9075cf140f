"""`abscopal plan compare|fractionation|export`: plans side by side, in other fractions, and as DICOM."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
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
    from abscopal.planning.biology import Fractionation
    from abscopal.planning.compare import PlanComparison, Row
    from abscopal.planning.navigate import Navigator

NAVIGATION = "navigation.npz"
PlansArgument = Annotated[
    Path, typer.Argument(help="Folder that `abscopal plan` filled, or its navigation.npz.", metavar="PLANS")
]
PatientOption = Annotated[Path, typer.Option(help="patient.toml.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("compare")(compare)
    app.command("fractionation")(fractionation)
    app.command("export")(export)


def compare(
    plans: PlansArgument,
    patient: PatientOption,
    plan: Annotated[
        list[str] | None,
        typer.Option(help="Plan by name, or a mix such as `a=0.5,b=0.5`; repeat. The first is the reference; all "
                          "plans of the folder by default."),
    ] = None,
    draws: Annotated[int | None, typer.Option(min=1, max=5000, help="Draws of the immune model.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the figure, the table and the JSON.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Set plans side by side at equal coverage of the target and equal tumour BED."""
    from abscopal.assessment.planned import planned_setting
    from abscopal.cli.assess import check_out, read_text
    from abscopal.domain.patient import read_patient
    from abscopal.planning.compare import compare_plans, summary
    from abscopal.planning.course import PlannedCourse

    if out is not None:
        check_out(out)
    person = read_patient(read_text(patient), name=patient.name)
    navigator = _navigator(plans)
    matrix = navigator.as_matrix()
    names = plan or list(navigator.plans)
    courses = [PlannedCourse(name, matrix, mix_named(name, navigator)) for name in names]
    with progress_bars():
        found = compare_plans(
            courses[0], courses[1:], planned_setting(person, navigator.prescription, draws=draws, seed=seed)
        )
    answer = dict(summary(found))
    if out is not None:
        _write(out, answer, found)
    if as_json:
        print_json(answer)
        return
    _show(found, out)


def fractionation(
    case: Annotated[str, typer.Argument(help="Folder or zip with CT and RTSTRUCT.")],
    prescription: Annotated[str, typer.Option(help="The present course: total dose in Gy / fractions, such as 50/25.")],
    patient: PatientOption,
    out: Annotated[Path, typer.Option(help="Folder of results; a search that was cut short goes on in it.")],
    spare: SpareOption = None,
    weight: Annotated[
        list[float] | None, typer.Option(min=0.001, max=1000, help="Weight of the immune terms; repeat. 1 by default.")
    ] = None,
    fractions: Annotated[
        list[int] | None, typer.Option(min=1, max=60, help="Number of fractions; repeat. A set of six by default.")
    ] = None,
    gap: Annotated[
        list[float] | None, typer.Option(min=1, max=90, help="Least days between fractions; repeat.")
    ] = None,
    ici_start: Annotated[
        list[float] | None, typer.Option(help="Day of the first ICI dose beside the present one; repeat.")
    ] = None,
    target: TargetOption = None,
    gantry: GantryOption = None,
    protons: ProtonsOption = False,
    bixel: BixelOption = 5.0,
    grid: GridOption = 5.0,
    limit: Annotated[
        list[str] | None, typer.Option(help="Hard bound STRUCTURE:max|mean|min:GY of the present course; repeat.")
    ] = None,
    prefer: Annotated[str, typer.Option(help="What decides: distant or local.")] = "distant",
    complications: Annotated[
        bool, typer.Option("--complications/--no-complications", help="Also complication probabilities.")
    ] = True,
    draws: Annotated[int | None, typer.Option(min=1, max=5000, help="Draws of the immune model.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Plan every number of fractions at one tumour BED; show what no other plan and schedule beats."""
    from abscopal.assessment.planned import planned_setting
    from abscopal.assessment.regimens import verdict_of
    from abscopal.cli.assess import check_out, read_text
    from abscopal.cli.plan import matrix_on, read_bound
    from abscopal.cli.regimens import decision_answer, show_decision, write_decision
    from abscopal.domain.patient import read_patient
    from abscopal.planning.biology import Outer, plan_fractionations, protocol_variants
    from abscopal.planning.influence import Prescription

    check_out(out)
    person = read_patient(read_text(patient), name=patient.name)
    wanted = Prescription.parse(prescription)
    bounds = tuple(read_bound(text) for text in limit or ())
    setup = beam_setup(gantry, protons, bixel, grid)
    outer = Outer(
        tuple(fractions) if fractions else None, tuple(gap) if gap else None,
        None if ici_start is None else tuple(ici_start), prefer, complications,
    )  # fmt: skip
    with progress_bars():
        matrix = matrix_on(case, wanted, setup, target, person.structures, out / "cache")
        made, variants = protocol_variants(
            matrix, spare or ["lymphocytes"], weights=weight or (1.0,), bounds=bounds, folder=out / "cache"
        )
        found = plan_fractionations(
            made, variants, planned_setting(person, wanted, draws=draws, seed=seed), outer, folder=out / "cache"
        )
    answer = decision_answer(found.decision, verdict_of(found.decision))
    answer["plans"] = [
        {"plan": name, "n_fractions": n, "residual": residual, "folder": _of_fractions(n)}
        for (name, n), residual in found.residuals.items()
    ]
    answer["skipped"] = dict(found.skipped)
    write_decision(out, answer, found.decision)
    _save_plans(out, found)
    if as_json:
        print_json(answer)
        return
    show_decision(answer, found.decision, out)
    for what, why in found.skipped.items():
        screen().print(f"skipped  {what}: {why}", markup=False)


def _of_fractions(n: int) -> str:
    return f"fractions-{n:02d}"


def _save_plans(out: Path, found: "Fractionation") -> None:
    """The plans of each number of fractions as a folder that `compare` and `export` take."""
    from abscopal.planning.navigate import Navigator
    from abscopal.planning.navigation_file import save_navigation

    for n in sorted({count for _, count in found.plans}):
        here = {name: plan for (name, count), plan in found.plans.items() if count == n}
        if len(here) > 1:
            matrix = next(iter(here.values())).matrix
            folder = out / _of_fractions(n)
            folder.mkdir(parents=True, exist_ok=True)
            made = Navigator.from_plans(matrix, {name: plan.weights for name, plan in here.items()}, notes=matrix.notes)
            save_navigation(made, folder / NAVIGATION)


def export(
    case: Annotated[Path, typer.Argument(help="Folder or zip of DICOM RT files the plan was made on.")],
    plans: PlansArgument,
    out: Annotated[Path, typer.Option(help="Folder to write; none of the files may be there.")],
    plan: Annotated[
        str | None, typer.Option(help="Plan by name, or a mix such as `a=0.5,b=0.5`; the last by default.")
    ] = None,
    label: Annotated[str, typer.Option(help="RTPlanLabel, 1 to 16 characters.")] = "RESEARCH ONLY",
    alpha_beta: Annotated[
        list[float] | None,
        typer.Option(min=0.1, max=50, help="Also write EQD2 and BED with this α/β [Gy]; repeat. Tumour and late "
                                           "tissue by default."),
    ] = None,
    into_study: Annotated[
        bool,
        typer.Option("--into-study", help="File the objects with the study of the case: its CT, UIDs and the "
                                          "patient's identifiers. Without it they form an anonymous study."),
    ] = False,
    patient: Annotated[Path | None, typer.Option(help="patient.toml, for its names of structures.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write a plan as RTDOSE, RTSTRUCT and RTPLAN, marked as research and not for treatment."""
    from abscopal.cli.assess import read_text
    from abscopal.domain.errors import InputError
    from abscopal.domain.patient import read_patient
    from abscopal.dose.dicom.intake import read_case
    from abscopal.dose.dicom.records import Conversion
    from abscopal.dose.dicom.source import source_study
    from abscopal.planning.export import PlannedDose, export_plan, filed_identity, plan_study

    navigator = _navigator(plans)
    with progress_bars():
        names = {} if patient is None else read_patient(read_text(patient), name=patient.name).structures
        read = read_case(case, names=names)
    chosen = plan or navigator.plans[-1]
    planned = PlannedDose.of_mix(navigator, mix_named(chosen, navigator))
    images, identity = None, None
    if into_study:
        if read.ct is None:
            raise InputError(
                doing="filing a plan with its study", found="a case without a CT", expected="the planning CT",
                try_="leaving out --into-study",
            )  # fmt: skip
        images, source = source_study(case, read.ct)
        identity = filed_identity(source)
    conversions = None
    if alpha_beta:
        conversions = [Conversion(kind, value) for value in dict.fromkeys(alpha_beta) for kind in ("EQD2", "BED")]
    study = plan_study(read, planned, label=label, conversions=conversions, identity=identity, images=images)
    with progress_bars():
        files = export_plan(out, study)
    if as_json:
        print_json({"plan": chosen, "folder": str(out), "files": [path.name for path in files]})
        return
    screen().print(f"{len(files)} files in {out}: plan {chosen}, not for treatment", markup=False)


def mix_named(text: str, navigator: "Navigator") -> Any:
    """The mix a plan's name, or words such as `a=0.5,b=0.5`, stand for.

    Raises
    ------
    InputError
        An unknown name, or shares that are no numbers.
    """
    from abscopal.domain.errors import InputError

    if text in navigator.plans or "=" not in text:
        return navigator.mix_of({text: 1.0})
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        try:
            shares[name.strip()] = float(value)
        except ValueError as exc:
            raise InputError(
                doing="reading a mix of plans", found=repr(text), expected="shares such as a=0.5,b=0.5",
                try_="the name of one plan: " + ", ".join(navigator.plans),
            ) from exc  # fmt: skip
    return navigator.mix_of(shares)


def _navigator(path: Path) -> "Navigator":
    from abscopal.planning.navigation_file import load_navigation

    return load_navigation(path / NAVIGATION if path.is_dir() else path)


def _write(out: Path, answer: dict[str, Any], found: "PlanComparison") -> None:
    from abscopal.cli.results import write_results
    from abscopal.report.plan_figures import draw_comparison

    head = ["group", "figure", "unit", "better", "needs"]
    head += [f"{name} {part}" for name in found.names for part in ("value", "low", "high")]
    rows = [
        [
            row.group, row.label, row.unit, row.better, row.needs,
            *(None if value is None else getattr(value, part) for value in row.values
              for part in ("value", "low", "high")),
        ]
        for row in found.rows
    ]  # fmt: skip
    write_results(out, answer, {"comparison": draw_comparison(found)}, {"comparison": (head, rows)})


def _show(found: "PlanComparison", out: Path | None) -> None:
    rows = [[row.group, row.label, row.unit, *_cells(row)] for row in found.rows]
    title = f"Plans at the coverage of {found.names[0]}, tumour BED {found.tumour_bed:.1f} Gy"
    print_table(title, ["", "figure", "unit", *found.names], rows)
    console = screen()
    for note in found.notes:
        console.print(f"note  {note}", markup=False)
    if out is not None:
        console.print(f"written to {out}", markup=False)


def _cells(row: "Row") -> list[str]:
    if all(value is None for value in row.values):
        return [row.needs, *[""] * (len(row.values) - 1)]
    form = ".3f" if row.unit in ("1", "10⁹/L") else ".2f"
    told = ["-" if value is None else value.text(form) for value in row.values]
    for k, change in enumerate(row.changes[1:], start=1):
        told[k] += "" if change is None else f"\nchange {change.text('+.3f')}"
    return told
