"""Semi-Markov blood dose against an independent simulation of a million particles.

2 Gy uniform to one whole organ in 120 s, reference male, Weibull shape 2. The targets carry
their own sampling error, taken as that of a sample of the same size.
"""

import numpy as np
import pytest

from abscopal.blood.circulation import load_network
from abscopal.blood.exposure import Segment, blood_dose
from abscopal.blood.sampling import sample_blood_dose

N = 1_000_000
# organ: share touched and its printed standard error, sd [Gy], D2 % [Gy], SF at alpha 0.7
TARGETS = {
    "brain": (0.2617, 0.0004, 0.04937, 0.1770, 0.98398),
    "liver": (0.5707, 0.0005, 0.23638, 0.7988, 0.88062),
}


@pytest.mark.parametrize("organ", TARGETS)
def test_weibull_shape_two(organ: str) -> None:
    male = load_network("male")
    v_any, v_error, sd, d2, survival = TARGETS[organ]
    sample = sample_blood_dose(male, [Segment(120.0, {organ: 2.0 / 120.0})], N, shape=2.0, seed=2024, workers=2)
    share, error = sample.volume_at_dose(0.0)
    assert abs(share - v_any) < 4.0 * np.hypot(error, v_error)
    found, error = sample.surviving_fraction(0.7)
    assert abs(found - survival) < 4.0 * np.hypot(error, error) + 5e-6
    centred = sample.doses - sample.doses.mean()
    sd_error = np.sqrt((np.mean(centred**4) - sample.sd**4) / N) / (2 * sample.sd)
    assert abs(sample.sd - sd) < 4.0 * np.sqrt(2.0) * sd_error + 5e-6
    density = (np.mean(sample.doses > d2 - 0.01) - np.mean(sample.doses > d2 + 0.01)) / 0.02
    d2_error = np.sqrt(0.02 * 0.98 / N) / density
    assert abs(sample.dose_at_volume(2.0) - d2) < 4.0 * np.sqrt(2.0) * d2_error + 5e-5


@pytest.mark.parametrize("organ", TARGETS)
def test_shape_one_is_markov(organ: str) -> None:
    male = load_network("male")
    exact = blood_dose(male, {organ: 2.0}, 120.0)
    sample = sample_blood_dose(male, exact.segments, N, shape=1.0, seed=99, workers=2)
    for (found, error), expected in (
        (sample.mean, exact.mean),
        (sample.volume_at_dose(0.0), exact.v_any),
        (sample.surviving_fraction(0.7), exact.surviving_fraction(0.7)),
    ):
        assert abs(found - expected) < 4.0 * error
