"""EDRIC arithmetic of the blood dossier (section 6, target 4) and of the stratification dossier."""

import pytest

from abscopal.blood.immune_dose import edric, edric_from_mean_body_dose

# lung, heart, body, fractions, liver -> value [Gy]
ROWS = [
    ((18.0, 12.0, 4.5, 30, None), 6.23808),
    ((18.0, 12.0, 4.5, 45, None), 6.48375),
    ((18.0, 12.0, 4.5, 30, 5.0), 6.75860),
    ((12.0, 15.0, 3.5, 28, 18.0), 6.84667),
    ((1.0, 1.0, 1.0, 45, None), 0.9475),
]


@pytest.mark.parametrize(("inputs", "value"), ROWS)
def test_mean_body_form(inputs: tuple[float, float, float, int, float | None], value: float) -> None:
    assert edric_from_mean_body_dose(*inputs).value == pytest.approx(value, abs=1e-5)


def test_integral_dose_form() -> None:
    assert edric(15.0, 10.0, 150_000.0, 30).value == pytest.approx(4.2764, abs=0.5e-4)
