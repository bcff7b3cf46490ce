"""Reasoning that OpenAI sealed for one organization, on its way back."""

import itertools

import msgspec
import pytest

from llmgw_affinity import SessionKeys
from llmgw_domain.signals import Signal
from llmgw_relay.asking import Chat
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.testing import Script

from .test_exchange import Bench, account, catalog

ANSWER = msgspec.json.encode(
    {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-up",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    }
)
FOREIGN = msgspec.json.encode(
    {
        "error": {
            "message": "The encrypted content gAAA could not be verified. Reason: Encrypted content organization_id "
            "did not match the target organization.",
            "type": "invalid_request_error",
            "code": "invalid_encrypted_content",
        }
    }
)
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
SEALED = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
SHORT = {"type": "compaction", "encrypted_content": "gBBB"}


def turn(*more):
    return {"model": "gpt", "input": [{"role": "user", "content": "Hi"}, *more], "store": False}


class Sessions(Bench):
    """With sessions that are pinned, over accounts of two organizations."""

    def __init__(self, *scripts: Script) -> None:
        accounts = [
            account("a", organization="one"),
            account("b", organization="two"),
            account("c", organization="one"),
        ]
        on = catalog(*accounts)
        super().__init__(*scripts, on=on)
        stamps = itertools.count(1)
        self.parts = Parts.of(
            current=lambda: on,
            upstream=self.upstream,
            balancer=self.balancer,
            facts=self.facts,
            session_keys=lambda: SessionKeys(b"secret"),
            stamp=lambda: next(stamps),
            clock=lambda: 0.0,
            wall=lambda: 1e9,
            rand=lambda: 0.0,
            config=RelayConfig(max_wait_seconds=0.0),
        )
        self.relay = type(self.relay)(self.parts)

    async def ask(self, *more):
        """The account of the answer, what was lost, and the items that it was sent."""
        status, headers, _ = await self.run(turn(*more), dialect="responses")
        sent = msgspec.json.decode(self.upstream.asked[-1].body)["input"]
        lossy = headers.get(b"x-gw-lossy", b"").decode()
        return status, headers.get(b"x-gw-account", b"").decode(), lossy, [item.get("type") for item in sent]

    def rest(self, *names: str) -> None:
        pause = Signal(verdict="pause", whole=True, seconds=900.0, reason="requests")
        for candidate in self.parts.current().routes.get("gpt"):
            if candidate.account.id in names:
                self.balancer.hear(candidate, pause)


async def test_it_goes_to_who_made_it_or_to_one_that_can_read_it():
    """The account of the last answer, else another of its organization; it is sent as it came."""
    bench = Sessions(Script([ANSWER]))
    bench.rest("b", "c")
    assert (200, "a") == (await bench.ask())[:2]
    bench.balancer.resume("b")
    bench.balancer.resume("c")
    sealed = [None, "message", "reasoning"]
    assert (200, "a", "", sealed) == await bench.ask(SAID, SEALED)
    bench.rest("a")
    assert (200, "c", "", sealed) == await bench.ask(SAID, SEALED)


async def test_what_nobody_is_known_to_have_sealed_is_not_left_out(monkeypatch):
    """Where all accounts rest it would not help: it stays in the request."""
    asked = []
    monkeypatch.setattr(Chat, "leave_out_reasoning", lambda chat: bool(asked.append(chat)))
    bench = Sessions(Script([ANSWER]))
    bench.rest("a", "b", "c")
    call = bench.call(turn(SAID, SEALED), dialect="responses")
    async with bench.relay.open(bench.relay.admit("key"), call) as reply:
        assert (503, []) == (reply.status, asked)


async def test_where_none_can_serve_it_is_left_out_and_told():
    """The conversation goes on at another organization."""
    bench = Sessions(Script([ANSWER]))
    _, home, _, _ = await bench.ask()
    readers = ("a", "c") if home in ("a", "c") else ("b",)
    bench.rest(*readers)
    status, account, lossy, items = await bench.ask(SAID, SEALED)
    assert (200, "reasoning.encrypted_content", [None, "message"]) == (status, lossy, items)
    assert account not in readers


async def test_a_conversation_that_is_sealed_itself_is_sent_nowhere_else():
    """It is told when to come back."""
    bench = Sessions(Script([ANSWER]))
    _, home, _, _ = await bench.ask()
    bench.rest(*(("a", "c") if home in ("a", "c") else ("b",)))
    asked = len(bench.upstream.asked)
    status, *_ = await bench.ask(SHORT, SEALED)
    assert (503, asked) == (status, len(bench.upstream.asked))


async def test_what_an_account_can_not_read_is_asked_again_without_it():
    """A gateway that has forgotten where the session was learns it from the refusal, within one attempt more."""
    bench = Sessions(Script([FOREIGN], status=400), Script([ANSWER]))
    status, account, lossy, items = await bench.ask(SAID, SEALED)
    assert (200, "reasoning.encrypted_content", [None, "message"]) == (status, lossy, items)
    assert [account] * 2 == [request.account.id for request in bench.upstream.asked]
    assert 0 == bench.balancer.in_flight


@pytest.mark.parametrize("items", [(SAID,), (SHORT,)])
async def test_a_refusal_that_nothing_cures_is_the_clients(items):
    """There is no reasoning to leave out."""
    bench = Sessions(Script([FOREIGN], status=400))
    status, *_ = await bench.ask(*items)
    assert (400, 1) == (status, len(bench.upstream.asked))
