"""For tests that use the simulator: requests in each dialect, and a plain client over sockets that shows how an answer
ended, which HTTP clients are at pains to hide.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from llmgw_simulator.wire import Incoming

_PUBLISHERS = "/v1/projects/sim-project/locations/us-central1/publishers"
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/sim/gemini:generateContent",
    "bedrock": "/model/eu.anthropic.claude-sonnet-4-5-v1%3A0/converse",
    "vertex": f"{_PUBLISHERS}/google/models/gemini-2.5-flash:generateContent",
    "vertex-claude": f"{_PUBLISHERS}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
}
KEYS = {
    "chat": {"authorization": "Bearer key-1"},
    "messages": {"x-api-key": "key-1", "anthropic-version": "2026-10-21"},
    "gemini": {"x-goog-api-key": "key-1"},
    "bedrock": {"authorization": "Bearer key-1"},
    "vertex": {"authorization": "Bearer key-1"},
    "vertex-claude": {"authorization": "Bearer key-1"},
}


def request_of(dialect: str, text: str, *, stream: bool = False, **more: Any) -> tuple[str, dict[str, Any]]:
    """Path and body of a request that says `text`."""
    message = {"role": "user", "content": text}
    path = PATHS[dialect]
    if dialect == "chat":
        return path, {"model": "sim/gpt", "messages": [message], "stream": stream, **more}
    if dialect == "messages":
        body = {"model": "sim/claude", "max_tokens": 4000, "messages": [message], "stream": stream, **more}
        return path, body
    if dialect == "vertex-claude":
        path = path.replace(":rawP", ":streamRawP") if stream else path
        version = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 4000}
        return path, {**version, "messages": [message], "stream": stream, **more}
    if dialect == "bedrock":
        messages = [{"role": "user", "content": [{"text": text}]}]
        return path + "-stream" if stream else path, {"messages": messages, **more}
    path = path.replace(":g", ":streamG") + "?alt=sse" if stream else path
    return path, {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


class ServiceAccount(msgspec.Struct, frozen=True):
    """A Google service account made for a test: its key file, and what a simulator has to know to check it.

    `SimulatorConfig(keyring=Keyring(google=account.public))` knows this account and no other.
    """

    file: dict[str, str]
    public: dict[str, str]


def service_account(token_uri: str, email: str = "gateway@sim-project.iam.gserviceaccount.com") -> ServiceAccount:
    """An account with a new key. `token_uri` is where its tokens come from: `{base_url}/token` of a simulator.

    A simulator whose keyring is empty takes it too, without looking at the signature.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file = {
        "type": "service_account",
        "project_id": "sim-project",
        "private_key_id": hashlib.sha256(public).hexdigest()[:40],
        "private_key": private.decode(),
        "client_email": email,
        "client_id": "100000000000000000001",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }
    return ServiceAccount(file, {email: public.decode()})


def incoming_of(path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "POST") -> Incoming:
    """The same as the service gets it."""
    target = path
    path, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    return Incoming(
        method=method,
        path=unquote(path),
        query=pairs,
        headers=headers or {},
        body=raw,
        serial=1,
        now=1e9,
        target=target,
    )


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until `condition()` is true. Raises `TimeoutError`."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(f"not true after {seconds} s")


class RawAnswer(msgspec.Struct):
    """`ending` is `complete`, `closed` (FIN before the declared end) or `reset`. `body` is without chunk framing."""

    status: int
    headers: dict[str, str]
    body: bytes
    ending: str


async def post(port: int, path: str, body: Any, headers: dict[str, str]) -> RawAnswer:
    """POST and read until the connection or the answer ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(path, body, headers))
        raw, was_reset = await _read_all(reader)
    finally:
        await leave(writer)
    return _parsed(raw, was_reset)


async def leave(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until its socket is gone."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def request_bytes(path: str, body: Any, headers: dict[str, str]) -> bytes:
    """The request on the wire; it asks for the connection to be closed after the answer."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {len(raw)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


async def _read_all(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    raw = b""
    try:
        while data := await reader.read(65536):
            raw += data
    except ConnectionResetError:
        return raw, True
    return raw, False


def _parsed(raw: bytes, was_reset: bool) -> RawAnswer:
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(first.split(" ")[1]) if first else 0
    if headers.get("transfer-encoding") == "chunked":
        rest, complete = _unchunked(rest)
    else:
        complete = len(rest) == int(headers.get("content-length", "-1"))
    return RawAnswer(status, headers, rest, "complete" if complete else "reset" if was_reset else "closed")


def _unchunked(raw: bytes) -> tuple[bytes, bool]:
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, True
        body, raw = body + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
    return body, False
