import msgspec
import pytest

from llmgw_affinity import Crowd, SessionKeys
from llmgw_protocols import WireRequest, dialect_named
from llmgw_relay.naming import form_of, named

KEYS = SessionKeys(b"secret")
SYSTEM = "You are of help. " * 400


def envelope(text: str = "Hi", *later: str, headers=None, system: str = SYSTEM, **fields):
    messages = [{"role": "user", "content": text}]
    for answer in later:
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "go on"}]
    body = {"model": "m", "max_tokens": 5, "system": system, "messages": messages, **fields}
    wire = WireRequest(body=msgspec.json.encode(body), headers=headers or {})
    return dialect_named("messages").envelope(wire)


def name(*args, tenant: str = "t", model: str = "m", keys: SessionKeys | None = KEYS, crowd=None, **more):
    return named("messages", model, envelope(*args, **more), tenant, keys, Crowd() if crowd is None else crowd)


def test_a_conversation_keeps_its_names():
    """Over its turns, whatever is said in them."""
    first, third = name("Hi"), name("Hi", "Hello!", "Yes?")
    assert (first.session, first.prefix, first.rank) == (third.session, third.prefix, third.rank)
    assert 32 == len(first.session)


@pytest.mark.parametrize("other", [{"tenant": "u"}, {"model": "n"}])
def test_another_tenant_or_model_has_other_names(other):
    """Their caches are not shared."""
    one, two = name(), name(**other)
    assert not {one.session, one.prefix, one.rank} & {two.session, two.prefix, two.rank}


def test_conversations_of_one_prompt_share_its_prefix():
    """And nothing else. A short prompt is no prefix for anybody."""
    one, two = name("one"), name("two")
    assert (one.prefix, True) == (two.prefix, one.session != two.session)
    assert one.rank != two.rank
    assert name(system="Short.").prefix is None


def test_a_name_that_the_client_gives_comes_first():
    """Whatever the content is."""
    one = name("one", headers={"x-session-id": "s1"})
    two = name("two", system="Other.", headers={"x-session-id": "s1"})
    assert (one.session, one.rank) == (two.session, two.rank)


def test_nodes_that_share_no_secret_rank_alike():
    """What is pinned is another name on each; where a new session goes is not."""
    one, two = name(), name(keys=SessionKeys(b"another"))
    assert one.session != two.session
    assert (one.rank, one.prefix) == (two.rank, two.prefix)
    unkeyed = name(keys=None)
    assert (None, one.prefix) == (unkeyed.session, unkeyed.prefix)


def test_many_at_once_that_look_alike_are_no_conversation():
    """They are ranked each for itself. A session that the client named is one whatever is in flight."""
    crowd = Crowd()
    names = [name(crowd=crowd) for _ in range(6)]
    assert [True] * 4 + [False] * 2 == [n.session is not None for n in names]
    assert "" == names[-1].rank
    said = {"x-session-id": "s1"}
    assert all(name(crowd=crowd, headers=said).session is not None for _ in range(9))
    for one in names:
        crowd.leave(one.crowd)
    assert 0 == len(crowd)


def test_every_dialect_of_chats_has_a_form():
    """Whatever else is asked belongs to no session."""
    assert "responses" == form_of("responses")
    assert form_of("converse") is None
