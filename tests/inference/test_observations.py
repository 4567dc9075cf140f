from abscopal.immune.arms import arms
from abscopal.inference.observations import NUMERIC, observations, of_split, split_of, unmodelled
from abscopal.knowledge.load import load


def test_every_tagged_row_is_modelled_or_has_a_reason() -> None:
    rows = load("evidence/dose_immune").table("observations")
    tagged = {k for k, note in enumerate(rows["note"]) if split_of(note) != "context"}
    modelled = {one.row for one in observations()}
    assert modelled | set(unmodelled()) == tagged
    assert not modelled & set(unmodelled())
    assert all(len(reason) > 10 for reason in unmodelled().values())


def test_only_calibration_rows_are_fitted() -> None:
    fitted = of_split("calibration")
    rows = load("evidence/dose_immune").table("observations")["note"]
    assert fitted
    assert all("SPLIT=calibration" in rows[one.row] for one in fitted)


def test_sealed_rows_have_no_outcome() -> None:
    sealed = of_split("sealed")
    assert len(sealed) == 19 - sum(split_of(note) == "sealed" for note in _notes(unmodelled()))
    assert all(one.reported is None for one in sealed)
    assert all(one.reported is not None for one in (*of_split("calibration"), *of_split("validation")))


def _notes(rows: dict[int, str]) -> list[str]:
    table = load("evidence/dose_immune").table("observations")["note"]
    return [str(table[row]) for row in rows]


def test_uncertain_rows_are_excluded_and_recalled_ones_count_half() -> None:
    assert all(one.confidence != "uncertain" for one in observations())
    recalled = [one for one in observations() if one.confidence == "recalled" and one.weight]
    assert recalled
    assert all(one.weight == 0.5 for one in recalled)


def test_the_same_measurement_is_fitted_once() -> None:
    ranks = [one for one in of_split("calibration") if one.endpoint == "abscopal_effect_rank"]
    assert ranks
    assert all(one.weight == 0 for one in ranks)


def test_digitised_volumes_have_an_error_of_at_least_a_fifth() -> None:
    volumes = [one for one in observations() if one.kind == "volume"]
    assert len(volumes) > 20
    assert min(one.threshold for one in volumes) >= 0.2


def test_every_arm_named_exists() -> None:
    named = {name for one in observations() for name, _ in (*one.arms, *one.references)}
    assert named <= set(arms())
    assert {one.kind for one in observations()} <= {*NUMERIC, "sign", "presence", "change", "rank", "cure"}


def test_effects_are_reported_as_seen_or_not() -> None:
    seen = {one.row: one.reported for one in observations() if one.kind == "presence"}
    assert set(seen.values()) <= {0.0, 1.0, None}
    # 36 % against 18 % and 41.7 % against 19.7 % responded in two trials, 29 % against 34.5 % in the third
    assert (seen[85], seen[86], seen[87]) == (1, 0, 1)
