import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Secret, Target
from llmgw_domain.catalog import Keys
from llmgw_domain.errors import KeyNotAllowed, UnknownKey, UnknownModel


def account(id: str, pool: str) -> Account:
    return Account(id=id, provider=Provider.OPENAI, base_url="http://x", credential=Secret("k"), pool=pool)


def model(name: str, *targets: Target) -> Model:
    return Model(name=name, targets=targets)


CATALOG = Catalog.of(
    version="v1",
    accounts=[account("a1", "a"), account("a2", "a"), account("b1", "b")],
    models=[
        model("gpt", Target(pool="b", model="gpt-x", priority=2), Target(pool="a", model="gpt-y")),
        model("openai/*", Target(pool="a", model="*")),
        model("openai/o*", Target(pool="b", model="o*")),
        model("nowhere", Target(pool="empty", model="m")),
    ],
    keys=[
        ClientKey(id="k1", tenant="t", digest=ClientKey.digest_of("secret")),
        ClientKey(id="k2", tenant="t", digest=ClientKey.digest_of("off"), enabled=False),
        ClientKey(id="k3", tenant="t", digest=ClientKey.digest_of("narrow"), policy="narrow"),
    ],
    policies=[Policy(id="narrow", models=("openai/*",))],
)
ANY = Policy()


def served(name: str) -> list[list[tuple[str, str]]]:
    return [[(c.account.id, c.model) for c in tier] for tier in CATALOG.route(name, ANY).tiers]


def test_targets_become_tiers_by_priority():
    """Candidates of a lower priority number come first, whatever the order in the file."""
    assert served("gpt") == [[("a1", "gpt-y"), ("a2", "gpt-y")], [("b1", "gpt-x")]]


def test_the_star_goes_on_as_the_model():
    """What the star of a name matched replaces the star of the target."""
    assert served("openai/gpt-5:mini/x") == [[("a1", "gpt-5:mini/x"), ("a2", "gpt-5:mini/x")]]


def test_the_longest_pattern_wins():
    """The more specific of two patterns serves a name that both match."""
    assert served("openai/o3") == [[("b1", "o3")]]


def test_a_pool_without_accounts_gives_an_empty_tier():
    """A model whose pool is empty still routes; the balancer then has nobody to choose."""
    assert served("nowhere") == [[]]


def test_an_unknown_model_names_the_nearest():
    """A typo is answered with the name that was probably meant."""
    with pytest.raises(UnknownModel) as caught:
        CATALOG.route("gptt", ANY)
    assert caught.value.message == "The model 'gptt' does not exist. Did you mean 'gpt'?"
    assert caught.value.param == "model"


def test_an_unknown_model_never_names_what_the_key_may_not_use():
    """The hint of a narrow key holds only names of its own."""
    with pytest.raises(UnknownModel) as caught:
        CATALOG.route("gptt", Policy(models=("nowhere",)))
    assert "'gpt'" not in caught.value.message


def test_a_policy_excludes_models():
    """A model outside of the key's policy is a 403 that names it."""
    with pytest.raises(KeyNotAllowed) as caught:
        CATALOG.route("gpt", CATALOG.policies["narrow"])
    assert (caught.value.status, caught.value.param) == (403, "model")
    assert CATALOG.route("openai/x", CATALOG.policies["narrow"])


def test_keys_are_found_by_their_text():
    """A key is known by the digest of its text, with the policy that it names."""
    key = CATALOG.key_for("narrow")
    assert (key.id, CATALOG.policy_of(key).id) == ("k3", "narrow")


@pytest.mark.parametrize("secret", ["", "wrong", "off", "Secret", "\ud800"])
def test_unknown_and_disabled_keys_are_refused(secret):
    """A wrong, empty, disabled or unencodable key is a 401 that says how to send one."""
    with pytest.raises(UnknownKey) as caught:
        CATALOG.key_for(secret)
    assert caught.value.status == 401
    assert "Bearer" in caught.value.message


@given(st.text(max_size=60))
def test_routing_is_total(name):
    """Any text as a model's name routes or is refused, nothing else."""
    if name in CATALOG.models or any(p.match(name) is not None for p in CATALOG.patterns):
        assert all(c.account.id in CATALOG.accounts for c in CATALOG.route(name, ANY))
    else:
        with pytest.raises(UnknownModel) as caught:
            CATALOG.route(name, ANY)
        assert len(caught.value.message) < 500


def test_names_are_listed_as_far_as_the_policy_allows():
    """Patterns can't be listed; exact names are, filtered by the key's policy."""
    assert CATALOG.names_for(ANY) == ["gpt", "nowhere"]
    assert CATALOG.names_for(Policy(models=("gpt",))) == ["gpt"]


def test_the_repr_is_worth_reading_and_tells_no_secret():
    """A catalog prints as counts, an account without its credential."""
    assert repr(CATALOG) == "<Catalog v1: 3 accounts, 4 models, 3 keys>"
    assert "'k'" not in repr(CATALOG.accounts["a1"])


# --- the next one from the last ---------------------------------------------------------------------------------------


def test_what_a_change_does_not_touch_is_shared():
    """A derived catalog has the change, and is the same object as before in everything else."""
    CATALOG.route("gpt", ANY), CATALOG.route("nowhere", ANY)
    other = CATALOG.derive(version="v2", accounts={"b1": account("b1", "b"), "b2": account("b2", "b")})
    assert ("v2", ["a1", "a2", "b1", "b2"]) == (other.version, [*other.accounts])
    assert [["a1", "a2"], ["b1", "b2"]] == [[a.id for a in other.pools[pool]] for pool in "ab"]
    assert other.pools["a"] is CATALOG.pools["a"]
    assert (True, True, True) == (
        other.keys is CATALOG.keys,
        other.models is CATALOG.models,
        other.policies is CATALOG.policies,
    )
    assert other.route("nowhere", ANY) is CATALOG.route("nowhere", ANY)
    assert ["a1", "a2", "b1", "b2"] == [c.account.id for c in other.route("gpt", ANY)]
    assert ["a1", "a2", "b1"] == [c.account.id for c in CATALOG.route("gpt", ANY)]


def test_what_is_taken_out_is_gone_everywhere():
    """An account leaves its pool, a pool its last account, a model its names and patterns, a key its text."""
    other = CATALOG.derive(
        version="v2",
        accounts={"b1": None, "unknown": None},
        models={"openai/o*": None, "gpt": None},
        keys={ClientKey.digest_of("secret"): None},
        policies={"narrow": None},
    )
    assert (["a1", "a2"], ["a"]) == ([*other.accounts], [*other.pools])
    assert (["nowhere"], ["openai/*"]) == ([*other.models], [m.name for m in other.patterns])
    assert ["default"] == [*other.policies]
    with pytest.raises(UnknownKey):
        other.key_for("secret")


def test_an_account_that_moves_leaves_its_old_pool():
    """It is in one pool at any time, and routes of both pools see it where it is."""
    other = CATALOG.derive(version="v2", accounts={"a1": account("a1", "b")})
    assert [("a", ["a2"]), ("b", ["a1", "b1"])] == [(n, [a.id for a in pool]) for n, pool in other.pools.items()]
    assert [["a2"], ["a1", "b1"]] == [[c.account.id for c in tier] for tier in other.route("gpt", ANY).tiers]


def test_the_default_policy_is_always_there():
    """One that is put in its place counts; taken out, the built-in one is back."""
    narrow = CATALOG.derive(version="v2", policies={"default": Policy(models=())})
    assert () == narrow.policies["default"].models
    assert Policy() == narrow.derive(version="v3", policies={"default": None}).policies["default"]


def test_routes_that_were_made_are_no_difference():
    """Two catalogs of one content are equal, whichever of their routes were asked for."""
    fresh = CATALOG.derive(version="v1", models={name: model(name) for name in ("gpt", "nowhere")})
    one, other = (fresh.derive(version="v2", accounts={"b1": None}) for _ in range(2))
    one.route("gpt", ANY)
    assert one == other
    assert one != fresh.derive(version="v2", accounts={"a1": None})
    assert "<Routes of 2 models, 1 made>" == repr(one.routes)


def key(number: int, text: str) -> ClientKey:
    return ClientKey(id=str(number), tenant="t", digest=ClientKey.digest_of(text))


CHANGES = st.dictionaries(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.integers(0, 9)), max_size=8)


@given(st.lists(CHANGES, max_size=6))
def test_keys_are_what_a_dict_would_be(steps):
    """After any changes, while every earlier one stays as it was."""
    keys, twin, earlier = Keys(), {}, []
    for step in steps:
        changes = {ClientKey.digest_of(t): None if n is None else key(n, t) for t, n in step.items()}
        earlier.append((keys, dict(twin)))
        keys = keys.after(changes)
        twin = {d: k for d, k in {**twin, **changes}.items() if k is not None}
        assert (twin, len(twin), set(twin)) == (keys, len(keys), set(keys))
        assert [k for d, k in twin.items()] == [keys[d] for d in twin]
    assert all(before == dict(kept) for kept, before in earlier)
    assert (None, False) == (keys.get(b""), b"unknown" in keys)
    assert Keys(twin.values()) == keys
