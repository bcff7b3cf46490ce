"""OpenAI's API beyond models, which is passed through: what stands at which path, and what of it names objects.

Files, batches and stored responses are objects: they live at the account that made them. Images and audio are questions
to a model. Everything else of the API is not served.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Body = Literal["none", "json", "multipart"]
Aim = Literal["model", "object", "list", "create"]
"""Which account is asked: one of the model's, the object's own, all that hold the tenant's objects, or any."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """What a method and path ask for. `path` follows the version; `kind` is what a policy's `endpoints` name.

    `id` is that of the object, where the path holds one.
    """

    kind: str
    path: str
    aim: Aim
    body: Body = "none"
    id: str | None = None

    @property
    def makes_nothing(self) -> bool:
        """Whether it can be asked again without harm."""
        return self.body == "none"


_ID = r"(?P<id>[A-Za-z0-9_.-]{1,256})"
_PATHS: tuple[tuple[str, str, str, Aim, Body], ...] = (
    ("POST", r"/files", "files", "create", "multipart"),
    ("GET", r"/files", "files", "list", "none"),
    ("GET", rf"/files/{_ID}", "files", "object", "none"),
    ("DELETE", rf"/files/{_ID}", "files", "object", "none"),
    ("GET", rf"/files/{_ID}/content", "files", "object", "none"),
    ("POST", r"/batches", "batches", "create", "json"),
    ("GET", r"/batches", "batches", "list", "none"),
    ("GET", rf"/batches/{_ID}", "batches", "object", "none"),
    ("POST", rf"/batches/{_ID}/cancel", "batches", "object", "json"),
    ("POST", r"/images/generations", "images", "model", "json"),
    ("POST", r"/images/(?:edits|variations)", "images", "model", "multipart"),
    ("POST", r"/audio/speech", "audio", "model", "json"),
    ("POST", r"/audio/(?:transcriptions|translations)", "audio", "model", "multipart"),
    ("GET", rf"/responses/{_ID}", "responses", "object", "none"),
    ("DELETE", rf"/responses/{_ID}", "responses", "object", "none"),
    ("GET", rf"/responses/{_ID}/input_items", "responses", "object", "none"),
    ("POST", rf"/responses/{_ID}/cancel", "responses", "object", "json"),
)
_COMPILED = [(method, re.compile(path), kind, aim, body) for method, path, kind, aim, body in _PATHS]
ENDPOINTS = ("images", "audio", "files", "batches")
"""The kinds that a policy has to allow."""


def resource_at(method: str, path: str) -> Resource | None:
    """What a method asks for at a path below `/v1`; None where nothing is."""
    for known, match, kind, aim, body in _COMPILED:
        found = match.fullmatch(path) if known == method else None
        if found is not None:
            return Resource(kind=kind, path=path, aim=aim, body=body, id=found.groupdict().get("id"))
    return None


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path takes; none where nothing is."""
    return tuple(dict.fromkeys(method for method, match, *_ in _COMPILED if match.fullmatch(path)))


_ID_TEXT = rb'"([A-Za-z0-9_.-]{1,256})"'
_REFERENCE = re.compile(rb'"(?:file_id|input_file_id|previous_response_id)"\s*:\s*' + _ID_TEXT)
_REFERENCES = re.compile(rb'"file_ids"\s*:\s*\[([^\]]*)\]')
_NEEDLESS = re.compile(rb"\\u00(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f)", re.IGNORECASE)
"""An escape of a letter, a digit, or of what else ids and names are made of: nobody has to write them."""


def unescaped(body: bytes) -> bytes:
    """The same JSON, with the characters that names and ids are made of written as themselves."""
    return _NEEDLESS.sub(lambda found: bytes((int(found[1], 16),)), body) if b"\\u00" in body else body


_OWN_DATA = frozenset(
    {
        *("metadata", "args", "arguments", "response", "parameters", "schema", "json_schema", "input_schema"),
        *("parametersJsonSchema", "parameters_json_schema", "responseSchema", "response_schema"),
        *("responseJsonSchema", "response_json_schema"),
    }
)
"""What holds the client's own data in one dialect or another: calls' arguments, their results, schemas, labels."""


def references(body: bytes) -> tuple[str, ...]:
    """The ids of objects that a JSON body names, each once, however its names are written.

    A text that holds such a name has its quotes escaped, so it is not taken for one, and neither is a field that a tool
    calls so. Of a name that stands twice both values count, since nobody knows which one the provider takes.
    """
    plain = unescaped(body)
    # Nearly no request names an object, and looking for two words costs next to nothing.
    if b"file_id" not in plain and b"previous_response_id" not in plain:
        return ()
    named = Counter(one.decode() for one in _REFERENCE.findall(plain))
    for several in _REFERENCES.findall(plain):
        named.update(one.decode() for one in re.findall(_ID_TEXT, several))
    if not named:
        return ()
    # Where one occurrence is the client's own affair another one need not be, so they are counted.
    harmless = Counter(_in_own_data(plain))
    return tuple(one for one, times in named.items() if times > harmless[one])


def _in_own_data(body: bytes) -> Iterator[str]:
    """The texts under the names that are looked for, where they are the client's own data."""
    try:
        left: list[tuple[Any, bool]] = [(msgspec.json.decode(body), False)]
    except (msgspec.DecodeError, RecursionError):
        return
    while left:
        value, own = left.pop()
        if isinstance(value, list):
            left += [(item, own) for item in value]
        elif isinstance(value, dict):
            if own:
                yield from _named_in(value)
            # What a tool is called with is an object; what a response is asked is a text or a list.
            left += [(v, own or k in _OWN_DATA or (k == "input" and isinstance(v, dict))) for k, v in value.items()]


def _named_in(value: dict[str, Any]) -> Iterator[str]:
    texts = [value.get(name) for name in ("file_id", "input_file_id", "previous_response_id")]
    several = value.get("file_ids")
    texts += several if isinstance(several, list) else []
    return (text for text in texts if isinstance(text, str))


class _Object(msgspec.Struct):
    id: str | None = None
    object: str | None = None
    status: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


_KINDS = {"file": "files", "batch": "batches", "response": "responses"}


class Made(msgspec.Struct, frozen=True):
    """An object that an answer tells of. `over`: its work is done, so that its usage is final."""

    id: str
    kind: str
    over: bool = False


def made(body: bytes) -> list[Made]:
    """The objects that an answer brings into the world: itself, and the files that a batch has written."""
    try:
        found = msgspec.json.decode(body, type=_Object)
    except (msgspec.DecodeError, RecursionError):
        return []
    objects = []
    if found.id and found.object in _KINDS:
        over = found.status in ("completed", "failed", "expired", "cancelled", "incomplete")
        objects.append(Made(found.id, _KINDS[found.object], over))
    written = (found.output_file_id, found.error_file_id)
    return objects + [Made(file_id, "files") for file_id in written if file_id]


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Used(msgspec.Struct):
    usage: _Counts | None = None


def used(body: bytes) -> tuple[int, int] | None:
    """Input and output tokens of an answer; None where it does not say."""
    try:
        usage = msgspec.json.decode(body, type=_Used).usage
    except (msgspec.DecodeError, RecursionError):
        return None
    if usage is None:
        return None
    given = (usage.input_tokens or usage.prompt_tokens, usage.output_tokens or usage.completion_tokens)
    return (given[0] or 0, given[1] or 0) if any(given) else None
