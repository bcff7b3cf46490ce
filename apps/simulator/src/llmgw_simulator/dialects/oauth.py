"""Google's token endpoint, `POST /token`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec

from llmgw_simulator.ask import Answers
from llmgw_simulator.google_token import GrantError, grant, issuer
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal, Reply

_WORDS = {
    400: ("invalid_grant", "Invalid JWT Signature."),
    401: ("invalid_client", "The OAuth client was not found."),
    403: ("access_denied", "Account restricted"),
    429: ("rate_limit_exceeded", "Rate Limit Exceeded"),
    500: ("internal_failure", "Internal Error"),
    503: ("backend_error", "Backend Error"),
}
_HEADERS = {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache, no-store, must-revalidate"}


class OAuth:
    """The dialect `oauth`: it has no streams, and its errors are OAuth's."""

    name = "oauth"

    def credential(self, incoming: Incoming) -> str | None:
        """The e-mail address of the service account."""
        return issuer(_form(incoming))

    def authenticate(self, incoming: Incoming) -> None:
        """Nothing: the assertion is the credential, and is checked as the request."""

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """An access token for an assertion. Raises `Refusal`."""
        try:
            given = grant(_form(incoming), incoming.headers.get("host", ""), incoming.keyring, incoming.now)
        except GrantError as error:
            raise Refusal(400, error.description, kind=error.code) from None
        return Reply(200, _HEADERS, msgspec.json.encode(given))

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        return _HEADERS

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """Never asked for: `parse` answers."""
        return b""

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """Never asked for: `parse` answers."""
        return iter(())

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """OAuth's error (RFC 6749, 5.2)."""
        code = refusal.kind or self.canned(refusal.status).kind
        retry = {"retry-after": f"{refusal.retry_after:g}"} if refusal.retry_after is not None else {}
        body = msgspec.json.encode({"error": code, "error_description": refusal.message})
        return Reply(refusal.status, _HEADERS | retry, body)

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        code, words = _WORDS.get(status, ("server_error", f"The request failed with status {status}."))
        return Refusal(status, words, kind=code)

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """Never asked for: there are no streams."""
        return b""


def _form(incoming: Incoming) -> dict[str, str]:
    return dict(parse_qsl(incoming.body.decode("utf-8", "replace")))
