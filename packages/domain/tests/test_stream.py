from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.chat import Origin, RedactedThinking, Refusal, Text, Thinking, ToolCall
from llmgw_domain.errors import UpstreamReset
from llmgw_domain.stream import (
    Answer,
    Failed,
    Finished,
    FinishReason,
    Opened,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)


def test_neighbouring_deltas_become_one_block():
    """Thinking, text and calls are folded in the model's order, each from its pieces."""
    answer = Answer.fold(
        [
            Opened("id", "m", 5),
            ThinkingDelta("a"),
            ThinkingDelta("b"),
            ThinkingSigned("s"),
            ThinkingDelta("c"),
            ThinkingRedacted("x"),
            TextDelta("Hello"),
            TextDelta(" you"),
            ToolOpened(0, "c0", "f"),
            ToolOpened(1, "c1", "g", "sig"),
            ToolDelta(1, "{}"),
            ToolDelta(0, '{"a"'),
            ToolDelta(0, ":1}"),
            RefusalDelta("no"),
            Finished(FinishReason.TOOL_CALLS),
            UsageReported(Usage(output=3)),
        ]
    )
    assert answer.choices[0].blocks == [
        Thinking("ab", "s"),
        Thinking("c"),
        RedactedThinking("x"),
        Text("Hello you"),
        ToolCall("c0", "f", '{"a":1}'),
        ToolCall("c1", "g", "{}", "sig"),
        Refusal("no"),
    ]
    assert (answer.id, answer.model, answer.created, answer.usage) == ("id", "m", 5, Usage(output=3))
    assert answer.complete


def test_scores_of_tokens_are_joined():
    """They stand beside the blocks, in order."""
    one, two = TokenScore("a", -1.0), TokenScore("b", -2.0, (("c", -3.0),))
    (choice,) = Answer.fold([TextDelta("ab"), TokensScored((one,)), TokensScored((two,))]).choices
    assert ([Text("ab")], [one, two]) == (choice.blocks, choice.scores)


def test_choices_are_kept_apart_and_sorted():
    """Deltas of several choices that arrive mixed end up in their own choice."""
    answer = Answer.fold([TextDelta("b", 1), TextDelta("a", 0), TextDelta("B", 1)])
    assert [(c.index, c.text) for c in answer.choices] == [(0, "a"), (1, "bB")]


def test_an_answer_without_terminal_evidence_is_not_complete():
    """A cut answer, one with a failure, and one with an unfinished choice are not complete."""
    stop = Finished(FinishReason.STOP)
    assert not Answer.fold([TextDelta("a")]).complete
    assert not Answer.fold([TextDelta("a"), stop, Failed(UpstreamReset())]).complete
    assert not Answer.fold([TextDelta("a"), stop, TextDelta("b", 1)]).complete
    assert not Answer.fold([]).complete


@given(st.lists(st.text(max_size=5), max_size=20))
def test_text_does_not_depend_on_its_pieces(pieces):
    """However a text is cut into deltas, the folded text is the same."""
    answer = Answer.fold([TextDelta(p) for p in pieces])
    assert "".join(c.text for c in answer.choices) == "".join(pieces)


def test_opaque_reasoning_keeps_its_maker():
    """Whose signature it is stays with the block; where it was not said there is no origin."""
    answer = Answer.fold(
        [ThinkingDelta("a"), ThinkingSigned("s", family="google"), ThinkingRedacted("x", 0, "anthropic")]
    )
    signed, redacted = Thinking("a", "s", Origin("google")), RedactedThinking("x", Origin("anthropic"))
    assert [signed, redacted] == answer.choices[0].blocks
