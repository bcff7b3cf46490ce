"""Every way in which a request is turned away, as one shape and one envelope.

Errors come as exceptions of the domain's tree from the use case, as `Refusal` from the guard, and by surprise; all of
them become `{"error": {"type", "code", "message", "param"?, "reasons"?}}` here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from llmgw_control.refusal import Reason, Refused
from llmgw_domain.errors import BadRequest, GatewayError, MethodNotAllowed

_log = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error"}


class UnsupportedMedia(BadRequest):
    """Send the body as JSON, with 'Content-Type: application/json' and without an encoding."""

    status = 415
    code = "unsupported_media_type"


class PathTakesOther(MethodNotAllowed):
    """This path takes other methods; `allowed` are those."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"This path does not take {method[:20]}; it takes {', '.join(allowed)}.")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request is turned away; `headers` go with the answer, `param` names the field or parameter at fault."""

    status: int
    code: str
    message: str
    param: str | None = None
    reasons: tuple[Reason, ...] = ()
    headers: Mapping[str, str] = {}

    @property
    def type(self) -> str:
        return _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")

    def envelope(self) -> ErrorEnvelope:
        body = ErrorBody(
            type=self.type, code=self.code, message=self.message, param=self.param, reasons=self.reasons or None
        )
        return ErrorEnvelope(error=body)

    def as_json(self) -> Response:
        content = msgspec.json.encode(self.envelope())
        return Response(content, self.status, headers=dict(self.headers), media_type="application/json")


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`code` is stable; `message` says what to do. `param` names the field, `reasons` say all that is wrong at once."""

    type: str
    code: str
    message: str
    param: str | None = None
    reasons: tuple[Reason, ...] | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is no success."""

    error: ErrorBody


def refusal_of(error: Exception) -> Refusal:
    """How an exception is told. What is not of the domain's tree is our fault: logged, and told without detail."""
    if not isinstance(error, GatewayError):
        _log.error("an administrator's request failed", exc_info=error)
        error = GatewayError("The gateway failed at this; its log says why.")
    headers: dict[str, str] = {}
    if isinstance(error, PathTakesOther):
        headers["allow"] = ", ".join(error.allowed)
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    reasons = error.reasons if isinstance(error, Refused) else ()
    # 422 is for what a provider could not process; a record that does not hold is a wrong request to us.
    status = 400 if isinstance(error, Refused) else error.status
    return Refusal(
        status=status, code=error.code, message=error.message, param=error.param, reasons=reasons, headers=headers
    )
