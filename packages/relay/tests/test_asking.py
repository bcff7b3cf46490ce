import asyncio

import msgspec
import pytest

from llmgw_domain import Account, Candidate, Model, Provider, Route, Secret, Target
from llmgw_domain.accounts import Platform
from llmgw_domain.advertised import Advertised
from llmgw_domain.chat import Origin, Thinking
from llmgw_domain.errors import BadRequest, UnsupportedField, UpstreamTimeout
from llmgw_domain.servers import Server, Variant
from llmgw_protocols import EncodeContext, TargetFacts, WireRequest, dialect_named
from llmgw_protocols.signatures import Kept
from llmgw_relay.asking import Chat, facts_of
from llmgw_relay.meter import Meter
from llmgw_relay.stash import MemoryStash
from llmgw_relay.testing import MemoryFetch
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


@pytest.mark.parametrize(
    ("client", "native", "foreign", "body"),
    [
        ("chat", "openai", "anthropic", b'{"model":"m","messages":[{"role":"user","content":7}]}'),
        (
            "messages",
            "anthropic",
            "openai",
            b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":7}]}]}',
        ),
    ],
)
async def test_what_cant_be_read_passes_through_though_a_fallback_would_have_to_read_it(client, native, foreign, body):
    """The provider that speaks the client's dialect judges it; only the other one's turn is refused."""
    dialect = dialect_named(client)
    chat = Chat(dialect, dialect.envelope(WireRequest(body=body)))
    route = route_to(Provider(native), Provider(foreign), model="gpt-5.4")
    await chat.recall(MemoryStash(lambda: 0.0), "t", route)
    await chat.gather(MemoryFetch(), route, 1.0)
    asked = chat.of(TargetFacts(provider=Provider(native), model="gpt-5.4"), "auto")
    assert client == asked.dialect.name
    with pytest.raises(BadRequest):
        chat.of(TargetFacts(provider=Provider(foreign), model="gpt-5.4"), "auto")


def test_a_renderer_learns_what_it_needs_of_the_account():
    """The platform, and the server as it is for the model; not the credential."""
    server = Server(name="s", variants=(Variant(models=("up",), refuses=("n",)),))
    account = Account(
        id="a",
        provider=Provider.VERTEX,
        base_url="",
        credential=Secret("k"),
        pool="p",
        platform=Platform(project="x"),
        server=server,
    )
    facts = facts_of(Candidate(account, "up", Target(pool="p", model="up")), 100)
    expected = TargetFacts(
        provider=Provider.VERTEX,
        model="up",
        max_output_tokens=100,
        account="a",
        reader="a",
        platform=account.platform,
        server=server.for_model("up"),
    )
    assert expected == facts


def test_what_a_provider_says_of_the_model_goes_along():
    """It is looked up by the account and the provider's name of the model; so does the cloud of the account."""
    said = {("a", "up"): Advertised(max_output_tokens=5)}
    base_url = "https://n.services.ai.azure.com/anthropic"
    account = Account(id="a", provider=Provider.ANTHROPIC, base_url=base_url, credential=Secret("k"), pool="p")
    candidates = [Candidate(account, name, Target(pool="p", model=name)) for name in ("up", "other")]
    facts = [facts_of(c, advertised=lambda *key: said.get(key)) for c in candidates]
    assert [said["a", "up"], None] == [f.advertised for f in facts]
    assert "foundry" == facts[0].cloud


async def test_reasoning_that_the_client_left_out_is_put_back_for_its_maker():
    """And for nobody else: another model would refuse it."""
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "reasoning_effort": "low",
    }
    stash = MemoryStash(lambda: 0.0)
    model = "claude-sonnet-4-5"
    origin = Origin("anthropic", model, "a")
    stash.put("t", ["call_1"], Kept(origin=origin, blocks=(Thinking("hm", "sig", Origin("anthropic")),)))
    account = Account(id="a", provider=Provider.ANTHROPIC, base_url="", credential=Secret("k"), pool="p")
    route = Route.of(Model(name="m", targets=(Target(pool="p", model=model),)), "", {"p": [account]})
    for tenant, asked_model, there in (("t", model, True), ("t", "claude-opus-4-5", False), ("u", model, False)):
        chat = asking(msgspec.json.encode(body))
        await chat.recall(stash, tenant, route)
        facts = TargetFacts(provider=Provider.ANTHROPIC, model=asked_model, account="a")
        assert there == (b'"signature":"sig"' in chat.of(facts, "auto").requests[0].body)


PICTURE = "https://images.test/a.png"
PICTURED = msgspec.json.encode(
    {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}],
    }
)
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BEDROCK = TargetFacts(provider=Provider.BEDROCK, model=CLAUDE)


def route_to(*providers: Provider, model: str = CLAUDE) -> Route:
    pools = {
        p: [Account(id=p, provider=p, base_url="", credential=Secret("k"), pool=p)] for p in map(Provider, providers)
    }
    return Route.of(Model(name="m", targets=tuple(Target(pool=p, model=model) for p in providers)), "", pools)


async def gathered(fetch, route: Route, body: bytes = PICTURED, seconds: float | None = None) -> Chat:
    chat = asking(body)
    await chat.recall(MemoryStash(lambda: 0.0), "t", route)
    await chat.gather(fetch, route, seconds)
    return chat


async def test_media_are_fetched_once_for_the_targets_that_want_them():
    """Those that fetch by themselves get the address, whoever else is asked."""
    fetch = MemoryFetch({PICTURE: b"\x89PNG\r\n\x1a\n"})
    chat = await gathered(fetch, route_to(Provider.BEDROCK, Provider.ANTHROPIC, Provider.OPENAI))
    for facts, inline in (
        (BEDROCK, True),
        (BEDROCK, True),
        (TargetFacts(provider=Provider.ANTHROPIC, model=CLAUDE), False),
    ):
        body = chat.of(facts, "auto").requests[0].body
        assert (inline, not inline) == (b"iVBORw0KGgo=" in body, PICTURE.encode() in body)
    assert [PICTURE] == fetch.asked


@pytest.mark.parametrize(
    ("providers", "body"),
    [((Provider.ANTHROPIC, Provider.OPENAI), PICTURED), ((Provider.OPENAI,), PICTURED), ((Provider.BEDROCK,), BODY)],
)
async def test_nothing_is_fetched_that_nobody_wants(providers, body):
    """Where every target fetches by itself or gets the client's own bytes, or there is no address."""
    fetch = MemoryFetch({PICTURE: b"\x89PNG\r\n\x1a\n"})
    await gathered(fetch, route_to(*providers), body)
    assert [] == fetch.asked


@pytest.mark.parametrize("fetch", [None, MemoryFetch()])
async def test_an_address_that_may_not_be_fetched_is_refused_where_it_can_not_be_passed_on(fetch):
    """And only there: another target of the call may well fetch it."""
    chat = await gathered(fetch, route_to(Provider.BEDROCK, Provider.ANTHROPIC))
    with pytest.raises(UnsupportedField, match=r"fetch\.allowed_hosts with fetch\.enabled"):
        chat.of(BEDROCK, "auto")
    assert PICTURE.encode() in chat.of(TargetFacts(provider=Provider.ANTHROPIC, model=CLAUDE), "auto").requests[0].body


async def test_fetching_keeps_to_the_calls_own_time():
    """What the client set for the call is over before the fetch has its answer."""

    class Slow(MemoryFetch):
        async def fetch(self, urls):
            await asyncio.sleep(10)
            return []

    with pytest.raises(UpstreamTimeout):
        await gathered(Slow({PICTURE: b""}), route_to(Provider.BEDROCK), seconds=0.01)
