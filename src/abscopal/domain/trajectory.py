"""The course of a model's states over time, with how the solver fared."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.registry import unknown_name

if TYPE_CHECKING:
    import xarray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """States and observables of one patient on a time axis.

    Attributes
    ----------
    t : array, shape (n_t,)
        [day]
    values : array, shape (n_t, n_names)
        Column k is `names[k]` in `units[k]`.
    status : str
        `"ok"`, or what went wrong, with the time. Values after a failure are NaN and this
        says so: a failure is never silent.
    """

    t: FloatArray
    values: FloatArray
    names: tuple[str, ...]
    units: tuple[str, ...]
    status: str = "ok"
    stats: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> FloatArray:
        """The column called `name`, shape (n_t,)."""
        if name not in self.names:
            raise unknown_name(f"reading '{name}' from a trajectory", name, list(self.names))
        return self.values[:, self.names.index(name)]

    def to_dataset(self) -> "xarray.Dataset":
        """The trajectory as an xarray Dataset with units in the attributes."""
        import xarray

        columns = {name: ("t", self.values[:, k], {"units": self.units[k]}) for k, name in enumerate(self.names)}
        return xarray.Dataset(
            columns,
            coords={"t": ("t", self.t, {"units": "day"})},
            attrs={"status": self.status, **self.stats},
        )
