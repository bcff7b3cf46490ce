"""The one translation of aiohttp's and the system's exceptions into the error tree.

`detail` is for the log. It is made of error numbers and names only, never of an exception's own text: aiohttp puts the
address, query and all, into several of its messages.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Literal

import aiohttp

from llmgw_domain.errors import (
    GatewayError,
    UpstreamMalformed,
    UpstreamReset,
    UpstreamSilent,
    UpstreamStalled,
    UpstreamTimeout,
    UpstreamUnreachable,
)

Phase = Literal["connect", "headers", "first_event", "gap", "total"]

FOREIGN = (aiohttp.ClientError, OSError, ValueError, asyncio.TimeoutError)
"""What may come out of aiohttp; anything else is a defect and is left alone."""


def timed_out(phase: Phase, seconds: float) -> GatewayError:
    """A phase took longer than its deadline of `seconds`."""
    if phase == "total":
        return UpstreamTimeout(detail=f"total: over {seconds:g} s")
    kind = UpstreamStalled if phase == "gap" else UpstreamSilent
    return kind(detail=f"{phase}: no progress in {seconds:g} s")


def while_opening(error: BaseException) -> GatewayError:
    """What an error before the response's headers means."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UpstreamUnreachable(detail=f"tls: {tls(error.certificate_error)}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamUnreachable(detail=f"dns: {system(error.os_error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamUnreachable(detail=_connecting(error.os_error))
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamMalformed(detail=f"response head: {_one_line(error.message)}")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return UpstreamReset(detail="headers: connection closed before an answer")
    if isinstance(error, OSError):
        return UpstreamReset(detail=f"headers: {system(error)}")
    if isinstance(error, ValueError):
        return UpstreamUnreachable(detail=f"request can't be sent: {type(error).__name__}")
    return UpstreamReset(detail=f"headers: {type(error).__name__}")


def while_reading(error: BaseException, received: int) -> GatewayError:
    """What an error inside the body means, after `received` bytes of it."""
    if isinstance(error, GatewayError):
        mapped = error
    elif isinstance(error, aiohttp.ClientPayloadError):
        mapped = UpstreamReset(detail=f"body ended before its framing said so, after {received} bytes")
    elif isinstance(error, OSError) and error.errno is not None:
        mapped = UpstreamReset(detail=f"{system(error)} after {received} bytes")
    else:
        mapped = UpstreamReset(detail=f"{type(error).__name__} after {received} bytes")
    mapped.bytes_received = received
    return mapped


def _connecting(error: OSError) -> str:
    return f"tls: {tls(error)}" if isinstance(error, ssl.SSLError) else f"connect: {system(error)}"


def tls(error: Exception) -> str:
    """Why TLS failed, in one line."""
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__
    return _one_line(str(reason))


def system(error: OSError) -> str:
    """The symbolic name of an error number, else the kind of the error."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
