"""A small dose-influence matrix from a formula: parallel beams, exponential depth dose, error-function edges.

No engine, no file: 12 × 22 × 22 voxels of 8 mm, five beams of 9 × 7 bixels of 10 mm. Doses follow the formula alone
and are no beam data.
"""

import numpy as np
from scipy import sparse
from scipy.special import erf

from abscopal.planning.influence import Bixels, InfluenceMatrix, Prescription, from_arrays

SHAPE = (12, 22, 22)
STEP = 8.0  # mm
GANTRY = (0.0, 72.0, 144.0, 216.0, 288.0)
BIXEL = 10.0  # mm
CENTRE = np.array([-20.0, 0.0, 0.0])  # of the target


def affine() -> np.ndarray:
    """Index (i, j, k, 1) to LPS; the grid is centred on the origin."""
    made = np.diag([STEP, STEP, STEP, 1.0])
    made[:3, 3] = [-(n - 1) / 2 * STEP for n in SHAPE[::-1]]
    return made


def points() -> np.ndarray:
    """Voxel centres (n, 3) in C order, LPS in mm."""
    k, j, i = np.indices(SHAPE, dtype=float).reshape(3, -1)
    return np.stack([i, j, k], axis=1) * STEP + affine()[:3, 3]


def ellipsoid(centre: tuple[float, float, float], half: tuple[float, float, float]) -> np.ndarray:
    """Part of each voxel inside, softened over one voxel."""
    r = np.linalg.norm((points() - np.array(centre)) / np.array(half), axis=1)
    return np.clip((1.0 - r) * min(half) / STEP + 0.5, 0.0, 1.0).reshape(SHAPE)


def occupancies() -> dict[str, np.ndarray]:
    """A crude thorax."""
    x, y, _ = points().T
    body = (np.hypot(x / 84, y / 64) <= 1).astype(float).reshape(SHAPE)
    right, left = ellipsoid((-45, 5, 0), (28, 40, 60)), ellipsoid((45, 5, 0), (28, 40, 60))
    return {
        "PTV": ellipsoid(tuple(CENTRE), (22, 22, 22)),
        "External": body,
        "Lungs": np.maximum(right, left),
        "Heart": ellipsoid((12, -20, -12), (22, 22, 22)),
        "LN_Mediast": ellipsoid((6, 8, 12), (14, 14, 14)),
        "SpinalCord": ellipsoid((0, 44, 0), (7, 7, 80)),
        "Spleen": ellipsoid((50, 20, -36), (14, 14, 10)),
    }


def pencils() -> tuple[np.ndarray, Bixels]:
    """Dose of each bixel in each voxel, and the table of bixels."""
    places = points()
    body = occupancies()["External"].ravel()
    columns, across, along, beam = [], [], [], []
    for number, angle in enumerate(np.deg2rad(GANTRY)):
        u = (places - CENTRE) @ np.array([np.cos(angle), np.sin(angle), 0.0])
        depth = (places - CENTRE) @ np.array([-np.sin(angle), np.cos(angle), 0.0])
        v = places[:, 2] - CENTRE[2]
        fall = body * np.exp(-0.005 * (depth + 80.0))
        for at in BIXEL * np.arange(-4, 5):
            for up in BIXEL * np.arange(-3, 4):
                columns.append(fall * _edge(u - at) * _edge(v - up))
                across.append(at)
                along.append(up)
                beam.append(number)
    table = Bixels(
        np.array(beam), np.array(GANTRY)[beam], np.zeros(len(beam)), np.array(across), np.array(along),
        np.full(len(beam), 6.0),
    )  # fmt: skip
    dose = np.stack(columns, axis=1)
    return np.where(dose > 1e-3, dose, 0.0), table


def _edge(distance: np.ndarray) -> np.ndarray:
    half, blur = BIXEL / 2, 5.0
    return 0.5 * (erf((distance + half) / blur) - erf((distance - half) / blur))


def made_up_matrix(prescription: str = "50/25") -> InfluenceMatrix:
    """The matrix with its regions; doses in Gy per unit weight."""
    dose, table = pencils()
    return from_arrays(
        sparse.csr_array(dose), SHAPE, affine(), occupancies(), targets=("PTV",),
        prescription=Prescription.parse(prescription), bixels=table, origin="made up from a formula",
    )  # fmt: skip
