"""Kernels compiled by tests go to a folder of their own."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_kernel_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABSCOPAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
