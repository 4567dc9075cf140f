"""The sourced alpha/beta of a tumour or a normal tissue."""

from dataclasses import dataclass

from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.knowledge.schema import Number

SHEET = "radiobiology/tissue"
PREFIX = "alpha_beta_"


@dataclass(frozen=True)
class TissueSensitivity:
    """Alpha/beta of one tissue with its knowledge entry.

    Attributes
    ----------
    alpha_beta : float
        [Gy]
    key : str
        Knowledge key, such as `radiobiology/tissue:alpha_beta_nsclc`.
    entry : Number
        Value, range, source and status.
    notes : tuple of str
        Says when a general value stands in for a tumour that has no entry.
    """

    alpha_beta: float
    key: str
    entry: Number
    notes: tuple[str, ...] = ()


def tissue_names() -> list[str]:
    """Names `alpha_beta_of` finds, such as `late_normal`, `spinal_cord` or `nsclc`."""
    return sorted(key.removeprefix(PREFIX) for key in load(SHEET).content.numbers if key.startswith(PREFIX))


def alpha_beta_of(tissue: str) -> TissueSensitivity:
    """The alpha/beta entry of a tissue named in `tissue_names`.

    Raises
    ------
    InputError
        Unknown name, with the close match.
    """
    name = tissue.lower()
    if name not in tissue_names():
        raise unknown_name("looking up alpha/beta", tissue, tissue_names())
    sheet = load(SHEET)
    return TissueSensitivity(sheet[PREFIX + name], f"{SHEET}:{PREFIX}{name}", sheet.number(PREFIX + name))


def alpha_beta_of_disease(disease: str) -> TissueSensitivity:
    """Alpha/beta of a tumour by the disease name of `patient.toml`, or the general tumour value.

    A disease without an entry gets `alpha_beta_tumour` and a note that says so.
    """
    if disease.lower() in tissue_names():
        return alpha_beta_of(disease)
    general = alpha_beta_of("tumour")
    note = f"no alpha/beta for {disease} is on file; the general tumour value {general.alpha_beta:g} Gy stands in"
    return TissueSensitivity(general.alpha_beta, general.key, general.entry, (note,))
