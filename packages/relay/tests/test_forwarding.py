from itertools import count

import msgspec
import pytest

from llmgw_balancer import Balancer
from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Secret, Target
from llmgw_domain.errors import UpstreamReset, UpstreamUnreachable
from llmgw_protocols import WireRequest, dialect_named
from llmgw_protocols.resources import resource_at
from llmgw_relay import Call, Relay
from llmgw_relay.call import Verb
from llmgw_relay.conversations import KeptConversations, MemoryConversations, StoredResponse
from llmgw_relay.objects import KeptObjects, MemoryObjects, Owned
from llmgw_relay.parts import Parts
from llmgw_relay.testing import MemoryFacts, MemoryKeep, MemorySealer, MemoryUpload, Script, ScriptedUpstream

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}
FILE = {"id": "file-1", "object": "file", "created_at": 1}


def script(body, status=200, headers=None):
    return Script([msgspec.json.encode(body)], status=status, headers=headers or JSON)


class Bench:
    """Two tenants, two accounts in one pool, and a relay on scripted parts."""

    def __init__(self, *scripts, endpoints=("*",), pools=("p", "p"), tenants=("t", "u"), keep=None):
        self.upstream = ScriptedUpstream(*scripts)
        self.facts = MemoryFacts()
        self.balancer = Balancer(clock=lambda: 0.0, rand=lambda: 0.0)
        self.objects = MemoryObjects(lambda: 0.0)
        self.conversations = MemoryConversations(lambda: 0.0)
        if keep is not None:
            self.objects = KeptObjects(keep, MemorySealer(), lambda: 0.0, lambda: keep.wall)
            self.conversations = KeptConversations(keep, MemorySealer(), lambda: 0.0)
        accounts = [
            Account(id=i, provider=Provider.OPENAI, base_url="http://up/v1", credential=Secret("sk"), pool=p)
            for i, p in zip("ab", pools, strict=True)
        ]
        claude = Account(id="c", provider=Provider.ANTHROPIC, base_url="", credential=Secret("sk"), pool="claude")
        self.catalog = Catalog.of(
            version="v",
            accounts=[*accounts, claude],
            models=[
                Model(name="sim/img", targets=(Target(pool="p", model="img-1"),)),
                Model(name="sim/claude", targets=(Target(pool="claude", model="claude"),)),
            ],
            keys=[ClientKey(id=t, tenant=t, digest=ClientKey.digest_of(t)) for t in tenants],
            policies=[Policy(endpoints=endpoints)],
        )
        ticks = count(1)
        self.relay = Relay(
            Parts.of(
                current=lambda: self.catalog,
                upstream=self.upstream,
                balancer=self.balancer,
                facts=self.facts,
                objects=self.objects,
                conversations=self.conversations,
                clock=lambda: float(next(ticks)),
                wall=lambda: 1e9,
                rand=lambda: 0.0,
            )
        )

    async def ask(self, method, path, *, tenant="t", upload=None, headers=None, query=None, pool=""):
        call = Call(
            id="c",
            request_id="r",
            dialect=dialect_named("chat"),
            wire=WireRequest(body=b"", headers=headers or {}, query=query or {}),
            started=0.0,
            verb=Verb.FORWARD,
            method=method,
            resource=resource_at(method, path),
            upload=upload,
            pool=pool,
        )
        async with self.relay.open(self.relay.admit(tenant), call) as reply:
            body = reply.body
            if body is None:
                body = b"".join([piece async for piece in reply.chunks])
        assert (0, 0) == (self.balancer.in_flight, self.upstream.open_now)
        return reply.status, dict(reply.headers), body


async def upload_file(bench, tenant="t"):
    upload = MemoryUpload(b"--b\r\n", b"x" * 1000, b"--b--")
    return await bench.ask("POST", "/files", tenant=tenant, upload=upload, headers=FORM)


async def test_an_upload_streams_and_its_id_is_remembered():
    """Nothing of the file is held; the answer goes back as it came."""
    bench = Bench(script(FILE))
    status, headers, body = await upload_file(bench)
    assert (200, FILE) == (status, msgspec.json.decode(body))
    assert [b"--b\r\n" + b"x" * 1000 + b"--b--"] == bench.upstream.uploaded
    owned = await bench.objects.find("file-1", "t")
    assert ("t", "files", headers[b"x-gw-account"].decode()) == (owned.tenant, owned.kind, owned.account)
    assert "ok" == bench.facts.settled[0].outcome


async def test_later_use_goes_to_the_account_that_holds_it():
    """Whatever the balancer would choose."""
    bench = Bench(script(FILE))
    _, made, _ = await upload_file(bench)
    for path in ("/files/file-1", "/files/file-1/content"):
        for _ in range(4):
            _, headers, _ = await bench.ask("GET", path)
            assert made[b"x-gw-account"] == headers[b"x-gw-account"]


async def test_an_account_that_drains_is_asked_for_what_it_holds_alone():
    """New files go elsewhere; those that are there can still be read."""
    bench = Bench(script(FILE), script({**FILE, "id": "file-2"}), script(FILE))
    _, made, _ = await upload_file(bench)
    holder = made[b"x-gw-account"].decode()
    leaving = msgspec.structs.replace(bench.catalog.accounts[holder], drain=True)
    bench.catalog = bench.catalog.derive(version="w", accounts={holder: leaving})
    _, second, _ = await upload_file(bench)
    assert holder != second[b"x-gw-account"].decode()
    _, headers, _ = await bench.ask("GET", "/files/file-1")
    assert holder == headers[b"x-gw-account"].decode()


async def test_another_tenant_does_not_find_it():
    """Neither to read nor to delete nor to run a batch on, and the provider is not asked."""
    bench = Bench(script(FILE))
    await upload_file(bench)
    batch = MemoryUpload(b'{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}')
    for method, path, upload in (
        ("GET", "/files/file-1", None),
        ("GET", "/files/file-1/content", None),
        ("DELETE", "/files/file-1", None),
        ("POST", "/batches", batch),
    ):
        status, _, body = await bench.ask(method, path, tenant="u", upload=upload)
        assert 404 == status
        assert b"file-1" in body
    assert 1 == len(bench.upstream.asked)


async def test_a_batch_runs_where_its_file_is_and_brings_files():
    """Its output belongs to the tenant as well; what it used is counted once, when it is over."""
    made = {"id": "batch_1", "object": "batch", "status": "in_progress", "usage": {"input_tokens": 1}}
    over = {
        **made,
        "status": "completed",
        "output_file_id": "file-2",
        "usage": {"input_tokens": 30, "output_tokens": 4},
    }
    bench = Bench(script(FILE), script(made), script(over), script(over), script({"id": "file-2", "object": "file"}))
    _, at, _ = await upload_file(bench)
    batch = MemoryUpload(b'{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}')
    _, headers, _ = await bench.ask("POST", "/batches", upload=batch)
    assert at[b"x-gw-account"] == headers[b"x-gw-account"]
    for _ in range(2):
        await bench.ask("GET", "/batches/batch_1")
    assert [None, None, 34, None] == [f.usage and f.usage.total for f in bench.facts.settled]
    assert 200 == (await bench.ask("GET", "/files/file-2"))[0]


async def test_what_is_deleted_is_forgotten():
    """And so it is not found again."""
    bench = Bench(script(FILE), script({"id": "file-1", "object": "file", "deleted": True}))
    await upload_file(bench)
    await bench.ask("DELETE", "/files/file-1")
    assert await bench.objects.find("file-1", "t") is None


async def test_a_list_shows_what_the_tenant_owns():
    """Out of the lists of every account that holds some, which hold everybody's."""
    bench = Bench(script(FILE), script({**FILE, "id": "file-2"}))
    await upload_file(bench)
    await upload_file(bench, "u")
    everything = {
        "object": "list",
        "data": [{**FILE, "id": i} for i in ("file-0", "file-1", "file-2")],
        "has_more": False,
    }
    bench.upstream.scripts = [script(everything)]
    for tenant, mine in (("t", "file-1"), ("u", "file-2")):
        status, _, body = await bench.ask("GET", "/files", tenant=tenant)
        shown = msgspec.json.decode(body)
        assert (200, [mine], False) == (status, [f["id"] for f in shown["data"]], shown["has_more"])


async def test_a_form_s_model_is_found_and_replaced():
    """Of a large form only what stands before it is held, and the announced length stays true."""
    head = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nsim/img\r\n--b\r\n'
    upload = MemoryUpload(head, b"content-type: x/y\r\n\r\n" + b"x" * 1_499_979)
    bench = Bench(script({"created": 1, "data": [], "usage": {"input_tokens": 3, "output_tokens": 9}}))
    declared = {**FORM, "content-length": str(len(head) + 1_500_000)}
    status, headers, _ = await bench.ask("POST", "/images/edits", upload=upload, headers=declared)
    assert (200, b"img-1", len(head)) == (status, headers[b"x-gw-model"], upload.held)
    sent = bench.upstream.uploaded[0]
    assert b"\r\n\r\nimg-1\r\n" in sent
    assert len(sent) == bench.upstream.asked[0].length
    assert ("sim/img", 12) == (bench.facts.settled[0].model, bench.facts.settled[0].usage.total)


async def test_a_json_body_s_model_is_replaced():
    """Nothing else of it is touched."""
    bench = Bench(script({"data": []}))
    await bench.ask("POST", "/images/generations", upload=MemoryUpload(b'{"model":"sim/img",', b'"odd":1.50}'))
    assert b'{"model":"img-1","odd":1.50}' == bench.upstream.asked[0].body


async def test_binary_answers_stream():
    """With their own type, and no usage, since none is said."""
    bench = Bench(Script([b"\x00\x01", b"\x02"], headers={"content-type": "audio/mpeg"}))
    status, headers, body = await bench.ask("POST", "/audio/speech", upload=MemoryUpload(b'{"model":"sim/img"}'))
    assert (200, b"audio/mpeg", b"\x00\x01\x02") == (status, headers[b"content-type"], body)
    assert bench.facts.settled[0].unmetered
    assert ("ok", None, 3) == (
        bench.facts.settled[0].outcome,
        bench.facts.settled[0].usage,
        bench.facts.settled[0].bytes_sent,
    )


async def test_a_broken_binary_answer_is_settled_as_failed():
    """And never looks whole: the exception ends the connection without its end mark."""
    bench = Bench(Script([b"half", UpstreamReset()], headers={"content-type": "audio/mpeg"}))
    with pytest.raises(UpstreamReset):
        await bench.ask("POST", "/audio/speech", upload=MemoryUpload(b'{"model":"sim/img"}'))
    assert ["failed"] == [f.outcome for f in bench.facts.settled]


@pytest.mark.parametrize(
    ("first", "tries"),
    [
        (script({"error": {"message": "slow"}}, 429), 2),
        (script({"error": {"message": "oh"}}, 500), 1),
        (Script(refuse=UpstreamUnreachable()), 2),
        (Script(refuse=UpstreamReset()), 1),
    ],
)
async def test_what_makes_something_is_tried_again_only_if_nothing_was_done(first, tries):
    """A provider that failed in the middle may have made it all the same."""
    bench = Bench(first, script({"data": []}))
    await bench.ask("POST", "/images/generations", upload=MemoryUpload(b'{"model":"sim/img"}'))
    assert tries == len(bench.upstream.asked)


async def test_what_makes_nothing_is_tried_again():
    """On another account, while it is not bound to one."""
    bench = Bench(script({"error": {"message": "oh"}}, 500), script(FILE), tenants=("t",))
    assert 200 == (await bench.ask("GET", "/files/file-9"))[0]


async def test_a_policy_has_to_open_an_endpoint():
    """The refusal names what is missing; stored responses are a part of the dialect and need no opening."""
    bench = Bench(script(FILE), endpoints=("images",))
    status, _, body = await upload_file(bench)
    assert (403, True) == (status, b"endpoints" in body)
    assert 404 == (await bench.ask("GET", "/responses/resp_1"))[0]


async def test_an_object_that_no_account_knows_looks_like_another_s():
    """It is no model that is missing; and each account may be asked, while the id is nobody's."""
    nothing = script({"error": {"message": "No such file: x", "type": "t", "param": None, "code": None}}, 404)
    bench = Bench(nothing, tenants=("t",))
    status, _, body = await bench.ask("GET", "/files/x")
    assert (404, "No such object: 'x'.") == (status, msgspec.json.decode(body)["error"]["message"])
    assert 2 == len(bench.upstream.asked)
    assert ("files", "not_found") == (bench.facts.settled[0].endpoint, bench.facts.settled[0].error_code)


async def test_with_several_pools_one_has_to_be_named():
    """The refusal lists them."""
    bench = Bench(script(FILE), pools=("p", "q"))
    status, _, body = await upload_file(bench)
    assert (400, True) == (status, b"x-gw-pool" in body and b"p, q" in body)
    status, headers, _ = await bench.ask("POST", "/files", upload=MemoryUpload(b"x"), headers=FORM, pool="q")
    assert (200, b"b") == (status, headers[b"x-gw-account"])


async def test_a_model_without_openai_s_api_is_refused():
    """It can't be passed through to anybody else."""
    bench = Bench(script(FILE))
    status, _, body = await bench.ask("POST", "/images/generations", upload=MemoryUpload(b'{"model":"sim/claude"}'))
    assert (400, True) == (status, b"OpenAI" in body)


async def test_a_provider_s_refusal_is_told_in_its_words():
    """It is about the client's request."""
    bench = Bench(script({"error": {"message": "bad size", "type": "t", "param": None, "code": None}}, 400))
    status, _, body = await bench.ask("POST", "/images/generations", upload=MemoryUpload(b'{"model":"sim/img"}'))
    assert (400, True) == (status, b"bad size" in body)


async def test_a_json_body_is_bounded():
    """It is held whole."""
    bench = Bench(script(FILE))
    upload = MemoryUpload(*[b"x" * (1 << 20)] * 5)
    assert 413 == (await bench.ask("POST", "/images/generations", upload=upload))[0]


async def test_a_small_form_may_be_sent_twice():
    """It is held, so the account that refused for its own sake is not the last one."""
    head = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n'
    bench = Bench(script({"error": {}}, status=429), script(FILE))
    declared = {**FORM, "content-length": str(len(head))}
    status, headers, _ = await bench.ask("POST", "/files", upload=MemoryUpload(head), headers=declared)
    assert (200, b"2") == (status, headers[b"x-gw-attempts"])
    assert [head, head] == [request.body for request in bench.upstream.asked]


async def test_a_cut_answer_is_none():
    """JSON that ends too early is a 502, however well its body was framed."""
    bench = Bench(Script([b'{"id":"file-1","obj'], headers=JSON), tenants=("t",))
    status, _, body = await bench.ask("GET", "/files/file-1")
    assert (502, "upstream_malformed") == (status, msgspec.json.decode(body)["error"]["code"])


async def test_what_makes_something_is_marked_for_the_transport():
    """It sends other requests once more by itself, where a kept connection died of old age."""
    bench = Bench(script({"data": []}), script(FILE), tenants=("t",))
    await bench.ask("POST", "/images/generations", upload=MemoryUpload(b'{"model":"sim/img"}'))
    await bench.ask("GET", "/files/file-1")
    assert [True, False] == [request.once for request in bench.upstream.asked]


async def test_a_response_that_the_gateway_keeps_is_served_by_it():
    """To its tenant, until it is deleted; no provider is asked."""
    bench = Bench(script({}))
    items = tuple(msgspec.Raw(b'{"type":"message","content":"%d"}' % i) for i in range(3))
    kept = StoredResponse(id="resp_1", tenant="t", body=b'{"id":"resp_1"}', input=items, output=())
    bench.conversations.put(kept)
    assert b'{"id":"resp_1"}' == (await bench.ask("GET", "/responses/resp_1"))[2]
    page = msgspec.json.decode((await bench.ask("GET", "/responses/resp_1/input_items", query={"limit": "2"}))[2])
    assert (["2", "1"], True) == ([item["content"] for item in page["data"]], page["has_more"])
    assert 400 == (await bench.ask("POST", "/responses/resp_1/cancel", upload=MemoryUpload()))[0]
    assert 404 == (await bench.ask("GET", "/responses/resp_1", tenant="u"))[0]
    assert b'"deleted":true' in (await bench.ask("DELETE", "/responses/resp_1"))[2]
    assert 404 == (await bench.ask("GET", "/responses/resp_1"))[0]
    assert [] == bench.upstream.asked


async def test_an_account_s_limits_are_noted_and_not_passed_on():
    """Of files and their like as of chats."""
    limits = {**JSON, "x-ratelimit-remaining-requests": "4", "retry-after": "3", "x-should-retry": "false"}
    bench = Bench(script(FILE, headers=limits))
    _, headers, _ = await upload_file(bench)
    assert set() == {b"x-ratelimit-remaining-requests", b"retry-after", b"x-should-retry"} & set(headers)
    assert 4 == bench.facts.settled[0].limits.requests.remaining


async def test_what_its_account_does_not_know_is_missing():
    """Not its model, and in the words of an object that never was."""
    bench = Bench(script({"error": {"message": "Response with id 'resp_1' not found."}}, 404), tenants=("t",))
    bench.objects.add(Owned(id="resp_1", kind="responses", tenant="t", account="a"))
    status, _, body = await bench.ask("GET", "/responses/resp_1")
    error = msgspec.json.decode(body)["error"]
    assert (404, "No such object: 'resp_1'.", "not_found") == (status, error["message"], error["code"])


# --- while the store is away ------------------------------------------------------------------------------------------


def away() -> MemoryKeep:
    keep = MemoryKeep()
    keep.away = True
    return keep


async def test_an_upload_needs_no_store():
    """What was made is told to its client, and found by whoever asks the same process."""
    bench = Bench(script(FILE), keep=away())
    assert 200 == (await upload_file(bench))[0]
    assert 200 == (await bench.ask("GET", "/files/file-1"))[0]


@pytest.mark.parametrize("path", ["/files/file-9", "/files", "/responses/resp_9"])
async def test_what_can_t_be_looked_up_is_not_said_to_be_missing(path):
    """Neither an object nor a list of them, and the client is told when to come back."""
    bench = Bench(script(FILE), keep=away())
    status, headers, body = await bench.ask("GET", path)
    assert (503, "store_unavailable") == (status, msgspec.json.decode(body)["error"]["code"])
    assert b"5" == headers[b"retry-after"]
    assert [] == bench.upstream.asked


async def test_a_response_that_is_known_to_be_at_a_provider_is_asked_for_there():
    """It is none of the gateway's own."""
    bench = Bench(script({"id": "resp_1", "object": "response"}), keep=away())
    bench.objects.add(Owned(id="resp_1", kind="responses", tenant="t", account="b"))
    status, headers, _ = await bench.ask("GET", "/responses/resp_1")
    assert (200, b"b") == (status, headers[b"x-gw-account"])


async def test_a_batch_is_counted_once_by_all_processes():
    """Whichever of them is asked for it, and again."""
    usage = {"input_tokens": 3, "output_tokens": 4}
    batch = {"id": "batch_1", "object": "batch", "status": "completed", "usage": usage}
    keep = MemoryKeep()
    one, other = Bench(script(batch), keep=keep), Bench(script(batch), keep=keep)
    for bench in (one, other):
        bench.objects.add(Owned(id="batch_1", kind="batches", tenant="t", account="a"))
    for bench in (one, other, one):
        assert 200 == (await bench.ask("GET", "/batches/batch_1"))[0]
    counted = [fact.usage is not None for bench in (one, other) for fact in bench.facts.settled]
    assert [True, False, False] == counted
