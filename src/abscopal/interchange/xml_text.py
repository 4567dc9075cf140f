"""XML from elsewhere as text that can be parsed without harm: bounded, UTF-8, without a document type, not too deep."""

import re
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from abscopal.domain.errors import InputError

LARGEST = 32 * 2**20
"""Bytes of a file at most."""
_DEEPEST = 200
_ENCODING = re.compile(r"<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")


def xml_text(source: str | bytes | Path, doing: str) -> str:
    """The text of a document, with an XML declaration.

    Parameters
    ----------
    source : str, bytes or Path
        The text or bytes of a document, or the path of a file.
    doing : str
        What an error says was being done.

    Raises
    ------
    InputError
        Too large, not UTF-8, or with a document type or entities of its own; with the line.
    """
    if isinstance(source, Path):
        size = source.stat().st_size
        content = source.read_bytes() if size <= LARGEST else b""
    else:
        content = source.encode() if isinstance(source, str) else source
        size = len(content)
    if size > LARGEST:
        raise InputError(
            doing=doing, found=f"{size / 2**20:.0f} MiB", expected=f"{LARGEST // 2**20} MiB at most",
            try_="a smaller model",
        )  # fmt: skip
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(
            doing=doing, found=f"bytes that are not UTF-8 at {exc.start}", expected="a file in UTF-8",
            try_="saving it as UTF-8",
        ) from exc  # fmt: skip
    declared_as = _ENCODING.match(text.lstrip())
    if declared_as is not None and declared_as[1].upper() not in {"UTF-8", "US-ASCII"}:
        raise InputError(
            doing=doing, found=f"line 1: the encoding {declared_as[1][:20]!r}", expected="a file in UTF-8",
            try_="saving it as UTF-8",
        )  # fmt: skip
    if not text.lstrip().startswith("<?xml"):
        text = f'<?xml version="1.0" encoding="UTF-8"?>{text}'  # libSBML would add a line and count it
    for declared in ("<!DOCTYPE", "<!ENTITY"):
        place = text.upper().find(declared)
        if place >= 0:
            raise InputError(
                doing=doing,
                found=f"{declared} on line {text.count(chr(10), 0, place) + 1}",
                expected="XML without a document type or entities of its own, which can unpack without end",
                try_="removing the declaration",
            )
    return text


def parsed(text: str, doing: str, *, keep: bool = True) -> Element:
    """The root of a text of `xml_text`; without what is in it unless `keep`.

    Raises
    ------
    InputError
        XML that is malformed, with the line, or nested deeper than any model: reading it goes as deep.
    """
    depth = 0
    root: Element | None = None
    try:
        for event, element in iterparse(BytesIO(text.encode()), events=("start", "end")):  # noqa: S314 - without a DTD
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            if event == "end" and not keep and depth:
                element.clear()
            elif depth > _DEEPEST:
                raise InputError(
                    doing=doing,
                    found=f"elements nested more than {_DEEPEST} deep",
                    expected="a model as programs write them",
                    try_="splitting its formulas",
                )
    except ParseError as exc:
        raise InputError(
            doing=doing, found=f"line {exc.position[0]}: {exc.msg}", expected="well-formed XML",
            try_="correcting that line",
        ) from exc  # fmt: skip
    if root is None:
        raise InputError(doing=doing, found="nothing", expected="well-formed XML", try_="another file")
    return root
