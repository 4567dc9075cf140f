"""Dose-volume histograms from a CSV table, for people without the DICOM files.

One row per point: `structure`, one dose column and one volume column, whose names carry the unit.
Optional columns repeat a fact of the structure on each of its rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pandas.errors import ParserError
from scipy.integrate import trapezoid

from abscopal.domain.errors import InputError, UnitError
from abscopal.dose.dicom.names import map_names
from abscopal.dose.dvh import DVH
from abscopal.dose.grid import FloatArray

Kind = Literal["cumulative", "differential"]
DOSE_COLUMNS = {"dose_gy": 1.0, "dose_cgy": 0.01}
VOLUME_COLUMNS = {"volume_percent": 0.01, "volume_fraction": 1.0, "volume_cm3": 0.0}
"""Factor to a fraction of the whole; an absolute volume is divided by the largest."""
FACTS = ("structure_volume_cm3", "mean_gy")
LIMIT_BYTES = 50_000_000
LIMIT_STRUCTURES = 500
START = 5e-3  # how far the first value of a cumulative histogram may be from the whole volume
RISE = 1e-4  # rounding by which a cumulative histogram may rise
TAIL = 5e-3  # share of the volume that may be left at the last dose without a note


def read_dvh_table(path: Path, *, kind: Kind = "cumulative", names: Mapping[str, str] | None = None) -> dict[str, DVH]:
    """Histograms of a CSV file by TG-263 name.

    Parameters
    ----------
    path : Path
        With the columns `structure`; `dose_gy` or `dose_cgy`; `volume_percent`, `volume_fraction` or
        `volume_cm3`. Optional: `structure_volume_cm3` and `mean_gy` (the mean the planning system states,
        compared with the integral of the histogram wherever a model uses it).
    kind : {"cumulative", "differential"}
        Volume that receives at least the dose, or volume in a bin whose centre is the dose.
    names : mapping, optional
        Name in the file to TG-263 name.

    Returns
    -------
    dict
        Physical dose. A structure without any volume in cm3 has the volume NaN, and models that need
        a volume say so.

    Raises
    ------
    InputError
        A missing or doubled column, text or negative numbers, doses that do not rise, a histogram that
        does not begin with the whole volume or rises.
    """
    table = _read(path)
    dose_column, volume_column = _column(table, DOSE_COLUMNS), _column(table, VOLUME_COLUMNS)
    for column in (dose_column, volume_column, *FACTS):
        if column in table:
            table[column] = _numbers(table, column)
    groups = {str(name): rows for name, rows in table.groupby("structure", sort=False)}
    if len(groups) > LIMIT_STRUCTURES:
        raise _wrong(f"{len(groups)} structures", f"at most {LIMIT_STRUCTURES}", "splitting the file")
    matches = map_names(groups, names)
    return {
        matches[name].standard_name or name: _histogram(
            matches[name].standard_name or name, rows, dose_column, volume_column, kind
        )
        for name, rows in groups.items()
    }


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise _wrong(f"a file of {path.stat().st_size} bytes", f"at most {LIMIT_BYTES}", "splitting the file")
        table = pd.read_csv(path, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, ParserError, ValueError) as exc:
        raise _wrong(f"{type(exc).__name__} in {path.name}", "a CSV table", "saving it as UTF-8 CSV") from exc
    table.columns = [str(name).strip().casefold() for name in table.columns]
    if "structure" not in table or table.empty:
        raise _wrong(", ".join(table.columns), "a column structure and at least one row", "adding the column")
    table["structure"] = table["structure"].astype(str).str.strip()
    return table


def _column(table: pd.DataFrame, options: Mapping[str, float]) -> str:
    found = [name for name in options if name in table]
    if len(found) != 1:
        raise UnitError(
            doing="reading a table of dose-volume histograms",
            found=", ".join(found) if found else f"columns {', '.join(table.columns)}",
            expected="exactly one of " + ", ".join(options),
            try_="naming the column with its unit",
        )
    return found[0]


def _numbers(table: pd.DataFrame, column: str) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    bad = table.index[~np.isfinite(numbers) | (numbers < 0)]
    if len(bad):
        raise _wrong(
            f"{table.at[bad[0], column]!r} for {column} in row {int(bad[0]) + 2}",
            "a number of at least 0",
            "correcting it",
        )
    return numbers


def _histogram(name: str, rows: pd.DataFrame, dose_column: str, volume_column: str, kind: Kind) -> DVH:
    dose = rows[dose_column].to_numpy() * DOSE_COLUMNS[dose_column]
    volume = rows[volume_column].to_numpy()
    if len(dose) < 2 or (np.diff(dose) <= 0).any():
        raise _wrong(f"doses of {name} that do not rise, or only one", "at least two, in rising order", "sorting them")
    whole = float(volume.max() if kind == "cumulative" else volume.sum())
    absolute = whole if volume_column == "volume_cm3" else np.nan
    if not whole > 0:
        raise _wrong(f"no volume for {name}", "a positive volume", "leaving the structure out")
    share = (
        volume / whole
        if kind == "differential" or volume_column == "volume_cm3"
        else (volume * VOLUME_COLUMNS[volume_column])
    )
    edges, fraction = (_from_bins if kind == "differential" else _from_curve)(name, dose, share)
    notes = (f"{100 * share[-1]:.3g} % of the volume is left at the last dose of the table",)
    return DVH(
        organ=name,
        edges=edges,
        volume_fraction=fraction,
        volume_cm3=_fact(name, rows, "structure_volume_cm3", absolute),
        mean=_fact(name, rows, "mean_gy", float(trapezoid(fraction, edges))),
        minimum=float(edges[np.flatnonzero(fraction >= 1.0)[-1]]),
        maximum=float(edges[np.flatnonzero(fraction > 0)[-1] + 1]),
        notes=notes if kind == "cumulative" and share[-1] > TAIL else (),
    )


def _from_curve(name: str, dose: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    if abs(share[0] - 1) > START or (np.diff(share) > RISE).any():
        raise _wrong(
            f"a histogram of {name} that begins at {100 * share[0]:.4g} % or rises",
            "a cumulative histogram: 100 % at its first dose, never rising",
            "--differential if each row is a bin, or volumes in the unit the column names",
        )
    fraction = np.minimum.accumulate(np.clip(share / share[0], 0.0, 1.0))
    if dose[0] > 0:
        dose, fraction = np.r_[0.0, dose], np.r_[1.0, fraction]
    if fraction[-1] > 0:  # what is left at the last dose is taken as receiving it
        dose, fraction = np.r_[dose, np.nextafter(dose[-1], np.inf)], np.r_[fraction, 0.0]
    return dose, fraction


def _from_bins(_: str, dose: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    middle = (dose[1:] + dose[:-1]) / 2
    last = dose[-1] + (dose[-1] - middle[-1])
    edges = np.r_[max(0.0, 2 * dose[0] - middle[0]), middle, last]
    fraction = np.clip(np.r_[1.0, 1.0 - np.cumsum(share)], 0.0, 1.0)
    fraction[-1] = 0.0
    return (edges, fraction) if edges[0] == 0 else (np.r_[0.0, edges], np.r_[1.0, fraction])


def _fact(name: str, rows: pd.DataFrame, column: str, otherwise: float) -> float:
    if column not in rows:
        return otherwise
    values = rows[column].unique()
    if len(values) != 1:
        raise _wrong(
            f"{len(values)} values of {column} for {name}", "one for each structure", "repeating the same value"
        )
    return float(values[0])


def _wrong(found: str, expected: str, try_: str) -> InputError:
    return InputError(doing="reading a table of dose-volume histograms", found=found, expected=expected, try_=try_)
