from __future__ import annotations

from llmgw_control._links import Links
from llmgw_domain import Account, ClientKey, Model, Provider, Secret, Target
from llmgw_domain.models import Fallback


def account(name: str, provider: Provider = Provider.OPENAI) -> Account:
    return Account(id=name, provider=provider, base_url="http://x", credential=Secret("x"), pool="p")


def key(name: str, text: str) -> ClientKey:
    return ClientKey(id=name, tenant="t", digest=ClientKey.digest_of(text), policy="s")


def taken(links: Links) -> set[str]:
    """What may have changed since this was asked for last."""
    dirty = {"/".join(ref) for ref in links.dirty}
    links.dirty.clear()
    return dirty


def test_a_pool_concerns_its_models_when_its_kind_changes() -> None:
    """One more account of its kind concerns nobody; the first one, the last one, and a turn of the majority do."""
    links = Links()
    links.add(("model", "m"), Model(name="m", targets=(Target(pool="p", model="x"), Target(pool="p", model="y"))))
    links.add(("account", "b"), account("b"))
    assert ({"account/b", "model/m"}, {"p": Provider.OPENAI}) == (taken(links), links.kinds)
    links.add(("account", "c"), account("c"))
    assert set() == taken(links)
    links.add(("account", "a"), account("a", Provider.ANTHROPIC))
    assert (set(), Provider.OPENAI) == (taken(links), links.kinds["p"])
    links.remove(("account", "c"), account("c"))
    assert ({"account/a", "account/b", "model/m"}, Provider.ANTHROPIC) == (taken(links), links.kinds["p"])
    links.remove(("account", "a"), account("a", Provider.ANTHROPIC))
    links.remove(("account", "b"), account("b"))
    assert ({"account/b", "model/m"}, {}) == (taken(links), links.kinds)
    links.remove(("model", "m"), Model(name="m", targets=(Target(pool="p", model="x"),)))
    links.add(("account", "d"), account("d"))
    assert {"account/d"} == taken(links)


def test_the_first_key_of_a_text_may_go_and_come_again() -> None:
    """In any order: each of those that are there is one of the text."""
    links, digest = Links(), ClientKey.digest_of("x")
    for name in "abc":
        links.add(("key", name), key(name, "x"))
    links.remove(("key", "a"), key("a", "x"))
    links.add(("key", "a"), key("a", "x"))
    assert {"a", "b", "c"} == links.same_text(digest)
    for name in "bac":
        links.remove(("key", name), key(name, "x"))
    links.add(("key", "b"), key("b", "x"))
    assert set() == links.same_text(digest)


def test_keys_of_one_text_concern_each_other() -> None:
    """As soon as there are two, and until there is one."""
    links, digest = Links(), ClientKey.digest_of("x")
    links.add(("key", "a"), key("a", "x"))
    assert (set(), set()) == (taken(links), links.same_text(digest))
    links.add(("key", "b"), key("b", "x"))
    links.add(("key", "c"), key("c", "x"))
    assert ({"key/a", "key/b", "key/c"}, {"a", "b", "c"}) == (taken(links), links.same_text(digest))
    links.remove(("key", "a"), key("a", "x"))
    assert ({"key/b", "key/c"}, {"b", "c"}) == (taken(links), links.same_text(digest))
    links.remove(("key", "c"), key("c", "x"))
    assert ({"key/b"}, set()) == (taken(links), links.same_text(digest))
    links.remove(("key", "b"), key("b", "x"))
    assert set() == links.of_policy("s")


def test_a_model_that_comes_or_goes_concerns_those_that_fall_back_on_it() -> None:
    """By its name or as a pattern; one that only changes concerns nobody."""
    links = Links()
    falling = Model(name="m", targets=(), fallbacks=tuple(Fallback(model=n, on=frozenset()) for n in ("x/a", "b")))
    links.add(("model", "m"), falling)

    def concerned() -> set[str]:
        links.settle_names()
        return taken(links)

    assert (set(), False) == (concerned(), links.has_model("b"))
    links.add(("model", "b"), Model(name="b", targets=()))
    assert ({"model/m"}, True) == (concerned(), links.has_model("b"))
    links.remove(("model", "b"), Model(name="b", targets=()))
    links.add(("model", "b"), Model(name="b", targets=(), max_output_tokens=1))
    assert set() == concerned()
    links.add(("model", "x/*"), Model(name="x/*", targets=()))
    assert ({"model/m"}, True) == (concerned(), links.has_model("x/a"))
    links.remove(("model", "x/*"), Model(name="x/*", targets=()))
    assert ({"model/m"}, False) == (concerned(), links.has_model("x/a"))
    links.remove(("model", "m"), falling)
    links.remove(("model", "b"), Model(name="b", targets=()))
    assert set() == concerned()


def test_a_policy_s_keys_are_known() -> None:
    """By the policy that they name, whether it is there or not."""
    links = Links()
    links.add(("key", "a"), key("a", "x"))
    links.add(("key", "b"), key("b", "y"))
    assert {("key", "a"), ("key", "b")} == links.of_policy("s")
