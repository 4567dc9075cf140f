"""Figures of a predicted dose: what they draw is what they export, and no image of the patient is in them."""

import numpy as np
import pytest

from abscopal.planning.prediction.figures import cumulative, difference_figure, dvh_figure, error_figure
from tests.planning.prediction.made_up import made_up_example


def test_cumulative_histogram() -> None:
    dose = np.array([1.0, 2.0, 3.0, 4.0])
    assert cumulative(dose, np.array([0.0, 1.0, 2.5, 4.0, 5.0])) == pytest.approx([1.0, 1.0, 0.5, 0.25, 0.0])


def test_dvh_figure_exports_every_structure() -> None:
    example = made_up_example()
    figure = dvh_figure(example.anatomy, {"predicted": example.dose + 1, "planned": example.dose})
    assert set(figure.data["structure"]) == set(example.anatomy.masks)
    assert set(figure.data["dose"]) == {"predicted", "planned"}
    assert "dose [Gy]" in figure.svg
    assert "<image" not in figure.svg


def test_error_figure_shares_add_up() -> None:
    figure = error_figure({"one": [np.linspace(-3, 3, 100), np.zeros(50)], "other": [np.full(10, 50.0)]})
    assert figure.data.groupby("predictor")["percent"].sum().to_list() == pytest.approx([100.0, 100.0])
    assert "<image" not in figure.svg


def test_difference_figure_shows_differences_only() -> None:
    example = made_up_example()
    figure = difference_figure(example.anatomy, example.dose + 2.0, example.dose)
    assert figure.data["error_gy"].to_numpy() == pytest.approx(2.0, abs=1e-5)
    assert set(figure.data["plane"]) == {"axial", "coronal", "sagittal"}
