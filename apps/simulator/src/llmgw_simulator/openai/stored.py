"""`/v1/responses/{id}` and below: what is kept of Responses; and `/v1/responses/input_tokens`."""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_simulator.dialects._rules import json_body
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.dialects.responses import Responses
from llmgw_simulator.dialects.responses_request import parse_count
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.kept import Kept, Stored
from llmgw_simulator.openai.page import as_json, page_of
from llmgw_simulator.wire import Incoming, Product


class StoredResponses:
    """The responses of all credentials, each shown to its own."""

    def __init__(self, kept: Kept, dialect: Responses) -> None:
        self._kept = kept
        self._dialect = dialect

    def retrieve(self, incoming: Incoming, response_id: str) -> Product:
        """The object, or its events once more with `?stream=true`. One in the background is completed by this."""
        stored = self._found(incoming, response_id)
        if stored.status == "queued":
            stored.status = stored.response["status"]
        if incoming.query.get("stream") != "true":
            return as_json(stored.shown())
        after = _whole_number(incoming.query, "starting_after", -1)
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        return Product(headers=headers, frames=self._dialect.replay(stored, after))

    def input_items(self, incoming: Incoming, response_id: str) -> Product:
        """The items that the answer was made from, those of the responses before it included."""
        stored = self._found(incoming, response_id)
        return as_json(page_of(stored.history + stored.items, incoming.query, 20, 100))

    def delete(self, incoming: Incoming, response_id: str) -> Product:
        """Forget it."""
        self._kept.delete(incoming.owner, response_id)
        return as_json({"id": response_id, "object": "response", "deleted": True})

    def cancel(self, incoming: Incoming, response_id: str) -> Product:
        """Cancel one in the background that has not been fetched."""
        stored = self._found(incoming, response_id)
        if not stored.response["background"]:
            invalid("Cannot cancel a synchronous response.")
        if stored.status == "queued":
            stored.status = "cancelled"
        return as_json(stored.shown())

    def count(self, incoming: Incoming) -> Product:
        """How many input tokens a request would have."""
        ask = parse_count(json_body(incoming.body), incoming.owner, self._kept)
        return as_json({"object": "response.input_tokens", "input_tokens": prompt_tokens(ask)})

    def _found(self, incoming: Incoming, response_id: str) -> Stored:
        return self._kept.get(incoming.owner, response_id)


def _whole_number(query: Mapping[str, str], name: str, usual: int) -> int:
    given = query.get(name)
    if given is None:
        return usual
    if not (given.isascii() and given.isdigit()):
        invalid(f"Invalid type for '{name}': expected an integer, but got '{given}' instead.", name, "invalid_type")
    return int(given)
