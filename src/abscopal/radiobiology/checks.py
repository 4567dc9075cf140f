"""Checks at the public edge: no negative dose, no parameter outside its meaning."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
Dose = TypeVar("Dose", float, FloatArray)
"""A number in gives a number out; an array in gives an array out."""


def non_negative(value: Dose, name: str, doing: str) -> Dose:
    """`value`, once it is known to be finite and nowhere below zero.

    Raises
    ------
    InputError
        A negative, NaN or infinite entry.
    """
    return _checked(value, name, doing, "zero or more", np.greater_equal)


def positive(value: Dose, name: str, doing: str) -> Dose:
    """`value`, once it is known to be finite and everywhere above zero.

    Raises
    ------
    InputError
        A zero, negative, NaN or infinite entry.
    """
    return _checked(value, name, doing, "more than zero", np.greater)


def whole_fractions(n: int, doing: str) -> int:
    """`n`, once it is known to be a whole number of at least one fraction."""
    if isinstance(n, bool) or n != int(n) or n < 1:
        raise InputError(
            doing=doing,
            found=f"{n!r} fractions",
            expected="a whole number of one or more fractions",
            try_="giving the fraction count of the course",
        )
    return int(n)


def _checked(value: Dose, name: str, doing: str, wanted: str, holds: "np.ufunc") -> Dose:
    array = np.asarray(value, dtype=np.float64)
    good = np.isfinite(array) & holds(array, 0.0)
    if not bool(np.all(good)):
        raise InputError(
            doing=doing,
            found=f"{name} = {array[~good].flat[0]:g}",
            expected=f"a finite {name} of {wanted}",
            try_=f"checking the sign and the unit of {name}",
        )
    return value
