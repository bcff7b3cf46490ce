"""contract.md, "Client APIs". Keys in every header on every path are in `test_bad_input`."""

from __future__ import annotations

import pytest

MODEL = "sim/gemini"
GENERATE = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
FORMS = ["models/sim/gemini", "models/sim%2Fgemini", "sim/gemini", "sim%2Fgemini", "models%2Fsim%2Fgemini"]


async def post(stack, path: str, body, headers=None):
    from yarl import URL

    given = {"x-goog-api-key": stack.key} if headers is None else headers
    async with stack.http.post(URL(stack.base + path, encoded=True), json=body, headers=given) as response:
        return response.status, response.headers, await response.read()


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("form", FORMS)
async def test_gemini_paths(stack, version, form):
    """Both versions; raw slashes, %2F, and a missing `models/`."""
    status, headers, raw = await post(stack, f"/{version}/{form}:generateContent", GENERATE)
    assert (status, headers["x-gw-account"]) == (200, "google-a")
    assert b"You said: Hi" in raw


@pytest.mark.parametrize("model", ["sim/gemini", "sim/gpt"])
async def test_gemini_streams_as_events_and_as_an_array(stack, call, model):
    """`alt=sse` gives events, without it one JSON array; both hold the same answer."""
    streamed = await call("gemini", stream=True, model=model)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    array = await call("gemini", path=f"/v1beta/models/{model}:streamGenerateContent")
    assert array.headers["content-type"].startswith("application/json")
    assert said(streamed.frames) == said(array.json)
    assert array.json[-1]["candidates"][0]["finishReason"] == "STOP"


def said(chunks) -> str:
    return "".join(p.get("text", "") for c in chunks for p in c["candidates"][0].get("content", {}).get("parts", []))


@pytest.mark.parametrize("model", ["sim/gemini", "sim/gpt", "sim/claude"])
async def test_gemini_snake_case_fields(stack, call, model):
    """The fields of the REST API and those of protobuf JSON mean the same."""
    camel = {
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "generationConfig": {"maxOutputTokens": 7, "stopSequences": ["zz"]},
    }
    snake = {
        "system_instruction": {"parts": [{"text": "Be brief"}]},
        "generation_config": {"max_output_tokens": 7, "stop_sequences": ["zz"]},
    }
    answers = [await call("gemini", model=model, **fields) for fields in (camel, snake)]
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].json["candidates"] == answers[1].json["candidates"]
    assert answers[1].json["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize("version", ["2023-01-01", "2023-06-01", "2026-10-21", "2099-12-31", "anything", None])
@pytest.mark.parametrize("model", ["sim/claude", "sim/gpt"])
async def test_any_anthropic_version(stack, call, model, version):
    """Every `anthropic-version` is taken, and none."""
    headers = {"anthropic-version": version} if version else {}
    answer = await call("messages", model=model, headers=headers)
    assert (answer.status, answer.json["type"]) == (200, "message")


@pytest.mark.parametrize("inbound", ["chat", "messages", "gemini"])
@pytest.mark.parametrize("model", ["sim/gpt", "sim/claude", "sim/gemini"])
async def test_any_dialect_reaches_any_provider(stack, call, inbound, model):
    """All nine pairs answer, streamed and not, under the client's own name of the model where it has one."""
    for stream in (False, True):
        answer = await call(inbound, model=model, stream=stream)
        assert answer.status == 200
        # A streamed text comes in pieces.
        assert (b"You said: Hi" in answer.raw) or stream
    line = stack.requests[-1]
    assert (line["dialect"], line["model"], line["outcome"]) == (inbound, model, "ok")


async def test_an_openai_compatible_server_needs_no_credential(open_stack, caller):
    """`openai-compatible` takes a base URL with /v1, and a key is optional."""
    async with open_stack() as first:
        more = f"""
[[accounts]]
id = "local"
provider = "openai-compatible"
base_url = "{first.simulator.base_url}/v1"
credential = "env:UP_KEY"
pool = "local"

[[models]]
name = "local/*"
targets = [{{ pool = "local", model = "*" }}]
"""
        async with open_stack(more=more) as stack:
            answer = await caller(stack)(model="local/some/model")
            assert (answer.status, answer.headers["x-gw-model"]) == (200, "some/model")


@pytest.mark.parametrize("dialect", ["chat", "messages", "gemini"])
async def test_the_clients_key_goes_no_further(stack, call, dialect):
    """The provider gets the account's credential in its own header, and nothing of the client's key."""
    headers = {"x-api-key": stack.key, "x-goog-api-key": stack.key}
    assert (await call(dialect, headers=headers)).status == 200
    seen = (await stack.upstream_saw())[-1]
    assert seen["credential"] == "sk-up-stream"
    assert stack.key not in str(seen)


async def test_a_star_goes_on_as_the_model(stack, call):
    """What the star matched is the provider's model, with slashes and all."""
    answer = await call(model="openai/gpt-4o/x")
    assert (answer.status, answer.headers["x-gw-model"]) == (200, "gpt-4o/x")
    assert (await stack.upstream_saw())[-1]["model"] == "gpt-4o/x"
