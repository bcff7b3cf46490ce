import msgspec
import openai
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.azure import Azure, deployed, no_resource
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.engine import decide
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal

DIALECT = Azure(Chat())
BODY = {"messages": [{"role": "user", "content": "Hi"}]}


def incoming(headers, body=BODY, model="dep"):
    return msgspec.structs.replace(incoming_of("/x", body, headers), model=model)


def error_of(refusal):
    reply = DIALECT.refuse(refusal, incoming({}))
    return reply.status, msgspec.json.decode(reply.body)["error"]


def test_keys_come_in_a_header_of_their_own():
    """Or as a bearer token; both are refused in the same words."""
    assert (
        "k"
        == DIALECT.credential(incoming({"api-key": "k"}))
        == DIALECT.credential(incoming({"authorization": "Bearer k"}))
    )
    DIALECT.authenticate(incoming({"api-key": "k"}))
    for headers in ({}, {"api-key": "bad"}):
        with pytest.raises(Refusal) as found:
            DIALECT.authenticate(incoming(headers))
        status, error = error_of(found.value)
        assert (401, "401", {"code", "message"}) == (status, error["code"], set(error))


def test_the_deployment_is_the_model():
    """Whatever the body says; without one the body stays as it is."""
    assert "dep" == DIALECT.parse(incoming({}, {**BODY, "model": "other"})).ask.model
    assert "other" == DIALECT.parse(incoming({}, {**BODY, "model": "other"}, "")).ask.model
    broken = msgspec.structs.replace(incoming({}), body=b"{")
    assert broken is deployed(broken)


def test_every_answer_has_filter_results():
    """Of the prompt and of each choice."""
    parsed = DIALECT.parse(incoming({}))
    body = msgspec.json.decode(DIALECT.whole(parsed, decide(parsed.ask, 0)))
    assert "safe" == body["choices"][0]["content_filter_results"]["hate"]["severity"]
    assert {"jailbreak", "hate"} < set(body["prompt_filter_results"][0]["content_filter_results"])


def test_a_stream_begins_with_the_prompts_results():
    """In a chunk without choices, ids or object."""
    parsed = DIALECT.parse(incoming({}))
    frames = [frame.data for frame in DIALECT.frames(parsed, decide(parsed.ask, 0))]
    assert b"data: [DONE]\n\n" == frames.pop()
    first, role, text, *_, last = [msgspec.json.decode(frame.removeprefix(b"data: ")) for frame in frames]
    assert ([], "", "") == (first["choices"], first["id"], first["object"])
    assert "prompt_filter_results" in first
    assert [{}, True, {}] == [
        role["choices"][0]["content_filter_results"],
        bool(text["choices"][0]["content_filter_results"]),
        last["choices"][0]["content_filter_results"],
    ]


def test_errors_are_azures_or_openais():
    """Its own for keys, paths, deployments and limits."""
    own = error_of(Refusal(404, "The model `x` does not exist", code="model_not_found"))
    assert (404, "DeploymentNotFound") == (own[0], own[1]["code"])
    assert (404, {"code": "404", "message": "Resource not found"}) == error_of(no_resource())
    assert "429" == error_of(DIALECT.canned(429))[1]["code"]
    assert "Please retry after 2 seconds" in DIALECT.canned(429).message
    assert "401" == DIALECT.canned(401).code
    assert {"code", "message", "type", "param"} == set(error_of(Refusal(400, "no", param="x"))[1])
    assert {"code", "message", "type", "param"} == set(error_of(Refusal(404, "No such File", param="id"))[1])
    assert 503 == DIALECT.canned(503).status


def test_the_rest_is_the_inner_dialects():
    """Broken frames, and headers with a few more."""
    parsed = DIALECT.parse(incoming({}))
    assert Chat().broken_frame(parsed, "error") == DIALECT.broken_frame(parsed, "error")
    assert "apim-request-id" in DIALECT.headers(incoming({}), parsed)


async def test_the_sdk_reads_it():
    """Azure's own client, by deployment and by version; and OpenAI's at the versionless path."""
    async with (
        Simulator().serve() as running,
        openai.AsyncAzureOpenAI(
            api_key="key-1", azure_endpoint=running.base_url, api_version="2025-04-01-preview", max_retries=0
        ) as classic,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/openai/v1", max_retries=0) as newer,
    ):
        for client in (classic, newer):
            chat = await client.chat.completions.create(model="dep", **BODY)
            assert "You said: Hi" in chat.choices[0].message.content
            stream = await client.chat.completions.create(model="dep", stream=True, **BODY)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            assert chat.choices[0].message.content == text
            response = await client.responses.create(model="dep", input="Hi")
            assert ["prompt", "completion"] == [one["source_type"] for one in response.content_filters]
            assert 1 == len((await client.embeddings.create(model="dep", input="Hi")).data)
            events = [event async for event in await client.responses.create(model="dep", input="Hi", stream=True)]
            assert "response.completed" == events[-1].type
            assert [["prompt"], ["prompt", "completion"]] == [
                [one["source_type"] for one in event.response.content_filters] for event in (events[0], events[-1])
            ]
            assert [model.id async for model in client.models.list()]
        with pytest.raises(openai.NotFoundError) as refused:
            await classic.chat.completions.create(model="missing-model", **BODY)
        assert "DeploymentNotFound" == refused.value.code
        with pytest.raises(openai.AuthenticationError):
            await classic.with_options(api_key="bad").chat.completions.create(model="dep", **BODY)
        assert {"chat", "responses", "embeddings"} == {entry.dialect for entry in running.log.entries}
        assert "dep" == running.log.entries[0].model
