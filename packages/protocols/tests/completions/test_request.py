import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import Text
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols import TargetFacts, WireRequest, dialect_named

COMPLETIONS = dialect_named("completions")


def envelope(**fields):
    return COMPLETIONS.envelope(WireRequest(body=msgspec.json.encode({"model": "m", **fields})))


def test_a_request_passes_through_but_for_its_model():
    """Prompts of any kind, and fields that nobody knows."""
    asked = envelope(prompt=[[1, 2]], echo=True, odd=1)
    made = COMPLETIONS.passthrough(asked, TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="up"))
    assert "/completions" == made.path
    assert {"model": "up", "prompt": [[1, 2]], "echo": True, "odd": 1} == msgspec.json.decode(made.body)


@pytest.mark.parametrize("prompt", ["Say hi", ["Say hi"]])
def test_a_prompt_becomes_a_chat_of_one_message(prompt):
    """With the limits and samplers of the request."""
    asked = envelope(prompt=prompt, max_tokens=9, temperature=0.5, stop="x", stream=True, logprobs=None, best_of=1)
    request = COMPLETIONS.parse(asked)
    assert [("user", (Text("Say hi"),))] == [(t.role, t.content) for t in request.turns]
    assert (9, 0.5, ("x",), True, "m") == (
        request.max_tokens,
        request.temperature,
        request.stop,
        request.stream,
        request.model,
    )
    assert {} == request.extras


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("echo", True),
        ("suffix", "x"),
        ("logprobs", 3),
        ("best_of", 2),
        ("prompt", ["a", "b"]),
        ("prompt", [1, 2]),
        ("prompt", None),
    ],
)
def test_what_a_chat_can_t_do_is_refused(field, value):
    """By its name, and only where a chat has to stand in."""
    with pytest.raises(UnsupportedField, match=field):
        COMPLETIONS.parse(envelope(**{"prompt": "a", field: value}))


@pytest.mark.parametrize(
    ("fields", "named"), [({}, "prompt"), ({"prompt": 7}, "prompt"), ({"prompt": "a", "max_tokens": "x"}, "max_tokens")]
)
def test_what_is_wrong_is_named(fields, named):
    """Before anything is asked."""
    with pytest.raises(InvalidField, match=named):
        envelope(**fields)


def test_a_conversation_is_never_asked_for_as_a_completion():
    """Only the dialect's own clients are."""
    with pytest.raises(UnsupportedField):
        COMPLETIONS.render(COMPLETIONS.parse(envelope(prompt="a")), TargetFacts(provider=Provider.OPENAI, model="m"))
