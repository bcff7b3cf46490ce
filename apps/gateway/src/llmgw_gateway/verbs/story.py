"""An explanation as a person reads it: the request, each attempt with its reasons, and what came of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmgw_gateway.verbs import tables

Told = Mapping[str, Any]

_WIDTH = 14
"""Of what stands before the text of a line."""


def told(explanation: Told) -> str:
    """The whole story, without anything that a terminal would obey."""
    lines = [*_request(explanation)]
    for attempt in explanation["attempts"]:
        lines += ["", *_attempt(attempt)]
    if not explanation["attempts"]:
        lines += ["", "It was sent to no account."]
    lines += ["", *_result(explanation)]
    return "\n".join(tables.printable(line) for line in lines)


def seconds(value: float) -> str:
    """A duration, as exact as it is of use."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def input_of(usage: Told) -> int:
    """All input tokens of an answer, cached or not."""
    return int(usage["uncached_input"] + usage["cache_read"] + usage["cache_write_5m"] + usage["cache_write_1h"])


def _line(name: str, text: str) -> str:
    return f"  {name.ljust(_WIDTH)}{text}"


# --- the request ------------------------------------------------------------------------------------------------------


def _request(explanation: Told) -> Iterator[str]:
    request, matches = explanation["request"], explanation["matches"]
    yield f"request {request['id']}"
    if request["request_id"] != request["id"]:
        newest = f" (the newest of {matches} that have it)" if matches > 1 else ""
        yield _line("its client's", f"x-request-id: {request['request_id']}{newest}")
    yield _line("at", request["opened_at"] or request["at"])
    yield _line("from", f"tenant {request['tenant']}, key {request['key']}")
    yield _line("for", f"{request['model'] or 'no model'} ({request['endpoint'] or request['dialect']})")


# --- attempts ---------------------------------------------------------------------------------------------------------


def _attempt(attempt: Told) -> Iterator[str]:
    time = attempt["at"].partition("T")[2].rstrip("Z")
    yield f"attempt {attempt['attempt']}: {attempt['account']} / {attempt['target_model']}, at {time}"
    chosen = attempt["chosen"]
    if chosen is None:
        yield _line("why", "nothing was chosen, or it was not recorded")
    else:
        yield from _chosen(chosen)
    for move in attempt["moved"]:
        word = "bound" if move["event"] == "session.bound" else "moved"
        yield _line(word, f"the session: home {move['home']}, served by {move['current']}")
    yield _line("came of it", _ended(attempt["ended"]))


def _chosen(chosen: Told) -> Iterator[str]:
    words = "/".join(chosen[name] for name in ("placement", "decision", "reason", "trouble") if chosen[name])
    yield _line("why", f"{chosen['why']} [{words}]")
    if fallback := chosen["fallback"]:
        yield _line("instead", f"{fallback['model']} is asked, because of the first model {fallback['why']}")
    if chosen["session"]:
        yield _line("session", f"{chosen['session']}, {_place(chosen)}")
    if chosen["waited_seconds"]:
        yield _line("waited", seconds(chosen["waited_seconds"]))
    if chosen["expected_tokens"]:
        yield _line("expected", f"{chosen['expected_tokens']:,} tokens in the account's cache")
    yield from _block(
        "looked at", [_looked(each) for each in chosen["looked_at"]], ("account", "load", "bound", "share", "why")
    )
    yield from _left_out("left out", chosen)


def _place(chosen: Told) -> str:
    home, current = chosen["home"], chosen["current"]
    if home is None:
        return "new"
    return f"home {home}" if current == home else f"home {home}, served last by {current}"


def _looked(looked: Told) -> dict[str, Any]:
    return {**looked, "bound": looked["bound"] or None, "share": looked["share"] or None}


def _block(name: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[str]:
    """Rows as a table beside their name."""
    if rows:
        first, *rest = tables.table(rows, columns).splitlines()
        yield _line(name, first)
        for row in rest:
            yield _line("", row)


def _left_out(name: str, told: Told) -> Iterator[str]:
    yield from _block(name, told["left_out"], ("account", "word", "why"))
    if told["more_left_out"]:
        yield _line("", f"and {told['more_left_out']} more")


def _ended(ended: Told) -> str:
    if ended["note"]:
        return str(ended["note"])
    parts = [ended["outcome"] if ended["error_code"] is None else f"{ended['outcome']}: {ended['error_code']}"]
    if ended["upstream_status"]:
        parts.append(f"status {ended['upstream_status']}")
    if ended["duration_seconds"] is not None:
        parts.append(f"after {seconds(ended['duration_seconds'])}")
    if ended["error_detail"]:
        parts.append(ended["error_detail"])
    return ", ".join(parts) + _signal(ended["said"])


def _signal(said: Told | None) -> str:
    if said is None:
        return ""
    until = "" if said["seconds"] is None else f" for {seconds(said['seconds'])}"
    what = "the account" if said["whole"] else "this model of it"
    return f"; its provider says of {what}: {said['verdict']}{until} ({said['reason']})"


# --- the result -------------------------------------------------------------------------------------------------------


def _result(explanation: Told) -> Iterator[str]:
    request = explanation["request"]
    parts = [request["outcome"]]
    if request["status"]:
        parts.append(f"status {request['status']}")
    if request["error_code"]:
        parts.append(request["error_code"])
    if request["duration_seconds"] is not None:
        parts.append(f"in {seconds(request['duration_seconds'])}")
    yield "result: " + ", ".join(parts)
    if explanation["error_detail"]:
        yield _line("because", explanation["error_detail"])
    yield from _left_out("left out", explanation)
    if request["queued_seconds"]:
        yield _line("queued", seconds(request["queued_seconds"]))
    if request["first_byte_seconds"] is not None:
        yield _line("first byte", f"after {seconds(request['first_byte_seconds'])}")
    if usage := request["usage"]:
        yield _line("used", f"{input_of(usage):,} tokens in ({usage['cache_read']:,} cached), {usage['output']:,} out")
    if cache := explanation["cache"]:
        yield from _cache(cache)


def _cache(cache: Told) -> Iterator[str]:
    observed = cache["observed_tokens"]
    found = "what was found is not known" if observed is None else f"{observed:,} were found"
    yield _line("cache", f"{cache['expected_tokens']:,} tokens expected, {found}")
    if cache["lost_tokens"]:
        yield _line("lost", f"{cache['lost_tokens']:,} tokens: {cache['why']} [{cache['cause']}]")
