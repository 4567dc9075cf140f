"""The library behind SBML, imported when it is needed."""

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
    try:
        return importlib.import_module("libsbml")
    except ImportError as exc:
        raise UnsupportedError(
            doing="reading or writing SBML",
            found="no libSBML on this machine",
            expected="the extra 'interchange'",
            try_="pip install 'abscopal[interchange]'",
        ) from exc
