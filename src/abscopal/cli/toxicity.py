"""`abscopal toxicity`: complication models, listed, evaluated and compared.

`abscopal toxicity CASE` is `abscopal toxicity assess CASE`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from abscopal.domain.patient import Patient
    from abscopal.toxicity.answer import Part, ToxicityAnswer, ToxicitySummary
    from abscopal.toxicity.assess import CaseToxicity


class AssessByDefault(TyperGroup):
    """A group whose first word, where it is no subcommand, is taken as the case to assess."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put `assess` in front of a bare case."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["assess", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=AssessByDefault, help="Complication probabilities: assess a case, list models, compare.", no_args_is_help=True
)


@app.command()
def models(
    search: Annotated[str, typer.Argument(help="Only models whose id, endpoint or organ contains this text.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List every published model, offset and anchor with its status."""
    from abscopal.toxicity.table import load_models

    text = search.casefold()
    found = [m for m in load_models().values() if text in f"{m.id} {m.endpoint} {m.organ}".casefold()]
    if as_json:
        print_json(
            [
                {
                    "model": m.id, "role": m.role, "form": m.form, "endpoint": m.endpoint, "organ": m.organ,
                    "grade": m.grade, "dose": m.dose, "alpha_beta_gy": m.alpha_beta, "population": m.cohort,
                    "needs": [f"{p.organ} {p.statistic}".strip() for p in m.predictors], "status": m.status,
                    "doi": m.doi, "remark": m.remark,
                }
                for m in found
            ]
        )  # fmt: skip
        return
    rows = [
        (m.id, f"{m.endpoint} (grade {m.grade})", m.organ, m.form if m.role == "model" else m.role, m.status)
        for m in found
    ]
    print_table(f"{len(rows)} published rows", ("model", "endpoint", "organ", "form", "status"), rows)


CaseArgument = Annotated[
    Path | None, typer.Argument(help="Folder or zip of DICOM RT files, or a .csv table of histograms.")
]
DvhOption = Annotated[Path | None, typer.Option("--dvh", help="CSV table of histograms instead of a case.")]
FractionsOption = Annotated[int | None, typer.Option(min=1, max=100, help="Fractions; of the plan if left out.")]
DifferentialOption = Annotated[bool, typer.Option("--differential", help="The table holds bins, not a curve.")]
PatientOption = Annotated[Path | None, typer.Option(help="patient.toml; see `abscopal assess --example-patient`.")]
DiseaseOption = Annotated[str | None, typer.Option(help="Disease, where there is no patient.toml.")]
IciOption = Annotated[
    str | None, typer.Option(help="Drug or class, joined by + for several; none for no ICI; else of patient.toml.")
]
OutOption = Annotated[Path | None, typer.Option(help="Folder for the JSON, CSV and SVG files.")]


@app.command()
def assess(
    case: CaseArgument = None,
    dvh: DvhOption = None,
    ici: IciOption = None,
    patient: PatientOption = None,
    disease: DiseaseOption = None,
    fractions: FractionsOption = None,
    differential: DifferentialOption = False,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Risks by organ and grade from radiation, the ICI and both, with intervals."""
    from abscopal.toxicity.picture import draw_summary

    with progress_bars():
        answer = _Question(case or dvh, ici, patient, disease, fractions, differential).answer().answer
    if out is not None:
        _write(out, "toxicity", answer, _rows(answer.summary), draw_summary(answer.summary))
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        _show(answer)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="First plan: DICOM RT folder or zip, or a .csv table.")],
    second: Annotated[Path | None, typer.Argument(help="Second plan; the first again if left out.")] = None,
    ici: IciOption = None,
    second_ici: Annotated[str | None, typer.Option(help="ICI of the second regimen, if another.")] = None,
    patient: PatientOption = None,
    disease: DiseaseOption = None,
    fractions: FractionsOption = None,
    second_fractions: FractionsOption = None,
    differential: DifferentialOption = False,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Difference of every risk between two plans or two regimens, with its interval."""
    from abscopal.report.numbers import percent
    from abscopal.toxicity.assess import compare_toxicity
    from abscopal.toxicity.picture import draw_comparison

    with progress_bars():
        one = _Question(first, ici, patient, disease, fractions, differential)
        other = _Question(
            second or first,
            ici if second_ici is None else second_ici,
            patient,
            disease,
            fractions if second_fractions is None else second_fractions,
            differential,
        )
        found = compare_toxicity(one.answer(), other.answer())
    rows = [row.model_dump(mode="json") for row in found.rows]
    if out is not None:
        _write(out, "comparison", found, rows, draw_comparison(found))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    shown = [*found.rows, *([found.complication_free] if found.complication_free else [])]
    print_table(
        "Second less first in percentage points",
        ("complication", "first", "second", "difference", "95 % interval"),
        [
            (
                f"{row.label} ({row.organ})", percent(row.first), percent(row.second),
                _points(row.difference), f"{_points(row.interval[0])} to {_points(row.interval[1])}",
            )
            for row in shown
        ],
    )  # fmt: skip
    console = screen()
    for entry in found.not_compared:
        console.print(f"not compared  {entry.label}: {entry.reason}", markup=False)
    for note in found.notes:
        console.print(f"note          {note}", markup=False)


def _points(difference: float) -> str:
    """A difference of probabilities in percentage points, with its sign."""
    return f"{100 * difference:+.2g}" if abs(difference) >= 1e-4 else "0"  # below what `percent` tells apart


@dataclass(frozen=True)
class _Question:
    """What one plan and regimen are asked with."""

    source: Path | None
    ici: str | None
    patient: Path | None
    disease: str | None
    fractions: int | None
    differential: bool

    def answer(self) -> "CaseToxicity":
        """Read the case or the table and evaluate it."""
        if self.source is None:
            raise InputError(
                doing="starting a toxicity assessment",
                found="no case",
                expected="abscopal toxicity CASE, or --dvh TABLE.csv with --fractions",
                try_="`abscopal toxicity assess --help`",
            )
        return self._of_table(self.source) if self.source.suffix.casefold() == ".csv" else self._of_case(self.source)

    def _of_table(self, path: Path) -> "CaseToxicity":
        from abscopal.domain.patient import covariates
        from abscopal.dose.dvh_table import read_dvh_table
        from abscopal.toxicity.assess import case_toxicity

        if self.fractions is None:
            raise InputError(
                doing="reading a table of dose-volume histograms",
                found="no number of fractions",
                expected="the fractions of the course: dose is converted by them",
                try_="--fractions 30",
            )
        patient = self._patient()
        dvhs = read_dvh_table(
            path, kind="differential" if self.differential else "cumulative",
            names={} if patient is None else patient.structures,
        )  # fmt: skip
        known = {} if patient is None else dict(covariates(patient))
        drugs = [] if patient is None else [drug.name for drug in patient.drugs]
        known["ici"] = self._classes(drugs)
        return case_toxicity(dvhs, self.fractions, known)

    def _of_case(self, path: Path) -> "CaseToxicity":
        from dataclasses import replace

        from abscopal.assessment.evidence import toxicity_of
        from abscopal.assessment.organs import case_dvhs
        from abscopal.assessment.plan import plan_course
        from abscopal.domain.patient import Patient
        from abscopal.dose.dicom.intake import read_case

        given = self._patient()
        patient = given or Patient(disease="other")
        case = read_case(path, names=patient.structures)
        if self.fractions is not None and case.plan is not None:
            case = replace(case, plan=replace(case.plan, n_fractions=self.fractions))
        ici = None if self.ici is None and given is not None else self._classes([])
        return toxicity_of(case_dvhs(case), patient, plan_course(case, patient), ici)

    def _patient(self) -> "Patient | None":
        from abscopal.cli.assess import read_text
        from abscopal.domain.patient import read_patient

        if self.patient is not None:
            return read_patient(read_text(self.patient), name=self.patient.name)
        return read_patient(f'disease = "{self.disease}"', name="--disease") if self.disease else None

    def _classes(self, drugs: list[str]) -> str:
        from abscopal.assessment.evidence import join_classes

        if self.ici is not None:
            drugs = [] if self.ici.strip().casefold() == "none" else self.ici.split("+")
        return join_classes(drugs)


def _rows(summary: "ToxicitySummary") -> list[dict[str, Any]]:
    """One row per complication and cause, for the CSV file."""
    causes = ("radiation", "immune", "combined", "with_interaction")
    return [
        {
            "toxicity": row.toxicity, "label": row.label, "organ": row.organ, "structures": row.structures,
            "grade": part.grade or row.grade, "timing": row.timing, "cause": cause, "what": part.what,
            "probability": part.probability, "low": part.interval[0], "high": part.interval[1],
            "basis": part.basis, "status": part.status, "warnings": " | ".join(row.warnings),
        }
        for row in summary.rows
        for cause in causes
        if (part := getattr(row, cause)) is not None
    ]  # fmt: skip


def _write(out: Path, name: str, answer: "BaseModel", rows: list[dict[str, Any]], svg: str | None) -> None:
    from csv import DictWriter
    from io import StringIO

    from abscopal.drawing import standalone
    from abscopal.report.html import write_whole

    write_whole(out / f"{name}.json", answer.model_dump_json(indent=1) + "\n")
    if rows:
        text = StringIO()
        table = DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_whole(out / f"{name}.csv", text.getvalue())
    if svg is not None:
        write_whole(out / f"{name}.svg", standalone(svg))


def _show(answer: "ToxicityAnswer") -> None:
    from abscopal.domain.manifest import RESEARCH_USE
    from abscopal.report.numbers import percent, percent_range

    def cell(part: "Part | None") -> str:
        if part is None:
            return ""
        return f"{percent(part.probability)} ({percent_range(*part.interval)})".replace(" %", "").replace("below ", "<")

    summary, console = answer.summary, screen()
    if not summary.rows:
        console.print("No complication is computable for these histograms.", markup=False)
    else:
        print_table(
            f"Complications in per cent with 95 % intervals{', ICI ' + summary.ici if summary.ici else ''}",
            ("complication", "radiation", "ICI", "either cause", "with offset"),
            [
                (
                    f"{row.label}{' !' if row.warnings else ''} (grade {row.grade}, {row.organ})", cell(row.radiation),
                    cell(row.immune), cell(row.combined), cell(row.with_interaction),
                )
                for row in summary.rows
            ],
        )  # fmt: skip
    if summary.complication_free is not None:
        free = summary.complication_free
        console.print(f"complication-free  {cell(free)}: {free.what}", markup=False)
    for row in summary.rows:
        for warning in row.warnings:
            console.print(f"! {row.label}: {warning}", markup=False)
    for group in summary.observed:
        console.print(
            f"observed  {group.endpoint}, {group.group}: {percent(group.rate)} at {group.horizon}", markup=False
        )
    for note in summary.notes:
        console.print(f"note  {note}", markup=False)
    console.print(f"{len(summary.uncovered)} toxicities without a probability here; --json says why", markup=False)
    console.print(RESEARCH_USE, style="yellow", markup=False)
