"""From a request to a script: log, faults, dialect and engine put together. No socket, no clock.

Transports call `receive` with the bytes of a request and perform what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from llmgw_simulator.calllog import CallLog, Entry
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.engine import decide
from llmgw_simulator.faults import HEADER, Fault, FaultBook, parse_fault
from llmgw_simulator.models import anthropic_models, gemini_models, openai_models
from llmgw_simulator.routes import CHAT, GEMINI, Route, find
from llmgw_simulator.script import Close, Open, Send, Step, script, whole_script
from llmgw_simulator.wire import Dialect, Incoming, Parsed, Refusal, Reply

_NO_FAULT = Fault()


class _Named(msgspec.Struct):
    """The one field of a body that rules look at, before anything is checked."""

    model: str = ""


class Performance(msgspec.Struct, frozen=True):
    """An answer to be given: status, headers, and the script of the body. `streams` is whether it has many events."""

    status: int
    headers: dict[str, str]
    steps: Iterator[Step]
    streams: bool = False


class Service:
    """One simulated set of providers."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.log = CallLog(config.log_entries, config.log_bytes)
        self.faults = FaultBook()

    def receive(self, incoming: Incoming) -> tuple[Entry, Performance]:
        """The log's entry for the request, and the answer."""
        try:
            route = find(incoming.method, incoming.path, dict(incoming.headers), dict(incoming.query))
        except Refusal as refusal:
            entry = self.log.open("", incoming, CHAT.credential(incoming), "", False)
            return entry, self._whole(CHAT.refuse(refusal, incoming))
        incoming = msgspec.structs.replace(
            incoming, model=route.model or "", action=route.action, keyring=self.config.keyring
        )
        return self._routed(route, incoming)

    def too_large(self, incoming: Incoming) -> tuple[Entry, Performance]:
        """The same for a body over the limit, which was not read."""
        try:
            dialect = find(incoming.method, incoming.path, dict(incoming.headers), dict(incoming.query)).dialect
        except Refusal:
            dialect = CHAT
        entry = self.log.open(dialect.name, incoming, dialect.credential(incoming), "", False)
        return entry, self._whole(dialect.refuse(dialect.canned(413), incoming))

    def _routed(self, route: Route, incoming: Incoming) -> tuple[Entry, Performance]:
        dialect = route.dialect
        named = _model_of(incoming)
        model = route.model or named or ""
        entry = self.log.open(dialect.name, incoming, dialect.credential(incoming), model, named is not None)
        try:
            if route.kind == "models":
                return entry, self._models(route, incoming)
            fault = self._fault(incoming, entry)
            if fault is not _NO_FAULT:
                entry.fault = fault
            if fault.status is not None:
                raise _wanted(dialect, fault)
            dialect.authenticate(incoming)
            parsed = dialect.parse(incoming)
        except Refusal as refusal:
            return entry, self._whole(dialect.refuse(refusal, incoming))
        except Exception:
            self.log.settle(entry, "crashed", 0.0)
            raise
        if isinstance(parsed, Reply):
            return entry, self._ready(dialect, incoming, parsed, fault)
        entry.stream = parsed.stream
        return entry, self._answer(dialect, incoming, parsed, fault)

    def _fault(self, incoming: Incoming, entry: Entry) -> Fault:
        """The header's fault, else the first rule's."""
        wish = incoming.headers.get(HEADER)
        if wish is None:
            found = self.faults.take(entry.credential or "", entry.model, entry.path) if self.faults.rules else None
            return found or _NO_FAULT
        try:
            return parse_fault(wish)
        except (ValueError, msgspec.ValidationError) as error:
            raise Refusal(400, f"{HEADER}: {error}") from None

    def _models(self, route: Route, incoming: Incoming) -> Performance:
        shapes: dict[str, Callable[[tuple[str, ...], str | None], dict[str, Any]]] = {
            "chat": openai_models,
            "messages": partial(anthropic_models, query=incoming.query),
            "gemini": partial(gemini_models, query=incoming.query),
        }
        route.dialect.authenticate(incoming)
        listed = shapes[route.dialect.name](self.config.models, route.model)
        kind = "application/json; charset=UTF-8" if route.dialect is GEMINI else "application/json"
        return self._whole(Reply(200, {"content-type": kind}, msgspec.json.encode(listed)))

    def _answer(self, dialect: Dialect, incoming: Incoming, parsed: Parsed, fault: Fault) -> Performance:
        pace = self.config.pace.under(fault)
        answers = decide(parsed.ask, self.config.seed, pace.tokens)
        headers = dialect.headers(incoming, parsed)
        if parsed.stream:
            broken = {kind: dialect.broken_frame(parsed, kind) for kind in ("malformed", "error")}
            steps = script(dialect.frames(parsed, answers), pace, fault, broken)
            return Performance(200, headers, steps, True)
        reply = Reply(200, headers, dialect.whole(parsed, answers))
        return self._ready(dialect, incoming, reply, fault, answers.tokens)

    def _ready(self, dialect: Dialect, incoming: Incoming, reply: Reply, fault: Fault, tokens: int = 0) -> Performance:
        """An answer that is not streamed, with its timing and its fault; `tokens` is what takes time."""
        pace, body = self.config.pace.under(fault), reply.body
        if fault.malformed_events == 0:
            body = body[: len(body) // 2]
        elif fault.error_events == 0:
            body = dialect.refuse(dialect.canned(500), incoming).body
        return Performance(reply.status, reply.headers, whole_script(body, tokens, pace, fault))

    def _whole(self, reply: Reply) -> Performance:
        steps: list[Step] = [Open(0.0, len(reply.body)), Send(0.0, reply.body), Close(0.0)]
        return Performance(reply.status, reply.headers, iter(steps))


def _model_of(incoming: Incoming) -> str | None:
    """The model that the body names, "" if it names none, None if it is not a JSON object."""
    try:
        incoming.body.decode()  # the decoder does not look at the bytes of texts that it skips
        return msgspec.json.decode(incoming.body, type=_Named).model
    except msgspec.ValidationError:
        return ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _wanted(dialect: Dialect, fault: Fault) -> Refusal:
    """The refusal that a fault asks for."""
    usual = dialect.canned(fault.status or 500)
    return Refusal(
        usual.status,
        fault.message or usual.message,
        kind=usual.kind,
        code=usual.code,
        param=usual.param,
        details=usual.details,
        retry_after=fault.retry_after if fault.retry_after is not None else usual.retry_after,
    )
