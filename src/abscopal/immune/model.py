"""The dose-immune window model (DIW): the reference model of this package.

Two lesions by default, the first irradiated; any number is allowed. Parameters come from the knowledge sheets
`immune/diw` (reference set B) and `immune/mechanisms` (what was added since), and from the calibration.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from abscopal.domain.errors import InputError
from abscopal.domain.registry import register, unknown_name
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.immune.draws import SHEETS, values_for_lesions
from abscopal.immune.mechanisms.adenosine import add_adenosine
from abscopal.immune.mechanisms.arrivals import add_arrivals
from abscopal.immune.mechanisms.delayed_dna import add_delayed_dna
from abscopal.immune.mechanisms.dna_sensing import add_dna_sensing
from abscopal.immune.mechanisms.drugs import add_drugs
from abscopal.immune.mechanisms.effectors import add_effectors
from abscopal.immune.mechanisms.growth import add_growth, add_killing
from abscopal.immune.mechanisms.hypoxia import add_hypoxia
from abscopal.immune.mechanisms.low_dose import add_low_dose
from abscopal.immune.mechanisms.lymphocytes import add_lymphocytes
from abscopal.immune.mechanisms.mdsc import add_mdsc
from abscopal.immune.mechanisms.modulators import Effect, add_cyclophosphamide, add_modulators
from abscopal.immune.mechanisms.node import add_node
from abscopal.immune.mechanisms.parts import Histogram, Parts
from abscopal.immune.mechanisms.pd_l1 import add_pd_l1, add_pd_l1_brake
from abscopal.immune.mechanisms.preexisting import add_preexisting
from abscopal.immune.mechanisms.priming import add_antigen, add_priming
from abscopal.immune.mechanisms.suppressors import add_suppression
from abscopal.immune.mechanisms.terminal import add_terminal_exhaustion
from abscopal.immune.mechanisms.tgfb import add_tgfb
from abscopal.immune.mechanisms.trafficking import add_trafficking
from abscopal.immune.mechanisms.treg import add_treg
from abscopal.knowledge.load import load

MODULATORS = "immune/modulators"
MECHANISMS = (
    add_growth, add_killing, add_dna_sensing, add_antigen, add_priming, add_effectors,
    add_pd_l1_brake, add_pd_l1, add_suppression, add_treg, add_mdsc, add_tgfb, add_lymphocytes, add_drugs,
    add_hypoxia, add_delayed_dna, add_arrivals, add_terminal_exhaustion, add_low_dose, add_node, add_trafficking,
    add_preexisting, add_adenosine,
)  # fmt: skip
REPAIRS = (
    "hypoxia", "delayed_dna", "arrivals", "terminal", "ctla4_depletion", "low_dose", "node", "trafficking",
    "preexisting",
)  # fmt: skip
"""Switches of the mechanisms added after reference set B, on in the calibrated model."""
ON_REQUEST = ("adenosine",)
"""Switches that are off in every parameter set unless asked for."""
ParameterSet = Literal["set_b", "posterior"]


@register(
    "immune",
    "diw",
    needs=("regimen",),
    title="Dose-immune window model, mouse",
    calibration="two-tumour mouse experiments marked SPLIT=calibration; see docs/inference.md",
)
def diw_model(
    lesions: int = 2,
    irradiated: Sequence[int] = (0,),
    *,
    switches: Mapping[str, bool] | None = None,
    volumes: Sequence[float] | None = None,
    parameter_set: ParameterSet = "set_b",
    modulators: Sequence[str] = (),
    histograms: Mapping[int, Histogram] | None = None,
) -> Model:
    """The dose-immune window model.

    Parameters
    ----------
    lesions : int
        Number of lesions.
    irradiated : sequence of int
        Indices of the lesions that a regimen's fractions hit.
    switches : mapping, optional
        Mechanisms to turn off (or on), such as `{"trex1": False}`. Off removes the terms.
    volumes : sequence of float, length `lesions`, optional
        Volume of each lesion on day 0; by default the start values of the parameter set. [mm³]
    parameter_set : {"set_b", "posterior"}
        `set_b`: reference set B, without the mechanisms added since (`REPAIRS`). `posterior`: all mechanisms, with
        the medians of the calibration.
    modulators : sequence of str
        Modulators of the table `immune/modulators:effects`, and `cyclophosphamide`, that may be given;
        `modulator_events` gives them.
    histograms : mapping of lesion to histogram, optional
        Lesions irradiated unevenly: parts as (dose relative to the prescription, share of the volume), as for
        GRID or lattice therapy. Kill and interferon are averaged over the parts.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        No lesion, a lesion index that does not exist, a wrong number of volumes, shares that do not add to
        one, an unknown switch, modulator or parameter set.
    """
    _check_lesions(lesions, irradiated, volumes)
    parts = tuple((i, tuple(parts)) for i, parts in sorted((histograms or {}).items()))
    _check_histograms(lesions, parts)
    model = _structure(lesions, tuple(sorted(set(irradiated))), tuple(dict.fromkeys(modulators)), parts)
    model = _with_parameters(model, parameter_set, lesions, irradiated).with_switches(**dict(switches or {}))
    for parameter in model.parameters:  # reading each value records its use for the report
        sheet, _, key = parameter.key.partition(":")
        if sheet in SHEETS:
            load(sheet).number(key)
    if volumes is not None:
        model = model.with_values({f"V0_{i}": float(volume) for i, volume in enumerate(volumes)})
    return model


def _with_parameters(model: Model, parameter_set: str, lesions: int, irradiated: Sequence[int]) -> Model:
    model = model.with_switches(**dict.fromkeys(ON_REQUEST, False))
    if parameter_set == "set_b":
        return model.with_switches(**dict.fromkeys(REPAIRS, False))
    if parameter_set == "posterior":
        return model.with_values(values_for_lesions(lesions, irradiated))
    raise unknown_name("choosing a parameter set", parameter_set, ["set_b", "posterior"])


@lru_cache(maxsize=32)
def _structure(
    lesions: int,
    irradiated: tuple[int, ...],
    modulators: tuple[str, ...],
    histograms: tuple[tuple[int, Histogram], ...],
) -> Model:
    builder = ModelBuilder("dose-immune window")
    effects = modulator_effects(tuple(name for name in modulators if name != "cyclophosphamide"))
    targets = frozenset(target for _, target, _ in effects)
    parts = Parts(builder, tuple(load(name) for name in SHEETS), lesions, irradiated, targets, dict(histograms))
    for add in MECHANISMS:
        add(parts)
    add_modulators(parts, effects)
    if "cyclophosphamide" in modulators:
        add_cyclophosphamide(parts)
    return builder.build()


def modulator_names() -> list[str]:
    """Every modulator that `diw_model` can be made with."""
    return [*dict.fromkeys(load(MODULATORS).table("effects")["modulator"]), "cyclophosphamide"]


def modulator_effects(names: Sequence[str]) -> tuple[Effect, ...]:
    """Modulator, parameter and factor of each effect of the named modulators.

    Raises
    ------
    InputError
        Unknown modulator, with the close match.
    """
    if not names:
        return ()
    table = load(MODULATORS).table("effects")
    known = modulator_names()
    for name in names:
        if name not in known:
            raise unknown_name("adding a modulator to the dose-immune model", name, known)
    rows = table[table["modulator"].isin(list(names))]
    columns = (rows[name].tolist() for name in ("modulator", "target", "factor"))
    return tuple((str(name), str(target), float(factor)) for name, target, factor in zip(*columns, strict=True))


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


def _check_histograms(lesions: int, histograms: tuple[tuple[int, Histogram], ...]) -> None:
    for lesion, parts in histograms:
        total = sum(share for _, share in parts)
        right = all(dose >= 0 and share > 0 for dose, share in parts) and abs(total - 1) < 1e-6
        if not (right and 0 <= lesion < lesions):
            raise InputError(
                doing=f"giving lesion {lesion} a dose histogram",
                found=f"{len(parts)} parts whose shares add to {total:g}, {lesions} lesions",
                expected="doses that are not negative, positive shares that add to one, an existing lesion",
                try_="histograms={0: ((1.0, 0.3), (0.1, 0.7))}",
            )
