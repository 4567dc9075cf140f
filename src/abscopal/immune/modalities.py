"""Courses of each radiation modality as events of the dose-immune model."""

from dataclasses import dataclass

from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.immune.mechanisms.parts import Histogram
from abscopal.knowledge.load import load
from abscopal.simulation.events import Event

SHEET = "immune/modalities"


@dataclass(frozen=True)
class Modality:
    """One way of giving radiation.

    Attributes
    ----------
    dose, fractions, interval, weekdays
        Usual schedule. [Gy], [1], [day]
    rbe : float
        Multiplies the dose to lesions. [1]
    blood, node : float
        Dose to blood and node relative to photons. [1]
    histogram : tuple of (relative dose, share of volume)
        Empty for a uniform dose; given to `diw_model(histograms=...)`.
    status, meaning : str
        As in the knowledge sheet.
    """

    name: str
    dose: float
    fractions: int
    interval: float
    weekdays: bool
    rbe: float
    blood: float
    node: float
    histogram: Histogram
    status: str
    meaning: str

    def days(self, n: int) -> tuple[float, ...]:
        """Days of `n` fractions from the first, in days."""
        return tuple(float(k + 2 * (k // 5)) if self.weekdays else k * self.interval for k in range(n))


def modalities() -> dict[str, Modality]:
    """Every modality on file, by name."""
    rows = load(SHEET).table("modalities").fillna({"parts": ""}).to_dict("records")
    return {str(row["modality"]): _modality({str(key): value for key, value in row.items()}) for row in rows}


def modality_events(
    model: Model,
    name: str,
    *,
    dose: float | None = None,
    fractions: int | None = None,
    start: float = 0.0,
    node_dose: float = 0.0,
) -> tuple[Event, ...]:
    """Fractions of a modality to the irradiated lesions of a model.

    Parameters
    ----------
    model : Model
        Made with `histograms={lesion: modality.histogram}` where the modality has one.
    name : str
        As in the table `immune/modalities:modalities`.
    dose, fractions : float, int, optional
        Physical dose of a fraction, and their number; by default the usual ones. [Gy], [1]
    start : float
        Day of the first fraction. [day]
    node_dose : float
        Dose to the draining node with photons. [Gy]

    Raises
    ------
    InputError
        Unknown modality, with the close match.
    """
    known = modalities()
    if name not in known:
        raise unknown_name("choosing a radiation modality", name, sorted(known))
    one = known[name]
    physical = one.dose if dose is None else dose
    arguments = {
        argument.name: physical * (one.blood if argument.name == "d_blood" else one.rbe)
        for argument in model.impulse("fraction").arguments
        if argument.source == "dose"
    }
    arguments["d_node"] = node_dose * one.node
    days = one.days(one.fractions if fractions is None else fractions)
    return tuple(Event(start + day, "fraction", arguments) for day in days)


def _modality(row: dict[str, object]) -> Modality:
    parts = [part.split(":") for part in str(row["parts"]).split()]
    return Modality(
        name=str(row["modality"]),
        dose=float(str(row["dose"])),
        fractions=int(str(row["fractions"])),
        interval=float(str(row["interval"])),
        weekdays=row["weekdays"] == "yes",
        rbe=float(str(row["rbe"])),
        blood=float(str(row["blood"])),
        node=float(str(row["node"])),
        histogram=tuple((float(relative), float(share)) for relative, share in parts),
        status=str(row["status"]),
        meaning=str(row["meaning"]),
    )
