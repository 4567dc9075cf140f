"""Dose–volume histograms of everything contoured, and of the unions the models ask for."""

from collections.abc import Mapping

import numpy as np

from abscopal.assessment.types import Curve, StructureSummary
from abscopal.domain.progress import track
from abscopal.dose.dicom.intake import Case
from abscopal.dose.dvh import DVH, combine_dvh, compute_dvh

CURVE_POINTS = 160
TARGET_ROLES = ("GTV", "CTV", "PTV")
PAIRS = {"Lungs": ("Lung_L", "Lung_R"), "Kidneys": ("Kidney_L", "Kidney_R"), "Parotids": ("Parotid_L", "Parotid_R")}


def case_dvhs(case: Case) -> dict[str, DVH]:
    """DVH of every structure of the case, and of paired organs that are contoured side by side.

    Returns
    -------
    dict
        By TG-263 name, or the name in the file where there is none. `Lungs` and `Lungs-GTV`
        are added where both lungs (and a GTV) are contoured.
    """
    dvhs = {
        label: compute_dvh(structure, case.dose)
        for label, structure in track(case.structures.items(), "Dose-volume histograms", len(case.structures))
    }
    for name, sides in PAIRS.items():
        if name not in dvhs and all(side in case.structures for side in sides):
            dvhs[name] = combine_dvh(name, [case.structures[side] for side in sides], case.dose)
    if "Lungs" in dvhs and "Lungs-GTV" not in dvhs:
        _subtract_gtv(case, dvhs)
    return dvhs


def _subtract_gtv(case: Case, dvhs: dict[str, DVH]) -> None:
    # By TG-263 name, not by role: a whole breast may carry the role GTV.
    targets = [s for s in case.structures.values() if (s.standard_name or "").startswith("GTV")]
    lungs = [case.structures[side] for side in ("Lungs", *PAIRS["Lungs"]) if side in case.structures]
    if targets:
        dvhs["Lungs-GTV"] = combine_dvh("Lungs-GTV", lungs, case.dose, exclude=targets)


def summarise_structures(case: Case, dvhs: Mapping[str, DVH]) -> tuple[StructureSummary, ...]:
    """One row per histogram, targets first, then by mean dose."""
    rows = [_summary(case, label, dvh) for label, dvh in dvhs.items()]
    return tuple(sorted(rows, key=lambda row: (row.role not in TARGET_ROLES, -row.mean_gy)))


def _summary(case: Case, label: str, dvh: DVH) -> StructureSummary:
    structure = case.structures.get(label)
    return StructureSummary(
        name=label if structure is None else structure.name,
        standard_name=label if structure is None else structure.standard_name,
        role="" if structure is None else structure.role,
        volume_cm3=dvh.volume_cm3,
        mean_gy=dvh.mean,
        min_gy=dvh.minimum,
        max_gy=dvh.maximum,
        d2_gy=dvh.dose_at_volume(2),
        d50_gy=dvh.dose_at_volume(50),
        d98_gy=dvh.dose_at_volume(98),
        v5_percent=100 * dvh.volume_at_dose(5),
        v20_percent=100 * dvh.volume_at_dose(20),
        dvh=_curve(dvh),
        notes=dvh.notes if structure is not None else (*dvh.notes, "combined from the structures it is named for"),
    )


def _curve(dvh: DVH) -> Curve:
    """The histogram at evenly spaced doses, for drawing."""
    doses = np.linspace(0, max(dvh.maximum * 1.02, 0.1), CURVE_POINTS)
    fractions = np.interp(doses, dvh.edges, dvh.volume_fraction, right=0.0)
    return Curve(
        x=tuple(np.round(doses, 4).tolist()), y=tuple(np.round(fractions, 5).tolist()), x_unit="Gy", y_unit="1"
    )
