"""What every request passes: host name, session, origin, size; and the headers of every answer."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from abscopal.web.sessions import Sessions
from abscopal.web.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "abscopal_session"
SAFE = {"GET", "HEAD"}
OPEN_PATHS = {"/open"}  # where a token is turned into a session
HEADERS = {
    # Plotly sets styles from script; scripts themselves come from this server's files alone.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class TooLargeError(Exception):
    """A request body passed the limit."""


class Guard:
    """ASGI middleware in front of the whole app."""

    def __init__(self, app: App, settings: Settings, sessions: Sessions) -> None:
        self._app, self._settings, self._sessions = app, settings, sessions

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the session in the scope's state."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        try:
            await self._app(scope, self._counted(receive), _with_headers(send))
        except TooLargeError:
            await _refuse(send, 413, "a request larger than this server takes", self._limit(), "a smaller case")

    def _limit(self) -> str:
        return f"at most {self._settings.upload_bytes // 1024**2} MiB"

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str, str, str] | None:
        host = headers.get("host", "")
        if host not in self._settings.hosts:
            return 421, "a request for another host", "this server's own name", "the address it printed at its start"
        if _length(headers) > self._settings.upload_bytes:
            return 413, "a request larger than this server takes", self._limit(), "a smaller case"
        if scope["method"] not in SAFE and not _same_origin(headers, host):
            return 403, "a request from another page", "a request from this workbench", "the workbench's own page"
        session = self._sessions.find(_cookie(headers))
        scope.setdefault("state", {})["session"] = session
        if session is None and scope["path"] not in OPEN_PATHS:
            return 401, "no session", "the address with the token that the server printed", "opening that address"
        return None

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._settings.upload_bytes:
                raise TooLargeError
            return message

        return counted


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdigit() else 0


def _same_origin(headers: dict[str, str], host: str) -> bool:
    """Whether the page that sent this is our own: browsers state an origin with every such request."""
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "same-origin")
    named = not origin or urlsplit(origin).netloc == host
    return named and site == "same-origin" and headers.get("x-abscopal") == "1"


def _cookie(headers: dict[str, str]) -> str:
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {key.lower() for key, _ in message["headers"]}
            extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given]
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, found: str, expected: str, try_: str) -> None:
    parts = {"error": "Refused", "doing": "answering a request", "found": found, "expected": expected, "try": try_}
    body = json.dumps(parts).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    send = _with_headers(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
