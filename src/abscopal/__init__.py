"""Workbench for radiotherapy combined with immunotherapy. Research use only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from abscopal.domain.version import __version__ as __version__

__all__ = [
    "DrugDose",
    "Patient",
    "Regimen",
    "Risk",
    "Trajectory",
    "__version__",
    "assess",
    "compute_dvh",
    "find_window",
    "read_case",
    "write_report",
]

_HOMES = {
    "Regimen": "abscopal.domain.regimen",
    "DrugDose": "abscopal.domain.regimen",
    "Patient": "abscopal.domain.patient",
    "Trajectory": "abscopal.domain.trajectory",
    "Risk": "abscopal.domain.risk",
    "read_case": "abscopal.dose.dicom.intake",
    "compute_dvh": "abscopal.dose.dvh",
    "find_window": "abscopal.window.surface",
    "assess": "abscopal.assessment.assess",
    "write_report": "abscopal.report.html",
}

if TYPE_CHECKING:
    from abscopal.assessment.assess import assess as assess
    from abscopal.domain.patient import Patient as Patient
    from abscopal.domain.regimen import DrugDose as DrugDose
    from abscopal.domain.regimen import Regimen as Regimen
    from abscopal.domain.risk import Risk as Risk
    from abscopal.domain.trajectory import Trajectory as Trajectory
    from abscopal.dose.dicom.intake import read_case as read_case
    from abscopal.dose.dvh import compute_dvh as compute_dvh
    from abscopal.report.html import write_report as write_report
    from abscopal.window.surface import find_window as find_window


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import abscopal` stays cheap."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'abscopal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
