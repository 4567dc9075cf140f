"""Which checkpoint inhibitors are known, what they block, and their kinetics for one person."""

from dataclasses import dataclass
from math import exp
from typing import Literal

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import Sheet, load, sheet_names

DrugClass = Literal["anti-PD-1", "anti-PD-L1", "anti-CTLA-4"]

DRUG_CLASSES: dict[str, DrugClass] = {
    "pembrolizumab": "anti-PD-1",
    "nivolumab": "anti-PD-1",
    "cemiplimab": "anti-PD-1",
    "dostarlimab": "anti-PD-1",
    "toripalimab": "anti-PD-1",
    "sintilimab": "anti-PD-1",
    "tislelizumab": "anti-PD-1",
    "camrelizumab": "anti-PD-1",
    "atezolizumab": "anti-PD-L1",
    "durvalumab": "anti-PD-L1",
    "avelumab": "anti-PD-L1",
    "ipilimumab": "anti-CTLA-4",
    "tremelimumab": "anti-CTLA-4",
}
DEFAULT_ROWS = {
    "pembrolizumab": "ahamadi_2017",
    "nivolumab": "bajaj_2017",
    "atezolizumab": "stroh_2017",
    "durvalumab": "abegesah_2025",
    "cemiplimab": "nguyen_2022",
    "avelumab": "masters_2022",
    "ipilimumab": "sanghavi_2020",
    "tremelimumab": "hwang_2022",
}
_BASE = ("CL0", "V1", "Q", "V2")
_TIME_VARYING = ("Emax", "T50", "hill")
_SATURABLE = ("Vmax", "Km")


@dataclass(frozen=True)
class Kinetics:
    """Two-compartment parameters of one drug in one person.

    Attributes
    ----------
    parameters : dict
        CL0, Q [L/day], V1, V2 [L]; where the row has them Emax [1], T50 [day], hill [1], Vmax
        [mg/day], Km [mg/L].
    notes : tuple of str
        What was assumed about the person.
    """

    drug: str
    row: str
    parameters: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def is_time_varying(self) -> bool:
        """Whether clearance changes over time."""
        return "Emax" in self.parameters

    @property
    def is_saturable(self) -> bool:
        """Whether part of the elimination saturates."""
        return "Vmax" in self.parameters


def drug_class(name: str) -> DrugClass:
    """What a drug blocks; a class name such as `anti-PD-1` is its own class.

    Raises
    ------
    InputError
        Unknown drug, with the close match.
    """
    classes = {text.casefold(): text for text in DRUG_CLASSES.values()}
    folded = name.strip().casefold()
    if folded in classes:
        return classes[folded]
    if folded in DRUG_CLASSES:
        return DRUG_CLASSES[folded]
    raise unknown_name(f"looking up the drug '{name}'", name, [*DRUG_CLASSES, *sorted(set(classes.values()))])


def kinetics_of(
    drug: str,
    *,
    row: str | None = None,
    weight: float | None = None,
    sex: Literal["female", "male"] | None = None,
    partner: str = "",
) -> Kinetics:
    """Population parameters of a drug, moved to a person's weight and sex where the row allows it.

    Parameters
    ----------
    drug : str
        Generic name.
    row : str, optional
        Source row of the drug's knowledge sheet, such as `bajaj_2017`; by default `DEFAULT_ROWS`.
    weight : float, optional
        Body weight; the typical subject's when left out. [kg]
    sex : {"female", "male"}, optional
    partner : str
        Drug given with it, whose change of clearance is taken where the row has one: nivolumab with ipilimumab,
        durvalumab with tremelimumab.

    Raises
    ------
    InputError
        Unknown drug or row.
    UnsupportedError
        The drug has no complete row, or none is on file.
    """
    name = drug.strip().casefold()
    drug_class(name)
    sheet = _sheet(name)
    chosen = row or DEFAULT_ROWS.get(name, "")
    rows = simulable_rows(name)
    if row is not None and row not in sheet.content.sources:
        raise unknown_name(f"choosing a row of {name}", row, list(sheet.content.sources))
    if chosen not in rows:
        raise _incomplete(name, rows)
    parameters = {key: sheet[f"{chosen}_{key}"] for key in _present(sheet, chosen)}
    for key in _TIME_VARYING:
        together = f"{chosen}_{key}_with_{partner.strip().casefold()}"
        if together in sheet.content.numbers:
            parameters[key] = sheet[together]
    notes = [
        _doubts(sheet, chosen, parameters),
        _scale_weight(sheet, chosen, parameters, weight),
        _scale_sex(sheet, chosen, parameters, sex),
    ]
    return Kinetics(name, chosen, parameters, tuple(note for note in notes if note))


def simulable_rows(drug: str) -> list[str]:
    """Rows of a drug's sheet that hold a complete two-compartment model."""
    sheet = _sheet(drug)
    return [row for row in sheet.content.sources if all(f"{row}_{key}" in sheet.content.numbers for key in _BASE)]


def _sheet(name: str) -> Sheet:
    if f"drugs/{name}" not in sheet_names():
        raise _incomplete(name, [])
    return load(f"drugs/{name}")


def _present(sheet: Sheet, row: str) -> list[str]:
    return [key for key in (*_BASE, *_TIME_VARYING, *_SATURABLE) if f"{row}_{key}" in sheet.content.numbers]


def _doubts(sheet: Sheet, row: str, parameters: dict[str, float]) -> str:
    numbers = sheet.content.numbers
    found = [key for key in parameters if numbers[f"{row}_{key}"].status == "uncertain"]
    return f"uncertain in its source: {', '.join(found)} of {row}" if found else ""


def _scale_weight(sheet: Sheet, row: str, parameters: dict[str, float], weight: float | None) -> str:
    if f"{row}_weight_reference" not in sheet.content.numbers:
        return "" if weight is None else "this row has no body-weight covariate; weight is not used"
    reference = sheet[f"{row}_weight_reference"]
    if weight is None:
        return f"typical body weight of {reference:g} kg taken"
    scaled = {
        "clearance": ("CL0",), "intercompartmental": ("Q",), "volume": ("V1", "V2"), "central_volume": ("V1",),
        "peripheral_volume": ("V2",),
    }  # fmt: skip
    for what, names in scaled.items():
        key = f"{row}_weight_exponent_{what}"
        if key in sheet.content.numbers:
            for name in names:
                parameters[name] *= (weight / reference) ** sheet[key]
    return ""


def _scale_sex(sheet: Sheet, row: str, parameters: dict[str, float], sex: str | None) -> str:
    key = f"{row}_male_log_clearance"
    if key not in sheet.content.numbers:
        return ""
    if sex == "male":
        parameters["CL0"] *= exp(sheet[key])
    return "sex not given: the reference, female, taken" if sex is None else ""


def _incomplete(name: str, rows: list[str]) -> UnsupportedError:
    return UnsupportedError(
        doing=f"computing the kinetics of {name}",
        found="no complete two-compartment parameter set" + (" in that row" if rows else " on file"),
        expected="clearances and volumes of both compartments",
        try_=f"row='{rows[0]}'" if rows else "another drug of the same class",
    )
