import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import InvalidField, UnsupportedField, UpstreamMalformed
from llmgw_protocols import TargetFacts, WireRequest
from llmgw_protocols.moderations import MODERATIONS


def envelope(**fields):
    return MODERATIONS.envelope(WireRequest(body=msgspec.json.encode(fields)))


def test_a_question_passes_through_but_for_its_model():
    """Unknown fields survive, and the answer is the provider's own bytes."""
    question = MODERATIONS.ask(envelope(input=["a"], odd=1), TargetFacts(provider=Provider.OPENAI, model="up"))
    assert "/moderations" == question.requests[0].path
    assert {"input": ["a"], "odd": 1, "model": "up"} == msgspec.json.decode(question.requests[0].body)
    assert b'{"any":1.0}' == question.read([b'{"any":1.0}']).body
    with pytest.raises(UpstreamMalformed):
        question.read([b'{"any":1.'])


def test_openai_s_default_model_is_ours():
    """A client need not name one."""
    assert "omni-moderation-latest" == envelope(input="a").model


def test_other_providers_have_none():
    """The refusal says what to do."""
    with pytest.raises(UnsupportedField, match="OpenAI account"):
        MODERATIONS.ask(envelope(input="a"), TargetFacts(provider=Provider.ANTHROPIC, model="m"))


@pytest.mark.parametrize(("fields", "named"), [({}, "input"), ({"input": "a", "model": 7}, "model")])
def test_what_is_wrong_is_named(fields, named):
    """Before anything is asked."""
    with pytest.raises(InvalidField, match=named):
        envelope(**fields)
