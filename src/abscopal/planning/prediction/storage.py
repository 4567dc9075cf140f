"""Weights and checkpoints on disk: safetensors with a JSON header, never a pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.channels import CHANNELS, LAYOUT
from abscopal.planning.prediction.extra import require_deep
from abscopal.planning.prediction.settings import Header

if TYPE_CHECKING:
    from torch import Tensor

KEY = "abscopal"
LARGEST_FILE = 1_000_000_000
MOST_TENSORS = 5000


def write_tensors(path: Path, header: Header, tensors: "Mapping[str, Tensor]") -> Path:
    """Write a file whole or not at all: a run that is killed leaves the previous one."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    save_file({name: one.detach().cpu().contiguous() for name, one in tensors.items()}, part,
              metadata={KEY: header.model_dump_json()})  # fmt: skip
    return part.replace(path)


def read_tensors(path: Path) -> "tuple[Header, dict[str, Tensor]]":
    """Header and tensors of a weights file or checkpoint.

    Raises
    ------
    UnsupportedError
        The `deep` extra is not installed.
    InputError
        No such file, too large, not safetensors, a header that breaks the schema, another channel layout, or
        numbers that are not finite.
    """
    require_deep(f"reading network weights from {path.name}")
    from safetensors import SafetensorError, safe_open

    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise _refused(path, f"no such file, or one above {LARGEST_FILE} bytes")
    try:
        with safe_open(path, framework="pt") as stored:
            names = list(stored.keys())
            if len(names) > MOST_TENSORS:
                raise _refused(path, f"{len(names)} tensors")
            header = _header(path, stored.metadata() or {})
            tensors = {name: stored.get_tensor(name) for name in names}
    except SafetensorError as exc:
        raise _refused(path, "a file that is not safetensors") from exc
    if any(one.is_floating_point() and not bool(one.isfinite().all()) for one in tensors.values()):
        raise _refused(path, "numbers that are not finite")
    return header, tensors


def _header(path: Path, metadata: Mapping[str, str]) -> Header:
    try:
        header = Header.model_validate(json.loads(metadata.get(KEY, "")))
    except (ValidationError, json.JSONDecodeError, RecursionError) as exc:
        raise _refused(path, "a header that is missing or breaks the schema") from exc
    if header.layout != LAYOUT or header.channels != CHANNELS:
        raise _refused(path, f"channel layout {header.layout} with {len(header.channels)} channels")
    return header


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        doing=f"reading network weights from {path.name}", found=found,
        expected=f"a safetensors file of `abscopal plan train`, layout {LAYOUT} with {len(CHANNELS)} channels",
        try_="training again with this version, or the weights that come with it",
    )  # fmt: skip
