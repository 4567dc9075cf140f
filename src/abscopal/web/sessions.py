"""Who is at the other end: one session per browser, opened by the token that the server printed."""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

from abscopal.web.settings import Settings
from abscopal.web.store import Store


@dataclass
class Session:
    """One browser.

    Attributes
    ----------
    owner : str
        Digest of the session's secret; what the job store knows a session by.
    what_if : dict
        Knowledge numbers this session changed, by key.
    """

    owner: str
    what_if: dict[str, float] = field(default_factory=dict)


class Sessions:
    """Sessions by their secret; the store keeps digests, so that jobs outlive a restart."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._used = False

    def find(self, secret: str) -> Session | None:
        """The session of a cookie; None where it is not ours."""
        if not secret:
            return None
        owner = _digest(secret)
        with self._lock:
            if owner not in self._open and self._store.knows_session(owner):
                self._open[owner] = Session(owner)
            return self._open.get(owner)

    def open(self, token: str) -> str | None:
        """A new session's secret for the right token; None for a wrong one, or one that was used."""
        with self._lock:
            spent = self._used and not self._settings.token_is_shared
            if spent or not hmac.compare_digest(token.encode(), self._settings.token.encode()):
                return None
            self._used = True
            secret = secrets.token_urlsafe(32)
            session = Session(_digest(secret))
            self._store.add_session(session.owner, time.time())
            self._open[session.owner] = session
            return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
