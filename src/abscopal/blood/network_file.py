"""A circulation of the user's own, from a CSV file of flows and one of volumes.

The files are not trusted: sizes, names and numbers are bounded and every fault is named with
its line before anything is computed.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from abscopal.blood.circulation import Network, check_conservation
from abscopal.domain.errors import InputError

MAX_BYTES = 1_000_000
MAX_COMPARTMENTS = 500
MAX_NAME = 80
LARGEST = 1e6  # L or L/min: beyond any circulation
VOLUMES_HEAD = ("compartment", "volume_l")
FLOWS_HEAD = ("source", "target", "flow_l_min")


def read_network(volumes: Path, flows: Path, *, name: str = "user network") -> Network:
    """The network of two CSV files.

    Parameters
    ----------
    volumes : Path
        Columns `compartment,volume_l`: each compartment once, its blood volume. [L]
    flows : Path
        Columns `source,target,flow_l_min`: each flow once. [L/min]
    name : str

    Returns
    -------
    Network
        Its cardiac output is the flow into a compartment called `aorta`, or else the largest
        flow through any one compartment; a note says which.

    Raises
    ------
    InputError
        A file that is not such a table; unknown or repeated names; volumes that are not
        positive; negative flows; compartments no blood reaches or leaves, or that are cut off
        from the others.
    ModelError
        Flow that is not conserved, with each compartment's imbalance.
    """
    held: dict[str, float] = {}
    for line, (compartment, text) in _rows(volumes, VOLUMES_HEAD):
        litres = _number(text, volumes, line, "a volume above 0 L")
        if not compartment or len(compartment) > MAX_NAME or not compartment.isprintable():
            raise _fault(volumes, line, f"the name {compartment[:MAX_NAME]!r}", f"1 to {MAX_NAME} printable letters")
        if compartment in held:
            raise _fault(volumes, line, f"'{compartment}' a second time", "each compartment once")
        if litres <= 0.0:
            raise _fault(volumes, line, f"a volume of {litres:g} L for '{compartment}'", "a volume above 0 L")
        held[compartment] = litres
    if not 2 <= len(held) <= MAX_COMPARTMENTS:
        raise _fault(volumes, 1, f"{len(held)} compartments", f"2 to {MAX_COMPARTMENTS}")
    matrix = _flow_matrix(flows, list(held))
    output, note = _cardiac_output(matrix, list(held))
    network = Network(name, tuple(held), np.array(list(held.values())), matrix, output, (note,))
    _check_connected(network, flows)
    check_conservation(network)
    return network


def _flow_matrix(path: Path, names: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    place = {name: k for k, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)))
    seen: set[tuple[str, str]] = set()
    for line, (source, target, text) in _rows(path, FLOWS_HEAD):
        for end in (source, target):
            if end not in place:
                raise _fault(path, line, f"the unknown compartment {end[:MAX_NAME]!r}", "a name of the volumes file")
        if (source, target) in seen or source == target:
            what = "from a compartment to itself" if source == target else "a second time"
            raise _fault(path, line, f"the flow {source} to {target} {what}", "each pair of two compartments once")
        flow = _number(text, path, line, "a flow of 0 L/min or more")
        if flow < 0.0:
            raise _fault(path, line, f"a flow of {flow:g} L/min", "a flow of 0 L/min or more")
        seen.add((source, target))
        matrix[place[source], place[target]] = flow
    return matrix


def _cardiac_output(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]], names: list[str]) -> tuple[float, str]:
    if "aorta" in names:
        return float(matrix[:, names.index("aorta")].sum()), "cardiac output: flow into the aorta"
    widest = int(matrix.sum(axis=0).argmax())
    return float(matrix[:, widest].sum()), f"cardiac output: taken as the largest flow, through {names[widest]}"


def _check_connected(network: Network, path: Path) -> None:
    open_ = [
        name
        for name, inward, outward in zip(network.compartments, network.flows.sum(axis=0), network.outflow, strict=True)
        if inward <= 0.0 or outward <= 0.0
    ]
    if open_:
        raise _fault(path, None, f"no flow into or out of {', '.join(open_[:5])}", "blood that enters and leaves each")
    reached, front = {0}, [0]
    while front:
        found = {int(k) for k in np.flatnonzero(network.flows[front.pop()] > 0.0)} - reached
        reached |= found
        front += found
    if len(reached) < len(network.compartments):
        lost = [name for k, name in enumerate(network.compartments) if k not in reached]
        raise _fault(path, None, f"no way from {network.compartments[0]} to {', '.join(lost[:5])}", "one circulation")


def _rows(path: Path, head: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row below the heading."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _fault(path, None, f"{path.stat().st_size} bytes", f"at most {MAX_BYTES}")
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(text.splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise _fault(path, None, f"{type(exc).__name__}", "a readable UTF-8 CSV file") from exc
    if not rows or tuple(cell.strip() for cell in rows[0]) != head:
        raise _fault(path, 1, f"the heading {','.join(rows[0])[:100]!r}" if rows else "nothing", ",".join(head))
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(head):
            raise _fault(path, line, f"{len(row)} columns", f"{len(head)}: {','.join(head)}")
        yield line, [cell.strip() for cell in row]


def _number(text: str, path: Path, line: int, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) or abs(value) > LARGEST:
        raise _fault(path, line, f"{text[:40]!r}", expected)
    return value


def _fault(path: Path, line: int | None, found: str, expected: str) -> InputError:
    where = path.name if line is None else f"{path.name}, line {line}"
    return InputError(
        doing="reading a blood circulation",
        found=f"{found} in {where}",
        expected=expected,
        try_=f"columns {','.join(VOLUMES_HEAD)} in one file and {','.join(FLOWS_HEAD)} in the other",
    )
