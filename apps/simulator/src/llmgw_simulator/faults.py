"""Faults: what goes wrong, by request header or by rule.

A fault is a set of wishes; any number may be set at once, and the first that is reached decides. A rule holds a fault
for the requests that match, a number of times or until it is cleared; the oldest rule that matches is the one used.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec

HEADER = "x-sim-fault"


class Fault(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True):
    """What to do to one answer. Times are in seconds before the time scale; an event is a frame of the stream.

    A whole answer that is not streamed counts as one event. `*-bytes` count bytes of the body.
    """

    status: int | None = None
    """Answer with this status and the provider's body for it."""
    retry_after: float | None = None
    """For `status`: what to tell about when to come back; by default the provider's usual time for 429."""
    message: str | None = None
    """For `status`: the message instead of the provider's usual one."""

    reset: bool | None = None
    """TCP reset before the headers."""
    reset_bytes: int | None = None
    reset_events: int | None = None
    """TCP reset."""
    eof_bytes: int | None = None
    eof_events: int | None = None
    """The body ends as if it were complete."""
    fin_bytes: int | None = None
    fin_events: int | None = None
    """The connection is closed in the middle of the body."""
    stall_bytes: int | None = None
    stall_events: int | None = None
    """Nothing more is sent, and the connection stays open; PINGs are answered."""
    black_hole_bytes: int | None = None
    black_hole_events: int | None = None
    """Nothing more is sent or read on the whole connection, which stays open: a process that hangs."""
    black_hole: bool | None = None
    """The same before the headers."""
    rst_bytes: int | None = None
    rst_events: int | None = None
    """HTTP/2: RST_STREAM with `rst_code`; HTTP/1.1: TCP reset."""
    rst_code: int = 2
    """INTERNAL_ERROR, unless given (RFC 9113, 7)."""
    malformed_events: int | None = None
    """A frame of broken JSON; the stream goes on after it."""
    error_events: int | None = None
    """The provider's own error event, then a clean end."""

    trickle: float | None = None
    """The body comes byte by byte, each so many seconds after the last."""
    comments: float | None = None
    """A comment each so many seconds of a stream's silence, as some providers send. Server-sent events only."""
    huge_frame: int | None = None
    """The first event with JSON in it has so many bytes, by blanks in front of the JSON. Server-sent events only."""

    refuse_stream: bool | None = None
    """HTTP/2: RST_STREAM with REFUSED_STREAM: not looked at. This, and all up to `no_window`, is not for HTTP/1.1."""
    goaway_events: int | None = None
    """HTTP/2: GOAWAY when so many events have been sent; the connection's streams go on to their end."""
    goaway_refuse: bool | None = None
    """HTTP/2: GOAWAY with a last stream below this one, which is not looked at."""
    no_ping: bool | None = None
    """HTTP/2: from now on no PING on this connection is answered."""
    calm_pings: int | None = None
    calm_seconds: float = 10.0
    """HTTP/2: from now on, more PINGs than that in so many seconds end this connection (ENHANCE_YOUR_CALM)."""
    no_window: bool | None = None
    """HTTP/2: the window of this request's body stays shut. By header only: a rule is looked up for whole requests."""

    ttft: float | None = None
    think: float | None = None
    tps: float | None = None
    tokens: int | None = None
    late_headers: bool | None = None
    """Timing of this request instead of the server's."""

    def on(self, media_type: str) -> Fault:
        """What of it a stream of this media type can bear: other formats than server-sent events have no comments."""
        if (self.comments is None and self.huge_frame is None) or media_type.startswith("text/event-stream"):
            return self
        return msgspec.structs.replace(self, comments=None, huge_frame=None)

    @property
    def cut_kind(self) -> str | None:
        """`reset`, `eof`, `fin`, `stall`, `black_hole` or `rst` if the answer is to be cut; the first in this order."""
        for kind in ("reset", "eof", "fin", "stall", "black_hole", "rst"):
            if getattr(self, f"{kind}_bytes") is not None or getattr(self, f"{kind}_events") is not None:
                return kind
        return None


class Match(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which requests a rule is for: shell patterns, of which those that are given must all fit."""

    credential: str | None = None
    model: str | None = None
    path: str | None = None

    def fits(self, credential: str, model: str, path: str) -> bool:
        """Whether a request with these is meant."""
        pairs = ((self.credential, credential), (self.model, model), (self.path, path))
        return all(pattern is None or fnmatchcase(value, pattern) for pattern, value in pairs)


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fault for the requests that match: `times` of them, or all of them with null."""

    fault: Fault
    match: Match = Match()
    times: int | None = 1


class FaultBook:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __repr__(self) -> str:
        return f"<FaultBook {self._rules!r}>"

    @property
    def rules(self) -> list[Rule]:
        """The rules, oldest first, with the times that are left."""
        return list(self._rules)

    def add(self, rule: Rule) -> None:
        """Put `rule` behind the others."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    def take(self, credential: str, model: str, path: str) -> Fault | None:
        """The fault for this request, counted."""
        for index, rule in enumerate(self._rules):
            if rule.match.fits(credential, model, path):
                if rule.times is not None:
                    left = msgspec.structs.replace(rule, times=rule.times - 1)
                    self._rules[index : index + 1] = [left] if left.times else []
                return rule.fault
        return None


def parse_fault(text: str) -> Fault:
    """A fault from its JSON (`{"status":429}`) or its short form (`status=429,retry-after=3`).

    Raises `ValueError` with the reason.
    """
    text = text.strip()
    if text.startswith("{"):
        return _convert(msgspec.json.decode(text))
    pairs = [pair.partition("=") for pair in text.replace(";", ",").split(",") if pair.strip()]
    return _convert({name.strip(): value.strip() or "true" for name, _, value in pairs})


def parse_rules(body: bytes) -> list[Rule]:
    """One rule or a list of them, as `POST /_sim/faults` takes them. Raises `ValueError` with the reason."""
    given = msgspec.json.decode(body)
    return [_rule(one) for one in (given if isinstance(given, list) else [given])]


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict) or "fault" not in given:
        raise ValueError('a rule is {"fault": {...}, "match": {...}, "times": 1}')
    fault = given["fault"]
    made = parse_fault(fault) if isinstance(fault, str) else _convert(fault)
    if made.no_window is not None:
        raise ValueError(f"no-window goes by the header {HEADER}: rules are looked up when the body has come")
    rule = msgspec.convert({**given, "fault": {}}, Rule)
    if rule.times is not None and rule.times < 1:
        raise ValueError("times must be 1 or more, or null for all requests")
    return msgspec.structs.replace(rule, fault=made)


def _convert(given: Any) -> Fault:
    if not isinstance(given, dict):
        raise ValueError("a fault is an object or a text such as status=429")
    fault = msgspec.convert({name.replace("_", "-"): value for name, value in given.items()}, Fault, strict=False)
    if fault.status is not None and not 400 <= fault.status <= 599:
        raise ValueError("status must be from 400 to 599")
    return fault
