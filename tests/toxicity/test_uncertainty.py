import numpy as np
import pytest

from abscopal.toxicity.models import Bins, evaluate, probability
from abscopal.toxicity.table import find_model, load_models
from abscopal.toxicity.uncertainty import (
    KINDS,
    assumed_width,
    draw_parameters,
    draw_probabilities,
    interval_of,
)

RNG = np.random.default_rng(5)
DOSE = np.arange(0.5, 60.0)
VOLUME = RNG.dirichlet(np.ones(DOSE.size), 6)


def test_printed_limits_are_the_central_95_per_cent_of_the_draws():
    model = find_model("rp_appelt_clinical")
    drawn = draw_parameters(model, 40_000).parameters
    assert np.quantile(drawn["d50_0"], [0.025, 0.5, 0.975]) == pytest.approx([30.7, 34.4, 38.9], rel=0.01)
    assert np.quantile(drawn["gamma50_0"], [0.025, 0.5, 0.975]) == pytest.approx([1.0, 1.19, 1.43], rel=0.01)


def test_assumed_widths_are_wider_than_most_printed_ones():
    for kind in ("location", "slope", "volume"):
        printed = [
            abs(np.log(limit / model.parameters[name]))
            for model in load_models().values()
            for name, limits in model.limits.items()
            if KINDS.get(name) == kind
            for limit in limits
            if limit > 0
        ]
        assert np.mean(np.array(printed) <= assumed_width(kind) + 1e-12) >= 0.75


@pytest.mark.parametrize("name", [m.id for m in load_models().values() if m.role == "model"])
def test_every_model_has_a_spread_and_its_middle_is_the_published_value(name):
    model = find_model(name)
    values = {}
    for p in model.predictors:
        if p.statistic in ("gEUD", "dvh"):
            values[p.name] = Bins(DOSE, VOLUME[0])
        elif isinstance(model.parameters.get(p.name), dict):
            values[p.name] = next(iter(model.parameters[p.name]))
        elif p.name == "baseline":
            values[p.name] = "none"
        else:
            values[p.name] = 20.0 if p.source == "dose" else 1.0
    drawn = draw_probabilities(model, values, draw_parameters(model, 2000))[0]
    assert drawn.shape == (2000,)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    low, high = np.quantile(drawn, [0.25, 0.75])
    assert low < high or model.form == "nomogram"
    if model.id not in ("oes_acute_belderbos", "lv_rs_aapm26"):  # very skewed printed limits
        assert low <= probability(model, values) <= high


def test_two_plans_meet_the_same_draws():
    model = find_model("rp_lkb_burman")
    one, other = draw_parameters(model, 50), draw_parameters(model, 50)
    assert all(np.array_equal(one.parameters[key], other.parameters[key]) for key in one.parameters)


def test_many_patients_equal_one_at_a_time():
    """The vectorised forms against a loop over patients and draws."""
    for name in ("rp_lkb_burman", "heart_rs_aapm26", "liver_failure_gay", "oes_late_chen"):
        model = find_model(name)
        predictor = model.predictors[0].name
        spread = draw_parameters(model, 30)
        together = draw_probabilities(model, {predictor: Bins(DOSE, VOLUME)}, spread)
        assert together.shape == (6, 30)
        for i, k in ((0, 0), (3, 17), (5, 29)):
            own = {**model.parameters, **{key: float(value[k]) for key, value in spread.parameters.items()}}
            alone = evaluate(model.form, own, {predictor: Bins(DOSE, VOLUME[i])})
            assert together[i, k] == pytest.approx(float(alone[0, 0]), rel=1e-9, abs=1e-300)


def test_an_interval_holds_its_point():
    low, high = interval_of(0.9, np.linspace(0.1, 0.2, 100))
    assert low < 0.2
    assert high == 0.9
