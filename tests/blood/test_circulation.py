"""The reference circulation: conservation, scaling, splitting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network, split_compartment
from abscopal.blood.exposure import blood_dose
from abscopal.domain.errors import InputError


@pytest.mark.parametrize("sex", ["male", "female"])
def test_default_networks_conserve_flow_and_keep_their_volumes(sex: str) -> None:
    network = load_network(sex)  # type: ignore[arg-type]
    assert len(network.compartments) == 32
    assert np.abs(network.imbalance).max() < 1e-12
    np.testing.assert_allclose(network.stationary, network.volumes / network.blood_volume, atol=1e-12)
    np.testing.assert_allclose(network.generator.sum(axis=1), 0.0, atol=1e-15)


def test_transit_is_volume_over_outflow_not_the_printed_column() -> None:
    male = load_network("male")
    assert male.transit_time[male.index("superior_vena_cava")] == pytest.approx(2.24, abs=0.005)
    assert male.transit_time[male.index("inferior_vena_cava")] == pytest.approx(2.01, abs=0.005)


def test_faster_heart_shortens_every_transit_and_more_blood_lengthens_it() -> None:
    rest = load_network("male")
    fast = load_network("male", cardiac_output=13.0)
    large = load_network("male", blood_volume=10.6)
    np.testing.assert_allclose(fast.transit_time, rest.transit_time / 2)
    np.testing.assert_allclose(large.transit_time, rest.transit_time * 2)
    assert fast.blood_volume == pytest.approx(rest.blood_volume)


def test_doubling_output_equals_doubling_the_beam_time() -> None:
    at_rest = blood_dose(load_network("male"), {"liver": 2.0}, 120.0)
    running = blood_dose(load_network("male", cardiac_output=13.0), {"liver": 2.0}, 60.0)
    assert running.v_any == pytest.approx(at_rest.v_any, rel=1e-12)
    assert running.sd == pytest.approx(at_rest.sd, rel=1e-9)


@given(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=5))
def test_equal_split_leaves_a_uniform_organ_as_it_was(weights: list[float]) -> None:
    shares = np.array(weights) / np.sum(weights)
    parts = {f"liver_{k}": (share, share) for k, share in enumerate(shares.tolist())}
    whole = load_network("male")
    split = split_compartment(whole, "liver", parts)
    before = blood_dose(whole, {"liver": 2.0}, 60.0)
    after = blood_dose(split, dict.fromkeys(parts, 2.0), 60.0)
    assert np.abs(split.imbalance).max() < 1e-12
    assert after.v_any == pytest.approx(before.v_any, abs=1e-11)
    assert after.mean == pytest.approx(before.mean, abs=1e-12)
    assert after.sd == pytest.approx(before.sd, abs=1e-9)


def test_tumour_part_has_the_transit_of_density_over_perfusion() -> None:
    f, rho, q = 0.1, 2.0, 0.5
    network = split_compartment(
        load_network("male"), "lung", {"tumour": (f * rho, f * q), "host": (1 - f * rho, 1 - f * q)}
    )
    lung = load_network("male")
    tumour_transit = network.transit_time[network.index("tumour")]
    assert tumour_transit == pytest.approx(lung.transit_time[lung.index("lung")] * rho / q)


@pytest.mark.parametrize("parts", [{}, {"a": (0.5, 0.5)}, {"brain": (1.0, 1.0)}, {"a": (0.0, 0.5), "b": (1.0, 0.5)}])
def test_bad_splits_are_refused(parts: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(InputError, match="sum to 1"):
        split_compartment(load_network("male"), "liver", parts)


def test_unknown_names_and_impossible_scales_are_refused() -> None:
    with pytest.raises(InputError, match="female"):
        load_network("femal")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="liver"):
        load_network("male").index("livre")
    with pytest.raises(InputError, match="cardiac output"):
        load_network("male", cardiac_output=0.0)
