"""`abscopal stratify`: who does well, who gains, and what can honestly be said about adding RT."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    help="Patient scores, models, treatment-effect heterogeneity and mechanistic phenotypes.", no_args_is_help=True
)

ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="FIELD=COLUMN, such as labs.albumin=ALB; may be repeated.")
]
UnitOption = Annotated[list[str] | None, typer.Option("--unit", help="COLUMN=UNIT, such as ALB=g/L; may be repeated.")]


@app.command()
def score(
    patients: Annotated[Path, typer.Argument(help="CSV with one row per patient.")],
    column: ColumnOption = None,
    unit: UnitOption = None,
    disease: Annotated[str, typer.Option(help="Disease of every patient, for a file without that column.")] = "",
    expression: Annotated[
        Path | None, typer.Option(help="CSV of genes (rows, HGNC symbols) by patients (columns).")
    ] = None,
    expression_unit: Annotated[
        str, typer.Option(help="TPM, FPKM, counts, NanoString, log2(TPM+1) or log2(FPKM+1).")
    ] = "TPM",
    tide: Annotated[
        str, typer.Option(help="Also TIDE, as Melanoma, NSCLC or Other; needs the optional package tidepy.")
    ] = "",
    pretreated: Annotated[
        bool, typer.Option("--pretreated", help="The samples had an immunotherapy before (TIDE).")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the page, CSV, JSON and a card per patient.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every score that can be computed, and why the others cannot."""
    from abscopal.report.score_page import scores_document, summary_rows, write_scores
    from abscopal.stratification.stratify import score_cohort
    from abscopal.stratification.table import read_expression, read_matrix, read_patients

    named = {name: field for field, name in pairs(column, "--column").items()}
    table = read_patients(patients, columns=named, units=pairs(unit, "--unit"), disease=disease)
    if expression is not None:
        table = read_expression(expression, expression_unit, table)
    with progress_bars():
        scores = score_cohort(table.patients)
    if tide:
        from abscopal.stratification.scores.cohort import with_tide

        scores = with_tide(table.patients, scores, read_matrix(expression, expression_unit), tide, pretreated)
    if out is not None:
        with progress_bars():
            write_scores(table, scores, out, manifest("stratify score", [patients, expression]))
    if as_json:
        print_json(scores_document(table, scores))
        return
    headings = ("score", "n", "median (range)", "evidence", "status", "why the others are not")
    print_table(f"{len(scores)} patients", headings, summary_rows(scores))
    for flag in table.flags:
        screen().print(f"flag     {flag}", markup=False)
    if out is not None:
        screen().print(f"page     {out / 'scores.html'}", markup=False)


@app.command()
def columns(as_json: JsonOption = False) -> None:
    """Column names that patient tables may use, and their units."""
    from abscopal.stratification.columns import known_names

    rows = known_names()
    if as_json:
        print_json([{"column": column.name, "field": column.field, "unit": column.unit} for column in rows])
        return
    print_table("Columns", ("column", "field", "unit"), [(one.name, one.field, one.unit) for one in rows])
    screen().print("note     a name may end in another unit, such as albumin_g_l or anc_per_ul", markup=False)


@app.command()
def radiomics(
    signature: Annotated[Path, typer.Argument(help="TOML of the signature, filled in by you.")],
    features: Annotated[Path | None, typer.Option(help="CSV with one row per lesion and a column per feature.")] = None,
    image: Annotated[Path | None, typer.Option(help="CT for extraction with mirp (optional package).")] = None,
    mask: Annotated[Path | None, typer.Option(help="Contour of the lesion for extraction.")] = None,
    as_json: JsonOption = False,
) -> None:
    """A radiomic signature you fill in, on features you bring or extract (IBSI, mirp)."""
    from abscopal.domain.errors import InputError
    from abscopal.stratification.scores.radiomics import extract_features, read_features, read_signature

    wanted = read_signature(signature)
    if features is not None:
        rows = read_features(features)
    elif image is not None and mask is not None:
        rows = [extract_features(wanted, image, mask)]
    else:
        raise InputError(
            doing="scoring a radiomic signature", found="no features", expected="--features, or --image with --mask",
            try_="--features features.csv",
        )  # fmt: skip
    scores = [wanted.score(row) for row in rows]
    if as_json:
        print_json([one.model_dump(mode="json") for one in scores])
        return
    shown = [
        (str(place), "" if one.value is None else f"{one.value:.4g}", one.category or one.not_computable)
        for place, one in enumerate(scores, 1)
    ]
    print_table(wanted.name, ("lesion", "value", "class"), shown)


@app.command()
def benefit(
    trial: Annotated[Path, typer.Argument(help="CSV with one row per patient of two arms.")],
    arm: Annotated[str, typer.Option(help="Column of the treatment.")],
    time: Annotated[str, typer.Option(help="Column of follow-up.")],
    event: Annotated[str, typer.Option(help="Column of the event, 1 seen, 0 not.")],
    time_unit: Annotated[str, typer.Option(help="Unit of follow-up: day, week, month, year.")] = "month",
    treated: Annotated[str, typer.Option(help="Label of the treated arm.")] = "",
    control: Annotated[str, typer.Option(help="Label of the control arm.")] = "",
    covariate: Annotated[
        list[str] | None, typer.Option(help="Baseline column; may be repeated. By default all others.")
    ] = None,
    observational: Annotated[
        bool, typer.Option("--observational", help="Treatment was not assigned at random.")
    ] = False,
    missing: Annotated[
        Literal["refuse", "drop", "indicator"],
        typer.Option(help="Patients without a covariate: refuse, drop, indicator."),
    ] = "refuse",
    patient: Annotated[str, typer.Option(help="Column of labels; doubles are refused.")] = "",
    start: Annotated[
        str, typer.Option(help="Column with the time treatment began after time zero; needs --landmark.")
    ] = "",
    landmark: Annotated[
        float | None, typer.Option(min=0, help="Compare from this month on, by what had begun.")
    ] = None,
    last_contact: Annotated[str, typer.Option(help="Column of the last contact, to find events after it.")] = "",
    horizon: Annotated[float | None, typer.Option(min=0.01, help="Restriction of survival [months].")] = None,
    estimator: Annotated[
        list[str] | None, typer.Option(help="dr, x, r, cox, risk, forest; the first is the primary.")
    ] = None,
    transform: Annotated[
        Literal["pseudo", "ipcw", "aipcw"], typer.Option(help="How censoring is taken out.")
    ] = "pseudo",
    modifier: Annotated[
        list[str] | None, typer.Option(help="Covariate named beforehand for an interaction Cox; may be repeated.")
    ] = None,
    negative_control: Annotated[str, typer.Option(help="Column that treatment cannot change.")] = "",
    rt_against_ici: Annotated[
        bool, typer.Option("--rt-against-ici", help="The arms are RT with ICI against the same ICI alone.")
    ] = False,
    groups: Annotated[int, typer.Option(min=2, max=10, help="Groups by predicted gain.")] = 3,
    seed: Annotated[int, typer.Option(help="Of folds and matchings.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the page, JSON, figures and predicted gains.")] = None,
    as_json: JsonOption = False,
) -> None:
    """For whom treatment changes survival in two-arm data, or "not shown"."""
    from abscopal.report.benefit_page import average_rows, benefit_document, heterogeneity_row, write_benefit
    from abscopal.stratification.benefit.analyse import analyse_benefit
    from abscopal.stratification.benefit.trial import read_trial

    read = read_trial(
        trial, arm=arm, time=time, event=event, unit=time_unit, treated=treated, control=control,
        covariates=covariate or (), randomised=not observational, missing=missing, patient=patient, start=start,
        landmark=landmark, last_contact=last_contact,
    )  # fmt: skip
    with progress_bars():
        found = analyse_benefit(
            read, horizon=horizon, estimators=tuple(estimator or ("dr", "risk")), transform=transform,
            modifiers=tuple(modifier or ()), negative_control=negative_control, rt_against_ici=rt_against_ici,
            groups=groups, seed=seed,
        )  # fmt: skip
    if out is not None:
        write_benefit(found, out, manifest("stratify benefit", [trial], seed))
    if as_json:
        print_json(benefit_document(found))
        return
    arms = f"{found.trial.treated} against {found.trial.control}"
    title = f"{arms}: {found.trial.n} patients, {int(found.trial.event.sum())} events"
    print_table(title, ("estimate", "value", "95 % interval", "unit"), average_rows(found))
    headings = ("estimator", "AUTOC", "Qini", "c-for-benefit", "slope", "scores less predicted", "verdict")
    print_table("Heterogeneity, in months", headings, [heterogeneity_row(one) for one in found.heterogeneity])
    console = screen()
    lines = [("average", found.verdict), ("who", found.verdict_heterogeneity), ("RT + ICI", found.verdict_rt)]
    for label, line in [*lines, *(("note", note) for note in found.notes)]:
        console.print(f"{label:9}{line}", markup=False)
    if out is not None:
        console.print(f"page     {out / 'benefit.html'}", markup=False)


@app.command()
def phenotypes(
    patients: Annotated[Path, typer.Argument(help="CSV with one row per patient.")],
    column: ColumnOption = None,
    unit: UnitOption = None,
    disease: Annotated[str, typer.Option(help="Disease of every patient, for a file without that column.")] = "",
    expression: Annotated[
        Path | None, typer.Option(help="CSV of genes (rows, HGNC symbols) by patients (columns).")
    ] = None,
    expression_unit: Annotated[str, typer.Option(help="TPM, FPKM, counts, NanoString, log2(TPM+1) …")] = "TPM",
    ici: Annotated[str, typer.Option(help="anti-PD-1, anti-PD-L1 or anti-CTLA-4.")] = "anti-PD-1",
    draws: Annotated[int, typer.Option(min=10, max=5000, help="Draws of what is not known, per patient.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the page, CSV and JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What the mechanistic model suggests would hold each patient back; mouse-calibrated, not a prediction."""
    from abscopal.assessment.phenotypes import window_phenotypes
    from abscopal.pharmacology.drugs import drug_class
    from abscopal.report.phenotype_page import between_text, phenotype_document, row, write_phenotypes
    from abscopal.stratification.table import read_expression, read_patients

    named = {name: field for field, name in pairs(column, "--column").items()}
    table = read_patients(patients, columns=named, units=pairs(unit, "--unit"), disease=disease)
    if expression is not None:
        table = read_expression(expression, expression_unit, table)
    with progress_bars():
        found = window_phenotypes(table.patients, ici=drug_class(ici), draws=draws, seed=seed)
    if out is not None:
        write_phenotypes(found, out, manifest("stratify phenotypes", [patients, expression], seed))
    if as_json:
        print_json(phenotype_document(found))
        return
    headings = ("patient", "phenotype", "draws", "gain", "window", "no window", "from data")
    print_table("Mechanistic, three fractions", headings, [row(one)[:7] for one in found.patients[:40]])
    console = screen()
    if len(found.patients) > 40:
        console.print(f"{len(found.patients) - 40} more patients: --out or --json", markup=False)
    for line in (between_text(found), *found.notes, *table.flags):
        console.print(f"note     {line}", markup=False)


def manifest(command: str, files: "Sequence[Path | None]", seed: int | None = None) -> dict[str, Any]:
    """Provenance of a result: version, digests of the files read, seed."""
    from abscopal.domain.manifest import make_manifest, sha256_file

    inputs = {f"table {place}": sha256_file(path) for place, path in enumerate(files, 1) if path is not None}
    made = make_manifest(command=command, inputs=inputs, parameters_sha256="", seed=seed)
    return made.model_dump(mode="json")


def pairs(options: list[str] | None, name: str) -> dict[str, str]:
    """Options written KEY=VALUE as a mapping.

    Raises
    ------
    InputError
        One of them has no equals sign.
    """
    from abscopal.domain.errors import InputError

    found = {}
    for text in options or []:
        key, sign, value = text.partition("=")
        if not (sign and key and value):
            raise InputError(doing=f"reading {name}", found=repr(text), expected="KEY=VALUE", try_=f"{name} a=b")
        found[key.strip()] = value.strip()
    return found
