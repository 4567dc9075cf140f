import tomllib
from pathlib import Path

import pytest

from abscopal.domain.errors import InputError
from abscopal.trials.design import fraction_days, ici_days, parse_design, read_design
from abscopal.trials.evidence import load_trials
from abscopal.trials.examples import example_design, example_names
from abscopal.trials.known_designs import design_of, known_trials
from abscopal.trials.operating import varied

EXAMPLES = Path(__file__).parents[2] / "examples" / "trials"


def content(name="consolidation"):
    return tomllib.loads(example_design(name))


@pytest.mark.parametrize("name", example_names())
def test_examples_are_whole_designs_and_the_same_in_both_places(name):
    assert read_design(EXAMPLES / f"{name}.toml").title
    assert (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8") == example_design(name)


def test_days_of_a_consolidation():
    design = parse_design(content())
    assert fraction_days(design.arms[1])[-1] == 39  # 30 fractions end on the Thursday... of week six, day 39
    assert ici_days(design.arms[1])[:2] == [60, 74]
    assert design.origin == 0
    assert design.landmark == 60


def change(text, path, value):
    place = text
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("arms", 1, "ici", 0, "offset_days"), -300, r"arms\[1\].ici: dose on day .* before the diagnosis"),
        (
            ("arms", 0, "radiation", "start_day"),
            300,
            r"arms\[0\].radiation: fraction on day 300 outside the treatment window",
        ),
        (("accrual", "months"), 0, r"accrual.months"),
        (("arms", 1, "name"), "placebo", r"arms\[1\].name: 'placebo' is also"),
        (("arms", 1, "ici"), [], r"arms\[1\]: gives exactly what arms\[0\] gives"),
        (("population", "sex"), "f", r"population.sex: Extra inputs"),
        (("population", "preset"), "NSCLC stage IV", r"population.preset.*'NSCLC stage I"),
        (("population", "eligibility"), {"pdl1": [0, 1]}, r"population.eligibility.*'pd_l1'"),
        (("population", "eligibility"), {"pd_l1": [1, 1]}, r"lets nobody in"),
        (("arms", 0, "chemo"), "cisplatine", r"arms\[0\].chemo.*'cisplatin'"),
        (("arms", 1, "ici"), [{"ici_class": "anti-PD-1"}] * 2, r"two blocks give the same drug on the same day"),
        (("arms", 0, "radiation", "dose_per_fraction"), -2, r"arms\[0\].radiation.dose_per_fraction"),
        (("population", "n"), 10**9, r"population.n"),
        (("arms", 1, "ici", 0, "offset_days"), float("nan"), r"arms\[1\].ici\[0\].offset_days"),
        (("arms", 0, "radiation", "start_day"), float("-inf"), r"arms\[0\].radiation.start_day"),
        (("analysis", "endpoint"), "QoL", r"analysis.endpoint"),
    ],
)
def test_impossible_designs_name_the_place_and_the_reason(path, value, says):
    with pytest.raises(InputError, match=says):
        parse_design(change(content(), path, value))


def test_a_landmark_after_radiation_needs_radiation():
    text = content("one_lesion") | {"randomisation": {"at": "RTend"}}
    with pytest.raises(InputError, match="needs radiation in both arms"):
        parse_design(text)


def test_files_that_are_no_designs_are_refused(tmp_path):
    path = tmp_path / "x.toml"
    for text in (b"title = ", b"\xff\xfe", b"#" * 300_000, b""):
        path.write_bytes(text)
        with pytest.raises(InputError):
            read_design(path)


def test_every_known_course_is_a_design_of_a_listed_trial():
    listed = set(load_trials()["trial"])
    for trial in known_trials():
        assert trial in listed
        assert design_of(trial).arms[1].name == "experimental"


def test_every_pooled_and_every_withheld_trial_has_a_course():
    table = load_trials()
    wanted = table.loc[table["poolable"] | (table["pool"] == "holdout"), "trial"]
    assert set(wanted) <= set(known_trials())


def test_an_unknown_trial_answers_with_the_close_match():
    with pytest.raises(InputError, match="'PACIFIC-2'"):
        design_of("PACIFIC 2")


def test_sweeping_the_dose_keeps_the_effect_on_the_tumour():
    design = varied(parse_design(content()), {"dose_per_fraction": 8.0, "ici_start": 0, "patients": 100})
    radiation = design.arms[0].radiation
    assert radiation.fractions == round(60 * 1.2 / (8 * 1.8))
    assert ici_days(design.arms[1])[0] == radiation.days[-1]
    assert design.population.n == 100
    assert design.analysis.events == round(370 / 7)  # as many of the patients as before
