"""A population in one process: against simulate_many, in chunks, interrupted, resumed, damaged, refused."""

import builtins
import json

import numpy as np
import pytest

from abscopal.domain.errors import InputError, ModelError, UnsupportedError
from abscopal.domain.progress import report_to
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.immune.model import diw_model
from abscopal.simulation import chunk_store
from abscopal.simulation.chunks import device_name
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.population import Column, VirtualPopulation
from abscopal.simulation.population_run import WHAT, simulate_population
from abscopal.simulation.population_spec import PopulationSpec
from abscopal.simulation.priors import Uniform
from abscopal.simulation.summaries import Summary
from tests.simulation.models import decay, robertson

DAYS = [20.0, 40.0]
SUMMARIES = (Summary("V_0", "minimum"), Summary("V_1", "area"), Summary("V_0", "above", 200.0))
ARMS = {"control": Regimen(), "3 x 8 Gy": Regimen.equal_fractions(8, 3, start=7)}


def assert_same_bits(a, b):
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        assert a[name].dims == b[name].dims
        assert a[name].dtype == b[name].dtype
        one, other = (np.ascontiguousarray(data[name].values) for data in (a, b))
        assert one.tobytes() == other.tobytes(), name
    for name in a.coords:
        assert a[name].values.tolist() == b[name].values.tolist()


@pytest.fixture(scope="module")
def patients():
    return VirtualPopulation.from_model(diw_model(), 301, seed=1)


def run(patients, **options):
    settings = {"outputs": ["V_0", "V_1"], "summaries": SUMMARIES} | options
    return simulate_population(diw_model(), settings.pop("regimens", ARMS), patients, DAYS, **settings)


@pytest.fixture
def store(tmp_path):
    pytest.importorskip("zarr", reason="stores come with the extra 'cluster'")
    return tmp_path / "result.zarr"


def test_is_simulate_many_with_names_and_origin(patients):
    model = diw_model()
    result = run(patients)
    for arm, regimen in ARMS.items():
        alone = simulate_many(
            model, regimen, DAYS, parameters=patients.parameters(model), outputs=["V_0", "V_1"], summaries=SUMMARIES
        )
        for name in alone.data_vars:
            np.testing.assert_array_equal(result[name].sel(arm=arm).values, alone[name].values)
    assert result.V_0.attrs["units"] == "mm^3"
    assert result.V_1_area.dims == ("patient", "arm")
    assert (result.population.sel(column="g").values == patients["g"]).all()
    manifest = json.loads(result.attrs["manifest"])
    assert manifest["seed"] == 1
    assert manifest["inputs"]["population"] == patients.digest
    assert json.loads(result.attrs["population"])["how"] == "random"
    assert json.loads(result.attrs["population_columns"])[0]["source"].startswith("immune/diw:")


def test_one_regimen_adds_no_dimension(patients):
    alone, arms = run(patients, regimens=ARMS["3 x 8 Gy"]), run(patients)
    assert "arm" not in alone.dims
    for name in ("V_0", "final", "V_0_above"):
        np.testing.assert_array_equal(alone[name], arms[name].sel(arm="3 x 8 Gy"))


@pytest.mark.parametrize("chunk", [1000, 301, 64, 7])
def test_chunks_do_not_change_a_bit(patients, store, chunk):
    some = patients.select(slice(0, 40)) if chunk == 7 else patients
    assert_same_bits(run(some), run(some, out=store, chunk=chunk, threads=1))


def test_own_regimens_initial_states_and_thresholds_follow_their_patient(store):
    n = 23
    drawn = VirtualPopulation.draw(
        PopulationSpec(parameters={"k": Uniform(unit="1/day", low=0.1, high=2)}), n, model=decay(), seed=1
    )
    drug = [Regimen(drug_doses=(DrugDose(drug="drug", mg=1 + k, day=1.0),)) for k in range(n)]
    mixed = [drug[k] if k % 3 else [Event(0.5, "bolus", {"mg": float(k)})] for k in range(n)]
    summaries = [Summary("A", "above", np.linspace(1, 9, n), "first"), Summary("half", "below", 0.2)]
    asked = {
        "outputs": "all", "summaries": summaries, "initial": {"A": np.linspace(0, 3, n)}, "side": "after",
        "start": -1.0,
        "fraction_arguments": {}, "control": Control(relative=1e-7), "horizon": 9.0, "sensitivities": ["k", "A"],
    }  # fmt: skip
    whole = simulate_population(decay(), mixed, drawn, [1.0, 3.0], **asked)
    cut = simulate_population(decay(), mixed, drawn, [1.0, 3.0], **asked, out=store, chunk=5)
    assert_same_bits(whole, cut)
    many = simulate_many(decay(), mixed, [1.0, 3.0], parameters=drawn.parameters(decay()), **asked)
    np.testing.assert_array_equal(whole.A.values, many.A.values)
    np.testing.assert_array_equal(cut.sensitivity.sel(with_respect_to="k").values, many.sensitivity.values[:, :, 0])
    np.testing.assert_array_equal(whole["first"].values, many["first"].values)


def test_status_names_and_nan_come_back_from_the_store(store):
    m = ModelBuilder("pole")
    r, start = m.parameter("r", "1/day", "rate", value=1.0), m.parameter("x0", "1", "start", value=1.0)
    x, y = m.state("x", "1", "steady", initial=start), m.state("y", "1", "may blow up", initial=1.0)
    m.rate("x", "steady", r * (1 - x))
    m.rate("y", "pole", r * y**2 / x)
    model, values = m.build(), np.array([[0.01, 1.0], [0.2, 1.0], [0.01, 0.0]] * 10)
    drawn = VirtualPopulation((Column("r", "1/day"), Column("x0", "1")), values)
    whole = simulate_population(model, [], drawn, [5.0, 20.0], outputs="states")
    cut = simulate_population(model, [], drawn, [5.0, 20.0], outputs="states", out=store, chunk=4)
    assert_same_bits(whole, cut)
    assert whole.status_state.values[:3].tolist() == ["", "", "y"]
    assert whole.status.values[0] == 0
    assert np.isnan(whole.y.values[1, 1])
    assert cut.status.attrs["flag_meanings"][0] == "not computed"


def test_reference_solves_the_same_patients_whatever_the_chunks(store):
    drawn = VirtualPopulation((Column("k1", "1/day"),), np.full((5, 1), 0.04))
    asked = {"control": Control(max_steps=3), "outputs": "states", "reference": True}
    whole = simulate_population(robertson(), [], drawn, [1.0], **asked)
    assert (whole.status == 5).all()
    assert_same_bits(whole, simulate_population(robertson(), [], drawn, [1.0], **asked, out=store, chunk=2))


class _Killed(BaseException):
    """Stands for the end of the process."""


def killed_after(monkeypatch, calls):
    """Let the process end in the middle of a chunk: its data are written, its mark is not."""
    real, seen = chunk_store.checksum, []

    def count(arrays):
        seen.append(1)
        if len(seen) > calls:
            raise _Killed
        return real(arrays)

    monkeypatch.setattr(chunk_store, "checksum", count)


def test_a_killed_run_goes_on_without_repeating_or_losing_a_chunk(patients, store, monkeypatch):
    with monkeypatch.context() as patch:
        killed_after(patch, 3)
        with pytest.raises(_Killed):
            run(patients, out=store, chunk=50)
    half = chunk_store.ChunkStore(store)
    assert half.unfinished() == [3, 4, 5, 6]
    with pytest.raises(InputError, match="4 of 7 chunks not computed"):
        chunk_store.open_population(store)
    partial = chunk_store.open_population(store, partial=True)
    assert (partial.status.values[200:] == chunk_store.NOT_COMPUTED).all()
    assert (partial.status.values[:150] == 0).all()
    told = []
    with report_to(lambda what, done, total: told.append((what, done, total))):
        assert_same_bits(run(patients), run(patients, out=store))
    assert chunk_store.ChunkStore(store).tries().tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert [step for step in told if step[0] == WHAT] == [(WHAT, done, 7) for done in range(8)]
    assert_same_bits(run(patients), chunk_store.open_population(store))
    run(patients, out=store)
    assert chunk_store.ChunkStore(store).tries().sum() == 8


def test_a_run_killed_while_the_store_is_made_leaves_none(patients, store, monkeypatch):
    def end(*_):
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", end)
        with pytest.raises(_Killed):
            run(patients, out=store)
    assert not store.exists()
    assert_same_bits(run(patients), run(patients, out=store))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_chunk_is_found_and_computed_again(patients, store, damage):
    right = run(patients, out=store, chunk=100).load()
    file = store / "V_0" / "c" / "1" / "0" / "0"
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content if damage == "flip" else content[:40])
    assert_same_bits(right, run(patients, out=store).load())
    assert chunk_store.ChunkStore(store).tries().tolist() == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"regimens": {"control": Regimen(), "3 x 8 Gy": Regimen.equal_fractions(8.5, 3, start=7)}}, "in regimens;"),
        ({"regimens": {"other": Regimen(), "3 x 8 Gy": ARMS["3 x 8 Gy"]}}, "in regimens;"),
        ({"summaries": SUMMARIES[:2]}, "in summaries;"),
        ({"outputs": ["V_0"]}, "in outputs;"),
        ({"control": Control(relative=1e-7)}, "in error control;"),
        ({"start": -1.0}, "in days;"),
        ({"initial": {"V_0": 10.0}}, "in initial states;"),
        ({"chunk": 60}, "chunks of 50"),
    ],
)
def test_a_store_of_another_calculation_is_refused(patients, store, change, word):
    run(patients, out=store, chunk=50)
    with pytest.raises(InputError, match=word):
        run(patients, out=store, **change)


def test_a_store_of_other_patients_or_another_model_is_refused(patients, store, monkeypatch):
    run(patients, out=store)
    other = VirtualPopulation.from_model(diw_model(), 301, seed=2)
    with pytest.raises(InputError, match="in parameters, population, seed;"):
        run(other, out=store)
    with pytest.raises(InputError, match="in parameters, population, patients;"):
        run(patients.select(slice(0, 300)), out=store)
    switched = diw_model(switches={"trex1": False})
    with pytest.raises(InputError, match="in model, parameters;"):
        simulate_population(switched, ARMS, patients, DAYS, outputs=["V_0", "V_1"], summaries=SUMMARIES, out=store)
    valued = diw_model().with_values({"kX": 7.0})
    with pytest.raises(InputError, match="in parameters;"):
        simulate_population(valued, ARMS, patients, DAYS, outputs=["V_0", "V_1"], summaries=SUMMARIES, out=store)
    monkeypatch.setattr("abscopal.simulation.population_run.device_name", lambda *_: "another")
    monkeypatch.setattr("abscopal.simulation.chunks.device_name", lambda *_: "another")
    with pytest.raises(InputError, match="mixed_devices=True"):
        run(patients, out=store)
    run(patients, out=store, mixed_devices=True)


def test_a_store_names_the_processors_that_took_part(patients, store, monkeypatch):
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        with pytest.raises(_Killed):
            run(patients, out=store, chunk=100)
    for module in ("chunks", "chunk_store", "cluster", "population_run"):
        monkeypatch.setattr(f"abscopal.simulation.{module}.device_name", lambda *_: "another")
    result = run(patients, out=store, mixed_devices=True)
    assert json.loads(result.attrs["devices"]) == ["another", device_name()]


def test_what_is_no_store_is_refused(patients, store, tmp_path):
    import zarr

    store.mkdir()
    with pytest.raises(InputError, match="no Zarr group"):
        run(patients, out=store)
    zarr.create_group(tmp_path / "other.zarr", zarr_format=3)
    with pytest.raises(InputError, match="something else"):
        run(patients, out=tmp_path / "other.zarr")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="readable Zarr"):
        run(patients, out=tmp_path / "broken.zarr")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"workers": 0}, "0 workers"),
        ({"workers": 2, "cluster": "tcp://127.0.0.1:1"}, "and a cluster"),
        ({"cluster": "tcp://127.0.0.1:1"}, "no place for its results"),
        ({"chunk": 0}, "chunks of 0"),
        ({"regimens": {}}, "none"),
        ({"regimens": [Regimen()] * 3}, "301 in the population but 3 in the regimens"),
        ({"regimens": Regimen.equal_fractions(2, 20, start=39)}, "after the horizon"),
        ({"summaries": [Summary("V_0", "above", np.ones(4))]}, "but 4 in the thresholds of V_0_above"),
        ({"summaries": [Summary("V_0", "minimum", label="patient")]}, "called 'patient'"),
        ({"outputs": ["V_9"]}, "'V_1'|'V_0'"),
        ({"initial": {"V_0": np.ones(4)}}, "but 4 in the initial states"),
    ],
)
def test_calls_that_do_not_fit_are_refused(patients, change, word):
    with pytest.raises(InputError, match=word):
        run(patients, **change)


def test_a_patient_below_a_minimum_is_named():
    drawn = VirtualPopulation((Column("k", "1/day"),), np.array([[1.0], [-2.0]]), patients=np.array([5, 9]))
    with pytest.raises(ModelError, match="k of patient 9"):
        simulate_population(decay(), [], drawn, [1.0])


@pytest.mark.parametrize("name", ["zarr", "distributed"])
def test_without_the_extra_the_error_says_what_to_install(patients, tmp_path, monkeypatch, name):
    pytest.importorskip("zarr", reason="stores come with the extra 'cluster'")
    real = builtins.__import__

    def without(wanted, *rest, **more):
        if wanted.split(".")[0] == name:
            raise ImportError(wanted)
        return real(wanted, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnsupportedError, match=f"no {name} .*pip install 'abscopal\\[cluster\\]'"):
        run(patients, out=tmp_path / "a.zarr", workers=2)
