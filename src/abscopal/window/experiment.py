"""The virtual two-lesion experiment on which every gain is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log10

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.model import Model
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load
from abscopal.simulation.solve import require_ok, simulate
from abscopal.window.synergy import Synergy, interaction

RULES = "immune/window"
CAVEAT = (
    "Mouse reference set B: it demonstrates the structure of the dose-immune window "
    "and is not a prediction for a human."
)


@dataclass(frozen=True, eq=False)
class Experiment:
    """A model, an ICI schedule and a fractionation pattern; day 0 is the first fraction.

    Attributes
    ----------
    model : Model
        Dose-immune model; lesion 0 is irradiated and lesion `observed` is read.
    drugs : tuple of DrugDose
        ICI doses by class, mouse amounts, on the regimen's clock.
    parameters : mapping
        Values that replace the reference set's.
    interval : float
        Days between fractions; ignored with `weekdays`. [day]
    node_dose : float
        Dose to the draining node with every fraction. [Gy]
    readout : float, optional
        Day of the mouse clock on which every volume is read; by default `readout_day`. [day]
    observed : int
        Index of the lesion whose volume is read.
    fraction_days : tuple of float
        Days of one particular course, used for every schedule with as many fractions. [day]
    """

    model: Model
    drugs: tuple[DrugDose, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    interval: float = 1.0
    weekdays: bool = False
    node_dose: float = 0.0
    readout: float | None = None
    observed: int = 1
    fraction_days: tuple[float, ...] = ()
    _volumes: dict[tuple[str, float], float] = field(default_factory=dict, init=False, repr=False)

    def schedule(self, dose: float, n: int) -> Regimen:
        """`n` equal fractions of `dose` gray in this experiment's pattern, without drugs."""
        if n == len(self.fraction_days):
            return Regimen(fraction_days=self.fraction_days, fraction_doses=(dose,) * n, name=f"{n} × {dose:g} Gy")
        return Regimen.equal_fractions(dose, n, interval=self.interval, weekdays=self.weekdays)

    def readout_day(self, radiation: Regimen) -> float:
        """Mouse day on which a schedule is read: 34, or some days after the last fraction if that is later."""
        if self.readout is not None:
            return self.readout
        rules = load(RULES)
        last = max(radiation.fraction_days, default=0.0)
        return max(rules["readout_day"], rules["rt_start"] + last + rules["readout_tail"])

    def volume(self, radiation: Regimen | None, *, ici: bool, day: float) -> float:
        """Volume (viable and doomed) of the observed lesion on a day of the mouse clock, in mm³."""
        key = ("ICI" if ici else "none", day)
        if radiation is None and key in self._volumes:
            return self._volumes[key]
        regimen = radiation or Regimen()
        drugs = self.drugs if ici else ()
        shifted = _on_mouse_clock(regimen, drugs, load(RULES)["rt_start"], day)
        arguments = {"d_node": self.node_dose} if self.node_dose else {}
        course = simulate(
            self.model, shifted, [day], parameters=self.parameters, fraction_arguments=arguments, side="before"
        )
        require_ok(course, f"simulating {regimen.name or 'no radiation'}{' with ICI' if ici else ''}")
        volume = float(course[f"V_{self.observed}"][0] + course[f"M_{self.observed}"][0])
        if radiation is None:
            self._volumes[key] = volume
        return volume

    def gain(self, radiation: Regimen) -> float:
        """log10 of the observed lesion's volume under ICI alone over that under radiation and ICI."""
        day = self.readout_day(radiation)
        return log10(self.volume(None, ici=True, day=day) / self.volume(radiation, ici=True, day=day))

    def synergy(self, radiation: Regimen) -> Synergy:
        """Bliss excess and its companions in the observed lesion."""
        day = self.readout_day(radiation)
        untreated = self.volume(None, ici=False, day=day)
        return interaction(
            self.volume(radiation, ici=False, day=day) / untreated,
            self.volume(None, ici=True, day=day) / untreated,
            self.volume(radiation, ici=True, day=day) / untreated,
        )

    def notes(self) -> tuple[str, ...]:
        """What a reader of any result of this experiment must know."""
        rules = load(RULES)
        rule = (
            f"Volumes are read on day {self.readout:g} of the mouse clock."
            if self.readout is not None
            else f"Volumes are read on day {rules['readout_day']:g} of the mouse clock, or {rules['readout_tail']:g} "
            "days after the last fraction if that is later; schedules read on different days compare with care."
        )
        off = [name for name, on in self.model.switches.items() if not on]
        return (CAVEAT, rule, *([f"Mechanisms off: {', '.join(off)}."] if off else []))


def reference_drugs(drug_class: str = "anti-CTLA-4") -> tuple[DrugDose, ...]:
    """The reference arms' doses of one class, day 0 being the first fraction."""
    amount = load("immune/diw")["mouse_dose"]
    return tuple(DrugDose(drug=drug_class, mg=amount, day=day) for day in load(RULES).vector("ici_days"))


def reference_experiment(
    *,
    drugs: Sequence[DrugDose] | None = None,
    switches: Mapping[str, bool] | None = None,
    parameters: Mapping[str, float] | None = None,
    interval: float = 1.0,
    weekdays: bool = False,
    node_dose: float = 0.0,
    readout: float | None = None,
) -> Experiment:
    """The two-lesion mouse experiment with reference set B.

    Parameters
    ----------
    drugs : sequence of DrugDose, optional
        ICI doses by class, day 0 being the first fraction; by default anti-CTLA-4 on days 2, 5 and 8.
    switches, parameters : mapping, optional
        Mechanisms turned off; values that replace the reference set's.
    interval, weekdays, node_dose, readout
        See `Experiment`.
    """
    return Experiment(
        model=diw_model(switches=switches),
        drugs=reference_drugs() if drugs is None else tuple(drugs),
        parameters=dict(parameters or {}),
        interval=interval,
        weekdays=weekdays,
        node_dose=node_dose,
        readout=readout,
    )


def _on_mouse_clock(radiation: Regimen, drugs: Sequence[DrugDose], start: float, end: float) -> Regimen:
    """Shift by the day of the first fraction, leaving out drug doses after the readout."""
    early = [dose.day for dose in drugs if dose.day < -start]
    if early:
        raise InputError(
            doing="placing ICI doses on the mouse clock",
            found=f"a dose {-early[0]:g} days before the first fraction",
            expected=f"no dose more than {start:g} days before it, when the tumours are implanted",
            try_="leaving that dose out; window_for does so and says it",
        )
    return Regimen(
        fraction_days=tuple(day + start for day in radiation.fraction_days),
        fraction_doses=radiation.fraction_doses,
        drug_doses=tuple(dose.model_copy(update={"day": dose.day + start}) for dose in drugs if dose.day + start < end),
        name=radiation.name,
    )
