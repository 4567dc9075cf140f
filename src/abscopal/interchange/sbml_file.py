"""An SBML file as a checked document: bounded, without a DTD, of core SBML alone, and consistent."""

from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, iterparse

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.interchange.extra import libsbml

LARGEST = 32 * 2**20
"""Bytes of a file at most."""
_DEEPEST = 200
_OLDEST, _NEWEST = (2, 4), (3, 2)


def read_document(source: str | Path) -> Any:
    """A libSBML document, converted to Level 3 Version 2, with functions written out and local parameters made global.

    Parameters
    ----------
    source : str or Path
        The text of a document, or the path of a file.

    Raises
    ------
    InputError
        Too large, not UTF-8, with a DTD, malformed, or inconsistent; with the line.
    UnsupportedError
        Another level; a package that the document needs.
    """
    module = libsbml()
    text = _text(source)
    needed = _required_packages(text)
    document = module.readSBMLFromString(text)
    _refuse_errors(document, "reading SBML")
    level = (document.getLevel(), document.getVersion())
    if not _OLDEST <= level <= _NEWEST:
        raise UnsupportedError(
            doing="reading SBML",
            found=f"Level {level[0]} Version {level[1]}",
            expected="Level 2 Version 4 to Level 3 Version 2",
            try_="converting the file with libSBML",
        )
    if needed:
        raise UnsupportedError(
            doing="reading SBML",
            found=f"the required package {needed[0]!r}",
            expected="core SBML, or packages that do not change the mathematics",
            try_="flattening the model with the program that wrote it",
        )
    for category in (module.LIBSBML_CAT_UNITS_CONSISTENCY, module.LIBSBML_CAT_MODELING_PRACTICE):
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    _refuse_errors(document, "checking SBML")
    if document.getModel() is None:
        raise InputError(
            doing="reading SBML", found="no model", expected="a document with a model", try_="another file"
        )
    _refuse_constructs(document.getModel())
    for option in ("expandFunctionDefinitions", "promoteLocalParameters"):
        wanted = module.ConversionProperties()
        wanted.addOption(option, True)
        document.convert(wanted)
    if level < _NEWEST and not document.setLevelAndVersion(*_NEWEST, False):
        _refuse_errors(document, "converting SBML to Level 3 Version 2")
    return document


def _text(source: str | Path) -> str:
    if isinstance(source, Path):
        size = source.stat().st_size
        content = source.read_bytes() if size <= LARGEST else b""
    else:
        content = source.encode()
        size = len(content)
    if size > LARGEST:
        raise InputError(
            doing="reading SBML", found=f"{size / 2**20:.0f} MiB", expected=f"{LARGEST // 2**20} MiB at most",
            try_="a smaller model",
        )  # fmt: skip
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(
            doing="reading SBML", found=f"bytes that are not UTF-8 at {exc.start}", expected="a file in UTF-8",
            try_="saving it as UTF-8",
        ) from exc  # fmt: skip
    if not text.lstrip().startswith("<?xml"):
        text = f'<?xml version="1.0" encoding="UTF-8"?>{text}'  # libSBML would add a line and count it
    for declared in ("<!DOCTYPE", "<!ENTITY"):
        place = text.upper().find(declared)
        if place >= 0:
            raise InputError(
                doing="reading SBML",
                found=f"{declared} on line {text.count(chr(10), 0, place) + 1}",
                expected="XML without a document type or entities of its own, which can unpack without end",
                try_="removing the declaration",
            )
    return text


def _refuse_errors(document: Any, doing: str) -> None:
    module = libsbml()
    for k in range(document.getNumErrors()):
        error = document.getError(k)
        if error.getSeverity() >= module.LIBSBML_SEV_ERROR:
            said = [line.strip() for line in error.getMessage().splitlines() if line.strip()]
            message = " ".join(said[-2:])  # after the rule it breaks comes what breaks it
            raise InputError(
                doing=doing,
                found=f"line {error.getLine()}: {message[:300]} (libSBML {error.getErrorId()})",
                expected="a document that follows the SBML specification",
                try_="correcting that line",
            )


def _refuse_constructs(model: Any) -> None:
    """Refuse what cannot be written as rates and values; before a conversion, which would drop it silently."""
    rules = [model.getRule(k) for k in range(model.getNumRules())]
    reactions = [model.getReaction(k) for k in range(model.getNumReactions())]
    found = [("algebraicRule", rule, "an algebraic rule") for rule in rules if rule.isAlgebraic()]
    found += [("reaction", one, "a fast reaction") for one in reactions if one.isSetFast() and one.getFast()]
    for kind, element, what in found:
        raise UnsupportedError(
            doing=f"reading the {kind} {element.getId()!r} on line {element.getLine()}",
            found=what,
            expected="rules and reactions that give rates or values",
            try_="writing it as an assignment, or with rates of its own",
        )


def _required_packages(text: str) -> list[str]:
    """Namespaces of packages, known to libSBML or not, that say they change what the model means.

    Raises
    ------
    InputError
        XML that is malformed, or nested deeper than any model: reading it goes as deep.
    """
    depth, needed = 0, []
    try:
        for event, element in iterparse(BytesIO(text.encode()), events=("start", "end")):  # noqa: S314 - without a DTD
            depth += 1 if event == "start" else -1
            if event == "end":
                element.clear()
            elif depth > _DEEPEST:
                raise InputError(
                    doing="reading SBML",
                    found=f"elements nested more than {_DEEPEST} deep",
                    expected="a model as programs write them",
                    try_="splitting its formulas",
                )
            elif depth == 1:
                needed = [_namespace(name) for name, value in element.attrib.items() if _is_required(name, value)]
    except ParseError as exc:
        raise InputError(
            doing="reading SBML", found=f"line {exc.position[0]}: {exc.msg}", expected="well-formed XML",
            try_="correcting that line",
        ) from exc  # fmt: skip
    return needed


def _namespace(name: str) -> str:
    return name.removeprefix("{").rpartition("}")[0]


def _is_required(name: str, value: str) -> bool:
    return name.rpartition("}")[2] == "required" and value.strip() in {"true", "1"}
