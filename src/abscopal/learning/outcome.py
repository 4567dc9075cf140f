"""What is predicted: a yes-no outcome, a time to an event, or a time to one of several events.

A binary outcome is an array of 0 and 1. A time to an event is an array with two columns,
time and code: 0 censored, 1 the event of interest, 2 a competing event.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
Kind = Literal["binary", "survival", "competing"]


@dataclass(frozen=True)
class Outcome:
    """Names of the columns that hold the outcome, and the time at which it is predicted.

    Attributes
    ----------
    kind : {"binary", "survival", "competing"}
    event : str
        Column of the event, or of the yes-no outcome.
    time : str
        Column of the time; "" for a binary outcome.
    unit : str
        Unit of the time, such as `month`; "" for a binary outcome.
    horizon : float
        Time at which a probability is stated, in `unit`; 0 for a binary outcome.
    """

    kind: Kind
    event: str
    time: str = ""
    unit: str = ""
    horizon: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a table that hold the outcome."""
        return (self.time, self.event) if self.time else (self.event,)


def time_and_code(y: Any) -> tuple[FloatArray, NDArray[np.int64]]:
    """Times and codes of a censored outcome.

    Parameters
    ----------
    y : array, shape (n, 2) or (n,)
        Time and code; one column alone holds times that were all observed.

    Raises
    ------
    InputError
        A time that is not positive and finite, or a code that is not 0, 1 or 2.
    """
    values = np.asarray(y, dtype=np.float64)
    if values.ndim == 1 or values.shape[1] == 1:
        values = np.column_stack([values.ravel(), np.ones(len(values))])
    time, code = values[:, 0], values[:, 1]
    if values.shape[1] != 2 or not (np.isfinite(time).all() and (time > 0).all() and np.isin(code, (0, 1, 2)).all()):
        raise InputError(
            doing="reading a censored outcome",
            found="a time that is not above zero, or a code other than 0, 1 and 2",
            expected="one row per patient: time above zero, and 0 censored, 1 event, 2 competing event",
            try_="giving events on day zero a small positive time, and patients without follow-up no row",
        )
    return time, code.astype(np.int64)
