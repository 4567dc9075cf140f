"""The lymphocyte course: limits, order, grades and bands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network
from abscopal.blood.exposure import blood_dose
from abscopal.blood.lymphocytes import alc_course, ctcae_grade, passing_share_survival, predict_alc
from abscopal.domain.errors import InputError

DOSE = blood_dose(load_network("male"), {"lung": 0.6, "left_heart": 0.3}, 120.0)
WEEKDAYS = [k + 2 * (k // 5) for k in range(30)]
survivals = st.floats(0.0, 1.0)


def test_without_kill_the_count_stays() -> None:
    np.testing.assert_allclose(alc_course(1.6, 1.0, WEEKDAYS)["ALC"], 1.6)


def test_without_recovery_kill_multiplies() -> None:
    course = alc_course(2.0, 0.9, range(10), 0.0)
    assert course["ALC"][-1] == pytest.approx(2.0 * 0.9**10, rel=1e-12)


def test_without_fractions_it_relaxes_to_the_set_point() -> None:
    course = alc_course(0.4, 1.0, [], 0.05, set_point=1.6, horizon=30.0)
    np.testing.assert_allclose(course["ALC"], 1.6 - 1.2 * np.exp(-0.05 * course.t), rtol=1e-12)


@given(survivals, st.floats(0.0, 0.5), st.lists(st.floats(0.0, 60.0), min_size=1, max_size=12))
def test_count_stays_between_zero_and_baseline(kept: float, sigma: float, days: list[float]) -> None:
    counts = alc_course(1.5, kept, sorted(days), sigma)["ALC"]
    assert np.all((counts >= 0.0) & (counts <= 1.5 + 1e-12))


@given(survivals, st.floats(0.01, 5.0))
def test_drawing_step_does_not_change_the_end(kept: float, step: float) -> None:
    days = [0.0, 1.5, 1.5, 8.25]
    fine, coarse = (alc_course(1.5, kept, days, 0.03, horizon=20.0, step=s)["ALC"][-1] for s in (step, 100.0))
    assert fine == pytest.approx(coarse, rel=1e-9, abs=1e-12)


def test_time_never_runs_back_and_fractions_show_before_and_after() -> None:
    course = alc_course(1.0, 0.8, [0.0, 1.0], 0.02, horizon=3.0)
    assert np.all(np.diff(course.t) >= 0.0)
    at_one = course["ALC"][course.t == 1.0]
    assert at_one[-1] == pytest.approx(0.8 * at_one[0])


@pytest.mark.parametrize(
    ("alc", "grade"), [(1.0, 0), (0.99, 1), (0.8, 1), (0.79, 2), (0.5, 2), (0.49, 3), (0.2, 3), (0.19, 4), (0.0, 4)]
)
def test_grades(alc: float, grade: int) -> None:
    assert ctcae_grade(alc) == grade


def test_laboratory_limit_moves_grade_one_only() -> None:
    assert ctcae_grade(1.1, lower_limit_of_normal=1.3) == 1
    assert ctcae_grade(0.75, lower_limit_of_normal=0.7) == 2


def test_prediction_brackets_its_centre() -> None:
    found = predict_alc(1.6, DOSE, WEEKDAYS)
    assert found.nadir_band[0] < found.nadir < found.nadir_band[1]
    assert found.grade_band[0] <= found.grade <= found.grade_band[1]
    assert (found.alpha, found.alpha_band) == (0.40, (0.3, 0.7))
    assert found.nadir == found.central["ALC"].min()
    assert found.nadir_day == 39.0
    np.testing.assert_array_equal(found.central.t, found.sensitive.t)


def test_prediction_says_what_it_leaves_out() -> None:
    found = predict_alc(1.6, DOSE, WEEKDAYS)
    text = " ".join(found.notes)
    assert "under-predicted" in text
    assert "0.02 per day is assumed" in text
    assert found.status == "assumed"
    assert predict_alc(1.6, DOSE, WEEKDAYS, recovery=0.01).status == "computed"


def test_own_alpha_widens_the_band() -> None:
    assert predict_alc(1.6, DOSE, WEEKDAYS, alpha=0.9).alpha_band == (0.3, 0.9)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ((-1.0, 0.9, [0.0]), "baseline"),
        ((1.0, 1.1, [0.0]), "surviving"),
        ((1.0, 0.9, [3.0, 1.0]), "days"),
    ],
)
def test_impossible_courses_are_refused(args: tuple[float, float, list[float]], word: str) -> None:
    with pytest.raises(InputError, match=word):
        alc_course(*args)


def test_horizon_before_the_last_fraction_and_bad_counts_are_refused() -> None:
    with pytest.raises(InputError, match="horizon"):
        alc_course(1.0, 0.9, [0.0, 10.0], horizon=5.0)
    with pytest.raises(InputError, match="ALC"):
        ctcae_grade(-0.1)
    with pytest.raises(InputError, match="percent"):
        passing_share_survival(5.0, 0.65, 2.0)


def test_the_limit_that_parts_grade_0_from_1_is_named_where_it_was_not_given() -> None:
    assert any("told apart at 1 " in note for note in predict_alc(6.0, DOSE, WEEKDAYS).notes)
    assert not any("told apart" in note for note in predict_alc(6.0, DOSE, WEEKDAYS, lower_limit_of_normal=1.2).notes)
