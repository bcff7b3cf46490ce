"""The neutral view of a request and of its answer: what the engine sees, whatever the wire format.

A dialect turns a provider's JSON into an `Ask`; the engine turns that into `Answers`; a writer of the same dialect
turns those into the provider's JSON again. Nothing here knows HTTP, a provider or time.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["user", "assistant", "system"]
Finish = Literal["stop", "stop_sequence", "length", "calls"]


class Media(msgspec.Struct, frozen=True):
    """An attachment. `size` is in decoded bytes; a reference has its address in `uri` and a size of 0."""

    kind: Literal["image", "document", "audio", "video"]
    media_type: str = ""
    size: int = 0
    uri: str = ""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool returned, as text; `error` where the dialect can say that it failed."""

    call_id: str
    text: str
    name: str = ""
    error: bool = False


class Turn(msgspec.Struct, frozen=True):
    """One message."""

    role: Role
    text: str = ""
    media: tuple[Media, ...] = ()
    results: tuple[ToolResult, ...] = ()


class Tool(msgspec.Struct, frozen=True):
    """A function that may be called; `schema` is JSON Schema, or Gemini's upper-case form of it."""

    name: str
    schema: dict[str, Any] = {}


class Choice(msgspec.Struct, frozen=True):
    """Which tools may (`auto`), must (`any`) or must not (`none`) be called; no `names` means all of them."""

    mode: Literal["auto", "any", "none"] = "auto"
    names: tuple[str, ...] = ()
    parallel: bool = True


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `limit` bounds the answer in tokens, reasoning included; `n` is the number of answers wanted."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = Choice()
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    thinking: bool = False
    limit: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1

    @property
    def refuses(self) -> bool:
        """Whether the user's text asks for a refusal, by the word REFUSE."""
        return "REFUSE" in self.last_user().text.split()

    def last_user(self) -> Turn:
        """Everything that the user said since the last answer, as one turn.

        After a prefilled answer, which is an assistant's turn at the end, it is the turn before that.
        """
        tail: list[Turn] = []
        for turn in reversed(self.turns):
            if turn.role == "assistant" and tail:
                break
            if turn.role == "user":
                tail.insert(0, turn)
        return Turn(
            role="user",
            text="\n".join(turn.text for turn in tail if turn.text),
            media=tuple(item for turn in tail for item in turn.media),
            results=tuple(result for turn in tail for result in turn.results),
        )


class Part(msgspec.Struct, frozen=True):
    """A piece of an answer. `text` is what is streamed: prose, or a call's arguments as JSON.

    `cut` means that the token limit fell into this part, so that arguments are not valid JSON. `id` is a digest, from
    which each dialect makes an id of its own form.
    """

    kind: Literal["reasoning", "text", "call"]
    text: str
    name: str = ""
    id: str = ""
    cut: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One choice. `tokens` counts all of it, `reasoning_tokens` the reasoning in it."""

    parts: tuple[Part, ...]
    finish: Finish
    stop_sequence: str | None
    tokens: int
    reasoning_tokens: int


class Answers(msgspec.Struct, frozen=True):
    """All choices of one request. `id` is a hexadecimal digest of request and seed.

    `cached_tokens` are those of the prompt that a prompt cache held, `written_tokens` those that it has from now on,
    `written_hour_tokens` the ones of these that it keeps for an hour. An event of a stream holds up to `burst` tokens.
    """

    id: str
    prompt_tokens: int
    choices: tuple[Answer, ...]
    cached_tokens: int = 0
    written_tokens: int = 0
    written_hour_tokens: int = 0
    burst: int = 1

    @property
    def fresh_tokens(self) -> int:
        """Those of the prompt that were neither in a cache nor written to one."""
        return self.prompt_tokens - self.cached_tokens - self.written_tokens

    @property
    def tokens(self) -> int:
        """Output tokens over all choices."""
        return sum(answer.tokens for answer in self.choices)

    @property
    def reasoning_tokens(self) -> int:
        """Reasoning tokens over all choices."""
        return sum(answer.reasoning_tokens for answer in self.choices)
