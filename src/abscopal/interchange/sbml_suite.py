"""Semantic test cases in the layout of the SBML Test Suite: run, compared, and counted by tag.

A case is a folder `NNNNN` with `NNNNN-sbml-l3v2.xml` (or an older level), `NNNNN-settings.txt`, `NNNNN-results.csv`
and, for its tags, `NNNNN-model.m`. It passes if every value is within absolute + relative·|expected| of the settings.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import AbscopalError, InputError, UnsupportedError
from abscopal.domain.progress import track
from abscopal.domain.trajectory import Trajectory
from abscopal.interchange.sbml_read import SbmlModel, read_sbml
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate

FloatArray = NDArray[np.float64]
Verdict = Literal["pass", "fail", "unsupported", "error"]
_TIGHT = Tolerance(relative=1e-9, absolute=1e-12)
_LARGEST_TABLE = 64 * 2**20
_LEVELS = ("3v2", "3v1", "2v5", "2v4")
_LISTED = ("variables", "amount", "concentration")


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes
    ----------
    verdict : {"pass", "fail", "unsupported", "error"}
        `unsupported` where the model was refused by name, `error` where something else went wrong.
    reason : str
        Empty for a pass.
    worst : float
        Largest error over what is allowed; NaN where nothing was compared.
    """

    case: str
    verdict: Verdict
    reason: str
    tags: tuple[str, ...]
    worst: float = float("nan")


def run_suite(folder: Path) -> list[CaseResult]:
    """Every case of a folder, in order.

    Parameters
    ----------
    folder : Path
        With one folder per case, or a case itself.

    Raises
    ------
    InputError
        No case in the folder.
    """
    cases = sorted({path.parent for path in folder.glob("*/*-settings.txt")}) or [
        path.parent for path in folder.glob("*-settings.txt")
    ]
    if not cases:
        raise InputError(
            doing="looking for cases of the SBML Test Suite",
            found=f"none in {folder.name!r}",
            expected="folders such as 00001 with 00001-settings.txt",
            try_="the folder cases/semantic of the suite",
        )
    return [run_case(case) for case in track(cases, "running cases")]


def run_case(folder: Path) -> CaseResult:
    """One case."""
    name = folder.name
    tags = _tags(folder / f"{name}-model.m")
    try:
        settings = _settings(folder / f"{name}-settings.txt")
        columns, expected = _table(folder / f"{name}-results.csv")
        days = expected[:, 0]
        made = read_sbml(_newest(folder))
        found = simulate(made.model, [], days, side="after", start=float(settings["start"]), tolerance=_TIGHT)
    except UnsupportedError as exc:
        return CaseResult(name, "unsupported", f"{exc.found} ({exc.doing})", tags)
    except AbscopalError as exc:
        return CaseResult(name, "error", str(exc)[:300], tags)
    if found.status != "ok":
        return CaseResult(name, "error", found.status, tags)
    return _compared(name, tags, made, found, columns, expected, settings)


def _newest(folder: Path) -> Path:
    """The model in the newest level it is there in."""
    files = [folder / f"{folder.name}-sbml-l{level}.xml" for level in _LEVELS]
    found = next((path for path in files if path.is_file()), None)
    if found is None:
        raise UnsupportedError(
            doing=f"reading case {folder.name}", found="no file of a level that is read",
            expected=" or ".join(f"l{level}" for level in _LEVELS), try_="a newer release of the suite",
        )  # fmt: skip
    return found


def _compared(
    name: str,
    tags: tuple[str, ...],
    made: SbmlModel,
    found: Trajectory,
    columns: Sequence[str],
    expected: FloatArray,
    settings: Mapping[str, str],
) -> CaseResult:
    worst, where = 0.0, ""
    for k, column in enumerate(columns[1:], start=1):
        if column not in made.names:
            return CaseResult(name, "error", f"no {column!r} in the model", tags)
        got = values_of(made, found, column, settings)
        allowed = float(settings["absolute"]) + float(settings["relative"]) * np.abs(expected[:, k])
        same = (got == expected[:, k]) | (np.isnan(got) & np.isnan(expected[:, k]))
        with np.errstate(invalid="ignore"):
            ratio = np.where(same, 0.0, np.abs(got - expected[:, k]) / allowed)
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        if ratio.max(initial=0.0) > worst:
            worst, row = float(ratio.max()), int(ratio.argmax())
            where = f"{column} = {got[row]:g} at {expected[row, 0]:g}, expected {expected[row, k]:g}"
    passed = worst <= 1
    return CaseResult(name, "pass" if passed else "fail", "" if passed else where, tags, worst)


def values_of(made: SbmlModel, found: Trajectory, name: str, settings: Mapping[str, str]) -> FloatArray:
    """The course of an identifier; of a species, as the amount or concentration that the settings ask for."""
    values = made.values(found, name)
    if name not in made.species:
        return values
    compartment, is_concentration = made.species[name]
    wanted = "amount" if name in _words(settings["amount"]) else "concentration"
    if name not in _words(settings["amount"]) + _words(settings["concentration"]):
        return values
    if (wanted == "concentration") == is_concentration:
        return values
    size = made.values(found, compartment)
    return values * size if wanted == "amount" else values / size


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _settings(path: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in _read(path).splitlines() if line.strip())
    found = {key.strip(): value.strip() for key, _, value in pairs}
    missing = [key for key in ("start", "absolute", "relative", *_LISTED) if key not in found]
    if missing:
        raise InputError(
            doing=f"reading {path.name}", found=f"no {missing[0]}",
            expected="start, duration, steps, variables, absolute, relative, amount and concentration",
            try_="the settings file of the suite",
        )  # fmt: skip
    return found


def _table(path: Path) -> tuple[list[str], FloatArray]:
    rows = [row for row in csv.reader(_read(path).splitlines()) if row]
    try:
        values = np.array([[float(cell) for cell in row] for row in rows[1:]])
        ascending = values.ndim == 2 and bool((np.diff(values[:, 0]) > 0).all())
    except ValueError:
        ascending = False
    if not ascending:
        raise InputError(
            doing=f"reading {path.name}", found="rows that are not numbers of one length in ascending time",
            expected="time and one column per variable", try_="the results file of the suite",
        )  # fmt: skip
    return [cell.strip().rpartition("`")[2] for cell in rows[0]], values  # some name the model before the variable


def _tags(path: Path) -> tuple[str, ...]:
    if not path.exists():
        return ()
    lines = (line.partition(":") for line in _read(path).splitlines())
    return tuple(
        tag for key, _, value in lines if key.strip() in {"componentTags", "testTags"} for tag in _words(value)
    )


def _read(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _LARGEST_TABLE:
        raise InputError(
            doing=f"reading {path.name}", found="no such file" if not path.is_file() else "a file that is too large",
            expected="the files of a case side by side", try_="the folder cases/semantic of the suite",
        )  # fmt: skip
    return path.read_text(encoding="utf-8", errors="replace")


def by_tag(results: Sequence[CaseResult]) -> dict[str, dict[str, int]]:
    """How many cases of each tag had each verdict."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("pass", "fail", "unsupported", "error"), 0))
    for result in results:
        for tag in result.tags or ("(no tags)",):
            counts[tag][result.verdict] += 1
    return dict(sorted(counts.items()))
