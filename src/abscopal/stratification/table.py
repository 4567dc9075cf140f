"""Reading patients from a table: columns mapped, units checked, nothing guessed."""

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pandas as pd
from pydantic import ValidationError

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.patient import Disease, Expression, Patient
from abscopal.domain.registry import unknown_name
from abscopal.stratification.columns import MISSING, Column, disease_of, known_fields, recognise
from abscopal.stratification.scores.expression import score_genes

MAX_BYTES, MAX_ROWS, MAX_COLUMNS = 200_000_000, 200_000, 30_000
"""Bounds of what is read."""


@dataclass(frozen=True)
class PatientTable:
    """Patients of a file, with what had to be said about them.

    Attributes
    ----------
    patients : tuple of Patient
    written_disease : tuple of str
        Cancer type as the file has it.
    columns : tuple of Column
        Columns that were read.
    ignored : tuple of str
        Columns nothing here can use.
    flags : tuple of str
        Duplicates, unknown cancer types, labels that were replaced.
    """

    patients: tuple[Patient, ...]
    written_disease: tuple[str, ...]
    columns: tuple[Column, ...]
    ignored: tuple[str, ...]
    flags: tuple[str, ...]


def read_patients(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    disease: str = "",
) -> PatientTable:
    """Patients from a CSV file.

    Parameters
    ----------
    path : Path
        One row per patient, one heading line.
    columns : mapping, optional
        Field of `patient.toml` (such as `labs.albumin`) by column name, where the name is not
        recognised.
    units : mapping, optional
        Unit by column name, where the name does not state it.
    disease : str
        Disease of every patient, for a file without that column.

    Raises
    ------
    InputError
        No such file, no patient, no disease, a column named in `columns` that is absent.
    UnitError
        A value no patient has in the unit of its column, with the unit that would fit.
    """
    header, rows = _read(path)
    found, ignored = _columns(header, columns or {}, units or {})
    fields = {column.field for column in found}
    if "disease" not in fields and not disease:
        raise InputError(
            doing=f"reading patients from {path.name}",
            found="no column for the cancer type among " + ", ".join(header[:12]),
            expected="a column such as cancer_type",
            try_="--disease NSCLC if all have the same, or --column disease=YOUR_COLUMN",
        )
    _check_fractions(found, rows, path.name)
    return _patients(found, ignored, rows, disease, path.name)


def read_expression(path: Path, unit: str, patients: PatientTable) -> PatientTable:
    """The patients with the genes that scores read, from a table of genes by samples.

    Parameters
    ----------
    path : Path
        CSV: first column HGNC symbols, one further column per patient label. Other genes are not kept.
    unit : str
        What the values are; see `patient.toml`.

    Raises
    ------
    InputError
        No sample carries the label of a patient; a value that is no number.
    """
    header, rows = _read(path)
    wanted, genes = score_genes(), dict[str, dict[str, float]]()
    labels = {patient.pseudonym for patient in patients.patients} & set(header[1:])
    if not labels:
        raise InputError(
            doing=f"reading expression from {path.name}", found="samples " + ", ".join(header[1:6]),
            expected="columns named as the patients", try_="the same labels in both files",
        )  # fmt: skip
    for line, row in enumerate(rows, 2):
        gene = row[header[0]].strip()
        if gene not in wanted:
            continue
        for label in labels:
            if not _number(row[label]):
                raise InputError(
                    doing=f"reading {path.name}, line {line}", found=repr(row[label][:40]), expected="a number",
                    try_="leaving that gene out",
                )  # fmt: skip
            if gene in genes.setdefault(label, {}):
                raise InputError(
                    doing=f"reading {path.name}, line {line}", found=f"{gene} again", expected="each gene once",
                    try_="summing its transcripts",
                )  # fmt: skip
            genes[label][gene] = float(row[label])
    found = []
    for patient in patients.patients:
        values = genes.get(patient.pseudonym)
        expression = _expression(values, unit, path.name) if values else None
        found.append(patient.model_copy(update={"expression": expression}))
    return replace(patients, patients=tuple(found))


def read_matrix(path: Path | None, unit: str) -> pd.DataFrame:
    """Every gene by every sample, for scores that need the whole profile; TPM or FPKM only.

    Raises
    ------
    InputError
        No file, another unit, cells that are no numbers.
    """
    if path is None or unit not in ("TPM", "FPKM"):
        raise InputError(
            doing="reading a whole expression profile", found="no file" if path is None else unit,
            expected="--expression with TPM or FPKM", try_="--expression genes.csv --expression-unit TPM",
        )  # fmt: skip
    header, rows = _read(path)
    try:
        values = [[float(row[name]) for name in header[1:]] for row in rows]
    except ValueError as exc:
        raise InputError(
            doing=f"reading {path.name}", found=str(exc), expected="numbers", try_="leaving those genes out"
        ) from exc
    return pd.DataFrame(values, index=[row[header[0]] for row in rows], columns=header[1:])


def _expression(values: dict[str, float], unit: str, name: str) -> Expression:
    try:
        return Expression.model_validate({"unit": unit, "genes": values})
    except ValidationError as exc:
        problem = exc.errors()[0]
        raise InputError(
            doing=f"reading expression from {name}", found=repr(problem["input"])[:60], expected=problem["msg"],
            try_="--expression-unit TPM",
        ) from exc  # fmt: skip


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    doing = f"reading patients from {path.name}"
    if not path.is_file():
        raise InputError(doing=doing, found="no such file", expected="a CSV file", try_="checking the path")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            doing=doing,
            found=f"{path.stat().st_size} bytes",
            expected=f"at most {MAX_BYTES}",
            try_="splitting the file",
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            header = list(reader.fieldnames or [])
            rows = [dict(row) for row, _ in zip(reader, range(MAX_ROWS + 1), strict=False)]
    except (UnicodeDecodeError, csv.Error) as exc:
        raise InputError(doing=doing, found=str(exc), expected="CSV text in UTF-8", try_="exporting it again") from exc
    wrong = ""
    if not rows:
        wrong = "no row"
    elif len(rows) > MAX_ROWS or len(header) > MAX_COLUMNS:
        wrong = f"more than {MAX_ROWS} rows or {MAX_COLUMNS} columns"
    elif len(set(header)) < len(header):
        wrong = "two columns called " + next(name for name, n in Counter(header).items() if n > 1)
    elif uneven := [i for i, row in enumerate(rows, 2) if None in row or None in row.values()]:
        wrong = f"line {uneven[0]} with another number of cells than the heading"
    if wrong:
        raise InputError(
            doing=doing, found=wrong, expected="one heading and one row per patient", try_="exporting it again"
        )
    return header, rows


def _columns(
    header: list[str], mapping: Mapping[str, str], units: Mapping[str, str]
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    for name in (*mapping, *units):
        if name not in header:
            raise unknown_name("mapping the columns of a table", name, header)
    found: dict[str, Column] = {}
    for name in header:
        column = recognise(name)
        if name in mapping:
            if mapping[name] not in known_fields():
                raise unknown_name(f"mapping the column '{name}'", mapping[name], known_fields())
            by_field = recognise(mapping[name].rpartition(".")[2])
            column = Column(name, mapping[name], by_field.unit if by_field else "")
        if column is None or (column.field in found and name not in mapping):
            continue
        found[column.field] = replace(column, unit=units[name]) if name in units else column
    used = {column.name for column in found.values()}
    return tuple(found.values()), tuple(name for name in header if name not in used)


def _check_fractions(columns: tuple[Column, ...], rows: list[dict[str, str]], file: str) -> None:
    """A percentage whose values all lie between 0 and 1 is a fraction until somebody says otherwise."""
    for column in columns:
        if column.unit != "percent":
            continue
        values = [float(v) for row in rows if _number(v := row[column.name])]
        if values and max(values) <= 1 and any(0 < value < 1 for value in values):
            raise UnitError(
                doing=f"reading {file}: {column.name}",
                found=f"values from {min(values):g} to {max(values):g}",
                expected="percent, 0 to 100",
                try_=f"--unit {column.name}=1 if they are fractions",
            )


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _patients(
    columns: tuple[Column, ...], ignored: tuple[str, ...], rows: list[dict[str, str]], disease: str, file: str
) -> PatientTable:
    patients, written, flags, labels = [], [], [], Counter[str]()
    known = get_args(Disease)
    for line, row in enumerate(rows, 2):
        document: dict[str, object] = {}
        for column in columns:
            text = row[column.name].strip()
            if text.casefold() in MISSING:
                continue
            _place(document, column.field, _value(column, text, f"{file}, line {line}"))
        label = str(document.get("pseudonym", f"row-{line}"))
        if not _is_label(label):
            label = f"row-{line}"
            flags.append(
                f"line {line}: a label of other characters than letters, digits, - and _ was replaced by {label}"
            )
        if labels[label]:
            flags.append(f"line {line}: patient {label} appears again")
        labels[label] += 1
        document["pseudonym"] = label
        _lesions(document)
        name = str(document.get("disease", disease))
        meant = disease_of(name, known)
        if meant is None:
            flags.append(f"line {line}: unknown cancer type {name[:60]!r}; scored as 'other'")
        document["disease"] = meant or "other"
        written.append(name)
        patients.append(_patient(document, f"{file}, line {line}"))
    return PatientTable(tuple(patients), tuple(written), columns, ignored, tuple(_grouped(flags)))


def _grouped(flags: list[str]) -> list[str]:
    """Flags, those that say the same of many lines once."""
    kinds: dict[str, list[str]] = {}
    for flag in flags:
        line, _, text = flag.partition(": ")
        kinds.setdefault(text, []).append(line.removeprefix("line "))
    return [
        f"line{'s' if len(lines) > 1 else ''} {', '.join(lines[:8])}{', …' if len(lines) > 8 else ''}: {text}"
        for text, lines in kinds.items()
    ]


def _lesions(document: dict[str, object]) -> None:
    """Volumes and liver metastases of a row as the lesions of a patient."""
    told = document.pop("lesions", None)
    if not isinstance(told, dict):
        return
    lesions = [
        {"name": name, "site": "not given", "volume": told[name], "irradiated": name == "irradiated"}
        for name in ("irradiated", "other")
        if name in told
    ]
    if "liver" in told and lesions:
        lesions[-1]["site"] = "liver" if told["liver"] else "not the liver"
    document["lesions"] = lesions


def _is_label(label: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-]{1,40}", label) is not None


YES_OR_NO = {"history.prior_systemic_therapy", "lesions.liver"}
PERCENT = {"biomarkers.pd_l1_tps", "microbiome.akkermansia"}
YES, NO = {"1", "1.0", "true", "yes", "y"}, {"0", "0.0", "false", "no", "n"}
SEXES = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}


def _value(column: Column, text: str, where: str) -> object:
    folded = text.casefold()
    if column.field in YES_OR_NO:
        if folded in YES | NO:
            return folded in YES
        raise InputError(
            doing=f"reading {where}: {column.name}", found=repr(text[:40]), expected="0 or 1", try_="recoding it"
        )
    if column.field == "sex":
        if folded in SEXES:
            return SEXES[folded]
        raise InputError(
            doing=f"reading {where}: {column.name}",
            found=repr(text[:40]),
            expected="female or male",
            try_="recoding it",
        )
    if not column.unit:
        return text
    if not _number(text):
        raise InputError(
            doing=f"reading {where}: {column.name}",
            found=repr(text[:40]),
            expected="a number",
            try_="leaving the cell empty",
        )
    if column.field == "radiotherapy.fractions":
        return float(text)
    return float(text) if column.unit == "1" and column.field not in PERCENT else f"{text} {column.unit}"


def _place(document: dict[str, object], field: str, value: object) -> None:
    section, _, name = field.rpartition(".")
    if not section:
        document[name] = value
        return
    inner = document.setdefault(section, {})
    if isinstance(inner, dict):
        inner[name] = value


def _patient(document: dict[str, object], where: str) -> Patient:
    try:
        return Patient.model_validate(document)
    except UnitError as exc:
        raise UnitError(doing=f"{exc.doing} ({where})", found=exc.found, expected=exc.expected, try_=exc.try_) from exc
    except ValidationError as exc:
        problem = exc.errors()[0]
        raise InputError(
            doing=f"reading {where}: {'.'.join(map(str, problem['loc']))}", found=repr(problem["input"])[:60],
            expected=problem["msg"], try_="correcting that cell",
        ) from exc  # fmt: skip
