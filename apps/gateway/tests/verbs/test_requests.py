from __future__ import annotations

from typing import Any

import pytest

TURN = {"key": "5e" * 16, "placement": "home", "reason": "free"}


def test_requests_on_a_terminal(gateway: Any, running: Any) -> None:
    """A line for each, newest first: where it went, how it ended, what it used, and of which session it was a turn."""
    running.requests.tell("c1", 100.0, usage={"uncached_input": 3, "cache_read": 20, "output": 4}, session=TURN)
    running.requests.tell("c2", 101.0, outcome="refused", status=503, account=None)
    assert [
        ["AT", "ID", "MODEL", "ACCOUNT", "OUTCOME", "STATUS", "ATTEMPTS", "DURATION", "TOKENS", "SESSION"],
        ["1970-01-01T00:01:41.000Z", "c2", "gpt", "-", "refused", "503", "1", "250", "ms", "-", "-"],
        [
            *("1970-01-01T00:01:40.000Z", "c1", "gpt", "a", "ok", "200", "1", "250", "ms"),
            *("23", "in", "(20", "cached),", "4", "out", "5e5e5e5e", "home"),
        ],
    ] == gateway("requests", "list").rows


def test_filters_and_limits(gateway: Any, running: Any) -> None:
    """All filters together; the newest ones up to the limit; nothing is said as such."""
    for n, key in enumerate("kkx"):
        running.requests.tell(f"c{n}", 100.0 + n, key=key)

    def listed(*options: str) -> list[str]:
        return [request["id"] for request in gateway("requests", "list", "--json", *options).json]

    assert ["c2", "c1"] == listed("--limit", "2")
    assert ["c1", "c0"] == listed("--key", "k", "--account", "a", "--outcome", "ok", "--since", "1970-01-01")
    assert "no requests\n" == gateway("requests", "list", "--session", "none").out
    assert (2, 2) == (
        gateway("requests", "list", "--limit", "0").code,
        gateway("requests", "list", "--since", "soon").code,
    )


def test_one_request(gateway: Any, running: Any) -> None:
    """A field a line, what is empty left out; as JSON every field."""
    running.requests.tell("c1", 100.0)
    lines = dict(line.split(None, 1) for line in gateway("requests", "get", "c1").out.splitlines())
    assert ("c1", "ok", None) == (lines["id"], lines["outcome"], lines.get("error_code"))
    assert "error_code" in gateway("requests", "get", "c1", "--json").json


def test_why_a_request_went_there(gateway: Any, running: Any) -> None:
    """As a person reads it, and as JSON; also by an id with slashes that its client chose."""
    running.requests.tell("c1", 100.0, request_id="a/b")
    said = gateway("explain", "a/b")
    assert (0, "request c1") == (said.code, said.out.splitlines()[0])
    assert "x-request-id: a/b" in said.out
    assert "c1" == gateway("explain", "c1", "--json").json["request"]["id"]


@pytest.mark.parametrize("verb", [("explain",), ("requests", "get")])
def test_what_is_not_in_the_log_is_said(gateway: Any, verb: tuple[str, ...]) -> None:
    """With exit code 1 and what may be the reason."""
    said = gateway(*verb, "nope")
    assert (1, "", True) == (said.code, said.out, "keep_months" in said.err)
