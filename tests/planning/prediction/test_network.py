"""The network: shapes, training, resuming to the same numbers, safe files. Needs the extra `deep`."""

import json
from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.channels import CHANNELS
from tests.planning.prediction.made_up import SHAPE, made_up_anatomy, made_up_example

torch = pytest.importorskip("torch", reason="the extra `deep` is not installed: make test-deep")
safetensors_torch = pytest.importorskip("safetensors.torch", reason="the extra `deep` is not installed: make test-deep")

from abscopal.planning.prediction import network_dose, predictors  # noqa: E402
from abscopal.planning.prediction.augment import augment, mirror  # noqa: E402
from abscopal.planning.prediction.by_shadow import fit_by_shadow  # noqa: E402
from abscopal.planning.prediction.channels import channels  # noqa: E402
from abscopal.planning.prediction.scores import dvh_metrics, score_patient  # noqa: E402
from abscopal.planning.prediction.settings import Architecture, TrainingSettings  # noqa: E402
from abscopal.planning.prediction.storage import KEY, read_tensors  # noqa: E402
from abscopal.planning.prediction.train import BEST, LAST, WEIGHTS, train  # noqa: E402

SMALL = Architecture(width=4, levels=3, widest=8, slab=16)


def small_settings(**changes: object) -> TrainingSettings:
    return TrainingSettings(architecture=SMALL, epochs=4, validate_every=1, averaging=0.5, **changes)  # type: ignore[arg-type]


def patients(bend: float = 0.5) -> list:
    """Doses that fall from front to back, which no distance to a target tells."""
    slope = np.linspace(1 + bend, 1 - bend, SHAPE[0])[:, None, None]
    made = [made_up_example(f"p{k}", 4.0 * k) for k in range(4)]
    return [type(one)(one.name, one.anatomy, (one.dose * slope).astype(np.float32)) for one in made]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_an_untrained_network_gives_its_baseline() -> None:
    example = made_up_example()
    baseline = fit_by_shadow([example])
    stack = channels(example.anatomy, baseline)
    out = network_dose.infer(network_dose.build(SMALL), stack, SMALL, "cpu")
    assert np.allclose(out, stack[CHANNELS.index("baseline")], atol=1e-6)


def test_training_improves_on_the_baseline_and_lists_its_progress(tmp_path: Path) -> None:
    examples = patients()
    settings = small_settings(slabs_per_patient=4, learning_rate=0.01, warp=0.0, forget_organ=0.0)
    done = train(examples[:3], examples[3:], tmp_path, settings, device="cpu")
    rows = done.model.header.history
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    new = examples[3]
    base = score_patient(new, done.model.baseline.predict(new.anatomy)).dose_score
    assert score_patient(new, done.model.predict(new.anatomy)).dose_score < 0.8 * base
    assert done.stopped == "reached the last epoch"
    again = network_dose.load_network(tmp_path / WEIGHTS, "cpu")
    assert np.abs(again.predict(new.anatomy) - done.model.predict(new.anatomy)).max() < 0.2  # half precision
    assert again.header.trained_on == ("p0", "p1", "p2")
    assert (tmp_path / WEIGHTS).stat().st_size < (tmp_path / BEST).stat().st_size < (tmp_path / LAST).stat().st_size


def test_a_run_that_was_killed_ends_in_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, settings = patients(), small_settings()
    whole = train(examples[:2], examples[3:], tmp_path / "whole", settings, device="cpu")
    from abscopal.planning.prediction import train as module

    real, calls = module._Run.one_epoch, []

    def killed(self: object) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        real(self)  # type: ignore[arg-type]

    monkeypatch.setattr(module._Run, "one_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(examples[:2], examples[3:], tmp_path / "killed", settings, device="cpu")
    monkeypatch.undo()
    resumed = train(examples[:2], examples[3:], tmp_path / "killed", settings, device="cpu")
    assert resumed.model.header.history == whole.model.header.history
    one, two = (read_tensors(tmp_path / name / LAST)[1] for name in ("whole", "killed"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    examples = patients()
    train(examples[:2], examples[3:], tmp_path, small_settings(patience=1), device="cpu")
    with pytest.raises(InputError, match="other patients or settings"):
        train(examples[:2], examples[3:], tmp_path, small_settings(seed=1), device="cpu")
    with pytest.raises(InputError, match="0 training"):
        train([], examples, tmp_path / "x", small_settings())


def test_early_stopping_looks_at_validation_only(tmp_path: Path) -> None:
    examples = patients(bend=0.0)
    settings = small_settings(patience=2, learning_rate=1.0).model_copy(update={"epochs": 30})  # too fast on purpose
    done = train(examples[:2], examples[3:], tmp_path, settings, device="cpu")
    scores = [row.dose_score for row in done.model.header.history]
    assert done.model.header.best_dose_score == min(scores)
    assert scores.index(min(scores)) + 1 == done.model.header.best_epoch
    assert done.stopped == "no better dose score in 2 validations"
    assert len(scores) == done.model.header.best_epoch + 2 < 30


def test_slabs_cover_the_patient_and_agree_with_one_pass() -> None:
    for n in (5, 16, 17, 40, 49):
        ranges = network_dose.slab_ranges(n, 16)
        assert set().union(*(range(*one) for one in ranges)) == set(range(n))
        assert all(stop - start <= 16 for start, stop in ranges)


def test_mirroring_swaps_the_parotids() -> None:
    example = made_up_example()
    stack = channels(example.anatomy, fit_by_shadow([example]))
    flipped = mirror(stack)
    left, right = CHANNELS.index("LeftParotid"), CHANNELS.index("RightParotid")
    assert (flipped[left] == stack[right][:, ::-1]).all()
    assert (mirror(flipped) == stack).all()
    expected = channels(example.anatomy.mirrored(), fit_by_shadow([example]))
    assert (flipped[: CHANNELS.index("shadow")] == expected[: CHANNELS.index("shadow")]).all()


def test_augmentation_is_seeded_and_keeps_dose_on_its_voxels() -> None:
    example = made_up_example()
    stack = np.concatenate([channels(example.anatomy, fit_by_shadow([example])), example.dose[None] / 70])
    settings = TrainingSettings(flip=1.0, warp=1.0)
    one, two = (augment(stack, settings, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two)
    inside = one[CHANNELS.index("PTV70")] > 0.99
    assert float(one[-1][inside].mean()) == pytest.approx(1.0, abs=0.02)
    still = augment(stack, TrainingSettings(flip=0, warp=0, forget_organ=0, ct_noise=0), np.random.default_rng(0))
    assert np.array_equal(still.numpy(), stack)


def stored(tmp_path: Path) -> Path:
    examples = patients()
    train(
        examples[:2],
        examples[3:],
        tmp_path,
        small_settings(slabs_per_patient=1).model_copy(update={"epochs": 1}),
        device="cpu",
    )
    return tmp_path / WEIGHTS


def test_strange_weight_files_are_refused(tmp_path: Path) -> None:
    good = stored(tmp_path)
    header, tensors = read_tensors(good)
    text = header.model_dump()

    def refused(named: str, tensors: dict, **changes: object) -> None:
        path = tmp_path / "bad.safetensors"
        safetensors_torch.save_file(tensors, path, metadata={KEY: json.dumps(text | changes, default=list)})
        with pytest.raises(InputError, match=named):
            network_dose.load_network(path, "cpu")

    refused("channel layout", tensors, channels=["ct"])
    refused("channel layout", tensors, layout=2)
    refused("breaks the schema", tensors, unknown=1)
    refused("breaks the schema", tensors, settings={"architecture": {"width": 10_000}})
    first = next(iter(tensors))
    refused("do not fit", {name: one for name, one in tensors.items() if name != first})
    refused("not finite", tensors | {first: torch.full_like(tensors[first], float("nan"))})
    for content, named in ((b"\x80\x04pickle", "not safetensors"), (None, "no such file")):
        path = tmp_path / "other.safetensors"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=named):
            network_dose.load_network(path)


def test_mixed_precision_where_there_is_none() -> None:
    with network_dose.autocast("cpu", enabled=True):
        assert torch.is_autocast_enabled("cpu")
    with network_dose.autocast("cpu", enabled=False):
        assert not torch.is_autocast_enabled("cpu")


def test_the_network_predicts_on_a_patient_without_organs(tmp_path: Path) -> None:
    model = network_dose.load_network(stored(tmp_path), "cpu")
    anatomy = made_up_anatomy(organs=False)
    dose = model.predict(anatomy)
    assert dose.shape == SHAPE
    assert dose.min() >= 0.0
    assert dose[~anatomy.region].max() == 0.0


def test_the_network_that_comes_with_the_package() -> None:
    found = predictors.predict_dose(made_up_anatomy(), "network")
    metrics = dvh_metrics(found.dose, made_up_anatomy())
    assert 60 < metrics["PTV70", "D95"] < 75
    header = predictors.load_predictor("network")[1].header  # type: ignore[attr-defined]
    card = predictors.card()
    assert header.trained_on == card.trained_on
    assert header.best_epoch == card.network_epoch
    assert header.envelope == card.envelope
