"""From the contoured organs of a plan to the blood compartments of the circulation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from abscopal.blood.circulation import SHEET, Network, Sex, load_network
from abscopal.blood.exposure import BloodDose, blood_dose
from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

TUMOUR = "tumour"
# A structure inside another one: where both stand for compartments, the body is counted once.
WITHIN = {
    **dict.fromkeys(("Atrium_L", "Atrium_R", "Ventricle_L", "Ventricle_R"), "Heart"),
    **dict.fromkeys(("A_Aorta", "A_Pulmonary", "V_Venacava_S"), "GreatVes"),
}
UNIFORM = (
    "each organ's blood gets the organ's mean dose: the mean blood dose holds for any field, "
    "but the touched share is an upper bound and the spread a lower bound for partial-organ fields"
)


@dataclass(frozen=True)
class Assignment:
    """Dose given to one compartment and where it came from.

    Attributes
    ----------
    dose : float
        Mean dose over the course. [Gy]
    basis : str
        Structure names, or `"body mean"`, or `"zero"`.
    contoured : bool
        Whether a structure of the plan, in whole or in part, stands behind the dose.
    missing : tuple of str
        Structures the table asks for that the plan lacks.
    """

    compartment: str
    dose: float
    basis: str
    contoured: bool
    missing: tuple[str, ...] = ()


def assign_organs(
    network: Network, organ_means_total: Mapping[str, float], body_mean: float | None
) -> tuple[Assignment, ...]:
    """Mean dose of each compartment from structures in TG-263 names.

    Parameters
    ----------
    organ_means_total : mapping
        Structure to mean dose of the course. [Gy]
    body_mean : float or None
        Mean dose taken for compartments without a structure, over the *whole* body; None
        takes zero. [Gy]

    Returns
    -------
    tuple of Assignment, one for each compartment
    """
    table = load(SHEET).table("organs").fillna("").set_index("compartment")["structures"]
    return tuple(_assign(name, str(table.get(name, "")), organ_means_total, body_mean) for name in network.compartments)


def blood_dose_for_case(
    organ_means_total: Mapping[str, float],
    n_fractions: int,
    sex: Sex,
    beam_on_s: float | None,
    body_mean: float | None,
    *,
    cardiac_output: float | None = None,
    blood_volume: float | None = None,
) -> BloodDose:
    """Blood dose of one fraction of a plan, with every assumption in the notes.

    Parameters
    ----------
    organ_means_total : mapping
        TG-263 structure name to mean dose over the course. [Gy]
    n_fractions : int
        The course is taken as equal fractions. [1]
    sex : {"male", "female"}
        Chooses the reference circulation.
    beam_on_s : float or None
        Beam-on time of one fraction; None takes the assumed value of the knowledge sheet,
        and says so. [s]
    body_mean : float or None
        Mean dose of the course taken where no structure stands for a compartment: best
        `remainder_body_mean`, never the mean of a scan-limited contour. None takes zero. [Gy]
    cardiac_output, blood_volume : float, optional
        Of this patient. [L/min], [L]

    Returns
    -------
    BloodDose
        Of one fraction; `course(n_fractions)` adds them up.

    Raises
    ------
    InputError
        A negative dose or fewer than one fraction.
    """
    if n_fractions < 1:
        raise InputError(
            doing="computing blood dose of a plan",
            found=f"{n_fractions} fractions",
            expected="one fraction or more",
            try_="the fraction count of the plan",
        )
    sheet = load(SHEET)
    network = load_network(sex, cardiac_output=cardiac_output, blood_volume=blood_volume)
    assigned = assign_organs(network, organ_means_total, body_mean)
    per_fraction = {item.compartment: item.dose / n_fractions for item in assigned}
    floor = sheet["smallest_dose_counted"]
    counted = [item.compartment for item in assigned if item.contoured and per_fraction[item.compartment] > floor]
    seconds = sheet["beam_on_time"] if beam_on_s is None else beam_on_s
    result = blood_dose(network, per_fraction, seconds, counted=counted)
    notes = [*result.notes, *assignment_notes(assigned, body_mean)]
    if body_mean is not None:
        notes.append("compartments at the body mean count in the dose but not in the touched share")
    notes.append(UNIFORM)
    if beam_on_s is None:
        notes.append(f"the plan gives no beam-on time; {seconds:g} s is assumed")
    return replace(result, notes=tuple(notes), sources={item.compartment: item.basis for item in assigned})


def remainder_body_mean(
    body_integral_gy_cm3: float,
    organ_means_total: Mapping[str, float],
    organ_volumes: Mapping[str, float],
    compartments: Collection[str] | None = None,
) -> float:
    """Mean dose of the body outside the organs that have a compartment of their own, in Gy.

    Parameters
    ----------
    body_integral_gy_cm3 : float
        Mean dose times volume of the body contour, over the course. [Gy cm³]
    organ_means_total, organ_volumes : mapping
        TG-263 structure to mean dose [Gy] and volume [cm³]. Only structures the organ table
        uses are taken out, each once; a structure without a volume stays in.
    compartments : collection of str, optional
        Those of the network; every one but a tumour's when None.

    Returns
    -------
    float
        Spread over the reference whole-body volume of EDRIC, so a scan that ends at the
        chest does not make it too high. Zero where the organs hold all of the integral dose.
    """
    used = {name for name in used_structures(organ_means_total, compartments) if name in organ_volumes}
    organs = sum(organ_means_total[name] * organ_volumes[name] for name in used)
    volume = load("blood/edric")["body_volume"] - sum(organ_volumes[name] for name in used)
    return max(0.0, body_integral_gy_cm3 - organs) / volume


def used_structures(means: Mapping[str, float], compartments: Collection[str] | None = None) -> set[str]:
    """Contoured structures that stand for a compartment, without those inside another of them."""
    table = load(SHEET).table("organs").fillna("")
    chosen = table["compartment"] != TUMOUR if compartments is None else table["compartment"].isin(list(compartments))
    used = {name for text in table["structures"][chosen] for name in best_alternative(str(text), means)} & set(means)
    return {name for name in used if WITHIN.get(name) not in used}


def best_alternative(structures: str, means: Mapping[str, float]) -> list[str]:
    """The first alternative that is contoured most completely; empty when the table names none."""
    alternatives = [names.split("+") for names in structures.split(";") if names]
    return max(alternatives, key=lambda names: sum(name in means for name in names) / len(names), default=[])


def _assign(compartment: str, structures: str, means: Mapping[str, float], body_mean: float | None) -> Assignment:
    """Dose of one compartment: its best alternative, the fallback for what is missing of it."""
    default, fallback = (0.0, "zero") if body_mean is None else (body_mean, "body mean")
    best = best_alternative(structures, means)
    present = [name for name in best if name in means]
    if not present:
        whole = [names for names in structures.split(";") if names and "+" not in names]
        missing = (" or ".join(whole),) if whole else tuple(best)
        return Assignment(compartment, default, fallback, contoured=False, missing=missing)
    absent = tuple(name for name in best if name not in means)
    dose = sum(means.get(name, default) for name in best) / len(best)
    basis = "mean of " + ", ".join((*present, *(f"{fallback} for {name}" for name in absent)))
    return Assignment(compartment, dose, present[0] if len(best) == 1 else basis, contoured=True, missing=absent)


def assignment_notes(assigned: tuple[Assignment, ...], body_mean: float | None) -> list[str]:
    """What was assumed for compartments without a structure, in words."""
    missing = dict.fromkeys(name for item in assigned for name in item.missing)
    spread = [item.compartment for item in assigned if not item.contoured and not item.missing]
    value = "zero dose" if body_mean is None else f"the body mean of {body_mean:.3g} Gy"
    notes = []
    if missing:
        notes.append(f"not contoured, so {value} is assumed: {', '.join(missing)}")
    if spread:
        notes.append(f"spread over the body, so {value} is assumed: {', '.join(spread)}")
    return notes
