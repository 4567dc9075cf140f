"""Absorption of T cells against a walk written out and against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.immune.published.poleszczuk2016 import absorption

FLOWS = {"liver": 0.065, "spleen": 0.03, "gut": 0.16, "breast": 0.01, "kidney": 0.19}
H = {"lung": 0.05, "liver": 0.1, "breast": 0.2}


def test_one_organ_and_the_lung_in_closed_form() -> None:
    """From the organ: the lung absorbs h_L at each passage, else the organ a share f h."""
    organs, probability = absorption({"breast": 0.4}, {"lung": 0.3, "breast": 0.5})
    assert organs == ("lung", "breast")
    stay, taken = 0.7, 0.4 * 0.5
    from_organ = 0.3 / (1 - stay * (1 - taken))
    assert probability[1] == pytest.approx([from_organ, 1 - from_organ])


@given(st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6), st.floats(0.01, 0.9))
@settings(max_examples=20)
def test_every_cell_is_absorbed_once(h: list[float], scale: float) -> None:
    flows = {name: scale * share for name, share in FLOWS.items()}
    organs, probability = absorption(flows, dict(zip(["lung", *FLOWS], h, strict=True)), portal=("spleen", "gut"))
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-9)
    assert (probability >= 0).all()
    assert organs[0] == "lung"


def test_against_a_walk() -> None:
    organs, probability = absorption(FLOWS, H, portal=("spleen", "gut"))
    rng = np.random.default_rng(0)
    places, edges = [*FLOWS, "rest"], np.cumsum([*FLOWS.values(), 1.0])
    n, hits = 3_000, dict.fromkeys(organs, 0)
    for _ in range(n):
        at = "gut"
        while True:
            if at == "lung":
                at = places[int(np.searchsorted(edges, rng.random()))]
            else:
                at = "liver" if at in ("spleen", "gut") else "lung"
            if rng.random() < H.get(at, 0.0):
                hits[at] += 1
                break
    for name, expected in zip(organs, probability[organs.index("gut")], strict=True):
        assert abs(hits[name] / n - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n) + 1e-9


def test_better_perfused_sites_receive_more() -> None:
    _, probability = absorption({"breast": 0.01, "muscle": 0.17}, {"breast": 0.1, "muscle": 0.1, "lung": 0.1})
    assert probability[1, 0] > probability[1, 2] > probability[1, 1]


@pytest.mark.parametrize(
    ("flows", "h", "portal", "named"),
    [
        ({"liver": 0.7, "gut": 0.6}, {"liver": 0.1}, (), "more than 1"),
        ({"liver": -0.1}, {"liver": 0.1}, (), "flow outside"),
        ({"liver": 0.1}, {"liver": 1.1}, (), "probabilities outside"),
        ({"liver": 0.1}, {}, (), "nothing that absorbs"),
        ({"liver": 0.1}, {"brain": 0.1}, (), "without a flow"),
        ({"gut": 0.1}, {"gut": 0.1}, ("gut",), "without a liver"),
    ],
)
def test_impossible_circulations_are_refused(
    flows: dict[str, float], h: dict[str, float], portal: tuple[str, ...], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        absorption(flows, h, portal=portal)
