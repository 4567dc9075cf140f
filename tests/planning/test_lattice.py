"""Vertices in a tumour: their number against packing by hand, their distances, their regions, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.dose.structures import Structure
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.lattice import (
    Placement,
    Rules,
    place_vertices,
    sphere_shares,
    valley_structure,
    vertex_structures,
    with_lattice,
)
from tests.dose.build import sphere

BALL = Structure(1, "GTV", "GTV", "GTV", tuple(sphere(50.0, (10.0, -20.0, 5.0), 2.0)))
SMALL = Structure(1, "GTV", "GTV", "GTV", tuple(sphere(9.0, (0.0, 0.0, 0.0), 1.0)))
CENTRE = np.array([10.0, -20.0, 5.0])


@pytest.fixture(scope="module")
def placed() -> Placement:
    return place_vertices(BALL)


def test_every_sphere_keeps_its_distances(placed: Placement) -> None:
    out = np.linalg.norm(placed.centres - CENTRE, axis=1)
    assert (out + placed.radius + 5.0 <= 50.0 + 1.0).all()
    apart = np.linalg.norm(placed.centres[:, None] - placed.centres[None], axis=2)
    assert apart[np.triu_indices(len(apart), 1)].min() >= 30.0 - 1e-9
    assert placed.edge_margin == pytest.approx(50.0 - out.max() - placed.radius, abs=1.0)
    assert placed.organ_margin is None


def test_the_count_is_that_of_close_packing_in_a_ball(placed: Placement) -> None:
    """Centres may lie within 37.5 mm of the middle: 13 (a sphere and its 12 neighbours at 30 mm) fit by hand."""
    assert len(placed.centres) >= 13
    densest = (37.5 + 15) ** 3 / 15**3  # balls of half the spacing around every centre fill no more than all of it
    assert len(placed.centres) <= 0.7405 * densest
    assert placed.volume_share == pytest.approx(len(placed.centres) * (7.5 / 50) ** 3, rel=0.02)


def test_cubic_is_less_dense_and_wider_spacing_holds_fewer(placed: Placement) -> None:
    cubic = place_vertices(BALL, rules=Rules(pattern="cubic"))
    wide = place_vertices(BALL, rules=Rules(spacing=45.0))
    assert len(wide.centres) < len(cubic.centres) <= len(placed.centres)


def test_an_organ_pushes_the_vertices_away(placed: Placement) -> None:
    organ = Structure(2, "Esophagus", contours=tuple(sphere(15.0, (35.0, -20.0, 5.0), 1.0)))
    near = place_vertices(BALL, [organ])
    assert 0 < len(near.centres) < len(placed.centres)
    away = np.linalg.norm(near.centres - np.array([35.0, -20.0, 5.0]), axis=1) - 15.0 - near.radius
    assert away.min() >= 10.0 - 1.0
    assert near.organ_margin == pytest.approx(away.min(), abs=1.0)


def test_a_tumour_too_small_holds_none_and_says_why() -> None:
    placed = place_vertices(SMALL)
    assert placed.centres.shape == (0, 3)
    assert "no vertex fits" in placed.notes[0]
    assert "12.5 mm" in placed.notes[0]
    assert vertex_structures(placed, [0.0]) == ()


def test_the_same_seed_gives_the_same_place(placed: Placement) -> None:
    np.testing.assert_array_equal(place_vertices(BALL).centres, placed.centres)


@settings(max_examples=15, deadline=None)
@given(
    centre=st.tuples(*[st.floats(-20, 20)] * 3),
    radius=st.floats(6, 15),
    spacing=st.tuples(*[st.floats(2, 6)] * 3),
)
def test_shares_of_a_sphere_sum_to_its_volume(centre: tuple, radius: float, spacing: tuple) -> None:
    shape = tuple(int(100 / s) for s in spacing[::-1])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-50.0 + s / 2 for s in spacing]
    shares = sphere_shares(shape, affine, np.array([centre]), radius)
    assert shares.sum() * np.prod(spacing) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert shares.max() <= 1.0


def test_contours_enclose_what_they_stand_for(placed: Placement) -> None:
    planes = np.arange(-60.0, 70.0, 1.0)
    vertices = vertex_structures(placed, planes, first_number=7)
    assert [one.number for one in vertices] == [*range(7, 7 + len(placed.centres))]
    for one in vertices:
        assert one.slabs().volume_cm3() == pytest.approx(4 / 3 * np.pi * 0.75**3, rel=0.05)
    valleys = valley_structure(BALL, placed)
    balls = len(placed.centres) * 4 / 3 * np.pi * 1.25**3
    assert valleys.slabs().volume_cm3() == pytest.approx(BALL.slabs().volume_cm3() - balls, rel=0.03)


def test_regions_for_the_optimiser_share_the_tumour(matrix: InfluenceMatrix) -> None:
    placed = place_vertices(
        Structure(1, "PTV", contours=tuple(sphere(22.0, (-20.0, 0.0, 0.0), 1.0))),
        rules=Rules(diameter=10.0, edge_margin=2.0),
    )
    made = with_lattice(matrix, placed, "PTV")
    peaks, valleys, whole = (made.region(name) for name in ("Vertices", "Valleys", "PTV"))
    assert set(peaks.voxels) <= set(whole.voxels)
    assert set(valleys.voxels) <= set(whole.voxels)
    assert peaks.volume_cm3 == pytest.approx(len(placed.centres) * 4 / 3 * np.pi * 0.5**3, rel=0.1)
    assert peaks.volume_cm3 + valleys.volume_cm3 < whole.volume_cm3
    w = np.ones(matrix.n_bixels)
    assert made.mean_row("Vertices") @ w > 0
    empty = Placement(np.empty((0, 3)), 5.0, 8.0, 30.0, None, None, 0.0, 1, ("too small",))
    with pytest.raises(InputError, match="too small"):
        with_lattice(matrix, empty, "PTV")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules(diameter=-1.0), "diameter -1"),
        (Rules(diameter=25.0, spacing=20.0), "every 20 mm"),
        (Rules(pattern="random"), "random"),  # type: ignore[arg-type]
        (Rules(edge_margin=np.nan), "edge margin nan"),
    ],
)
def test_rules_that_are_none(rules: Rules, words: str) -> None:
    with pytest.raises(InputError, match=words):
        place_vertices(BALL, rules=rules)
    with pytest.raises(InputError, match="without a contour"):
        place_vertices(Structure(1, "GTV"))
