import msgspec
import pytest

from llmgw_domain import Catalog, ClientKey, Model, Policy
from llmgw_protocols import WireRequest, dialect_named
from llmgw_relay.books import Books
from llmgw_relay.call import Admission, Call, Verb
from llmgw_relay.listing import Listing
from llmgw_relay.parts import Parts
from llmgw_relay.testing import MemoryFacts, ScriptedUpstream
from llmgw_relay.turn import Turn

MODELS = [Model(name=n, targets=()) for n in ("a/one", "b/two", "c/*")]


async def ask(dialect: str, model: str | None = None, query=None, policy: Policy | None = None):
    key = ClientKey(id="k", tenant="t", digest=b"")
    admission = Admission(catalog=Catalog.of(version="v", models=MODELS), key=key, policy=policy or Policy())
    wire = WireRequest(body=b"", path_model=model, query=query or {})
    call = Call(id="c", request_id="r", dialect=dialect_named(dialect), wire=wire, started=0.0, verb=Verb.LIST)
    facts = MemoryFacts()
    parts = Parts.of(
        current=lambda: admission.catalog,
        upstream=ScriptedUpstream(),
        facts=facts,
        clock=lambda: 1.0,
        wall=lambda: 2.0,
        rand=lambda: 0.0,
    )
    books = Books(parts, admission, call, Turn(parts, admission, "c", lambda: None))
    async with Listing(admission, call, books) as reply:
        return reply, msgspec.json.decode(reply.body), facts


async def test_a_key_sees_the_models_that_it_may_ask_for():
    """Patterns have no names to list, and what the policy excludes is not shown."""
    reply, shown, facts = await ask("chat", policy=Policy(models=("a/*",)))
    assert (200, ["a/one"]) == (reply.status, [m["id"] for m in shown["data"]])
    assert ["ok"] == [f.outcome for f in facts.settled]


async def test_one_model_is_shown_by_its_name():
    """The shape is the dialect's own."""
    reply, shown, _ = await ask("messages", "b/two")
    assert (200, "model", "b/two") == (reply.status, shown["type"], shown["id"])


@pytest.mark.parametrize(("dialect", "where"), [("chat", "message"), ("messages", "message"), ("gemini", "message")])
async def test_an_unknown_one_is_not_found(dialect, where):
    """In the dialect's own envelope, with the nearest names, and recorded."""
    reply, shown, facts = await ask(dialect, "zzz")
    assert 404 == reply.status
    assert "zzz" in shown["error"][where]
    assert ["refused"] == [f.outcome for f in facts.settled]


async def test_a_page_that_makes_no_sense_is_refused():
    """The query is the client's own."""
    reply, _, _ = await ask("messages", query={"limit": "many"})
    assert 400 == reply.status
