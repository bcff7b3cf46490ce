"""One JSON object of an answer, chunk or whole body, decoded: fast where it is as documented, tolerant where it is
not.

The fast way is one typed decode that skips what is unknown. Providers do send wrong types in members that matter
little (`created` as a float, an index as text), tokens that JSON does not have (`NaN`) and halves of surrogate pairs.
Those are mended and the object is read again; a member that carries the answer itself is never dropped to make the
rest fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from llmgw_domain.stream import TokenScore
from llmgw_protocols import data_url
from llmgw_protocols.chat._wire import ExtraContent, Google
from llmgw_protocols.chat.usage import WireUsage

T = TypeVar("T")

# A union with None is no raw value to the decoder, so absence is an empty one.
_ABSENT = Raw(b"")


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of `content` as a list: Mistral's text, thinking and references."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[Piece] | None = None


class Function(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | dict[str, Raw] | None = None
    input: str | None = None

    @property
    def fragment(self) -> str:
        """The piece of the arguments' text; some servers send them as an object, whole."""
        if isinstance(self.arguments, dict):
            # Raw members are the provider's bytes, which nobody has checked.
            return msgspec.json.encode(self.arguments).decode("utf-8", "replace")
        return self.arguments or self.input or ""

    @property
    def is_blank(self) -> bool:
        """Nothing is said: some servers write every member that the format has."""
        return not (self.name or self.arguments or self.input)


class Call(msgspec.Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Function | None = None
    extra_content: ExtraContent | None = None
    provider_specific_fields: Google | None = None

    @property
    def is_custom(self) -> bool:
        return self.custom is not None and not (self.function and self.custom.is_blank)

    @property
    def said(self) -> Function:
        """What this piece says of its call, of whichever kind that is."""
        return (self.custom if self.is_custom else self.function) or Function()

    @property
    def signature(self) -> str | None:
        """Google's thought signature, in either of its places."""
        if self.extra_content and self.extra_content.google and self.extra_content.google.thought_signature:
            return self.extra_content.google.thought_signature
        return self.provider_specific_fields.thought_signature if self.provider_specific_fields else None


class Reasoned(msgspec.Struct, frozen=True, gc=False):
    """An entry of `reasoning_details` or of `thinking_blocks`."""

    type: str | None = None
    text: str | None = None
    summary: str | None = None
    thinking: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None

    @property
    def words(self) -> str:
        return self.text or self.summary or self.thinking or ""


class UrlCitation(msgspec.Struct, frozen=True, gc=False):
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct, frozen=True, gc=False):
    url_citation: UrlCitation | None = None


class ImageUrl(msgspec.Struct, frozen=True, gc=False):
    url: str = ""


class MadeImage(msgspec.Struct, frozen=True, gc=False):
    image_url: ImageUrl | None = None

    @property
    def inline(self) -> tuple[str, str] | None:
        """Media type and base64 of an image in the answer itself; None for one at an address."""
        head, _, content = (self.image_url.url if self.image_url else "").partition(",")
        return (head[5:].partition(";")[0] or "image/png", content) if data_url.is_data_url(head) else None


class Delta(msgspec.Struct, frozen=True, gc=False):
    content: str | list[Piece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    reasoning_details: list[Reasoned] | None = None
    thinking_blocks: list[Reasoned] | None = None
    annotations: list[Annotation] | None = None
    images: list[MadeImage] | None = None


class Candidate(msgspec.Struct, frozen=True, gc=False):
    token: str
    logprob: float


class Scored(Candidate, frozen=True, gc=False):
    """A token of the answer; `top_logprobs` are the likeliest in its place."""

    top_logprobs: list[Candidate] | None = None

    @property
    def score(self) -> TokenScore:
        return TokenScore(self.token, self.logprob, tuple((t.token, t.logprob) for t in self.top_logprobs or ()))


class Logprobs(msgspec.Struct, frozen=True, gc=False):
    content: list[Scored] | None = None


class WireChoice(msgspec.Struct, frozen=True, gc=False):
    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    """What legacy completions have in their place."""
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: Logprobs | None = None
    error: Raw = _ABSENT


class GroqPart(msgspec.Struct, frozen=True, gc=False):
    usage: WireUsage | None = None
    error: str | None = None


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A chunk, or a whole body, which differs by `message` in place of `delta`."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    x_groq: GroqPart | None = None
    error: Raw = _ABSENT


class NotUnderstood(Exception):
    """The object could not be read; the text says why."""


_fast = msgspec.json.Decoder(Chunk).decode
_lenient = msgspec.json.Decoder(Chunk, strict=False).decode
_loose = msgspec.json.Decoder().decode
_AT = re.compile(r"`\$\.?(.*?)`$")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b')
_SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PRECIOUS = frozenset(("choices", "delta", "message", "content", "tool_calls", "arguments", "input", "text", "refusal"))
_MENDS = 8


def read(data: bytes) -> Chunk:
    """The object. Raises `NotUnderstood`."""
    try:
        return _fast(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return fit(loosely(data), _lenient, _PRECIOUS)
    except RecursionError:
        raise NotUnderstood("nested too deeply") from None


def loosely(data: bytes) -> Any:
    """Any JSON value, mended where providers break the format. Raises `NotUnderstood`."""
    try:
        return _loose(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    mended = _TOKENS.sub(_mend, data.decode("utf-8", "replace").encode())
    try:
        return _loose(mended)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotUnderstood(str(error)) from None


def _mend(token: re.Match[bytes]) -> bytes:
    if token[0][:1] != b'"':
        return b"null"
    return _SURROGATES.sub(lambda m: m[1] + (m[2] or b"\\ufffd"), token[0])


def fit(value: Any, decode: Callable[[bytes], T], precious: Collection[str]) -> T:
    """Takes out members of a wrong type, one by one, until `decode` reads the rest. Raises `NotUnderstood`.

    A member whose name is among the `precious` ones is never taken out: the answer would not be the same.
    """
    if not isinstance(value, dict):
        raise NotUnderstood("not a JSON object")
    for _ in range(_MENDS):
        try:
            return decode(msgspec.json.encode(value))
        except msgspec.ValidationError as error:
            _take_out(value, error, precious)
    raise NotUnderstood("too many members of a wrong type")


def _take_out(value: Any, error: msgspec.ValidationError, precious: Collection[str]) -> None:
    match = _AT.search(str(error))
    steps = [name or int(index) for name, index in _STEP.findall(match[1]) if index != "..."] if match else []
    # An index at the end is a bad item: its whole list goes.
    while steps and isinstance(steps[-1], int):
        steps.pop()
    if not steps or steps[-1] in precious:
        raise NotUnderstood(str(error))
    for step in steps[:-1]:
        value = value[step]
    del value[steps[-1]]
