"""A FHIR file as a checked bundle: bounded, of resource types that exist, and as the FHIR R4B classes take it."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.interchange.extra import fhir

LARGEST = 16 * 2**20
"""Bytes of a bundle at most."""
MOST = 10_000
"""Resources of a bundle at most."""
_DEEPEST = 60


def read_bundle(source: str | Path) -> Any:
    """The bundle of a file, as an object of `fhir.resources`.

    Parameters
    ----------
    source : str or Path
        The text of a bundle, or the path of a file.

    Raises
    ------
    InputError
        Too large, too deep, no JSON, or a resource that FHIR R4B does not have or refuses, by its path.
    UnsupportedError
        Without the extra `interchange`; modifier extensions, which may turn the meaning of a resource around.
    """
    return _checked(_content(source))


def _content(source: str | Path) -> Any:
    if isinstance(source, Path):
        size = source.stat().st_size
        content = source.read_bytes() if size <= LARGEST else b""
    else:
        content = source.encode()
        size = len(content)
    if size > LARGEST:
        raise wrong(f"{size / 2**20:.0f} MiB", f"{LARGEST // 2**20} MiB at most")
    try:
        return json.loads(
            content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
    except RecursionError:
        raise wrong(f"values nested more than {_DEEPEST} deep", "a bundle as programs write it") from None
    except ValueError as exc:  # a JSONDecodeError gives its line, a UnicodeDecodeError its place
        raise wrong(f"no JSON: {str(exc)[:120]}", "JSON in UTF-8") from exc


def _refuse_constant(text: str) -> None:
    raise ValueError(f"the number {text}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is given twice in one object")
    return found


def _checked(content: Any) -> Any:
    """The bundle, after every resource type in it is known to exist."""
    if not isinstance(content, dict) or content.get("resourceType") != "Bundle":
        raise wrong("no Bundle", "a Bundle of FHIR R4 at the top")
    entries = content.get("entry") or []
    if not isinstance(entries, list) or len(entries) > MOST:
        raise wrong("entries that are no list, or too many", f"{MOST} entries at most")
    for path, depth, part in _walk(content):
        if depth > _DEEPEST:
            raise wrong(f"values nested more than {_DEEPEST} deep", "a bundle as programs write it")
        if isinstance(part, dict) and "resourceType" in part:
            _require_type(part["resourceType"], path)
        if isinstance(part, dict) and part.get("modifierExtension"):
            raise UnsupportedError(
                doing="reading a FHIR bundle", found=f"a modifierExtension at {path or 'the top'}",
                expected="resources that mean what their elements say", try_="a bundle without it",
            )  # fmt: skip
    try:
        return fhir().get_fhir_model_class("Bundle").model_validate(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise wrong(f"{_path(first['loc'])}: {first['msg'][:160]}", "resources of FHIR R4") from exc
    except (ValueError, TypeError, OverflowError, ArithmeticError) as exc:
        raise wrong(f"a value that FHIR R4 does not take ({type(exc).__name__})", "resources of FHIR R4") from exc


def _require_type(kind: Any, path: str) -> None:
    find = fhir().get_fhir_model_class
    try:
        known = isinstance(kind, str) and issubclass(find(kind), find("Resource"))
    except ValueError:
        known = False
    if not known:
        raise wrong(f"the unknown resource type {str(kind)[:60]!r} at {path or 'the top'}", "resource types of FHIR R4")


def _walk(content: Any) -> Iterator[tuple[str, int, Any]]:
    waiting: list[tuple[str, int, Any]] = [("", 0, content)]
    while waiting:
        path, depth, part = waiting.pop()
        yield path, depth, part
        if isinstance(part, dict):
            waiting.extend((f"{path}.{key}".lstrip("."), depth + 1, value) for key, value in part.items())
        elif isinstance(part, list):
            waiting.extend((f"{path}[{k}]", depth + 1, value) for k, value in enumerate(part))


def _path(place: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "the bundle"


def wrong(found: str, expected: str) -> InputError:
    """What is wrong with a bundle."""
    return InputError(
        doing="reading a FHIR bundle", found=found, expected=expected,
        try_="a bundle of CodeX Radiation Therapy resources (docs/interchange.md)",
    )  # fmt: skip
