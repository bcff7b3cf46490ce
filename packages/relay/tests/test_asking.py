import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import BadRequest
from llmgw_protocols import EncodeContext, TargetFacts, WireRequest, dialect_named
from llmgw_relay.asking import Chat
from llmgw_relay.meter import Meter
from llmgw_relay.transform import Passthrough, Translation

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"odd":1}'


CONTEXT = EncodeContext(model="m", request_id="r", created=1)


def asking(body: bytes = BODY) -> Chat:
    chat = dialect_named("chat")
    return Chat(chat, chat.envelope(WireRequest(body=body)))


def test_the_clients_own_dialect_passes_through():
    """A provider that speaks the client's dialect gets the client's fields, also those that nobody knows."""
    asked = asking().of(TargetFacts(provider=Provider.OPENAI, model="gpt-4.1"), "auto")
    assert "chat" == asked.dialect.name
    assert b'"odd":1' in asked.requests[0].body
    assert isinstance(asked.transform(CONTEXT, Meter()), Passthrough)


def test_another_dialect_is_rendered_from_the_canonical_request():
    """The request is read once, however many targets it is rendered for."""
    request = asking()
    for provider, name in ((Provider.ANTHROPIC, "messages"), (Provider.GOOGLE, "gemini")):
        asked = request.of(TargetFacts(provider=provider, model="claude-sonnet-4-5"), "auto")
        assert name == asked.dialect.name
        assert isinstance(asked.transform(CONTEXT, Meter()), Translation)
    assert request.request is request.request


def test_a_request_that_makes_no_sense_is_refused_when_it_has_to_be_read():
    """A pass-through leaves the judgement to the provider; a translation can't."""
    request = asking(b'{"model":"m","messages":[{"role":"user","content":7}]}')
    with pytest.raises(BadRequest):
        request.of(TargetFacts(provider=Provider.ANTHROPIC, model="claude-sonnet-4-5"), "auto")
