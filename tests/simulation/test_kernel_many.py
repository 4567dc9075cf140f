"""Many patients at once: independence, status, inputs, fallback."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sympy as sp

from abscopal.domain.errors import InputError, ModelError, UnsupportedError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.immune.model import diw_model
from abscopal.simulation import fallback
from abscopal.simulation.control import Control
from abscopal.simulation.dataset import describe
from abscopal.simulation.events import Event
from abscopal.simulation.kernels.compile import Kernel, compile_object
from abscopal.simulation.kernels.graph import Graph
from abscopal.simulation.kernels.target import Target, host
from abscopal.simulation.kernels.translate import Translator
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary
from tests.simulation.models import blow_up, decay, robertson

SUMMARIES = [Summary("V_0", "minimum"), Summary("V_1", "area"), Summary("V_0", "above", 200.0)]


@pytest.fixture(scope="module")
def population():
    """A mixed population: own parameters, initial states and regimens."""
    model, n = diw_model(), 203
    rng = np.random.default_rng(0)
    matrix = np.array(model.parameter_vector()) * np.exp(0.3 * rng.standard_normal((n, len(model.parameters))))
    shapes = [Regimen.equal_fractions(d, k, start=7) for d, k in ((2, 20), (8, 3), (18, 1))]
    shapes.append(Regimen(drug_doses=(DrugDose(drug="anti-PD-1", mg=0.2, day=3),)))
    shapes.append(Regimen())
    return model, [shapes[k % 5] for k in range(n)], matrix, {"V_0": rng.uniform(10, 100, n)}


def solve(population, order=None, **options):
    model, courses, matrix, initial = population
    order = np.arange(len(matrix)) if order is None else order
    return simulate_many(
        model, [courses[k] for k in order], [20.0, 60.0], parameters=matrix[order],
        initial={name: value[order] for name, value in initial.items()}, summaries=SUMMARIES, **options,
    )  # fmt: skip


def assert_same_bits(a, b):
    for name in a.data_vars:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


def test_permuting_patients_permutes_results_bit_for_bit(population):
    order = np.random.default_rng(1).permutation(203)
    assert_same_bits(solve(population).isel(patient=order), solve(population, order))


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_a_bit(population, threads):
    assert_same_bits(solve(population, threads=1), solve(population, threads=threads))


def test_company_does_not_change_a_bit(population):
    alone = solve(population, np.array([17]))
    assert_same_bits(solve(population).isel(patient=[17]), alone)


def test_own_regimens_are_used(population):
    model, courses, matrix, initial = population
    together = solve(population)
    for k in range(5):
        own = {p.name: matrix[k, i] for i, p in enumerate(model.parameters)}
        one = simulate_many(
            model, courses[k], [20.0, 60.0], parameters=own, initial={"V_0": initial["V_0"][k]}, summaries=SUMMARIES
        )
        assert_same_bits(together.isel(patient=[k]), one)


def test_one_bad_patient_in_ten_thousand_leaves_the_others_untouched():
    k = np.full(10_000, 0.01)
    k[::7] = 0.02
    good = simulate_many(blow_up(), [], [5.0, 20.0], parameters={"k": k}, outputs="states", fallback=0)
    k[4321] = 0.1  # infinite on day 10
    bad = simulate_many(blow_up(), [], [5.0, 20.0], parameters={"k": k}, outputs="states", fallback=0)
    others = np.arange(10_000) != 4321
    assert_same_bits(good.isel(patient=others), bad.isel(patient=others))
    assert (good.status == 0).all()
    assert bad.status[4321] in (2, 3)
    assert bad.status_time[4321] == pytest.approx(10, rel=1e-3)
    assert bad.y[4321, 0] == pytest.approx(2, rel=1e-5)
    assert np.isnan(bad.y[4321, 1])
    assert describe(bad, 4321).startswith("stopped on day 10")
    assert describe(bad, 0) == "ok"


def test_not_finite_names_time_and_state():
    m = ModelBuilder("pole")
    r = m.parameter("r", "1/day", "rate", value=1.0)
    x = m.state("x", "1", "steady", initial=0.0)
    m.state("y", "1", "has a pole", initial=1.0, lower=None)
    m.rate("x", "steady", r * (1 - x))
    m.rate("y", "pole", r / x)
    result = simulate_many(m.build(), [], [1.0], fallback=0)
    assert result.status.item() == 2
    assert result.status_state.item() == "y"
    assert result.status_time.item() == 0


def test_too_many_steps_is_reported():
    result = simulate_many(robertson(), [], [1e11], control=Control(max_steps=5), fallback=0)
    assert result.status.item() == 1
    assert result.steps.item() == 5
    assert 0 < result.status_time.item() < 1e11


def test_reference_solves_what_the_kernel_gave_up():
    days = [1.0, 40.0]
    result = simulate_many(robertson(), [], days, control=Control(max_steps=3))
    assert result.status.item() == 5
    right = simulate_many(robertson(), [], days)
    np.testing.assert_allclose(result.z, right.z, rtol=1e-5)
    assert describe(result, 0) == "ok, by the reference solver"


def test_fallback_keeps_events_and_stops_at_its_limit():
    course = [Event(1.0, "bolus", {"mg": 2.0})]
    options = {"parameters": {"k": np.array([0.1, 0.2, 0.3])}, "control": Control(max_steps=3, relative=1e-8)}
    result = simulate_many(decay(), course, [0.5, 2.0], fallback=2, **options)
    assert result.status.values.tolist() == [5, 5, 1]
    k = 0.2
    assert result.A[1, 1] == pytest.approx(np.exp(-2 * k) + 2 * np.exp(-k), rel=1e-6)
    assert fallback.MAX_STEPS == 1


def test_state_below_its_limit_is_refused_not_clipped():
    m = ModelBuilder("drain")
    m.state("y", "1", "state", initial=1.0)
    m.rate("y", "drain", -m.parameter("r", "1/day", "rate", value=1.0))
    result = simulate_many(m.build(), [], [0.5, 2.0], outputs="states", fallback=0)
    assert result.status.item() == 4
    assert result.status_state.item() == "y"
    assert result.status_time.item() == pytest.approx(1.0, abs=1e-3)
    assert result.y[0, 0] == pytest.approx(0.5)
    assert np.isnan(result.y[0, 1])


@pytest.mark.parametrize("features", [(2, "", ""), (4, "", "")])
@pytest.mark.parametrize("method", ["explicit", "rosenbrock"])
def test_narrower_vectors_give_the_same_course(features, method, monkeypatch):
    width, cpu, flags = features
    target = Target(host().triple, cpu, flags, width)
    wide = simulate_many(diw_model(), Regimen.equal_fractions(8, 3), [30.0], control=Control(method=method))
    monkeypatch.setattr(
        "abscopal.simulation.many.kernel_for",
        lambda model, variant, _: Kernel(*compile_object(model, variant, target), target),
    )
    narrow = simulate_many(diw_model(), Regimen.equal_fractions(8, 3), [30.0], control=Control(method=method))
    for name in wide.data_vars:
        if wide[name].dtype.kind == "f":
            np.testing.assert_allclose(narrow[name].values, wide[name].values, rtol=1e-9, atol=1e-12, err_msg=str(name))


def test_outputs_are_what_was_asked_for():
    some = simulate_many(decay(), [], [1.0], outputs=["half"])
    assert "A" not in some
    assert some.half.attrs["units"] == "mg"
    with pytest.raises(InputError, match="half"):
        simulate_many(decay(), [], [1.0], outputs=["halff"])


BAD_CALLS = {
    "event before the start": ({"courses": [Event(-1.0, "bolus", {"mg": 1.0})]}, "before the start"),
    "event after the end": ({"courses": [Event(9.0, "bolus", {"mg": 1.0})]}, "after the horizon"),
    "unknown drug": ({"courses": Regimen(drug_doses=(DrugDose(drug="drugg", mg=1, day=0),))}, "drug"),
    "negative rate constant": ({"parameters": {"k": [0.1, -0.1]}}, "k of patient 1"),
    "infinite parameter": ({"parameters": {"k": np.inf}}, "parameter k"),
    "not a number": ({"parameters": {"alpha": [0.1, np.nan]}}, "alpha of patient 1"),
    "unknown parameter": ({"parameters": {"kk": 1.0}}, "kk"),
    "matrix of the wrong shape": ({"parameters": np.ones((4, 2))}, "shape"),
    "different numbers of patients": ({"parameters": {"k": [1, 2, 3]}, "initial": {"A": [1, 2]}}, "3 in .* but 2"),
    "no patient": ({"parameters": {"k": []}}, "none"),
    "unknown state": ({"initial": {"B": 1.0}}, "B"),
    "negative initial state": ({"initial": {"A": -1.0}}, "A of patient 0"),
    "days that do not ascend": ({"times": [2.0, 1.0]}, "ascend"),
    "no day": ({"times": []}, "no day"),
    "day before the start": ({"start": 2.0}, "before"),
    "unknown quantity to summarise": ({"summaries": [Summary("B", "minimum")]}, "B"),
    "threshold missing": ({"summaries": [Summary("A", "above")]}, "threshold"),
    "unknown summary": ({"summaries": [Summary("A", "mean")]}, "mean"),
    "two summaries of one name": ({"summaries": [Summary("A", "area"), Summary("A", "area")]}, "two summaries"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input_is_refused_when_the_call_is_made(case):
    given, words = BAD_CALLS[case]
    call = {"courses": [], "times": [1.0, 2.0]} | given
    with pytest.raises((InputError, ModelError), match=words):
        simulate_many(decay(), **call)


def test_course_of_one_of_many_is_named():
    courses = [[], [Event(-1.0, "bolus", {"mg": 1.0})]]
    with pytest.raises(InputError, match="before the start") as caught:
        simulate_many(decay(), courses, [1.0])
    assert caught.value.__notes__ == ["patient 1"]


@pytest.mark.parametrize("bad", [{"relative": 0.0}, {"relative": np.nan}, {"floor": -1.0}, {"max_steps": 0}])
def test_control_refuses_nonsense(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Control(**bad)


def test_function_without_a_kernel_is_named():
    made = SimpleNamespace(states=(), parameters=(), assignments=())
    with pytest.raises(UnsupportedError, match="sin"):
        Translator(Graph(), SimpleNamespace(states=()), made)(sp.sin(sp.Symbol("x", real=True)))


def test_table_of_parameters_is_taken_by_name():
    k, alpha = np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.1, 0.2])
    course = [Event(0.0, "kill", {"d": 1.0})]
    table = pd.DataFrame({"k": k, "alpha": alpha})
    for given in (table, table[["alpha", "k"]], {"k": k, "alpha": alpha}):
        result = simulate_many(decay(), course, [1.0], parameters=given)
        np.testing.assert_allclose(result.A[:, 0], np.exp(-k - alpha), rtol=1e-6)
