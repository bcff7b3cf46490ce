"""Accounts whose provider refuses their key or their credit: the gateway disables them, and says why.

It is done by a command like any operator's, so it is in the audit trail, every node follows it, and it holds until the
account is enabled again. An account is left to its rests (one call an hour tries it) where it is the last that serves
its pool: then there is nothing to lose by trying.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from llmgw_balancer import Pause
from llmgw_balancer.pauses import mark_of
from llmgw_control import Administration, Refused
from llmgw_control.refusal import Forbidden, NotWritable, UnknownRecord
from llmgw_control.views import SYSTEM
from llmgw_domain import Account, Catalog

_WHY = {
    "key": "its provider does not accept its credential",
    "forbidden": "its provider does not let it in",
    "suspended": "its provider has suspended it",
    "region": "its provider does not serve this region",
    "credit": "its credit is spent",
    "no_quota": "it has no quota",
}
"""The words of signals, for people; any other word stands for itself."""

_log = logging.getLogger(__name__)


class Rejecting:
    """Disables what providers reject. `current` gives the catalog."""

    def __init__(self, administration: Administration, current: Callable[[], Catalog]) -> None:
        self._administration = administration
        self._current = current

    def __call__(self, pause: Pause) -> None:
        """An account was rejected, as it was then: one that has another credential by now is not meant."""
        catalog = self._current()
        account = catalog.accounts.get(pause.account)
        if account is None or not account.enabled or mark_of(account) != pause.mark:
            return
        why = _WHY.get(pause.reason, pause.reason)
        if pause.model is not None:
            _log.warning("a model is refused", extra={"account": account.id, "model": pause.model, "why": why})
            return
        if _is_last(account, catalog):
            _log.error("an account is refused, and is the last of its pool", extra={"account": account.id, "why": why})
            return
        try:
            self._administration.switch(
                "account", account.id, enabled=False, reason=f"disabled by the gateway: {why}", actor=SYSTEM
            )
        except (Forbidden, NotWritable, Refused, UnknownRecord) as error:
            _log.error(
                "an account is refused and can't be disabled",
                extra={"account": account.id, "why": why, "reason": str(error)},
            )
        else:
            _log.error("an account was disabled", extra={"account": account.id, "why": why})

    def __repr__(self) -> str:
        return f"<Rejecting {self._administration!r}>"


def _is_last(account: Account, catalog: Catalog) -> bool:
    pool = (other for other in catalog.accounts.values() if other.pool == account.pool)
    return not any(other.enabled and not other.drain and other.id != account.id for other in pool)
