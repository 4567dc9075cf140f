"""What goes wrong outside the program: a taken port, a connection that ends in the middle, many listeners."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from abscopal.cli.main import main
from tests.web.conftest import OURS

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def guest(server):
    """A session of the server that listens."""
    address = urlsplit(server)
    with httpx.Client(base_url=f"http://{address.netloc}", headers=OURS, timeout=60) as client:
        client.get("/open", params=parse_qs(address.query))
        yield client


def test_a_taken_port_is_named(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match="2"):
            main(["serve", "--no-browser", "--port", str(port)])
    told = capsys.readouterr().err
    assert f"port {port}" in told
    assert "--port" in told


def test_an_upload_that_breaks_off_leaves_nothing(served, guest):
    shelf = served[1].state.server.shelf
    address = urlsplit(str(guest.base_url))
    cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    head = (
        f"POST /api/cases HTTP/1.1\r\nHost: {address.netloc}\r\nX-Abscopal: 1\r\nCookie: {cookie}\r\n"
        "Content-Type: multipart/form-data; boundary=part\r\nContent-Length: 1000000\r\n\r\n"
        '--part\r\nContent-Disposition: form-data; name="file0"; filename="0"\r\n\r\nPK'
    )
    before = guest.get("/api/cases").json()
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(head.encode() + b"x" * 5000)
        time.sleep(0.3)
    end = time.monotonic() + 10
    while list(shelf.folder.glob("upload-*")) and time.monotonic() < end:
        time.sleep(0.1)
    assert list(shelf.folder.glob("upload-*")) == []
    assert guest.get("/api/cases").json() == before


def test_many_listeners_hear_the_end_of_a_job(guest):
    """Fifty pages follow one job; sliders are answered meanwhile."""
    job = guest.post("/api/views/window/run", json={"values": {"draws": 2, "animals": 0, "surface": False}}).json()

    def follow(_):
        last = {}
        with guest.stream("GET", f"/api/jobs/{job['id']}/events") as events:
            for line in events.iter_lines():
                if line.startswith("data: "):
                    last = json.loads(line[6:])
        return last["state"]

    with ThreadPoolExecutor(50) as people:
        heard = people.map(follow, range(50))
        assert guest.post("/api/window/point", json={}).status_code == 200
        assert set(heard) == {"done"}
