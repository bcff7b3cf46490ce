"""What is asked for, and what is read, of the providers' lists of models."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.advertised import Advertised
from llmgw_domain.errors import UpstreamMalformed
from llmgw_protocols.advertised import MODEL_LISTS, Page

YES, NO = {"supported": True}, {"supported": False}
EFFORT = {"supported": True, "low": YES, "medium": YES, "high": YES, "xhigh": None, "max": NO}
CLAUDE = {
    "type": "model",
    "id": "claude-comet-6-20261001",
    "display_name": "Claude Comet 6",
    "created_at": "2026-10-01T00:00:00Z",
    "deprecated_at": "2026-11-01T00:00:00Z",
    "retires_at": "2027-05-01T00:00:00Z",
    "lifecycle": "deprecated",
    "max_input_tokens": 1_000_000,
    "max_tokens": 48_000,
    "capabilities": {
        "batch": YES,
        "effort": EFFORT,
        "structured_outputs": NO,
        "thinking": {
            "supported": True,
            "types": {"adaptive": YES, "between_tools": NO, "disabled": YES, "enabled": NO},
        },
    },
}
COMET = Advertised(
    max_output_tokens=48_000,
    max_input_tokens=1_000_000,
    thinks=True,
    thinking_types=frozenset(("adaptive", "disabled")),
    efforts=("low", "medium", "high"),
    structured=False,
    lifecycle="deprecated",
    retires_at="2027-05-01T00:00:00Z",
)


def read(provider: str, body: Any) -> Page:
    return MODEL_LISTS[Provider(provider)].read(msgspec.json.encode(body))


def asked(provider: str, start: str | None) -> str:
    rendered = MODEL_LISTS[Provider(provider)].ask(start)
    return f"{rendered.path}?{rendered.query}" if rendered.query else rendered.path


@pytest.mark.parametrize(
    ("provider", "start", "expected"),
    [
        ("anthropic", None, "/v1/models?limit=1000"),
        ("anthropic", "claude-a", "/v1/models?limit=1000&after_id=claude-a"),
        ("google", None, "/v1beta/models?pageSize=1000"),
        ("google", "t/&", "/v1beta/models?pageSize=1000&pageToken=t%2F%26"),
        ("openai", None, "/models"),
    ],
)
def test_where_a_list_is(provider: str, start: str | None, expected: str) -> None:
    """Each provider's own path and pages, below the address that its SDK takes."""
    assert expected == asked(provider, start)


def test_anthropics_version_goes_along() -> None:
    """Anthropic answers nothing without it."""
    assert (("anthropic-version", "2026-10-21"),) == MODEL_LISTS[Provider.ANTHROPIC].ask(None).headers


def test_an_anthropic_model() -> None:
    """Capabilities, limits and lifecycle, under the full name and the one without its date."""
    page = read("anthropic", {"data": [CLAUDE], "has_more": False, "last_id": "claude-comet-6-20261001"})
    assert Page({"claude-comet-6-20261001": COMET, "claude-comet-6": COMET}) == page


def test_a_name_without_date() -> None:
    """It is the first of its dated models, as the list has the latest first, unless it is listed itself."""
    names = ["claude-a-20260202", "claude-a-20260101", "claude-b-20260101", "claude-b"]
    models = [{"id": name, "max_tokens": at} for at, name in enumerate(names)]
    found = read("anthropic", {"data": models}).models
    assert [0, 3] == [found[name].max_output_tokens for name in ("claude-a", "claude-b")]


@pytest.mark.parametrize(
    ("effort", "expected"),
    [(NO | {"low": YES}, ()), ({"supported": True, "max": YES, "odd": 1}, ("max",)), ({}, None), (None, None)],
)
def test_efforts(effort: Any, expected: tuple[str, ...] | None) -> None:
    """None at all where the model has none, and nothing known where it is not said."""
    page = read("anthropic", {"data": [{"id": "m", "capabilities": {"effort": effort}}]})
    assert expected == page.models["m"].efforts


def test_more_pages() -> None:
    """The next page of Anthropic's begins behind the last model, Google's and OpenAI's as they say."""
    pages = [
        read("anthropic", {"data": [], "has_more": True, "last_id": "x"}),
        read("google", {"models": [], "nextPageToken": "t"}),
        read("google", {"models": [], "nextPageToken": ""}),
        read("openai", {"data": []}),
    ]
    assert ["x", "t", None, None] == [page.next for page in pages]


def test_a_google_model() -> None:
    """Limits and whether it thinks, under the name with and without its prefix."""
    model = {"name": "models/gemini-5", "inputTokenLimit": 10, "outputTokenLimit": 5, "thinking": True, "topK": 64}
    said = Advertised(max_output_tokens=5, max_input_tokens=10, thinks=True)
    assert {"models/gemini-5": said, "gemini-5": said} == read("google", {"models": [model]}).models


def test_an_openai_model() -> None:
    """Only models with a day of shutdown are worth a word."""
    models = [{"id": "gpt-5", "shutdown_date": "2026-12-11"}, {"id": "gpt-9", "shutdown_date": None}, {"id": "gpt-8"}]
    assert {"gpt-5": Advertised(retires_at="2026-12-11")} == read("openai", {"object": "list", "data": models}).models


def test_an_entry_that_makes_no_sense() -> None:
    """It is passed over, and its neighbours are read."""
    models = [7, {"no": "id"}, {"id": "a", "max_tokens": "many"}, {"id": "b"}]
    assert {"b": Advertised()} == read("anthropic", {"data": models}).models


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"data": 1}', b'{"data":' + b"[" * 100_000])
@pytest.mark.parametrize("provider", list(MODEL_LISTS))
def test_no_list(provider: Provider, body: bytes) -> None:
    """An answer that is no list is the provider's fault."""
    with pytest.raises(UpstreamMalformed):
        MODEL_LISTS[provider].read(body)
