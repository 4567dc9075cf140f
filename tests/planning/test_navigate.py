"""Between Pareto plans: what mixes exactly, what is read off the dose, the file, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.blood.immune_dose import edric
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import dvh_of_samples
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.navigate import Navigator, doses_at_volume
from abscopal.planning.navigation_file import load_navigation, save_navigation
from abscopal.planning.terms.immune import MeanBloodDose


@pytest.fixture(scope="module")
def navigator(matrix: InfluenceMatrix) -> Navigator:
    rng = np.random.default_rng(3)
    plans = {name: rng.random(matrix.n_bixels) * (matrix.bixels.beam != beam) for beam, name in enumerate("abcd")}
    return Navigator.from_plans(matrix, plans, linear={"Score": [1.0, 2.0, 3.0, 5.0]})


mixes = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda values: sum(values) > 0.01)


@settings(max_examples=25, deadline=None)
@given(mix=mixes)
def test_linear_figures_are_those_of_the_mixed_weights(
    navigator: Navigator, matrix: InfluenceMatrix, mix: list[float]
) -> None:
    made = navigator.at(mix)
    dose = matrix.voxel_dose(navigator.weights_at(mix))
    for region in matrix.regions.values():
        assert made.metric(f"{region.name} mean").value == pytest.approx(region.mean(dose), rel=1e-9)
    body = matrix.region("External")
    expected = edric(
        matrix.region("Lungs").mean(dose), matrix.region("Heart").mean(dose), body.mean(dose) * body.volume_cm3, 25
    ).value
    assert made.metric("EDRIC").value == pytest.approx(expected, rel=1e-9)
    assert made.metric("Score").value == pytest.approx(made.mix @ [1, 2, 3, 5])
    assert made.metric("Mean blood dose").value == pytest.approx(
        MeanBloodDose().value(matrix, navigator.weights_at(mix)), rel=1e-9
    )
    inside = np.zeros(dose.size, dtype=bool)
    inside[navigator.voxels] = True
    np.testing.assert_allclose(made.dose.values.ravel(), np.where(inside, dose, 0.0), rtol=1e-5, atol=1e-6)


def test_as_a_matrix_it_has_the_plans_for_columns(navigator: Navigator, matrix: InfluenceMatrix) -> None:
    made = navigator.as_matrix()
    mix = np.array([0.1, 0.2, 0.3, 0.4])
    dose, expected = made.voxel_dose(mix), matrix.voxel_dose(navigator.weights_at(mix))
    for name, region in matrix.regions.items():
        np.testing.assert_allclose(dose[region.voxels], expected[region.voxels], rtol=1e-5)
        assert made.mean_row(name) @ mix == pytest.approx(region.mean(expected), rel=1e-5)


def test_curves_and_dose_at_volume_agree_with_the_histogram_of_the_same_voxels(
    navigator: Navigator, matrix: InfluenceMatrix
) -> None:
    made = navigator.at([1, 1, 2, 0])
    dose = matrix.voxel_dose(navigator.weights_at([1, 1, 2, 0]))
    for curve in made.curves:
        region = matrix.region(curve.name)
        inside, part = dose[region.voxels], region.shares / region.shares.sum()
        least, most = (part @ (inside[:, None] >= factor * curve.dose) for factor in (1 + 1e-5, 1 - 1e-5))
        assert (curve.volume >= least - 1e-6).all()
        assert (curve.volume <= most + 1e-6).all()
        assert curve.volume[0] == pytest.approx(1.0)
        assert (np.diff(curve.volume) <= 1e-12).all()
    target = matrix.region("PTV")
    peer = dvh_of_samples("PTV", dose[target.voxels], target.shares, bin_gy=1e-4)
    assert made.metric("PTV D95%").value == pytest.approx(peer.dose_at_volume(95), rel=0.01)
    assert made.metric("PTV D2%").value == pytest.approx(peer.dose_at_volume(2), rel=0.01)
    spread = (made.metric("PTV D2%").value - made.metric("PTV D98%").value) / made.metric("PTV D50%").value
    assert made.metric("PTV homogeneity index").value == pytest.approx(spread)


def test_dose_at_volume_of_equal_voxels_by_hand() -> None:
    dose = np.array([10.0, 40.0, 20.0, 30.0])
    assert doses_at_volume(dose, np.ones(4), [50.0, 12.5, 100.0]) == pytest.approx([25.0, 40.0, 10.0])


@settings(max_examples=25, deadline=None)
@given(mix=mixes, share=st.floats(0, 1))
def test_a_slider_goes_where_it_is_pulled(navigator: Navigator, mix: list[float], share: float) -> None:
    row = navigator.linear["Heart mean"]
    aim = float(row.min() + share * np.ptp(row))
    moved = navigator.steer("Heart mean", aim, mix)
    assert moved.min() >= 0
    assert moved.sum() == pytest.approx(1)
    assert moved @ row == pytest.approx(aim, abs=1e-5 * np.ptp(row) + 1e-9)


def test_a_slider_costs_the_others_no_more_than_any_mix_would(navigator: Navigator) -> None:
    now = np.array([0.25, 0.25, 0.25, 0.25])
    row = navigator.linear["Score"]
    moved = navigator.steer("Score", 2.0, now)
    rng = np.random.default_rng(0)

    def worst(mix: np.ndarray) -> float:
        rises = [
            (mix - now) @ values / np.ptp(values)
            for name, values in navigator.linear.items()
            if name not in ("Score", "PTV mean")
        ]
        return max(rises)

    for _ in range(300):
        other = rng.dirichlet(np.ones(4))
        end = 3 if row @ other < 2.0 else 0
        step = (2.0 - row @ other) / (row[end] - row @ other)
        other = (1 - step) * other + step * np.eye(4)[end]
        assert row @ other == pytest.approx(2.0)
        assert worst(moved) <= worst(other) + 1e-5


def test_out_of_range_goes_to_the_end_and_staying_put_stays(navigator: Navigator) -> None:
    assert navigator.steer("EDRIC", -5.0, [1, 1, 1, 1]) @ navigator.linear["EDRIC"] == pytest.approx(
        navigator.linear["EDRIC"].min(), rel=1e-6
    )
    now = navigator.mix_of([0.4, 0.3, 0.2, 0.1])
    here = navigator.steer("EDRIC", float(now @ navigator.linear["EDRIC"]), now)
    before, after = (mix @ navigator.linear["Lungs mean"] for mix in (now, here))
    assert after <= before * (1 + 1e-6)


def test_saved_and_read_back_the_same(navigator: Navigator, tmp_path) -> None:
    save_navigation(navigator, tmp_path / "navigation.npz")
    back = load_navigation(tmp_path / "navigation.npz")
    first, second = navigator.at({"a": 1, "c": 3}), back.at({"a": 1, "c": 3})
    assert [one.value for one in first.metrics] == [one.value for one in second.metrics]
    np.testing.assert_array_equal(first.dose.values, second.dose.values)
    assert back.plans == ("a", "b", "c", "d")
    assert [path.name for path in tmp_path.iterdir()] == ["navigation.npz"]


def test_damaged_foreign_and_pickled_files_are_refused(navigator: Navigator, tmp_path) -> None:
    path = tmp_path / "navigation.npz"
    save_navigation(navigator, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="written by abscopal"):
        load_navigation(path)
    np.savez(path, facts=np.array(json.dumps({"format": "other"})))
    with pytest.raises(InputError, match="another format"):
        load_navigation(path)
    np.savez(path, facts=np.array([object()], dtype=object))
    with pytest.raises(InputError, match="written by abscopal"):
        load_navigation(path)
    with pytest.raises(InputError, match="FileNotFoundError"):
        load_navigation(tmp_path / "none.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    navigator: Navigator, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "navigation.npz"
    save_navigation(navigator, path)
    monkeypatch.setattr("abscopal.planning.archive.MOST_BYTES", 1000)
    with pytest.raises(InputError, match="GB unpacked"):
        load_navigation(path)


def test_a_file_whose_indices_point_outside_is_refused(navigator: Navigator, tmp_path) -> None:
    path = tmp_path / "navigation.npz"
    save_navigation(navigator, path)
    with np.load(path) as stored:
        parts = dict(stored)
    parts["voxels_0"] = parts["voxels_0"] + 10**9
    np.savez(path, **parts)
    with pytest.raises(InputError, match="off the grid"):
        load_navigation(path)


@pytest.mark.parametrize("mix", [[1, 2], [0, 0, 0, 0], [1, -1, 1, 1], [np.nan, 1, 1, 1]])
def test_mixes_that_are_none(navigator: Navigator, mix: list[float]) -> None:
    with pytest.raises(InputError, match="mixing plans"):
        navigator.at(mix)


def test_unknown_names_are_answered_with_the_close_match(navigator: Navigator, matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="mixing plans"):
        navigator.at({"e": 1.0})
    with pytest.raises(InputError, match="EDRIC"):
        navigator.steer("EDRICS", 1.0, [1, 1, 1, 1])
    with pytest.raises(InputError, match="Heart"):
        Navigator.from_plans(matrix, {"a": np.ones(315), "b": np.ones(315)}, regions=["Hart"])
    with pytest.raises(InputError, match="1 plan"):
        Navigator.from_plans(matrix, {"a": np.ones(315)})
    with pytest.raises(InputError, match="one finite value"):
        Navigator.from_plans(matrix, {"a": np.ones(315), "b": np.ones(315)}, linear={"x": [1.0]})


def test_a_matrix_without_lungs_has_no_edric(matrix: InfluenceMatrix) -> None:
    made = Navigator.from_plans(
        matrix.__class__(**{**matrix.__dict__, "regions": {"PTV": matrix.region("PTV")}}),
        {"a": np.ones(315), "b": 2 * np.ones(315)},
    )
    assert "EDRIC" not in made.linear
