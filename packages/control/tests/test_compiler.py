from __future__ import annotations

import gc
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_control import Compiler, Records, compile_catalog
from llmgw_control.refusal import Unrevealed
from llmgw_control.replica import overlay_of
from llmgw_control.sources import Changed, Source
from llmgw_control.testing import OWNER, Desk
from llmgw_domain import Catalog, Policy, Provider, Secret
from llmgw_domain.errors import NoAccount, UnknownKey
from llmgw_domain.servers import Server

ANY = Policy()


def source(kind: str, name: str, **fields: Any) -> Source:
    return Source(kind, name, {"v": 1, **fields})


def changed(*sources: Source, gone: tuple[tuple[str, str], ...] = ()) -> Changed:
    made = Changed()
    for each in sources:
        made.note(each.ref, None, each)
    for ref in gone:
        made.note(ref, None, None)
    return made


def reveal(reference: str) -> Secret:
    if reference.startswith("env:"):
        return Secret(reference[4:] or "-")
    raise Unrevealed("there is no such reference")


def compiler(*sources: Source) -> Compiler:
    made = Compiler(reveal)
    made.feed(changed(*sources))
    return made


def hashed(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def account(name: str, pool: str = "p", provider: str = "openai", **fields: Any) -> Source:
    return source("account", name, **{"provider": provider, "pool": pool, "credential": "env:A", **fields})


def model(name: str, *pools: str, **fields: Any) -> Source:
    return source("model", name, targets=[{"pool": pool, "model": "x"} for pool in pools], **fields)


def key(name: str, text: str | None = None, **fields: Any) -> Source:
    return source("key", name, **{"hash": hashed(text or name), **fields})


def price(name: str, each: int, **fields: Any) -> Source:
    prices = {"uncached_input": each, "output": each}
    return source(
        "price",
        name,
        **{"provider": "openai", "model": "m", "effective_from": "2026-01-01", "prices": prices, **fields},
    )


def whys(made: Compiler) -> dict[str, list[str]]:
    """The paths of what is wrong, by record."""
    return {"/".join(ref): [reason.path for reason in reasons] for ref, reasons in made.reasons.items()}


SOUND = (
    account("a"),
    account("b", "q", "anthropic"),
    model("m", "p"),
    model("x/*", "p", "q"),
    source("policy", "narrow", models=["m"]),
    key("k"),
    key("n", policy="narrow", tenant="acme"),
)


# --- the same as afresh -----------------------------------------------------------------------------------------------


def test_a_catalog_is_what_a_file_of_the_same_records_gives() -> None:
    """Records one by one and a file as a whole have one catalog, and one version."""
    by_kind: dict[str, list[Any]] = {"account": [], "model": [], "policy": [], "key": []}
    for each in SOUND:
        by_kind[each.kind].append(each.record)
    records = Records(
        accounts=tuple(by_kind["account"]),
        models=tuple(by_kind["model"]),
        policies=tuple(by_kind["policy"]),
        keys=tuple(by_kind["key"]),
    )
    assert 7 == len(overlay_of(records))
    assert compile_catalog(records, reveal) == compiler(*SOUND).compile()


def test_no_record_gives_the_empty_catalog() -> None:
    """Nothing is a catalog too: it serves nobody."""
    assert compile_catalog(Records(), reveal) == Compiler(reveal).compile()


NAMES = st.sampled_from(["a", "b", "c"])
POOLS = st.sampled_from(["p", "q"])
SOURCES = st.one_of(
    st.builds(account, NAMES, POOLS, st.sampled_from(["openai", "anthropic", "none"]), weight=st.sampled_from([1, 0])),
    st.builds(
        model, st.sampled_from(["m", "m*", "x/*", "**"]), POOLS, POOLS, max_output_tokens=st.sampled_from([1, -1])
    ),
    st.builds(
        lambda name, api, pool: source("model", name, targets=[{"pool": pool, "model": "x", "api": api}]),
        st.sampled_from(["m", "n"]),
        st.sampled_from(["auto", "responses", "wrong"]),
        POOLS,
    ),
    st.builds(
        lambda name, others: source(
            "model",
            name,
            targets=[{"pool": "p", "model": "x"}],
            fallbacks=[{"model": other, "on": ["overloaded"]} for other in others],
        ),
        st.sampled_from(["m", "n", "x/*"]),
        st.lists(st.sampled_from(["m", "mm", "n", "x/y"]), unique=True, max_size=2),
    ),
    st.builds(
        lambda name, each, day: price(name, each, effective_from=day),
        NAMES,
        st.integers(1, 2),
        st.sampled_from(["2026-01-01", "2026-01-02", "never"]),
    ),
    st.builds(
        lambda name, text, policy, tenant: key(name, text, policy=policy, tenant=tenant),
        NAMES,
        st.sampled_from(["t1", "t2"]),
        st.sampled_from(["default", "s"]),
        st.sampled_from(["default", "acme", "not a name"]),
    ),
    st.builds(
        lambda name, models: source("policy", name, models=models),
        st.sampled_from(["default", "s"]),
        st.sampled_from([None, [], ["*x"]]),
    ),
    st.builds(
        lambda kind, name: Source(kind, name, {"odd": 1}), st.sampled_from(["account", "key", "policy", "model"]), NAMES
    ),
)
GONE = st.tuples(
    st.sampled_from(["account", "model", "key", "policy", "price"]),
    st.sampled_from(["a", "b", "c", "m", "m*", "n", "x/*", "s", "default"]),
)


@given(st.lists(st.lists(st.one_of(SOURCES, GONE), max_size=4), max_size=8), st.data())
def test_any_sequence_of_changes_compiles_to_what_afresh_gives(steps: list[list[Any]], data: st.DataObject) -> None:
    """Total, and the same catalog, version and reasons, whatever the changes and in whatever pieces they came."""
    made, left = Compiler(reveal), dict[tuple[str, str], Source]()
    for step in steps:
        piece = changed(
            *(s for s in step if isinstance(s, Source)), gone=tuple(s for s in step if isinstance(s, tuple))
        )
        for ref, change in piece.items():
            left.pop(ref, None)
            if change.after is not None:
                left[ref] = change.after
        made.feed(piece)
        if data.draw(st.booleans()):
            made.compile()
    fresh = compiler(*data.draw(st.permutations([*left.values()])))
    assert fresh.compile() == made.compile()
    assert list(fresh.compile().pools.items()) == list(made.compile().pools.items())
    assert dict(fresh.reasons) == dict(made.reasons)
    sliced = Compiler(reveal)
    for _ in sliced.in_slices(changed(*left.values()), 2):
        pass
    assert fresh.compile() == sliced.compile()


@given(st.lists(SOURCES, max_size=8), st.lists(st.one_of(SOURCES, GONE), max_size=4))
def test_a_trial_leaves_nothing_behind(before: list[Source], tried: list[Any]) -> None:
    """Whatever is tried out and not kept, everything is as it was; kept, it is as if it had been fed."""
    made = compiler(*before)
    catalog, reasons = made.compile(), dict(made.reasons)
    piece = changed(*(s for s in tried if isinstance(s, Source)), gone=tuple(s for s in tried if isinstance(s, tuple)))
    with made.trial(piece) as trial:
        pass
    assert catalog is made.compile()
    assert reasons == dict(made.reasons)
    fed = compiler(*before)
    fed.feed(piece)
    assert fed.compile() == trial.catalog
    with made.trial(piece) as again:
        again.keep()
    assert (again.catalog, fed.reasons) == (made.compile(), made.reasons)
    made.feed(changed(gone=tuple(ref for ref, _ in [*changed(*before).items(), *piece.items()])))
    assert Compiler(reveal).compile() == made.compile()


# --- quarantine -------------------------------------------------------------------------------------------------------


def test_one_broken_record_stops_no_other() -> None:
    """Each broken record has its reasons; everything else is served."""
    made = compiler(
        *SOUND, account("z", provider="none"), key("w", hash="sk-canary"), source("policy", "bad", models=1)
    )
    assert {"account/z": ["provider"], "key/w": ["hash"], "policy/bad": ["models"]} == whys(made)
    assert compiler(*SOUND).compile() == made.compile()
    assert "sk-canary" not in str(made.reasons)


@pytest.mark.parametrize("policy", [None, source("policy", "narrow", models=["*x"])])
def test_a_key_without_its_policy_does_not_authenticate(policy: Source | None) -> None:
    """A policy that is gone or broken takes its keys with it, and gives them back when it is mended."""
    made = compiler(*SOUND)
    assert made.compile().key_for("n")
    made.feed(changed(policy) if policy else changed(gone=(("policy", "narrow"),)))
    assert ["policy"] == whys(made)["key/n"]
    with pytest.raises(UnknownKey):
        made.compile().key_for("n")
    assert made.compile().key_for("k")
    made.feed(changed(source("policy", "narrow", models=["m"])))
    assert compiler(*SOUND).compile() == made.compile()


def test_a_broken_default_policy_is_not_replaced_by_the_built_in_one() -> None:
    """Keys of the policy `default` had what its record says; while it is broken they have nothing."""
    made = compiler(*SOUND)
    made.feed(changed(source("policy", "default", models=["*x"])))
    with pytest.raises(UnknownKey):
        made.compile().key_for("k")
    made.feed(changed(source("policy", "default", models=[])))
    assert () == made.compile().policy_of(made.compile().key_for("k")).models


def test_a_piece_of_a_policy_is_no_policy() -> None:
    """A change that arrives before the creation says less than the whole, and may allow more."""
    made = compiler(Source("policy", "narrow", {"hide_accounts": True}), key("n", policy="narrow"))
    assert {"policy/narrow", "key/n"} == set(whys(made))
    newer = compiler(Source("policy", "narrow", {"v": 2, "models": []}), key("n", policy="narrow"))
    assert "newer version" in newer.reasons["policy", "narrow"][0].message


def test_of_keys_with_one_text_none_is_served() -> None:
    """Which of them called could not be told; what is left alone is served again."""
    made = compiler(key("k1", "text"), key("k2", "text", enabled=False), key("k3", "text"))
    assert {"key/k1": [""], "key/k2": [""], "key/k3": [""]} == whys(made)
    assert {} == made.compile().keys
    made.feed(changed(gone=(("key", "k2"), ("key", "k3"))))
    assert "k1" == made.compile().key_for("text").id


def test_a_text_that_goes_from_one_key_to_another() -> None:
    """In one step, whichever of the two comes first."""
    made = compiler(key("k1", "old"), key("k2", "text"))
    made.compile()
    made.feed(changed(key("k1", "text"), key("k2", "other")))
    assert ["k1", "k2"] == [made.compile().key_for(text).id for text in ("text", "other")]
    made.feed(changed(key("k2", "text"), key("k1", "other")))
    assert ["k2", "k1"] == [made.compile().key_for(text).id for text in ("text", "other")]


def test_a_pool_is_of_the_kind_that_most_have() -> None:
    """Those of another kind are left out; of equals, those without the first id."""
    made = compiler(account("b"), account("a", provider="anthropic"))
    assert {"account/b": ["pool"]} == whys(made)
    made.feed(changed(account("c")))
    assert {"account/a": ["pool"]} == whys(made)
    assert ["b", "c"] == [each.id for each in made.compile().pools["p"]]


def test_a_model_loses_the_targets_that_lead_nowhere() -> None:
    """It is served by the rest; with none left it keeps its name, so that no wider pattern takes its calls."""
    made = compiler(account("a"), model("m", "p", "gone"), model("*", "p"))
    assert {"model/m": ["targets[1].pool"]} == whys(made)
    assert ["p"] == [c.account.pool for c in made.compile().route("m", ANY)]
    made.feed(changed(account("b", "q"), gone=(("account", "a"),)))
    assert [] == [*made.compile().route("m", ANY)]
    made.feed(changed(account("a"), Source("model", "m", {"v": 1, "targets": 7})))
    assert ([], ["a"]) == (
        [*made.compile().route("m", ANY)],
        [c.account.id for c in made.compile().route("other", ANY)],
    )


def test_a_model_loses_the_fallbacks_that_lead_nowhere() -> None:
    """It is served without them, and has them again when the other model is back, be it as part of a pattern."""
    falling = source(
        "model",
        "m",
        targets=[{"pool": "p", "model": "x"}],
        fallbacks=[{"model": name, "on": ["refused"]} for name in ("x/gone", "other")],
    )
    made = compiler(account("a"), falling, model("other", "p"))
    assert {"model/m": ["fallbacks[0].model"]} == whys(made)
    assert ["other"] == [each.model for each in made.compile().models["m"].fallbacks]
    made.feed(changed(model("x/*", "p"), gone=(("model", "other"),)))
    assert {"model/m": ["fallbacks[1].model"]} == whys(made)
    made.feed(changed(model("x/gone", "p"), Source("model", "other", {"v": 1, "targets": 7}), gone=(("model", "x/*"),)))
    assert {"model/other": ["targets"]} == whys(made)
    assert ["x/gone", "other"] == [each.model for each in made.compile().models["m"].fallbacks]
    made.feed(changed(gone=(("model", "x/gone"), ("model", "other"))))
    assert ((), 1) == (made.compile().models["m"].fallbacks, len([*made.compile().route("m", ANY)]))


def test_of_prices_that_say_the_same_the_first_counts() -> None:
    """For the same models from the same day on; the next one counts when that is gone."""
    made = compiler(price("a", 1), price("b", 2), price("c", 3, effective_from="2026-01-02"))
    assert {"price/b": ["effective_from"]} == whys(made)
    prices = made.compile().prices
    assert (2, 1) == (len(prices), prices.of(Provider.OPENAI, "m", 1_767_225_600).uncached_input)  # type: ignore[union-attr]
    made.feed(changed(gone=(("price", "a"),)))
    assert ({}, compiler(price("b", 2), price("c", 3, effective_from="2026-01-02")).compile()) == (
        whys(made),
        made.compile(),
    )


def test_what_a_price_does_not_touch_is_shared() -> None:
    """Everything but the prices is the same object, and every other change leaves the prices as they are."""
    made = compiler(*SOUND, price("a", 1))
    before = made.compile()
    made.feed(changed(price("a", 2)))
    after = made.compile()
    assert before.version != after.version
    assert all(getattr(before, name) is getattr(after, name) for name in ("accounts", "models", "routes", "keys"))
    made.feed(changed(account("a", weight=2)))
    assert after.prices is made.compile().prices


def test_a_target_s_api_goes_by_its_pool_s_kind() -> None:
    """It is looked at again when the pool becomes one of another kind."""
    target = {"pool": "p", "model": "x", "api": "responses"}
    made = compiler(account("a"), source("model", "m", targets=[target]))
    assert {} == whys(made)
    made.feed(changed(account("a", provider="anthropic")))
    assert {"model/m": ["targets[0].api"]} == whys(made)


def test_whatever_a_reference_does_the_rest_is_published() -> None:
    """An error that nobody foresaw, in one secret, is a reason like another, without the secret."""

    def explosive(reference: str) -> Secret:
        if reference == "env:A":
            raise ValueError("sk-canary")
        return reveal(reference)

    made = Compiler(explosive)
    made.feed(changed(account("a"), account("b", credential="env:B")))
    assert ({"account/a": ["credential"]}, ["b"]) == (whys(made), [*made.compile().accounts])
    assert "sk-canary" not in str(made.reasons)


# --- incremental ------------------------------------------------------------------------------------------------------


def test_secrets_are_revealed_once_for_each_change() -> None:
    """Neither a catalog nor another record's change opens a secret again."""
    opened: list[str] = []

    def counted(reference: str) -> Secret:
        opened.append(reference)
        return reveal(reference)

    made = Compiler(counted)
    made.feed(changed(account("a", credential="env:A"), account("b", credential="env:B")))
    made.compile()
    made.feed(changed(account("b", credential="env:C"), model("m", "p")))
    with made.trial(changed(gone=(("account", "a"),))):
        pass
    made.compile()
    assert ["env:A", "env:B", "env:C"] == opened


def test_what_did_not_change_is_the_same_object() -> None:
    """Of the catalog, and of what is in it; a record that comes again as it was changes nothing."""
    made = compiler(*SOUND)
    before = made.compile()
    made.feed(changed(key("more")))
    after = made.compile()
    assert (before.accounts, before.routes) == (after.accounts, after.routes)
    assert (True, True, False) == (
        before.accounts is after.accounts,
        before.models is after.models,
        before.keys is after.keys,
    )
    made.feed(changed(*SOUND))
    assert after is made.compile()


def test_the_version_goes_by_the_content() -> None:
    """A secret that is another one is another version; there and back again is the first version."""
    made = compiler(*SOUND)
    first = made.compile().version
    made.feed(changed(account("a", credential="env:B")))
    assert first != made.compile().version
    made.feed(changed(account("a")))
    assert first == made.compile().version


def test_a_tenant_is_there_as_long_as_a_key_of_it_is() -> None:
    """Also when the key is only quarantined for a while."""
    made = compiler(*SOUND)
    assert {"default", "acme"} == set(made.compile().tenants)
    made.feed(changed(gone=(("policy", "narrow"),)))
    assert {"default"} == set(made.compile().tenants)


def test_servers_can_be_others() -> None:
    """An account of a server that is known now is served when it is fed again."""
    named = account("a", provider="openai-compatible", server="mine")
    made = compiler(named)
    assert {"account/a": ["server", "base_url"]} == whys(made)
    made.know([Server(name="mine", base_url="http://mine/v1")])
    made.feed(changed(named))
    assert "http://mine/v1" == made.compile().accounts["a"].base_url


def test_a_trial_tells_what_it_would_break_and_cure() -> None:
    """Reasons by record, of the record itself and of those that hang on it."""
    made = compiler(*SOUND, model("lost", "later"))
    with made.trial(changed(account("c", "later"), gone=(("account", "a"),))) as trial:
        assert [("model", "m"), ("model", "x/*")] == [ref for ref, _ in trial.added]
        assert [("model", "lost")] == [ref for ref, _ in trial.cured]
    assert "<Trial " in repr(trial)


def test_a_trial_that_raises_is_undone() -> None:
    """An error inside, such as a full disk, leaves the compiler as it was."""
    made = compiler(*SOUND)
    before = made.compile()

    def fails() -> None:
        with made.trial(changed(gone=(("account", "a"),))) as trial:
            trial.keep()
            raise NoAccount

    with pytest.raises(NoAccount):
        fails()
    assert before is made.compile()


def test_the_repr_counts() -> None:
    """A compiler prints as counts."""
    made = compiler(*SOUND, key("w", hash=1))
    catalog: Catalog = made.compile()
    assert f"<Compiler of 8 records, 1 in quarantine: {catalog!r}>" == repr(made)


def test_what_is_old_is_not_taken_for_new_by_the_collector() -> None:
    """A record more does not bring the table of all records back before the eyes of the garbage collector."""
    desk = Desk()
    desk.administration.create("policy", "one", {}, OWNER)
    gc.collect()
    gc.collect()
    gc.freeze()
    try:
        desk.administration.create("policy", "two", {}, OWNER)
        seen = gc.get_objects()
        assert not any(each is desk.compiler._parts or each is desk.compiler._served for each in seen)
    finally:
        gc.unfreeze()
