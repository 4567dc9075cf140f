"""The virtual two-lesion experiment on which every gain is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.model import Model
from abscopal.immune.modalities import modality as named_modality
from abscopal.immune.model import ParameterSet, diw_model
from abscopal.knowledge.load import load
from abscopal.window.arms import RULES, Arms, Course, run_courses
from abscopal.window.ensemble import Ensemble, Values
from abscopal.window.synergy import Synergy, interaction

CAVEAT = (
    "Mouse reference set B: it demonstrates the structure of the dose-immune window "
    "and is not a prediction for a human."
)
CAVEATS: Mapping[ParameterSet, str] = {
    "set_b": CAVEAT,
    "posterior": "Calibrated on mouse experiments, tumour line TSA: bounds hold for that line and end point, and are "
    "not a prediction for a human. Central values take the median of every parameter, which need not be likely "
    "together: the intervals over draws are the answer.",
}


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
    targets : tuple of int
        Lesions that every fraction hits.
    fraction_days : tuple of float
        Days of one particular course, used for every schedule with as many fractions. [day]
    parameter_set : {"set_b", "posterior"}
        Where the model's values come from, for the notes.
    modulators : tuple of str
        Modulators that act, in every treated arm, from the first fraction to the readout; cyclophosphamide is
        one dose then.
    modality : str
        What the radiation is, by the names of `immune.modalities`; photons as prescribed where empty.
    """

    model: Model
    drugs: tuple[DrugDose, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    interval: float = 1.0
    weekdays: bool = False
    node_dose: float = 0.0
    readout: float | None = None
    observed: int = 1
    targets: tuple[int, ...] = (0,)
    fraction_days: tuple[float, ...] = ()
    parameter_set: ParameterSet = "set_b"
    modulators: tuple[str, ...] = ()
    modality: str = ""

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

    def starting_ici(self, day: float) -> "Experiment":
        """The same ICI schedule with its first dose on `day` after the first fraction."""
        if not self.drugs:
            return self
        shift = day - min(dose.day for dose in self.drugs)
        return replace(self, drugs=tuple(d.model_copy(update={"day": d.day + shift}) for d in self.drugs))

    def course(
        self, radiation: Regimen, *, ici: bool = True, day: float | None = None, until: float | None = None
    ) -> Course:
        """One arm as the solver takes it; an empty `radiation` is the arm without."""
        end = self.readout_day(radiation) if day is None else day
        start = load(RULES)["rt_start"]
        given = on_mouse_clock(radiation, self._doses() if ici else (), start, max(end, until or end))
        treated = ici or radiation.n_fractions
        return Course(given, end, self.targets, self.node_dose, self.modulators if treated else (), self.modality)

    def arms(
        self,
        schedules: Sequence[Regimen],
        ensemble: Ensemble | None = None,
        *,
        radiation_alone: bool = False,
        days: Sequence[float] | None = None,
        threshold: float | None = None,
        follow_up: float | None = None,
    ) -> Arms:
        """Every arm of many radiation schedules over many animals, in one call of the compiled solver.

        Parameters
        ----------
        schedules : sequence of Regimen
            Radiation, day 0 the first fraction.
        ensemble : Ensemble, optional
            By default one animal with this experiment's parameters.
        radiation_alone : bool
            Also the arms without ICI, which synergy needs.
        days : sequence of float, optional
            Readout day of each schedule; by default `readout_day`. [day]
        threshold : float, optional
            Also the day on which the observed lesion's viable volume first reaches this. [mm³]
        follow_up : float, optional
            Go on until this day of the mouse clock, for the threshold. [day]

        Raises
        ------
        InputError
            A fraction after the readout.
        ConvergenceError
            The only animal could not be solved.
        """
        read = [self.readout_day(s) for s in schedules] if days is None else list(days)
        nothing = Regimen()
        pairs = list(zip(schedules, read, strict=True))
        asked = {
            "both": [self.course(s, day=day, until=follow_up) for s, day in pairs],
            "ici": [self.course(nothing, day=day, until=follow_up) for day in read],
        }
        if radiation_alone:
            asked["rt"] = [self.course(s, ici=False, day=day) for s, day in pairs]
            asked["none"] = [self.course(nothing, ici=False, day=day) for day in read]
        return run_courses(
            self.model, asked, self._values(ensemble), observed=self.observed, threshold=threshold, follow_up=follow_up
        )

    def gain(self, radiation: Regimen) -> float:
        """log10 of the observed lesion's volume under ICI alone over that under radiation and ICI."""
        return float(self.arms([radiation]).gain()[0, 0])

    def synergy(self, radiation: Regimen) -> Synergy:
        """Bliss excess and its companions in the observed lesion."""
        arms = self.arms([radiation], radiation_alone=True)
        return interaction(*(float(arms.ratio(arm)[0, 0]) for arm in ("rt", "ici", "both")))

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
        early = any(dose.day < -rules["rt_start"] for dose in self.drugs)
        return (
            CAVEATS[self.parameter_set],
            rule,
            *([f"Mechanisms off: {', '.join(off)}."] if off else []),
            *([EARLY_DOSES] if early else []),
            *([named_modality(self.modality).note()] if self.modality else []),
        )

    def _values(self, ensemble: Ensemble | None) -> Values:
        return {**self.parameters, **(ensemble.columns if ensemble else {})}

    def _doses(self) -> tuple[DrugDose, ...]:
        """Doses given before the tumours exist, as what is left of the antibody on that day."""
        first = -load(RULES)["rt_start"]
        if all(dose.day >= first for dose in self.drugs):
            return self.drugs
        rate = self.parameters.get("kel", load("immune/diw")["kel"])
        return tuple(
            d if d.day >= first else d.model_copy(update={"mg": d.mg * exp(-rate * (first - d.day)), "day": first})
            for d in self.drugs
        )


EARLY_DOSES = (
    "ICI doses before the tumours are implanted act only through the antibody still in the blood on that day, "
    "at the reference rate of elimination."
)


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
    parameter_set: ParameterSet = "set_b",
    modulators: Sequence[str] = (),
    modality: str = "",
) -> Experiment:
    """The two-lesion mouse experiment.

    Parameters
    ----------
    drugs : sequence of DrugDose, optional
        ICI doses by class, day 0 being the first fraction; by default anti-CTLA-4 on days 2, 5 and 8.
    switches, parameters : mapping, optional
        Mechanisms turned off; values that replace the reference set's.
    interval, weekdays, node_dose, readout, parameter_set
        See `Experiment`.
    modulators : sequence of str
        By the names of `diw_model`.
    modality : str
        By the names of `immune.modalities`; doses are then physical doses of that modality.

    Raises
    ------
    InputError
        An unknown switch, modulator, modality or parameter set, an interval that is not positive, a negative node dose.
    """
    if not 0 < interval < float("inf") or not 0 <= node_dose < float("inf"):
        raise InputError(
            doing="setting up the two-lesion experiment",
            found=f"{interval:g} days between fractions, {node_dose:g} Gy to the node",
            expected="a positive interval and a node dose that is not negative",
            try_="interval=1, node_dose=0",
        )
    parts = named_modality(modality).histogram if modality else ()
    return Experiment(
        model=diw_model(
            switches=switches,
            parameter_set=parameter_set,
            modulators=modulators,
            histograms={0: parts} if parts else {},
        ),
        drugs=reference_drugs() if drugs is None else tuple(drugs),
        parameters=dict(parameters or {}),
        interval=interval,
        weekdays=weekdays,
        node_dose=node_dose,
        readout=readout,
        parameter_set=parameter_set,
        modulators=tuple(modulators),
        modality=modality,
    )


def on_mouse_clock(radiation: Regimen, drugs: Sequence[DrugDose], start: float, end: float) -> Regimen:
    """Shift by the day of the first fraction, leaving out drug doses after the readout."""
    return Regimen(
        fraction_days=tuple(day + start for day in radiation.fraction_days),
        fraction_doses=radiation.fraction_doses,
        drug_doses=tuple(dose.model_copy(update={"day": dose.day + start}) for dose in drugs if dose.day + start < end),
        name=radiation.name,
    )
