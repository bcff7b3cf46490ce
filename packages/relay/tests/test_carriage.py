import msgspec
import pytest

from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Secret, Target
from llmgw_domain.accounts import Platform
from llmgw_domain.errors import NoAccount, UnknownModel
from llmgw_domain.servers import Server
from llmgw_protocols import Rendered, WireRequest, dialect_named
from llmgw_relay.call import Admission, Call, Reply
from llmgw_relay.carriage import Carriage
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.testing import MemoryFacts, ScriptedUpstream

SERVER = Server(name="s")
ACCOUNT = Account(
    id="a",
    provider=Provider.VERTEX,
    base_url="",
    credential=Secret("k"),
    pool="p",
    platform=Platform(project="x"),
    server=SERVER,
    max_concurrency=1,
)


class Saying(Carriage):
    """A call that does what it is told to."""

    def __init__(self, said, *args):
        super().__init__(*args)
        self.said = said

    async def _answer(self) -> Reply:
        return self.said(self)


def carriage(said, **call):
    catalog = Catalog.of(
        version="v", accounts=[ACCOUNT], models=[Model(name="m/*", targets=(Target(pool="p", model="*"),))]
    )
    facts = MemoryFacts()
    parts = Parts.of(
        current=lambda: catalog,
        upstream=ScriptedUpstream(),
        facts=facts,
        clock=lambda: 0.0,
        wall=lambda: 0.0,
        rand=lambda: 0.0,
        config=RelayConfig(max_wait_seconds=0.0),
    )
    admission = Admission(catalog=catalog, key=ClientKey(id="k", tenant="t", digest=b""), policy=Policy())
    one = Call(id="c", request_id="r", dialect=dialect_named("chat"), wire=WireRequest(body=b""), started=0.0, **call)
    return Saying(said, parts, admission, one), facts


def raising(error):
    def said(_):
        raise error

    return said


async def test_a_refusal_is_an_answer():
    """In the client's envelope, settled once."""
    one, facts = carriage(raising(NoAccount("none left")))
    async with one as reply:
        assert (503, True) == (reply.status, b"none left" in reply.body)
    assert ["refused"] == [f.outcome for f in facts.settled]


async def test_a_fault_of_our_own_is_settled_and_raised():
    """It is no answer."""
    one, facts = carriage(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        await one.__aenter__()
    assert [("failed", "ZeroDivisionError: ")] == [(f.outcome, f.error_detail) for f in facts.settled]


async def test_leaving_without_an_answer_taken_is_a_cancellation():
    """Whoever left."""
    one, facts = carriage(lambda _: Reply(200, []))
    async with one:
        pass
    assert ["cancelled"] == [f.outcome for f in facts.settled]


async def test_a_name_leads_to_a_route_and_is_recorded_as_configured():
    """Not as the client wrote it, which could be anything; and not without bound."""
    one, _ = carriage(lambda _: Reply(200, []))
    assert "abc" == next(iter(one._route("m/abc"))).model
    assert "m/*" == one._books.model
    with pytest.raises(UnknownModel, match="256"):
        one._route("m/" + "x" * 300)


async def test_a_full_account_can_t_be_chosen_again():
    """The refusal says why nobody is left."""
    one, _ = carriage(lambda _: Reply(200, []))
    route = one._route("m/abc")
    chosen = await one._place(route)
    with pytest.raises(NoAccount, match="1 full"):
        await one._place(route)
    chosen.give_back()


def test_a_server_s_headers_go_with_every_request():
    """Before those of the dialect, which win where both name one."""
    one, _ = carriage(lambda self: None)
    account = msgspec.structs.replace(ACCOUNT, server=Server(name="s", headers={"x-title": "gateway"}))
    request = one._upstream_request(account, Rendered(path="/p", body=b"", headers=(("x-a", "b"),)), False)
    assert (("x-title", "gateway"), ("x-a", "b")) == request.headers
