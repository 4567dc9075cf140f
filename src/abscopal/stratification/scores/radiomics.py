"""A container for a published radiomic signature, filled in by the user; features through mirp.

No coefficients of the CD8 signature of Sun et al. (2018, 2020) were found in a source we could
read, so none are shipped.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.risk import Evidence
from abscopal.stratification.score import Score

Text = Annotated[str, Field(min_length=1, max_length=400)]
MOST_FEATURES, MOST_ROWS = 1000, 100_000


class RadiomicFeature(BaseModel):
    """One feature of a signature.

    Attributes
    ----------
    name : str
        Name in the feature table, such as a mirp column.
    ibsi : str
        Identifier of the Image Biomarker Standardisation Initiative, four letters or digits; "" for one
        that is no radiomic feature (location, tube voltage).
    coefficient : float
        Per unit of the standardised feature, (x - mean) / scale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    ibsi: str = ""
    coefficient: float
    mean: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0
    region: Literal["tumour", "ring", "other"] = "tumour"

    @model_validator(mode="after")
    def _known_form(self) -> Self:
        if self.ibsi and not re.fullmatch(r"[A-Z0-9]{3,4}", self.ibsi):
            raise ValueError(f"{self.ibsi!r} is not an IBSI identifier")
        if not all(math.isfinite(value) for value in (self.coefficient, self.mean, self.scale)):
            raise ValueError("coefficient, mean and scale must be finite")
        return self


class RadiomicSignature(BaseModel):
    """A linear radiomic signature with the image processing it was made with.

    Attributes
    ----------
    resampling : tuple of float
        Voxel size z, y, x after resampling. [mm]
    bin_width : float
        Width of a grey-level bin. [HU]
    ring : float
        Width of the peripheral ring, 0 for none. [mm]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    source: Text
    population: Text
    evidence: Evidence = "prognostic"
    intercept: float = 0.0
    resampling: tuple[float, float, float]
    bin_width: Annotated[float, Field(gt=0)]
    ring: Annotated[float, Field(ge=0)] = 0.0
    cutoff: float | None = None
    features: Annotated[tuple[RadiomicFeature, ...], Field(min_length=1, max_length=MOST_FEATURES)]

    @model_validator(mode="after")
    def _no_doubles(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise ValueError("a feature is listed twice")
        if min(self.resampling) <= 0:
            raise ValueError("voxel sizes must be above zero")
        return self

    def score(self, values: Mapping[str, float]) -> Score:
        """The signature of one lesion from its feature values.

        Parameters
        ----------
        values : mapping
            By feature name, extracted with this signature's processing.
        """
        fields = {
            "name": "radiomic_signature", "label": f"Radiomic signature: {self.name}", "evidence": self.evidence,
            "status": "uncertain", "source": self.source,
        }  # fmt: skip
        absent = [f.name for f in self.features if not math.isfinite(values.get(f.name, math.nan))]
        if absent:
            return Score.model_validate({**fields, "not_computable": "not computable: needs " + ", ".join(absent)})
        total = self.intercept + sum(f.coefficient * (values[f.name] - f.mean) / f.scale for f in self.features)
        category = (
            "" if self.cutoff is None else f"{'at or above' if total >= self.cutoff else 'below'} {self.cutoff:g}"
        )
        notes = (f"filled in by the user; made on {self.population}", "features differ between scanners and kernels")
        return Score.model_validate({**fields, "value": total, "category": category, "notes": notes})


def read_signature(path: Path) -> RadiomicSignature:
    """A signature written in TOML.

    Raises
    ------
    InputError
        Not TOML, a missing or unknown key, a value that is not possible.
    """
    try:
        return RadiomicSignature.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as exc:
        raise InputError(
            doing=f"reading the radiomic signature {path.name}", found=str(exc)[:300],
            expected="name, source, population, resampling, bin_width and [[features]]", try_="docs/stratification.md",
        ) from exc  # fmt: skip


def extract_features(signature: RadiomicSignature, image: Path, mask: Path) -> dict[str, float]:
    """Features of one lesion on one CT, by mirp (IBSI), with the processing of the signature.

    Parameters
    ----------
    image, mask : Path
        What mirp reads: a DICOM series with RTSTRUCT or SEG, or NIfTI files.

    Returns
    -------
    dict
        Value by mirp's feature name, of the region inside the mask.

    Raises
    ------
    UnsupportedError
        mirp is not installed, or the signature uses a ring, which has to be contoured as a mask of its own.
    """
    if signature.ring > 0:
        raise UnsupportedError(
            doing="extracting radiomic features", found=f"a ring of {signature.ring:g} mm",
            expected="one region per extraction", try_="a mask of the ring, extracted on its own",
        )  # fmt: skip
    try:
        from mirp import extract_features as extract
    except ImportError as exc:
        raise UnsupportedError(
            doing="extracting radiomic features", found="no package mirp", expected="the optional extra",
            try_="pip install 'abscopal[radiomics]'",
        ) from exc  # fmt: skip
    table = extract(
        image=str(image), mask=str(mask), new_spacing=list(signature.resampling),
        base_discretisation_method="fixed_bin_size", base_discretisation_bin_width=signature.bin_width,
    )[0]  # fmt: skip
    return {str(name): float(value) for name, value in table.iloc[0].items() if isinstance(value, Real)}


def read_features(path: Path) -> list[dict[str, float]]:
    """Feature values of each lesion, one row of a CSV each; cells that are no numbers are left out.

    Raises
    ------
    InputError
        No such file, no row, too many rows or columns.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, nrows=MOST_ROWS + 1)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as exc:
        raise InputError(
            doing=f"reading features from {path.name}", found=type(exc).__name__, expected="a CSV file",
            try_="checking the path",
        ) from exc  # fmt: skip
    if not 0 < len(frame) <= MOST_ROWS:
        raise InputError(
            doing=f"reading features from {path.name}", found=f"{len(frame)} rows", expected=f"1 to {MOST_ROWS}",
            try_="splitting the file",
        )  # fmt: skip
    numbers = frame.select_dtypes("number").to_dict("records")
    return [{str(name): float(value) for name, value in row.items()} for row in numbers]
