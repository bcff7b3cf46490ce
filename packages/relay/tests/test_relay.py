import pytest

from llmgw_domain import Catalog, ClientKey
from llmgw_domain.errors import ClientGone, TooLarge, UnknownKey
from llmgw_protocols import WireRequest, dialect_named
from llmgw_protocols.resources import resource_at
from llmgw_relay import Call, Knock, Relay
from llmgw_relay.call import Verb
from llmgw_relay.exchange import Exchange
from llmgw_relay.forwarding import Forwarding
from llmgw_relay.listing import Listing
from llmgw_relay.parts import Parts
from llmgw_relay.testing import MemoryFacts, ScriptedUpstream

CHAT = dialect_named("chat")


def opened():
    facts = MemoryFacts()
    catalog = Catalog.of(version="v7", keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))])
    relay = Relay(
        Parts.of(
            current=lambda: catalog,
            upstream=ScriptedUpstream(),
            facts=facts,
            clock=lambda: 2.0,
            wall=lambda: 1e9,
            rand=lambda: 0.0,
        )
    )
    return relay, facts


def test_a_caller_is_let_in_with_a_valid_key():
    """On the catalog of that moment, which serves the request to its end."""
    relay, _ = opened()
    admission = relay.admit("key")
    assert ("v7", "k", "default") == (admission.catalog.version, admission.key.id, admission.policy.id)
    with pytest.raises(UnknownKey):
        relay.admit("other")


def test_who_is_turned_away_is_settled():
    """A request that never became a call is recorded all the same, with what is known of its sender."""
    relay, facts = opened()
    key = relay.admit("key").key
    for known, error in ((None, UnknownKey()), (key, TooLarge()), (key, ClientGone())):
        knock = Knock(
            id="c", request_id="r", dialect=CHAT, started=0.0, headers={"user-agent": "x"}, client="::1", key=known
        )
        headers = dict(relay.turned_away(knock, error))
        assert b"v7" == headers[b"x-gw-config-version"]
    assert ["refused", "refused", "cancelled"] == [f.outcome for f in facts.settled]
    assert [401, 413, 499] == [f.status for f in facts.settled]
    assert ["", "k", "k"] == [f.key for f in facts.settled]


@pytest.mark.parametrize(
    ("verb", "kind"), [(Verb.GENERATE, Exchange), (Verb.LIST, Listing), (Verb.FORWARD, Forwarding)]
)
def test_a_call_is_carried_by_its_kind(verb, kind):
    """Chats, lists, and what is passed through."""
    relay, _ = opened()
    call = Call(
        id="c",
        request_id="r",
        dialect=CHAT,
        wire=WireRequest(body=b""),
        started=0.0,
        verb=verb,
        resource=resource_at("GET", "/files"),
    )
    assert isinstance(relay.open(relay.admit("key"), call), kind)
