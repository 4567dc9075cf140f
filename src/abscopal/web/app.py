"""The application: everything joined, and what an error looks like from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from typer import Typer

from abscopal import __version__
from abscopal.domain.errors import AbscopalError, InputError
from abscopal.domain.manifest import RESEARCH_USE
from abscopal.web.guard import COOKIE, Guard
from abscopal.web.jobs import Jobs
from abscopal.web.routes import cases, jobs, knowledge, planning, views, window
from abscopal.web.sessions import Session, Sessions
from abscopal.web.settings import Settings
from abscopal.web.shelf import Shelf
from abscopal.web.store import Store
from abscopal.web.work import Main


class Problem(BaseModel):
    """Why a request was refused, in the four parts of every error."""

    model_config = ConfigDict(extra="forbid")

    error: str
    doing: str
    found: str
    expected: str
    try_: Annotated[str, Field(alias="try")]


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "a body that cannot be read"},
    401: {"model": Problem, "description": "no session"},
    403: {"model": Problem, "description": "sent by another page"},
    404: {"model": Problem, "description": "not there, or not this session's"},
    413: {"model": Problem, "description": "larger than this server takes"},
    421: {"model": Problem, "description": "meant for another host"},
    422: {"model": Problem, "description": "input that is wrong, and how to mend it"},
    500: {"model": Problem, "description": "a run that failed"},
    507: {"model": Problem, "description": "the disk refused"},
}
SWEEP_EVERY = 60.0  # s
STATIC = Path(str(files("abscopal.web") / "static"))


@dataclass(frozen=True)
class Server:
    """What the routes share."""

    settings: Settings
    store: Store
    sessions: Sessions
    shelf: Shelf
    jobs: Jobs
    root: Typer


def create_app(settings: Settings, root: Typer, main: Main) -> FastAPI:
    """The workbench as an ASGI application.

    Parameters
    ----------
    settings : Settings
    root : TyperGroup
        The program's command tree, which the forms are made from.
    main : callable
        The program itself, which jobs run in processes of their own.

    Raises
    ------
    OSError
        The state folder cannot be written.
    """
    store = Store(settings.state)
    shelf = Shelf(settings)
    server = Server(settings, store, Sessions(settings, store), shelf, Jobs(settings, store, shelf, main), root)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        server.jobs.start()
        sweeper = asyncio.create_task(_sweeping(shelf))
        yield
        sweeper.cancel()
        server.jobs.close()
        shelf.close()
        store.close()

    app = FastAPI(title="abscopal", version=__version__, summary=RESEARCH_USE, lifespan=lifespan, docs_url=None)
    app.state.server = server
    app.add_middleware(Guard, settings=settings, sessions=server.sessions)
    app.add_exception_handler(AbscopalError, _explained)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OSError, _refused_by_system)
    app.add_exception_handler(HTTPException, _plain)
    for part in (views, cases, jobs, knowledge, planning, window):
        app.include_router(part.router, prefix="/api", responses=REFUSALS)
    app.add_api_route("/open", _open, methods=["GET"], include_in_schema=False)
    app.add_api_route("/", _page, methods=["GET"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _sweeping(shelf: Shelf) -> None:
    """Delete unused cases in time, also when nobody brings another."""
    while True:
        await asyncio.sleep(SWEEP_EVERY)
        await asyncio.to_thread(shelf.sweep)


def _open(request: Request, token: str = "") -> Response:
    """Turn the printed token into a session."""
    server: Server = request.app.state.server
    secret = server.sessions.open(token)
    if secret is None:
        session: Session | None = request.state.session
        if session is not None:  # the address was opened again in the browser that has the session
            return RedirectResponse("/", status_code=303)
        raise InputError(
            doing="opening a session",
            found="a token that is wrong, or was used before",
            expected="the token of the address that the server printed at its start",
            try_="starting `abscopal serve` again for a new one",
        )
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/")
    return answer


def _page() -> Response:
    return FileResponse(STATIC / "index.html")


def _explained(_request: Request, error: Exception) -> Response:
    parts = error.parts() if isinstance(error, AbscopalError) else {}
    return JSONResponse(parts, status_code=422 if isinstance(error, InputError) else 500)


def _plain(_request: Request, error: Exception) -> Response:
    """What the framework refuses by itself, such as a route or a thing that is not there."""
    refused = error if isinstance(error, HTTPException) else HTTPException(500)
    parts = AbscopalError(
        doing="answering a request",
        found=refused.detail,
        expected="a request as this server describes it in /openapi.json",
        try_="the pages, which make such requests",
    ).parts()
    return JSONResponse(parts, status_code=refused.status_code)


def _invalid(_request: Request, error: Exception) -> Response:
    """Which field of a request is wrong and why; never its value, which may be a patient's."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    found = "; ".join(f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in problems)
    parts = InputError(
        doing="reading a request", found=found or "no usable body", expected="the fields of the form", try_="it again"
    ).parts()
    return JSONResponse(parts, status_code=422)


def _refused_by_system(_request: Request, error: Exception) -> Response:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    parts = AbscopalError(
        doing="writing on this machine's disk",
        found=f"the operating system said: {reason}",
        expected="room on the disk and a folder this user may write in",
        try_="making room, then the same again",
    ).parts()
    return JSONResponse(parts, status_code=507)
