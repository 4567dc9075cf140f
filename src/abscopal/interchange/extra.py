"""The libraries behind the formats, imported when they are needed."""

import importlib
from typing import Any

from abscopal.domain.errors import UnsupportedError


def libsbml() -> Any:
    """The module `libsbml`.

    Raises
    ------
    UnsupportedError
        Without the extra `interchange`.
    """
    return _module("libsbml", "reading or writing SBML", "interchange")


def petab() -> Any:
    """PEtab's library for its version 1.

    Raises
    ------
    UnsupportedError
        Without the extra `interchange`.
    """
    return _module("petab.v1", "reading or writing PEtab", "interchange")


def yaml() -> Any:
    """The module `yaml`, which PEtab's library brings.

    Raises
    ------
    UnsupportedError
        Without the extra `interchange`.
    """
    return _module("yaml", "reading PEtab", "interchange")


def pypesto() -> Any:
    """The module `pypesto`.

    Raises
    ------
    UnsupportedError
        Without the extra `inference`.
    """
    return _module("pypesto", "making a problem for pyPESTO", "inference")


def pypesto_optimize() -> Any:
    """The module `pypesto.optimize`.

    Raises
    ------
    UnsupportedError
        Without the extra `inference`.
    """
    return _module("pypesto.optimize", "fitting by pyPESTO", "inference")


def fhir() -> Any:
    """The package of FHIR R4B classes, which `get_fhir_model_class` finds by name.

    Raises
    ------
    UnsupportedError
        Without the extra `interchange`.
    """
    return _module("fhir.resources.R4B", "reading or writing FHIR", "interchange")


def _module(name: str, doing: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise UnsupportedError(
            doing=doing,
            found=f"no {name.partition('.')[0]} on this machine",
            expected=f"the extra '{extra}'",
            try_=f"pip install 'abscopal[{extra}]'",
        ) from exc
