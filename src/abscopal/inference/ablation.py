"""The full model and the model without each mechanism, all calibrated alike: the test of the hypothesis."""

from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.immune.model import REPAIRS, diw_model
from abscopal.inference.bench import Bench
from abscopal.inference.observations import of_split
from abscopal.inference.sampler import Chain, Settings, sample

FULL = "full"
ABLATIONS = {
    FULL: "",
    "no-TREX1": "trex1",
    "no-Treg": "treg",
    "no-MDSC": "mdsc",
    "no-TGF-β": "tgfb",
    "no-lymphopenia": "lymphopenia",
    "no-PD-L1": "pdl1",
}
"""Label and the switch that is off."""


def variant(label: str) -> Model:
    """The model of one label, with start values of reference set B.

    Raises
    ------
    InputError
        Unknown label, with the close match.
    """
    if label not in ABLATIONS:
        raise unknown_name("choosing an ablation", label, list(ABLATIONS))
    off = {ABLATIONS[label]: False} if ABLATIONS[label] else {}
    return diw_model(parameter_set="set_b", switches=dict.fromkeys(REPAIRS, True) | off)


def calibrate(label: str = FULL, settings: Settings | None = None, threads: int | None = None) -> Chain:
    """Sample the posterior of one variant, given the rows tagged SPLIT=calibration and no others."""
    return sample(Bench(variant(label), of_split("calibration"), threads), settings or Settings())
