"""What a model asks about the patient, answered from the covariates or not at all."""

from collections.abc import Callable, Mapping

from abscopal.knowledge.load import load
from abscopal.toxicity.table import SHEET

Covariates = Mapping[str, float | str | bool]


def covariate(name: str, known: Covariates) -> float | str | None:
    """The value of a model's covariate, or None where it is not known.

    Parameters
    ----------
    name : str
        `female`, `older`, `current_smoker`, `former_smoker`, `mid_or_lower_location`,
        `chemotherapy`, or any name found in `known` as it is.
    known : mapping
        `sex`, `age` [year], `smoking`, `tumour_location`, `sequential_chemotherapy`,
        `concurrent_chemotherapy` and others, as `domain.patient.covariates` gives them.

    Returns
    -------
    float, str or None
        A yes-no fact as 1 or 0. [1]
    """
    value = _DERIVED[name](known) if name in _DERIVED else known.get(name)
    return float(value) if isinstance(value, bool | int) else value


def ici_class(known: Covariates) -> str:
    """Class of the ICI the patient gets, or "" for none."""
    given = known.get("ici")
    if given is True:
        return "ICI"
    return str(given) if isinstance(given, str) and given.casefold() != "none" else ""


def asked_for(name: str) -> str:
    """The name a person writes for a covariate a model needs."""
    return _WRITTEN.get(name, name)


def _is(field: str, wanted: str) -> Callable[[Covariates], bool | None]:
    return lambda known: known[field] == wanted if field in known else None


def _older(known: Covariates) -> bool | None:
    return float(known["age"]) > load(SHEET)["age_cut"] if "age" in known else None


def _low(known: Covariates) -> bool | None:
    return known["tumour_location"] in {"middle", "lower"} if "tumour_location" in known else None


def _chemotherapy(known: Covariates) -> bool | None:
    """True when any is known to be given; False only when both kinds are known not to be."""
    kinds = ("sequential_chemotherapy", "concurrent_chemotherapy")
    given = [bool(known[kind]) for kind in kinds if kind in known]
    return True if any(given) else False if len(given) == len(kinds) else None


_DERIVED: dict[str, Callable[[Covariates], bool | None]] = {
    "female": _is("sex", "female"),
    "current_smoker": _is("smoking", "current"),
    "former_smoker": _is("smoking", "former"),
    "older": _older,
    "mid_or_lower_location": _low,
    "chemotherapy": _chemotherapy,
}
_WRITTEN = {
    "female": "sex",
    "current_smoker": "smoking",
    "former_smoker": "smoking",
    "older": "age",
    "mid_or_lower_location": "tumour_location",
    "chemotherapy": "sequential_chemotherapy and concurrent_chemotherapy",
}
