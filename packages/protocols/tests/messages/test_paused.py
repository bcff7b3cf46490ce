"""The content of a paused turn, put together from what came."""

from typing import Any

import msgspec
import pytest

from llmgw_protocols import sse
from llmgw_protocols.messages import paused
from llmgw_protocols.messages.paused import PausedTurn

ASKED = b'{"model":"m","messages":[{"role":"user","content":"hi"}] ,"tools":[{"type":"web_search_20250305"}]}'
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]}
CITATION = {"type": "web_search_result_location", "url": "u"}
CONTENT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
    {"type": "text", "text": "Searching.", "citations": [CITATION]},
    SEARCH,
    FOUND,
]


def event(kind: str, **fields: Any) -> bytes:
    return sse.write(msgspec.json.encode({"type": kind, **fields}), kind.encode())


def stream(*blocks: tuple[dict[str, Any], list[dict[str, Any]]]) -> list[bytes]:
    frames = [event("message_start", message={"content": []})]
    for index, (start, deltas) in enumerate(blocks):
        frames.append(event("content_block_start", index=index, content_block=start))
        frames += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        frames += [event("ping"), event("content_block_stop", index=index)]
    return [*frames, event("message_delta", delta={"stop_reason": "pause_turn"}), event("message_stop")]


STREAM = stream(
    (
        {"type": "thinking", "thinking": "", "signature": ""},
        [
            {"type": "thinking_delta", "thinking": "Let me"},
            {"type": "thinking_delta", "thinking": " see."},
            {"type": "signature_delta", "signature": "sig"},
        ],
    ),
    (
        {"type": "text", "text": "", "citations": []},
        [
            {"type": "text_delta", "text": "Search"},
            {"type": "citations_delta", "citation": CITATION},
            {"type": "text_delta", "text": "ing."},
        ],
    ),
    ({"type": "text", "text": ""}, []),
    (
        {**SEARCH, "input": {}},
        [{"type": "input_json_delta", "partial_json": part} for part in ("", '{"query":', ' "x"}')],
    ),
    (FOUND, []),
)


def turn(*frames: bytes) -> PausedTurn:
    paused_turn = PausedTurn()
    for frame in frames:
        paused_turn.see(frame)
    return paused_turn


def said(body: bytes | None) -> Any:
    assert body is not None
    return msgspec.json.decode(body)["messages"][1:]


def test_a_streams_content_goes_back_as_it_was_made() -> None:
    """Texts, thinking with its signature, a server's tool with its input and its result; an empty text is left out."""
    assert [{"role": "assistant", "content": CONTENT}] == said(turn(*STREAM).body(ASKED))


def test_a_bodys_content_goes_back_as_it_came() -> None:
    """The very bytes, behind the client's own."""
    whole = PausedTurn()
    whole.whole(b'{"content":[{"type":"text","text":""},{"type":"x",  "n":1.0}]}')
    expected = ASKED.replace(b"}] ", b'},{"role":"assistant","content":[{"type":"x",  "n":1.0}]}]')
    assert ASKED != expected
    assert expected == whole.body(ASKED)


def test_goes_are_one_turn() -> None:
    """What is sent back grows, always from the first request."""
    paused_turn = turn(*STREAM, *STREAM)
    assert [{"role": "assistant", "content": CONTENT * 2}] == said(paused_turn.body(ASKED))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        STREAM[:-4],
        stream(({"type": "text", "text": ""}, [{"type": "novel_delta"}])),
        stream((SEARCH, [{"type": "input_json_delta", "partial_json": "{"}])),
        [*STREAM, b"data: {\n\n"],
        [*STREAM, b'data: {"type":"content_block_start","content_block":{"a":1,"a":2}}\n\n'],
    ],
)
def test_what_can_not_be_rebuilt_is_not_continued(frames: list[bytes]) -> None:
    """Nothing was said, a block is open, or something in it is unknown or malformed."""
    assert turn(*frames).body(ASKED) is None


def test_a_body_that_makes_no_sense_is_not_continued() -> None:
    """Nor is one without content."""
    for body in (b"{", b"{}", b'{"content":[]}'):
        paused_turn = PausedTurn()
        paused_turn.whole(body)
        assert paused_turn.body(ASKED) is None


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is too long is not continued, and what was kept of it is let go."""
    monkeypatch.setattr(paused, "MAX_KEPT", sum(map(len, STREAM)))
    assert turn(*STREAM).body(ASKED) is not None
    long = turn(*STREAM, b"data: 1\n\n")
    assert (None, []) == (long.body(ASKED), long._blocks)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ASKED, True),
        (b'{"mcp_servers":[{"name":"x"}]}', True),
        (b'{"tools":[{"name":"f"},{"type":"custom"}]}', False),
        (b'{"tools":null}', False),
        (b"{}", False),
        (b"{", False),
    ],
)
def test_only_a_servers_tools_pause_a_turn(asked: bytes, expected: bool) -> None:
    """Without them nothing is collected."""
    assert expected == PausedTurn.may_pause(asked)
