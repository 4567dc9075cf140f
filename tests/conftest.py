"""Cases that several tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does: it is no property of the code.
# The examples of a test are the same in every run, so that a change is judged by what it changed;
# `make explore` looks for new ones.
settings.register_profile("same examples", deadline=None, derandomize=True)
settings.register_profile("new examples", deadline=None, max_examples=300)
settings.load_profile("same examples")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--screenshots docs/_static` renews the pictures of the documentation."""
    parser.addoption("--screenshots", default="", help="folder for the pictures that the browser tests take")


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def thorax_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic thorax case, 3 × 18 Gy, as DICOM files in a folder."""
    from abscopal.dose.sample.thorax import build_thorax

    return build_thorax(tmp_path_factory.mktemp("thorax") / "case", "3x18").folder


@pytest.fixture(scope="session")
def breast_case() -> Path:
    """The clinical breast plan, where it lies beside the checkout."""
    folder = SHARED / "dicompyler-rt"
    if not folder.is_dir():
        pytest.skip("the breast sample is not on this machine; `abscopal sample breast` fetches it")
    return folder
