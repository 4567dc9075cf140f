"""Group-sequential bounds of Lan and DeMets' spending functions.

Two-sided alpha 0.05, equally spaced looks, as tabulated by Reboussin, DeMets, Kim and Lan (Control Clin Trials 2000,
21:190-207; values recalled) and printed by the R packages ldbounds and gsDesign.
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from abscopal.trials.interim import efficacy_bounds, spent

PUBLISHED = {
    ("O'Brien-Fleming", 2): [2.9626, 1.9686],
    ("O'Brien-Fleming", 3): [3.7103, 2.5114, 1.9930],
    ("O'Brien-Fleming", 4): [4.3326, 2.9631, 2.3590, 2.0141],
    ("O'Brien-Fleming", 5): [4.8769, 3.3569, 2.6803, 2.2898, 2.0310],
    ("Pocock", 2): [2.1570, 2.2010],
    ("Pocock", 5): [2.4380, 2.4268, 2.4101, 2.3966, 2.3859],
}


@pytest.mark.parametrize(("spending", "looks"), PUBLISHED)
def test_published_bounds(spending, looks):
    found = efficacy_bounds(np.arange(1, looks + 1) / looks, 0.05, spending)
    assert found == pytest.approx(PUBLISHED[spending, looks], abs=2e-4)


@pytest.mark.parametrize("spending", ["O'Brien-Fleming", "Pocock"])
@pytest.mark.parametrize("information", [(0.3, 1.0), (0.4, 0.55, 0.9, 1.0)])
def test_the_chance_of_leaving_is_what_may_be_spent(spending, information):
    """Against SciPy's multivariate normal distribution: corr(z_i, z_j) = sqrt(t_i/t_j)."""
    t = np.array(information)
    bounds = efficacy_bounds(t, 0.05, spending)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    for k in range(1, t.size + 1):
        inside = multivariate_normal(np.zeros(k), correlation[:k, :k], abseps=1e-8, releps=1e-8, seed=0).cdf(bounds[:k])
        assert 1 - inside == pytest.approx(float(spent(t[k - 1], 0.025, spending)), abs=2e-5)


def test_one_look_is_the_fixed_test():
    assert efficacy_bounds([1.0], 0.05, "Pocock") == pytest.approx([1.95996], abs=1e-5)
