"""Cases: taking them, naming their structures, pictures and histograms."""

import io
import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.dose.dicom.names import standard_names
from abscopal.dose.planes import PLANES, Plane
from abscopal.web.picture import outlines, png
from abscopal.web.routes.shared import ServerOf, SessionOf, missing
from abscopal.web.shelf import HeldCase

router = APIRouter(prefix="/cases", tags=["cases"])
DVH_POINTS = 200
BLOCK = 1024**2


class Names(BaseModel):
    """Structure name in the file to TG-263 name."""

    model_config = ConfigDict(extra="forbid")

    names: dict[str, str]


@router.post("", status_code=201)
async def take(request: Request, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """Take one zip archive, or the files of one folder, as multipart form data."""
    folder = server.shelf.upload_folder()
    try:
        async with request.form(max_files=server.settings.upload_files, max_fields=1) as sent:
            uploads = [value for value in sent.values() if isinstance(value, UploadFile)]
            for index, upload in enumerate(uploads):
                await _keep(upload, folder / f"{index:05d}")
        source = folder / "00000" if len(uploads) == 1 and _is_zip(folder / "00000") else folder
        held = await run_in_threadpool(server.shelf.take_case, session.owner, source)
        return await run_in_threadpool(_summary, held)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@router.post("/sample", status_code=201)
def sample(server: ServerOf, session: SessionOf, schedule: Annotated[str, Query()] = "5x10") -> dict[str, Any]:
    """The synthetic thorax case, made on the spot."""
    from abscopal.dose.sample.thorax import build_thorax

    folder = server.shelf.upload_folder()
    try:
        built = build_thorax(folder / "case", schedule)
        return _summary(server.shelf.take_case(session.owner, built.folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@router.get("")
def cases(server: ServerOf, session: SessionOf) -> list[dict[str, Any]]:
    """The cases of this session."""
    return [_summary(held) for held in server.shelf.cases(session.owner)]


@router.get("/{case_id}")
def case(case_id: str, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """One case."""
    return _summary(_mine(server, session, case_id))


@router.delete("/{case_id}")
def drop(case_id: str, server: ServerOf, session: SessionOf) -> dict[str, str]:
    """Delete a case now."""
    if not server.shelf.drop_case(session.owner, case_id):
        raise missing("case")
    return {"state": "deleted"}


@router.put("/{case_id}/names")
def rename(case_id: str, wanted: Names, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """Give structures their TG-263 names and read the case again."""
    return _summary(server.shelf.rename(_mine(server, session, case_id), wanted.names))


@router.get("/{case_id}/dvh")
def dvh(case_id: str, server: ServerOf, session: SessionOf) -> list[dict[str, Any]]:
    """Dose-volume histogram of every structure and of the unions that the models use."""
    return [
        {
            "name": label,
            "mean_gy": one.mean,
            "max_gy": one.maximum,
            "volume_cm3": one.volume_cm3,
            "dose_gy": _thinned(one.edges),
            "volume_percent": _thinned(100 * one.volume_fraction),
        }
        for label, one in _mine(server, session, case_id).dvhs.items()
    ]


@router.get("/{case_id}/planes/{name}")
def plane(case_id: str, name: str, at: float, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """Outlines of the structures in a plane, in fractions of the picture's width and height."""
    held = _mine(server, session, case_id)
    return outlines(held.cutter.cut(_plane(name), _inside(held, name, at)))


@router.get("/{case_id}/planes/{name}/picture")
def picture(case_id: str, name: str, at: float, server: ServerOf, session: SessionOf, wash: float = 0.5) -> Response:
    """CT and dose wash in a plane, as PNG."""
    held = _mine(server, session, case_id)
    cut = held.cutter.cut(_plane(name), _inside(held, name, at))
    stream = io.BytesIO()
    png(cut, held.case.dose.max, min(1.0, max(0.0, wash))).save(stream, "PNG")
    return Response(stream.getvalue(), media_type="image/png")


async def _keep(upload: UploadFile, path: Path) -> None:
    with path.open("wb") as stream:
        while block := await upload.read(BLOCK):
            stream.write(block)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _mine(server: ServerOf, session: SessionOf, case_id: str) -> HeldCase:
    held = server.shelf.case(session.owner, case_id)
    if held is None:
        raise missing("case")
    return held


def _plane(name: str) -> Plane:
    found = [one for one in PLANES if one.title == name]
    if not found:
        raise unknown_name("choosing a plane", name, [one.title for one in PLANES])
    return found[0]


def _inside(held: HeldCase, name: str, at: float) -> float:
    low, high = held.cutter.extent[:, _plane(name).fixed]
    if not low <= at <= high:
        raise InputError(
            doing="cutting a plane", found=f"{at:g} mm", expected=f"{low:g} to {high:g} mm", try_="a plane in the grid"
        )
    return at


def _thinned(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    step = max(1, len(values) // DVH_POINTS)
    return [float(value) for value in values[::step]]


def _summary(held: HeldCase) -> dict[str, Any]:
    one, plan = held.case, held.case.plan
    low, high = held.cutter.extent
    return {
        "id": held.id,
        "case": f"@case/{held.id}",
        "names": held.names,
        "checklist": [{"kind": line.kind, "what": line.what, "detail": line.detail} for line in one.checklist],
        "structures": [
            {"name": structure.name, "standard_name": structure.standard_name, "role": structure.role}
            for structure in one.structures.values()
        ],
        "standard_names": standard_names(),
        "plan": None
        if plan is None
        else {
            "label": plan.label,
            "fractions": plan.n_fractions,
            "prescription_gy": plan.prescription_gy,
            "beams": [beam.name for beam in plan.beams],
            "beam_on_s": plan.beam_on_s,
        },
        "dose": {"kind": one.dose.kind, "max_gy": one.dose.max},
        "has_ct": held.cutter.has_ct,
        "planes": [
            {
                "name": shape.title,
                "letters": shape.letters,
                "from": float(low[shape.fixed]),
                "to": float(high[shape.fixed]),
                "at": float(held.cutter.hot_centre[shape.fixed]),
                "axis": "xyz"[shape.fixed],
            }
            for shape in PLANES
        ],
    }
