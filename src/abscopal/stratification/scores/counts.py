"""Ratios of blood counts. A count of zero gives no ratio rather than an infinite one."""

from abscopal.domain.errors import InputError


def neutrophil_lymphocyte_ratio(anc: float, alc: float) -> float:
    """The NLR: neutrophils over lymphocytes.

    Parameters
    ----------
    anc, alc : float
        Absolute neutrophil and lymphocyte count. [1e9/L]
    """
    return anc / _positive(alc, "the lymphocyte count")


def derived_nlr(anc: float, wbc: float) -> float:
    """The derived NLR, anc / (wbc - anc); counts in 1e9/L."""
    return anc / _positive(wbc - anc, "white cells less neutrophils")


def platelet_lymphocyte_ratio(platelets: float, alc: float) -> float:
    """The PLR: platelets over lymphocytes; counts in 1e9/L."""
    return platelets / _positive(alc, "the lymphocyte count")


def _positive(value: float, name: str) -> float:
    if value > 0:
        return value
    raise InputError(
        doing="dividing blood counts",
        found=f"{name} of {value:g} 1e9/L",
        expected="a count above zero",
        try_="checking the laboratory value and its unit",
    )
