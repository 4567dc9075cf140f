"""ALC day loop of the blood dossier (section 8, target 7) and the passing-share law (mechanistic dossier 2.8)."""

import numpy as np
import pytest

from abscopal.blood.lymphocytes import alc_course, alc_day_loop, passing_share_survival

# survival per fraction -> count at day 40; 30 fractions on 5 of 7 days, recovery .02 per day, start 1
DAY_LOOP = [(0.95, 0.40796), (0.93, 0.30804), (0.90, 0.21845)]
# fractions, dose [Gy] -> count without recovery at v .05, alpha .65 per Gy
PASSING_SHARE = [(30, 2.0, 0.329), (15, 4.0, 0.491), (5, 10.0, 0.774), (3, 8.0, 0.858), (1, 20.0, 0.950)]


@pytest.mark.parametrize(("survival", "count"), DAY_LOOP)
def test_day_loop(survival: float, count: float) -> None:
    assert alc_day_loop(1.0, survival, n_fractions=30, n_days=40, recovery=0.02) == pytest.approx(count, abs=0.5e-5)


@pytest.mark.parametrize(("survival", "count"), DAY_LOOP)
def test_continuous_law_ends_where_the_day_loop_does(survival: float, count: float) -> None:
    days = [k + 2 * (k // 5) for k in range(30)]
    course = alc_course(1.0, survival, days, 0.02, horizon=40.0)
    assert course["ALC"][-1] == pytest.approx(count, abs=0.5e-5)


def test_day_loop_steady_state_of_daily_fractions() -> None:
    kept, s = 0.93, -np.expm1(-0.02)
    count = 1.0
    for _ in range(2000):
        count = kept * count
        count += s * (1.0 - count)
    assert count == pytest.approx(s / (1.0 - kept * (1.0 - s)), rel=1e-12)
    course = alc_course(1.0, kept, list(range(2000)), 0.02, horizon=2000.0, step=1.0)
    assert course["ALC"][-1] == pytest.approx(count, rel=1e-9)


@pytest.mark.parametrize(("n", "dose", "count"), PASSING_SHARE)
def test_passing_share_without_recovery(n: int, dose: float, count: float) -> None:
    assert passing_share_survival(0.05, 0.65, dose) ** n == pytest.approx(count, abs=0.5e-3)
