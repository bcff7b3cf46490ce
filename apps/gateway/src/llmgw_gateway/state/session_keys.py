"""The keys of sessions, made with a secret that all nodes have from the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from llmgw_affinity import SessionKeys
from llmgw_control import Replica, Unrevealed
from llmgw_domain import Secret

_log = logging.getLogger(__name__)


class SessionSecret:
    """Gives the keys once the state has their secret; None until then, and where it can't be opened."""

    def __init__(self, replica: Replica, reveal: Callable[[str], Secret]) -> None:
        self._replica = replica
        self._reveal = reveal
        self._sealed: object = None
        self._keys: SessionKeys | None = None

    def __call__(self) -> SessionKeys | None:
        record = self._replica.map.get("secret", "session")
        sealed = None if record is None else record.fields.get("value")
        if sealed != self._sealed:
            self._sealed = sealed
            self._keys = self._opened(sealed)
        return self._keys

    def _opened(self, sealed: object) -> SessionKeys | None:
        if not isinstance(sealed, str):
            return None
        try:
            return SessionKeys(self._reveal(sealed).reveal().encode())
        except Unrevealed as error:
            _log.error("the secret of session ids can't be opened: no session is pinned", extra={"reason": str(error)})
            return None

    def __repr__(self) -> str:
        return f"<SessionSecret {'known' if self._keys else 'unknown'}>"
