"""Kernels in the user's cache folder: kept, checked, shared and rebuilt."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from abscopal.simulation.kernels import store
from abscopal.simulation.kernels.compile import Variant
from abscopal.simulation.kernels.store import cache_folder, forget_loaded, kernel_for
from abscopal.simulation.many import simulate_many
from tests.simulation.models import decay, robertson

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ABSCOPAL_CACHE", str(tmp_path))
    forget_loaded()
    yield tmp_path / "kernels"
    forget_loaded()


@pytest.fixture
def compilations(monkeypatch):
    made = []
    original = store.compile_object
    monkeypatch.setattr(store, "compile_object", lambda *a: made.append(a) or original(*a))
    return made


def end():
    return simulate_many(decay(), [], [1.0]).A.item()


def test_second_call_does_not_compile(folder, compilations):
    first = end()
    forget_loaded()
    assert end() == first
    assert len(compilations) == 1
    assert len(list(folder.glob("*.kernel"))) == 1
    assert kernel_for(decay()) is kernel_for(decay())


def test_another_model_or_summary_is_another_kernel(folder, compilations):
    kernel_for(decay())
    kernel_for(decay(), Variant(("A",)))
    kernel_for(robertson())
    assert len(compilations) == 3
    assert len(list(folder.glob("*.kernel"))) == 3


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "other", "text"])
def test_damaged_file_is_rebuilt_and_never_loaded(folder, compilations, harm):
    first = end()
    (file,) = folder.glob("*.kernel")
    whole = file.read_bytes()
    place = len(whole) // 2
    damaged = {
        "flip": whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        "cut": whole[:place],
        "empty": b"",
        "other": whole.replace(b"abscopal kernel 1", b"abscopal kernel 0"),
        "text": whole.replace(b'"workspace"', b'"workspade"'),
    }[harm]
    assert damaged != whole
    file.write_bytes(damaged)
    forget_loaded()
    assert store._read(file.stem) is None
    assert end() == first
    assert len(compilations) == 2
    assert file.read_bytes().startswith(b"abscopal kernel 1")
    forget_loaded()
    assert end() == first
    assert len(compilations) == 2


def test_file_of_another_model_is_not_taken_for_this_one(folder, compilations):
    kernel_for(robertson())
    (other,) = folder.glob("*.kernel")
    kernel_for(decay())
    mine = next(f for f in folder.glob("*.kernel") if f != other)
    mine.write_bytes(other.read_bytes())
    forget_loaded()
    assert end() == pytest.approx(np.exp(-0.5), rel=1e-6)
    assert len(compilations) == 3


def test_folder_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch, compilations):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("ABSCOPAL_CACHE", str(blocked))
    forget_loaded()
    assert end() == pytest.approx(np.exp(-0.5), rel=1e-6)
    forget_loaded()
    assert len(compilations) == 1


def test_folder_is_the_owners_alone(folder):
    kernel_for(decay())
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o077 == 0
    assert cache_folder() == folder


@pytest.mark.parametrize(
    ("platform", "variable", "part"), [("linux", "XDG_CACHE_HOME", "kernels"), ("win32", "LOCALAPPDATA", "kernels")]
)
def test_place_of_the_folder(monkeypatch, tmp_path, platform, variable, part):
    monkeypatch.delenv("ABSCOPAL_CACHE", raising=False)
    monkeypatch.setattr(store.sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() == tmp_path / "abscopal" / part


def test_processes_that_compile_at_once_agree(folder):
    program = (
        "from abscopal.simulation.many import simulate_many\nfrom tests.simulation.models import decay\n"
        "print(repr(simulate_many(decay(), [], [1.0]).A.item()))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    said = {process.communicate(timeout=120)[0] for process in running}
    assert said == {f"{end()!r}\n"}
    assert len(list(folder.iterdir())) == 1
