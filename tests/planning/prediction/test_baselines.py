"""Geometry and the predictors that need no network."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.anatomy import Anatomy
from abscopal.planning.prediction.atlas import fit_atlas, geometry_features
from abscopal.planning.prediction.boosted import fit_boosted
from abscopal.planning.prediction.by_distance import fit_by_distance, nearest_target
from abscopal.planning.prediction.by_shadow import fit_by_shadow
from abscopal.planning.prediction.channels import CHANNELS, channels
from abscopal.planning.prediction.envelope import envelope_of, judge
from abscopal.planning.prediction.geometry import field_shadow, signed_distance
from abscopal.planning.prediction.scores import score_patient
from tests.planning.prediction.made_up import SHAPE, VOXEL, made_up_anatomy, made_up_example, sphere


def test_signed_distance_of_a_ball() -> None:
    mask = sphere((60.0, 70.0, 44.0), 20.0)
    distance = signed_distance(mask, VOXEL)
    assert (distance[mask] < 0).all()
    assert (distance[~mask] > 0).all()
    assert distance.min() == pytest.approx(-20.0, abs=6.0)
    assert (signed_distance(np.zeros(SHAPE, dtype=bool), VOXEL) == 1000.0).all()
    assert (signed_distance(np.ones(SHAPE, dtype=bool), VOXEL) == -1000.0).all()


def test_field_shadow_is_one_in_the_targets_and_mirrors() -> None:
    anatomy = made_up_anatomy()
    shadow = field_shadow(anatomy)
    assert shadow[anatomy.target].mean() == pytest.approx(1.0)
    assert shadow[..., 0].max() < 0.5  # beyond the targets' height there is only penumbra
    mirrored = field_shadow(anatomy.mirrored())
    assert np.abs(mirrored[:, ::-1] - shadow)[anatomy.region].mean() < 0.02


def test_field_shadow_attenuates() -> None:
    """A single target at the centre of a round phantom: every direction alike, and less behind than before it."""
    anatomy = made_up_anatomy(organs=False)
    dense = Anatomy(anatomy.ct * 2, anatomy.masks, anatomy.region, anatomy.voxel_mm)
    near_skin = anatomy.region & ~anatomy.target
    assert field_shadow(dense)[near_skin].mean() > field_shadow(anatomy)[near_skin].mean()


def test_dose_by_distance_recovers_a_dose_that_follows_distance() -> None:
    examples = [made_up_example(f"p{k}", 4.0 * k) for k in range(3)]
    new = made_up_example("new", 6.0)
    predicted = fit_by_distance(examples, 2.0).predict(new.anatomy)
    assert score_patient(new, predicted).dose_score < 1.0
    assert predicted[~new.anatomy.region].max() == 0.0


def test_dose_by_shadow_beats_distance_where_dose_follows_the_fields() -> None:
    examples = [made_up_example(f"p{k}", 4.0 * k) for k in range(3)]
    shaped = [
        type(one)(one.name, one.anatomy, (60.0 * field_shadow(one.anatomy) * one.anatomy.region).astype(np.float32))
        for one in examples
    ]  # fmt: skip
    new = shaped.pop()
    by_shadow = score_patient(new, fit_by_shadow(shaped).predict(new.anatomy)).dose_score
    by_distance = score_patient(new, fit_by_distance(shaped, 2.0).predict(new.anatomy)).dose_score
    assert by_shadow < 0.7 * by_distance


def test_nothing_to_average_is_refused() -> None:
    one = made_up_example()
    lacking = type(one)("x", one.anatomy.without("PTV63"), one.dose)
    for fit in (lambda: fit_by_distance([], 2.0), lambda: fit_by_distance([one], 0.0),
                lambda: fit_by_distance([lacking], 2.0), lambda: fit_by_shadow([lacking]),
                lambda: fit_atlas([one], 2, "place", fit_by_distance([one], 2.0))):  # fmt: skip
        with pytest.raises(InputError):
            fit()


def test_atlas_finds_the_same_patient_and_their_mirror_image() -> None:
    examples = [made_up_example(f"p{k}", 12.0 * k - 12.0) for k in range(3)]
    atlas = fit_atlas(examples, 1, "place", fit_by_distance(examples, 2.0))
    for example in examples:
        assert atlas.nearest(example.anatomy)[0] == [examples.index(example)]
        assert score_patient(example, atlas.predict(example.anatomy)).dose_score < 0.5
    assert atlas.nearest(examples[0].anatomy.mirrored())[0] == [3]
    own = fit_atlas(examples, 2, "distance", fit_by_distance(examples, 2.0)).predict(examples[1].anatomy)
    assert score_patient(examples[1], own).dose_score < 1.0


def test_geometry_features_leave_missing_organs_empty() -> None:
    assert np.isnan(geometry_features(made_up_anatomy(organs=False))[6:]).all()
    assert np.isfinite(geometry_features(made_up_anatomy())[:8]).all()


def test_trees_improve_on_their_baseline() -> None:
    examples = [made_up_example(f"p{k}", 4.0 * k) for k in range(3)]
    slope = np.linspace(0.5, 1.5, SHAPE[0])[:, None, None]
    bent = [type(one)(one.name, one.anatomy, (one.dose * slope).astype(np.float32)) for one in examples]
    new = bent.pop()
    baseline = fit_by_shadow(bent)
    trees = fit_boosted(bent, baseline, voxels=3000, trees=40)
    assert (
        score_patient(new, trees.predict(new.anatomy)).dose_score
        < score_patient(new, baseline.predict(new.anatomy)).dose_score
    )


def test_channels_are_scaled_and_in_order() -> None:
    example = made_up_example()
    found = channels(example.anatomy, fit_by_shadow([example]))
    assert found.shape == (len(CHANNELS), *SHAPE)
    assert np.abs(found).max() <= 3.0
    assert (found[CHANNELS.index("PTV70")] == example.anatomy.masks["PTV70"]).all()
    inside = example.anatomy.masks["PTV70"]
    assert found[CHANNELS.index("distance>=70")][inside].max() < 0 < found[CHANNELS.index("depth")][inside].min()


def test_nearest_target_prefers_the_one_a_voxel_lies_in() -> None:
    anatomy = made_up_anatomy()
    level, distance = nearest_target(anatomy)
    assert (level[anatomy.masks["PTV70"]] == 2).all()
    assert (distance[anatomy.target] < 0).all()


def test_an_overfilled_organ_is_left_out_and_said() -> None:
    examples = [made_up_example(f"p{k}", 4.0 * k) for k in range(2)]
    envelope = envelope_of(examples)
    same = judge(examples[0].anatomy, envelope)
    assert same.flags == ()
    masks = dict(examples[0].anatomy.masks) | {"SpinalCord": examples[0].anatomy.region}
    strange = judge(Anatomy(examples[0].anatomy.ct, masks, examples[0].anatomy.region, VOXEL), envelope)
    assert "SpinalCord" not in strange.anatomy.masks
    assert "left out of the input" in strange.flags[0]
    lacking = judge(examples[0].anatomy.without("Larynx", "PTV70", "PTV63"), envelope)
    assert any("Larynx is not contoured" in flag for flag in lacking.flags)
    assert any("no high-dose target" in flag for flag in lacking.flags)


def test_a_target_outside_the_body_is_refused() -> None:
    one = made_up_example()
    empty = one.anatomy.region.copy()
    empty[one.anatomy.target] = False
    with pytest.raises(InputError, match="0 % of the target"):
        judge(Anatomy(one.anatomy.ct, one.anatomy.masks, empty, VOXEL), envelope_of([one]))
