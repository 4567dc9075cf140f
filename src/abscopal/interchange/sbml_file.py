"""An SBML file as a checked document: bounded, without a DTD, of core SBML alone, and consistent."""

from pathlib import Path
from typing import Any

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.interchange.extra import libsbml

LARGEST = 32 * 2**20
"""Bytes of a file at most."""
_PART_OF_CORE = "l3v2extendedmath"
"""What libSBML keeps in a package of its own although Level 3 Version 2 has it."""
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
    _refuse_packages(document)
    for category in (module.LIBSBML_CAT_UNITS_CONSISTENCY, module.LIBSBML_CAT_MODELING_PRACTICE):
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    _refuse_errors(document, "checking SBML")
    if document.getModel() is None:
        raise InputError(
            doing="reading SBML", found="no model", expected="a document with a model", try_="another file"
        )
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
            message = " ".join(error.getMessage().split())
            raise InputError(
                doing=doing,
                found=f"line {error.getLine()}: {message[:300]} (libSBML {error.getErrorId()})",
                expected="a document that follows the SBML specification",
                try_="correcting that line",
            )


def _refuse_packages(document: Any) -> None:
    """Refuse packages whose constructs change what the model means."""
    names = [document.getPlugin(k).getPackageName() for k in range(document.getNumPlugins())]
    needed = [name for name in names if name != _PART_OF_CORE and document.getPackageRequired(name)]
    needed += [
        document.getUnknownPackagePrefix(k)
        for k in range(document.getNumUnknownPackages())
        if document.getPkgRequired(document.getUnknownPackageURI(k))
    ]
    if needed:
        raise UnsupportedError(
            doing="reading SBML",
            found=f"the required package {needed[0]!r}",
            expected="core SBML, or packages that do not change the mathematics",
            try_="flattening the model with the program that wrote it",
        )
