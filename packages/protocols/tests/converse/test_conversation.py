"""What may stand beside results and documents."""

import pytest

from llmgw_domain.chat import Block, File, Image, Inline, Text, ToolCall, ToolResult
from llmgw_protocols.converse.conversation import fitted
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.messages.turns import WireTurn

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA, LLAMA = "us.amazon.nova-pro-v1:0", "us.meta.llama3-3-70b-instruct-v1:0"
CALL = ToolCall("c1", "camera", "{}")
RESULT = ToolResult("c1", (Text("done"),))
ASK, DOT = Text("What is it?"), Text(".")
DOCUMENT, IMAGE = File(Inline("application/pdf", "QQ==")), Image(Inline("image/png", "QQ=="))


def _fitted(model: str, *blocks: Block) -> list[tuple[str, list[Block]]]:
    turns = [WireTurn("assistant", [CALL]), WireTurn("user", list(blocks))]
    return [(turn.role, turn.blocks) for turn in fitted(turns, traits_of(model))[1:]]


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (NOVA, [RESULT, ASK, DOCUMENT]),
        (CLAUDE, [RESULT, ASK, IMAGE]),
        (LLAMA, [RESULT]),
        (LLAMA, [ASK, IMAGE]),
    ],
)
def test_what_fits_stays_together(model: str, blocks: list[Block]) -> None:
    """Nothing is moved that the model takes where it is."""
    assert [("user", blocks)] == _fitted(model, *blocks)


@pytest.mark.parametrize(
    ("model", "beside"), [(CLAUDE, [ASK, DOCUMENT]), (CLAUDE, [ASK, Image(DOCUMENT.source)]), (LLAMA, [ASK])]
)
def test_what_clashes_with_a_result_follows_in_a_turn_of_its_own(model: str, beside: list[Block]) -> None:
    """What may not stand beside a result comes after a full stop of the assistant's, in its order."""
    expected = [("user", [RESULT]), ("assistant", [DOT]), ("user", beside)]
    assert expected == _fitted(model, RESULT, *beside)


def test_a_document_gets_a_text() -> None:
    """A message with a document and no text is refused, so it gets one."""
    assert [("user", [DOT, DOCUMENT])] == _fitted(CLAUDE, DOCUMENT)
    assert [("user", [RESULT]), ("assistant", [DOT]), ("user", [DOT, DOCUMENT])] == _fitted(CLAUDE, RESULT, DOCUMENT)


def test_media_of_results_for_models_that_read_texts_there() -> None:
    """A picture inside of a result comes out, with a note of whose it was."""
    shown = ToolResult("c1", (Text("done"), IMAGE))
    note = Text("[media of the result of camera]")
    assert [("user", [RESULT]), ("assistant", [DOT]), ("user", [note, IMAGE])] == _fitted(LLAMA, shown)
    assert [("user", [shown])] == _fitted(CLAUDE, shown)
