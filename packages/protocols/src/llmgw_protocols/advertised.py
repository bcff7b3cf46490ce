"""What providers say of their models: how the list is asked for, and what is read out of it.

Anthropic tells capabilities, limits and lifecycles, Google limits and whether a model thinks, OpenAI the day on which a
model is shut down. An entry that makes no sense is passed over: what is not known is decided by the model's name.

Sources: the `ModelInfo` of Anthropic's SDK, the `Model` of OpenAI's, ai.google.dev/api/models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from llmgw_domain import Provider
from llmgw_domain.advertised import Advertised
from llmgw_domain.errors import UpstreamMalformed
from llmgw_protocols.dialect import Rendered
from llmgw_protocols.messages.models import ALL_EFFORTS
from llmgw_protocols.messages.render import VERSION

PAGE_SIZE = 1000
"""Models of a page: the most that Anthropic and Google give."""

_DATE = re.compile(r"-20\d{6}$")


class Page(NamedTuple):
    """A part of a list: models by every name that they are asked for by, and where the next part begins."""

    models: dict[str, Advertised]
    next: str | None = None


class ModelList(NamedTuple):
    """How a provider tells of its models. `ask` takes where the page begins; `read` raises `UpstreamMalformed`."""

    ask: Callable[[str | None], Rendered]
    read: Callable[[bytes], Page]


# --- Anthropic --------------------------------------------------------------------------------------------------------


class _Support(msgspec.Struct):
    supported: bool = False


class _Thinking(msgspec.Struct):
    supported: bool | None = None
    types: dict[str, _Support] | None = None


class _Capabilities(msgspec.Struct):
    thinking: _Thinking | None = None
    effort: dict[str, Any] | None = None
    structured_outputs: _Support | None = None


class _Claude(msgspec.Struct):
    id: str
    max_tokens: int | None = None
    max_input_tokens: int | None = None
    capabilities: _Capabilities | None = None
    lifecycle: str | None = None
    retires_at: str | None = None


class _AnthropicList(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool = False
    last_id: str | None = None


def _ask_anthropic(start: str | None) -> Rendered:
    query = {"limit": str(PAGE_SIZE)} | ({"after_id": start} if start else {})
    headers = (("anthropic-version", VERSION),)
    return Rendered(path="/v1/models", query=urlencode(query), headers=headers, body=b"")


def _read_anthropic(body: bytes) -> Page:
    page = _decoded(body, _AnthropicList)
    found = {model.id: _of_claude(model) for model in _entries(page.data, _Claude)}
    # A name without its date is the latest model of that name; the list has the latest ones first.
    for name in list(found):
        found.setdefault(_DATE.sub("", name), found[name])
    return Page(found, page.last_id if page.has_more else None)


def _of_claude(model: _Claude) -> Advertised:
    told = model.capabilities or _Capabilities()
    thinking = told.thinking or _Thinking()
    types = thinking.types
    return Advertised(
        max_output_tokens=model.max_tokens,
        max_input_tokens=model.max_input_tokens,
        thinks=thinking.supported,
        thinking_types=None if types is None else frozenset(name for name, said in types.items() if said.supported),
        efforts=_efforts(told.effort),
        structured=None if told.structured_outputs is None else told.structured_outputs.supported,
        lifecycle=model.lifecycle or "",
        retires_at=model.retires_at or "",
    )


def _efforts(said: dict[str, Any] | None) -> tuple[str, ...] | None:
    if said is None or not isinstance(said.get("supported"), bool):
        return None
    return tuple(e for e in ALL_EFFORTS if said["supported"] and _is_supported(said.get(e)))


def _is_supported(said: Any) -> bool:
    return isinstance(said, dict) and said.get("supported") is True


# --- Google -----------------------------------------------------------------------------------------------------------


class _Gemini(msgspec.Struct, rename="camel"):
    name: str
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    thinking: bool | None = None


class _GoogleList(msgspec.Struct, rename="camel"):
    models: list[msgspec.Raw]
    next_page_token: str | None = None


def _ask_google(start: str | None) -> Rendered:
    query = {"pageSize": str(PAGE_SIZE)} | ({"pageToken": start} if start else {})
    return Rendered(path="/v1beta/models", query=urlencode(query), body=b"")


def _read_google(body: bytes) -> Page:
    page = _decoded(body, _GoogleList)
    found: dict[str, Advertised] = {}
    for model in _entries(page.models, _Gemini):
        said = Advertised(
            max_output_tokens=model.output_token_limit,
            max_input_tokens=model.input_token_limit,
            thinks=model.thinking,
        )
        found[model.name] = found[model.name.removeprefix("models/")] = said
    return Page(found, page.next_page_token or None)


# --- OpenAI -----------------------------------------------------------------------------------------------------------


class _Openai(msgspec.Struct):
    id: str
    shutdown_date: str | None = None


class _OpenaiList(msgspec.Struct):
    data: list[msgspec.Raw]


def _ask_openai(start: str | None) -> Rendered:
    return Rendered(path="/models", body=b"")


def _read_openai(body: bytes) -> Page:
    models = _entries(_decoded(body, _OpenaiList).data, _Openai)
    return Page({m.id: Advertised(retires_at=m.shutdown_date) for m in models if m.shutdown_date})


# --- all of them ------------------------------------------------------------------------------------------------------

MODEL_LISTS: dict[Provider, ModelList] = {
    Provider.ANTHROPIC: ModelList(_ask_anthropic, _read_anthropic),
    Provider.GOOGLE: ModelList(_ask_google, _read_google),
    Provider.OPENAI: ModelList(_ask_openai, _read_openai),
}
"""The providers whose lists say something."""

T = TypeVar("T", bound=msgspec.Struct)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamMalformed(detail="no list of models") from None


def _entries(raw: Iterable[msgspec.Raw], shape: type[T]) -> Iterable[T]:
    for entry in raw:
        try:
            yield msgspec.json.decode(entry, type=shape)
        except (msgspec.DecodeError, RecursionError):
            continue
