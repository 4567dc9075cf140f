"""Fitting the reference circulation to a patient: size, age, a tumour, vessels of the head and neck."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from abscopal.blood.circulation import Network, Sex, load_network, split_compartment
from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

SHEET = "blood/tailoring"


@dataclass(frozen=True)
class Scaling:
    """Size of a patient's circulation and how it was obtained.

    Attributes
    ----------
    blood_volume : float
        [L]
    cardiac_output : float
        [L/min]
    notes : tuple of str
    """

    blood_volume: float
    cardiac_output: float
    notes: tuple[str, ...]


def scale_circulation(
    sex: Sex, *, weight_kg: float | None = None, age_years: float | None = None, cardiac_output: float | None = None
) -> Scaling:
    """Blood volume and cardiac output of a patient from weight and age.

    Blood volume grows in proportion to weight; cardiac output with weight to an assumed power
    and, above an assumed age, falls by an assumed share each year. A measured cardiac output
    replaces the estimate. Shares of volume and flow between compartments stay as in the
    reference adult.

    Parameters
    ----------
    sex : {"male", "female"}
    weight_kg : float, optional
        [kg]
    age_years : float, optional
        [year]
    cardiac_output : float, optional
        Measured. [L/min]

    Returns
    -------
    Scaling

    Raises
    ------
    InputError
        A weight, age or output outside what a patient can have. Children are refused: the
        reference circulation is an adult's.
    """
    sheet = load(SHEET)
    for name, value, limits, unit in (
        ("a weight", weight_kg, sheet.vector("weight_limits"), "kg"),
        ("an age", age_years, sheet.vector("age_limits"), "years"),
        ("a cardiac output", cardiac_output, sheet.vector("output_limits"), "L/min"),
    ):
        _require_within(name, value, limits, unit)
    reference = load("blood/circulation")
    volume, output = reference[f"blood_volume_{sex}"], reference[f"cardiac_output_{sex}"]
    notes: list[str] = []
    if weight_kg is not None:
        ratio = weight_kg / sheet[f"reference_weight_{sex}"]
        volume *= ratio
        output *= ratio ** sheet["output_exponent"]
        notes.append(
            f"blood volume in proportion to weight and cardiac output with weight to the power "
            f"{sheet['output_exponent']:g}, from {sheet[f'reference_weight_{sex}']:g} kg: assumed"
        )
    if age_years is not None and age_years > sheet["output_decline_from"]:
        output *= (1.0 - sheet["output_decline"]) ** (age_years - sheet["output_decline_from"])
        notes.append(
            f"cardiac output falls by {100 * sheet['output_decline']:g} % a year above "
            f"{sheet['output_decline_from']:g} years: assumed"
        )
    if cardiac_output is not None:
        output = cardiac_output
        notes = [*(note for note in notes if not note.startswith("cardiac output")), "cardiac output as given"]
    return Scaling(volume, output, tuple(notes))


def patient_network(
    sex: Sex, *, weight_kg: float | None = None, age_years: float | None = None, cardiac_output: float | None = None
) -> Network:
    """The reference circulation at a patient's size; parameters and errors as `scale_circulation`."""
    scaling = scale_circulation(sex, weight_kg=weight_kg, age_years=age_years, cardiac_output=cardiac_output)
    network = load_network(sex, cardiac_output=scaling.cardiac_output, blood_volume=scaling.blood_volume)
    return replace(network, notes=(*network.notes, *scaling.notes))


def carve_tumour(
    network: Network,
    host: str,
    volume_share: float,
    *,
    density: float = 1.0,
    perfusion: float = 1.0,
    name: str = "tumour",
) -> Network:
    r"""A tumour as a compartment of its own, in parallel to the organ it grows in.

    .. math:: V_t = f\rho V_{host}, \quad F_t = f q F_{host}, \quad \tau_t = \tau_{host}\,\rho/q

    Parameters
    ----------
    network : Network
    host : str
        Compartment the tumour lies in.
    volume_share : float
        f, tumour volume over host volume. [1]
    density, perfusion : float
        rho and q: blood volume and flow of tumour tissue relative to the host's. [1]
    name : str

    Returns
    -------
    Network
        The host keeps what is left, so flow stays conserved.

    Raises
    ------
    InputError
        Shares that leave the host with no blood or no flow.
    """
    volume, flow = volume_share * density, volume_share * perfusion
    if not (0.0 < volume < 1.0 and 0.0 < flow < 1.0):
        raise InputError(
            doing=f"carving a tumour from '{host}'",
            found=f"{volume:g} of its blood and {flow:g} of its flow",
            expected="both shares above 0 and below 1",
            try_="a smaller volume share, or a larger host",
        )
    parts = {name: (volume, flow), host: (1.0 - volume, 1.0 - flow)}
    return split_compartment(network, host, parts)


def insert_vessel(
    network: Network, name: str, volume: float, taken_from: str, through: Mapping[tuple[str, str], float]
) -> Network:
    """A new vessel that part of the existing flows passes on its way.

    Parameters
    ----------
    network : Network
    name : str
    volume : float
        Share of all blood, taken from the compartment `taken_from`. [1]
    taken_from : str
    through : mapping
        (source, target) to the share of that flow that passes the vessel. [1]

    Returns
    -------
    Network
        Flow stays conserved wherever it was.

    Raises
    ------
    InputError
        A name already taken, a share outside 0 to 1, more volume than there is, no flow.
    """
    n, host = len(network.compartments), network.index(taken_from)
    litres = volume * network.blood_volume
    flows = np.zeros((n + 1, n + 1))
    flows[:n, :n] = network.flows
    for (source, target), share in through.items():
        i, j = network.index(source), network.index(target)
        moved = share * network.flows[i, j]
        flows[i, j] -= moved
        flows[i, n] += moved
        flows[n, j] += moved
    sound = all(0.0 <= share <= 1.0 for share in through.values())
    if name in network.compartments or not sound or not 0.0 < litres < network.volumes[host] or flows[n].sum() <= 0.0:
        raise InputError(
            doing=f"inserting the vessel '{name}'",
            found=f"{100 * volume:g} % of blood from {taken_from}, {flows[n].sum():.3g} L/min, shares of flow "
            + ", ".join(f"{share:g}" for share in through.values()),
            expected="a new name, less blood than the compartment holds, some flow, shares between 0 and 1",
            try_="a smaller vessel",
        )
    volumes = np.append(network.volumes, litres)
    volumes[host] -= litres
    return replace(network, compartments=(*network.compartments, name), volumes=volumes, flows=flows)


def head_and_neck_network(network: Network) -> Network:
    """Adds arteries and veins of the head and neck as compartments of their own.

    Volumes and flows are those of the published variant; what the vessels supply beyond brain
    and thyroid (an equal share of the flow to skin and muscle) is assumed here.

    Raises
    ------
    InputError
        The network lacks the compartments or the flow this is built from.
    """
    sheet = load(SHEET)
    flow = network.flows / network.cardiac_output
    trunk = network.index("large_arteries")
    certain, shared = ("brain", "thyroid"), ("skin", "skeletal_muscle")
    wanted = sheet["head_neck_arteries_flow"] / 100.0 - sum(flow[trunk, network.index(name)] for name in certain)
    rest = wanted / sum(flow[trunk, network.index(name)] for name in shared)
    arteries = {("large_arteries", name): 1.0 for name in certain}
    arteries |= {("large_arteries", name): float(rest) for name in shared}
    with_arteries = insert_vessel(
        network, "head_neck_arteries", sheet["head_neck_arteries_volume"] / 100.0, "large_arteries", arteries
    )
    brain = with_arteries.index("brain")
    drained = sheet["head_neck_veins_flow"] / 100.0 * network.cardiac_output / with_arteries.outflow[brain]
    veins = {
        ("brain", name): float(min(drained, 1.0))
        for name, out in zip(with_arteries.compartments, with_arteries.flows[brain], strict=True)
        if out > 0.0
    }
    whole = insert_vessel(
        with_arteries, "head_neck_veins", sheet["head_neck_veins_volume"] / 100.0, "large_veins", veins
    )
    note = "vessels of the head and neck: what they supply beyond brain and thyroid is assumed"
    return replace(whole, name=f"{network.name}, head and neck", notes=(*network.notes, note))


def _require_within(name: str, value: float | None, limits: tuple[float, ...], unit: str) -> None:
    if value is None:
        return
    if not (np.isfinite(value) and limits[0] <= value <= limits[1]):
        raise InputError(
            doing="scaling the blood circulation",
            found=f"{name} of {value:g} {unit}",
            expected=f"an adult's, {limits[0]:g} to {limits[1]:g} {unit}",
            try_="checking the unit, or leaving it out for the reference adult",
        )
