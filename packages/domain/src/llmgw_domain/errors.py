"""The one tree of errors. A class is a promise to clients and operators, so each is documented and stable:

its docstring is the default message, `status` the HTTP status, `type` and `code` the names that clients see,
`retryable` whether another attempt can help, `blame` whose affair it is. What is the request's is told to the client
in the provider's own words; what is the account's is told in ours, because the client can do nothing about it and
should not learn of it. Edges map foreign errors into this tree in one place each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

Blame = Literal["request", "account", "upstream", "gateway"]


class GatewayError(Exception):
    """The gateway failed; its log has the reason under this request's id."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    """Whether another account (or the same, later) may answer where this attempt did not."""
    blame: ClassVar[Blame] = "gateway"

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        upstream_status: int | None = None,
        upstream_message: str | None = None,
        detail: str | None = None,
    ) -> None:
        """`message` is for the client, `detail` and `upstream_message` are for the log.

        `param` names the field of the request that is wrong, `retry_after` is in seconds.
        """
        self.message = message or self.default_message()
        super().__init__(self.message)
        self.param = param
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.upstream_message = upstream_message
        self.detail = detail
        self.bytes_received = 0
        self.should_retry: bool | None = None
        """The provider's own word on it (`x-should-retry`), where it gave one."""

    @classmethod
    def default_message(cls) -> str:
        return (cls.__doc__ or "").split("\n\n")[0].strip()

    def __repr__(self) -> str:
        where = f" upstream={self.upstream_status}" if self.upstream_status else ""
        return f"<{type(self).__name__} {self.code} {self.status}{where}: {self.message}>"


# --- the request is wrong ---------------------------------------------------------------------------------------------


class BadRequest(GatewayError):
    """The request is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    blame = "request"


class InvalidJson(BadRequest):
    """The body is not valid JSON."""

    code = "invalid_json"


class InvalidField(BadRequest):
    """A field of the request has a wrong value."""

    code = "invalid_value"


class UnsupportedField(BadRequest):
    """A field of the request can't be served by the model's provider."""

    code = "unsupported_parameter"

    @classmethod
    def named(cls, param: str, why: str) -> UnsupportedField:
        return cls(f"Unsupported parameter: {param!r}. {why}", param=param)


class UnknownPrevious(BadRequest):
    """The previous response is not stored here."""

    code = "previous_response_not_found"

    @classmethod
    def named(cls, id: str) -> UnknownPrevious:
        text = f"Previous response with id {id[:100]!r} not found; send the whole conversation as 'input'."
        return cls(text, param="previous_response_id")


class ContextTooLong(BadRequest):
    """The request is longer than the model's context."""

    code = "context_length_exceeded"


class ContentRefused(BadRequest):
    """The provider's content policy refused the request."""

    code = "content_filter"


class ModelRefused(BadRequest):
    """The provider refuses this model's name."""

    code = "model_not_found"
    retryable = True


class UnknownKey(GatewayError):
    """No valid API key was given. Send it as 'Authorization: Bearer KEY', 'x-api-key' or 'x-goog-api-key'."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    blame = "request"


class KeyNotAllowed(GatewayError):
    """This key may not do that."""

    status = 403
    type = "permission_error"
    code = "permission_denied"
    blame = "request"


class NotFound(GatewayError):
    """There is nothing at this path."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"
    blame = "request"


class UnknownModel(NotFound):
    """There is no such model."""

    code = "model_not_found"

    @classmethod
    def named(cls, name: str, nearest: Sequence[str]) -> UnknownModel:
        hint = f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else " No models are configured."
        return cls(f"The model {name[:200]!r} does not exist.{hint}", param="model")


class MethodNotAllowed(GatewayError):
    """This path does not take this method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    blame = "request"


class Conflict(GatewayError):
    """The request conflicts with another one."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"
    retryable = True
    blame = "request"


class TooLarge(GatewayError):
    """The request's body is larger than allowed."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    blame = "request"


class Unprocessable(BadRequest):
    """The provider could not process the request."""

    status = 422
    code = "unprocessable"


# --- a limit, ours or an account's ------------------------------------------------------------------------------------


class RateLimited(GatewayError):
    """The rate limit is reached; try again later."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retryable = True
    blame = "account"


class QuotaExhausted(GatewayError):
    """The quota of the model's accounts is used up."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"
    retryable = True
    blame = "account"


class ClientGone(GatewayError):
    """The client closed its connection."""

    status = 499
    type = "client_error"
    code = "client_closed_request"
    blame = "request"


# --- the upstream or its account failed -------------------------------------------------------------------------------


class UpstreamFailed(GatewayError):
    """The model's provider failed."""

    status = 502
    type = "server_error"
    code = "upstream_error"
    retryable = True
    blame = "upstream"


class UpstreamUnreachable(UpstreamFailed):
    """The model's provider could not be reached."""

    code = "upstream_unreachable"


class UpstreamReset(UpstreamFailed):
    """The provider's connection broke before the answer was complete."""

    code = "upstream_reset"


class UpstreamTruncated(UpstreamFailed):
    """The provider's answer ended before it was complete."""

    code = "upstream_truncated"


class UpstreamMalformed(UpstreamFailed):
    """The provider's answer could not be understood."""

    code = "upstream_malformed"


class AccountRejected(GatewayError):
    """No account of this model is usable now; its operator has been told why."""

    status = 503
    type = "server_error"
    code = "no_available_account"
    retryable = True
    blame = "account"


class AccountForbidden(GatewayError):
    """The model's account may not do this."""

    status = 403
    type = "permission_error"
    code = "permission_denied"
    retryable = True
    blame = "account"


class UpstreamNotFound(GatewayError):
    """The provider does not know this model."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"
    retryable = True
    blame = "account"


class NoAccount(GatewayError):
    """No account is available for this model."""

    status = 503
    type = "server_error"
    code = "no_available_account"
    blame = "gateway"


class Overloaded(GatewayError):
    """The model's provider is overloaded; try again later."""

    status = 503
    type = "server_error"
    code = "overloaded"
    retryable = True
    blame = "upstream"


class GatewayBusy(GatewayError):
    """The gateway holds as many requests as it may; try again later."""

    status = 503
    type = "server_error"
    code = "overloaded"


class StoreUnavailable(GatewayError):
    """What the gateway keeps for you can't be looked up now; try again shortly."""

    status = 503
    type = "server_error"
    code = "store_unavailable"


class UpstreamTimeout(GatewayError):
    """The model's provider did not answer in time."""

    status = 504
    type = "server_error"
    code = "timeout"
    retryable = True
    blame = "upstream"


class UpstreamSilent(UpstreamTimeout):
    """The model's provider said nothing in time."""


class UpstreamStalled(UpstreamSilent):
    """The provider's answer stopped coming."""

    code = "upstream_stalled"
