"""Jobs: their list, progress, results and files."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from abscopal.web.forms import shown
from abscopal.web.routes.shared import ServerOf, SessionOf, missing
from abscopal.web.store import UNFINISHED, Job

router = APIRouter(prefix="/jobs", tags=["jobs"])
LOOK_EVERY = 0.2  # s
# A report carries its own styles and script; it is shown in a frame without rights.
SANDBOX = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
)


@router.get("")
def jobs(server: ServerOf, session: SessionOf) -> list[dict[str, Any]]:
    """The jobs of this session, newest first."""
    return [_public(job) for job in server.jobs.of(session.owner)]


@router.get("/{job_id}")
def job(job_id: str, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """One job with the names of its files."""
    found = _mine(server, session, job_id)
    return _public(found) | {"files": server.jobs.files(found)}


@router.get("/{job_id}/events")
async def events(job_id: str, request: Request, server: ServerOf, session: SessionOf) -> Response:
    """Progress as server-sent events, until the job is finished."""
    _mine(server, session, job_id)

    async def stream() -> AsyncIterator[str]:
        last = ""
        while not await request.is_disconnected():
            found = server.jobs.get(session.owner, job_id)
            if found is None:
                return
            text = json.dumps(_public(found))
            if text != last:
                yield f"data: {text}\n\n"
            if found.state not in UNFINISHED:
                return
            last = text
            await asyncio.sleep(LOOK_EVERY)

    return StreamingResponse(stream(), media_type="text/event-stream")


@router.get("/{job_id}/result")
def result(job_id: str, server: ServerOf, session: SessionOf) -> Response:
    """What the command printed: the JSON behind the page's numbers."""
    text = server.jobs.result(_mine(server, session, job_id))
    if text is None:
        raise missing("result")
    return Response(text, media_type="application/json")


@router.get("/{job_id}/files/{name:path}")
def file(job_id: str, name: str, server: ServerOf, session: SessionOf) -> Response:
    """One file that the job made."""
    path = server.jobs.file(_mine(server, session, job_id), name)
    if path is None:
        raise missing("file")
    return FileResponse(path, headers={"content-security-policy": SANDBOX} if path.suffix in {".html", ".svg"} else {})


@router.post("/{job_id}/cancel")
def cancel(job_id: str, server: ServerOf, session: SessionOf) -> dict[str, str]:
    """Stop a job."""
    server.jobs.cancel(_mine(server, session, job_id))
    return {"state": "cancelled"}


@router.delete("/{job_id}")
def forget(job_id: str, server: ServerOf, session: SessionOf) -> dict[str, str]:
    """Delete a job and its files."""
    server.jobs.forget(_mine(server, session, job_id))
    return {"state": "deleted"}


def _mine(server: ServerOf, session: SessionOf, job_id: str) -> Job:
    found = server.jobs.get(session.owner, job_id)
    if found is None:
        raise missing("job")
    return found


def _public(found: Job) -> dict[str, Any]:
    return found.public() | {"command": shown(found.argv)}
