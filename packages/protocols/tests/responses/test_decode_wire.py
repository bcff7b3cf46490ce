"""Objects of an answer, read with tolerance."""

import pytest
from msgspec import Raw

from llmgw_protocols.responses.decode_wire import (
    Annotation,
    NotUnderstood,
    Part,
    read_event,
    read_head,
    read_item,
    read_response,
)


def test_an_event_as_documented() -> None:
    """Unknown members are skipped."""
    event = read_event(b'{"type":"response.output_text.delta","output_index":1,"delta":"hi","obfuscation":"x"}')
    assert (event.type, event.output_index, event.delta) == ("response.output_text.delta", 1, "hi")


def test_wrong_types_where_they_matter_little() -> None:
    """An index as text is read, a member that can't be is left out."""
    event = read_event(b'{"type":"t","output_index":"2","summary_index":[],"delta":"hi"}')
    assert (event.output_index, event.summary_index, event.delta) == (2, None, "hi")


def test_broken_tokens_are_mended() -> None:
    """NaN and halves of surrogate pairs are not JSON, and come."""
    assert read_event(b'{"type":"t","delta":"\\ud83d","logprob":NaN}').delta == "\ufffd"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"delta":{"a":1}}', b'{"type":3}', b"[" * 5000])
def test_what_can_not_be_read(data: bytes) -> None:
    """A member that carries the answer is never left out to make the rest fit."""
    with pytest.raises(NotUnderstood):
        read_event(data)


def test_times_with_a_fraction() -> None:
    """Some servers send the time as a float."""
    assert read_response(b'{"created_at":17.9,"output":[]}').created == 17
    assert read_response(b'{"created_at":null,"output":[]}').created == 0


def test_an_item_of_any_kind_has_a_head() -> None:
    """Members of hosted tools have types of their own, so only the kind is read of them."""
    assert read_head(Raw(b'{"type":"tool_search_call","id":"t1","arguments":{"a":1},"content":5}')).type == (
        "tool_search_call"
    )


def test_content_as_plain_text() -> None:
    """A message's content may be its text alone."""
    assert read_item(Raw(b'{"type":"message","content":"hi"}')).parts == [Part("output_text", "hi")]
    assert read_item(Raw(b'{"type":"message"}')).parts == []


def test_arguments_as_an_object() -> None:
    """A call's arguments may be an object in place of its text."""
    assert read_item(Raw(b'{"type":"function_call","arguments":{"a":1}}')).said == '{"a":1}'
    assert read_item(Raw(b'{"type":"custom_tool_call","input":"free"}')).said == "free"


def test_citations_of_a_part() -> None:
    """Annotations keep their place in the part."""
    item = read_item(
        Raw(b'{"content":[{"type":"output_text","text":"t","annotations":[{"type":"url_citation","url":"u"}]}]}')
    )
    assert item.parts[0].annotations == [Annotation("url_citation", "u")]
