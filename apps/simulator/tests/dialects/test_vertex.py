import asyncio

import anthropic
import msgspec
import pytest
from google import genai
from google.auth.transport.requests import Request
from google.genai import errors, types
from google.oauth2 import service_account as google_accounts

from llmgw_simulator import Simulator, SimulatorConfig
from llmgw_simulator.google_token import PREFIX
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.service import Service
from llmgw_simulator.testing import KEYS, PATHS, incoming_of, request_of, service_account

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]


def answered(path, body, headers):
    performance = Service(SimulatorConfig()).receive(incoming_of(path, body, headers))[1]
    return performance, msgspec.json.decode(list(performance.steps)[1].data)


@pytest.mark.parametrize("dialect", ["vertex", "vertex-claude"])
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "CREDENTIALS_MISSING"),
        ({"authorization": "Bearer bad"}, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({"authorization": f"Bearer {PREFIX}AAAA"}, "ACCESS_TOKEN_EXPIRED"),
        ({"x-goog-api-key": "key-1"}, "CREDENTIALS_MISSING"),
    ],
)
def test_tokens_are_wanted(dialect, headers, reason):
    """The platform refuses in its own envelope, whoever's model it is."""
    performance, body = answered(*request_of(dialect, "x"), headers)
    assert (401, "UNAUTHENTICATED") == (performance.status, body["error"]["status"])
    assert reason == body["error"]["details"][0]["reason"]
    assert performance.headers["www-authenticate"].startswith('Bearer realm="https://accounts.google.com/"')


async def test_an_access_token_ends(known):
    """Google's library keeps it as long as it is told; the next call is refused."""
    running, credentials = known
    await asyncio.to_thread(credentials.refresh, Request())
    path, body = request_of("vertex", "x")
    for later, status in ((0, 200), (3700, 401)):
        incoming = incoming_of(path, body, {"authorization": f"Bearer {credentials.token}"})
        incoming = msgspec.structs.replace(incoming, now=running.log.entries[0].started + later)
        assert status == Service(SimulatorConfig()).receive(incoming)[1].status


def test_express_mode_takes_keys():
    """On a path without a project."""
    path = "/v1/publishers/google/models/gemini-2.5-flash:generateContent"
    body = request_of("vertex", "x")[1]
    assert 200 == answered(path, body, {"x-goog-api-key": "key-1"})[0].status
    assert 400 == answered(path, body, {"x-goog-api-key": "bad"})[0].status


@pytest.mark.parametrize("dialect", ["vertex", "vertex-claude"])
def test_a_missing_model_is_missed_by_its_full_name(dialect):
    """In Google's envelope."""
    path, body = request_of(dialect, "x")
    start, _, tail = path.rpartition("/")
    performance, told = answered(f"{start}/missing-model:{tail.rpartition(':')[2]}", body, KEYS[dialect])
    assert 404 == performance.status
    name = f"{start.removeprefix('/v1/')}/missing-model"
    assert f"Publisher Model `{name}` not found." == told["error"]["message"]


@pytest.mark.parametrize(("status", "envelope"), [(429, "status"), (401, "status"), (529, "type"), (400, "type")])
def test_claudes_errors_are_its_own_but_for_the_platforms(status, envelope):
    """A quota is Google's, an overload is Anthropic's."""
    headers = KEYS["vertex-claude"] | {"x-sim-fault": f"status={status}"}
    performance, body = answered(*request_of("vertex-claude", "x"), headers)
    assert (status, True) == (performance.status, envelope in body["error"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anthropic_version": None}, "anthropic_version: Field required"),
        ({"anthropic_version": "bedrock-2023-05-31"}, 'anthropic_version: "bedrock-2023-05-31" is not a valid version'),
        ({"model": "claude"}, "model: Extra inputs are not permitted"),
        ({"anthropic_beta": "x"}, "anthropic_beta: Input should be a valid list"),
        ({"context_management": {}}, "context_management: Extra inputs are not permitted"),
        ({"anthropic_version": "2026-10-21", "temperature": 1}, "temperature: Extra inputs are not permitted"),
    ],
)
def test_what_claude_refuses_on_vertex(change, message):
    """The version is in the body and the model is not."""
    path, body = request_of("vertex-claude", "x")
    body = {name: value for name, value in {**body, **change}.items() if value is not None}
    performance, told = answered(path, body, KEYS["vertex-claude"])
    assert (400, message) == (performance.status, told["error"]["message"])


def test_betas_may_be_in_the_body_or_the_header():
    """Both open beta fields."""
    path, body = request_of("vertex-claude", "x", context_management={})
    for more, headers in (({"anthropic_beta": ["b"]}, {}), ({}, {"anthropic-beta": "b"})):
        assert 200 == answered(path, body | more, KEYS["vertex-claude"] | headers)[0].status


def test_roles_are_wanted():
    """AI Studio guesses them, Vertex does not."""
    performance, told = answered(PATHS["vertex"], {"contents": [{"parts": [{"text": "x"}]}]}, KEYS["vertex"])
    assert (400, "Please use a valid role: user, model.") == (performance.status, told["error"]["message"])


def test_unknown_methods_are_not_found():
    """A model of one publisher has not those of another."""
    path = PATHS["vertex-claude"].replace("rawPredict", "generateContent")
    assert 404 == Service(SimulatorConfig()).receive(incoming_of(path, {}, KEYS["vertex"]))[1].status


@pytest.fixture
async def known():
    """A simulator that knows one service account, and Google's credentials for it."""
    async with Simulator().serve() as first:
        port = first.port
    account = service_account(f"http://127.0.0.1:{port}/token")
    async with Simulator(SimulatorConfig(keyring=Keyring(google=account.public))).serve(port=port) as running:
        yield running, google_accounts.Credentials.from_service_account_info(account.file, scopes=SCOPES)


async def test_the_official_sdk_gets_a_token_and_answers(known):
    """By Google's own authentication library, once for both calls."""
    running, credentials = known
    options = types.HttpOptions(base_url=running.base_url)
    client = genai.Client(vertexai=True, project="p", location="global", credentials=credentials, http_options=options)

    def ask():
        whole = client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
        chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"))
        return whole, chunks

    whole, chunks = await asyncio.to_thread(ask)
    assert "You said: Hello" in whole.text
    assert whole.text == "".join(chunk.text or "" for chunk in chunks)
    assert whole.usage_metadata.total_token_count == chunks[-1].usage_metadata.total_token_count
    assert None is chunks[0].usage_metadata.total_token_count
    assert ["oauth", "vertex", "vertex"] == [entry.dialect for entry in running.log.entries]


async def test_the_official_sdk_counts_and_embeds(known):
    """By the three methods that Vertex has for embeddings."""
    running, credentials = known
    options = types.HttpOptions(base_url=running.base_url)
    client = genai.Client(vertexai=True, project="p", location="global", credentials=credentials, http_options=options)
    config = types.EmbedContentConfig(output_dimensionality=8)

    def ask():
        counted = client.models.count_tokens(model="gemini-2.5-flash", contents="Hello")
        models = ("text-embedding-005", "gemini-embedding-2")
        return counted, [client.models.embed_content(model=m, contents="a", config=config) for m in models]

    counted, embedded = await asyncio.to_thread(ask)
    assert (5, 5) == (counted.total_tokens, 3 + 2)
    assert [8, 8] == [len(one.embeddings[0].values) for one in embedded]
    paths = [entry.path.rpartition(":")[2] for entry in running.log.entries]
    assert ["/token", "countTokens", "predict", "embedContent"] == paths


async def test_an_unknown_account_gets_no_token(known):
    """And so nothing else."""
    running, _ = known
    file = service_account(f"{running.base_url}/token", "stranger@example.com").file
    credentials = google_accounts.Credentials.from_service_account_info(file, scopes=SCOPES)
    options = types.HttpOptions(base_url=running.base_url)
    client = genai.Client(vertexai=True, project="p", location="global", credentials=credentials, http_options=options)
    with pytest.raises(Exception, match="account not found"):
        await asyncio.to_thread(lambda: client.models.generate_content(model="gemini-2.5-flash", contents="x"))


async def test_the_official_sdk_of_anthropic_completes_a_tool_loop_on_vertex():
    """With thinking, streamed, and counted."""
    async with (
        Simulator().serve() as running,
        anthropic.AsyncAnthropicVertex(
            base_url=f"{running.base_url}/v1",
            project_id="p",
            region="global",
            access_token="token",
        ) as client,
    ):
        thinking = {"type": "enabled", "budget_tokens": 1024}
        request = {"model": "claude-sonnet-4-5@20250929", "max_tokens": 4000, "tools": TOOLS, "thinking": thinking}
        messages = [{"role": "user", "content": "weather please"}]
        async with client.messages.stream(messages=messages, **request) as stream:
            first = await stream.get_final_message()
        assert ("tool_use", True) == (first.stop_reason, first.id.startswith("msg_vrtx_"))
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "12 degrees"}
            for block in first.content
            if block.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = await client.messages.create(messages=messages, **request)
        assert "12 degrees" in second.content[-1].text
        counted = await client.messages.count_tokens(
            messages=messages, model=request["model"], tools=TOOLS, thinking=thinking
        )
        assert counted.input_tokens == second.usage.input_tokens
        actions = [entry.path.rpartition("/")[2].rpartition(":") for entry in running.log.entries]
        assert ["streamRawPredict", "rawPredict", "rawPredict"] == [action for *_, action in actions]


async def test_the_official_sdk_reads_the_errors():
    """Google's envelope, as its SDK expects it."""
    async with Simulator().serve() as running:
        options = types.HttpOptions(base_url=running.base_url, headers={"x-sim-fault": "status=429"})
        async with genai.Client(vertexai=True, api_key="key-1", http_options=options).aio as client:
            with pytest.raises(errors.ClientError, match="Resource exhausted"):
                await client.models.generate_content(model="gemini-2.5-flash", contents="x")
