"""What a Responses provider's errors mean: refusals by status, errors inside an answer, answers that failed.

The envelope and the codes are those of Chat Completions, so the classification is that of `chat.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.errors import GatewayError, UpstreamFailed
from llmgw_protocols.chat import errors

NO_ERROR = (b"", b"null", b"{}", b'""', b"false")
"""What stands in an answer's `error` where there is none."""


def fault(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with a status of 400 or more means. Header names are lower-case."""
    return errors.fault(status, headers, body)


def owns_error(body: bytes) -> bool:
    """Whether a refusal has OpenAI's own envelope."""
    return errors.owns(body)


def in_band(event: bytes) -> GatewayError:
    """What an `error` event means: `{type, code, message, param}`, or with an `error` object below it."""
    return errors.in_band(event)


def failed(error: bytes, status: str) -> GatewayError:
    """What a response of a status like `failed` means. `error` is its raw member, maybe empty or null."""
    if error.strip() in NO_ERROR:
        return UpstreamFailed(upstream_message=f"The provider ended its response with status {status!r}.")
    return errors.in_band(b'{"error":' + error + b"}")
