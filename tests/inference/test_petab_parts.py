from math import log

import pytest

from abscopal.inference.petab_parts import petab_parts


def test_the_volume_rows_and_their_controls_go_along() -> None:
    parts = petab_parts()
    row = parts.measurements.query("arm == 'TSA_8x3_c4' and value == 140")
    assert row["observable"].tolist() == ["size_1_e0p2"]
    assert row["day"].tolist() == [32]
    assert {"TSA_none", "TSA_6x5_c4", "TSA_20x1"} <= set(parts.arms)
    assert set(parts.measurements["arm"]) == set(parts.arms)
    assert set(parts.measurements["observable"]) <= set(parts.noise)
    assert not (parts.measurements["arm"] == "TSA_8x3_c4_d4").any()  # held out


def test_reported_values_of_parameters_go_along_and_each_measurement_once() -> None:
    parts = petab_parts()
    of_dx = parts.measurements.query("observable == 'value_dX_e0p25'")
    assert sorted(of_dx["value"]) == pytest.approx([12.0, 18.0])
    assert parts.noise["value_v_e0p99"] == pytest.approx(0.7 / 0.5**0.5)  # recalled: counts by half
    assert {"size_0", "size_1", "value_dX", "value_v"} <= {one.name for one in parts.model.quantities}
    assert (
        not parts.measurements.assign(of=parts.measurements["observable"].str[:6])[["arm", "of", "day", "value"]]
        .duplicated()
        .any()
    )


def test_priors_and_bounds_are_those_of_the_calibration() -> None:
    parts = petab_parts()
    mean, sd = parts.log_priors["kk"]
    assert mean == pytest.approx((log(0.05) + log(2)) / 2)
    assert sd == pytest.approx(log(2 / 0.05) / 2 / 1.6448536269514722)
    low, high = parts.bounds["dX"]
    assert 12 <= low < high <= 18
    assert "dX" not in parts.log_priors
