"""Forward sensitivities against exact ones and against central differences with the same steps."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.immune.model import diw_model
from abscopal.simulation.control import Control
from abscopal.simulation.dataset import names_of
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from tests.simulation.models import decay, forced_predator, hires, robertson

FROZEN = Control(relative=1e12, first_step=1e12, floor=0.0, negative=1e12, method="rosenbrock")
"""One step per output whatever the error: perturbed patients take the same steps."""


def differences(model, course, times, name, size):
    """Central differences of every output by one parameter or initial state, shape (n_t, n_outputs)."""
    defaults = {p.name: p.value for p in model.parameters}
    start = simulate_many(model, [], [0.0], outputs="states")
    own = defaults.get(name)
    value = own if own is not None else float(start[name].item())
    step = size * (abs(value) or 1.0)
    ends = []
    for moved in (value + step, value - step):
        given = {"parameters": {name: moved}} if own is not None else {"initial": {name: moved}}
        result = simulate_many(model, course, times, control=FROZEN, **given)
        ends.append(np.column_stack([result[name].values[0] for name in names_of(model)]))
    return (ends[0] - ends[1]) / (2 * step)


def assert_agree(model, course, times, names, bound, size=1e-4):
    result = simulate_many(model, course, times, sensitivities=names, control=FROZEN)
    assert result.status.item() == 0
    assert result.output.values.tolist() == names_of(model)
    largest = np.array([np.abs(result[name].values).max() for name in names_of(model)])
    for name in names:
        found = result.sensitivity.sel(with_respect_to=name).values[0]
        near, far = (differences(model, course, times, name, factor * size) for factor in (1, 2))
        expected = (4 * near - far) / 3  # without their own error of second order
        value = {p.name: p.value for p in model.parameters}.get(name, 1.0) or 1.0
        rounding = 1e-14 * largest / (size * abs(value))
        allowed = bound * np.abs(expected).max(axis=0) + rounding
        assert (np.abs(found - expected).max(axis=0) <= allowed).all(), name
        assert (np.abs(expected).max(axis=0) > 1e3 * rounding).any(), name  # the comparison says something


REGIMEN = Regimen.equal_fractions(
    8, 3, start=7, drug_doses=[DrugDose(drug=drug, mg=0.2, day=8) for drug in ("anti-PD-1", "anti-CTLA-4")]
)


def test_dose_immune_model_against_frozen_differences():
    times = np.unique(np.concatenate([np.linspace(0.25, 40, 160), np.linspace(7, 10, 61)]))
    names = ["g", "alpha", "kk", "KQ", "h", "kX", "dX", "V0_0", "KRn", "kel", "aL", "V_0", "C", "R_1"]
    assert_agree(diw_model(), REGIMEN, times, names, 1e-6)


def test_explicit_time_against_frozen_differences():
    assert_agree(forced_predator(), [], np.linspace(0.1, 6, 60), ["r", "prey", "predator"], 1e-8)


def test_stiff_models_against_frozen_differences():
    assert_agree(hires(), [], np.geomspace(1e-4, 30, 120), ["unit", "y0", "y7"], 1e-6)
    assert_agree(robertson(), [], np.geomspace(1e-6, 40, 200), ["k1", "k2", "k3"], 1e-5)


def test_exact_sensitivities_with_jumps():
    course = [Event(1.0, "kill", {"d": 2.0}), Event(2.0, "bolus", {"mg": 3.0})]
    result = simulate_many(
        decay(), course, [0.5, 1.0, 1.5, 4.0], side="after", sensitivities=["k", "alpha", "A", "A0"],
        control=Control(relative=1e-10, absolute=1e-14),
    )  # fmt: skip
    k, kill = 0.5, np.exp(-0.6)
    t = np.array([0.5, 1.0, 1.5, 4.0])
    first = np.exp(-k * t) * np.where(t >= 1, kill, 1)
    second = np.where(t >= 2, 3 * np.exp(-k * (t - 2)), 0)
    exact = {
        "k": -t * first - np.where(t >= 2, t - 2, 0) * second,
        "alpha": np.where(t >= 1, -2 * first, 0),
        "A": first, "A0": first,
    }  # fmt: skip
    np.testing.assert_allclose(result.A.values[0], first + second, rtol=1e-8)
    for name, values in exact.items():
        found = result.sensitivity.sel(with_respect_to=name).values[0]
        np.testing.assert_allclose(found[:, 0], values, rtol=1e-7, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(found[:, 2], values / 2, rtol=1e-7, atol=1e-12, err_msg=name)  # the quantity `half`


def test_given_initial_state_does_not_depend_on_its_parameter():
    result = simulate_many(decay(), [], [1.0], initial={"A": 2.0}, sensitivities=["A0", "A", "k"])
    found = result.sensitivity.sel(output="A").values[0, 0]
    np.testing.assert_allclose(found, [0, np.exp(-0.5), -2 * np.exp(-0.5)], rtol=1e-5)


def test_a_quantity_that_names_the_parameter_itself():
    m = ModelBuilder("weighed")
    k, w = m.parameter("k", "1/day", "rate", value=0.5), m.parameter("w", "1/mg", "weight", value=2.0)
    A = m.state("A", "mg", "amount", initial=1.0)
    m.rate("A", "loss", -k * A)
    m.quantity("score", "1", "weighed amount", (w * A) ** 2 * (1 + m.quantity("share", "1", "share", w * A)))
    tight = Control(relative=1e-10, absolute=1e-14)
    asked = {"sensitivities": ["k", "w", "A"], "outputs": ["score"], "control": tight}
    found = simulate_many(m.build(), [], [1.0, 2.0], **asked).sensitivity.sel(output="score").values[0]
    t = np.array([1.0, 2.0])
    x = 2.0 * np.exp(-0.5 * t)
    slope = 2 * x + 3 * x**2
    np.testing.assert_allclose(found, np.column_stack([-t * x * slope, x / 2 * slope, x * slope]), rtol=1e-7)


def test_states_are_those_of_the_solver_without_sensitivities():
    control, times = Control(method="rosenbrock"), [5.0, 20.0, 40.0]
    plain = simulate_many(diw_model(), REGIMEN, times, control=control)
    more = simulate_many(diw_model(), REGIMEN, times, control=control, sensitivities=["g", "kk"])
    np.testing.assert_array_equal(plain.steps, more.steps)
    for name in ("V_0", "E_1", "L", "D"):
        np.testing.assert_allclose(more[name].values, plain[name].values, rtol=1e-12)


def test_patients_do_not_disturb_each_other():
    g = np.linspace(0.1, 0.3, 11)
    together = simulate_many(diw_model(), REGIMEN, [30.0], parameters={"g": g}, sensitivities=["g", "kk"])
    alone = simulate_many(diw_model(), REGIMEN, [30.0], parameters={"g": g[7]}, sensitivities=["g", "kk"])
    np.testing.assert_array_equal(together.sensitivity.values[7], alone.sensitivity.values[0])
    assert np.isfinite(together.sensitivity.values).all()


def test_unknown_direction_is_refused():
    with pytest.raises(InputError, match="alpha"):
        simulate_many(decay(), [], [1.0], sensitivities=["alpah"])
