import msgspec
import pytest

from llmgw_domain import Model
from llmgw_domain.errors import InvalidField, UnknownModel
from llmgw_protocols.listings import entry, listing

MODELS = [Model(name=n, targets=(), max_output_tokens=100 if n == "b" else None) for n in "abcde"]


def shown(dialect, **query):
    return msgspec.json.decode(listing(dialect, MODELS, query))


def test_openai_lists_everything_at_once():
    """OpenAI's list has no pages."""
    assert ["a", "b", "c", "d", "e"] == [m["id"] for m in shown("chat")["data"]]
    assert {"id": "a", "object": "model", "created": 0, "owned_by": "llmgw"} == shown("responses")["data"][0]


def test_anthropic_pages_by_cursor_in_both_directions():
    """The names after one, or before one, and whether more follow in that direction."""

    def page(**query):
        got = shown("messages", **query)
        return [m["id"] for m in got["data"]], got["has_more"], got["first_id"], got["last_id"]

    assert (["a", "b"], True, "a", "b") == page(limit="2")
    assert (["d", "e"], False, "d", "e") == page(limit="2", after_id="c")
    assert (["b", "c"], True, "b", "c") == page(limit="2", before_id="d")
    assert ([], False, None, None) == page(after_id="e")


def test_gemini_pages_by_token():
    """Following the tokens gives every name once, each with `models/` before it."""
    names, token = [], ""
    while True:
        page = shown("gemini", pageSize="2", pageToken=token)
        names += [m["name"] for m in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert [f"models/{n}" for n in "abcde"] == names
    assert 100 == shown("gemini")["models"][1]["outputTokenLimit"]


@pytest.mark.parametrize(
    ("dialect", "query"),
    [
        ("messages", {"limit": "0"}),
        ("messages", {"limit": "x"}),
        ("messages", {"after_id": "zz"}),
        ("gemini", {"pageSize": "1001"}),
        ("gemini", {"pageToken": "zz"}),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(dialect, query):
    """The field is named."""
    with pytest.raises(InvalidField, match=next(iter(query))):
        listing(dialect, MODELS, query)


@pytest.mark.parametrize(("dialect", "field"), [("chat", "id"), ("messages", "id"), ("gemini", "displayName")])
def test_one_model_is_shown_in_each_shape(dialect, field):
    """A name that is not in the list is not found."""
    assert "c" == msgspec.json.decode(entry(dialect, MODELS, "c"))[field]
    with pytest.raises(UnknownModel):
        entry(dialect, MODELS, "z")
