"""Events written as an answer for a client: `chat.completion.chunk` frames, or a `chat.completion` body.

The grammar: each choice begins with a chunk that holds the role, ends with one chunk that holds the finish reason;
then the usage, if asked for, in a chunk without choices; then `[DONE]`. Id, time and model are the same in all
chunks. The chunk of a text delta is put together from bytes made once, because there is one for nearly every token.

A client that sent the deprecated `functions` reads `function_call`, which holds one call.

Providers of other dialects may say the finish before the last content. So the finish chunks are held back to the end
of the stream, since clients leave a choice at its finish.

A stream that breaks never ends in a normal finish reason: see `fail`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from llmgw_domain import StreamErrors, Usage
from llmgw_domain.errors import GatewayError
from llmgw_domain.stream import (
    Answer,
    Cited,
    Finished,
    MediaMade,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.chat import message, tools, usage
from llmgw_protocols.chat.errors import error_object
from llmgw_protocols.dialect import EncodeContext

DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode
_LONGEST_THOUGHT = 4 * 1024 * 1024


class ChatEncoder:
    """Writes one answer; see `llmgw_protocols.dialect.Encoder`."""

    def __init__(self, context: EncodeContext) -> None:
        self._context = context
        self._id = "chatcmpl-" + context.request_id.replace("-", "")
        self._created = context.created
        self._model = context.model
        self._maker = ""
        self._functions = context.request is not None and tools.knows_functions_only(context.request.fields)
        self._choices: dict[int, _Choice] = {}
        self._held: dict[int, str] = {}
        """Finish reasons that are still to be written, by choice."""
        self._usage: Usage | None = None
        self._frame()

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            kind = event.__class__
            if kind is TextDelta:
                choice = self._begun(event.choice, out)  # type: ignore[union-attr]
                out.append(self._delta(choice, b'{"content":' + _encode(event.text) + b"}"))  # type: ignore[union-attr]
            elif kind is UsageReported:
                self._usage = event.usage  # type: ignore[union-attr]
            elif kind is Opened:
                self._maker = event.model  # type: ignore[union-attr]
            else:
                self._emit_other(event, out)
        return b"".join(out)

    def observe(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            kind = event.__class__
            if kind is Opened:
                self._adopt(event)  # type: ignore[arg-type]
            elif kind is UsageReported:
                self._usage = event.usage  # type: ignore[union-attr]
            elif (index := getattr(event, "choice", None)) is not None:
                choice = self._choices.get(index)
                if choice is None:
                    choice = self._choices[index] = _Choice(index)
                if kind is Finished:
                    choice.finished = True

    def end(self) -> bytes:
        return self._finishes() + self._usage_chunk() + DONE

    def end_mark(self) -> bytes:
        return DONE

    def fail(self, error: GatewayError) -> bytes:
        """Marks each unfinished choice with `finish_reason: "error"`; `raise` adds, and `strict` has only, `error`."""
        if self._context.stream_errors is StreamErrors.STRICT:
            return b"data: " + _encode({"error": error_object(error)}) + b"\n\n" + DONE
        more: dict[str, Any] = {"gateway_error": gateway_error(error)}
        if self._context.stream_errors is StreamErrors.RAISE:
            more["error"] = error_object(error)
        # A break that comes after every finish must be seen as well, so then the first choice is marked again.
        asked = {*range(self._context.choices), *self._choices}
        broken = [i for i in asked if i not in self._choices or not self._choices[i].finished] or [min(asked)]
        out = [self._chunk([{"index": i, "delta": {}, "finish_reason": "error"}], more) for i in sorted(broken)]
        return self._finishes(but=broken) + b"".join(out) + self._usage_chunk() + DONE

    def body(self, answer: Answer) -> bytes:
        body: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._model,
            "choices": [message.choice(c, answer.model, functions=self._functions) for c in answer.choices],
        }
        if answer.usage is not None:
            body["usage"] = usage.write(answer.usage)
        return _encode(body)

    def _emit_other(self, event: StreamEvent, out: list[bytes]) -> None:
        match event:
            case ThinkingDelta(text=text, choice=index):
                choice = self._begun(index, out, thinks=True)
                choice.think(text)
                out.append(self._delta(choice, b'{"reasoning_content":' + _encode(text) + b"}"))
            case ToolDelta(call=call, fragment=fragment, choice=index):
                choice = self._begun(index, out)
                out.append(self._delta(choice, self._arguments(choice, call, fragment)))
            case Cited(choice=index):
                self._begun(index, out).cited.append(message.annotation(event))
            case TokensScored(tokens=tokens, choice=index):
                self._begun(index, out)
                piece = {"index": index, "delta": {}, "logprobs": message.logprobs(tokens), "finish_reason": None}
                out.append(self._chunk([piece], {}))
            case Finished(reason=reason, choice=index):
                self._begun(index, out).finished = True
                self._held.setdefault(index, message.finish(reason, functions=self._functions))
            case _:
                self._emit_whole(event, out)

    def _emit_whole(self, event: StreamEvent, out: list[bytes]) -> None:
        """Events that are one delta each. What chat has no word for, and `Failed`, write nothing."""
        match event:
            case ThinkingSigned(signature=signature, choice=index, family=family):
                choice = self._begun(index, out, thinks=True)
                text = choice.thought()
                delta = message.signed(text, signature, family, self._maker, choice.next_thought())
            case ThinkingRedacted(data=data, choice=index, family=family):
                choice = self._begun(index, out)
                delta = message.redacted(data, family, self._maker, choice.next_thought())
            case ToolOpened(call=call, choice=index, custom=custom):
                choice = self._begun(index, out)
                if custom:
                    choice.custom.add(call)
                delta = self._call(event)
            case RefusalDelta(text=text, choice=index):
                choice = self._begun(index, out)
                delta = {"refusal": text}
            case MediaMade(media_type=kind, data=data, choice=index):
                choice = self._begun(index, out)
                delta = {"images": [message.image(kind, data)]}
            case _:
                return
        out.append(self._delta(choice, _encode(delta)))

    def _call(self, opened: ToolOpened) -> dict[str, Any]:
        """The delta that begins a call. Of a client that knows functions only, the first call is its function's."""
        if self._functions and opened.call == 0:
            return {"function_call": {"name": opened.name, "arguments": ""}}
        call = message.call(opened.id, opened.name, "", opened.signature, opened.custom)
        return {"tool_calls": [{"index": opened.call - self._functions, **call}]}

    def _arguments(self, choice: _Choice, call: int, fragment: str) -> bytes:
        if self._functions and call == 0:
            return b'{"function_call":{"arguments":%b}}' % _encode(fragment)
        member = b'"custom":{"input":' if call in choice.custom else b'"function":{"arguments":'
        return b'{"tool_calls":[{"index":%d,%b%b}}]}' % (call - self._functions, member, _encode(fragment))

    def _begun(self, index: int, out: list[bytes], thinks: bool = False) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index)
            out.append(self._delta(choice, b'{"role":"assistant","content":""}'))
        elif not thinks and choice.thinking:
            # Other content closes a thinking block; a signature after it is that of an empty one.
            choice.thought()
        return choice

    def _finishes(self, but: Collection[int] = ()) -> bytes:
        """The held finishes. `but` are choices that end otherwise: each has one finish."""
        return b"".join(self._finish(self._choices[i], reason) for i, reason in self._held.items() if i not in but)

    def _finish(self, choice: _Choice, reason: str) -> bytes:
        cited = self._delta(choice, _encode({"annotations": choice.cited})) if choice.cited else b""
        return cited + self._chunk([{"index": choice.index, "delta": {}, "finish_reason": reason}], {})

    def _delta(self, choice: _Choice, delta: bytes) -> bytes:
        return self._head + choice.head + delta + self._tail

    def _chunk(self, choices: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
        body: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        if self._context.include_usage:
            body["usage"] = None
        return b"data: " + _encode({**body, **more}) + b"\n\n"

    def _usage_chunk(self) -> bytes:
        if not self._context.include_usage or self._usage is None:
            return b""
        return self._chunk([], {"usage": usage.write(self._usage)})

    def _adopt(self, opened: Opened) -> None:
        """The ending of a forwarded stream belongs to the answer that the provider began."""
        self._id = opened.id or self._id
        self._created = opened.created or self._created
        self._model = opened.model or self._model

    def _frame(self) -> None:
        empty = self._chunk([], {})
        at = empty.index(b'"choices":[') + len(b'"choices":[')
        self._head = empty[:at]
        self._tail = b',"finish_reason":null}' + empty[at:]


class _Choice:
    """What was written of one choice."""

    __slots__ = ("_size", "_thoughts", "cited", "custom", "finished", "head", "index", "thinking")

    def __init__(self, index: int) -> None:
        self.index = index
        self.head = b'{"index":%d,"delta":' % index
        self.finished = False
        self.cited: list[dict[str, Any]] = []
        self.custom: set[int] = set()
        self.thinking: list[str] = []
        self._size = 0
        self._thoughts = 0

    def think(self, text: str) -> None:
        """Keeps the text of the open thinking block: a signature holds for the whole of it."""
        self._size += len(text)
        if self._size <= _LONGEST_THOUGHT:
            self.thinking.append(text)

    def thought(self) -> str:
        """The text of the block that closes now."""
        text = "".join(self.thinking)
        self.thinking.clear()
        self._size = 0
        return text

    def next_thought(self) -> int:
        self._thoughts += 1
        return self._thoughts - 1


def gateway_error(error: GatewayError) -> dict[str, Any]:
    """What a marked ending says of the break."""
    return {
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "upstream_status": error.upstream_status,
        "bytes_received": error.bytes_received,
    }
