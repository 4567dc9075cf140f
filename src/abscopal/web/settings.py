"""How one server is set up."""

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Settings:
    """What `abscopal serve` was asked for, with the limits of a server.

    Attributes
    ----------
    state : path
        Folder of the job store; survives restarts.
    token : str
        Opens a session. Good for one session unless `token_is_shared`.
    token_is_shared : bool
        Whether several people open their sessions with the same token.
    host, port : str, int
        Where the server listens; the names a browser may call it by follow from them.
    workers : int
        Jobs that run at the same time.
    case_ttl_s : float
        A case that nobody used for so long is deleted. [s]
    job_ttl_s : float
        A finished job and its files are deleted after this. [s]
    upload_bytes : int
        Largest body of one request.
    upload_files : int
        Most files of one upload.
    cases_per_session, files_per_session : int
    """

    state: Path
    token: str
    token_is_shared: bool = False
    host: str = "127.0.0.1"
    port: int = 8765
    workers: int = 1
    case_ttl_s: float = 4 * 3600.0
    job_ttl_s: float = 7 * 24 * 3600.0
    upload_bytes: int = 2 * 1024**3
    upload_files: int = 5000
    cases_per_session: int = 8
    files_per_session: int = 64

    @property
    def hosts(self) -> frozenset[str]:
        """Values of the Host header that are answered."""
        names = {*LOOPBACK, self.host} if self.host != "0.0.0.0" else set(LOOPBACK)  # noqa: S104 - compared, not bound
        return frozenset(f"{name}:{self.port}" for name in names) | frozenset(names)
