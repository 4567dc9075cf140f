"""What every route needs of a request: the server's parts and the session."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request

from abscopal.web.sessions import Session

if TYPE_CHECKING:
    from abscopal.web.app import Server


def _server(request: Request) -> "Server":
    server: Server = request.app.state.server
    return server


def _session(request: Request) -> Session:
    session: Session = request.state.session  # the guard lets no request without one through
    return session


def missing(what: str) -> HTTPException:
    """404 for something that is not there, or not this session's: the two look alike."""
    return HTTPException(404, detail=f"no such {what}")


ServerOf = Annotated["Server", Depends(_server)]
SessionOf = Annotated[Session, Depends(_session)]
