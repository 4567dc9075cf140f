"""How a patient is irradiated: modality, angles and the two step sizes that decide how large the matrix gets."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.planning.influence import Modality


def usual_angles() -> tuple[float, ...]:
    """Gantry angles where none are given. [degree]."""
    return load("planning/goals").vector("gantry_angles")


@dataclass(frozen=True)
class BeamSetup:
    """Beams and grids of a plan.

    Attributes
    ----------
    gantry : tuple of float
        IEC 61217; couch at 0. [degree]
    modality : {"photons", "protons"}
    bixel_mm : float
        Width of a bixel, or spacing of spots. [mm]
    grid_mm : float
        Voxel size of the dose grid. [mm]
    machine : str
        Machine file of the engine.
    """

    gantry: tuple[float, ...] = field(default_factory=usual_angles)
    modality: Modality = "photons"
    bixel_mm: float = 5.0
    grid_mm: float = 5.0
    machine: str = "Generic"

    def __post_init__(self) -> None:
        wrong = {
            "no gantry angle": not self.gantry,
            f"gantry angles {list(self.gantry)}": not all(np.isfinite(a) and -360 <= a <= 360 for a in self.gantry),
            f"the modality {self.modality}": self.modality not in ("photons", "protons"),
            f"bixels of {self.bixel_mm:g} mm": not 1 <= self.bixel_mm <= 50,
            f"a dose grid of {self.grid_mm:g} mm": not 1 <= self.grid_mm <= 20,
        }
        found = [text for text, bad in wrong.items() if bad]
        if found:
            raise InputError(
                doing="setting up beams", found=", ".join(found),
                expected="angles within 360 degrees, photons or protons, bixels of 1 to 50 mm, voxels of 1 to 20 mm",
                try_="nine fields, 5 mm bixels and a 5 mm grid",
            )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Everything the matrix depends on, as JSON takes it."""
        return {
            "gantry": list(self.gantry), "modality": self.modality, "bixel_mm": self.bixel_mm,
            "grid_mm": self.grid_mm, "machine": self.machine,
        }  # fmt: skip
