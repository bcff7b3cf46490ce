"""Tool arguments and results between two forms: JSON text, as OpenAI has them, and JSON objects, as Gemini has them.

Numbers and key order are kept: an object goes over as its own bytes, only without white space, because what stands in
an SSE frame must be one line.
"""

from __future__ import annotations

import msgspec

from llmgw_domain.errors import InvalidField

_TEXT = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EMPTY = msgspec.Raw(b"{}")


def object_of(text: str) -> msgspec.Raw:
    """The object of a call's arguments.

    No text is `{}`; a JSON value that is no object is wrapped as `value`, text that is no JSON as `__raw_arguments`, so
    that nothing which the model wrote is lost.
    """
    if not text.strip():
        return _EMPTY
    try:
        compact = msgspec.json.format(text.encode(), indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return _wrapped("__raw_arguments", text)
    return msgspec.Raw(compact if compact[:1] == b"{" else b'{"value":' + compact + b"}")


def text_of(raw: msgspec.Raw) -> str:
    """The compact JSON text of a call's arguments; absent or null ones are `{}`.

    Raises `UnicodeDecodeError` where the bytes are no UTF-8, which is not checked in what stays raw.
    """
    if bytes(raw) in (b"", b"null"):
        return "{}"
    return msgspec.json.format(bytes(raw), indent=-1).decode()


def response_of(text: str, *, error: bool) -> msgspec.Raw:
    """A tool's result as the object that Gemini wants: JSON objects as they are, other text as `output` or `error`."""
    if text.lstrip()[:1] == "{":
        try:
            compact = msgspec.json.format(text.encode(), indent=-1)
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            if not error or "error" in _OBJECT.decode(compact):
                return msgspec.Raw(compact)
    return _wrapped("error" if error else "output", text)


def result_of(raw: msgspec.Raw | None) -> tuple[str, bool]:
    """The text of a tool's result, and whether it tells an error; the reverse of `response_of`.

    Raises `InvalidField` for text that is none, such as half of a surrogate pair.
    """
    try:
        return _result_of(raw)
    except msgspec.DecodeError as error:
        raise InvalidField(f"A function response is not valid text: {error}.", param="contents") from None


def _result_of(raw: msgspec.Raw | None) -> tuple[str, bool]:
    fields = {} if raw is None else _OBJECT.decode(raw)
    for name in ("output", "result", "error"):
        if len(fields) == 1 and name in fields and bytes(fields[name])[:1] == b'"':
            return _TEXT.decode(fields[name]), name == "error"
    return ("" if raw is None else text_of(raw)), set(fields) == {"error"}


def _wrapped(name: str, text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({name: text}))
