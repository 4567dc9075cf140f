"""`fit`, `validate` and `predict` under `abscopal toxicity` and `abscopal stratify`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    import pandas as pd

    from abscopal.learning.fit import Request
    from abscopal.learning.outcome import Outcome
    from abscopal.learning.performance import Figure
    from abscopal.learning.validate import Validation

TableArgument = Annotated[Path, typer.Argument(help="CSV with one row per patient.")]
ModelArgument = Annotated[Path, typer.Argument(help="Model written by fit.")]
FeaturesOption = Annotated[
    str,
    typer.Option(help="Comma-separated columns; log:NAME for ln(1 + x), category:NAME for a number that is a code."),
]
ModelOption = Annotated[
    str, typer.Option("--model", help="Comma-separated families, or auto: the simplest within noise of the best.")
]
UnitOption = Annotated[str | None, typer.Option(help="Unit of the times (day, week, month, year); read from the name.")]
HorizonOption = Annotated[float, typer.Option(min=0, help="Time of the stated probability; 0: median event time.")]
CompetingOption = Annotated[bool, typer.Option("--competing", help="Events coded 2 compete with those coded 1.")]
InternalOption = Annotated[
    Literal["nested-cv", "bootstrap"], typer.Option(help="Internal validation; every choice is repeated inside.")
]
FoldsOption = Annotated[int, typer.Option(min=2, max=20, help="Folds of the cross-validation.")]
RepeatsOption = Annotated[int, typer.Option(min=1, max=50, help="Repeats of the outer cross-validation.")]
ResamplesOption = Annotated[int, typer.Option(min=0, max=5000, help="Resamples for intervals.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
KnownOption = Annotated[
    list[str] | None, typer.Option("--known-before", help="Feature that reads like an outcome but is known before.")
]
FewOption = Annotated[bool, typer.Option("--allow-few-events", help="Fit below five events per parameter; flagged.")]
TwiceOption = Annotated[bool, typer.Option("--allow-duplicates", help="Equal rows are different patients; flagged.")]
SexOption = Annotated[str | None, typer.Option(help="Column for subgroups by sex; found by name.")]
AgeOption = Annotated[str | None, typer.Option(help="Column for subgroups by age; found by name.")]
ValidatedArgument = Annotated[
    str, typer.Argument(help="Model written by fit, or column:NAME for a column of probabilities from anywhere.")
]
ColumnHorizonOption = Annotated[float, typer.Option(min=0, help="Time of the probabilities of column:NAME.")]
OutFolder = Annotated[Path, typer.Option(help="Folder for the results.")]


def add_to(toxicity: typer.Typer, stratify: typer.Typer) -> None:
    """Add the commands to their groups."""
    toxicity.command("fit")(toxicity_fit)
    toxicity.command("validate")(toxicity_validate)
    toxicity.command("dose-features")(dose_features)
    stratify.command("fit")(stratify_fit)
    stratify.command("validate")(stratify_validate)
    stratify.command("predict")(stratify_predict)


def toxicity_fit(
    table: TableArgument,
    endpoint: Annotated[str, typer.Option(help="Column of the toxicity: 0 and 1 (2 for a competing event).")],
    features: FeaturesOption,
    time: Annotated[str, typer.Option(help="Column of the time to it, or to the last follow-up.")] = "",
    model: ModelOption = "auto",
    unit: UnitOption = None,
    horizon: HorizonOption = 0.0,
    competing: CompetingOption = False,
    internal: InternalOption = "nested-cv",
    folds: FoldsOption = 5,
    repeats: RepeatsOption = 1,
    resamples: ResamplesOption = 200,
    seed: SeedOption = 0,
    known_before: KnownOption = None,
    allow_few_events: FewOption = False,
    allow_duplicates: TwiceOption = False,
    out: OutFolder = Path("toxicity-model"),
    as_json: JsonOption = False,
) -> None:
    """Fit a complication model; dose features gEUD:ORGAN (fitted exponent), V30:ORGAN, D50:ORGAN, mean:ORGAN."""
    from abscopal.learning.outcome import Outcome
    from abscopal.learning.table import read_table, unit_of
    from abscopal.toxicity.learned import check_histograms, is_dose_feature, with_dose_features

    rows = read_table(table)
    kind: Any = "binary" if not time else "competing" if competing else "survival"
    outcome = Outcome(kind, endpoint, time, unit_of(time, unit) if time else "", horizon)
    terms = _terms(features)
    rows, alternatives = with_dose_features(rows, terms)
    organs = dict.fromkeys(term.rpartition(":")[2] for term in terms if is_dose_feature(term.removeprefix("log:")))
    notes = tuple(note for organ in organs for note in check_histograms(rows, organ))
    request = _request(
        terms, model, internal, folds, repeats, resamples, seed, known_before, allow_few_events, allow_duplicates, table
    )
    request = replace(request, alternatives=alternatives, command="abscopal toxicity fit", notes=notes)
    _fit(rows, outcome, request, out, as_json)


def dose_features(
    cases: Annotated[list[Path], typer.Argument(help="Folders or zips of DICOM RT files, one per patient.")],
    organ: Annotated[list[str], typer.Option("--organ", help="TG-263 name of a structure; may be repeated.")],
    out: Annotated[Path, typer.Option(help="CSV file, one row per case in the order given.")] = Path("features.csv"),
) -> None:
    """Histogram and dosiomics columns for a table to fit: one row per case, numbered, without identifiers."""
    import pandas as pd

    from abscopal.domain.progress import track
    from abscopal.domain.registry import unknown_name
    from abscopal.dose.dicom.intake import read_case
    from abscopal.toxicity.dosiomics import dosiomics_row

    rows = []
    with progress_bars():
        for path in track(cases, "reading cases", len(cases)):
            case = read_case(path)
            known = {structure.label: structure for structure in case.structures.values()}
            for name in organ:
                if name not in known:
                    raise unknown_name(f"looking for a structure in {path.name}", name, list(known))
            rows.append(dosiomics_row([known[name] for name in organ], case.dose))
    table = pd.concat(rows, ignore_index=True)
    for column in table.columns[table.isna().any()]:
        table[column] = table[column].fillna(0.0)  # beyond a plan's highest dose no volume is left
    table.insert(0, "case_number", range(1, len(table) + 1))
    table.to_csv(out, index=False)
    screen().print(f"result   {out}: {len(table)} cases, {len(table.columns)} columns", markup=False)


def stratify_fit(
    cohort: TableArgument,
    outcome: Annotated[
        str, typer.Option(help="A yes-no column such as response, or TIME,EVENT such as os_months,os_event.")
    ],
    features: FeaturesOption,
    model: ModelOption = "auto",
    unit: UnitOption = None,
    horizon: HorizonOption = 0.0,
    competing: CompetingOption = False,
    internal: InternalOption = "nested-cv",
    folds: FoldsOption = 5,
    repeats: RepeatsOption = 1,
    resamples: ResamplesOption = 200,
    seed: SeedOption = 0,
    known_before: KnownOption = None,
    allow_few_events: FewOption = False,
    allow_duplicates: TwiceOption = False,
    out: OutFolder = Path("stratify-model"),
    as_json: JsonOption = False,
) -> None:
    """Fit a prognostic model of a cohort: who does well, not who gains from a treatment."""
    from abscopal.learning.table import read_table
    from abscopal.stratification.models import outcome_of

    rows = read_table(cohort)
    wanted = outcome_of(outcome, rows.columns, unit=unit, horizon=horizon, competing=competing)
    request = _request(
        _terms(features), model, internal, folds, repeats, resamples, seed, known_before, allow_few_events,
        allow_duplicates, cohort,
    )  # fmt: skip
    _fit(rows, wanted, replace(request, command="abscopal stratify fit"), out, as_json)


def toxicity_validate(
    model: ValidatedArgument,
    table: TableArgument,
    endpoint: Annotated[str | None, typer.Option(help="Column of the toxicity, if named differently here.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time, if named differently here.")] = None,
    unit: UnitOption = None,
    horizon: ColumnHorizonOption = 0.0,
    resamples: ResamplesOption = 200,
    seed: SeedOption = 0,
    sex: SexOption = None,
    age: AgeOption = None,
    allow_duplicates: TwiceOption = False,
    out: OutFolder = Path("toxicity-validation"),
    as_json: JsonOption = False,
) -> None:
    """Validate a complication model, or a column of probabilities, on other patients; writes an HTML report."""
    from abscopal.toxicity.learned import with_dose_features

    _validate(
        model, table, endpoint, time, unit, horizon, out, as_json, prepare=with_dose_features, sex=sex, age=age,
        allow_duplicates=allow_duplicates, n_resamples=resamples, seed=seed, command="abscopal toxicity validate",
    )  # fmt: skip


def stratify_validate(
    model: ValidatedArgument,
    cohort: TableArgument,
    event: Annotated[str | None, typer.Option(help="Column of the event, if named differently here.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time, if named differently here.")] = None,
    unit: UnitOption = None,
    horizon: ColumnHorizonOption = 0.0,
    resamples: ResamplesOption = 200,
    seed: SeedOption = 0,
    sex: SexOption = None,
    age: AgeOption = None,
    allow_duplicates: TwiceOption = False,
    out: OutFolder = Path("stratify-validation"),
    as_json: JsonOption = False,
) -> None:
    """Validate a prognostic model, or a column of probabilities, on another cohort; writes an HTML report."""
    _validate(
        model, cohort, event, time, unit, horizon, out, as_json, sex=sex, age=age, allow_duplicates=allow_duplicates,
        n_resamples=resamples, seed=seed, command="abscopal stratify validate",
    )  # fmt: skip


def stratify_predict(
    model: ModelArgument,
    patients: TableArgument,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also predict patients unlike the development cohort; flagged.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the risks.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Risks of new patients, after the transport check."""
    from abscopal.learning.storage import load_model
    from abscopal.learning.table import read_table
    from abscopal.stratification.models import predict

    found = predict(load_model(model), read_table(patients), allow_outside=allow_outside)
    if out is not None:
        lines = ["patient,risk,distance"]
        scores = found.transport.out_of_distribution
        lines += [
            f"{row},{'' if risk is None else f'{risk:.6f}'},{score:.4f}"
            for row, (risk, score) in enumerate(zip(found.risk, scores, strict=True), 1)
        ]
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    rows = [
        (str(row), "no number" if risk is None else f"{100 * risk:.1f} %", f"{score:.2f}")
        for row, (risk, score) in enumerate(zip(found.risk, found.transport.out_of_distribution, strict=True), 1)
    ]
    print_table(f"{found.outcome}: {found.transport.verdict}", ("patient", "risk", "distance (above 1: unlike)"), rows)
    _say(found.notes)


def _terms(features: str) -> list[str]:
    from abscopal.domain.errors import InputError

    terms = [term.strip() for term in features.split(",") if term.strip()]
    if not terms or len(set(terms)) < len(terms):
        raise InputError(
            doing="reading --features", found=repr(features), expected="different column names, separated by commas",
            try_="--features age,log:nlr,cancer_type",
        )  # fmt: skip
    return terms


def _request(
    terms: list[str],
    model: str,
    internal: Literal["nested-cv", "bootstrap"],
    folds: int,
    repeats: int,
    resamples: int,
    seed: int,
    known_before: list[str] | None,
    few: bool,
    twice: bool,
    table: Path,
) -> "Request":
    from abscopal.domain.manifest import sha256_file
    from abscopal.learning.fit import Request

    return Request(
        terms=terms, families=tuple(name.strip() for name in model.split(",")), internal=internal, n_folds=folds,
        n_repeats=repeats, n_resamples=resamples, seed=seed, known_before=tuple(known_before or ()),
        allow_few_events=few, allow_duplicates=twice, input_sha256=sha256_file(table),
    )  # fmt: skip


def _fit(rows: "pd.DataFrame", outcome: "Outcome", request: "Request", out: Path, as_json: bool) -> None:
    from abscopal.learning.card import checklist
    from abscopal.learning.fit import fit_model
    from abscopal.learning.storage import save_model
    from abscopal.report.html import write_whole
    from abscopal.report.learned import write_card

    with progress_bars():
        fitted = fit_model(rows, outcome, request)
    card = fitted.card
    save_model(fitted, out / "model.abscopal")
    write_card(card, out / "card.html")
    write_whole(out / "card.json", card.model_dump_json(indent=1) + "\n")
    items = [
        "item,section,topic,answer",
        *(_csv(row.item, row.section, row.topic, row.answer) for row in checklist(card)),
    ]
    write_whole(out / "tripod-ai.csv", "\n".join(items) + "\n")
    if as_json:
        print_json(card.model_dump(mode="json"))
        return
    print_table(
        f"{card.outcome.words()}: {card.family} on {card.n} patients, {card.events} events",
        ("internal validation", "estimate (95 % interval)"), _figure_rows(card.internal),
    )  # fmt: skip
    screen().print(f"choice   {card.choice}", markup=False)
    _say(card.notes)
    screen().print(f"result   {out}", markup=False)


def _validate(
    model: str,
    table: Path,
    event: str | None,
    time: str | None,
    unit: str | None,
    horizon: float,
    out: Path,
    as_json: bool,
    *,
    prepare: Any = None,
    allow_duplicates: bool = False,
    **options: Any,
) -> None:
    from abscopal.domain.manifest import sha256_file
    from abscopal.learning.storage import load_model
    from abscopal.learning.table import read_table
    from abscopal.learning.validate import validate_column, validate_model
    from abscopal.report.html import write_whole
    from abscopal.report.learned import write_validation

    rows, options = read_table(table), options | {"input_sha256": sha256_file(table)}
    with progress_bars():
        if model.startswith("column:"):
            outcome = _column_outcome(event, time, unit, horizon)
            found = validate_column(rows, model.removeprefix("column:"), outcome, **options)
        else:
            loaded = load_model(Path(model))
            if prepare is not None:
                rows, _ = prepare(rows, loaded.card.terms)
            found = validate_model(loaded, rows, event=event, time=time, allow_duplicates=allow_duplicates, **options)
    write_validation(found, out / "validation.html")
    write_whole(out / "validation.json", found.model_dump_json(indent=1) + "\n")
    _show(found, out, as_json)


def _column_outcome(event: str | None, time: str | None, unit: str | None, horizon: float) -> "Outcome":
    from abscopal.domain.errors import InputError
    from abscopal.learning.outcome import Outcome
    from abscopal.learning.table import unit_of

    if event is None or (time is not None and horizon <= 0):
        raise InputError(
            doing="validating a column of probabilities", found="no outcome, or a time without a horizon",
            expected="the column of the outcome; for a censored one also the time and the horizon of the probabilities",
            try_="the options for the event, --time and --horizon",
        )  # fmt: skip
    if time is None:
        return Outcome("binary", event)
    return Outcome("survival", event, time, unit_of(time, unit), horizon)


def _show(found: "Validation", out: Path, as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    verdict = f"; these patients are {found.transport.verdict}" if found.transport else ""
    print_table(
        f"{found.outcome.words()}: {found.n} patients, {found.events} events{verdict}",
        ("measure", "estimate (95 % interval)"), _figure_rows(found.figures),
    )  # fmt: skip
    _say(found.notes)
    screen().print(f"result   {out}", markup=False)


def _figure_rows(figures: "tuple[Figure, ...]") -> list[tuple[str, str]]:
    from abscopal.report.learned import in_words

    return [(figure.label, in_words(figure)) for figure in figures]


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        screen().print(f"note     {note}", markup=False)


def _csv(*cells: object) -> str:
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)
