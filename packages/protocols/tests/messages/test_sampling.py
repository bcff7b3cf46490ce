"""Temperature, top_p and top_k by what a Claude model takes of them."""

from typing import Any

import pytest

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import Capabilities
from llmgw_protocols.messages.sampling import check, samplers

BOTH = Capabilities(sampling=True, both_samplers=True)
ONE = Capabilities(sampling=True)
NONE = Capabilities()


@pytest.mark.parametrize(
    ("model", "thinking", "wanted", "expected", "lost"),
    [
        (
            BOTH,
            False,
            {"temperature": 0.5, "top_p": 0.9, "top_k": 4},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 4},
            (),
        ),
        (BOTH, False, {"temperature": 1.5}, {"temperature": 1.0}, ("temperature",)),
        (ONE, False, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        (ONE, False, {"top_p": 0.9}, {"top_p": 0.9}, ()),
        (NONE, False, {"temperature": 1.0, "top_k": 4}, {}, ("temperature", "top_k")),
        (NONE, True, {"temperature": 1.0}, {}, ("temperature",)),
        (BOTH, True, {"temperature": 1.0, "top_p": 0.95}, {"top_p": 0.95}, ()),
        (BOTH, True, {"temperature": 0.5, "top_p": 0.9, "top_k": 4}, {}, ("temperature", "top_p", "top_k")),
        (BOTH, True, {}, {}, ()),
    ],
)
def test_samplers(model: Capabilities, thinking: bool, wanted: Any, expected: Any, lost: tuple[str, ...]) -> None:
    """What is not sent as it was asked for is reported; beside thinking the temperature is 1 by itself."""
    losses = Losses("openai")
    assert expected == samplers(ChatRequest(model="m", turns=(), **wanted), model, losses, thinking=thinking)
    assert lost == losses.names()


def test_what_no_field_holds() -> None:
    """A seed counts even if it is 0; zero penalties are what they are without being sent."""
    losses = Losses("openai")
    check(ChatRequest(model="m", turns=(), seed=0, frequency_penalty=0.0, presence_penalty=1.0, n=1), losses)
    assert ("presence_penalty", "seed") == losses.names()


def test_several_choices_are_refused() -> None:
    """One answer instead of two is not what was asked for."""
    with pytest.raises(UnsupportedField, match="'n'"):
        check(ChatRequest(model="m", turns=(), n=2), Losses("openai"))
