"""Reasoning items as signatures, and back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.responses.reasoning import GLUE, item_of, seal

texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=3)


@given(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9), texts, texts, st.booleans())
def test_an_item_is_rebuilt_exactly(
    id: str, encrypted: str, summary: list[str], content: list[str], later: bool
) -> None:
    """The signature and the shown text give the item again, also where the text stood behind another's."""
    signature = seal(id, encrypted, summary, content)
    assert signature is not None
    expected: dict[str, Any] = {"type": "reasoning", "id": id, "encrypted_content": encrypted}
    expected["summary"] = [{"type": "summary_text", "text": t} for t in summary]
    if content:
        expected["content"] = [{"type": "reasoning_text", "text": t} for t in content]
    shown = GLUE.join((*summary, *content))
    assert item_of((GLUE if later and shown else "") + shown, signature) == expected


def test_nobody_takes_back_what_is_not_encrypted() -> None:
    """An item with summaries alone is known by its id only, and that to a store which is not used."""
    assert seal("rs_1", None, ["summary"], []) is None
    assert seal("rs_1", "", [], []) is None


def test_raw_reasoning_is_its_own_proof() -> None:
    """Compatible servers show the reasoning itself and take it back."""
    signature = seal("rs_1", None, [], ["hm", "well"])
    assert signature is not None
    content = [{"type": "reasoning_text", "text": "hm"}, {"type": "reasoning_text", "text": "well"}]
    assert item_of("hm\n\nwell", signature) == {"type": "reasoning", "id": "rs_1", "summary": [], "content": content}


def test_bare_encrypted_content() -> None:
    """Other gateways' clients keep the encrypted content alone."""
    item = item_of("thought", "gAAAA")
    summary = [{"type": "summary_text", "text": "thought"}]
    assert item == {"type": "reasoning", "summary": summary, "encrypted_content": "gAAAA"}
    assert item_of("", "gAAAA")["summary"] == []


def test_a_text_that_the_client_changed() -> None:
    """Lengths that no longer fit are no reason to cut a text apart."""
    signature = seal("rs_1", "e", ["one", "two"], [])
    assert signature is not None
    assert item_of("longer than that", signature)["summary"] == [{"type": "summary_text", "text": "longer than that"}]


@given(st.text(), st.text())
def test_any_signature_is_an_item(text: str, signature: str) -> None:
    """Signatures come from clients; none of them breaks the request."""
    assert item_of(text, signature)["type"] == "reasoning"
