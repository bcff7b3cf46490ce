"""Reading the body of an administrator's request: bounded in size and time, and JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from starlette.types import Receive

from llmgw_admin.api.strict import parse_object
from llmgw_admin.refusal import UnsupportedMedia
from llmgw_domain.errors import BadRequest, ClientGone, TooLarge

MOST_BYTES = 1 << 20
"""A thousand times what any record takes, and little enough to be parsed between two requests."""

PATIENCE_SECONDS = 30.0


async def read_object(headers: Mapping[str, str], receive: Receive, types: Collection[str]) -> dict[str, object]:
    """The JSON object that the body is. `types` are the media types that it may be declared as.

    Raises `UnsupportedMedia`, `TooLarge`, `InvalidJson`, `ClientGone`, and `BadRequest` if it does not come in time.
    """
    _check_type(headers, types)
    _check_length(headers.get("content-length", ""))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return parse_object(await _read(receive))
    except TimeoutError:
        raise BadRequest(f"The body did not come within {PATIENCE_SECONDS:g} seconds; send it again.") from None


def _check_type(headers: Mapping[str, str], types: Collection[str]) -> None:
    given = headers.get("content-type", "")
    name, _, parameters = given.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    wrong_charset = charset.startswith("charset=") and charset not in ("charset=utf-8", "charset=us-ascii")
    if name.strip().lower() not in types or wrong_charset:
        said = f"not as {given[:80]!r}" if given else "which the request does not say"
        raise UnsupportedMedia(f"Send the body as {' or '.join(types)} in UTF-8, {said}.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Send the body as it is, without a Content-Encoding.")


def _check_length(declared: str) -> None:
    if declared.isdecimal() and int(declared) > MOST_BYTES:
        raise _too_large()


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(f"The body is larger than {MOST_BYTES} bytes; make the change in several requests.")
