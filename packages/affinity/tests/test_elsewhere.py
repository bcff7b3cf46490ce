"""A session that is new here and warm at its account is served by others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_affinity.carriers import Form
from llmgw_affinity.elsewhere import goes_on, served_elsewhere
from llmgw_domain import Usage


def fields(body: dict[str, Any], indent: int = 0) -> dict[str, msgspec.Raw]:
    encode = msgspec.json.encode
    raw = {name: encode(value) for name, value in body.items()}
    return {
        name: msgspec.Raw(msgspec.json.format(value, indent=indent) if indent else value) for name, value in raw.items()
    }


USER, ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}
ASKED, ANSWERED = {"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Ho"}]}


@pytest.mark.parametrize("indent", [0, 1])
@pytest.mark.parametrize(
    ("form", "new", "more"),
    [
        ("chat", {"messages": [USER]}, {"messages": [USER, ASSISTANT, USER]}),
        ("messages", {"messages": [USER]}, {"messages": [USER, ASSISTANT, USER]}),
        ("responses", {"input": [USER]}, {"input": [USER, ASSISTANT, USER]}),
        ("responses", {"input": "Hi", "previous_response_id": None}, {"input": "Hi", "previous_response_id": "r"}),
        ("gemini", {"contents": [ASKED]}, {"contents": [ASKED, ANSWERED, ASKED]}),
    ],
)
def test_a_request_with_an_answer_goes_on(form: Form, new: dict[str, Any], more: dict[str, Any], indent: int) -> None:
    """However its client writes JSON."""
    assert (False, True) == (goes_on(form, fields(new, indent)), goes_on(form, fields(more, indent)))


@pytest.mark.parametrize("form", ["chat", "messages", "responses", "gemini", "completions"])
def test_what_is_said_is_no_answer(form: Form) -> None:
    """Not in a text, nor in a tool's description, nor where nothing of the form is there."""
    quoted = '{"role":"assistant"} {"role": "model"}'
    body = {name: [{"role": "user", "content": quoted}] for name in ("messages", "input", "contents")}
    assert not goes_on(form, fields({**body, "tools": [{"description": quoted}], "prompt": quoted}))
    assert not goes_on(form, {})


@pytest.mark.parametrize(
    ("read", "fresh", "prefix", "elsewhere"),
    [
        (0, 9000, 0.4, False),
        (4000, 6000, 0.4, False),  # the prefix is warm, by another session of the tenant
        (5000, 5000, 0.4, False),  # and takes more tokens than its bytes say
        (9000, 1000, 0.4, True),
        (6000, 4000, 0.0, True),
        (0, 0, 0.0, False),
    ],
)
def test_a_cache_with_more_than_the_prefix_was_filled_by_others(
    read: int, fresh: int, prefix: float, elsewhere: bool
) -> None:
    """At least a quarter of the rest."""
    assert served_elsewhere(Usage(cache_read=read, uncached_input=fresh), prefix) is elsewhere
    assert not served_elsewhere(Usage(cache_read=read, uncached_input=fresh, provenance="estimated"), prefix)
