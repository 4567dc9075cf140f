"""Circulations fitted to a patient, and circulations of the user's own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.blood.circulation import CONSERVED_TO, check_conservation, load_network
from abscopal.blood.exposure import blood_dose, mean_blood_dose
from abscopal.blood.network_file import FLOWS_HEAD, VOLUMES_HEAD, read_network
from abscopal.blood.tailor import carve_tumour, head_and_neck_network, insert_vessel, patient_network, scale_circulation
from abscopal.domain.errors import AbscopalError, InputError, ModelError

MALE = load_network("male")


@given(st.floats(0.001, 0.3), st.floats(0.2, 2.5), st.floats(0.2, 2.5))
def test_tumour_transit_is_the_hosts_times_density_over_perfusion(
    share: float, density: float, perfusion: float
) -> None:
    carved = carve_tumour(MALE, "liver", share, density=density, perfusion=perfusion)
    check_conservation(carved)
    assert carved.blood_volume == pytest.approx(MALE.blood_volume)
    transit = carved.transit_time[carved.index("tumour")]
    assert transit == pytest.approx(MALE.transit_time[MALE.index("liver")] * density / perfusion)
    assert carved.volumes[carved.index("tumour")] == pytest.approx(share * density * MALE.volumes[MALE.index("liver")])


def test_a_tumour_of_host_tissue_changes_no_mean() -> None:
    carved = carve_tumour(MALE, "lung", 0.05)
    assert mean_blood_dose(carved, {"lung": 1.0, "tumour": 1.0}) == pytest.approx(mean_blood_dose(MALE, {"lung": 1.0}))
    assert blood_dose(carved, {"tumour": 2.0}, 60.0).v_any < blood_dose(MALE, {"lung": 2.0}, 60.0).v_any


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0, float("nan")])
def test_a_tumour_cannot_be_the_whole_host(share: float) -> None:
    with pytest.raises(InputError, match="carving a tumour"):
        carve_tumour(MALE, "liver", share)


@pytest.mark.parametrize("sex", ["male", "female"])
def test_head_and_neck_vessels_carry_the_published_flow(sex: str) -> None:
    network = head_and_neck_network(load_network(sex))  # type: ignore[arg-type]
    assert np.abs(network.imbalance / network.cardiac_output).max() < CONSERVED_TO
    arteries, veins = network.index("head_neck_arteries"), network.index("head_neck_veins")
    assert 100 * network.outflow[arteries] / network.cardiac_output == pytest.approx(17.0)
    assert 100 * network.outflow[veins] / network.cardiac_output == pytest.approx(12.0)
    assert 100 * network.volumes[arteries] / network.blood_volume == pytest.approx(0.226)
    assert 100 * network.volumes[veins] / network.blood_volume == pytest.approx(0.32)
    assert "assumed" in " ".join(network.notes)


def test_vessels_that_do_not_fit_are_refused() -> None:
    for volume, through in ((0.5, {("aorta", "large_arteries"): 1.0}), (0.01, {("aorta", "large_arteries"): 1.5})):
        with pytest.raises(InputError, match="inserting the vessel"):
            insert_vessel(MALE, "new", volume, "aorta", through)


def test_scaling_by_weight_and_age() -> None:
    same = scale_circulation("male", weight_kg=73.0, age_years=30.0)
    assert (same.blood_volume, same.cardiac_output) == pytest.approx((5.3, 6.5))
    old = scale_circulation("male", age_years=60.0)
    assert old.cardiac_output == pytest.approx(6.5 * 0.995**20)
    assert all("assumed" in note for note in (*same.notes, *old.notes))
    measured = scale_circulation("female", weight_kg=80.0, age_years=70.0, cardiac_output=5.0)
    assert measured.cardiac_output == 5.0
    check_conservation(patient_network("female", weight_kg=80.0))


@pytest.mark.parametrize(
    "wrong", [{"weight_kg": 0.07}, {"age_years": 8.0}, {"cardiac_output": 6500.0}, {"weight_kg": float("nan")}]
)
def test_scaling_refuses_children_and_wrong_units(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="adult's"):
        scale_circulation("male", **wrong)


def write(folder: Path, volumes: str, flows: str) -> tuple[Path, Path]:
    one, other = folder / "volumes.csv", folder / "flows.csv"
    one.write_text(",".join(VOLUMES_HEAD) + "\n" + volumes, encoding="utf-8")
    other.write_text(",".join(FLOWS_HEAD) + "\n" + flows, encoding="utf-8")
    return one, other


def test_the_reference_network_survives_a_round_trip(tmp_path: Path) -> None:
    volumes = "".join(f"{name},{v!r}\n" for name, v in zip(MALE.compartments, MALE.volumes.tolist(), strict=True))
    flows = "".join(
        f"{MALE.compartments[i]},{MALE.compartments[j]},{float(MALE.flows[i, j])!r}\n"
        for i, j in np.argwhere(MALE.flows > 0)
    )
    again = read_network(*write(tmp_path, volumes, flows))
    np.testing.assert_array_equal(again.flows, MALE.flows)
    assert again.cardiac_output == pytest.approx(6.5)


@pytest.mark.parametrize(
    ("volumes", "flows", "named"),
    [
        ("a,1\nb,-1\n", "a,b,1\nb,a,1\n", "volumes.csv, line 3"),
        ("a,1\nb,0\n", "a,b,1\nb,a,1\n", "volume of 0 L"),
        ("a,1\nb,nan\n", "a,b,1\nb,a,1\n", "'nan'"),
        ("a,1\nb,1e300\n", "a,b,1\nb,a,1\n", "'1e300'"),
        ("a,1\na,1\n", "a,b,1\n", "second time"),
        ("a,1\n", "", "1 compartments"),
        ("a,1\nb,1\n", "a,b,1\nb,a,-1\n", "flow of -1"),
        ("a,1\nb,1\n", "a,b,1\nb,c,1\n", "unknown compartment"),
        ("a,1\nb,1\n", "a,b,1\nb,a,1\na,b,1\n", "second time"),
        ("a,1\nb,1\n", "a,a,1\n", "to itself"),
        ("a,1\nb,1\n", "a,b,1\n", "no flow into or out of"),
        ("a,1\nb,1\nc,1\nd,1\n", "a,b,1\nb,a,1\nc,d,1\nd,c,1\n", "no way from a"),
        ("a,1\nb,1\n", "a,b\n", "2 columns"),
        ('a,1\n"b,1\n', "a,b,1\n", "CSV"),
        ("\x1b[31ma,1\nb,1\n", "a,b,1\n", "printable"),
    ],
)
def test_hostile_networks_are_named_with_their_line(tmp_path: Path, volumes: str, flows: str, named: str) -> None:
    with pytest.raises(AbscopalError) as caught:
        read_network(*write(tmp_path, volumes, flows))
    assert named in str(caught.value)


def test_flow_that_is_lost_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not conserved"):
        read_network(*write(tmp_path, "a,1\nb,1\n", "a,b,1\nb,a,0.9\n"))


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    good, _ = write(tmp_path, "a,1\nb,1\n", "a,b,1\nb,a,1\n")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    big = tmp_path / "big.csv"
    big.write_text("x" * 1_000_001, encoding="utf-8")
    for path in (binary, big, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match="reading a blood circulation"):
            read_network(good, path)
