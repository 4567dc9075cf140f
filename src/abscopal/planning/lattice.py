"""Vertices of lattice radiotherapy: where spheres of high dose go inside a tumour, and the valleys between them.

The centres lie on a regular lattice whose offset and orientation are searched; a centre counts where its sphere keeps
its distance from the edge of the tumour and from every organ at risk. Choosing places is combinatorial and stays
outside the optimiser; on the places found, peaks and valleys are ordinary regions for its convex terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.spatial.transform import Rotation

from abscopal.domain.errors import InputError
from abscopal.dose.grid import FloatArray, Volume
from abscopal.dose.outline import outline_planes
from abscopal.dose.structures import Structure, occupancy
from abscopal.knowledge.load import load
from abscopal.planning.influence import InfluenceMatrix, region_of

SHEET = "planning/lattice"
Pattern = Literal["close packed", "cubic"]
CELLS: dict[Pattern, FloatArray] = {
    "cubic": np.eye(3),
    "close packed": np.array([[1.0, 0.0, 0.0], [0.5, np.sqrt(3) / 2, 0.0], [0.5, np.sqrt(3) / 6, np.sqrt(2.0 / 3.0)]]),
}
"""Rows: steps to the next vertex, in units of the spacing; every neighbour is one spacing away or more."""
VERTICES, VALLEYS, VERTEX = "Vertices", "Valleys", "Vertex_"
CIRCLE_POINTS = 48
PARTS = 4
"""Sub-voxels along each axis for the part of a voxel inside a sphere."""
FAR_MM = 1e6
MOST_CELLS = 60_000_000


@dataclass(frozen=True)
class Rules:
    """How vertices are placed; None for the value of the knowledge sheet.

    Attributes
    ----------
    diameter, spacing : float, optional
        Of a sphere, and between centres. [mm]
    edge_margin, organ_margin : float, optional
        Least distance from a sphere's surface to the edge of the tumour and to an organ. [mm]
    valley_gap : float, optional
        Shell around a sphere that is neither peak nor valley. [mm]
    pattern : {"close packed", "cubic"}
    """

    diameter: float | None = None
    spacing: float | None = None
    edge_margin: float | None = None
    organ_margin: float | None = None
    valley_gap: float | None = None
    pattern: Pattern = "close packed"

    def number(self, name: str) -> float:
        """The value asked for, or that of the sheet."""
        given = getattr(self, name)
        return float(load(SHEET)[name] if given is None else given)


@dataclass(frozen=True, eq=False)
class Placement:
    """Vertices inside one tumour.

    Attributes
    ----------
    centres : array, shape (n, 3)
        LPS; n may be 0. [mm]
    radius, valley_radius : float
        Of a vertex, and of the ball that no valley reaches into. [mm]
    spacing : float
        [mm]
    edge_margin, organ_margin : float or None
        Least distance that was reached, from any sphere's surface; None without a vertex or an organ. [mm]
    volume_share : float
        Volume of the vertices over that of the tumour. [1]
    tried : int
        Placements compared.
    notes : tuple of str
    """

    centres: FloatArray
    radius: float
    valley_radius: float
    spacing: float
    edge_margin: float | None
    organ_margin: float | None
    volume_share: float
    tried: int
    notes: tuple[str, ...] = ()


def place_vertices(
    tumour: Structure, organs: Sequence[Structure] = (), rules: Rules | None = None, *, seed: int = 0
) -> Placement:
    """Place spheres in a tumour: the most of them, then with the most room.

    Parameters
    ----------
    tumour : Structure
        The GTV.
    organs : sequence of Structure
        Organs at risk; parts inside the tumour count too.
    rules : Rules, optional
    seed : int
        Of the orientations tried.

    Returns
    -------
    Placement
        Possibly of no vertex at all, with a note that says what is in the way.

    Raises
    ------
    InputError
        Sizes that are not positive, spheres that would touch, an empty tumour.
    """
    used = rules or Rules()
    _check(tumour, used)
    room = _Room.around(tumour, organs, used)
    best, tried = _search(room, used, seed)
    radius = used.number("diameter") / 2
    count = len(best)
    notes = [f"{count} vertices, {used.pattern}; best of {tried} offsets and orientations by count, then by room"]
    if not count:
        deepest = float(room.edge.max())
        notes = [
            f"no vertex fits: the tumour is {deepest:.1f} mm deep at most where a sphere needs "
            f"{radius + used.number('edge_margin'):.1f} mm"
            + (" and its distance from organs" if deepest >= radius + used.number("edge_margin") else "")
        ]
    organ = room.at(room.organ, best) - radius if organs and count else np.array([])
    return Placement(
        centres=best,
        radius=radius,
        valley_radius=radius + used.number("valley_gap"),
        spacing=used.number("spacing"),
        edge_margin=float(room.at(room.edge, best).min() - radius) if count else None,
        organ_margin=float(organ.min()) if organ.size and organ.min() < FAR_MM / 2 else None,
        volume_share=count * 4 / 3 * np.pi * radius**3 / room.tumour_mm3,
        tried=tried,
        notes=tuple(notes),
    )


def vertex_structures(placement: Placement, planes: Sequence[float], first_number: int = 1) -> tuple[Structure, ...]:
    """Each vertex as circles on axial planes.

    Parameters
    ----------
    placement : Placement
    planes : sequence of float
        Heights of the planes, such as those of the CT. [mm]
    first_number : int
        ROI number of the first.
    """
    turn = 2 * np.pi * np.arange(CIRCLE_POINTS) / CIRCLE_POINTS
    # a polygon of the circle's own area
    stretch = np.sqrt(2 * np.pi / CIRCLE_POINTS / np.sin(2 * np.pi / CIRCLE_POINTS))
    made = []
    for k, (x, y, z) in enumerate(placement.centres):
        rings = [(height, np.sqrt(placement.radius**2 - (height - z) ** 2)) for height in planes
                 if abs(height - z) < placement.radius]  # fmt: skip
        contours = tuple(
            np.stack([x + r * stretch * np.cos(turn), y + r * stretch * np.sin(turn), np.full(turn.size, height)], 1)
            for height, r in rings
        )
        made.append(
            Structure(first_number + k, f"{VERTEX}{k + 1}", role="CONTROL", contours=contours, color=(255, 80, 0))
        )
    return tuple(made)


def valley_structure(tumour: Structure, placement: Placement, number: int = 1) -> Structure:
    """The tumour less the balls around the vertices, on the tumour's own planes."""
    planes = np.unique([float(contour[0, 2]) for contour in tumour.contours])
    step = load(SHEET)["search_step"]
    points = np.concatenate(tumour.contours)
    low, high = points[:, :2].min(axis=0) - 3 * step, points[:, :2].max(axis=0) + 4 * step
    x, y = (np.arange(a, b, step) for a, b in zip(low, high, strict=True))
    fields = []
    for height in planes:
        sheet = _volume(np.array([x[0], y[0], height]), (1, y.size, x.size), step)
        flat = replace(tumour, contours=tuple(one for one in tumour.contours if abs(one[0, 2] - height) < step / 10))
        edge = 0.5 - occupancy(flat, sheet, thickness=step)[0]
        grid = np.stack([*np.meshgrid(x, y), np.full((y.size, x.size), height)], axis=-1)
        ball = placement.valley_radius - _nearest(grid.reshape(-1, 3), placement.centres).reshape(edge.shape)
        fields.append((float(height), np.maximum(edge, np.clip(ball / step, -0.5, 0.5))))
    return Structure(number, VALLEYS, role="CONTROL", contours=outline_planes(x, y, fields), color=(0, 140, 255))


def with_lattice(matrix: InfluenceMatrix, placement: Placement, tumour: str = "GTV") -> InfluenceMatrix:
    """The matrix with two more regions: `Vertices`, and `Valleys` where anything of the tumour is left.

    Parameters
    ----------
    matrix : InfluenceMatrix
    placement : Placement
        At least one vertex.
    tumour : str
        Region the vertices lie in.

    Raises
    ------
    InputError
        No vertex, or an unknown region.
    """
    if not len(placement.centres):
        raise InputError(
            doing="adding a lattice to a plan", found="; ".join(placement.notes) or "no vertex",
            expected="at least one vertex", try_="smaller spheres or margins, or a plan without a lattice",
        )  # fmt: skip
    around = matrix.region(tumour)
    filled = np.zeros(int(np.prod(matrix.shape)))
    filled[around.voxels] = around.shares
    peaks = sphere_shares(matrix.shape, matrix.affine, placement.centres, placement.radius)
    balls = sphere_shares(matrix.shape, matrix.affine, placement.centres, placement.valley_radius)
    whole = filled.reshape(matrix.shape)
    volume = matrix.voxel_volume_cm3
    regions = {VERTICES: region_of(VERTICES, np.minimum(peaks, whole), matrix.shape, volume)}
    rest = np.clip(whole - balls, 0.0, 1.0)
    if rest.any():
        regions[VALLEYS] = region_of(VALLEYS, rest, matrix.shape, volume)
    return replace(matrix, regions={**matrix.regions, **regions})


def sphere_shares(shape: tuple[int, int, int], affine: FloatArray, centres: FloatArray, radius: float) -> FloatArray:
    """Part of each voxel inside any of some spheres that do not overlap.

    Parameters
    ----------
    shape : tuple of int
        (nz, ny, nx).
    affine : array, shape (4, 4)
        Index (i, j, k, 1) to LPS. [mm]
    centres : array, shape (n, 3)
        [mm]
    radius : float
        [mm]

    Returns
    -------
    array, shape (nz, ny, nx)
        0 to 1, from sub-voxels.
    """
    shares = np.zeros(shape)
    back = np.linalg.inv(affine)
    reach = np.abs(back[:3, :3]).sum(axis=1) * radius + 1
    part = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    fine = np.stack(np.meshgrid(part, part, part, indexing="ij"), axis=-1).reshape(-1, 3)
    size = np.array(shape[::-1])
    for centre in centres:
        middle = back[:3, :3] @ centre + back[:3, 3]
        low = np.clip(np.floor(middle - reach), 0, size).astype(int)
        high = np.clip(np.ceil(middle + reach) + 1, 0, size).astype(int)
        if (high <= low).any():
            continue
        axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
        index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 1, 3) + fine
        places = index @ affine[:3, :3].T + affine[:3, 3]
        inside = (np.linalg.norm(places - centre, axis=2) <= radius).mean(axis=1)
        box = inside.reshape([len(axis) for axis in axes]).transpose(2, 1, 0)
        window = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
        shares[window] += box
    return np.minimum(shares, 1.0)


@dataclass(frozen=True, eq=False)
class _Room:
    """Distances on a fine grid around the tumour.

    `edge` is the depth below the tumour's surface (0 outside), `organ` the distance to the nearest organ, both in mm
    on an array (nz, ny, nx) with `origin` and `step`; `free` is what is left of both for a centre.
    """

    origin: FloatArray
    step: float
    edge: FloatArray
    organ: FloatArray
    free: FloatArray
    tumour_mm3: float

    @classmethod
    def around(cls, tumour: Structure, organs: Sequence[Structure], rules: Rules) -> "_Room":
        step = load(SHEET)["search_step"]
        points = np.concatenate([contour for contour in tumour.contours if len(contour) >= 3])
        reach = rules.number("diameter") / 2 + rules.number("organ_margin")
        origin = points.min(axis=0) - reach - 2 * step
        count = np.ceil((points.max(axis=0) + reach + 2 * step - origin) / step).astype(int) + 1
        if int(np.prod(count)) > MOST_CELLS:
            raise InputError(
                doing="placing vertices",
                found=f"a tumour of {np.round(np.ptp(points, axis=0))} mm, {int(np.prod(count))} cells to search",
                expected=f"at most {MOST_CELLS} cells",
                try_="the contours of the tumour alone",
            )
        grid = _volume(origin, (int(count[2]), int(count[1]), int(count[0])), step)
        filled = occupancy(tumour, grid)
        inside = filled >= 0.5
        # distances run between cell centres; the surface lies half a cell before the first cell outside
        edge = np.maximum(distance_transform_edt(inside, sampling=step) - step / 2, 0.0)
        taken = np.zeros(inside.shape, dtype=bool)
        for organ in organs:
            taken |= occupancy(organ, grid) >= 0.5
        away = np.full(inside.shape, FAR_MM)
        if taken.any():
            away = np.maximum(distance_transform_edt(~taken, sampling=step) - step / 2, 0.0)
        radius = rules.number("diameter") / 2
        free = np.minimum(edge - radius - rules.number("edge_margin"), away - radius - rules.number("organ_margin"))
        return cls(origin, step, edge, away, free, float(filled.sum()) * step**3)

    def at(self, field: FloatArray, points: FloatArray) -> FloatArray:
        """A field at points (n, 3), linear between cells; far below zero off the grid."""
        index = (points - self.origin) / self.step
        return np.asarray(map_coordinates(field, index[:, ::-1].T, order=1, cval=-FAR_MM), dtype=np.float64)


def _search(room: _Room, rules: Rules, seed: int) -> tuple[FloatArray, int]:
    """The best centres, and how many placements were compared."""
    possible = np.argwhere(room.free >= 0)[:, ::-1] * room.step + room.origin
    sheet = load(SHEET)
    turns = [np.eye(3), *Rotation.random(int(sheet["rotations"]) - 1, np.random.default_rng(seed)).as_matrix()]
    share = np.arange(int(sheet["offsets"])) / sheet["offsets"]
    shifts = np.stack(np.meshgrid(share, share, share, indexing="ij"), axis=-1).reshape(-1, 3)
    tried = len(turns) * len(shifts)
    best, value = np.empty((0, 3)), (0, 0.0)
    if not len(possible):
        return best, tried
    middle = (possible.min(axis=0) + possible.max(axis=0)) / 2
    reach = float(np.linalg.norm(np.ptp(possible, axis=0))) / 2 + rules.number("spacing")
    cell = rules.number("spacing") * CELLS[rules.pattern]
    nodes = _nodes(cell, reach)
    for turn in turns:
        turned, moves = nodes @ turn.T + middle, (shifts @ cell) @ turn.T
        everywhere = (turned[None, :, :] + moves[:, None, :]).reshape(-1, 3)
        free = room.at(room.free, everywhere).reshape(len(shifts), len(nodes))
        counts = (free >= 0).sum(axis=1)
        room_left = np.where(free >= 0, free, 0.0).sum(axis=1) / np.maximum(counts, 1)
        k = int(np.lexsort((room_left, counts))[-1])
        if (int(counts[k]), float(room_left[k])) > value:
            value = (int(counts[k]), float(room_left[k]))
            best = (turned + moves[k])[free[k] >= 0]
    return best[np.lexsort(best.T)] if len(best) else best, tried


def _nodes(cell: FloatArray, reach: float) -> FloatArray:
    """Lattice points within a distance of the origin, and one cell beyond."""
    count = int(np.ceil(reach / float(np.linalg.svd(cell, compute_uv=False).min()))) + 1
    steps = np.arange(-count, count + 1)
    index = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    nodes = index @ cell
    inside = np.linalg.norm(nodes, axis=1) <= reach + float(np.linalg.norm(cell.sum(axis=0)))
    return np.asarray(nodes[inside], dtype=np.float64)


def _nearest(points: FloatArray, centres: FloatArray) -> FloatArray:
    if not len(centres):
        return np.full(len(points), FAR_MM)
    return np.asarray(np.min([np.linalg.norm(points - centre, axis=1) for centre in centres], axis=0))


def _volume(origin: FloatArray, shape: tuple[int, int, int], step: float) -> Volume:
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = origin
    return Volume(np.zeros(shape, dtype=np.float32), affine)


def _check(tumour: Structure, rules: Rules) -> None:
    sheet = load(SHEET)
    found = []
    for name in ("diameter", "spacing", "edge_margin", "organ_margin", "valley_gap"):
        low, high = sheet.number(name).range or (0.0, np.inf)
        if not low <= rules.number(name) <= high:
            found.append(f"{name.replace('_', ' ')} {rules.number(name):g} mm outside {low:g} to {high:g}")
    if rules.number("spacing") <= rules.number("diameter"):
        found.append(f"spheres of {rules.number('diameter'):g} mm every {rules.number('spacing'):g} mm")
    if rules.pattern not in CELLS:
        found.append(f"the pattern {rules.pattern!r}")
    if tumour.is_empty:
        found.append(f"{tumour.name} without a contour")
    if found:
        raise InputError(
            doing="placing vertices", found="; ".join(found),
            expected="spheres smaller than their spacing, margins in mm, a pattern that is close packed or cubic, "
            "and a tumour with contours",
            try_="`abscopal knowledge show planning/lattice` for the values taken by default",
        )  # fmt: skip
