"""What a client says of its session: every carrier, their order, and what says nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import carried
from llmgw_affinity.carriers import Carried, Form

FORMS: tuple[Form, ...] = ("chat", "responses", "messages", "gemini", "completions")


def fields(**values: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}


@pytest.mark.parametrize(
    "header",
    [
        "x-session-id",
        "x-claude-code-session-id",
        "session-id",
        "session_id",
        "thread-id",
        "x-session-affinity",
        "x-litellm-session-id",
        "x-bf-session-id",
        "x-merge-thread-id",
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_header_names_the_session_in_every_form(form: Form, header: str) -> None:
    """Headers are of no dialect."""
    assert Carried(header, "s-1") == carried(form, {header: " s-1 "}, {})


@pytest.mark.parametrize(
    ("form", "body", "expected"),
    [
        ("messages", {"metadata": {"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'}}, "s"),
        ("messages", {"metadata": {"user_id": "user_ab12_account__session_0f0e1c9e-aaaa-bbbb-cccc-1234567890ab"}},
         "0f0e1c9e-aaaa-bbbb-cccc-1234567890ab"),
        ("chat", {"metadata": {"user_id": '{"session_id":"s"}'}}, "s"),
        ("chat", {"metadata": {"session_id": "s"}}, "s"),
        ("chat", {"litellm_metadata": {"session_id": "s"}}, "s"),
        ("gemini", {"session_id": "s"}, "s"),
        ("completions", {"prompt_cache_key": "s"}, "s"),
        ("responses", {"prompt_cache_key": "s"}, "s"),
        ("responses", {"client_metadata": {"turn_id": "t", "session_id": "s"}}, "s"),
        ("responses", {"previous_response_id": "resp_1"}, "resp_1"),
        ("responses", {"conversation": "conv_1"}, "conv_1"),
        ("responses", {"conversation": {"id": "conv_1"}}, "conv_1"),
    ],
)  # fmt: skip
def test_a_field_names_the_session(form: Form, body: dict[str, Any], expected: str) -> None:
    """Of the body only the top level and the small objects that hold sessions are looked at."""
    found = carried(form, {}, fields(**body))
    assert found is not None
    assert expected == found.value


def test_the_most_explicit_carrier_counts() -> None:
    """The gateway's own header is before an agent's, an agent's before what was made for the provider."""
    body = fields(
        prompt_cache_key="cache",
        previous_response_id="resp",
        conversation="conv",
        client_metadata={"session_id": "client"},
    )
    headers = {"session-id": "codex", "x-session-id": "own"}
    assert Carried("x-session-id", "own") == carried("responses", headers, body)
    assert Carried("session-id", "codex") == carried("responses", {"session-id": "codex"}, body)
    for name, carrier, value in [
        ("client_metadata", "client_metadata.session_id", "client"),
        ("prompt_cache_key", "prompt_cache_key", "cache"),
        ("previous_response_id", "previous_response_id", "resp"),
        ("conversation", "conversation", "conv"),
    ]:
        assert Carried(carrier, value) == carried("responses", {}, body)
        del body[name]
    assert carried("responses", {}, body) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-client-request-id": "r"}, {}),
        ({"x-stainless-retry-count": "0", "x-codex-turn-metadata": "t", "x-codex-window-id": "w:0"}, {}),
        ({"x-session-id": "  "}, {"prompt_cache_key": ""}),
        ({}, {"user": "alice", "safety_identifier": "alice"}),
        ({}, {"metadata": {"user_id": "alice"}}),
        ({}, {"metadata": {"user_id": "user_session_manager-of-everything"}}),
        ({}, {"metadata": {"user_id": '{"device_id":"d"}'}}),
        ({}, {"metadata": {"user_id": "{"}, "prompt_cache_key": 7}),
        ({}, {"metadata": "text", "conversation": 7, "previous_response_id": None, "client_metadata": []}),
        ({}, {"metadata": {"user_id": {"session_id": "not a string"}}}),
        ({}, {"prompt_cache_key": "k" * 70_000}),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_what_names_no_conversation_says_nothing(form: Form, headers: dict[str, str], body: dict[str, Any]) -> None:
    """Ids of calls, people and machines are no sessions; neither are empty values nor those of another shape."""
    assert carried(form, headers, fields(**body)) is None


def test_a_long_name_is_its_digest() -> None:
    """What is kept of a client's word has a bound."""
    name = "s" * 257
    assert Carried("x-session-id", hashlib.sha256(name.encode()).hexdigest()) == carried(
        "chat", {"x-session-id": name}, {}
    )


def test_a_cache_key_may_be_shared() -> None:
    """Applications give one cache key to many conversations; a session's header belongs to one."""
    assert (True, False) == (Carried("prompt_cache_key", "k").shared, Carried("session-id", "k").shared)


scalars = st.sampled_from(
    [None, True, 7, "", "s", "{", '{"session_id":"s"}', '{"session_id":[]}', "session_0123456789"]
)
inner = st.dictionaries(st.sampled_from(["id", "user_id", "session_id"]), scalars, max_size=3)
values = scalars | inner | st.lists(scalars, max_size=2)
names = ("metadata", "litellm_metadata", "client_metadata", "conversation", "prompt_cache_key", "previous_response_id")


@given(st.sampled_from(FORMS), st.dictionaries(st.sampled_from(names), values))
def test_any_shape_is_taken(form: Form, body: dict[str, Any]) -> None:
    """Never raises, and says a bounded text or nothing."""
    found = carried(form, {}, fields(**body))
    assert found is None or 0 < len(found.value) <= 256
