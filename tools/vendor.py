"""Fetch the browser assets named in tools/vendor.toml into the package, or check those already there."""

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parent / "src" / "abscopal" / "web" / "static" / "vendor"


def target(asset: dict[str, str]) -> Path:
    """Where an asset lies in the package."""
    return VENDOR / Path(asset["file"]).name


def fetch(asset: dict[str, str]) -> tuple[bytes, bytes | None]:
    """The asset and its licence text, out of the published package."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"{asset['package']}@{asset['version']}"
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, capture_output=True)
        archive = next(Path(folder).glob("*.tgz")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        members = {member.name: member for member in package.getmembers()}

        def content(name: str) -> bytes | None:
            member = members.get(f"package/{name}")
            stream = package.extractfile(member) if member else None
            return stream.read() if stream else None

        body = content(asset["file"])
        if body is None:
            sys.exit(f"{name} has no {asset['file']}")
        return body, content(asset["licence_file"])


def check(asset: dict[str, str], body: bytes) -> None:
    """Stop unless the bytes are the expected ones."""
    found = hashlib.sha256(body).hexdigest()
    if found != asset["sha256"]:
        sys.exit(f"{asset['package']} {asset['version']}: sha256 {found}, expected {asset['sha256']}")


def notice(assets: list[dict[str, str]], licences: dict[str, str]) -> str:
    """The third-party notice that lies beside the assets."""
    parts = ["Assets in this folder were made by others and are distributed under their own licences."]
    for asset in assets:
        head = f"{Path(asset['file']).name}: {asset['package']} {asset['version']}, {asset['licence']}"
        parts.append(f"{head}\n{'-' * len(head)}\n{licences.get(asset['package'], '').strip()}")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Fetch or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the assets in the repository with the lock file")
    only_check = parser.parse_args().check
    assets = tomllib.loads((HERE / "vendor.toml").read_text(encoding="utf-8"))["asset"]
    licences = {}
    for asset in assets:
        if only_check:
            check(asset, target(asset).read_bytes())
            continue
        body, licence = fetch(asset)
        check(asset, body)
        VENDOR.mkdir(parents=True, exist_ok=True)
        target(asset).write_bytes(body)
        licences[asset["package"]] = (licence or b"").decode("utf-8")
    if not only_check:
        (VENDOR / "THIRD-PARTY.txt").write_text(notice(assets, licences), encoding="utf-8")


if __name__ == "__main__":
    main()
