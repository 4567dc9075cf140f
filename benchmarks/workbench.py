"""Fifty people at the sliders of one server: errors and time from request to answer, on this machine's loopback.

python benchmarks/workbench.py --seconds 60 --write docs/validation/workbench.md
"""

import argparse
import asyncio
import random
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import httpx2 as httpx

CLIENTS = 50
PAUSE = 0.5  # s a hand rests between two positions of a slider
HEADERS = {"X-Abscopal": "1"}


async def person(base: str, token: str, end: float, times: list[float], errors: list[str]) -> None:
    """One person who moves the sliders until the end."""
    rng = random.Random(len(times) + id(times) % 97)  # noqa: S311 - positions of sliders
    async with httpx.AsyncClient(base_url=base, headers=HEADERS, timeout=30) as client:
        await client.get("/open", params={"token": token})
        await asyncio.sleep(PAUSE * rng.random())
        while time.monotonic() < end:
            course = {"dose": rng.choice([2, 4, 6, 8, 10, 12, 16]), "fractions": rng.choice([1, 3, 5, 10])}
            start = time.monotonic()
            try:
                answer = await client.post("/api/window/point", json=course)
                if answer.status_code != 200:
                    errors.append(str(answer.status_code))
            except httpx.HTTPError as problem:
                errors.append(type(problem).__name__)
            times.append(time.monotonic() - start)
            await asyncio.sleep(PAUSE)


async def crowd(base: str, token: str, seconds: float) -> tuple[list[float], list[str]]:
    """All of them together."""
    times: list[float] = []
    errors: list[str] = []
    end = time.monotonic() + seconds
    await asyncio.gather(*(person(base, token, end, times, errors) for _ in range(CLIENTS)))
    return times, errors


def serve(port: int, token: str, state: str) -> subprocess.Popen[bytes]:
    """A server of its own process."""
    words = ["serve", "--no-browser", "--port", str(port), "--token", token, "--state", state]
    return subprocess.Popen([sys.executable, "-c", "from abscopal.cli.main import main; main()", *words])


def page(times: list[float], errors: list[str], seconds: float) -> str:
    """The page of the documentation."""
    cuts = quantiles(times, n=20)
    return f"""# Load on the workbench

Written by `python benchmarks/workbench.py`: {CLIENTS} clients on the loopback of a machine with two cores, which
also runs the clients. Each moves a slider, waits for the answer of `/api/window/point` (four arms of the model over
time, gain and synergy), rests {PAUSE:g} s and goes on, for {seconds:g} s.

| | |
| --- | --- |
| requests | {len(times)} |
| errors | {len(errors)} |
| median time to the answer | {1000 * median(times):.0f} ms (target: below 250 ms) |
| 95th percentile | {1000 * cuts[18]:.0f} ms |
| slowest | {1000 * max(times):.0f} ms |
"""


def main() -> None:
    """Run, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=8793)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as state:
        server = serve(asked.port, token, state)
        try:
            base = f"http://127.0.0.1:{asked.port}"
            for _ in range(300):
                try:
                    httpx.get(base)
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            asyncio.run(crowd(base, token, 3))  # the first request compiles the kernel
            times, errors = asyncio.run(crowd(base, token, asked.seconds))
        finally:
            server.terminate()
            server.wait()
    text = page(times, errors, asked.seconds)
    print(text)
    if asked.write:
        asked.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
