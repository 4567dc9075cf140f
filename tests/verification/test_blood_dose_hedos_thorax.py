"""Blood dose of the artificial thorax plan published with HEDOS (DVHs of the shared data folder)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from abscopal.blood.circulation import load_network, split_compartment
from abscopal.blood.exposure import blood_dose, mean_blood_dose

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "hedos-thorax-dvh"
FRACTIONS = 30
# mean dose per fraction [Gy], mid-bin, from the data folder's provenance
MEANS = {
    "lung": 0.4766,
    "heart": 0.2507,
    "aorta": 0.7903,
    "pulmonary_artery": 0.8524,
    "superior_vena_cava": 1.0109,
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="shared data folder hedos-thorax-dvh is absent")


def _differential(organ: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = pd.read_csv(FOLDER / f"{organ}_DVH.csv")
    coverage = table["coverage"].to_numpy(dtype=np.float64)
    share = -np.diff(coverage, append=0.0) / coverage[0]
    return (table["dose_bins"].to_numpy(dtype=np.float64) + 0.05) / FRACTIONS, share


@pytest.mark.parametrize(("organ", "mean"), MEANS.items())
def test_mean_dose_of_each_organ(organ: str, mean: float) -> None:
    dose, share = _differential(organ)
    # One unit of the last digit: the superior vena cava is 1.01099, printed truncated.
    assert dose @ share == pytest.approx(mean, abs=1e-4)


def test_splitting_the_lung_by_its_dvh_keeps_the_mean_and_adds_spread() -> None:
    dose, share = _differential("lung")
    groups = np.array_split(np.flatnonzero(share > 0.0), 20)
    parts = {f"lung_{k}": float(share[group].sum()) for k, group in enumerate(groups)}
    per_part = {f"lung_{k}": float(np.average(dose[group], weights=share[group])) for k, group in enumerate(groups)}
    whole = load_network("female")
    split = split_compartment(whole, "lung", {name: (part, part) for name, part in parts.items()})
    uniform, by_bin = blood_dose(whole, {"lung": float(dose @ share)}, 120.0), blood_dose(split, per_part, 120.0)
    assert by_bin.mean == pytest.approx(uniform.mean, abs=1e-12)
    assert by_bin.sd > uniform.sd
    assert by_bin.surviving_fraction(0.4) > uniform.surviving_fraction(0.4)


def test_mean_blood_dose_of_the_plan_is_the_volume_weighted_sum() -> None:
    female = load_network("female")
    doses = {"right_heart": 0.2507, "left_heart": 0.2507, "coronary": 0.2507, "bronchial": 0.4766}
    doses |= {organ: mean for organ, mean in MEANS.items() if organ != "heart"}
    percent = {"right_heart": 4.5, "left_heart": 4.5, "coronary": 1.0, "bronchial": 2.0, "lung": 10.5}
    percent |= {"aorta": 2.7, "pulmonary_artery": 0.5, "superior_vena_cava": 1.5}
    expected = sum(doses[name] * percent[name] for name in doses) / 99.98
    assert mean_blood_dose(female, doses) == pytest.approx(expected, rel=1e-9)
    assert blood_dose(female, doses, 75.0).mean == pytest.approx(expected, rel=1e-9)
