import msgspec
import pytest

from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Route, Secret, Target
from llmgw_domain.errors import BadRequest, NotFound, StoreUnavailable
from llmgw_protocols import WireRequest, dialect_named
from llmgw_relay.call import Admission
from llmgw_relay.continuing import Continuing
from llmgw_relay.conversations import KeptConversations
from llmgw_relay.objects import KeptObjects, Owned
from llmgw_relay.parts import Parts
from llmgw_relay.testing import MemoryFacts, MemoryKeep, MemorySealer, ScriptedUpstream

RESPONSE = msgspec.json.encode(
    {
        "id": "resp_abc",
        "object": "response",
        "output": [{"type": "message", "id": "msg_abc_0", "role": "assistant", "content": []}],
    }
)


class Bench:
    """Two tenants, two accounts in one pool."""

    def __init__(self, *, stored: bool = True, dialect: str = "responses", tenants: str = "tu"):
        self.dialect = dialect_named(dialect)
        accounts = [
            Account(id=i, provider=Provider.OPENAI, base_url="", credential=Secret("k"), pool="p") for i in ("a", "b")
        ]
        self.keys = [ClientKey(id=t, tenant=t, digest=t.encode()) for t in tenants]
        self.catalog = Catalog.of(version="v", accounts=accounts, keys=self.keys)
        self.route = Route.of(Model(name="m", targets=(Target(pool="p", model="m"),)), "", {"p": accounts})
        self.policy = Policy(stored_responses=stored)
        self.parts = Parts.of(
            current=lambda: self.catalog,
            upstream=ScriptedUpstream(),
            facts=MemoryFacts(),
            clock=lambda: 0.0,
            wall=lambda: 0.0,
            rand=lambda: 0.0,
        )

    def of(self, tenant: str = "t") -> Continuing:
        key = self.keys["tu".index(tenant)]
        return Continuing(self.parts, Admission(catalog=self.catalog, key=key, policy=self.policy), self.dialect)

    def envelope(self, **fields):
        body = {"model": "m", "input": "Hi", **fields}
        return self.dialect.envelope(WireRequest(body=msgspec.json.encode(body)))

    async def resume(self, tenant: str = "t", **fields):
        return await self.of(tenant).resume(self.envelope(**fields), self.route)


async def test_a_kept_response_is_put_before_the_request():
    """Its input, its output, then what is new; and the id is gone, so any provider can go on."""
    bench = Bench()
    bench.of().keep(bench.envelope(input="First"), RESPONSE)
    envelope, route = await bench.resume(previous_response_id="resp_abc")
    items = msgspec.json.decode(envelope.fields["input"])
    assert ["First", [], "Hi"] == [item["content"] for item in items]
    assert ("previous_response_id" in envelope.fields, route) == (False, bench.route)


async def test_an_item_that_is_named_by_its_id_is_put_in():
    """As SDKs do that take everything for stored."""
    bench = Bench()
    bench.of().keep(bench.envelope(input="First"), RESPONSE)
    envelope, _ = await bench.resume(input=[{"type": "item_reference", "id": "msg_abc_0"}])
    assert ["message"] == [item["type"] for item in msgspec.json.decode(envelope.fields["input"])]


async def test_a_response_at_a_provider_binds_to_its_account():
    """Only that account can go on from it."""
    bench = Bench()
    bench.of().own(bench.envelope(), "resp_up", "b")
    envelope, route = await bench.resume(previous_response_id="resp_up")
    assert ["b"] == [c.account.id for c in route]
    assert "previous_response_id" in envelope.fields


async def test_an_item_at_a_provider_binds_too():
    """Where it is kept, and for its tenant alone."""
    bench = Bench()
    bench.of().own(bench.envelope(), "resp_up", "b", RESPONSE)
    asked = {"input": [{"type": "item_reference", "id": "msg_abc_0"}]}
    _, route = await bench.resume(**asked)
    assert ["b"] == [c.account.id for c in route]
    with pytest.raises(NotFound):
        await bench.resume("u", **asked)


async def test_a_conversation_goes_on_at_an_account_that_drains():
    """What it holds is nowhere else."""
    bench = Bench()
    leaving = msgspec.structs.replace(bench.catalog.accounts["b"], drain=True)
    bench.catalog = bench.catalog.derive(version="w", accounts={"b": leaving})
    bench.route = Route.of(bench.route.model, "", bench.catalog.pools)
    bench.of().own(bench.envelope(), "resp_up", "b")
    _, route = await bench.resume(previous_response_id="resp_up")
    assert [("b", False)] == [(c.account.id, c.account.drain) for c in route]


@pytest.mark.parametrize("known", ["resp_abc", "resp_up"])
async def test_another_tenant_s_response_is_not_there(known):
    """Wherever it is kept."""
    bench = Bench()
    bench.of().keep(bench.envelope(), RESPONSE)
    bench.of().own(bench.envelope(), "resp_up", "b")
    with pytest.raises(NotFound):
        await bench.resume("u", previous_response_id=known)


async def test_a_file_in_a_chat_binds_it_too():
    """Whatever dialect names it."""
    bench = Bench(dialect="chat")
    bench.parts.objects.add(Owned(id="file-1", kind="files", tenant="t", account="a"))
    content = [{"type": "file", "file": {"file_id": "file-1"}}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    envelope = bench.dialect.envelope(WireRequest(body=msgspec.json.encode(body)))
    _, route = await bench.of().resume(envelope, bench.route)
    assert ["a"] == [c.account.id for c in route]


async def test_an_account_that_does_not_serve_the_model_is_told():
    """Instead of a puzzling answer from another one."""
    bench = Bench()
    bench.catalog.accounts["c"] = msgspec.structs.replace(bench.catalog.accounts["a"], id="c")
    bench.of().own(bench.envelope(), "resp_up", "c")
    with pytest.raises(BadRequest, match="does not serve"):
        await bench.resume(previous_response_id="resp_up")


@pytest.mark.parametrize(
    ("stored", "fields", "keeps", "lost"),
    [
        (True, {}, True, ()),
        (True, {"store": True}, True, ()),
        (True, {"store": False}, False, ()),
        (False, {}, False, ()),
        (False, {"store": True}, False, ("store",)),
    ],
)
async def test_what_is_kept_is_the_policy_s_and_the_client_s_choice(stored, fields, keeps, lost):
    """An explicit wish that is not fulfilled is told as lost, and the answer does not claim to be stored."""
    bench = Bench(stored=stored)
    one, envelope = bench.of(), bench.envelope(**fields)
    one.keep(envelope, RESPONSE)
    assert keeps == (await bench.parts.conversations.get("t", "resp_abc") is not None)
    assert lost == one.lost(envelope)
    assert (keeps or bytes(one.shown(envelope).fields["store"]) == b"false") is True


async def test_an_answer_that_is_not_stored_is_nobody_s():
    """The provider keeps none either."""
    bench = Bench()
    bench.of().own(bench.envelope(store=False), "resp_up", "b")
    assert await bench.parts.objects.find("resp_up", "t") is None


# --- while the store is away ------------------------------------------------------------------------------------------


def away(**options) -> Bench:
    """A bench whose records are kept durably, by a store that is away."""
    bench, keep = Bench(**options), MemoryKeep()
    keep.away = True
    clock = (lambda: 0.0, lambda: keep.wall)
    kept = {
        "objects": KeptObjects(keep, MemorySealer(), *clock),
        "conversations": KeptConversations(keep, MemorySealer(), clock[0]),
    }
    bench.parts = msgspec.structs.replace(bench.parts, **kept)
    return bench


@pytest.mark.parametrize("tenants", ["t", "tu"])
@pytest.mark.parametrize("field", ["previous_response_id", "input"])
async def test_what_may_be_kept_is_not_said_to_be_missing(tenants, field):
    """A conversation never goes on without its history; its client is told to come back."""
    bench = away(tenants=tenants)
    asked = {"previous_response_id": "resp_abc", "input": [{"type": "item_reference", "id": "msg_abc_0"}]}
    with pytest.raises(StoreUnavailable):
        await bench.resume(**{field: asked[field]})


async def test_a_response_that_is_known_to_be_at_a_provider_needs_no_store():
    """Its account has it, so the gateway has not."""
    bench = away()
    bench.of().own(bench.envelope(), "resp_up", "b")
    _, route = await bench.resume(previous_response_id="resp_up")
    assert ["b"] == [c.account.id for c in route]


async def test_a_lone_tenant_that_keeps_nothing_here_goes_on():
    """It can be its provider's response alone, which says itself whether it is there."""
    bench = away(tenants="t", stored=False)
    envelope, route = await bench.resume(previous_response_id="resp_up")
    assert (bench.route, True) == (route, "previous_response_id" in envelope.fields)
