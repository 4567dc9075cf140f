"""`abscopal serve`: the workbench in a browser on this machine."""

import os
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from abscopal.cli.console import errors
from abscopal.domain.errors import InputError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SHORTEST_TOKEN = 16


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on; anything but this machine needs --token.")] = (
        "127.0.0.1"
    ),
    token: Annotated[str, typer.Option(help="Token that opens a session; one is made if you give none.")] = "",
    state: Annotated[Path | None, typer.Option(help="Folder of the job store.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Jobs that run at the same time.")] = 1,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Open the workbench in a browser. Nothing leaves this machine."""
    _check(host, token, port)
    try:
        import uvicorn

        from abscopal.web.app import create_app
        from abscopal.web.settings import Settings
    except ImportError as missing:
        raise InputError(
            doing="starting the workbench",
            found=f"no {missing.name}",
            expected="the packages of the web extra",
            try_="pip install 'abscopal[web]'",
        ) from missing
    settings = Settings(
        state=state or _state(),
        token=token or secrets.token_urlsafe(24),
        token_is_shared=bool(token),
        host=host,
        port=port,
        workers=workers,
    )
    address = f"http://{'127.0.0.1' if host in LOOPBACK else host}:{port}/open?token={settings.token}"
    console = errors()
    if host not in LOOPBACK:
        console.print("[bold yellow]Others can reach this[/]: the connection is not encrypted.", highlight=False)
    console.print(f"abscopal workbench: {address}", soft_wrap=True, highlight=False)
    if browser:
        import webbrowser

        webbrowser.open(address)
    # No access log: paths and queries would stand in it.
    from abscopal.cli.main import app as root
    from abscopal.cli.main import main

    uvicorn.run(
        create_app(settings, root, main),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )


def _check(host: str, token: str, port: int) -> None:
    if host not in LOOPBACK and len(token) < SHORTEST_TOKEN:
        raise InputError(
            doing="starting the workbench",
            found=f"--host {host} " + ("with a short token" if token else "without a token"),
            expected=f"--token with at least {SHORTEST_TOKEN} characters when others can reach the server",
            try_=f"--token {secrets.token_urlsafe(24)}",
        )
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise InputError(
                doing="starting the workbench",
                found=f"port {port} of {host} cannot be used: {problem.strerror}",
                expected="a free port",
                try_=f"--port {port + 1}",
            ) from problem


def _state() -> Path:
    """Where this user's programs keep their state."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "state") / "abscopal"
