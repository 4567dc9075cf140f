"""`abscopal assess CASE --patient patient.toml --out OUT`: the whole walk for one patient."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    from abscopal.assessment.types import Assessment


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("assess")(assess)


def assess(
    case: Annotated[Path | None, typer.Argument(help="Folder or zip of DICOM RT files.")] = None,
    patient: Annotated[Path | None, typer.Option(help="patient.toml; see --example-patient.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and assessment.json.")] = None,
    frame_mismatch: Annotated[
        bool, typer.Option("--allow-frame-mismatch", help="Use dose and structures of different frames of reference.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the window's ablations and parameter scatter.")
    ] = False,
    example: Annotated[
        bool, typer.Option("--example-patient", help="Print a documented patient.toml and stop.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of assessment.json and stop.")
    ] = False,
    words: Annotated[
        Path | None, typer.Option(help="The report's words in another language, TOML; see --example-words.")
    ] = None,
    example_words: Annotated[
        bool, typer.Option("--example-words", help="Print the English words of the report and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Assess one patient: dose, immune dose, window, alternatives, toxicity, scores, evidence."""
    if example:
        from abscopal.domain.patient import example_toml

        typer.echo(example_toml(), nl=False)
        return
    if example_words:
        from abscopal.report.words import english_file

        typer.echo(english_file(), nl=False)
        return
    if schema:
        from abscopal.report.html import assessment_schema

        print_json(assessment_schema())
        return
    if case is None or patient is None or out is None:
        missing = [name for name, value in (("CASE", case), ("--patient", patient), ("--out", out)) if value is None]
        raise InputError(
            doing="starting an assessment",
            found=f"no {' and no '.join(missing)}",
            expected="abscopal assess CASE --patient patient.toml --out OUT",
            try_="`abscopal assess --help`",
        )
    answer = run(case, patient, out, allow_frame_mismatch=frame_mismatch, quick=quick, words_path=words)
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        show(answer, out)


def run(
    case_path: Path,
    patient_path: Path,
    out: Path,
    *,
    allow_frame_mismatch: bool = False,
    quick: bool = False,
    words_path: Path | None = None,
) -> "Assessment":
    """Assess and write `report.html` and `assessment.json` into `out`."""
    with progress_bars():
        from abscopal.assessment.assess import assess as assess_case
        from abscopal.domain.manifest import sha256_file
        from abscopal.domain.patient import read_patient
        from abscopal.dose.dicom.intake import read_case
        from abscopal.report.html import ENGLISH, render, write_json, write_whole
        from abscopal.report.words import read_words

        check_out(out)
        words = ENGLISH if words_path is None else read_words(words_path)
        inputs = {"patient.toml": patient_path} | ({} if words_path is None else {"words.toml": words_path})
        patient = read_patient(read_text(patient_path), name=patient_path.name)
        case = read_case(case_path, names=patient.structures, allow_frame_mismatch=allow_frame_mismatch)
        answer = assess_case(
            case,
            patient,
            command=_command(allow_frame_mismatch, quick, words_path is not None),
            extra_inputs={name: sha256_file(path) for name, path in inputs.items()},
            quick=quick,
        )
        page = render(answer, case, words)  # before anything is written: the two files appear together or not at all
        write_json(answer, out / "assessment.json")
        write_whole(out / "report.html", page)
    return answer


def _command(allow_frame_mismatch: bool, quick: bool, translated: bool) -> str:
    """The command with its options but without the user's file names, which may name a patient."""
    flags = (" --allow-frame-mismatch" if allow_frame_mismatch else "") + (" --quick" if quick else "")
    flags += " --words words.toml" if translated else ""
    return f"abscopal assess CASE --patient patient.toml --out OUT{flags}"


def show(answer: "Assessment", out: Path) -> None:
    """Print the headline table and where the files are."""
    from abscopal.report.headline import headline
    from abscopal.report.html import ENGLISH

    print_table(
        f"{answer.patient['pseudonym']}, {answer.patient['disease']}: {answer.plan.label}",
        ("", "answer", "how to take it", "status"),
        [(card.what, card.number, card.how, card.status) for card in headline(answer, ENGLISH)],
    )
    console = screen()
    for note in answer.notes:
        console.print(f"note  {note}", markup=False)
    console.print(answer.research_use, style="yellow", markup=False)
    console.print(f"report  {out / 'report.html'}\nnumbers {out / 'assessment.json'}", markup=False, soft_wrap=True)


def check_out(out: Path) -> None:
    """Refuse an output folder that cannot be one, before anything is computed."""
    if out.exists() and not out.is_dir():
        raise InputError(
            doing="preparing the output folder",
            found=f"{out.name}, which is a file",
            expected="a folder, or a name that is still free",
            try_="another folder for --out",
        )


def read_text(path: Path) -> str:
    """The text of a patient file, or the error that says why not."""
    limit = 1_000_000
    try:
        if path.stat().st_size <= limit:
            return path.read_text(encoding="utf-8")
        found = f"a file of {path.stat().st_size} bytes"
    except (OSError, UnicodeDecodeError) as exc:
        found = f"{type(exc).__name__} ({exc.strerror if isinstance(exc, OSError) else 'not UTF-8 text'})"
    raise InputError(
        doing=f"reading {path.name}",
        found=found,
        expected=f"a TOML text file of at most {limit} bytes",
        try_="`abscopal assess --example-patient > patient.toml`",
    )
