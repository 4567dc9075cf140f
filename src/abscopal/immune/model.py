"""The dose-immune window model (DIW): the reference model of this package.

Two lesions by default, the first irradiated; any number is allowed. Eleven states per lesion, four
shared, one per drug. Parameters come from the knowledge sheet `immune/diw`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from abscopal.domain.errors import InputError
from abscopal.domain.registry import register
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.immune.mechanisms.dna_sensing import add_dna_sensing
from abscopal.immune.mechanisms.drugs import add_drugs
from abscopal.immune.mechanisms.effectors import add_effectors
from abscopal.immune.mechanisms.growth import add_growth, add_killing
from abscopal.immune.mechanisms.lymphocytes import add_lymphocytes
from abscopal.immune.mechanisms.mdsc import add_mdsc
from abscopal.immune.mechanisms.parts import Parts
from abscopal.immune.mechanisms.pd_l1 import add_pd_l1, add_pd_l1_brake
from abscopal.immune.mechanisms.priming import add_antigen, add_priming
from abscopal.immune.mechanisms.suppressors import add_suppression
from abscopal.immune.mechanisms.tgfb import add_tgfb
from abscopal.immune.mechanisms.treg import add_treg
from abscopal.knowledge.load import load

SHEET = "immune/diw"
MECHANISMS = (
    add_growth, add_killing, add_dna_sensing, add_antigen, add_priming, add_effectors,
    add_pd_l1_brake, add_pd_l1, add_suppression, add_treg, add_mdsc, add_tgfb, add_lymphocytes, add_drugs,
)  # fmt: skip


@register(
    "immune",
    "diw",
    needs=("regimen",),
    title="Dose-immune window model, mouse reference set B",
    calibration="random search on the order of published mouse outcomes",
)
def diw_model(
    lesions: int = 2,
    irradiated: Sequence[int] = (0,),
    *,
    switches: Mapping[str, bool] | None = None,
    volumes: Sequence[float] | None = None,
) -> Model:
    """The dose-immune window model with the reference parameter set.

    Parameters
    ----------
    lesions : int
        Number of lesions.
    irradiated : sequence of int
        Indices of the lesions that a regimen's fractions hit.
    switches : mapping, optional
        Mechanisms to turn off (or on), such as `{"trex1": False}`. Off removes the terms.
    volumes : sequence of float, length `lesions`, optional
        Volume of each lesion on day 0; by default the sheet's two start values. [mm³]

    Returns
    -------
    Model
        Reference set B: a random search on the order of published outcomes, not physiological
        measurements.

    Raises
    ------
    InputError
        No lesion, a lesion index that does not exist, a wrong number of volumes, an unknown switch.
    """
    _check_lesions(lesions, irradiated, volumes)
    model = _structure(lesions, tuple(sorted(set(irradiated)))).with_switches(**dict(switches or {}))
    sheet = load(SHEET)
    for parameter in model.parameters:  # reading each value records its use for the report
        sheet.number(parameter.key.split(":")[1])
    if volumes is not None:
        model = model.with_values({f"V0_{i}": float(volume) for i, volume in enumerate(volumes)})
    return model


@lru_cache(maxsize=32)
def _structure(lesions: int, irradiated: tuple[int, ...]) -> Model:
    builder = ModelBuilder("dose-immune window")
    parts = Parts(builder, load(SHEET), lesions, irradiated)
    for add in MECHANISMS:
        add(parts)
    return builder.build()


def _check_lesions(lesions: int, irradiated: Sequence[int], volumes: Sequence[float] | None) -> None:
    wrong = [index for index in irradiated if not 0 <= index < lesions]
    if lesions >= 1 and not wrong and (volumes is None or len(volumes) == lesions):
        return
    raise InputError(
        doing="setting up the lesions of the dose-immune model",
        found=f"{lesions} lesions, irradiated {list(irradiated)}"
        + ("" if volumes is None else f", {len(volumes)} volumes"),
        expected="at least one lesion, irradiated indices among them, and one volume for each",
        try_="lesions=2, irradiated=(0,)",
    )
