"""Dose score and DVH score against hand-made cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import Anatomy, Example
from abscopal.planning.prediction.scores import Scores, bootstrap, dvh_metrics, paired_difference, score_patient
from tests.planning.prediction.made_up import made_up_example


def line_of_voxels(n: int = 100, voxel: float = 5.0) -> Example:
    """A row of voxels with doses 0, 1, 2 … Gy: one half target, one half organ; 0.1 cm3 is one voxel (125 mm3)."""
    shape = (1, 1, n)
    organ, target = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    organ[..., : n // 2], target[..., n // 2 :] = True, True
    anatomy = Anatomy(
        np.full(shape, 1000.0, dtype=np.float32),
        {"Larynx": organ, "PTV70": target},
        np.ones(shape, dtype=bool),
        (voxel,) * 3,
    )
    return Example("row", anatomy, np.arange(n, dtype=np.float32).reshape(shape))


def test_metrics_by_hand() -> None:
    found = dvh_metrics(line_of_voxels().dose, line_of_voxels().anatomy)
    # organ doses 0..49: one voxel of fifty above the 98th percentile, 0.98 * 49
    assert found["Larynx", "D0.1cc"] == pytest.approx(0.98 * 49)
    assert found["Larynx", "mean"] == pytest.approx(24.5)
    # target doses 50..99
    assert found["PTV70", "D99"] == pytest.approx(50 + 0.01 * 49)
    assert found["PTV70", "D95"] == pytest.approx(50 + 0.05 * 49)
    assert found["PTV70", "D1"] == pytest.approx(50 + 0.99 * 49)
    assert len(found) == 5


def test_tenth_of_a_cubic_centimetre_is_a_whole_number_of_voxels() -> None:
    example = line_of_voxels(voxel=2.0)  # 8 mm3: 12.5 voxels, rounded to even as NumPy does: 12
    assert dvh_metrics(example.dose, example.anatomy)["Larynx", "D0.1cc"] == pytest.approx((1 - 12 / 50) * 49)


def test_an_organ_smaller_than_a_tenth_of_a_cubic_centimetre_gives_its_least_dose() -> None:
    example = line_of_voxels(n=10, voxel=2.0)
    assert dvh_metrics(example.dose, example.anatomy)["Larynx", "D0.1cc"] == 0.0


def test_scores_of_a_constant_error() -> None:
    example = line_of_voxels()
    found = score_patient(example, example.dose + 2.0)
    assert found.dose_score == pytest.approx(2.0)
    assert found.dvh_score == pytest.approx(2.0)
    assert score_patient(example, example.dose).dose_score == 0.0


def test_the_dose_score_counts_voxels_that_can_receive_dose() -> None:
    example = line_of_voxels()
    half = np.zeros(example.dose.shape, dtype=bool)
    half[..., ::2] = True
    anatomy = Anatomy(example.anatomy.ct, example.anatomy.masks, half, example.anatomy.voxel_mm)
    found = score_patient(Example("row", anatomy, example.dose), example.dose + 1.0)
    assert found.dose_score == pytest.approx(2.0)  # the error is summed everywhere, as the challenge does


def test_the_dvh_score_pools_metrics_of_all_patients() -> None:
    one, two = line_of_voxels(), made_up_example()
    scores = Scores((score_patient(one, one.dose + 1.0), score_patient(two, two.dose.astype(float))))
    n = len(scores.patients[0].metric_errors) + len(scores.patients[1].metric_errors)
    assert scores.dvh_score == pytest.approx(len(scores.patients[0].metric_errors) / n)
    assert scores.dose_score == pytest.approx(0.5)


def test_another_grid_is_refused() -> None:
    with pytest.raises(InputError, match="grid"):
        score_patient(line_of_voxels(), np.zeros((2, 2, 2)))


def test_bootstrap_and_paired_difference() -> None:
    examples = [made_up_example(f"p{k}", 2.0 * k) for k in range(4)]
    worse = Scores(tuple(score_patient(e, e.dose + 1.0 + 0.5 * k) for k, e in enumerate(examples)))
    better = Scores(tuple(score_patient(e, e.dose + 0.5 * k) for k, e in enumerate(examples)))
    interval = bootstrap(worse, "dose_score")
    assert interval.low < interval.value < interval.high
    gap = paired_difference(better, worse, "dose_score")
    assert gap.low < 0
    assert gap.value == pytest.approx(better.dose_score - worse.dose_score)
    assert bootstrap(worse, "dvh_score").value == pytest.approx(worse.dvh_score)
    with pytest.raises(InputError, match="different patients"):
        paired_difference(better, Scores(worse.patients[:2]), "dose_score")


@given(st.floats(-5, 5), st.integers(0, 1000))
def test_order_of_voxels_does_not_matter(offset: float, seed: int) -> None:
    example = line_of_voxels()
    order = np.random.default_rng(seed).permutation(example.dose.size)
    masks = {name: mask.reshape(-1)[order].reshape(mask.shape) for name, mask in example.anatomy.masks.items()}
    moved = Example(
        "row", Anatomy(example.anatomy.ct, masks, example.anatomy.region, example.anatomy.voxel_mm),
        example.dose.reshape(-1)[order].reshape(example.dose.shape),
    )  # fmt: skip
    assert score_patient(moved, moved.dose + offset).dvh_score == pytest.approx(
        score_patient(example, example.dose + offset).dvh_score
    )
