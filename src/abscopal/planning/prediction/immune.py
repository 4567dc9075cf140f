"""What a predicted dose would mean for the immune system, before anything is planned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from abscopal.blood.immune_dose import ImmuneDose, edric_from_case, edric_from_mean_body_dose
from abscopal.blood.indices import ImmuneIndex, immune_indices
from abscopal.domain.errors import DicomError
from abscopal.dose.dvh import DVH, combine_dvh
from abscopal.dose.grid import DoseGrid
from abscopal.dose.structures import Structure
from abscopal.knowledge.load import load
from abscopal.planning.prediction.anatomy import FRACTIONS, SHEET, Anatomy, Mask

ELECTIVE = "PTV56"
LITRE = 1000.0  # cm3


@dataclass(frozen=True)
class ImmuneFigures:
    """Immune-related figures of one dose on an anatomy without lungs, heart or nodes.

    Attributes
    ----------
    elective_mean : float, optional
        Mean dose of the elective target PTV56, the stand-in for the neck nodes; None where there is none. [Gy]
    integral : float
        Integral dose of the rough body. [Gy L]
    body_terms : float
        The terms of EDRIC that come from the integral dose. Those of lungs and heart, which these scans do not
        show, are left out, so this is a lower bound of EDRIC. [Gy]
    """

    elective_mean: float | None
    integral: float
    body_terms: float


def immune_figures(dose: NDArray[np.floating], anatomy: Anatomy, n_fractions: int = FRACTIONS) -> ImmuneFigures:
    """Elective-node dose, integral dose and the body terms of EDRIC.

    Parameters
    ----------
    dose : array, shape (a, b, c)
        [Gy]
    anatomy : Anatomy
    n_fractions : int
    """
    body = rough_body(anatomy)
    litres = anatomy.voxel_cm3 / LITRE
    integral = float(dose[body].sum(dtype=np.float64)) * litres
    whole_body = load("blood/edric")["body_volume"] / LITRE
    terms = edric_from_mean_body_dose(0.0, 0.0, integral / whole_body, n_fractions).value
    nodes = anatomy.masks.get(ELECTIVE)
    mean = None if nodes is None else float(dose[nodes].mean(dtype=np.float64))
    return ImmuneFigures(mean, integral, float("nan") if terms is None else terms)


def rough_body(anatomy: Anatomy) -> Mask:
    """Everything denser than the threshold of the sheet, holes filled plane by plane, and the region."""
    dense = anatomy.ct > load(SHEET)["rough_body_ct"]
    filled = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(dense, 2, 0)]
    return np.asarray(np.stack(filled, axis=2) | anatomy.region, dtype=bool)


@dataclass(frozen=True)
class PredictedImmuneDose:
    """Immune-related figures of a predicted dose on a case with its own structures.

    Attributes
    ----------
    edric : ImmuneDose
        With `not_computable` naming the structures that are missing.
    indices : tuple of ImmuneIndex
        Mean dose of lymphoid organs and nodes, integral dose and low-dose bath, computable or not.
    """

    edric: ImmuneDose
    indices: tuple[ImmuneIndex, ...]


def predicted_immune_dose(
    structures: Mapping[str, Structure], predicted: DoseGrid, n_fractions: int = FRACTIONS
) -> PredictedImmuneDose:
    """EDRIC, node dose and the other immune indices of a predicted dose.

    Parameters
    ----------
    structures : mapping of str to Structure
        By TG-263 name.
    predicted : DoseGrid
        On a grid that covers the scan. [Gy]
    n_fractions : int
    """
    dvhs = {name: dvh for name, one in structures.items() if (dvh := _dvh(name, one, predicted)) is not None}
    body = dvhs.get("External")
    edric = edric_from_case(
        {name: dvh.mean for name, dvh in dvhs.items()}, {name: dvh.volume_cm3 for name, dvh in dvhs.items()},
        None if body is None else body.integral_dose, n_fractions,
    )  # fmt: skip
    edric = replace(edric, notes=(*edric.notes, "from a predicted dose, not from a plan"))
    return PredictedImmuneDose(edric, immune_indices(dvhs))


def _dvh(name: str, structure: Structure, dose: DoseGrid) -> DVH | None:
    try:
        return combine_dvh(name, [structure], dose)
    except DicomError:  # nothing of it on the grid
        return None
