"""From a request to a script: log, faults, dialect and engine put together. No socket, no clock.

Transports call `receive` with the bytes of a request and perform what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from llmgw_simulator.admission import Admission
from llmgw_simulator.ask import Answers, Ask
from llmgw_simulator.calllog import CallLog, Entry
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.engine import decide
from llmgw_simulator.faults import HEADER, Fault, FaultBook, parse_fault
from llmgw_simulator.models import anthropic_models, gemini_models, openai_models
from llmgw_simulator.openai.api import OpenAI
from llmgw_simulator.promptcache import Held
from llmgw_simulator.routes import CHAT, GEMINI, Route, find
from llmgw_simulator.script import Close, Open, Send, Step, script, whole_script
from llmgw_simulator.wire import Dialect, Incoming, Parsed, Product, Refusal, Reply

_NO_FAULT = Fault()
_NOTHING = Parsed(ask=Ask(model="", turns=()), stream=True)


class _Named(msgspec.Struct):
    """The one field of a body that rules look at, before anything is checked."""

    model: str = ""


class Performance(msgspec.Struct, frozen=True):
    """An answer to be given: status, headers, and the script of the body. `streams` is whether it has many events."""

    status: int
    headers: dict[str, str]
    steps: Iterator[Step]
    streams: bool = False
    broken: Callable[[float], bool] = lambda now: False
    """Whether its account is down by then (Unix time), which takes its open answers with it."""


class Service:
    """One simulated set of providers."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.log = CallLog(config.log_entries, config.log_bytes, config.ledger_entries)
        self.faults = FaultBook()
        self._openai = OpenAI(config.seed, self._carry_out)
        self.admission = Admission(config)

    def receive(self, incoming: Incoming) -> tuple[Entry, Performance]:
        """The log's entry for the request, and the answer."""
        try:
            route = self._find(incoming)
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
            dialect = self._find(incoming).dialect
        except Refusal:
            dialect = CHAT
        entry = self.log.open(dialect.name, incoming, dialect.credential(incoming), "", False)
        return entry, self._whole(dialect.refuse(dialect.canned(413), incoming))

    def _find(self, incoming: Incoming) -> Route:
        """The route of a request. Raises `Refusal` if there is none."""
        found = self._openai.find(incoming.method, incoming.path, incoming.query)
        return found or find(incoming.method, incoming.path, dict(incoming.headers), dict(incoming.query))

    def _routed(self, route: Route, incoming: Incoming) -> tuple[Entry, Performance]:
        dialect = route.dialect
        named = _model_of(incoming)
        model = route.model or named or ""
        credential = dialect.credential(incoming)
        incoming = msgspec.structs.replace(incoming, owner=credential or "")
        entry = self.log.open(route.name or dialect.name, incoming, credential, model, named is not None)
        try:
            if route.kind == "models":
                return entry, self._models(route, incoming)
            incoming = self.admission.standing(incoming)
            fault = self._fault(incoming, entry)
            if fault is not _NO_FAULT:
                entry.fault = fault
            if fault.status is not None:
                raise _wanted(dialect, fault)
            dialect.authenticate(incoming)
            if route.endpoint is not None:
                product = route.endpoint(incoming)
                entry.stream = product.frames is not None
                return entry, self._produced(dialect, incoming, product, fault)
            parsed = dialect.parse(incoming)
            if isinstance(parsed, Reply):
                return entry, self._ready(dialect, incoming, parsed, fault)
            entry.stream = parsed.stream
            return entry, self._answer(dialect, incoming, parsed, fault, entry)
        except Refusal as refusal:
            return entry, self._whole(dialect.refuse(refusal, self.admission.standing(incoming)))
        except Exception:
            self.log.settle(entry, "crashed", 0.0)
            raise

    def _fault(self, incoming: Incoming, entry: Entry) -> Fault:
        """The header's fault, else the credential's trouble, else the first rule's."""
        wish = incoming.headers.get(HEADER)
        if wish is None:
            trouble = self.admission.trouble(incoming)
            if trouble is None and self.faults.rules:
                trouble = self.faults.take(entry.credential or "", entry.model, entry.path)
            return trouble or _NO_FAULT
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

    def _answer(self, dialect: Dialect, incoming: Incoming, parsed: Parsed, fault: Fault, entry: Entry) -> Performance:
        pace = self.config.pace.under(fault)
        held = self.admission.let_in(dialect, incoming, parsed, self.log.in_flight_of(incoming.owner))
        answers = _with(decide(parsed.ask, self.config.seed, pace.tokens), held, pace.burst)
        self.admission.answered(incoming, answers.tokens)
        self.log.charge(entry, parsed.ask, answers)
        incoming = self.admission.standing(incoming)
        headers = dialect.headers(incoming, parsed)
        broken = partial(self.admission.is_reset, incoming.owner)
        if parsed.stream:
            spoils = _Broken(lambda kind: dialect.broken_frame(parsed, kind))
            steps = script(dialect.frames(parsed, answers), pace, fault.on(headers["content-type"]), spoils)
            return Performance(200, headers, steps, True, broken)
        body = _spoilt(dialect.whole(parsed, answers), dialect, incoming, fault)
        return Performance(200, headers, whole_script(body, answers.tokens, pace, fault), False, broken)

    def _ready(self, dialect: Dialect, incoming: Incoming, reply: Reply, fault: Fault) -> Performance:
        """An answer that needs no model, with its fault."""
        body = _spoilt(reply.body, dialect, incoming, fault)
        return Performance(reply.status, reply.headers, whole_script(body, 0, self.config.pace.under(fault), fault))

    def _produced(self, dialect: Dialect, incoming: Incoming, product: Product, fault: Fault) -> Performance:
        """The answer of an endpoint, with its timing and its fault."""
        pace = self.config.pace.under(fault)
        if product.frames is None:
            body = _spoilt(product.body, dialect, incoming, fault)
            return Performance(200, product.headers, whole_script(body, product.tokens, pace, fault))
        broken = _Broken(lambda kind: CHAT.broken_frame(_NOTHING, kind))
        steps = script(product.frames, pace, fault.on(product.headers["content-type"]), broken, product.length)
        return Performance(200, product.headers, steps, True)

    def _carry_out(self, path: str, body: bytes, owner: str) -> Reply:
        """The answer to a request of a batch: at once, neither logged nor spoilt."""
        headers = {"authorization": f"Bearer {owner}"}
        incoming = Incoming(
            method="POST", path=path, query={}, headers=headers, body=body, serial=0, now=0.0, owner=owner
        )
        route = self._find(incoming)
        try:
            if route.endpoint is not None:
                return Reply(200, {}, route.endpoint(incoming).body)
            parsed = route.dialect.parse(incoming)
        except Refusal as refusal:
            return route.dialect.refuse(refusal, incoming)
        if isinstance(parsed, Reply):
            return parsed
        return Reply(200, {}, route.dialect.whole(parsed, decide(parsed.ask, self.config.seed)))

    def _whole(self, reply: Reply) -> Performance:
        steps: list[Step] = [Open(0.0, len(reply.body)), Send(0.0, reply.body), Close(0.0)]
        return Performance(reply.status, reply.headers, iter(steps))


def _with(answers: Answers, held: Held, burst: int) -> Answers:
    """The answers with what the prompt cache has to do with them."""
    return msgspec.structs.replace(
        answers,
        cached_tokens=held.read,
        written_tokens=held.written,
        written_hour_tokens=held.written_hour,
        burst=burst,
    )


class _Broken(dict[str, bytes]):
    """The frames of faults, made when they are needed: where a stream is by then may be in them."""

    def __init__(self, make: Callable[[str], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, kind: str) -> bytes:
        return self._make(kind)


def _spoilt(body: bytes, dialect: Dialect, incoming: Incoming, fault: Fault) -> bytes:
    """A whole body as a fault wants it: cut in half, or an error with status 200."""
    if fault.malformed_events == 0:
        return body[: len(body) // 2]
    return dialect.refuse(dialect.canned(500), incoming).body if fault.error_events == 0 else body


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
