"""Priors against SciPy's distributions; formulas with units; TOML there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from abscopal.domain.errors import InputError, UnitError
from abscopal.simulation.expressions import Expression
from abscopal.simulation.priors import Fixed, LogNormal, LogUniform, Normal, Uniform
from abscopal.simulation.toml_text import toml_text

SHARES = np.linspace(0.001, 0.999, 101)
ORACLES = [
    (Normal(unit="year", mean=60, sd=10), stats.norm(60, 10)),
    (Normal(unit="year", mean=60, sd=10, low=18, high=90), stats.truncnorm(-4.2, 3, 60, 10)),
    (Normal(unit="1", mean=0, sd=1, low=4), stats.truncnorm(4, np.inf)),
    (Normal(unit="1", mean=0, sd=1, high=-4), stats.truncnorm(-np.inf, -4)),
    (LogNormal(unit="1/Gy", median=0.2, sd_log=0.4), stats.lognorm(0.4, scale=0.2)),
    (Uniform(unit="Gy", low=2, high=9), stats.uniform(2, 7)),
    (LogUniform(unit="Gy", low=2, high=900), stats.loguniform(2, 900)),
]


@pytest.mark.parametrize(("prior", "oracle"), ORACLES, ids=lambda p: type(p).__name__)
def test_quantiles_against_scipy(prior, oracle):
    np.testing.assert_allclose(prior.quantile(SHARES), oracle.ppf(SHARES), rtol=1e-9)


def test_truncated_log_normal_against_scipy():
    prior = LogNormal(unit="1/Gy", median=0.2, sd_log=0.4, low=0.1, high=0.3)
    cuts = np.log([0.5, 1.5]) / 0.4
    np.testing.assert_allclose(
        prior.quantile(SHARES), 0.2 * np.exp(0.4 * stats.truncnorm(*cuts).ppf(SHARES)), rtol=1e-9
    )


@given(st.floats(-3, 3), st.floats(0.01, 3), st.floats(-3, 3), st.floats(0.05, 2), st.floats(1e-16, 1 - 1e-15))
@settings(max_examples=100, deadline=None)
def test_truncation_is_never_left(mean, sd, low, width, share):
    try:
        prior = Normal(unit="1", mean=mean, sd=sd, low=low, high=low + width)
    except ValidationError as exc:
        assert "truncation leaves" in str(exc)  # noqa: PT017
        return
    assert low <= prior.quantile(np.array([share]))[0] <= low + width


def test_one_value_for_all():
    assert Fixed(unit="Gy", value=3.0).quantile(SHARES).tolist() == [3.0] * 101


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Normal(unit="1", mean=0, sd=-1), "greater than 0"),
        (lambda: Normal(unit="1", mean=0, sd=1, low=1, high=1), "less than high"),
        (lambda: Normal(unit="1", mean=0, sd=1, low=8), "truncation leaves"),
        (lambda: LogNormal(unit="1", median=-1, sd_log=1), "greater than 0"),
        (lambda: Uniform(unit="1", low=2, high=1), "less than high"),
        (lambda: Uniform(unit="1", low=float("nan"), high=1), "finite"),
        (lambda: LogUniform(unit="1", low=0, high=1), "greater than 0"),
        (lambda: Uniform(unit="1", low=1, high=2, mean=3), "mean"),
    ],
)
def test_what_no_prior_can_be_is_refused(make, word):
    with pytest.raises(ValidationError, match=word):
        make()


def test_unit_that_does_not_parse_is_refused():
    with pytest.raises(UnitError):
        Uniform(unit="grey", low=1, high=2)


UNITS = {"alpha": "1/Gy", "beta": "1/Gy^2", "V": "mm^3", "W": "cm^3", "t": "day", "x": "1"}


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("alpha / beta", 0.3 / 0.03, "Gy"),
        ("V + W", 0.01, "L"),
        ("sqrt(V**2) / W", 2.0 / 3, "1"),
        ("-exp(-x) + abs(-x)", 0.5 - np.exp(-0.5), "1"),
        ("log10(V / W) * 2 - +1", 2 * np.log10(2 / 3) - 1, "1"),
    ],
)
def test_formulas_compute_across_units(text, value, unit):
    from abscopal.domain.units import parse_unit

    values = {"alpha": 0.3, "beta": 0.03, "V": 4000.0, "W": 6.0, "t": 2.0, "x": 0.5}
    formula = Expression(text)
    found = formula.evaluate({name: np.array([v]) for name, v in values.items()}, UNITS)
    assert found[0] / parse_unit(unit).to_base_units().magnitude == pytest.approx(value, rel=1e-12)
    assert formula.unit(UNITS).dimensionality == parse_unit(unit).dimensionality


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "alpha.real", "[x for x in ()]", "lambda: 1", "x if x else t", "x[0]",
        "x and t", "x < 1", "2 ** 99", "x ** x", "x ** 2 ** 9", "'a' * 9", "open(x)", "exp(x, x)", "exp(*x)", "True",
        "1j", "", "x +", "f'{x}'", "(x := 3)", "9" * 400, "x + " * 110 + "x", "(" * 240 + "x" + ")" * 240, "x" * 600,
    ],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused(text):
    with pytest.raises(InputError, match="formula"):
        Expression(text)


@pytest.mark.parametrize("text", ["V + t", "exp(t)", "log(V)"])
def test_formulas_that_mix_dimensions_are_refused(text):
    with pytest.raises(UnitError, match="units of the formula"):
        Expression(text).unit(UNITS)


def test_unknown_name_in_a_formula_answers_with_the_close_match():
    with pytest.raises(InputError, match="'alpha'"):
        Expression("alpa / beta").unit(UNITS)


def test_toml_text_reads_back():
    import tomllib

    content = {
        "title": 'quotes " and \\ and \x7f\x01 é', "n": 1e-7, "flag": True, "empty": [], "list": [1, 2.5, "a"],
        "a b": {"x": {"deep": 1}, "rows": [{"k": 1, "sub": {"z": "q"}}, {"k": 2}]},
    }  # fmt: skip
    assert tomllib.loads(toml_text(content)) == content
