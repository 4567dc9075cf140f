"""What each radiation modality makes of a fraction of the dose-immune model."""

from dataclasses import dataclass

from abscopal.domain.registry import unknown_name
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

    def applied(self, event: Event) -> Event:
        """A fraction of photons as this modality gives it: doses to lesions, blood and node [Gy]; drugs as they are."""
        if event.impulse != "fraction":
            return event
        factors = {"d_blood": self.blood, "d_node": self.node}
        doses = {argument: dose * factors.get(argument, self.rbe) for argument, dose in event.arguments.items()}
        return Event(event.day, event.impulse, doses)

    def note(self) -> str:
        """What a reader of any result must know."""
        return (
            f"Radiation is {self.name.replace('_', ' ')} ({self.status}): dose to lesions × {self.rbe:g}, to blood × "
            f"{self.blood:g}, to the node × {self.node:g} of that with photons ({self.meaning})."
        )

    def days(self, n: int) -> tuple[float, ...]:
        """Days of `n` fractions from the first, in days."""
        return tuple(float(k + 2 * (k // 5)) if self.weekdays else k * self.interval for k in range(n))


def modalities() -> dict[str, Modality]:
    """Every modality on file, by name."""
    rows = load(SHEET).table("modalities").fillna({"parts": ""}).to_dict("records")
    return {str(row["modality"]): _modality({str(key): value for key, value in row.items()}) for row in rows}


def modality(name: str) -> Modality:
    """One modality on file.

    Raises
    ------
    InputError
        Unknown modality, with the close match.
    """
    known = modalities()
    if name not in known:
        raise unknown_name("choosing a radiation modality", name, sorted(known))
    return known[name]


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
