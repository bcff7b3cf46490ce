"""How a chat stream that breaks is ended: the client's own wish, its key's policy, or what is best for its kind."""

from __future__ import annotations

from llmgw_domain.keys import StreamErrors

_LOOPERS = ("opencode/",)
"""User agents of clients that take `finish_reason: "error"` for an answer that goes on: they put the half that came
into their history and ask again at once, without end. On a top-level `error` they wait and ask the same again."""


def stream_errors(
    wish: StreamErrors | None, policy: StreamErrors | None, default: StreamErrors, user_agent: str
) -> StreamErrors:
    """The form of the ending; what was asked for by name goes before what is known of the client."""
    form = wish or policy
    if form is None and default is StreamErrors.FINISH and user_agent.startswith(_LOOPERS):
        return StreamErrors.RAISE
    return form or default
