"""A contoured tumour carved from its host."""

import numpy as np
import pytest

from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing
from abscopal.blood.plan_exposure import blood_dose_of_plan
from abscopal.blood.tumour import carve_contoured_tumour
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH, dvh_of_samples

MALE = load_network("male")


def organ(name: str, dose: float, volume: float) -> DVH:
    return dvh_of_samples(name, np.full(10, dose), np.full(10, volume / 10))


def lungs_with_tumour() -> dict[str, DVH]:
    doses, volumes = np.array([5.0] * 9 + [60.0]), np.array([400.0] * 9 + [100.0])
    return {"Lungs": dvh_of_samples("Lungs", doses, volumes), "GTV": organ("GTV", 60.0, 100.0)}


def test_a_tumour_of_host_tissue_leaves_the_mean_as_it_was() -> None:
    dvhs = lungs_with_tumour()
    network, kept = carve_contoured_tumour(MALE, dvhs, "lung")
    k = network.index("tumour")
    assert network.volumes[k] / (network.volumes[k] + network.volumes[network.index("lung")]) == pytest.approx(1 / 37)
    assert kept["Lungs"].mean == pytest.approx(5.0, abs=0.01)
    whole = blood_dose_of_plan(dvhs, 30, MALE, constant_timing(60.0), missing="zero")
    carved = blood_dose_of_plan(kept, 30, network, constant_timing(60.0), missing="zero")
    # The bronchial vessels lose the tumour with the lung: 2 % of blood against the lung's 10.5 %.
    bronchial = float(MALE.volumes[MALE.index("bronchial")] / MALE.blood_volume) * (dvhs["Lungs"].mean - 5.0) / 30
    assert carved.mean == pytest.approx(whole.mean - bronchial, rel=1e-3)
    assert any("% of lung by volume" in note for note in carved.notes)


def test_perfusion_and_density_change_the_transit() -> None:
    network, _ = carve_contoured_tumour(MALE, lungs_with_tumour(), "lung", density=2.0, perfusion=0.5)
    transit = network.transit_time[network.index("tumour")]
    assert transit == pytest.approx(4.0 * MALE.transit_time[MALE.index("lung")])


def test_a_lung_contoured_without_the_tumour_gets_its_volume_back() -> None:
    dvhs = {"Lungs-GTV": organ("Lungs-GTV", 5.0, 3600.0), "GTVp": organ("GTVp", 60.0, 400.0)}
    network, kept = carve_contoured_tumour(MALE, dvhs, "lung")
    share = network.volumes[network.index("tumour")] / MALE.volumes[MALE.index("lung")]
    assert share == pytest.approx(0.1)
    assert kept["GTV"] is dvhs["GTVp"]


@pytest.mark.parametrize(
    ("dvhs", "host", "named"),
    [
        ({"Lungs": organ("Lungs", 5.0, 3600.0)}, "lung", "0 structures named GTV"),
        (
            {"Lungs": organ("Lungs", 5.0, 10.0), "GTV1": organ("GTV1", 60.0, 1.0), "GTV2": organ("GTV2", 60.0, 1.0)},
            "lung",
            "2 structures named GTV",
        ),
        ({"GTV": organ("GTV", 60.0, 1.0)}, "liver", "no single contour of liver"),
        (lungs_with_tumour() | {"Lungs": organ("Lungs", 5.0, 50.0)}, "lung", "2 of its blood"),
        (lungs_with_tumour(), "lungs", "lungs"),
    ],
)
def test_tumours_that_cannot_be_carved_are_refused(dvhs: dict[str, DVH], host: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        carve_contoured_tumour(MALE, dvhs, host)
