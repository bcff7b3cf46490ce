"""contract.md, "Client APIs": every path beside chats, with the SDK that asks for it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from llmgw_httpapi.config import HttpConfig

PLAIN_KEY = "gw-plain-key-0123456789abcdefghijklmno"
PLAIN_HASH = "sha256:" + hashlib.sha256(PLAIN_KEY.encode()).hexdigest()

MORE = f"""
policy = "all"

[[keys]]
id = "plain"
hash = "{PLAIN_HASH}"
policy = "narrow"

[[policies]]
id = "all"
endpoints = ["*"]

[[policies]]
id = "narrow"
models = ["sim/*"]
endpoints = ["files"]

[[accounts]]
id = "openai-b"
provider = "openai"
credential = "env:UP_KEY_B"
base_url = "{{simulator}}/v1"
pool = "second"

[[models]]
name = "google/*"
targets = [{{ pool = "google", model = "*" }}]

[[models]]
name = "anthropic/*"
targets = [{{ pool = "anthropic", model = "*" }}]
"""

WAV = b"RIFF" + b"\0" * 400
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class SDKs:
    """A stack and the official clients of one key of it."""

    def __init__(self, stack: Any, key: str) -> None:
        self.stack = stack
        self.openai = openai.AsyncOpenAI(base_url=f"{stack.base}/v1", api_key=key, max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=stack.base, api_key=key, max_retries=0)
        self.genai = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=stack.base))

    async def aclose(self) -> None:
        await self.openai.close()
        await self.anthropic.close()
        await self.genai.aio.aclose()
        self.genai.close()

    async def line(self) -> dict[str, Any]:
        """The log line of the last request."""
        await self.stack.settle()
        return self.stack.requests[-1]


@asynccontextmanager
async def opened(open_stack: Any, engine: str) -> AsyncIterator[Any]:
    """A stack with two pools of OpenAI's, whose main key may do everything."""
    async with open_stack(engine=engine, more=MORE, environ={"UP_KEY_B": "sk-b"}) as stack:
        yield stack
        await stack.settle()
        stack.assert_nothing_left()


@pytest.fixture
async def wide(open_stack):
    """That stack on the usual engine."""
    async with opened(open_stack, "hypercorn") as stack:
        yield stack


@pytest.fixture(params=["hypercorn", "uvicorn"])
async def each(request, open_stack):
    """That stack on each engine, for what HTTP servers may do in different ways."""
    async with opened(open_stack, request.param) as stack:
        yield stack


@pytest.fixture
async def sdks(wide):
    clients = SDKs(wide, wide.key)
    yield clients
    await clients.aclose()


@pytest.fixture
async def plain(wide):
    """The clients of a key that may use `sim/*` and files."""
    clients = SDKs(wide, PLAIN_KEY)
    yield clients
    await clients.aclose()


# --- lists of models --------------------------------------------------------------------------------------------------

NAMED = ["sim/claude", "sim/gemini", "sim/gpt"]


async def test_models_in_three_shapes(sdks):
    """Each SDK lists them and gets one, slash and all; a star is no model."""
    assert NAMED == sorted([m.id async for m in sdks.openai.models.list()])
    assert NAMED == sorted([m.id async for m in sdks.anthropic.models.list()])
    listed = await sdks.genai.aio.models.list()
    assert [f"models/{name}" for name in NAMED] == sorted([m.name async for m in listed])
    assert ("sim/gpt", "model") == ((m := await sdks.openai.models.retrieve("sim/gpt")).id, m.object)
    assert ("sim/claude", "model") == ((m := await sdks.anthropic.models.retrieve("sim/claude")).id, m.type)
    assert "models/sim/gemini" == (await sdks.genai.aio.models.get(model="sim/gemini")).name


async def test_models_page_by_page(sdks):
    """Anthropic's and Google's lists have pages."""
    first = await sdks.anthropic.models.list(limit=2)
    assert (2, True) == (len(first.data), first.has_more)
    assert NAMED == sorted([m.id async for m in sdks.anthropic.models.list(limit=1)])
    back = await sdks.anthropic.models.list(limit=1, before_id=first.data[1].id)
    assert [first.data[0].id] == [m.id for m in back.data]
    listed = await sdks.genai.aio.models.list(config={"page_size": 2})
    assert (2, 3) == (len(listed.page), len([m async for m in listed]))


async def test_a_policy_narrows_the_list(open_stack):
    """A key sees what it may use, and no more."""
    more = 'policy = "one"\n[[policies]]\nid = "one"\nmodels = ["sim/gpt"]\n'
    async with open_stack(more=more) as stack:
        sdks = SDKs(stack, stack.key)
        assert ["sim/gpt"] == [m.id async for m in sdks.openai.models.list()]
        assert ["sim/gpt"] == [m.id async for m in sdks.anthropic.models.list()]
        with pytest.raises(openai.NotFoundError):
            await sdks.openai.models.retrieve("sim/claude")
        with pytest.raises(anthropic.NotFoundError):
            await sdks.anthropic.models.retrieve("sim/claude")
        with pytest.raises(genai_errors.ClientError) as caught:
            await sdks.genai.aio.models.get(model="sim/claude")
        assert (404, "NOT_FOUND") == (caught.value.code, caught.value.status)
        await sdks.aclose()


@pytest.mark.parametrize(
    ("query", "headers"),
    [("limit=0", {"anthropic-version": "1"}), ("after_id=none", {"anthropic-version": "1"}), ("pageToken=none", {})],
)
async def test_a_page_that_makes_no_sense(wide, query, headers):
    """A 400 that names the parameter."""
    path = "/v1/models" if headers else "/v1beta/models"
    given = {"x-api-key": wide.key, **headers}
    async with wide.http.get(f"{wide.base}{path}?{query}", headers=given) as response:
        assert (400, True) == (response.status, query.partition("=")[0] in await response.text())


# --- embeddings -------------------------------------------------------------------------------------------------------

EMBEDDERS = ["openai/text-embedding-3-small", "google/gemini-embedding-001"]


@pytest.mark.parametrize("model", EMBEDDERS)
async def test_embeddings_of_the_openai_sdk(sdks, model):
    """The SDK asks for base64 and makes numbers of it; asked for numbers it gets the same ones."""
    made = await sdks.openai.embeddings.create(model=model, input=["one", "two"])
    assert [0, 1] == [e.index for e in made.data]
    floats = await sdks.openai.embeddings.create(model=model, input="one", encoding_format="float")
    assert made.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert made.data[0].embedding != made.data[1].embedding
    assert abs(sum(x * x for x in made.data[0].embedding) - 1) < 1e-3
    few = await sdks.openai.embeddings.create(model=model, input="one", dimensions=256)
    assert 256 == len(few.data[0].embedding)
    assert (await sdks.line())["outcome"] == "ok"


@pytest.mark.parametrize("model", EMBEDDERS)
async def test_embeddings_of_the_google_sdk(sdks, model):
    """One text, and several at once, with as many dimensions as are wanted."""
    one = await sdks.genai.aio.models.embed_content(model=model, contents="one")
    several = await sdks.genai.aio.models.embed_content(
        model=model, contents=["one", "two"], config={"output_dimensionality": 64}
    )
    assert (1, 2) == (len(one.embeddings), len(several.embeddings))
    assert 64 == len(several.embeddings[0].values)


async def test_embeddings_are_the_same_from_both_sides(sdks):
    """The client's dialect changes nothing about a vector."""
    ours = await sdks.openai.embeddings.create(model="google/gemini-embedding-001", input="one")
    theirs = await sdks.genai.aio.models.embed_content(model="google/gemini-embedding-001", contents="one")
    assert ours.data[0].embedding == pytest.approx(theirs.embeddings[0].values, abs=1e-6)


async def test_embeddings_where_there_are_none(sdks):
    """A provider without them is a 400 that says so."""
    with pytest.raises(openai.BadRequestError, match="model"):
        await sdks.openai.embeddings.create(model="sim/claude", input="one")


@pytest.mark.parametrize(
    "model",
    [
        "azure/text-embedding-3-small",
        "vertex/gemini-embedding-001",
        "vertex/gemini-embedding-2",
        "bedrock/amazon.titan-embed-text-v2:0",
        "bedrock/cohere.embed-multilingual-v3",
    ],
)
async def test_embeddings_in_the_clouds(clouds, model):
    """Both SDKs get vectors from each."""
    sdks = SDKs(clouds, clouds.key)
    made = await sdks.openai.embeddings.create(model=model, input=["one", "two"])
    theirs = await sdks.genai.aio.models.embed_content(model=model, contents="one")
    assert made.data[0].embedding == pytest.approx(theirs.embeddings[0].values, abs=1e-5)
    assert made.data[0].embedding != made.data[1].embedding
    await sdks.aclose()


# --- moderations, completions, counts ---------------------------------------------------------------------------------


async def test_moderations(sdks):
    """Passed through, with OpenAI's own model where none is named."""
    made = await sdks.openai.moderations.create(model="openai/omni-moderation-latest", input="such violence")
    assert made.results[0].flagged
    with pytest.raises(openai.BadRequestError, match="model"):
        await sdks.openai.moderations.create(model="sim/claude", input="x")
    with pytest.raises(openai.NotFoundError, match="omni-moderation-latest"):
        await sdks.openai.moderations.create(input="x")


@pytest.mark.parametrize("model", ["openai/gpt-3.5-turbo-instruct", "sim/gpt", "sim/claude", "sim/gemini"])
async def test_completions(sdks, model):
    """Passed through where they exist, a chat of one message elsewhere; whole and streamed they say the same."""
    whole = await sdks.openai.completions.create(model=model, prompt="Hello there", max_tokens=200)
    assert ("text_completion", "stop") == (whole.object, whole.choices[0].finish_reason)
    assert whole.usage.completion_tokens > 0
    streamed = await sdks.openai.completions.create(
        model=model, prompt="Hello there", max_tokens=200, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in streamed]
    assert whole.choices[0].text == "".join(c.choices[0].text for c in chunks if c.choices)
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens
    short = await sdks.openai.completions.create(model=model, prompt="Hello there", max_tokens=3)
    assert "length" == short.choices[0].finish_reason
    assert "completions" == (await sdks.line())["dialect"]


QUESTION = [{"role": "user", "content": "How many tokens are these words?"}]
COUNTING = {"sim/gpt": "input_tokens", "sim/claude": "count_tokens", "sim/gemini": "countTokens"}
"""How each provider's own counting is called."""


@pytest.mark.parametrize("model", COUNTING)
async def test_counts_of_tokens(sdks, model):
    """Three dialects ask, each provider is asked in its own; all of them give one number."""
    ours = await sdks.anthropic.messages.count_tokens(model=model, messages=QUESTION)
    google = await sdks.genai.aio.models.count_tokens(model=model, contents=QUESTION[0]["content"])
    responses = await sdks.openai.responses.input_tokens.count(model=model, input=QUESTION[0]["content"])
    assert ours.input_tokens == google.total_tokens == responses.input_tokens > 3
    seen = {r["path"].rpartition("/")[2].rpartition(":")[2] for r in await sdks.stack.upstream_saw()}
    assert {COUNTING[model]} == seen


async def test_a_count_that_nobody_can_give_is_an_estimate(open_stack):
    """Of a server that counts nothing, marked as such and still a number."""
    more = """
[[accounts]]
id = "local"
provider = "openai-compatible"
base_url = "{simulator}/v1"
pool = "local"

[[models]]
name = "local/*"
targets = [{ pool = "local", model = "*" }]
"""
    async with open_stack(more=more) as stack:
        sdks = SDKs(stack, stack.key)
        raw = await sdks.anthropic.messages.with_raw_response.count_tokens(model="local/m", messages=QUESTION)
        assert ("1", True) == (raw.headers["x-gw-estimated"], (await raw.parse()).input_tokens > 3)
        google = await sdks.genai.aio.models.count_tokens(model="local/m", contents="How many?")
        assert google.total_tokens > 0
        assert "x-gw-account" not in raw.headers
        await sdks.aclose()


# --- images, audio ----------------------------------------------------------------------------------------------------


async def test_images(sdks):
    """Made whole and streamed, and edited from a form."""
    made = await sdks.openai.images.generate(model="sim/gpt", prompt="A cat")
    assert base64.b64decode(made.data[0].b64_json).startswith(b"\x89PNG")
    events = await sdks.openai.images.generate(model="sim/gpt", prompt="A cat", stream=True, partial_images=1)
    kinds = [event.type async for event in events]
    assert "image_generation.completed" == kinds[-1]
    edited = await sdks.openai.images.edit(model="sim/gpt", prompt="A dog", image=("a.png", PNG, "image/png"))
    assert base64.b64decode(edited.data[0].b64_json).startswith(b"\x89PNG")
    assert {"sim-gpt"} == {r["model"] for r in await sdks.stack.upstream_saw() if r["model"]}


async def test_audio(sdks):
    """Speech is bytes as they come; a transcription's form reaches the provider with every byte of the file."""
    spoken = await sdks.openai.audio.speech.create(model="sim/gpt", voice="alloy", input="Hello")
    assert (True, "audio/mpeg") == (len(spoken.content) > 0, spoken.response.headers["content-type"])
    line = await sdks.line()
    assert (True, "warning", "ok") == (line["unmetered"], line["level"], line["outcome"])
    heard = await sdks.openai.audio.transcriptions.create(model="sim/gpt", file=("a.wav", WAV))
    assert hashlib.sha256(WAV).hexdigest()[:8] in heard.text
    assert str(len(WAV)) in heard.text
    assert 200 == (await send(sdks.stack, "/v1/audio/translations", FORM)).status


# --- what a key may do ------------------------------------------------------------------------------------------------


async def test_a_policy_closes_endpoints(plain):
    """A 403 that says which, before the body is read; what it names is open."""
    with pytest.raises(openai.PermissionDeniedError, match="'images' in endpoints"):
        await plain.openai.images.generate(model="sim/gpt", prompt="A cat")
    with pytest.raises(openai.PermissionDeniedError, match="'audio' in endpoints"):
        await plain.openai.audio.transcriptions.create(model="sim/gpt", file=("a.wav", WAV))
    with pytest.raises(openai.PermissionDeniedError, match="'batches' in endpoints"):
        await plain.openai.batches.list()
    assert [] == [f async for f in plain.openai.files.list()]
    assert [] == await plain.stack.upstream_saw()


async def test_a_policy_closes_models_of_every_endpoint(plain):
    """What it does not name is refused wherever it is asked for."""
    ask = plain.openai
    for asking in (
        ask.embeddings.create(model="openai/text-embedding-3-small", input="x"),
        ask.completions.create(model="openai/gpt-3.5-turbo-instruct", prompt="x"),
        ask.moderations.create(model="openai/omni-moderation-latest", input="x"),
        ask.responses.input_tokens.count(model="openai/gpt-5.5", input="x"),
        ask.responses.create(model="openai/gpt-5.5", input="x"),
    ):
        with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
            await asking
    assert [] == await plain.stack.upstream_saw()


async def test_a_pool_is_named_where_there_are_several(sdks):
    """`x-gw-pool` says where what names no model goes; without it the answer names the pools."""
    with pytest.raises(openai.BadRequestError, match="openai, second"):
        await sdks.openai.files.create(file=("f.jsonl", b"{}"), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="'third'"):
        await sdks.openai.files.create(file=("f.jsonl", b"{}"), purpose="batch", extra_headers={"x-gw-pool": "third"})
    await sdks.openai.files.create(file=("f.jsonl", b"{}"), purpose="batch", extra_headers={"x-gw-pool": "second"})
    assert "sk-b" == (await sdks.stack.upstream_saw())[-1]["credential"]
    assert 1 == len([f async for f in sdks.openai.files.list()])


# --- every path -------------------------------------------------------------------------------------------------------

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim/gpt\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFFRIFF\r\n--b--\r\n'
)
FORM_TYPE = "multipart/form-data; boundary=b"
HI = [{"role": "user", "content": "Hi"}]
POSTS: dict[str, tuple[str, Any]] = {
    "/v1/responses": ("responses", {"model": "sim/gpt", "input": "Hi"}),
    "/v1/completions": ("completions", {"model": "sim/gpt", "prompt": "Hi"}),
    "/v1/embeddings": ("chat", {"model": "openai/e", "input": "Hi"}),
    "/v1/moderations": ("chat", {"model": "openai/m", "input": "Hi"}),
    "/v1/responses/input_tokens": ("responses", {"model": "sim/gpt", "input": "Hi"}),
    "/v1/messages/count_tokens": ("messages", {"model": "sim/claude", "messages": HI}),
    "/v1beta/models/sim/gemini:countTokens": ("gemini", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
    "/v1beta/models/google/e:embedContent": ("gemini", {"content": {"parts": [{"text": "Hi"}]}}),
    "/v1/images/generations": ("chat", {"model": "sim/gpt", "prompt": "Hi"}),
    "/v1/audio/speech": ("chat", {"model": "sim/gpt", "input": "Hi", "voice": "alloy"}),
    "/v1/audio/transcriptions": ("chat", FORM),
}
"""A good request for each path, and the dialect of its errors."""
ALWAYS = {"x-request-id", "x-gw-attempts", "x-gw-session", "x-gw-config-version"}
SERVED = ALWAYS | {"x-gw-model", "x-gw-account"}


class Sent(msgspec.Struct):
    status: int
    headers: Any
    raw: bytes

    @property
    def ours(self) -> set[str]:
        return {name.lower() for name in self.headers if name.lower().startswith(("x-gw-", "x-request-id"))}


async def send(stack: Any, path: str, body: Any, method: str = "POST", **headers: str) -> Sent:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    data = io.BytesIO(raw) if len(raw) > 1 << 20 else raw
    kind = FORM_TYPE if raw.startswith(b"--") else "application/json"
    given = {"authorization": f"Bearer {stack.key}", "content-type": kind, **headers}
    async with stack.http.request(method, stack.base + path, data=data, headers=given) as response:
        return Sent(response.status, response.headers, await response.read())


def check_envelope(dialect: str, answer: Sent) -> str:
    """The error in the dialect's own envelope; gives its message."""
    body = msgspec.json.decode(answer.raw)
    error = body["error"]
    if dialect == "messages":
        assert ("error", {"type", "message"}) == (body["type"], set(error))
    elif dialect == "gemini":
        assert (answer.status, True) == (error["code"], error["status"].isupper())
    else:
        assert {"message", "type", "param", "code"} == set(error)
    assert "Traceback" not in error["message"]
    message: str = error["message"]
    return message


@pytest.mark.parametrize("path", POSTS)
async def test_a_served_request_has_its_headers_and_its_line(wide, path):
    """Those of every call: target, account, attempts; and one line that says what it cost."""
    dialect, body = POSTS[path]
    answer = await send(wide, path, body)
    assert (200, SERVED) == (answer.status, answer.ours), answer.raw
    await wide.settle()
    (line,) = wide.requests
    assert (dialect, "ok", 200, 1) == (line["dialect"], line["outcome"], line["status"], line["attempts"])
    assert (answer.headers["x-gw-account"], answer.headers["x-gw-model"]) == (line["account"], line["target_model"])
    assert line["bytes_sent"] == len(answer.raw)
    async with wide.http.get(f"{wide.admin}/metrics") as response:
        rows = [row for row in (await response.text()).splitlines() if row.startswith("gateway_requests_total{")]
    assert [True] == [f'account="{line["account"]}"' in row and 'outcome="ok"' in row for row in rows]


@pytest.mark.parametrize("path", POSTS)
async def test_a_provider_s_refusal(wide, path):
    """Its status in the client's envelope, with every header."""
    dialect, body = POSTS[path]
    await wide.sim("POST", "faults", json={"times": None, "fault": {"status": 429, "retry-after": 70}})
    answer = await send(wide, path, body)
    assert (429, SERVED) == (answer.status, answer.ours - {"x-should-retry"}), answer.raw
    assert "70" == answer.headers["retry-after"]
    check_envelope(dialect, answer)


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/v1/audio/speech"])
async def test_a_broken_answer(wide, path):
    """A 502 in the client's envelope: nothing that was cut looks whole."""
    dialect, body = POSTS[path]
    for fault in ({"reset_bytes": 0}, {"eof_bytes": 5}, {"fin_bytes": 5}, {"malformed_events": 0}):
        await wide.sim("DELETE", "faults")
        await wide.sim("POST", "faults", json={"times": None, "fault": fault})
        answer = await send(wide, path, body)
        assert 502 == answer.status, (fault, answer.raw)
        check_envelope(dialect, answer)


BROKEN = [b"", b"{", b"[1]", b"null", b'{"a":1,}', b"\xff", b"{}{}", b"[" * 100_000]


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/v1/audio/transcriptions"])
async def test_broken_json(wide, path):
    """A 400 in the client's envelope, and no provider is asked."""
    for body in BROKEN:
        answer = await send(wide, path, body, **{"content-type": "application/json"})
        assert 400 == answer.status, (body[:20], answer.raw)
        check_envelope(POSTS[path][0], answer)
    assert [] == await wide.upstream_saw()


WRONG = [
    ("/v1/responses", {"input": "Hi"}, "model"),
    ("/v1/responses", {"model": "sim/claude", "input": 5}, "input"),
    ("/v1/responses", {"model": "sim/gpt", "input": "Hi", "stream": "yes"}, "stream"),
    ("/v1/completions", {"model": "sim/claude"}, "prompt"),
    ("/v1/completions", {"model": "sim/claude", "prompt": 5}, "prompt"),
    ("/v1/completions", {"prompt": "Hi"}, "model"),
    ("/v1/embeddings", {"model": "google/e"}, "input"),
    ("/v1/embeddings", {"model": "google/e", "input": 5}, "input"),
    ("/v1/embeddings", {"model": "google/e", "input": "Hi", "encoding_format": "hex"}, "encoding_format"),
    ("/v1/embeddings", {"model": "google/e", "input": "Hi", "dimensions": "many"}, "dimensions"),
    ("/v1/embeddings", {"input": "Hi"}, "model"),
    ("/v1/moderations", {"model": "openai/m"}, "input"),
    ("/v1/moderations", {"model": 5, "input": "Hi"}, "model"),
    ("/v1/responses/input_tokens", {"input": "Hi"}, "model"),
    ("/v1/messages/count_tokens", {"model": "sim/gpt"}, "messages"),
    ("/v1/messages/count_tokens", {"model": "sim/gpt", "messages": "Hi"}, "messages"),
    ("/v1beta/models/sim/gemini:countTokens", {}, "contents"),
    ("/v1beta/models/google/e:embedContent", {}, "content"),
    ("/v1beta/models/google/e:batchEmbedContents", {}, "requests"),
    ("/v1/images/generations", {"prompt": "Hi"}, "model"),
    ("/v1/images/generations", {"model": 5, "prompt": "Hi"}, "model"),
    ("/v1/audio/speech", {"model": None, "input": "Hi"}, "model"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG)])
async def test_a_wrong_field(wide, path, body, field):
    """A 400 that names it, and no provider is asked."""
    answer = await send(wide, path, body)
    assert 400 == answer.status, answer.raw
    dialect = POSTS[path][0] if path in POSTS else "gemini"
    assert field in check_envelope(dialect, answer)
    assert [] == await wide.upstream_saw()


METHODS = {
    **dict.fromkeys(POSTS, "POST"),
    "/v1/files": "POST, GET",
    "/v1/files/f": "GET, DELETE",
    "/v1/batches/b/cancel": "POST",
    "/v1/responses/r": "GET, DELETE",
    "/v1/models": "GET",
    "/v1/models/sim/gpt": "GET",
}


async def test_unknown_methods(each):
    """A 405 that names the known ones."""
    for path, allowed in METHODS.items():
        answer = await send(each, path, b"", method="PATCH")
        assert (405, allowed) == (answer.status, answer.headers["allow"]), path
        assert answer.ours >= ALWAYS


async def test_what_is_not_served_is_not_there(wide):
    """A 404 in the envelope that the path's clients read."""
    for path in ("/v1/vector_stores", "/v1/fine_tuning/jobs", "/v1/files/a/b", "/v1beta/models/x:nothing"):
        answer = await send(wide, path, {})
        assert 404 == answer.status, path
        check_envelope("gemini" if "v1beta" in path else "chat", answer)


async def test_no_key(each):
    """A 401 in the client's envelope, on every path."""
    for path, (dialect, body) in POSTS.items():
        answer = await send(each, path, body, authorization="Bearer wrong")
        assert 401 == answer.status, path
        check_envelope(dialect, answer)


# --- forms ------------------------------------------------------------------------------------------------------------

FORMS = {
    "no boundary": (FORM, "multipart/form-data"),
    "another boundary": (FORM, "multipart/form-data; boundary=other"),
    "no form": (b'{"model":"sim/gpt"}', "application/json"),
    "no type": (FORM, ""),
    "no model": (FORM.replace(b'"model"', b'"other"'), FORM_TYPE),
    "a head without end": (b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 40_000, FORM_TYPE),
    "a model without end": (FORM[:60] + b"x" * 4000, FORM_TYPE),
    "two models": (FORM.removesuffix(b"--b--\r\n") + FORM.replace(b"sim/gpt", b"gpt-5.5"), FORM_TYPE),
    "nothing": (b"", FORM_TYPE),
}


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/images/edits"])
async def test_a_broken_form(each, path):
    """A 400, and no provider is asked."""
    for form, (body, kind) in FORMS.items():
        answer = await send(each, path, body, **{"content-type": kind})
        assert 400 == answer.status, (form, answer.raw)
        check_envelope("chat", answer)
    assert [] == await each.upstream_saw()


@pytest.fixture
def strict_uploads(monkeypatch):
    """A gateway that takes uploads of 3 MiB and waits for them for 0.3 s."""

    def strict(**given):
        return HttpConfig(**{**given, "max_upload_bytes": 3 << 20, "body_timeout": 0.3})

    monkeypatch.setattr("llmgw_gateway.data_plane.HttpConfig", strict)


FILE_HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim/gpt\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
)
MIB = b"x" * (1 << 20)
UPLOADS = ["/v1/files", "/v1/audio/transcriptions"]


async def pieces(*parts: bytes, wait: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    await asyncio.sleep(wait)


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("declared", [True, False])
async def test_an_upload_over_the_limit(strict_uploads, each, path, declared):
    """A 413, at once if its length is announced, else when it is reached; nothing is made of it."""
    parts = (FILE_HEAD, *[MIB] * 4, b"\r\n--b--\r\n")
    body = io.BytesIO(b"".join(parts)) if declared else pieces(*parts)
    headers = {"authorization": f"Bearer {each.key}", "content-type": FORM_TYPE, "x-gw-pool": "openai"}
    async with each.http.post(each.base + path, data=body, headers=headers) as response:
        answer = Sent(response.status, response.headers, await response.read())
    assert 413 == answer.status, answer.raw
    check_envelope("chat", answer)
    await each.settle()
    assert "refused" == each.requests[-1]["outcome"]


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize(
    "sent", [(b"--b",), (FILE_HEAD,), (FILE_HEAD, MIB, MIB)], ids=["three bytes", "a head", "some"]
)
async def test_an_upload_that_stops_coming(strict_uploads, each, path, sent):
    """A 400 that says so, after the time that a body may take between two reads."""
    headers = {"authorization": f"Bearer {each.key}", "content-type": FORM_TYPE, "x-gw-pool": "openai"}
    body = pieces(*sent, wait=3.0)
    async with asyncio.timeout(2.5), each.http.post(each.base + path, data=body, headers=headers) as response:
        answer = Sent(response.status, response.headers, await response.read())
    assert (400, True) == (answer.status, "stopped coming" in check_envelope("chat", answer))


@pytest.mark.parametrize("path", UPLOADS)
async def test_a_client_that_leaves_its_upload(each, path):
    """The provider is left too, and the call is settled as cancelled."""
    host, _, port = each.base.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = [f"POST {path} HTTP/1.1", "host: x", f"x-api-key: {each.key}", f"content-type: {FORM_TYPE}"]
    head += ["x-gw-pool: openai", "content-length: 9000000"]
    writer.write("\r\n".join([*head, "", ""]).encode() + FILE_HEAD + MIB)
    await writer.drain()
    await asyncio.sleep(0.2)
    assert 1 == each.gateway.balancer.in_flight
    writer.close()
    await writer.wait_closed()
    await each.settle()
    (line,) = each.requests
    assert (499, "cancelled", "openai-a") == (line["status"], line["outcome"], line["account"])


async def test_a_second_model_behind_a_large_file(each):
    """It is found as it passes, and the provider gets no whole form."""
    body = FILE_HEAD + MIB * 3 + b"\r\n" + FORM
    answer = await send(each, "/v1/audio/transcriptions", body)
    assert (400, True) == (answer.status, "twice" in check_envelope("chat", answer))
    await each.settle()
    assert all(entry["status"] != 200 for entry in await each.upstream_saw())


@pytest.mark.parametrize("path", UPLOADS)
async def test_an_upload_to_a_dead_provider(open_stack, path):
    """A 502, while the client is still sending; large or small."""
    more = 'policy = "all"\n[[policies]]\nid = "all"\nendpoints = ["*"]\n'
    environ = {"GATEWAY_ACCOUNTS__0__BASE_URL": "http://127.0.0.1:9/v1"}
    async with open_stack(more=more, environ=environ) as stack:
        for size in (0, 8):
            body = FILE_HEAD + MIB * size + b"\r\n--b--\r\n"
            answer = await send(stack, path, body)
            assert (502, "upstream_unreachable") == (answer.status, msgspec.json.decode(answer.raw)["error"]["code"])
        await stack.settle()
        stack.assert_nothing_left()


async def test_an_upload_that_its_provider_refuses_in_the_middle(each):
    """The provider's words reach the client, though it was still sending."""
    head = b'--b\r\nContent-Disposition: form-data; name="nonsense"\r\n\r\nx\r\n' + FILE_HEAD
    body = head + MIB * 8 + b"\r\n--b--\r\n"
    answer = await send(each, "/v1/files", body, **{"x-gw-pool": "openai"})
    assert 400 == answer.status
    assert "nonsense" in check_envelope("chat", answer)


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_a_provider_that_does_not_read_slows_its_client_down(open_stack, engine):
    """Of an upload that nobody takes a few buffers are held, and the kernel ends it when nothing is acknowledged."""
    over = asyncio.Event()

    async def never_read(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield FILE_HEAD
        while True:
            yield MIB
            sent += 1

    more = 'policy = "all"\n[[policies]]\nid = "all"\nendpoints = ["*"]\n'
    async with await asyncio.start_server(never_read, "127.0.0.1", 0) as provider:
        address = f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}/v1"
        environ = {"GATEWAY_ACCOUNTS__0__BASE_URL": address, "GATEWAY_CONNECTIONS__TCP_USER_TIMEOUT_SECONDS": "1"}
        async with open_stack(engine=engine, more=more, environ=environ) as stack:
            headers = {"authorization": f"Bearer {stack.key}", "content-type": FORM_TYPE}
            asking = stack.http.post(stack.base + "/v1/files", data=endless(), headers=headers)
            async with asyncio.timeout(10), asking as response:
                assert 502 == response.status
            # What the kernel holds on both ways is some MiB.
            assert sent < 24
            await stack.settle()
            stack.assert_nothing_left()
        over.set()
