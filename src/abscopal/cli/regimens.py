"""`abscopal regimens CASE --patient patient.toml`: other regimens within limits, and what each costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.regimens.decide import Decision, Judged

Ints = Annotated[list[int] | None, typer.Option("--fractions", min=1, max=60, help="Number of fractions; repeat.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("regimens")(regimens)


def regimens(
    case: Annotated[Path, typer.Argument(help="Folder or zip of DICOM RT files.")],
    patient: Annotated[Path, typer.Option(help="patient.toml.")],
    fractions: Ints = None,
    dose: Annotated[
        list[float] | None, typer.Option(help="Dose per fraction [Gy], repeat; else those of the BED floor.")
    ] = None,
    gap: Annotated[
        list[float] | None, typer.Option(min=1, max=90, help="Least days between fractions; repeat.")
    ] = None,
    ici_start: Annotated[
        list[float] | None, typer.Option(help="Day of the first ICI dose beside the present one; -7, 0, 7 by default.")
    ] = None,
    every_lesion: Annotated[bool, typer.Option("--every-lesion", help="Also irradiating every lesion.")] = False,
    node: Annotated[bool, typer.Option("--node", help="Also with the draining node irradiated.")] = False,
    modulator: Annotated[list[str] | None, typer.Option(help="Modulator tried beside none; repeat.")] = None,
    tumour_bed: Annotated[
        float | None, typer.Option(min=1, max=1000, help="Least tumour BED [Gy]; the present course's by default.")
    ] = None,
    limit: Annotated[list[str] | None, typer.Option(help="ORGAN:STATISTIC:EQD2, such as SpinalCord:D2%:45.")] = None,
    allowance: Annotated[
        float | None, typer.Option(min=0, max=500, help="Rise of organ EQD2 over the present plan allowed [%].")
    ] = None,
    most_days: Annotated[float | None, typer.Option(min=1, max=365, help="Longest course [day].")] = None,
    prefer: Annotated[str, typer.Option(help="What decides: distant or local.")] = "distant",
    complications: Annotated[
        bool, typer.Option("--complications/--no-complications", help="Also complication probabilities.")
    ] = True,
    refine: Annotated[int, typer.Option(min=0, max=200, help="Generations of continuous refinement (pymoo).")] = 0,
    draws: Annotated[int, typer.Option(min=1, max=5000, help="Draws of the immune model.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of draws and refinement.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the figure, the table and the JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Search dose, fractions, spacing, target and ICI start within limits; show what no other regimen beats."""
    from dataclasses import replace

    from abscopal.assessment.plan import plan_course
    from abscopal.assessment.regimens import default_grid, regimen_problem, verdict_of
    from abscopal.cli.assess import read_text
    from abscopal.domain.patient import read_patient
    from abscopal.dose.dicom.intake import read_case
    from abscopal.regimens.decide import search_regimens

    person = read_patient(read_text(patient), name=patient.name)
    with progress_bars():
        read = read_case(case, names=person.structures)
    course = plan_course(read, person)
    standard = default_grid(course)
    grid = replace(
        standard,
        doses=tuple(dose or ()),
        fractions=tuple(fractions or ()),
        gaps=tuple(gap or ()),
        ici_starts=standard.ici_starts if ici_start is None else (None, *ici_start),
        targets=("irradiated", "all") if every_lesion else ("irradiated",),
        nodes=(False, True) if node else (False,),
        modulators=tuple(modulator or ()),
    )
    with progress_bars():
        problem = regimen_problem(
            read,
            person,
            course,
            tumour_bed=tumour_bed,
            organ_limits=limit or (),
            allowance=None if allowance is None else allowance / 100,
            most_days=most_days,
            modulators=modulator or (),
            complications=complications,
            prefer=prefer,
            draws=draws,
            seed=seed,
        )
        found = search_regimens(problem, grid, refine=refine, seed=seed)
    answer = decision_answer(found, verdict_of(found))
    if out is not None:
        write_decision(out, answer, found)
    if as_json:
        print_json(answer)
        return
    show_decision(answer, found, out)


def _row(row: "Judged") -> dict[str, Any]:
    return {"regimen": row.candidate.text(), "length_days": row.candidate.length, **plain(row)}


def decision_answer(found: "Decision", verdict: str) -> dict[str, Any]:
    """A decision as JSON takes it."""
    chosen = {"mean": found.mean_choice, "robust": found.robust_choice, "sparing": found.sparing_choice}
    return {
        "verdict": verdict,
        "prefer": found.prefer,
        "objectives": list(found.objectives),
        "present": None if found.present is None else _row(found.present),
        "choices": {name: None if row is None else _row(row) for name, row in chosen.items()},
        "alternatives": [{"reason": reason, **_row(row)} for row, reason in found.alternatives()],
        "pareto": [_row(row) for row in found.pareto],
        "within_limits": len(found.regimens),
        "refused": dict(found.refused),
        "notes": list(found.notes),
    }


def write_decision(out: Path, answer: dict[str, Any], found: "Decision") -> None:
    """The figure, the table and the JSON of a decision."""
    from abscopal.cli.results import write_results
    from abscopal.report.regimen_figures import draw_pareto

    names = list(found.objectives)
    head = ["regimen", "n_fractions", "dose_per_fraction_gy", "gap_days", "length_days", "ici_start_day", "pareto",
            "tumour_bed_gy", "mean", "lower_quartile", "better_than_present", "readout_day"]  # fmt: skip
    head += [f"{name}_{part}" for name in names for part in ("value", "low", "high")]
    rows = [
        [
            row.candidate.text(), row.candidate.n, row.candidate.dose, row.candidate.gap, row.candidate.length,
            row.candidate.ici_start, row.pareto, row.tumour_bed, row.mean, row.robust, row.better_than_present,
            row.readout,
            *(getattr(row.values[name], part) for name in names for part in ("value", "low", "high")),
        ]
        for row in found.regimens
    ]  # fmt: skip
    figures = {"pareto": draw_pareto(found)} if found.regimens else {}
    write_results(out, answer, figures, {"regimens": (head, rows)})


def show_decision(answer: dict[str, Any], found: "Decision", out: Path | None) -> None:
    """A decision on standard output."""
    console = screen()
    console.print(answer["verdict"], markup=False)
    shown = [
        *([("present", found.present)] if found.present else []),
        *((_mark(found, r), r) for r in found.pareto[:12]),
    ]
    if found.pareto:
        print_table(
            "Regimens that no other beats in everything, best first",
            ("", "regimen", "days", "distant log₁₀", "irradiated log₁₀", "ALC nadir", "complication"),
            [
                (
                    mark,
                    row.candidate.text(),
                    f"{row.candidate.length:g}",
                    row.values["distant"].text(),
                    row.values["local"].text(".1f"),
                    row.values["lymphocytes"].text() if "lymphocytes" in row.values else "not computed",
                    row.values["complications"].text() if "complications" in row.values else "not computed",
                )
                for mark, row in shown
            ],
        )
    for _, reason in found.alternatives():
        console.print(f"- {reason}", markup=False)
    for note in found.notes:
        console.print(f"note     {note}", markup=False)
    if out is not None:
        console.print(f"written  {out}", markup=False, soft_wrap=True)


def _mark(found: "Decision", row: "Judged") -> str:
    chosen = {"mean": found.mean_choice, "robust": found.robust_choice, "sparing": found.sparing_choice}
    return ", ".join(name for name, choice in chosen.items() if choice is row)
