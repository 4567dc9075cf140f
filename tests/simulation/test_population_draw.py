"""Drawing patients: the same for a seed, correlated, plausible, in the model's units."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abscopal.domain.errors import InputError, ModelError, UnitError
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load
from abscopal.simulation.plausibility import SOLVED, CheckRun, Filter, FilterCount, Measure
from abscopal.simulation.population import Column, Provenance, VirtualPopulation
from abscopal.simulation.population_spec import Correlation, PopulationSpec, load_spec, read_spec, spec_from_model
from abscopal.simulation.priors import Fixed, LogNormal, LogUniform, Normal, Uniform
from tests.simulation.models import blow_up, decay

RATES = {
    "k": LogNormal(unit="1/day", median=0.5, sd_log=0.4),
    "A0": Uniform(unit="mg", low=1, high=2),
    "alpha": LogNormal(unit="1/Gy", median=0.3, sd_log=0.3, low=0.1, high=0.6),
}
AGE = {"age": Normal(unit="year", mean=60, sd=10, low=18, high=95)}


def spec(**changes):
    return PopulationSpec(**({"parameters": RATES, "covariates": AGE} | changes))


TIED = (Correlation(between=("k", "A0"), value=0.7), Correlation(between=("age", "k"), value=-0.4))
RATIO = Filter(name="fast enough", of="k * A0", low="0.4 mg/day", high="2 mg/day")


@pytest.mark.parametrize("method", ["random", "sobol"])
@pytest.mark.parametrize("extra", [{}, {"correlations": TIED, "filters": (RATIO,)}])
@given(few=st.integers(1, 40), more=st.integers(41, 700))
@settings(max_examples=10, deadline=None)
def test_patient_k_is_the_same_for_any_number(method, extra, few, more):
    small = VirtualPopulation.draw(spec(**extra), few, method=method, seed=3)
    large = VirtualPopulation.draw(spec(**extra), more, method=method, seed=3)
    assert (small.values == large.values[:few]).all()


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_batches_are_seamless(method):
    one, other = PopulationSpec(parameters=RATES), 65_536 + 300
    large = VirtualPopulation.draw(one, other, method=method, seed=3)
    assert len(np.unique(large["k"])) == other
    assert (VirtualPopulation.draw(one, 65_536, method=method, seed=3).values == large.values[:65_536]).all()


def test_random_keeps_a_parameter_when_others_come_and_go():
    alone = PopulationSpec(parameters={"k": RATES["k"]})
    assert (VirtualPopulation.draw(alone, 50, seed=1)["k"] == VirtualPopulation.draw(spec(), 50, seed=1)["k"]).all()


def test_latin_hypercube_is_one_design_per_number():
    few, more = (VirtualPopulation.draw(spec(), n, method="latin-hypercube", seed=3) for n in (64, 128))
    assert (few.values != more.values[:64]).any()
    shares = (few["A0"] - 1) * 64
    assert sorted(np.floor(shares).astype(int)) == list(range(64))
    assert "another number gives other patients" in few.provenance.notes[0]


def test_sobol_fills_each_half_equally():
    drawn = VirtualPopulation.draw(spec(), 256, method="sobol", seed=3)
    assert (drawn["A0"] < 1.5).sum() == 128


def test_seed_is_recorded_and_makes_the_same_patients():
    first = VirtualPopulation.draw(spec(), 20)
    again = VirtualPopulation.draw(spec(), 20, seed=first.provenance.seed)
    assert first.digest == again.digest
    assert first.digest != VirtualPopulation.draw(spec(), 20, seed=first.provenance.seed + 1).digest


def test_draws_follow_their_priors():
    drawn = VirtualPopulation.draw(spec(), 4000, seed=8)
    assert stats.kstest(drawn["k"], stats.lognorm(0.4, scale=0.5).cdf).pvalue > 0.001
    assert stats.kstest(drawn["A0"], stats.uniform(1, 1).cdf).pvalue > 0.001
    assert abs(stats.spearmanr(drawn["k"], drawn["A0"]).statistic) < 0.06


@pytest.mark.parametrize("method", ["random", "sobol", "latin-hypercube"])
def test_copula_gives_the_rank_correlation_and_keeps_the_margins(method):
    drawn = VirtualPopulation.draw(spec(correlations=TIED), 4000, method=method, seed=5)
    for pair, value in ((("k", "A0"), 0.7), (("age", "k"), -0.4), (("age", "A0"), 0.0)):
        found = stats.spearmanr(drawn[pair[0]], drawn[pair[1]]).statistic
        assert found == pytest.approx(6 / np.pi * np.arcsin(value / 2), abs=0.05)
    assert stats.kstest(drawn["k"], stats.lognorm(0.4, scale=0.5).cdf).pvalue > 0.001


def test_correlations_that_cannot_hold_together_are_refused():
    wrong = [(("k", "A0"), 0.9), (("k", "alpha"), 0.9), (("A0", "alpha"), -0.9)]
    tied = tuple(Correlation(between=pair, value=value) for pair, value in wrong)
    with pytest.raises(InputError, match=r"not positive definite \(smallest eigenvalue -0.8"):
        VirtualPopulation.draw(spec(correlations=tied), 5)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"correlations": [{"between": ["k", "B"], "value": 0.1}]}, "'B' has no prior"),
        ({"correlations": [{"between": ["k", "k"], "value": 0.1}]}, "with itself"),
        ({"correlations": [{"between": ["k", "A0"], "value": 1.0}]}, "less than 1"),
        ({"correlations": [TIED[0], {"between": ["A0", "k"], "value": 0.1}]}, "twice"),
        ({"covariates": {"k": RATES["k"]}}, "both a parameter and a covariate"),
        ({"parameters": {}, "covariates": {}}, "no parameter"),
        ({"filters": [{"name": "a", "of": "k"}]}, "neither low nor high"),
        ({"check": {"horizon": 1, "measures": []}}, "at least 1"),
        ({"check": {"horizon": 1, "measures": [{"name": "a", "quantity": "A", "kind": "value"}]}}, "give a day"),
        ({"oops": 1}, "oops"),
    ],
)
def test_specs_that_contradict_themselves_are_refused(changes, word):
    with pytest.raises(ValueError, match=word):
        PopulationSpec(**({"parameters": RATES, "covariates": AGE} | changes))


def test_filters_keep_what_they_say_and_count():
    limits = (RATIO, Filter(name="not frail", of="age", high="70 year"))
    drawn = VirtualPopulation.draw(spec(filters=limits), 500, seed=2)
    assert (drawn["k"] * drawn["A0"]).min() >= 0.4
    assert (drawn["k"] * drawn["A0"]).max() <= 2
    assert drawn["age"].max() <= 70
    first, second = drawn.provenance.filters
    assert first.tested == drawn.provenance.candidates
    assert first.passed == second.tested
    assert second.passed == 500
    plain = VirtualPopulation.draw(spec(), drawn.provenance.candidates, seed=2)
    product = plain["k"] * plain["A0"]
    assert ((product >= 0.4) & (product <= 2)).sum() == first.passed


def test_predicates_in_python_are_named_and_noted():
    kept = VirtualPopulation.draw(spec(), 50, seed=2, predicates={"small": lambda columns: columns["k"] < 0.4})
    assert kept["k"].max() < 0.4
    assert kept.provenance.filters[0].name == "small"
    assert "Python" in kept.provenance.notes[1]
    with pytest.raises(InputError, match="one boolean for each"):
        VirtualPopulation.draw(spec(), 5, seed=2, predicates={"bad": lambda _columns: True})


def test_filters_on_a_simulation():
    model, day = decay(), 2.0
    check = CheckRun(
        horizon=4,
        measures=(
            Measure(name="left", quantity="A", kind="value", day=day),
            Measure(name="exposure", quantity="A", kind="area"),
            Measure(name="low_on", quantity="A", kind="below", threshold=0.5),
        ),
    )
    limits = (
        Filter(name="some left", of="left / A0", low=0.3),
        Filter(name="exposed", of="exposure", low="2 mg*day", high="1 g*day"),
        Filter(name="late", of="low_on", low="24 hour"),
    )
    drawn = VirtualPopulation.draw(spec(filters=limits, check=check), 40, model=model, seed=1)
    assert np.exp(-drawn["k"] * day).min() >= 0.3 - 1e-5
    counts = drawn.provenance.filters
    assert [count.name for count in counts] == [SOLVED, "some left", "exposed", "late"]
    assert counts[0] == FilterCount(SOLVED, drawn.provenance.candidates, drawn.provenance.candidates)
    few = VirtualPopulation.draw(spec(filters=limits, check=check), 7, model=model, seed=1)
    assert (few.values == drawn.values[:7]).all()


def test_patients_whose_check_does_not_solve_are_dropped_and_counted():
    rates = {"k": Uniform(unit="1/day", low=0.01, high=0.19)}  # infinite on day 1/k
    check = CheckRun(horizon=10, measures=(Measure(name="end", quantity="y", kind="value", day=10),))
    limits = (Filter(name="any", of="end", low=0),)
    drawn = VirtualPopulation.draw(
        PopulationSpec(parameters=rates, filters=limits, check=check), 20, model=blow_up(), seed=1
    )
    assert drawn["k"].max() < 0.1
    assert drawn.provenance.filters[0].passed == 20 < drawn.provenance.filters[0].tested


def test_filters_that_let_too_few_through_say_which():
    none = (RATIO, Filter(name="no one", of="age", low="300 year"))
    with pytest.raises(InputError, match=r"0 among .*'no one' 0 of"):
        VirtualPopulation.draw(spec(filters=none), 5, seed=1, max_candidates=500)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"filters": (Filter(name="a", of="kk", low="1 1/day"),)}, "'k'"),
        ({"filters": (Filter(name="a", of="k", low="1 Gy"),)}, "dimension"),
        ({"filters": (Filter(name="a", of="k", low=1.0),)}, "bare number"),
        ({"filters": (Filter(name="a", of="k", low="nan 1/day"),)}, "finite"),
        ({"filters": (Filter(name="a", of="k", low="2 1/day", high="1 1/day"),)}, "bounds in order"),
        ({"filters": (Filter(name="a", of="2 + 2", low=1),)}, "without a name"),
        ({"filters": (RATIO, RATIO)}, "two of the name"),
        ({"check": CheckRun(horizon=1, measures=(Measure(name="k", quantity="A", kind="area"),))}, "both called"),
        ({"check": CheckRun(horizon=1, measures=(Measure(name="a", quantity="Aa", kind="area"),))}, "'A'"),
        ({"check": CheckRun(horizon=1, measures=(Measure(name="a", quantity="A", kind="value", day=2),))}, "day 2"),
    ],
)
def test_filters_that_do_not_fit_are_refused(changes, word):
    with pytest.raises(InputError, match=word):
        VirtualPopulation.draw(spec(**changes), 5, model=decay(), seed=1)


def test_a_check_needs_a_model():
    check = CheckRun(horizon=1, measures=(Measure(name="a", quantity="A", kind="area"),))
    with pytest.raises(InputError, match="no model"):
        VirtualPopulation.draw(spec(check=check), 5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n": 0}, "from 1 to"),
        ({"n": 10**9}, "from 1 to"),
        ({"seed": -1}, "0 or more"),
        ({"method": "halton"}, "sobol"),
    ],
)
def test_draws_that_cannot_be_are_refused(arguments, word):
    with pytest.raises(InputError, match=word):
        VirtualPopulation.draw(spec(), **({"n": 5} | arguments))


def test_units_are_converted_for_the_model():
    rates = {"k": Fixed(unit="1/week", value=7.0), "A0": Fixed(unit="g", value=0.002)}
    drawn = VirtualPopulation.draw(PopulationSpec(parameters=rates), 3, model=decay(), seed=0)
    own = drawn.parameters(decay())
    np.testing.assert_allclose(own["k"], 1, rtol=1e-15)
    np.testing.assert_allclose(own["A0"], 2, rtol=1e-15)


def test_a_prior_that_does_not_fit_the_model_is_refused():
    with pytest.raises(InputError, match="'alpha'"):
        VirtualPopulation.draw(PopulationSpec(parameters={"alfa": RATES["alpha"]}), 3, model=decay())
    with pytest.raises(ModelError, match="converts to 1/day"):
        VirtualPopulation.draw(PopulationSpec(parameters={"k": RATES["alpha"]}), 3, model=decay())
    with pytest.raises(InputError, match="'alpha'"):
        VirtualPopulation((Column("alfa", "1/Gy"),), np.ones((2, 1))).parameters(decay())
    with pytest.raises(UnitError):
        VirtualPopulation((Column("k", "Gy"),), np.ones((2, 1))).parameters(decay())


def test_population_from_knowledge_stays_in_the_ranges_and_names_its_sources():
    model, sheet = diw_model(), load("immune/diw")
    drawn = VirtualPopulation.from_model(model, 300, scatter=0.5, seed=4)
    assert len(drawn.columns) > 20
    for column in drawn.columns:
        number = sheet.number(column.source.split(":")[1])
        assert number.range[0] <= drawn[column.name].min() <= drawn[column.name].max() <= number.range[1]
        assert column.status == number.status
        assert column.unit == next(p.unit for p in model.parameters if p.name == column.name)


def test_ranges_alone_give_uniform_priors():
    ranges = spec_from_model(diw_model(), scatter=None)
    assert {type(prior) for prior in ranges.parameters.values()} <= {Uniform, LogUniform}
    for prior in ranges.parameters.values():
        assert isinstance(prior, LogUniform) == (prior.low > 0 and prior.high >= 10 * prior.low)


def test_knowledge_without_ranges_must_be_named():
    with pytest.raises(InputError, match="no parameter with a range"):
        spec_from_model(decay())
    assert spec_from_model(decay(), parameters=["k"]).parameters["k"].median == 0.5
    with pytest.raises(InputError, match="no range"):
        spec_from_model(decay(), scatter=None, parameters=["k"])
    with pytest.raises(InputError, match="'alpha'"):
        spec_from_model(decay(), parameters=["alpa"])


def full_spec():
    check = CheckRun(
        horizon=4,
        regimen={"fraction_days": [1.0], "fraction_doses": [2.0], "drug_doses": [{"drug": "drug", "mg": 1, "day": 0}]},
        measures=(Measure(name="left", quantity="A", kind="value", day=2.0),),
    )
    limits = (RATIO, Filter(name="left", of="left / A0", low=0.1))
    return spec(title='a "title"', correlations=TIED, filters=limits, check=check)


def test_spec_is_the_same_after_toml(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(full_spec().to_toml(), encoding="utf-8")
    assert load_spec(path) == full_spec()
    assert load_spec(path).digest == full_spec().digest
    drawn = [VirtualPopulation.draw(s, 10, model=decay(), seed=1).digest for s in (load_spec(path), full_spec())]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("parameters = 3", "parameters"),
        ("[parameters.k]\nkind = 'normal'\nunit = '1/day'\nmean = 1", "parameters.k.normal.sd"),
        ("[parameters.k]\nkind = 'gamma'\nunit = '1/day'", "log-normal"),
        ("[parameters.k]\nkind = 'fixed'\nunit = '1/day'\nvalue = inf", "finite"),
        ("not toml", "reading the population spec"),
        ("x = '" + "a" * 2**20 + "'", "megabyte"),
        ("[[filters]]\nname = 'a'\nof = '__import__(1)'\nlow = 1", "formula"),
        ("a = " + "[" * 5000, "reading the population spec"),
    ],
)
def test_spec_files_that_cannot_be_are_refused(text, word):
    with pytest.raises(InputError, match=word):
        read_spec(text)


def test_spec_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_spec(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        load_spec(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        {"values": np.ones((2, 2))},
        {"values": np.ones((0, 1))},
        {"values": np.array([[1.0], [np.nan]])},
        {"values": np.ones((2, 1)), "patients": np.array([1, 1])},
    ],
)
def test_tables_that_are_no_population_are_refused(arguments):
    with pytest.raises(InputError):
        VirtualPopulation((Column("k", "1/day"),), **arguments)


def test_population_is_not_changed_by_accident():
    values = np.ones((3, 1))
    made = VirtualPopulation((Column("k", "1/day"),), values)
    values[0] = 5
    assert made["k"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        made.values[0] = 2
    with pytest.raises(InputError, match="'k'"):
        made["K"]


def test_dataset_and_selection_carry_units_and_origin():
    drawn = VirtualPopulation.draw(spec(), 10, seed=3)
    data = drawn.select([7, 2]).to_dataset()
    assert data.patient.values.tolist() == [7, 2]
    assert data.k.values.tolist() == drawn["k"][[7, 2]].tolist()
    assert data.k.attrs["units"] == "1/day"
    assert data.age.attrs["role"] == "covariate"
    assert "2 of 10 patients chosen" in data.attrs["population"]
    assert isinstance(drawn.provenance, Provenance)


def test_the_example_in_the_docs_is_drawn():
    text = (Path(__file__).parents[2] / "docs" / "populations.md").read_text(encoding="utf-8")
    spec_text = text.split("```toml\n")[1].split("```")[0]
    drawn = VirtualPopulation.draw(read_spec(spec_text), 50, model=diw_model(), seed=1)
    assert [count.name for count in drawn.provenance.filters] == ["alpha/beta", SOLVED, "untreated tumour grows"]
