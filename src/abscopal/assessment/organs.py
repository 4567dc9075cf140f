"""Dose–volume histograms of everything contoured, and of the unions the models ask for."""

from collections.abc import Mapping

import numpy as np

from abscopal.assessment.types import Curve, StructureSummary
from abscopal.dose.dicom.intake import Case
from abscopal.dose.dvh import DVH

CURVE_POINTS = 160


def summarise_structures(case: Case, dvhs: Mapping[str, DVH]) -> tuple[StructureSummary, ...]:
    """One row per structure that has dose, targets first."""
    rows = [_summary(case, label, dvh) for label, dvh in dvhs.items() if label in case.structures]
    return tuple(sorted(rows, key=lambda row: (row.role not in ("GTV", "CTV", "PTV"), -row.mean_gy)))


def _summary(case: Case, label: str, dvh: DVH) -> StructureSummary:
    structure = case.structures[label]
    return StructureSummary(
        name=structure.name,
        standard_name=structure.standard_name,
        role=structure.role,
        volume_cm3=dvh.volume_cm3,
        mean_gy=dvh.mean,
        min_gy=dvh.minimum,
        max_gy=dvh.maximum,
        d2_gy=dvh.dose_at_volume(2),
        d50_gy=dvh.dose_at_volume(50),
        d98_gy=dvh.dose_at_volume(98),
        v5_percent=100 * dvh.volume_at_dose(5),
        v20_percent=100 * dvh.volume_at_dose(20),
        dvh=dvh_curve(dvh),
        notes=dvh.notes,
    )


def dvh_curve(dvh: DVH) -> Curve:
    """The histogram at evenly spaced doses, for drawing."""
    doses = np.linspace(0, max(dvh.maximum * 1.02, 0.1), CURVE_POINTS)
    fractions = np.interp(doses, dvh.edges, dvh.volume_fraction, right=0.0)
    return Curve(
        x=tuple(np.round(doses, 4).tolist()), y=tuple(np.round(fractions, 5).tolist()), x_unit="Gy", y_unit="1"
    )


