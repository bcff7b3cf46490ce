"""What a provider says of its models decides how they are asked; before it was read, their names do."""

from __future__ import annotations

import pytest

from llmgw_simulator import SimulatorConfig

MODELS = ("claude-sonnet-3-9", "claude-haiku-4-9", "gemini-2.0-flash")
"""The first two are in no table of the gateway's, so they count as the newest; the simulator knows them as older."""
MORE = """
[[models]]
name = "claude/*"
targets = [{ pool = "anthropic", model = "*" }]
max_output_tokens = 100000

[[models]]
name = "gemini/*"
targets = [{ pool = "google", model = "*" }]
"""
GONE = """
[[accounts]]
id = "gone"
provider = "anthropic"
credential = "env:UP_KEY"
pool = "gone"
base_url = "http://127.0.0.1:9"
"""
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
}


@pytest.fixture
async def call(open_stack, caller):
    """A client of a gateway that has read no list yet; `await call.stack.gateway.lists.refresh()` reads them."""
    async with open_stack(simulator=SimulatorConfig(models=MODELS), more=MORE) as stack:
        yield caller(stack)


async def sent(call, **more):
    """The answer, and the body of the request that the provider got."""
    answer = await call("chat", **more)
    return answer, (await call.stack.upstream_saw())[-1]["body"]


async def test_an_older_model_of_an_unknown_name(call):
    """By its name it is asked for what it refuses; as its provider tells it, it has a budget, and no schemas."""
    wish = {"model": "claude/claude-sonnet-3-9", "reasoning_effort": "high", "response_format": FORMAT}
    await sent(call, **wish)
    body = (await call.stack.upstream_saw())[0]["body"]
    assert ("adaptive", {"effort", "format"}) == (body["thinking"]["type"], body["output_config"].keys())

    await call.stack.gateway.lists.refresh()
    answer, body = await sent(call, **wish)
    assert (200, {"type": "enabled", "budget_tokens": 16_384}) == (answer.status, body["thinking"])
    assert "output_config" not in body
    assert "response_format" == answer.headers["x-gw-lossy"]


async def test_a_model_that_can_stop_thinking(call):
    """A name that is not known is taken for one that always thinks; its provider knows better."""
    wish = {"model": "claude/claude-haiku-4-9", "reasoning_effort": "none", "temperature": 0.5}
    answer, body = await sent(call, **wish)
    assert ({"effort": "low"}, False) == (body["output_config"], "thinking" in body)
    assert "reasoning_effort,temperature" == answer.headers["x-gw-lossy"]

    await call.stack.gateway.lists.refresh()
    answer, body = await sent(call, **wish)
    assert ({"type": "disabled"}, False) == (body["thinking"], "output_config" in body)
    # Of sampling no provider says anything, so the name still decides.
    assert "temperature" == answer.headers["x-gw-lossy"]


async def test_the_output_limit_is_at_most_the_models(call):
    """The configured limit of 100000 tokens is more than the model gives, as its provider says."""
    limits = []
    for _ in range(2):
        limits.append((await sent(call, model="claude/claude-haiku-4-9"))[1]["max_tokens"])
        await call.stack.gateway.lists.refresh()
    assert [100_000, 64_000] == limits


async def test_whether_a_gemini_model_thinks(call):
    """By its name the model is too old to think; Google says that it does."""
    wish = {"model": "gemini/gemini-2.0-flash", "reasoning_effort": "low"}
    answer, body = await sent(call, **wish)
    assert ("reasoning_effort", False) == (answer.headers["x-gw-lossy"], "thinkingConfig" in body)
    await call.stack.gateway.lists.refresh()
    answer, body = await sent(call, **wish)
    assert 2048 == body["generationConfig"]["thinkingConfig"]["thinkingBudget"]


async def test_rounds_begin_by_themselves_and_end_with_the_drain(open_stack):
    """The first one comes a moment after the start, with the accounts' own credentials."""
    more = "[model_lists]\nfirst_seconds = 0.0"
    async with open_stack(simulator=SimulatorConfig(models=MODELS), more=more) as stack:
        lists = stack.gateway.lists
        for _ in range(300):
            if lists.of("anthropic-a", MODELS[0]) and lists.of("google-a", MODELS[2]):
                break
            await stack.sim("GET", "log")
        assert "enabled" in lists.of("anthropic-a", MODELS[0]).thinking_types
        assert lists.of("google-a", MODELS[2]).max_output_tokens == 65_536
        saw = [(r["method"], r["path"]) for r in await stack.upstream_saw()]
        assert [("GET", "/v1/models"), ("GET", "/v1/models"), ("GET", "/v1beta/models")] == sorted(saw)
        await stack.gateway.drain(1)
        assert lists._task.done()
        assert [] == [line for line in stack.lines if line["level"] in ("warning", "error")]


async def test_a_list_that_cannot_be_read_changes_nothing(open_stack, caller):
    """Calls go on as before; the log has one line, which names the account."""
    async with open_stack(more=GONE) as stack:
        await stack.gateway.lists.refresh()
        await stack.gateway.lists.refresh()
        assert ["gone"] == [line["account"] for line in stack.lines if line["level"] == "warning"]
        assert 200 == (await caller(stack)("chat", model="sim/claude")).status
