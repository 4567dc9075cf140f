"""What is needed to say where a result came from, and to make it again."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from abscopal.domain.version import __version__

RESEARCH_USE = (
    "Research software. Not a medical device, not validated for clinical use; "
    "nothing here may be used to choose or change a patient's treatment."
)


class Manifest(BaseModel):
    """Provenance of one result.

    `inputs` maps a label to the sha256 of the bytes read; labels never hold a path or an
    identifier of a patient.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    created: str
    command: str
    inputs: dict[str, str]
    parameters_sha256: str
    seed: int | None = None
    precision: str = "float64"
    device: str = "cpu"
    platform: str


def sha256_file(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make_manifest(
    *, command: str, inputs: Mapping[str, str], parameters_sha256: str, seed: int | None = None
) -> Manifest:
    """A manifest stamped with this version, this platform and the present time (UTC)."""
    return Manifest(
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        inputs=dict(inputs),
        parameters_sha256=parameters_sha256,
        seed=seed,
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )
