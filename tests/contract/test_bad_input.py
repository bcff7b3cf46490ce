"""Bad input, in every dialect: the dialect's own envelope, the right status, a message that says what to change, and
nothing sent upstream.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

CHAT = {"model": "sim/gpt", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGES = {"model": "sim/claude", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/sim/gemini:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {"chat": CHAT, "messages": MESSAGES, "gemini": GEMINI}
GOOGLE = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}


@pytest.fixture(params=list(PATHS))
def dialect(request):
    return request.param


async def post(stack, dialect: str, body: Any, *, path: str | None = None, headers: dict[str, str] | None = None):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {"authorization": f"Bearer {stack.key}", "content-type": "application/json"} if headers is None else headers
    async with stack.http.post(stack.base + (path or PATHS[dialect]), data=raw, headers=given) as response:
        return response.status, response.headers, await response.read()


def check_envelope(dialect: str, status: int, body: bytes) -> str:
    """The dialect's own error envelope; gives the message."""
    error = msgspec.json.decode(body)["error"]
    if dialect == "chat":
        assert set(error) == {"message", "type", "param", "code"}
    elif dialect == "messages":
        assert msgspec.json.decode(body)["type"] == "error"
        assert error["type"] == ANTHROPIC[status]
    else:
        assert error["code"] == status
        assert error["status"] == GOOGLE.get(status, "INVALID_ARGUMENT")
    message: str = error["message"]
    return message


async def refused(stack, dialect: str, body: Any, status: int, *words: str, **more: Any) -> str:
    got, headers, raw = await post(stack, dialect, body, **more)
    assert got == status, raw
    message = check_envelope(dialect, status, raw)
    for word in words:
        assert word in message
    assert headers["x-request-id"]
    assert await stack.upstream_saw() == []
    return message


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"null", b'{"a":1,}', b"\x00", b"{}{}"])
async def test_invalid_json(stack, dialect, body):
    """What is not a JSON object is a 400."""
    await refused(stack, dialect, body, 400)


async def test_invalid_utf8(stack, dialect):
    """Bytes that are no UTF-8 are a 400 that says where."""
    body = msgspec.json.encode(BODIES[dialect]).replace(b"Hi", b"H\xff")
    await refused(stack, dialect, body, 400, "UTF-8")


async def test_deep_nesting(stack, dialect):
    """A body nested over all reason is refused, not passed on and not a crash."""
    deep = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"," + msgspec.json.encode(BODIES[dialect])[1:]
    await refused(stack, dialect, deep, 400, "nested")


async def test_a_duplicate_name(stack, dialect):
    """A top-level name that stands twice is refused and named."""
    body = msgspec.json.encode(BODIES[dialect])
    first = body[1:].split(b":")[0]
    await refused(stack, dialect, b"{" + first + b":null," + body[1:], 400, first.decode().strip('"'))


WRONG = [
    ("chat", {**CHAT, "model": 1}, "model"),
    ("chat", {"messages": CHAT["messages"]}, "model"),
    ("chat", {**CHAT, "messages": "Hi"}, "messages"),
    ("chat", {**CHAT, "messages": []}, "messages"),
    ("chat", {**CHAT, "messages": [{"content": "Hi"}]}, "role"),
    ("chat", {**CHAT, "stream": "yes"}, "stream"),
    ("chat", {**CHAT, "temperature": "hot"}, "temperature"),
    ("chat", {**CHAT, "max_tokens": "many"}, "max_tokens"),
    ("chat", {**CHAT, "tools": {"a": 1}}, "tools"),
    ("messages", {**MESSAGES, "model": None}, "model"),
    ("messages", {k: v for k, v in MESSAGES.items() if k != "max_tokens"}, "max_tokens"),
    ("messages", {**MESSAGES, "max_tokens": "ten"}, "max_tokens"),
    ("messages", {**MESSAGES, "messages": [{"role": "robot", "content": "Hi"}]}, "role"),
    ("messages", {**MESSAGES, "messages": {}}, "messages"),
    ("gemini", {}, "contents"),
    ("gemini", {"contents": 5}, "contents"),
    ("gemini", {**GEMINI, "generationConfig": []}, "generationConfig"),
]


@pytest.mark.parametrize(("kind", "body", "field"), WRONG, ids=[f"{w[0]}-{w[2]}-{i}" for i, w in enumerate(WRONG)])
async def test_wrong_types_name_the_field(stack, kind, body, field):
    """A missing or wrongly typed field is a 400 that names it."""
    await refused(stack, kind, body, 400, field)


async def test_an_unknown_model(stack, dialect):
    """An unknown model is a 404 with the nearest names."""
    body = {**BODIES[dialect], "model": "sim/gptt"} if dialect != "gemini" else GEMINI
    await refused(stack, dialect, body, 404, "sim/gpt", path=PATHS[dialect].replace("sim/gemini", "sim/gptt"))


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer "}, {"x-api-key": "gw-wrong"}, {"authorization": "Bearer no"}]
)
async def test_no_key_and_a_wrong_key(stack, dialect, headers):
    """No key and a wrong key are a 401 that says how to send one."""
    await refused(stack, dialect, BODIES[dialect], 401, "Bearer", headers=headers)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key"])
async def test_every_path_takes_every_key_header(stack, dialect, name):
    """Whichever header a dialect's SDK uses for its key is accepted on all paths."""
    value = f"Bearer {stack.key}" if name == "authorization" else stack.key
    status, _, body = await post(stack, dialect, BODIES[dialect], headers={name: value})
    assert status == 200, body


async def test_geminis_key_in_the_query_is_accepted_and_never_logged(stack):
    """`?key=` works, and its value is in no log line."""
    path = f"{PATHS['gemini']}?key={stack.key}"
    status, _, _ = await post(stack, "gemini", GEMINI, path=path, headers={})
    assert status == 200
    assert all(stack.key not in msgspec.json.encode(line).decode() for line in stack.lines)


async def test_a_body_over_the_limit(open_stack, dialect):
    """A body of the limit passes the gate, one byte more is a 413, whether its length is declared or not."""
    async with open_stack(server="max_body_bytes = 2000") as stack:
        exact = msgspec.json.encode(BODIES[dialect]).ljust(2000)
        assert (await post(stack, dialect, exact))[0] == 200
        await stack.sim("DELETE", "log")
        await refused(stack, dialect, exact + b" ", 413, "2000")

        async def pieces():
            for _ in range(3):
                yield b" " * 1000

        url = stack.base + PATHS[dialect]
        async with stack.http.post(url, data=pieces(), headers={"x-api-key": stack.key}) as response:
            assert response.status == 413
        assert await stack.upstream_saw() == []


UNSUPPORTED = [
    ("chat", {**CHAT, "model": "sim/claude", "n": 2}, "n"),
    (
        "chat",
        {**CHAT, "model": "sim/claude", "modalities": ["text", "audio"], "audio": {"voice": "a", "format": "mp3"}},
        "a",
    ),
    (
        "chat",
        {
            **CHAT,
            "model": "sim/claude",
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}
            ],
        },
        "audio",
    ),
    (
        "messages",
        {**MESSAGES, "model": "sim/gpt", "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "web_search",
    ),
    ("messages", {**MESSAGES, "model": "sim/gemini", "tools": [{"type": "bash_20250124", "name": "bash"}]}, "bash"),
    ("gemini", {**GEMINI, "cachedContent": "cachedContents/1"}, "cachedContent"),
]


@pytest.mark.parametrize(("kind", "body", "field"), UNSUPPORTED, ids=[f"{u[0]}-{u[2]}" for u in UNSUPPORTED])
async def test_an_unsupported_field_is_refused_by_name(stack, kind, body, field):
    """What the target can't do and what matters is a 400 that names the field."""
    path = "/v1beta/models/sim/gpt:generateContent" if kind == "gemini" else None
    await refused(stack, kind, body, 400, field, path=path)


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/", 404), ("/v1/chat/completions/x", 404)])
async def test_unknown_paths(stack, path, status):
    """A path that is not there is a 404 in OpenAI's envelope."""
    got, _, raw = await post(stack, "chat", CHAT, path=path)
    assert got == status
    assert check_envelope("chat", status, raw)


async def test_a_wrong_method_names_the_right_one(stack, dialect):
    """GET on a POST path is a 405 with `allow`."""
    async with stack.http.get(stack.base + PATHS[dialect], headers={"x-api-key": stack.key}) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("name", "value"), [("x-gw-stream-errors", "maybe"), ("x-gw-timeout", "soon"), ("x-gw-timeout", "-1")]
)
async def test_a_gateway_header_that_makes_no_sense_is_refused(stack, name, value):
    """A wrong `x-gw-*` request header is a 400 that names it."""
    headers = {"x-api-key": stack.key, name: value}
    await refused(stack, "chat", CHAT, 400, name, headers=headers)
