"""contract.md, "Client APIs": files, batches and stored responses belong to a tenant and to an account.

Two tenants share one pool of two accounts. Neither sees nor reaches what the other has made, and everything that is
done with an object later is done at the account that holds it, whichever the balancer would choose.
"""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

import httpx2
import msgspec
import openai
import pytest

OTHER_KEY = "gw-other-key-0123456789abcdefghijklmno"
OTHER_HASH = "sha256:" + hashlib.sha256(OTHER_KEY.encode()).hexdigest()

MORE = f"""
tenant = "one"
policy = "all"

[[keys]]
id = "other"
tenant = "two"
hash = "{OTHER_HASH}"
policy = "all"

[[policies]]
id = "all"
endpoints = ["*"]
stored_responses = true

[[accounts]]
id = "openai-b"
provider = "openai"
credential = "env:UP_KEY_B"
base_url = "{{simulator}}/v1"
pool = "openai"
weight = 0.001
"""
UNKNOWN = {"files": "file-neverwasone", "batches": "batch_neverwasone", "responses": "resp_neverwasone"}


class Client:
    """One tenant's OpenAI SDK. `account` is the one that served its last call."""

    def __init__(self, base: str, key: str) -> None:
        self._last: httpx2.Response | None = None
        http = httpx2.AsyncClient(event_hooks={"response": [self._note]}, timeout=30)
        self.sdk = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, http_client=http)

    async def _note(self, response: httpx2.Response) -> None:
        self._last = response

    def header(self, name: str) -> str | None:
        assert self._last is not None
        return self._last.headers.get(name)

    @property
    def account(self) -> str | None:
        return self.header("x-gw-account")

    async def file(self, content: bytes = b"{}\n", name: str = "f.jsonl", purpose: str = "batch") -> str:
        made = await self.sdk.files.create(file=(name, content), purpose=purpose)
        return made.id

    async def batch(self, input_file: str | None = None, **metadata: str) -> str:
        file_id = input_file or await self.file(LINE)
        made = await self.sdk.batches.create(
            input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
        )
        return made.id

    async def response(self, **more: Any) -> str:
        made = await self.sdk.responses.create(model="sim/gpt", input="Hello", **more)
        return made.id


LINE = msgspec.json.encode(
    {
        "custom_id": "1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "sim-gpt", "messages": [{"role": "user", "content": "From the batch"}]},
    }
)


class Two:
    """The stack, and both tenants' clients: `mine`, and `theirs`."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack
        self.mine, self.theirs = Client(stack.base, stack.key), Client(stack.base, OTHER_KEY)

    async def at_b(self, make: Callable[[], Any]) -> Any:
        """What `make` gives when the account that is preferred refuses."""
        rule = {"times": None, "fault": {"status": 429}, "match": {"credential": "sk-a"}}
        await self.stack.sim("POST", "faults", json=rule)
        made = await make()
        await self.stack.sim("DELETE", "faults")
        return made

    async def posted(self, path: str) -> list[dict[str, Any]]:
        """What the provider got to see at a path."""
        return [r for r in await self.stack.upstream_saw() if r["path"] == path and r["method"] == "POST"]


@asynccontextmanager
async def two_at(open_stack: Any, **options: Any) -> AsyncIterator[Two]:
    environ = {"UP_KEY": "sk-a", "UP_KEY_B": "sk-b", **options.pop("environ", {})}
    more = MORE + options.pop("more", "")
    async with open_stack(more=more, environ=environ, **options) as stack:
        two = Two(stack)
        yield two
        await two.mine.sdk.close()
        await two.theirs.sdk.close()
        await stack.settle()
        stack.assert_nothing_left()


@pytest.fixture(params=["hypercorn", "uvicorn"])
async def two(request, open_stack):
    async with two_at(open_stack, engine=request.param) as opened:
        yield opened


# --- what an object lives through -------------------------------------------------------------------------------------


async def test_a_file(two):
    """Uploaded, told of, listed, read and deleted, at the account that holds it."""
    sdk = two.mine.sdk
    made = await two.at_b(lambda: sdk.files.create(file=("f.jsonl", LINE), purpose="batch"))
    assert "openai-b" == two.mine.account
    assert (made.id, "openai-b") == ((await sdk.files.retrieve(made.id)).id, two.mine.account)
    assert [made.id] == [f.id async for f in sdk.files.list()]
    content = await sdk.files.content(made.id)
    assert (LINE, "openai-b") == (content.content, two.mine.account)
    assert 'attachment; filename="f.jsonl"' == two.mine.header("content-disposition")
    assert (True, "openai-b") == ((await sdk.files.delete(made.id)).deleted, two.mine.account)
    assert [] == [f.id async for f in sdk.files.list()]
    with pytest.raises(openai.NotFoundError):
        await sdk.files.retrieve(made.id)


async def test_a_batch(two):
    """Made where its input is, looked at there, and what it has written can be read; its usage is counted once."""
    mine = two.mine
    file_id = await two.at_b(lambda: mine.file(LINE))
    batch_id = await mine.batch(file_id)
    assert "openai-b" == mine.account
    done = await mine.sdk.batches.retrieve(batch_id)
    assert ("completed", "openai-b") == (done.status, mine.account)
    assert done.usage is not None
    written = await mine.sdk.files.content(done.output_file_id)
    assert (b"From the batch" in written.content, mine.account) == (True, "openai-b")
    await mine.sdk.batches.retrieve(batch_id)
    assert [batch_id] == [b.id async for b in mine.sdk.batches.list()]
    looks = [r for r in two.stack.requests if r.get("endpoint") == "batches" and r.get("tokens_input")]
    assert [done.usage.input_tokens] == [r["tokens_input"] for r in looks]


async def test_what_a_batch_has_written_is_known_from_a_list_too(two):
    """A client that waits by listing gets the output as well."""
    batch_id = await two.mine.batch()
    await two.theirs.file()
    # A look past the gateway is what completes it.
    url = f"{two.stack.simulator.base_url}/v1/batches/{batch_id}"
    async with two.stack.http.get(url, headers={"authorization": "Bearer sk-a"}) as response:
        assert 200 == response.status
    (listed,) = [b async for b in two.mine.sdk.batches.list()]
    assert "completed" == listed.status
    assert b"From the batch" in (await two.mine.sdk.files.content(listed.output_file_id)).content


async def test_a_batch_is_cancelled_where_it_is(two):
    """`cancel` is an empty POST to the object's account."""
    batch_id = await two.at_b(lambda: two.mine.batch(simulate="polls=5"))
    assert "cancelling" == (await two.mine.sdk.batches.cancel(batch_id)).status
    assert "openai-b" == two.mine.account


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_lists_come_page_by_page(two, order):
    """Of both accounts together, in the order that was asked for, with the cursor of the SDK."""
    made = [await two.mine.file() for _ in range(3)] + [await two.at_b(two.mine.file) for _ in range(2)]
    await two.theirs.file()
    listed = [f.id async for f in two.mine.sdk.files.list(limit=2, order=order)]
    assert sorted(made) == sorted(listed)
    first = await two.mine.sdk.files.list(limit=2, order=order)
    assert (listed[:2], True) == ([f.id for f in first.data], first.has_more)
    other_order = [f.id async for f in two.mine.sdk.files.list(order={"asc": "desc", "desc": "asc"}[order])]
    assert listed == other_order[::-1]


async def test_a_list_is_filtered_by_purpose(two):
    """The query goes on to the provider."""
    batch, vision = await two.mine.file(), await two.mine.file(name="f.png", purpose="vision")
    assert [vision] == [f.id async for f in two.mine.sdk.files.list(purpose="vision")]
    assert {batch, vision} == {f.id async for f in two.mine.sdk.files.list()}


async def test_clearing_up_while_listing(two):
    """Deleting each file as its page is read leaves none, though the cursor is gone by then."""
    made = {await two.mine.file() for _ in range(5)}
    seen = set()
    async for file in two.mine.sdk.files.list(limit=2):
        seen.add(file.id)
        await two.mine.sdk.files.delete(file.id)
    assert made == seen
    assert [] == [f.id async for f in two.mine.sdk.files.list()]


# --- responses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stored_response(two, stream):
    """Fetched, with its input, and deleted at its account."""
    sdk = two.mine.sdk

    async def make() -> str:
        if not stream:
            return await two.mine.response()
        async with sdk.responses.stream(model="sim/gpt", input="Hello") as events:
            return (await events.get_final_response()).id

    made = await two.at_b(make)
    found = await sdk.responses.retrieve(made)
    assert (made, "openai-b") == (found.id, two.mine.account)
    (item,) = [i async for i in sdk.responses.input_items.list(made)]
    assert ("Hello", "openai-b") == (item.content[0].text, two.mine.account)
    await sdk.responses.delete(made)
    assert "openai-b" == two.mine.account
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(made)


async def test_a_response_goes_on_from_an_earlier_one(two):
    """`previous_response_id` binds the call to the account that keeps it."""
    made = await two.at_b(two.mine.response)
    again = await two.mine.sdk.responses.create(model="sim/gpt", input="And?", previous_response_id=made)
    assert ("openai-b", made) == (two.mine.account, again.previous_response_id)


async def test_a_background_response_is_cancelled(two):
    """`cancel` finds it too."""
    made = await two.at_b(lambda: two.mine.response(background=True))
    assert "cancelled" == (await two.mine.sdk.responses.cancel(made)).status
    assert "openai-b" == two.mine.account


async def test_a_stored_response_is_read_as_events(two):
    """`stream=True` on a retrieval passes the events through."""
    made = await two.mine.response(background=True, stream=False)
    kinds = [event.type async for event in await two.mine.sdk.responses.retrieve(made, stream=True)]
    assert ("response.created", "response.completed") == (kinds[0], kinds[-1])


@pytest.mark.parametrize("stream", [False, True])
async def test_items_are_named_by_their_ids(two, stream):
    """As AI SDK does with all that it thinks is stored: asked where they are, and nobody else's."""
    sdk = two.mine.sdk

    async def make() -> Any:
        if not stream:
            return await sdk.responses.create(model="sim/gpt", input="Remember")
        async with sdk.responses.stream(model="sim/gpt", input="Remember") as events:
            return await events.get_final_response()

    made = await two.at_b(make)
    items: Any = [{"type": "item_reference", "id": made.output[0].id}, {"role": "user", "content": "What?"}]
    await sdk.responses.create(model="sim/gpt", input=items)
    assert "openai-b" == two.mine.account
    await two.stack.sim("DELETE", "log")
    for reference in (items[0], {"id": items[0]["id"]}):
        with pytest.raises(openai.NotFoundError):
            await two.theirs.sdk.responses.create(model="sim/gpt", input=[reference, items[1]])
    assert [] == await two.stack.upstream_saw()


@pytest.mark.parametrize("ending", ["left", "cut"])
async def test_a_response_of_a_broken_stream_is_asked_for_where_it_is(two, ending):
    """The provider may have it all the same, so its client may come back for it. Here it has not, and says so."""
    made = ""

    async def begin() -> None:
        nonlocal made
        async with await two.mine.sdk.responses.create(model="sim/gpt", input="Hi", stream=True) as events:
            async for event in events:
                if event.type == "response.created":
                    made = event.response.id
                if ending == "left" and event.type == "response.output_text.delta":
                    break

    fault = {"eof_events": 8, "tps": 400} if ending == "cut" else {"tps": 20, "tokens": 1000}
    rules = [
        {"times": None, "fault": {"status": 429}, "match": {"credential": "sk-a"}},
        {"times": 1, "fault": fault, "match": {"credential": "sk-b"}},
    ]
    await two.stack.sim("POST", "faults", json=rules)
    await begin()
    await two.stack.sim("DELETE", "faults")
    with pytest.raises(openai.NotFoundError, match=f"No such object: '{made}'"):
        await two.mine.sdk.responses.retrieve(made)
    asked = (await two.stack.upstream_saw())[-1]
    assert (f"/v1/responses/{made}", "sk-b") == (asked["path"], asked["credential"])


# --- responses that the gateway keeps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_of_another_provider_is_kept(two, stream):
    """Continued at a third one, shown with its input, and deleted; to the other tenant it is not there."""
    sdk = two.mine.sdk
    if stream:
        async with sdk.responses.stream(model="sim/claude", input="My name is Ada") as events:
            made = (await events.get_final_response()).id
    else:
        made = (await sdk.responses.create(model="sim/claude", input="My name is Ada")).id
    assert made == (await sdk.responses.retrieve(made)).id
    (item,) = [i async for i in sdk.responses.input_items.list(made)]
    assert "My name is Ada" in str(item.content)
    await sdk.responses.create(model="sim/gemini", input="And?", previous_response_id=made)
    assert "My name is Ada" in str((await two.stack.upstream_saw())[-1]["body"])
    await two.stack.sim("DELETE", "log")
    for verb in ("retrieve", "input_items.list", "cancel", "delete"):
        with pytest.raises(openai.NotFoundError):
            await do(two.theirs, "responses", verb, made)
    with pytest.raises(openai.APIStatusError) as caught:
        await two.theirs.sdk.responses.create(model="sim/gemini", input="And?", previous_response_id=made)
    assert (True, []) == (caught.value.status_code in (400, 404), await two.stack.upstream_saw())
    await sdk.responses.delete(made)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(made)


# --- whose it is ------------------------------------------------------------------------------------------------------

VERBS = [
    ("files", "retrieve"),
    ("files", "content"),
    ("files", "delete"),
    ("batches", "retrieve"),
    ("batches", "cancel"),
    ("responses", "retrieve"),
    ("responses", "input_items.list"),
    ("responses", "cancel"),
    ("responses", "delete"),
]


async def do(client: Client, kind: str, verb: str, named: str) -> Any:
    """What a verb of the SDK does with the object of this id."""
    return await attrgetter(f"{kind}.{verb}")(client.sdk)(named)


async def test_nobody_else_s_and_nobody_s_look_the_same(two):
    """Every verb on another tenant's object is the 404 of an object that never was, and asks no provider."""
    ids = {
        "files": await two.theirs.file(),
        "batches": await two.theirs.batch(simulate="polls=9"),
        "responses": await two.theirs.response(background=True),
    }
    await two.stack.sim("DELETE", "log")
    for kind, verb in VERBS:
        told = []
        for named in (ids[kind], UNKNOWN[kind]):
            with pytest.raises(openai.NotFoundError) as caught:
                await do(two.mine, kind, verb, named)
            told.append(caught.value.body["message"].replace(named, "ID"))  # type: ignore[index]
        assert told[0] == told[1], verb
    assert [] == await two.stack.upstream_saw()
    for kind, verb in VERBS:
        await do(two.theirs, kind, verb, ids[kind])
    for listed in (two.mine.sdk.files, two.mine.sdk.batches):
        assert [] == [each.id async for each in listed.list()]


def bodies(named: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every place of a request that an object is named in."""
    file = {"type": "file", "file": {"file_id": named}}
    container = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [named]}}
    messages: dict[str, Any] = {"model": "sim/gpt", "messages": [{"role": "user", "content": [file]}]}
    question: dict[str, Any] = {"model": "sim/gpt", "input": "Hi"}

    def part(kind: str) -> dict[str, Any]:
        return {**question, "input": [{"role": "user", "content": [{"type": kind, "file_id": named}]}]}

    return {
        "chat file": ("/v1/chat/completions", messages),
        "responses file": ("/v1/responses", part("input_file")),
        "responses image": ("/v1/responses", part("input_image")),
        "responses container": ("/v1/responses", {**question, "tools": [container]}),
        "responses previous": ("/v1/responses", {**question, "previous_response_id": named}),
        "tokens previous": ("/v1/responses/input_tokens", {**question, "previous_response_id": named}),
        "batch input": (
            "/v1/batches",
            {"input_file_id": named, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        ),
    }


def plain(body: bytes, named: str) -> bytes:
    """As it is."""
    return body


def escaped(body: bytes, named: str) -> bytes:
    """The same JSON with names and the id written in escapes."""

    def escape(text: str) -> bytes:
        return "".join(f"\\u{ord(c):04X}" for c in text).encode()

    for name in ("file_ids", "input_file_id", "file_id", "previous_response_id", named):
        body = body.replace(f'"{name}"'.encode(), b'"' + escape(name) + b'"')
    return body


@pytest.mark.parametrize("write", [plain, escaped])
async def test_another_s_object_in_a_body(two, write):
    """Named inside a request it is a 404 in the dialect's envelope, however its JSON is written."""
    theirs = {"file": await two.theirs.file(), "previous": await two.theirs.response()}
    await two.stack.sim("DELETE", "log")
    headers = {"authorization": f"Bearer {two.stack.key}", "content-type": "application/json"}
    for ids in (theirs, dict.fromkeys(theirs, "file-neverwasone")):
        for name in bodies(""):
            named = ids["previous" if "previous" in name else "file"]
            path, body = bodies(named)[name]
            raw = write(msgspec.json.encode(body), named)
            async with two.stack.http.post(two.stack.base + path, data=raw, headers=headers) as response:
                told = await response.json()
                assert (404, {"message", "type", "param", "code"}) == (response.status, set(told["error"])), name
    assert [] == await two.stack.upstream_saw()


TOOL_FIELDS = {"file_id": "report-7", "previous_response_id": "none", "file_ids": ["a", "b"]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": TOOL_FIELDS}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
TOOL_TURNS = {
    "messages": {
        "tools": [{"name": "read", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "Read"},
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [RESULT]},
        ],
    },
    "gemini": {
        "tools": [{"functionDeclarations": [{"name": "read", "parametersJsonSchema": {"type": "object"}}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "Read"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "read", "args": TOOL_FIELDS}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "read", "response": TOOL_FIELDS}}]},
        ],
    },
    "chat": {"metadata": {"file_id": "report-7"}, "store": True},
}


@pytest.mark.parametrize("dialect", TOOL_TURNS)
async def test_what_tools_call_so_is_no_object(two, caller, dialect):
    """A tool may have a field `file_id`; what is in it is no provider's."""
    answer = await caller(two.stack)(dialect, **TOOL_TURNS[dialect])
    assert 200 == answer.status, answer.raw


async def test_objects_of_two_accounts_don_t_go_together(two):
    """What no account could answer is a 400 that says so."""
    ids = [await two.mine.file(purpose="user_data"), await two.at_b(lambda: two.mine.file(purpose="user_data"))]
    parts: Any = [{"type": "input_file", "file_id": one} for one in ids]
    with pytest.raises(openai.BadRequestError, match="different accounts"):
        await two.mine.sdk.responses.create(model="sim/gpt", input=[{"role": "user", "content": parts}])


# --- accounts that go -------------------------------------------------------------------------------------------------


async def test_a_disabled_account_s_objects_wait(open_stack):
    """While their account is out of use objects are not reached, and nobody else is asked for them."""
    async with two_at(open_stack) as two:
        file_id = await two.at_b(two.mine.file)
        catalog = two.stack.gateway.control.current()
        account = catalog.accounts["openai-b"]
        catalog.accounts["openai-b"] = msgspec.structs.replace(account, enabled=False)
        with pytest.raises(openai.InternalServerError) as caught:
            await two.mine.sdk.files.retrieve(file_id)
        assert (503, "no_available_account") == (caught.value.status_code, caught.value.code)
        assert "files" in caught.value.message
        assert "disabled" in caught.value.message
        await two.stack.sim("DELETE", "log")
        assert [] == [f.id async for f in two.mine.sdk.files.list()]
        assert [] == await two.stack.upstream_saw()
        del catalog.accounts["openai-b"]
        with pytest.raises(openai.InternalServerError, match="not configured any more"):
            await two.mine.sdk.files.retrieve(file_id)
        assert [] == [f.id async for f in two.mine.sdk.files.list()]


# --- nothing is made twice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_refused_create_is_made_elsewhere(two, status):
    """What the account refused for its own sake was not begun, so another account may make it."""
    file_id = await two.mine.file(LINE)
    rule = {"times": None, "fault": {"status": status}, "match": {"credential": "sk-a"}}
    await two.stack.sim("POST", "faults", json=rule)
    body = {"model": "sim/gpt", "prompt": "A cat"}
    await two.mine.sdk.images.generate(**body)
    assert ("openai-b", "2") == (two.mine.account, two.mine.header("x-gw-attempts"))
    # Its input is at the account that refuses.
    with pytest.raises(openai.APIStatusError):
        await two.mine.batch(file_id)


@pytest.mark.parametrize("fault", [{"reset_bytes": 0}, {"reset_bytes": 10}, {"eof_bytes": 10}, {"status": 500}])
async def test_a_create_that_broke_is_not_made_again(two, fault):
    """It may have been made, so the client decides."""
    file_id = await two.mine.file(LINE)
    await two.stack.sim("POST", "faults", json={"times": None, "fault": fault})
    with pytest.raises(openai.InternalServerError):
        await two.mine.batch(file_id)
    with pytest.raises(openai.InternalServerError):
        await two.mine.sdk.images.generate(model="sim/gpt", prompt="A cat")
    with pytest.raises(openai.InternalServerError):
        await two.mine.sdk.audio.transcriptions.create(model="sim/gpt", file=("a.wav", b"RIFF" * 100))
    paths = ("/v1/batches", "/v1/images/generations", "/v1/audio/transcriptions")
    assert [1, 1, 1] == [len(await two.posted(path)) for path in paths]


async def test_a_look_that_broke_is_tried_again_by_nobody_else(two):
    """A look makes nothing, but no other account has the object."""
    file_id = await two.mine.file(LINE)
    await two.stack.sim("POST", "faults", json={"fault": {"reset_bytes": 0}})
    with pytest.raises(openai.InternalServerError):
        await two.mine.sdk.files.retrieve(file_id)
    assert file_id == (await two.mine.sdk.files.retrieve(file_id)).id


@pytest.mark.parametrize("fault", [{"reset_bytes": 100_000}, {"fin_bytes": 100_000}])
async def test_a_download_that_breaks_never_looks_whole(two, fault):
    """Its connection ends without the body's end, and the call is logged as failed."""
    file_id = await two.mine.file(b"x" * 300_000)
    await two.stack.sim("POST", "faults", json={"times": None, "fault": fault})
    with pytest.raises((httpx2.HTTPError, openai.APIError)):
        await two.mine.sdk.files.content(file_id)
    await two.stack.settle()
    assert ("failed", 200) == ((line := two.stack.requests[-1])["outcome"], line["status"])


# --- size -------------------------------------------------------------------------------------------------------------

MIB = 1 << 20


async def test_large_files_pass_through(two):
    """64 MiB up and down again, byte for byte, while the gateway holds a few buffers of it."""
    block, count = bytes(range(256)) * 4096, 64
    digest = hashlib.sha256(block * count).hexdigest()

    async def form() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n'
        for _ in range(count):
            yield block
        yield b"\r\n--x--\r\n"

    headers = {"authorization": f"Bearer {two.stack.key}", "content-type": "multipart/form-data; boundary=x"}
    tracemalloc.start()
    try:
        url = two.stack.base + "/v1/files"
        async with two.stack.http.post(url, data=form(), headers=headers) as response:
            assert 200 == response.status, await response.text()
            made = await response.json()
        assert len(block) * count == made["bytes"]
        back = hashlib.sha256()
        async with two.stack.http.get(f"{url}/{made['id']}/content", headers=headers) as response:
            async for piece in response.content.iter_any():
                back.update(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert digest == back.hexdigest()
    # Client, gateway and provider are one process here.
    assert peak < 24 * MIB


# --- one tenant alone -------------------------------------------------------------------------------------------------

POOLS = """
[[accounts]]
id = "openai-b"
provider = "openai"
credential = "env:UP_KEY_B"
base_url = "{simulator}/v1"
pool = "second"
"""


async def test_what_nobody_remembers_is_looked_for(open_stack):
    """Where all keys are one tenant's, an object from before the gateway is found at whichever account has it."""
    more = 'policy = "all"\n[[policies]]\nid = "all"\nendpoints = ["*"]\n' + POOLS
    async with open_stack(more=more, environ={"UP_KEY_B": "sk-b"}) as stack:
        past = openai.AsyncOpenAI(base_url=f"{stack.simulator.base_url}/v1", api_key="sk-b", max_retries=0)
        made = await past.files.create(file=("f.jsonl", LINE), purpose="batch")
        client = Client(stack.base, stack.key)
        assert (made.id, "openai-b") == ((await client.sdk.files.retrieve(made.id)).id, client.account)
        with pytest.raises(openai.NotFoundError, match="No such object"):
            await client.sdk.files.retrieve("file-neverwasone")
        await past.close()
        await client.sdk.close()
