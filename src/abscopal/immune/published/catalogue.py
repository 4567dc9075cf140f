"""Published models by name: what each is, what it was checked against, how it takes a regimen.

Cards of models that could not be recovered say what is missing. They hold no equations and no numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.domain.trajectory import Trajectory
from abscopal.equations.model import Model
from abscopal.immune.model import diw_model
from abscopal.immune.published.brueningk2021 import brueningk2021
from abscopal.immune.published.cho2023 import cho2023
from abscopal.immune.published.friedrich2022 import friedrich2022, friedrich2022_events
from abscopal.immune.published.gonzalez_crespo2022 import gonzalez_crespo2022
from abscopal.immune.published.kosinsky2018 import kosinsky2018
from abscopal.knowledge.load import load
from abscopal.pharmacology.drugs import drug_class
from abscopal.simulation.dataset import names_of, solved
from abscopal.simulation.events import Event, regimen_events
from abscopal.simulation.many import simulate_many
from abscopal.simulation.solve import require_ok, simulate

SHEET = "published/cards"
OWN = "diw"
"""Name of this package's own model among the others."""
Prepared = tuple[Model, list[Event]]


@dataclass(frozen=True)
class Card:
    """What is known of a published model.

    Attributes
    ----------
    name, citation, doi : str
    species : str
    status : str
        `"implemented"`, `"by equation only"` or `"not recovered"`.
    checked : str
        Against what the implementation was checked.
    missing : str
        What is not known, or not reproduced.
    """

    name: str
    citation: str
    doi: str
    species: str
    status: str
    checked: str
    missing: str


@dataclass(frozen=True)
class Published:
    """A published model that takes a regimen.

    Attributes
    ----------
    name : str
    card : Card
    burden, unit : str
        State or quantity that is the irradiated tumour.
    other : str
        The lesion outside the field, `""` where there is none.
    start_day : float
        Day of the first fraction in the experiments of the model. [day]
    amounts : mapping
        Class of checkpoint inhibitor to the amount of one dose of the model's own. [mg]
    prepare : callable
        Regimen on the model's clock, drugs named by class, to the model and its events.
    """

    name: str
    card: Card
    burden: str
    unit: str
    other: str
    start_day: float
    amounts: Mapping[str, float]
    prepare: Callable[[Regimen], Prepared]

    def course(self, regimen: Regimen) -> Prepared:
        """The model and its events: every dose of a drug becomes one dose of the model's own.

        Raises
        ------
        UnsupportedError
            A class of drug that the model does not have, or more than one patient's worth of fractions.
        """
        doses = []
        for given in regimen.drug_doses:
            kind = drug_class(given.drug)
            if kind not in self.amounts:
                raise UnsupportedError(
                    doing=f"giving {given.drug} to the model {self.name}",
                    found=f"the class {kind}",
                    expected=" or ".join(self.amounts) or "no drug",
                    try_="another model, or the regimen without this drug",
                )
            doses.append(given.model_copy(update={"drug": kind, "mg": self.amounts[kind]}))
        return self.prepare(regimen.model_copy(update={"drug_doses": tuple(doses)}))

    def run(self, regimen: Regimen, days: Sequence[float], *, horizon: float | None = None) -> Trajectory:
        """The course of every state and quantity under a regimen on the model's own clock.

        Compiled kernels where the model has no delay, else (and where they give up) the reference solver.

        Raises
        ------
        ConvergenceError
            The model could not be solved.
        """
        model, events = self.course(regimen)
        end = max(days[-1], regimen.last_day) if horizon is None else horizon
        if not model.needs_history:
            found = simulate_many(model, events, days, horizon=end, side="after")
            if solved(found)[0]:
                names = tuple(names_of(model))
                values = np.column_stack([found[name].values[0] for name in names])
                return Trajectory(np.asarray(days), values, names, tuple(found[n].attrs["units"] for n in names))
        course = simulate(model, events, days, horizon=end, side="after")
        return require_ok(course, f"simulating {self.name}")

    def shifted(self, regimen: Regimen) -> Regimen:
        """A regimen whose day 0 is the first fraction, on the model's own clock."""
        days = tuple(day + self.start_day for day in regimen.fraction_days)
        drugs = tuple(given.model_copy(update={"day": given.day + self.start_day}) for given in regimen.drug_doses)
        return regimen.model_copy(update={"fraction_days": days, "drug_doses": drugs})


def cards() -> tuple[Card, ...]:
    """Cards of all models, implemented or not."""
    rows = load(SHEET).table("models").fillna("").to_dict(orient="records")
    return tuple(
        Card(*(str(row[name]) for name in ("model", "citation", "doi", "species", "status", "checked", "missing")))
        for row in rows
    )


def published_names() -> list[str]:
    """Names of the models that take a regimen."""
    return list(_build())


def published(name: str) -> Published:
    """A published model by name.

    Raises
    ------
    UnsupportedError
        A model known by its card alone: the message says what is missing.
    InputError
        An unknown name, with the close match.
    """
    models = _build()
    if name in models:
        return models[name]
    for card in cards():
        if card.name == name:
            raise UnsupportedError(
                doing=f"looking up the published model '{name}'",
                found=f"{card.status}: {card.missing}",
                expected="a model whose equations and parameters were recovered",
                try_=", ".join(models),
            )
    known = list(dict.fromkeys([*models, *(card.name for card in cards())]))
    raise unknown_name(f"looking up the published model '{name}'", name, known)


@cache
def _build() -> dict[str, Published]:
    by_name = {card.name: card for card in cards()}
    level = {"anti-PD-1": 1.0, "anti-PD-L1": 1.0, "anti-CTLA-4": 1.0}  # models whose drugs have no amount
    dose = load("published/kosinsky2018")["mouse_dose"]
    made: tuple[tuple[str, str, str, str, Mapping[str, float], Callable[[Regimen], Prepared]], ...] = (
        ("kosinsky2018", "V", "mm^3", "", {"anti-PD-L1": dose, "anti-PD-1": dose}, _kosinsky),
        ("brueningk2021", "V", "cm^3", "", {"anti-PD-1": 1.0}, lambda r: _plain(brueningk2021(), r)),
        ("friedrich2022", "V", "cell", "T2", level, _friedrich),
        ("cho2023", "V", "arb_unit", "", level, lambda r: _plain(cho2023(), r)),
        ("gonzalez_crespo2022", "V", "mm^3", "", level, _gonzalez_crespo),
    )
    models = {
        name: Published(
            name, by_name[name], burden, unit, other, load(f"published/{name}")["start_day"], amounts, prepare
        )
        for name, burden, unit, other, amounts, prepare in made
    }
    own = Card(OWN, "this package, dose-immune window model, reference set B", "", "mouse, two lesions", "implemented",
               "see its own page", "fitted to orders of mouse outcomes")  # fmt: skip
    start = load("immune/window")["rt_start"]
    return models | {
        OWN: Published(
            OWN, own, "V_0", "mm^3", "V_1", start, dict.fromkeys(level, dose), lambda r: _plain(diw_model(), r)
        )
    }


def _plain(model: Model, regimen: Regimen) -> Prepared:
    return model, list(regimen_events(model, regimen))


def _kosinsky(regimen: Regimen) -> Prepared:
    most = load("published/kosinsky2018")["dose_limit"]
    largest = max(regimen.fraction_doses, default=0.0)
    if largest > most:
        raise UnsupportedError(
            doing="giving radiation to the model kosinsky2018",
            found=f"a fraction of {largest:g} Gy",
            expected=f"at most {most:g} Gy per fraction, as its authors restrict it",
            try_="another model",
        )
    return _plain(kosinsky2018(), regimen)


def _friedrich(regimen: Regimen) -> Prepared:
    largest = max(regimen.fraction_doses, default=2.0)
    return friedrich2022(regimen.n_fractions, death_dose=largest), friedrich2022_events(regimen)


def _gonzalez_crespo(regimen: Regimen) -> Prepared:
    # One set for every arm: the sets belong to groups of mice, and a contrast between sets is no effect of treatment.
    model = gonzalez_crespo2022(regimen.n_fractions, "B")
    fractions = zip(regimen.fraction_days, regimen.fraction_doses, strict=True)
    events = [Event(day, f"fraction_{k}", {"d": dose}) for k, (day, dose) in enumerate(fractions, start=1)]
    events += list(regimen_events(model, regimen.without_radiation()))
    return model, sorted(events, key=lambda event: event.day)


def require_published(names: list[str]) -> list[Published]:
    """Models by name, `all` for every one; refuses an empty list."""
    if not names:
        raise InputError(
            doing="choosing published models",
            found="no name",
            expected="one or more",
            try_=", ".join(published_names()),
        )
    return [published(name) for name in (published_names() if names == ["all"] else names)]
