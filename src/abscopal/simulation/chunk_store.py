"""Results of many patients (or replicates) in a Zarr store that fills up chunk by chunk and survives being killed.

A chunk of rows is a chunk of every Zarr array, so that writers never touch the same file. Its data are written
first and their sha256 last, as one small file: a chunk counts as finished when that is there and matches. A chunk
written twice is written the same both times.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.simulation.chunks import checksum, chunk_edges, device_name
from abscopal.simulation.dataset import STATUS

_FORMAT = "abscopal population 1"
_MARKS, _TRIES, _DEVICES = "chunk_sha256", "chunk_tries", "chunk_device"
_DEVICE_BYTES = 160
_PLACE = "status_state"
"""Stored as the state's place, -1 for none; text in the result."""
NOT_COMPUTED = -1


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as exc:
        raise UnsupportedError(
            doing="storing the results of a population",
            found="no zarr on this machine",
            expected="the extra 'cluster'",
            try_="pip install 'abscopal[cluster]'",
        ) from exc
    return zarr


def _refused(path: Path, found: str, expected: str, hint: str) -> InputError:
    return InputError(doing=f"using the result store {path.name}", found=found, expected=expected, try_=hint)


class ChunkStore:
    """A store on a file system that every worker sees.

    Parameters
    ----------
    path : Path
        Of an existing store.

    Raises
    ------
    InputError
        Not a store of this kind.
    UnsupportedError
        Without the extra `cluster`.
    """

    def __init__(self, path: Path) -> None:
        zarr = _zarr()
        self.path = path
        if not (path / "zarr.json").is_file():
            raise _refused(path, "no Zarr group", "a store made by simulate_population", "checking the path")
        try:
            self._group = zarr.open_group(path, mode="r+", zarr_format=3, use_consolidated=False)
            self.about: dict[str, Any] = dict(self._group.attrs)
        except (OSError, ValueError, KeyError) as exc:
            raise _refused(path, str(exc)[:120], "a readable Zarr group", "another path") from exc
        if self.about.get("format") != _FORMAT:
            raise _refused(
                path, "a Zarr group made by something else", "a store made by simulate_population", "another path"
            )
        self.identity: dict[str, Any] = self.about["identity"]
        self.names: list[str] = self.about["variables"]
        self.rows: str = self.about.get("rows", "patient")
        self.edges = chunk_edges(int(self.about["patients"]), int(self.about["chunk"]))

    @classmethod
    def create(
        cls, path: Path, template: xr.Dataset, n: int, chunk: int, identity: Mapping[str, Any], fixed: xr.Dataset
    ) -> "ChunkStore":
        """An empty store for results like `template`, in one step; `fixed` holds what is known before solving."""
        zarr = _zarr()
        making = path.with_name(f".making-{path.name}-{uuid.uuid4().hex[:8]}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            group = zarr.create_group(making, zarr_format=3)
            for name, variable in template.data_vars.items():
                _create(group, str(name), variable, n, chunk)
            for name, variable in {**fixed.coords, **fixed.data_vars}.items():
                _write_whole(group, str(name), variable)
            count = len(chunk_edges(n, chunk))
            _array(group, _MARKS, (count, 32), (1, 32), np.uint8, ("chunk", "byte"), {}, 0)
            _array(group, _DEVICES, (count, _DEVICE_BYTES), (1, _DEVICE_BYTES), np.uint8, ("chunk", "letter"), {}, 0)
            _array(group, _TRIES, (count,), (1,), np.uint32, ("chunk",), {}, 0)
            group.attrs.update(
                {
                    **fixed.attrs,
                    "format": _FORMAT,
                    "id": uuid.uuid4().hex,
                    "identity": dict(identity),
                    "variables": [str(name) for name in template.data_vars],
                    "rows": next(str(v.dims[0]) for v in template.data_vars.values()),
                    "patients": n,
                    "chunk": chunk,
                    "labels": _labels(template) | _labels(fixed),
                }
            )
            os.rename(making, path)  # noqa: PTH104  (a folder with content is never replaced, unlike Path.replace)
        except OSError as exc:
            shutil.rmtree(making, ignore_errors=True)
            if (path / "zarr.json").is_file():  # another driver was first
                return cls(path)
            raise _refused(path, str(exc.strerror or exc), "a path that can be written", "another path") from exc
        return cls(path)

    def require(self, identity: Mapping[str, Any], chunk: int | None, *, mixed_devices: bool) -> None:
        """Refuse to go on with another calculation.

        Raises
        ------
        InputError
            Naming the parts that differ.
        """
        skipped = {"device"} if mixed_devices else set()
        wanted = json.loads(json.dumps(dict(identity)))
        differ = [key for key in wanted if key not in skipped and wanted[key] != self.identity.get(key)]
        if differ:
            only_device = differ == ["device"]
            raise _refused(
                self.path,
                f"results of a calculation that differs in {', '.join(differ)}",
                "results of the same calculation, to go on with",
                "mixed_devices=True if the last digits may differ" if only_device else "another path, or removing it",
            )
        if chunk is not None and chunk != self.about["chunk"]:
            raise _refused(
                self.path,
                f"chunks of {self.about['chunk']} {self.rows}s",
                f"chunks of {chunk}",
                "leaving the chunk size out to go on with the store's",
            )

    def mark(self, number: int) -> bytes:
        """The sha256 a chunk's writer left; empty for a chunk that is not finished."""
        mark = bytes(np.asarray(self._group[_MARKS][number], dtype=np.uint8))
        return mark if any(mark) else b""

    def finished(self, number: int) -> bool:
        """Whether a chunk is finished and its data are those that were written; if they are not, its mark goes."""
        mark = self.mark(number)
        if mark and self._read_checksum(number) == mark:
            return True
        if mark:
            self._group[_MARKS][number] = np.zeros(32, dtype=np.uint8)
        return False

    def _read_checksum(self, number: int) -> bytes:
        first, last = self.edges[number]
        try:
            return checksum((name, np.asarray(self._group[name][first:last])) for name in self.names)
        except (OSError, ValueError, RuntimeError):  # a damaged file does not unpack
            return b""

    def begin(self, number: int) -> None:
        """Count a try at a chunk."""
        self._group[_TRIES][number] = int(self._group[_TRIES][number]) + 1

    def write(self, number: int, result: xr.Dataset) -> None:
        """Write a chunk, and then its mark."""
        first, last = self.edges[number]
        arrays = {name: _stored(name, result[name], self.about["labels"].get("state", [])) for name in self.names}
        for name, array in arrays.items():
            self._group[name][first:last] = array
        device = device_name(result.attrs["device"]).encode()[:_DEVICE_BYTES].ljust(_DEVICE_BYTES, b"\0")
        self._group[_DEVICES][number] = np.frombuffer(device, dtype=np.uint8)
        mark = checksum(iter(arrays.items()))
        self._group[_MARKS][number] = np.frombuffer(mark, dtype=np.uint8)

    def tries(self) -> NDArray[np.int64]:
        """How often the computation of each chunk was begun, shape (n_chunks,)."""
        return np.asarray(self._group[_TRIES][:]).astype(np.int64)

    def devices(self) -> list[str]:
        """Processors that took part."""
        rows = np.asarray(self._group[_DEVICES][:])
        return sorted({row.tobytes().rstrip(b"\0").decode(errors="replace") for row in rows} - {""})

    def unfinished(self) -> list[int]:
        """Chunks without a mark."""
        marks = np.asarray(self._group[_MARKS][:])
        return np.flatnonzero(~marks.any(axis=1)).tolist()

    def dataset(self) -> xr.Dataset:
        """The results, read from the store when they are used."""
        raw: xr.Dataset = xr.open_zarr(self.path, consolidated=False, chunks=None, zarr_format=3)
        raw = raw.drop_vars([_MARKS, _TRIES, _DEVICES])
        raw = raw.assign_coords(self.about["labels"])
        kept = {key: value for key, value in self.about.items() if key not in {"variables", "labels"}}
        kept["devices"] = self.devices()
        if _PLACE in raw:
            names = np.array([*self.about["labels"]["state"], ""])
            raw[_PLACE] = (raw[_PLACE].dims, names[raw[_PLACE].values])
        raw.attrs = {
            key: value if isinstance(value, str | int | float) else json.dumps(value) for key, value in kept.items()
        }
        order = [*self.names, *(name for name in raw.data_vars if name not in self.names)]
        return raw[order]


def open_population(path: Path, *, partial: bool = False) -> xr.Dataset:
    """The results in a store.

    Parameters
    ----------
    path : Path
    partial : bool
        Also open one that is not complete; patients not computed yet have the status -1.

    Raises
    ------
    InputError
        Not a store, or one that is not complete.
    """
    store = ChunkStore(path)
    missing = store.unfinished()
    if missing and not partial:
        raise _refused(
            path,
            f"{len(missing)} of {len(store.edges)} chunks not computed yet",
            "a complete store",
            "the same call again, which goes on where it stopped, or partial=True",
        )
    return store.dataset()


def _labels(data: xr.Dataset) -> dict[str, list[str]]:
    """Coordinates that are text; Zarr has no settled way to keep it."""
    return {str(name): c.values.tolist() for name, c in data.coords.items() if c.dtype.kind in "UO"}


def _stored(name: str, variable: xr.DataArray, states: list[str]) -> NDArray[Any]:
    if name != _PLACE:
        return np.asarray(variable.values)
    place = {state: k for k, state in enumerate(states)} | {"": -1}
    return np.array([place[str(state)] for state in variable.values.flat], dtype=np.int16).reshape(variable.shape)


def _create(group: Any, name: str, variable: xr.DataArray, n: int, chunk: int) -> None:
    kind = np.dtype(np.int16) if name == _PLACE else variable.dtype
    shape = (n, *variable.shape[1:])
    attributes = dict(variable.attrs)
    if name == "status":
        attributes["flag_values"] = [NOT_COMPUTED, *range(len(STATUS))]
        attributes["flag_meanings"] = ["not computed", *STATUS]
    fill = {"f": np.nan, "b": False}.get(kind.kind, NOT_COMPUTED)
    _array(group, name, shape, (min(chunk, n), *shape[1:]), kind, variable.dims, attributes, fill)


def _array(
    group: Any, name: str, shape: Any, chunks: Any, dtype: Any, dims: Any, attributes: Mapping[str, Any], fill: float
) -> Any:
    return group.create_array(
        name,
        shape=shape,
        chunks=tuple(max(size, 1) for size in chunks),
        dtype=np.dtype(dtype),
        dimension_names=[str(dim) for dim in dims],
        attributes=dict(attributes),
        fill_value=fill,
        config={"write_empty_chunks": True},  # else a chunk of -0 or of other NaNs would not come back as it was
    )


def _write_whole(group: Any, name: str, variable: xr.DataArray) -> None:
    values = np.asarray(variable.values)
    if values.dtype.kind not in "fiu":
        return  # text is kept in the attributes
    array = _array(group, name, values.shape, values.shape, values.dtype, variable.dims, variable.attrs, 0)
    array[...] = values


def chunk_numbers(store: ChunkStore) -> Iterator[tuple[int, bool]]:
    """Each chunk and whether it is finished."""
    for number in range(len(store.edges)):
        yield number, store.finished(number)
