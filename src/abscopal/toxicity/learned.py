"""Dose features of a table of patients, for models fitted on it.

Histograms stand in columns `ORGAN_V5`, `ORGAN_V10`, ...: per cent of the volume that receives at
least so many Gy. From them come, by name: `V30:ORGAN` [percent], `D50:ORGAN` (dose to the hottest
50 %, [Gy]), `mean:ORGAN` [Gy], `gEUD[a=2]:ORGAN` [Gy], and `gEUD:ORGAN`, whose exponent is fitted.
"""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnitError
from abscopal.knowledge.load import load
from abscopal.learning.features import split_term
from abscopal.learning.outcome import FloatArray
from abscopal.learning.table import as_numbers
from abscopal.toxicity.cohort import Histograms
from abscopal.toxicity.forms import geud

SHEET = "ntcp/learned"
_NUMBER = r"(\d+(?:\.\d+)?)"
_FEATURE = re.compile(rf"^(?:V{_NUMBER}|D{_NUMBER}|mean|gEUD(?:\[a={_NUMBER}\])?):(?P<organ>.+)$")


def histograms(table: pd.DataFrame, organ: str) -> tuple[Histograms, NDArray[np.bool_]]:
    """The histograms of an organ, and which of them rose somewhere and were cut to the level before.

    What receives more than the last dose is put into one more bin above it.

    Raises
    ------
    InputError
        No such columns, a missing cell, or a histogram that rises.
    UnitError
        Fractions instead of per cent.
    """
    found = {
        float(m[1]): name
        for name in map(str, table.columns)
        if (m := re.fullmatch(rf"{re.escape(organ)}_V{_NUMBER}", name))
    }
    doing = f"reading the histograms of {organ}"
    if len(found) < 2:
        organs = sorted(
            {name.rpartition("_V")[0] for name in map(str, table.columns) if re.fullmatch(rf".+_V{_NUMBER}", name)}
        )
        raise InputError(
            doing=doing, found="no columns such as " + f"{organ}_V10, {organ}_V20",
            expected="the per cent of the volume that receives at least so many Gy",
            try_="one of " + ", ".join(organs) if organs else "adding them to the table",
        )  # fmt: skip
    doses = sorted(found)
    volume = np.column_stack([as_numbers(table[found[dose]]) for dose in doses])
    if not np.isfinite(volume).all() or (volume < 0).any() or (volume > 100.5).any():
        raise InputError(
            doing=doing, found="cells that are missing or not between 0 and 100", expected="per cent of the volume",
            try_="correcting them; a histogram is not imputed",
        )  # fmt: skip
    if volume.max() <= 1.0:
        raise UnitError(
            doing=doing, found=f"no volume above {volume.max():g}", expected="per cent, 0 to 100",
            try_="multiplying fractions by 100",
        )  # fmt: skip
    rising = _rising(volume)
    if rising.mean() > load(SHEET)["rising_share"]:
        raise InputError(
            doing=doing, found=f"{int(rising.sum())} of {len(rising)} histograms that rise with dose",
            expected="cumulative histograms: volume with at least each dose", try_="cumulating differential ones",
        )  # fmt: skip
    volume = np.minimum.accumulate(volume, axis=1)
    if doses[0] > 0:
        doses, volume = [0.0, *doses], np.column_stack([np.full(len(table), 100.0), volume])
    edges = np.append(doses, 2 * doses[-1] - doses[-2])
    bins = np.column_stack([-np.diff(volume, axis=1), volume[:, -1]]) / 100
    return Histograms(edges, bins, np.full(len(table), np.nan)), rising


def _rising(volume: FloatArray) -> NDArray[np.bool_]:
    """Patients whose per cent of volume rises with dose by more than half a point."""
    return np.asarray((np.diff(volume, axis=1) > 0.5).any(axis=1))


def is_dose_feature(name: str) -> bool:
    """Whether a term's column is made from histograms."""
    return _FEATURE.match(name) is not None


def with_dose_features(table: pd.DataFrame, terms: Iterable[str]) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """The table with a column for each dose feature asked for.

    Returns
    -------
    tuple
        The table; and for each term with a fitted exponent, the terms that may stand for it.
    """
    columns: dict[str, FloatArray] = {}
    alternatives: dict[str, list[str]] = {}
    curves: dict[str, Histograms] = {}
    for term in terms:
        transform, name = split_term(term)
        match = _FEATURE.match(name)
        if match is None or name in table.columns:
            continue
        organ = match["organ"]
        curve = curves.setdefault(organ, histograms(table, organ)[0])
        if name == f"gEUD:{organ}":
            names = [f"gEUD[a={a:g}]:{organ}" for a in load(SHEET).vector("geud_exponents")]
            alternatives[term] = [f"{transform}:{one}" if transform else one for one in names]
        else:
            names = [name]
        columns |= {one: _values(curve, one) for one in names}
    new = pd.DataFrame(columns, index=table.index)
    return pd.concat([table, new], axis=1), alternatives


def _values(curve: Histograms, name: str) -> FloatArray:
    match = _FEATURE.match(name)
    volume, dose, a = (match[1], match[2], match[3]) if match else (None, None, None)
    if volume is not None or dose is not None:
        return np.asarray(curve.figure(f"V{volume}_pct" if volume is not None else f"D{dose}_pct"))
    return np.asarray(geud(curve.dose, curve.volume, float(a) if a is not None else 1.0))


def check_histograms(table: pd.DataFrame, organ: str) -> list[str]:
    """Notes on histograms that rise, or whose integral differs from the mean in `ORGAN_mean` (Gy or cGy).

    Raises
    ------
    UnitError
        Most means agree in neither unit.
    """
    (curves, mended), column = histograms(table, organ), f"{organ}_mean"
    notes = []
    if mended.any():
        notes.append(f"{int(mended.sum())} histograms of {organ} rise with dose; the rise is cut off")
    if column not in table.columns:
        return notes
    computed, stated = np.asarray(curves.figure("mean")), as_numbers(table[column])
    apart = {unit: np.abs(stated / scale - computed) for unit, scale in (("Gy", 1.0), ("cGy", 100.0))}
    unit = min(apart, key=lambda name: float(np.nanmedian(apart[name])))
    typical, limit = float(np.nanmedian(apart[unit])), load(SHEET)["mean_tolerance"]
    if typical > limit:
        raise UnitError(
            doing=f"comparing {column} with the histograms", found=f"a typical difference of {typical:.1f} Gy",
            expected=f"means within {limit:g} Gy of the integral, in Gy or cGy", try_="checking the units of both",
        )  # fmt: skip
    off = int((apart[unit] > limit).sum())
    if unit == "cGy":
        notes.append(f"{column} is in cGy; the histograms are in Gy")
    if off:
        notes.append(f"{off} of {len(table)} patients: {column} differs from the histogram by more than {limit:g} Gy")
    return notes
