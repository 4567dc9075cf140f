"""The form of kernels for graphics processors: run on this processor thread by thread, assembled where possible."""

import ctypes
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.control import Control
from abscopal.simulation.kernels import gpu
from abscopal.simulation.kernels.compile import Kernel, Variant, compile_object
from abscopal.simulation.kernels.gpu import GpuKernel, why_no_gpu
from abscopal.simulation.kernels.target import Target, host, nvidia
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary
from tests.simulation.models import blow_up, decay, hires, robertson

SUMMARIES = [Summary("V_0", "minimum"), Summary("V_1", "area"), Summary("V_0", "above", 200.0)]


class OnThisProcessor(GpuKernel):
    """The threads of a grid one after another, and memory that is not copied to another machine."""

    def __init__(self, model, variant, _target):
        target = Target(host().triple, host().cpu, host().features, 1)
        code, self.shape = compile_object(model, variant, target)
        self.kernel = Kernel(code, self.shape, target)
        address = self.kernel._engine.get_function_address("thread")
        self.thread = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)
        self._cupy = SimpleNamespace(asarray=_Device)
        self._entry = self.start

    def start(self, blocks, threads, arguments):
        (job,) = arguments
        for number in range(blocks[0] * threads[0]):  # more threads than patients
            self.thread(job.data.ptr, number)


class _Device:
    """A copy, as a device would hold it."""

    def __init__(self, array):
        self.own = np.array(array, order="C")
        self.data = SimpleNamespace(ptr=self.own.ctypes.data)

    def get(self):
        return self.own


@pytest.fixture
def threads_here(monkeypatch):
    monkeypatch.setattr("abscopal.simulation.many.kernel_for", OnThisProcessor)
    monkeypatch.setattr("abscopal.simulation.many.require_gpu", lambda: None)


def treated(n=70):
    """Patients with their own parameters, regimens and initial states."""
    model, rng = diw_model(), np.random.default_rng(0)
    matrix = np.array(model.parameter_vector()) * np.exp(0.3 * rng.standard_normal((n, len(model.parameters))))
    shapes = [Regimen.equal_fractions(8, 3, start=7), Regimen()]
    shapes.append(Regimen(drug_doses=(DrugDose(drug="anti-PD-1", mg=0.2, day=3),)))
    return {
        "model": model, "courses": [shapes[k % 3] for k in range(n)], "times": [20.0, 60.0], "parameters": matrix,
        "initial": {"V_0": rng.uniform(10, 100, n)}, "summaries": SUMMARIES, "fallback": 0,
    }  # fmt: skip


def assert_close(found, wanted, tolerance):
    np.testing.assert_array_equal(found.status, wanted.status)
    for name in wanted.data_vars:
        if wanted[name].dtype == np.float64:
            np.testing.assert_allclose(found[name], wanted[name], rtol=tolerance, atol=1e-12, err_msg=str(name))


@pytest.mark.parametrize("method", ["auto", "rosenbrock"])
def test_threads_of_a_grid_solve_as_the_lanes_do(monkeypatch, method):
    given = treated() | {"control": Control(method=method)}
    lanes = simulate_many(**given, device="cpu")
    monkeypatch.setattr("abscopal.simulation.many.kernel_for", OnThisProcessor)
    monkeypatch.setattr("abscopal.simulation.many.require_gpu", lambda: None)
    monkeypatch.setattr("abscopal.simulation.many._GPU_BLOCK", 64)  # the last block is not full
    threads = simulate_many(**given, device="gpu")
    assert_close(threads, lanes, 1e-9)
    assert (threads.attrs["device"], lanes.attrs["device"]) == ("gpu", "cpu")


def test_stiff_patients_and_those_who_fail_are_told_apart(threads_here):
    stiff = simulate_many(hires(), [], [321.8122], device="gpu", outputs="states")
    assert stiff.stiff.item()
    assert_close(stiff, simulate_many(hires(), [], [321.8122], device="cpu", outputs="states"), 1e-9)
    k = np.array([0.01, 0.1, 0.02])  # the second is infinite on day 10
    bad = simulate_many(blow_up(), [], [5.0, 20.0], parameters={"k": k}, device="gpu", fallback=0)
    assert bad.status.values.tolist()[::2] == [0, 0]
    assert bad.status[1] in (2, 3)
    np.testing.assert_allclose(bad.y[::2, 1], 1 / (1 - 20 * k[::2]), rtol=1e-5)


def test_sensitivities_in_threads(threads_here):
    asked = {"sensitivities": ["k", "A"], "outputs": "states"}
    found = simulate_many(decay(), [], [1.0, 3.0], **asked, device="gpu")
    assert_close(found, simulate_many(decay(), [], [1.0, 3.0], **asked, device="cpu"), 1e-9)


@pytest.mark.parametrize("method", ["explicit", "rosenbrock"])
def test_ptx_needs_nothing_that_a_device_lacks(tmp_path, method):
    code, shape = compile_object(diw_model(), Variant(("V_0",), method), nvidia())
    text = code.decode()
    assert shape.width == 1
    assert ".visible .entry entry(" in text
    assert ".extern" not in text
    assert shape.workspace * 8 < 512 * 1024  # what a thread may have of its own
    assembler = shutil.which("ptxas")
    if assembler is None:
        pytest.skip("no ptxas on this machine to assemble the kernel with")
    (tmp_path / "kernel.ptx").write_bytes(code)
    made = subprocess.run(
        [assembler, "-arch=sm_90", "kernel.ptx", "-o", "kernel.cubin"], cwd=tmp_path, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(gpu, "why_no_gpu", lambda: "no device")
    with pytest.raises(UnsupportedError, match="no device") as caught:
        simulate_many(decay(), [], [1.0], device="gpu")
    assert "device='cpu'" in caught.value.try_


def test_without_cupy_the_processor_is_taken(monkeypatch):
    def nothing(name):
        raise ImportError(name)

    monkeypatch.setattr(gpu.importlib, "import_module", nothing)
    assert why_no_gpu() == "no CuPy"
    assert simulate_many(decay(), [], [1.0]).attrs["device"] == "cpu"


@pytest.mark.skipif(bool(why_no_gpu()), reason=f"no graphics processor: {why_no_gpu()}")
@pytest.mark.parametrize("model", ["dose-immune", "robertson"])
def test_on_a_device(model):
    given = treated() if model == "dose-immune" else {"model": robertson(), "courses": [], "times": [1.0, 1e4]}
    on_device, here = simulate_many(**given, device="gpu"), simulate_many(**given, device="cpu")
    assert_close(on_device, here, 1e-7)
