"""contract.md, "Metrics", and the log line of a request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NAMES = {
    "gateway_requests_total": {"dialect", "provider", "model", "account", "outcome"},
    "gateway_request_seconds": {"dialect", "provider", "model"},
    "gateway_time_to_first_token_seconds": {"dialect", "provider", "model"},
    "gateway_overhead_seconds": set(),
    "gateway_tokens_total": {"kind"},
    "gateway_inflight": set(),
    "gateway_catalog_version": {"version"},
    "gateway_account_state": {"account", "state"},
    "gateway_upstream_connections": {"transport", "origin", "state"},
    "gateway_pings_total": {"outcome"},
    "gateway_session_turns_total": {"placement"},
    "gateway_cache_expected_tokens_total": set(),
    "gateway_cache_observed_tokens_total": set(),
    "gateway_account_error_rate": {"account"},
    "gateway_account_leases": {"account"},
    "gateway_queue_depth": set(),
    "gateway_queued_seconds": set(),
}
"""The metrics of this version and their labels."""

FIELDS = {
    "ts",
    "level",
    "event",
    "request_id",
    "tenant",
    "key",
    "dialect",
    "model",
    "account",
    "provider",
    "target_model",
    "stream",
    "status",
    "outcome",
    "finish",
    "attempts",
    "duration_ms",
    "first_byte_ms",
    "overhead_ms",
    "session",
    "placement",
    "reason",
    "tokens_input",
    "tokens_cache_read",
    "tokens_cache_write",
    "tokens_output",
    "bytes_sent",
    "bytes_received",
    "client",
    "user_agent",
    "config_version",
}
"""What the line of a served request has."""


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


async def metrics(stack) -> list[tuple[str, dict[str, str], float]]:
    async with stack.http.get(f"{stack.admin}/metrics") as response:
        text = await response.text()
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            found.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
    return found


def value(samples, name: str, **labels: str) -> float:
    return sum(v for n, given, v in samples if n == name and labels.items() <= given.items())


async def test_the_metrics_have_their_names_and_labels(stack, call):
    """Every documented metric of this version is there after one call, with its labels."""
    await call()
    samples = await metrics(stack)
    for name, labels in NAMES.items():
        found = [set(given) - {"le"} for n, given, _ in samples if re.fullmatch(f"{name}(_bucket|_sum|_count)?", n)]
        assert found, name
        assert all(given == labels for given in found), name


async def test_every_metric_is_documented(stack, call):
    """The page on metrics names each one that there is."""
    await call()
    async with stack.http.get(f"{stack.admin}/metrics") as response:
        names = re.findall(r"^# TYPE (\w+)", await response.text(), re.MULTILINE)
    page = (ROOT / "docs/metrics.md").read_text()
    assert [] == [name for name in names if f"`{name}`" not in page]


async def test_turns_of_a_session_are_counted(stack, call):
    """A conversation's first turn is new, its second at home; the log and the header say the same."""
    headers = {"x-session-id": "one"}
    answers = [await call(headers=headers), await call(headers=headers)]
    lines = await call.logged(2)
    assert ["new", "home"] == [answer.headers["x-gw-session"] for answer in answers]
    assert [("new", "unknown"), ("home", "free")] == [(line["placement"], line["reason"]) for line in lines]
    assert lines[0]["session"] == lines[1]["session"]
    samples = await metrics(stack)
    turns = {given["placement"]: n for name, given, n in samples if name == "gateway_session_turns_total"}
    assert {"new": 1, "home": 1} == turns


async def test_calls_are_counted_by_how_they_ended(stack, call, dialect):
    """ok, refused and failed, by dialect, provider, model and account."""
    provider = {"chat": "openai", "messages": "anthropic", "gemini": "google"}[dialect]
    await call(dialect)
    await call.fault(status=500)
    await call(dialect)
    await call.fault(eof_events=8, tps=400)
    await call(dialect, stream=True)
    await call.logged(3)
    samples = await metrics(stack)
    labels = {
        "dialect": dialect,
        "provider": provider,
        "account": f"{provider}-a",
        "model": stack.requests[-1]["model"],
    }
    counts = {o: value(samples, "gateway_requests_total", outcome=o, **labels) for o in ("ok", "refused", "failed")}
    assert counts == {"ok": 1, "refused": 1, "failed": 1}
    assert value(samples, "gateway_request_seconds_count", dialect=dialect) == 3
    assert value(samples, "gateway_time_to_first_token_seconds_count", dialect=dialect) == 2


async def test_tokens_are_counted_by_kind(stack, call):
    """What the provider reported, added up."""
    answer = await call()
    samples = await metrics(stack)
    usage = answer.json["usage"]
    assert value(samples, "gateway_tokens_total", kind="input") == usage["prompt_tokens"]
    assert value(samples, "gateway_tokens_total", kind="output") == usage["completion_tokens"]
    kinds = {given["kind"] for name, given, _ in samples if name == "gateway_tokens_total"}
    assert kinds == {"input", "cache_read", "cache_write", "output", "reasoning"}


async def test_inflight_rises_and_falls(stack, call):
    """Calls at a provider, while they are there."""
    await call.fault(tps=20, tokens=100)
    async with call.open(stream=True) as response:
        await response.content.readany()
        assert value(await metrics(stack), "gateway_inflight") == 1
        assert value(await metrics(stack), "gateway_upstream_connections", state="leased") == 1
        assert value(await metrics(stack), "gateway_upstream_leases", transport="http1") == 1
        response.close()
    await stack.settle()
    assert value(await metrics(stack), "gateway_inflight") == 0


async def test_names_that_clients_make_up_are_no_labels(stack, call):
    """Unknown models and what stood for a star do not make new series."""
    for n in range(5):
        await call(model=f"nonesuch-{n}")
        await call(model=f"openai/made-up-{n}")
    models = {given.get("model") for _, given, _ in await metrics(stack)}
    assert models - {None} == {"none", "openai/*"}


async def test_the_log_line_of_a_served_request(stack, call, dialect):
    """One JSON line with who, what, where, how long and how much; the numbers are the answer's own."""
    for stream in (False, True):
        answer = await call(dialect, stream=stream, headers={"user-agent": "test/1"})
        (line,) = await call.logged()
        assert set(line) - {"tokens_reasoning"} == FIELDS
        assert line["bytes_sent"] == len(answer.raw)
        assert line["request_id"] == answer.headers["x-request-id"]
        expected = {
            "event": "request",
            "level": "info",
            "outcome": "ok",
            "status": 200,
            "finish": "stop",
            "attempts": 1,
        }
        assert {name: line[name] for name in expected} == expected
        known = {"key": "test", "tenant": "default", "dialect": dialect, "stream": stream, "client": "127.0.0.1"}
        assert {name: line[name] for name in known} == known
        assert line["user_agent"] == "test/1"
        assert 0 < line["overhead_ms"] < line["duration_ms"]
        assert min(line["tokens_input"], line["tokens_output"]) > 0
    assert len(stack.requests) == 2


async def test_every_request_has_one_line(stack, call, dialect):
    """So have those that were refused, at the door, for their model, and by the provider."""
    await call(dialect, headers={"authorization": "Bearer wrong"})
    await call(dialect, model="nonesuch")
    await call.fault(status=400)
    await call(dialect)
    lines = await call.logged(3)
    assert [(line["status"], line["outcome"]) for line in lines] == [
        (401, "refused"),
        (404, "refused"),
        (400, "refused"),
    ]
    codes = [line["error_code"] for line in lines]
    assert codes[:2] == ["invalid_api_key", "model_not_found"]
    assert len(stack.requests) == 3


async def test_prompts_and_answers_are_never_logged(stack, call, dialect):
    """In no line of a request that was served, refused or broken."""
    for fault in ({}, {"status": 500}, {"eof_events": 8, "tps": 400}):
        await call.fault(**fault)
        for stream in (False, True):
            await call(dialect, stream=stream, text="xyzzy plugh")
    await call.logged(6)
    assert "xyzzy" not in str(stack.lines)
    assert "You said" not in str(stack.lines)


async def test_what_a_provider_quotes_of_a_prompt_is_not_logged(stack, call, dialect):
    """A refusal may quote the request; its words are for the client alone."""
    await call.fault(status=400, message="cannot parse 'xyzzy'")
    await call(dialect, text="xyzzy plugh")
    await call.logged()
    assert "xyzzy" not in str(stack.lines)


async def test_keys_are_never_logged(stack, call, dialect):
    """Neither clients' keys, good or bad, nor credentials, wherever a client puts them."""
    await call(dialect, headers={"user-agent": stack.key, "x-gw-tags": f"k={stack.key}"})
    await call(dialect, headers={"authorization": "Bearer gw-0123456789abcdef0123456789abcdef"})
    await call.logged(2)
    text = str(stack.lines)
    assert "gw-0123456789abcdef0123456789abcdef" not in text
    assert "sk-up-stream" not in text
    assert stack.key not in text
