"""The control paths: what was received, what goes wrong, which connections there are. Not logged, and without a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llmgw_simulator.accounts import parse_settings
from llmgw_simulator.connections import Connections
from llmgw_simulator.faults import parse_rules
from llmgw_simulator.ledger import Line
from llmgw_simulator.service import Service
from llmgw_simulator.wire import Reply


class Control:
    """Answers the control paths."""

    def __init__(self, service: Service, connections: Connections, clock: Callable[[], float] = time.time) -> None:
        """`clock` is the world's, in Unix seconds."""
        self._clock = clock
        self._service = service
        self._connections = connections

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request."""
        verbs: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
            ("GET", "/_sim/log"): lambda: self._log(query),
            ("DELETE", "/_sim/log"): self._clear_log,
            ("GET", "/_sim/ledger"): lambda: self._ledger(query),
            ("GET", "/_sim/accounts"): self._accounts,
            ("POST", "/_sim/accounts"): lambda: self._set(body),
            ("DELETE", "/_sim/accounts"): self._clear_accounts,
            ("GET", "/_sim/faults"): self._faults,
            ("POST", "/_sim/faults"): lambda: self._add(body),
            ("DELETE", "/_sim/faults"): self._clear_faults,
            ("GET", "/_sim/connections"): self._open,
            ("GET", "/_sim/health"): lambda: {"status": "ok"},
        }
        verb = verbs.get((method, path))
        if verb is None:
            return _json({"error": f"there is no {method} {path}"}, 404)
        try:
            return _json(verb())
        except (ValueError, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, 400)

    def _log(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Newest last. `credential`, `path` and `outcome` pick entries, `limit` the last so many of them."""
        log = self._service.log
        picks = {name: query[name] for name in ("credential", "path", "outcome", "model") if name in query}
        found = [entry for entry in log.entries if all(getattr(entry, name) == value for name, value in picks.items())]
        limit = int(query.get("limit", len(found)))
        return {
            "in_flight": log.in_flight,
            "credentials": log.credentials,
            "requests": found[max(0, len(found) - limit) :],
        }

    def _clear_log(self) -> dict[str, Any]:
        self._service.log.clear()
        return {"cleared": True}

    def _ledger(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Oldest first: the lines behind number `after`, up to `limit`."""
        lines = self._service.log.ledger.after(int(query.get("after", 0)), int(query.get("limit", 1_000_000)))
        return {"fields": Line.__struct_fields__, "lines": lines}

    def _accounts(self) -> dict[str, Any]:
        return {"settings": self._service.admission.accounts.settings, "credentials": self._service.log.credentials}

    def _set(self, body: bytes) -> dict[str, Any]:
        for setting in parse_settings(body):
            self._service.admission.set(setting, self._clock())
        return self._accounts()

    def _clear_accounts(self) -> dict[str, Any]:
        self._service.admission.accounts.clear()
        return self._accounts()

    def _open(self) -> dict[str, Any]:
        return {"total": self._connections.total, "open": list(self._connections.open.values())}

    def _faults(self) -> dict[str, Any]:
        return {"rules": self._service.faults.rules}

    def _add(self, body: bytes) -> dict[str, Any]:
        for rule in parse_rules(body):
            self._service.faults.add(rule)
        return self._faults()

    def _clear_faults(self) -> dict[str, Any]:
        self._service.faults.clear()
        return self._faults()


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json"}, msgspec.json.encode(value))
