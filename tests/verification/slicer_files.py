"""Reading the SlicerRT prostate case: NRRD dose, VTK planar contours, DVH tables of three programs.

Enough of each format for these files and no more; the package itself does not read them.
"""

import base64
import csv
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from abscopal.dose.dvh import DVH
from abscopal.dose.grid import DoseGrid
from abscopal.dose.structures import Structure

CASE = Path(__file__).resolve().parents[3] / "shared" / "data" / "slicerrt-eclipse-prostate"
STRUCTURES = ("BODY", "Bladder", "Femoral Head Lt", "Femoral Head RT", "PTV", "Rectum")
PROGRAMS = ("Eclipse", "CERR", "SlicerRT")
METRICS = ("volume [cm3]", "mean [Gy]", "D5% [Gy]", "D10% [Gy]", "D2cc [Gy]", "V5 [%]", "V20 [%]")
Array = NDArray[np.float64]


def read_nrrd(path: Path) -> DoseGrid:
    """A three-dimensional little-endian float NRRD in LPS, gzip or raw."""
    head, _, data = path.read_bytes().partition(b"\n\n")
    lines = (line.split(": ", 1) for line in head.decode().splitlines() if ": " in line and not line.startswith("#"))
    fields = dict(lines)
    assert fields["space"] == "left-posterior-superior"
    assert (fields["type"], fields["endian"]) == ("float", "little")
    if fields["encoding"] == "gzip":
        data = gzip.decompress(data)
    nx, ny, nz = (int(n) for n in fields["sizes"].split())
    vectors = np.array(re.findall(r"[-+.\deE]+", fields["space directions"]), dtype=float).reshape(3, 3)
    origin = np.array(re.findall(r"[-+.\deE]+", fields["space origin"]), dtype=float)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = vectors.T, origin
    return DoseGrid(np.frombuffer(data, "<f4").reshape(nz, ny, nx).astype(float), affine, "physical")


def read_contours(path: Path) -> tuple[Array, ...]:
    """The polylines of a VTK PolyData file, from RAS to LPS."""
    source = path.read_text(encoding="utf-8")
    assert "<!" not in source, "no document type, so no entities"
    piece = ET.fromstring(source).find("PolyData/Piece")
    assert piece is not None
    points = _array(piece, "Points/DataArray[@Name='Points']", "<f4").reshape(-1, 3) * [-1.0, -1.0, 1.0]
    order = _array(piece, "Lines/DataArray[@Name='connectivity']", "<i8").astype(int)
    ends = _array(piece, "Lines/DataArray[@Name='offsets']", "<i8").astype(int)
    return tuple(points[line] for line in np.split(order, ends[:-1]))


def _array(piece: ET.Element, where: str, kind: str) -> Array:
    """A base64 DataArray in zlib blocks: a header of UInt32 sizes, then the blocks."""
    element = piece.find(where)
    assert element is not None
    text = "".join((element.text or "").split())
    blocks = int(np.frombuffer(base64.b64decode(text[:8])[:4], "<u4")[0])
    header_bytes = 4 * (3 + blocks)
    header_chars = 4 * -(-header_bytes // 3)
    sizes = np.frombuffer(base64.b64decode(text[:header_chars])[:header_bytes], "<u4")[3:]
    packed, data, start = base64.b64decode(text[header_chars:]), b"", 0
    for size in sizes:
        data += zlib.decompress(packed[start : start + int(size)])
        start += int(size)
    return np.frombuffer(data, kind).astype(float)


def structures() -> list[Structure]:
    files = sorted((CASE / "structures").glob("seg_*.vtp"))
    return [
        Structure(number, name, contours=read_contours(path))
        for number, (name, path) in enumerate(zip(STRUCTURES, files, strict=True), start=1)
    ]


def dose() -> DoseGrid:
    return read_nrrd(CASE / "EclipseProstate_Dose.nrrd")


@dataclass(frozen=True)
class Curve:
    """A published cumulative DVH: dose [Gy], volume [%], total volume [cm3]."""

    dose: Array
    percent: Array
    volume: float

    def dose_at(self, percent: float) -> float:
        above = np.flatnonzero(self.percent >= percent)[-1]
        if above + 1 == len(self.dose):
            return float(self.dose[-1])
        part = (self.percent[above] - percent) / (self.percent[above] - self.percent[above + 1])
        return float(self.dose[above] + part * (self.dose[above + 1] - self.dose[above]))

    def metrics(self) -> dict[str, float]:
        middle = (self.dose[1:] + self.dose[:-1]) / 2
        mean = float(-np.diff(self.percent, append=0.0)[:-1] @ middle) / 100
        mean += self.percent[-1] / 100 * self.dose[-1]
        v5, v20 = np.interp([5.0, 20.0], self.dose, self.percent)
        d2cc = self.dose_at(200 / self.volume)
        return dict(
            zip(
                METRICS,
                (self.volume, mean, self.dose_at(5), self.dose_at(10), d2cc, float(v5), float(v20)),
                strict=True,
            )
        )


def published(program: str) -> dict[str, Curve]:
    """The six curves of one program."""
    with (CASE / f"EclipseProstate_DvhTable_{program}.csv").open(encoding="utf-8") as stream:
        head, *rows = list(csv.reader(stream))
    curves = {}
    for index, name in enumerate(STRUCTURES):
        match = re.search(r"% of ([\d.]+) cc", head[2 * index + 1])
        assert match is not None
        dose, percent = np.array([[float(row[2 * index]), float(row[2 * index + 1])] for row in rows]).T
        curves[name] = Curve(dose, percent, float(match[1]))
    return curves


def own_metrics(dvh: DVH) -> dict[str, float]:
    values = (
        dvh.volume_cm3, dvh.mean, dvh.dose_at_volume(5), dvh.dose_at_volume(10), dvh.dose_at_cm3(2.0),
        100 * dvh.volume_at_dose(5), 100 * dvh.volume_at_dose(20),
    )  # fmt: skip
    return dict(zip(METRICS, values, strict=True))
