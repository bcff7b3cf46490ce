"""Where cache points go, and how many stay."""

from typing import Any

from llmgw_domain.chat import CacheMark
from llmgw_protocols.converse.marks import Marks
from llmgw_protocols.converse.models import traits_of

CLAUDE = traits_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
POINT = {"cachePoint": {"type": "default"}}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}
DOCUMENT = {"document": {"format": "txt"}}
PDF = {"document": {"format": "pdf"}}
A, B = {"text": "a"}, {"text": "b"}


def _put(*blocks: Any, ttl: Any = None, model: Any = CLAUDE) -> list[Any]:
    marks, written = Marks(model), list(blocks)
    marks.put("messages", written, CacheMark(ttl))
    marks.settle()
    return written


def test_behind_the_marked_block() -> None:
    """A point stands behind the block that the client marked; no mark makes none."""
    assert [A, POINT] == _put(A)
    marks, blocks = Marks(CLAUDE), [A]
    marks.put("messages", blocks, None)
    assert [A] == blocks


def test_not_behind_a_document_that_is_read_as_text() -> None:
    """Bedrock refuses a point right behind such a document, and one with nothing before it."""
    assert [A, POINT, DOCUMENT, DOCUMENT] == _put(A, DOCUMENT, DOCUMENT)
    assert [DOCUMENT] == _put(DOCUMENT)
    assert [PDF, POINT] == _put(PDF)


def test_one_point_a_place() -> None:
    """Two marks that end up at one place are one point."""
    marks = Marks(CLAUDE)
    blocks: list[Any] = [A]
    marks.put("messages", blocks, CacheMark())
    blocks.append(DOCUMENT)
    marks.put("messages", blocks, CacheMark())
    assert [A, POINT, DOCUMENT] == blocks


def test_an_hour_only_where_it_is_known() -> None:
    """A model that knows no other time to live than five minutes gets none."""
    assert [A, HOUR] == _put(A, ttl="1h")
    assert [A, POINT] == _put(A, ttl="5m")
    assert [A, POINT] == _put(A, ttl="1h", model=traits_of("us.amazon.nova-pro-v1:0"))


def test_only_where_the_model_caches() -> None:
    """A model that does not cache tools gets no point there, and one that caches nothing none at all."""
    nova, llama = traits_of("us.amazon.nova-pro-v1:0"), traits_of("meta.llama3-3-70b-instruct-v1:0")
    for traits, expected in ((CLAUDE, [A, POINT]), (nova, [A])):
        blocks = [A]
        Marks(traits).put("tools", blocks, CacheMark())
        assert expected == blocks
    assert [A] == _put(A, model=llama)


def test_the_latest_four_stay() -> None:
    """Bedrock takes four points a request: those with the longest prefixes are kept."""
    marks = Marks(CLAUDE)
    tools, messages = [A], [B]
    marks.put("tools", tools, CacheMark())
    for _ in range(4):
        marks.put("messages", messages, CacheMark())
        messages.append(B)
    marks.settle()
    assert [A] == tools
    assert [B, POINT] * 4 + [B] == messages


def test_no_long_point_behind_a_short_one() -> None:
    """A point of an hour may not follow one of five minutes, so it becomes one of five minutes."""
    marks = Marks(CLAUDE)
    first, second, third = [A], [A], [A]
    marks.put("tools", first, CacheMark("1h"))
    marks.put("system", second, CacheMark())
    marks.put("messages", third, CacheMark("1h"))
    marks.settle()
    assert ([A, HOUR], [A, POINT], [A, POINT]) == (first, second, third)
