"""OpenAI Responses: whole and streamed answers, kept for the credential unless it says otherwise.

Keys, headers and errors are those of chat completions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answers
from llmgw_simulator.dialects._rules import json_body
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.chat_request import retention_of
from llmgw_simulator.dialects.responses_events import Progress, events, failure, last_event
from llmgw_simulator.dialects.responses_object import identify, output_items, response_object, status_of
from llmgw_simulator.dialects.responses_request import Draft, parse_responses
from llmgw_simulator.kept import Kept, Stored
from llmgw_simulator.wire import Frame, Incoming, Parsed


class Underway(msgspec.Struct, frozen=True):
    """A request that is being answered."""

    draft: Draft
    progress: Progress


class Responses(Chat):
    """The dialect `responses`. `kept` is where its answers go."""

    name = "responses"

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def parse(self, incoming: Incoming) -> Parsed:
        """Check the request. Raises `Refusal`."""
        body = json_body(incoming.body)
        ask, draft = parse_responses(body, incoming.owner, self._kept)
        underway = Underway(draft, Progress())
        return Parsed(ask=ask, stream=body.get("stream") is True, context=underway, retention=retention_of(body))

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """The response object."""
        stored = self._keep(parsed, answers)
        return msgspec.json.encode(stored.shown())

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """All events; the response is kept before the last of them goes out."""
        draft, progress = parsed.context.draft, parsed.context.progress
        for event, tokens in events(draft, answers):
            yield progress.frame(event, tokens)
        stored = self._keep(parsed, answers, fetched=True)
        yield progress.frame(last_event(draft, answers, stored.response["output"]))

    def replay(self, stored: Stored, after: int) -> Iterator[Frame]:
        """The events of a response that is kept, from behind number `after` on."""
        draft, progress = stored.parsed.context.draft, Progress()
        for event, tokens in events(draft, stored.answers):
            frame = progress.frame(event, tokens)
            if progress.sequence - 1 > after:
                yield frame
        frame = progress.frame(last_event(draft, stored.answers, stored.response["output"]))
        if progress.sequence - 1 > after:
            yield frame

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """An event that is cut in half, or the end of a response that failed."""
        progress: Progress = parsed.context.progress
        if kind == "malformed":
            kind = "response.output_text.delta"
            return (
                f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":{progress.sequence},"delta":"\n\n'.encode()
            )
        return progress.frame(failure(progress)).data

    def _keep(self, parsed: Parsed, answers: Answers, *, fetched: bool = False) -> Stored:
        draft: Draft = parsed.context.draft
        status = status_of(answers.choices[0])
        response = response_object(draft, answers, status, output_items(draft, answers))
        shown = "queued" if draft.background and not fetched else status
        stored = Stored(response, _named(draft.items, answers.id), draft.history, parsed, answers, shown)
        if draft.stored:
            self._kept.put(draft.owner.credential, stored)
        return stored


def _named(items: list[dict[str, Any]], digest: str) -> list[dict[str, Any]]:
    """Input items as they are kept: each with an id, messages with parts."""
    return [_kept_item(item, digest, index) for index, item in enumerate(items)]


_PREFIXES = {"message": "msg", "function_call_output": "fc", "custom_tool_call_output": "ctco", "reasoning": "rs"}


def _kept_item(item: dict[str, Any], digest: str, index: int) -> dict[str, Any]:
    given = identify(_PREFIXES.get(item["type"], item["type"][:4]), digest + "input", index)
    kept = {**item, "id": item.get("id") or given}
    if item["type"] != "message":
        return kept
    content = item["content"]
    if isinstance(content, str):
        kind = "output_text" if item["role"] == "assistant" else "input_text"
        part = {"type": kind, "text": content}
        content = [part | ({"annotations": []} if kind == "output_text" else {})]
    return {"status": "completed", **kept, "content": content}
