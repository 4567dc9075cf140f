"""Uniformisation against the matrix exponential."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from abscopal.blood.circulation import load_network, split_compartment
from abscopal.blood.exposure import Segment, fraction_touched, moments, surviving_fraction

MALE = load_network("male")
PARTS = {f"part_{k}": (0.1, 0.1) for k in range(10)}
SPLIT = split_compartment(MALE, "lung", PARTS)
LARGE = split_compartment(SPLIT, "liver", {f"liver_{k}": (1 / 80, 1 / 80) for k in range(80)})


@pytest.mark.parametrize("network", [MALE, SPLIT, LARGE], ids=["32", "41", "120"])
@given(st.floats(0.0, 400.0), st.floats(0.0, 2.0))
@settings(max_examples=6, deadline=None)
def test_carried_blood_equals_the_matrix_exponential(network: object, seconds: float, loss: float) -> None:
    assert isinstance(network, type(MALE))
    n = len(network.compartments)
    extra = np.linspace(0.0, loss, n)
    expected = network.stationary @ expm((network.generator - np.diag(extra)) * seconds)
    carried = network.carrier.carry(network.stationary, seconds, extra_loss=extra)
    np.testing.assert_allclose(carried, expected, rtol=1e-9, atol=1e-13)


def test_short_steps_and_one_long_step_agree() -> None:
    rates = {"lung": 0.02, "liver": 0.01}
    whole, pieces = [Segment(120.0, rates)], [Segment(1.5, rates)] * 80
    for quantity in (
        lambda parts: moments(MALE, parts),
        lambda parts: fraction_touched(MALE, parts),
        lambda parts: surviving_fraction(MALE, parts, 0.7),
    ):
        np.testing.assert_allclose(quantity(pieces), quantity(whole), rtol=1e-11)
