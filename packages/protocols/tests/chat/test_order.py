"""Messages in the order that a server takes."""

from typing import Any

import pytest

from llmgw_domain.servers import Server
from llmgw_protocols.chat.order import arranged
from llmgw_protocols.losses import Losses


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


S, U, A = (lambda c, r=r: message(r, c) for r in ("system", "user", "assistant"))
CALLS = message("assistant", "a", tool_calls=[{}])
TEXT, OTHER = ({"type": "text", "text": text} for text in "ab")
IMAGE = {"type": "image_url"}


def arrange(*messages: dict[str, Any], **flags: Any) -> list[dict[str, Any]]:
    return arranged([dict(m) for m in messages], Server(**flags), Losses("openai"))


def test_leading_system_messages_are_one() -> None:
    """They are one plain text; later ones stay where they are."""
    assert [S("a\n\nb"), U("u"), S("a\n\nb")] == arrange(S("a"), S([OTHER]), U("u"), S([TEXT, OTHER]))


def test_later_system_messages_in_the_users_place() -> None:
    """Where only the first may be a system message, later ones are marked in user messages."""
    made = arrange(S("a"), U("u"), S("b"), U("v"), system="first")
    assert [S("a"), U("u"), U("<system>b</system>"), U("v")] == made


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a", "b", "a\n\nb"),
        ("", "b", "b"),
        ([IMAGE], "b", [IMAGE, OTHER]),
        ("a", [IMAGE], [TEXT, IMAGE]),
        ("", [IMAGE], [IMAGE]),
    ],
)
def test_turns_alternate(one: Any, other: Any, expected: Any) -> None:
    """Messages of one role become one."""
    assert [S("s"), U(expected), A("x\n\ny")] == arrange(S("s"), U(one), U(other), A("x"), A("y"), alternates=True)


def test_calls_are_not_joined() -> None:
    """Nothing may part calls from their results, nor may two results become one."""
    tool = message("tool", "r")
    assert [CALLS, tool, tool, A("b"), CALLS] == arrange(CALLS, tool, tool, A("b"), CALLS, alternates=True)


@pytest.mark.parametrize(
    ("prefill", "expected", "lossy"),
    [
        ("plain", [U("u"), A("a")], ()),
        ("prefix", [U("u"), message("assistant", "a", prefix=True)], ()),
        ("refused", [U("u"), A("a"), U("Continue.")], ("messages",)),
    ],
)
def test_an_answer_at_the_end(prefill: Any, expected: list[dict[str, Any]], lossy: tuple[str, ...]) -> None:
    """It goes as it is, is marked, or is followed by a request to go on, which is told as a loss."""
    losses = Losses("openai")
    assert expected == arranged([U("u"), A("a")], Server(prefill=prefill), losses)
    assert lossy == losses.names()


@pytest.mark.parametrize("last", [U("u"), CALLS])
def test_other_endings_stay(last: dict[str, Any]) -> None:
    """Only an answer without calls is a beginning to go on with."""
    assert [last] == arrange(last, prefill="prefix") == arrange(last, prefill="refused")
    assert [] == arrange(prefill="refused")
