"""Where blood is and how fast it moves: a network of well-mixed compartments.

A network holds volumes and flows. Everything else (transit times, the generator of the
Markov process of one blood particle, its stationary vector) is derived, never read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.propagate import Carrier
from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Sex = Literal["male", "female"]
Variant = Literal["balanced", "as_given"]

SHEET = "blood/circulation"
SECONDS_PER_MINUTE = 60.0
BALANCED_TO = 1e-13  # of cardiac output: conserved but for rounding
CONSERVED_TO = 1e-6  # of cardiac output: the tables are printed to 1e-4 at best


@dataclass(frozen=True)
class Network:
    """Blood compartments joined by flows.

    Attributes
    ----------
    name : str
        Such as `"reference male"`.
    compartments : tuple of str, length n
    volumes : array, shape (n,)
        [L]
    flows : array, shape (n, n)
        Entry (i, j) is the flow from compartment i to compartment j. [L/min]
    cardiac_output : float
        [L/min]
    notes : tuple of str
        What a reader of any result must know about this network.
    """

    name: str
    compartments: tuple[str, ...]
    volumes: FloatArray
    flows: FloatArray
    cardiac_output: float
    notes: tuple[str, ...] = ()

    @property
    def blood_volume(self) -> float:
        """Sum of the volumes, in litres."""
        return float(self.volumes.sum())

    @property
    def outflow(self) -> FloatArray:
        """Flow out of each compartment, shape (n,), in L/min."""
        total: FloatArray = self.flows.sum(axis=1)
        return total

    @property
    def imbalance(self) -> FloatArray:
        """Inflow less outflow of each compartment, shape (n,), in L/min."""
        inflow: FloatArray = self.flows.sum(axis=0)
        return inflow - self.outflow

    @property
    def transit_time(self) -> FloatArray:
        """Mean transit time of each compartment: volume over outflow, shape (n,), in seconds."""
        return self.volumes / self.outflow * SECONDS_PER_MINUTE

    @property
    def return_time(self) -> FloatArray:
        """Mean time between entries into each compartment (Kac): V_total / F_i, shape (n,), in s.

        Holds for a conserved network.
        """
        return self.blood_volume / self.outflow * SECONDS_PER_MINUTE

    @cached_property
    def generator(self) -> FloatArray:
        """Generator Q of the Markov process of one blood particle, shape (n, n), in 1/s.

        Off the diagonal flow over volume of the compartment left; rows sum to zero.
        """
        rates: FloatArray = self.flows / self.volumes[:, None] / SECONDS_PER_MINUTE
        return rates - np.diag(rates.sum(axis=1))

    @cached_property
    def carrier(self) -> Carrier:
        """The generator, ready to carry blood through time."""
        return Carrier.of(self.generator)

    @cached_property
    def stationary(self) -> FloatArray:
        """Long-run share of time of a particle in each compartment, shape (n,); sums to 1.

        Equals the share of volume where flow is conserved, and only there.
        """
        if float(np.abs(self.imbalance).max()) <= BALANCED_TO * self.cardiac_output:
            return self.volumes / self.blood_volume
        n = len(self.compartments)
        # One balance follows from the others, so it gives way to the sum of shares.
        equations = self.generator.T.copy()
        equations[0] = 1.0
        shares: FloatArray = np.linalg.solve(equations, np.append(1.0, np.zeros(n - 1)))
        return shares

    def index(self, compartment: str) -> int:
        """Position of a compartment; an unknown name answers with the close match."""
        if compartment not in self._positions:
            raise unknown_name("finding a blood compartment", compartment, list(self.compartments))
        return self._positions[compartment]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.compartments)}

    def vector(self, values: Mapping[str, float]) -> FloatArray:
        """Values by compartment as an array, shape (n,); compartments left out are zero."""
        array = np.zeros(len(self.compartments))
        for name, value in values.items():
            array[self.index(name)] = value
        return array


def load_network(
    sex: Sex,
    *,
    variant: Variant = "balanced",
    allow_imbalance: bool = False,
    cardiac_output: float | None = None,
    blood_volume: float | None = None,
) -> Network:
    """The reference adult circulation, checked for conservation of flow.

    Parameters
    ----------
    sex : {"male", "female"}
    variant : {"balanced", "as_given"}
        The female flow table as printed loses flow; `"balanced"` is our correction and the
        default. The male table conserves flow, so both are the same there.
    allow_imbalance : bool
        Take a table that does not conserve flow, to reproduce results computed with it.
    cardiac_output, blood_volume : float, optional
        Replace the reference values; shares of each compartment stay. [L/min], [L]

    Returns
    -------
    Network

    Raises
    ------
    ModelError
        The table does not conserve flow and `allow_imbalance` is False; names the
        compartments and the imbalance.
    InputError
        Unknown sex or variant, or a cardiac output or volume that is not positive.

    References
    ----------
    .. [1] ICRP Publication 89 (2002), reference values, as arranged in the open HEDOS table.

    Examples
    --------
    >>> male = load_network("male")
    >>> round(float(male.transit_time[male.index("brain")]), 4)
    4.8923
    """
    for name, options in ((sex, ["male", "female"]), (variant, ["balanced", "as_given"])):
        if name not in options:
            raise unknown_name("loading a blood circulation", str(name), options)
    sheet = load(SHEET)
    output = _reference(cardiac_output, sheet[f"cardiac_output_{sex}"], "cardiac output [L/min]")
    volume = _reference(blood_volume, sheet[f"blood_volume_{sex}"], "blood volume [L]")
    network = _tabulated(sex, variant, output, volume)
    if not allow_imbalance:
        check_conservation(network)
    return network


def check_conservation(network: Network) -> None:
    """Refuse a network whose compartments gain or lose blood.

    Raises
    ------
    ModelError
        Names each compartment and its imbalance in per cent of cardiac output.
    """
    excess = network.imbalance / network.cardiac_output
    faulty = np.flatnonzero(np.abs(excess) > CONSERVED_TO)
    if faulty.size:
        listed = ", ".join(f"{network.compartments[k]} {100 * excess[k]:+.4g} % of cardiac output" for k in faulty)
        raise ModelError(
            doing=f"checking the circulation '{network.name}'",
            found=f"flow that is not conserved: {listed}",
            expected="inflow equal to outflow in every compartment",
            try_="the variant 'balanced', or allow_imbalance=True to reproduce a result of the table as given",
        )


def split_compartment(network: Network, compartment: str, parts: Mapping[str, tuple[float, float]]) -> Network:
    """Replace a compartment by parallel parts, such as DVH bins or a tumour and its host.

    Parameters
    ----------
    parts : mapping
        Name of each part to its share of the compartment's volume and of its flow; both
        shares sum to 1. Equal shares keep the transit time. A tumour with volume share f,
        blood density rho and perfusion q relative to the host has shares f·rho and f·q. [1]

    Returns
    -------
    Network
        Conserves flow wherever the original does.

    Raises
    ------
    InputError
        Shares that are not positive or do not sum to 1, or a name already taken.
    """
    place = network.index(compartment)
    shares = np.array(list(parts.values()), dtype=np.float64).reshape(-1, 2)
    others = [name for name in network.compartments if name != compartment]
    if (
        not parts
        or np.any(shares <= 0.0)
        or np.any(np.abs(shares.sum(axis=0) - 1.0) > 1e-9)
        or set(parts) & set(others)
    ):
        raise InputError(
            doing=f"splitting the compartment '{compartment}'",
            found=", ".join(f"{name}: volume {v:g}, flow {f:g}" for name, (v, f) in parts.items()) or "no parts",
            expected="new names with positive shares of volume and of flow that each sum to 1",
            try_="adding the rest of the host as a part",
        )
    keep = [k for k in range(len(network.compartments)) if k != place]
    n = len(keep) + len(parts)
    flows = np.zeros((n, n))
    flows[: len(keep), : len(keep)] = network.flows[np.ix_(keep, keep)]
    flows[: len(keep), len(keep) :] = np.outer(network.flows[keep, place], shares[:, 1])
    flows[len(keep) :, : len(keep)] = np.outer(shares[:, 1], network.flows[place, keep])
    volumes = np.concatenate([network.volumes[keep], network.volumes[place] * shares[:, 0]])
    return replace(network, compartments=(*others, *parts), volumes=volumes, flows=flows)


def _tabulated(sex: Sex, variant: Variant, cardiac_output: float, blood_volume: float) -> Network:
    sheet = load(SHEET)
    volumes = sheet.table("compartments").query("sex == @sex")
    edges = sheet.table("edges").query("sex == @sex")
    stored = variant if variant in set(edges["variant"]) else "as_given"
    names = tuple(volumes["compartment"])
    position = {name: k for k, name in enumerate(names)}
    flows = np.zeros((len(names), len(names)))
    edges = edges.query("variant == @stored")
    rows, columns = edges["source"].map(position), edges["target"].map(position)
    flows[rows.to_numpy(), columns.to_numpy()] = edges["flow_percent"].to_numpy(dtype=np.float64) / 100.0
    notes: tuple[str, ...] = ()
    if sex == "female":
        notes = (
            "female venae cavae scaled by 94.5/92.5: the reference table loses 2 % of cardiac output in the large veins"
            if stored == "balanced"
            else "female flow table as given, which does not conserve flow",
        )
    share = volumes["blood_volume_percent"].to_numpy(dtype=np.float64) / 100.0
    called = f"reference {sex}" + (f" ({stored})" if notes else "")
    return Network(called, names, share * blood_volume, flows * cardiac_output, cardiac_output, notes)


def _reference(given: float | None, reference: float, name: str) -> float:
    if given is None:
        return reference
    if not (np.isfinite(given) and given > 0.0):
        raise InputError(
            doing="scaling the blood circulation",
            found=f"{name} = {given:g}",
            expected=f"a positive {name}",
            try_=f"leaving it out for the reference value {reference:g}",
        )
    return float(given)
