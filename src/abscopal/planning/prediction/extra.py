"""The `deep` extra: whether PyTorch and safetensors are there, and which device they compute on."""

from importlib.util import find_spec

from abscopal.domain.errors import UnsupportedError

PACKAGES = ("torch", "safetensors")


def has_deep() -> bool:
    """Whether the packages of the extra are installed."""
    return all(find_spec(name) is not None for name in PACKAGES)


def require_deep(doing: str) -> None:
    """Stop with a message where the extra is not installed.

    Raises
    ------
    UnsupportedError
        PyTorch or safetensors is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UnsupportedError(
            doing=doing, found=f"no {' and no '.join(missing)} in this Python",
            expected="the packages of the extra `deep`",
            try_="pip install 'abscopal[deep]', or another predictor: --with distance",
        )  # fmt: skip


def best_device() -> str:
    """`cuda` where a device can be used, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
