import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import BadRequest
from llmgw_protocols import TargetFacts, WireRequest, dialect_named
from llmgw_relay.asking import Asking

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"odd":1}'


def asking(body: bytes = BODY) -> Asking:
    chat = dialect_named("chat")
    return Asking(chat, chat.envelope(WireRequest(body=body)))


def test_the_clients_own_dialect_passes_through():
    """A provider that speaks the client's dialect gets the client's fields, also those that nobody knows."""
    asked = asking().of(TargetFacts(provider=Provider.OPENAI, model="gpt-4.1"), "auto")
    assert (asked.native, asked.dialect.name) == (True, "chat")
    assert b'"odd":1' in asked.rendered.body


def test_another_dialect_is_rendered_from_the_canonical_request():
    """The request is read once, however many targets it is rendered for."""
    request = asking()
    for provider, name in ((Provider.ANTHROPIC, "messages"), (Provider.GOOGLE, "gemini")):
        asked = request.of(TargetFacts(provider=provider, model="claude-sonnet-4-5"), "auto")
        assert (asked.native, asked.dialect.name) == (False, name)
    assert request.request is request.request


def test_a_request_that_makes_no_sense_is_refused_when_it_has_to_be_read():
    """A pass-through leaves the judgement to the provider; a translation can't."""
    request = asking(b'{"model":"m","messages":[{"role":"user","content":7}]}')
    with pytest.raises(BadRequest):
        request.of(TargetFacts(provider=Provider.ANTHROPIC, model="claude-sonnet-4-5"), "auto")
