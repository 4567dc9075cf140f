"""Reading single DICOM elements: numbers, sequences, references. Missing and malformed get a message."""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from abscopal.domain.errors import DicomError
from abscopal.dose.grid import FloatArray

UNDEFINED_LENGTH = 0xFFFFFFFF
DAMAGE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the DICOM parser raises on a truncated or malformed file."""


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn the parser's own errors into a message about `what`."""
    try:
        yield
    except DAMAGE as exc:
        raise DicomError(
            doing=f"reading {what}",
            found=f"a damaged or incomplete file ({type(exc).__name__})",
            expected="a complete DICOM file",
            try_="copying or exporting the file again",
        ) from exc


@contextmanager
def lenient_parser() -> Iterator[None]:
    """Let the DICOM parser pass over values that break the standard without a word of its own.

    What matters is checked here, with a message; the parser's warnings and log lines would only stand
    beside it.
    """
    logger = logging.getLogger("pydicom")
    level = logger.level
    with disable_value_validation(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


def floats(dataset: Dataset, keyword: str, what: str, *, count: int | None = None) -> FloatArray:
    """The numbers of a required element, read straight from the file's text where it is still unparsed."""
    values = _numbers(dataset, keyword)
    if values is None or values.size == 0 or (count is not None and values.size != count):
        raise DicomError(
            doing=f"reading {what}",
            found=f"no usable {keyword}"
            if values is None or values.size == 0
            else f"{values.size} values in {keyword}",
            expected=f"{keyword} with {count or 'at least one'} finite value(s)",
            try_="exporting the file again with this element filled in",
        )
    return values


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first number of an optional element, None where it is absent or empty."""
    values = _numbers(dataset, keyword)
    return None if values is None or values.size == 0 else float(values[0])


def text(dataset: Dataset, keyword: str) -> str:
    """An optional element as text, '' where it is absent."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of an optional sequence."""
    value = dataset.get(keyword)
    return [] if value is None else list(value)


def referenced(dataset: Dataset, *keywords: str) -> list[str]:
    """ReferencedSOPInstanceUIDs of the items of some sequences."""
    uids = (text(item, "ReferencedSOPInstanceUID") for keyword in keywords for item in items(dataset, keyword))
    return [uid for uid in uids if uid]


def _numbers(dataset: Dataset, keyword: str) -> FloatArray | None:
    if keyword not in dataset:
        return None
    element = dataset.get_item(keyword)
    raw: Any = element.value if element is not None else None
    if isinstance(element, RawDataElement) and isinstance(raw, bytes) and dictionary_VR(keyword) in {"DS", "IS"}:
        raw = raw.rstrip(b"\0 ").split(b"\\") if raw.strip(b"\0 ") else []
    else:
        raw = dataset[keyword].value
    if raw is None or isinstance(raw, str | bytes):
        return None
    try:
        values = np.array(raw, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return values if np.isfinite(values).all() else None


def is_truncated(dataset: Dataset) -> bool:
    """Whether an element of the file is shorter than it declares."""
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset would parse every element
        element = dataset.get_item(tag)
        if not isinstance(element, RawDataElement) or element.length == UNDEFINED_LENGTH:
            continue
        if len(element.value or b"") < element.length:
            return True
    return False
