"""An SBML file as a checked document: bounded, without a DTD, of core SBML alone, and consistent."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.interchange.extra import libsbml
from abscopal.interchange.xml_text import parsed, xml_text

_OLDEST, _NEWEST = (2, 4), (3, 2)
_SPACE = "http://www.sbml.org/sbml/level"
_LEVELS = {
    f"{_SPACE}1": {("1", "1"), ("1", "2")}, f"{_SPACE}2": {("2", "1")},
    **{f"{_SPACE}2/version{k}": {("2", str(k))} for k in (2, 3, 4, 5)},
    **{f"{_SPACE}3/version{k}/core": {("3", str(k))} for k in (1, 2)},
}  # fmt: skip


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
    text = xml_text(source, "reading SBML")
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
    found = [("algebraicRule", rule, "an algebraic rule") for rule in rules if rule.isAlgebraic() and rule.isSetMath()]
    found += [("reaction", one, "a fast reaction") for one in reactions if one.isSetFast() and one.getFast()]
    for kind, element, what in found:
        raise UnsupportedError(
            doing=f"reading the {kind} {element.getId()!r} on line {element.getLine()}",
            found=what,
            expected="rules and reactions that give rates or values",
            try_="writing it as an assignment, or with rates of its own",
        )


def _required_packages(text: str) -> list[str]:
    """Namespaces of packages, known to libSBML or not, that say they change what the model means."""
    root = parsed(text, "reading SBML", keep=False)
    _require_level(root, text)
    return [_namespace(name) for name, value in root.attrib.items() if _is_required(name, value)]


def _require_level(root: Element, text: str) -> None:
    """Refuse a level that does not go with its namespace: libSBML ends the process on some of these."""
    space = _namespace(root.tag)
    given = (root.get("level", ""), root.get("version", ""))
    if root.tag.rpartition("}")[2] == "sbml" and given not in _LEVELS.get(space, set()):
        line = text.count("\n", 0, max(text.find("<sbml"), 0)) + 1
        raise InputError(
            doing="reading SBML",
            found=f"line {line}: level {given[0][:20]!r} and version {given[1][:20]!r} in the namespace {space[:80]!r}",
            expected="a level and version of SBML in its own namespace",
            try_="correcting that line",
        )


def _namespace(name: str) -> str:
    return name.removeprefix("{").rpartition("}")[0]


def _is_required(name: str, value: str) -> bool:
    return name.rpartition("}")[2] == "required" and value.strip() in {"true", "1"}
