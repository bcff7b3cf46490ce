import asyncio
import itertools

import msgspec
import pytest

from llmgw_affinity import SessionKeys
from llmgw_affinity.carriers import Form
from llmgw_affinity.placing import Instant, forgotten
from llmgw_balancer import Balancer
from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Secret, Target, Usage
from llmgw_domain.errors import NoAccount
from llmgw_domain.signals import Signal
from llmgw_protocols import WireRequest, dialect_named
from llmgw_relay.call import Admission
from llmgw_relay.fallbacks import Instead
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.testing import MemoryFacts, ScriptedUpstream
from llmgw_relay.turn import Turn

POLICY = Policy()
PAUSE = Signal(verdict="pause", whole=True, seconds=20.0, reason="requests")


def account(name: str, pool: str = "p", **more) -> Account:
    return Account(
        id=name, provider=Provider.ANTHROPIC, base_url="http://up", credential=Secret("s"), pool=pool, **more
    )


class World:
    """The parts of a worker with accounts a, b, c for `m` and d for `other`. Time stands still unless it is moved."""

    def __init__(self, *accounts: Account, **config) -> None:
        self.now = 1000.0
        self.catalog = Catalog.of(
            version="v",
            accounts=accounts or [*map(account, "abc"), account("d", "q")],
            models=[
                Model(name="m", targets=(Target(pool="p", model="up"),)),
                Model(name="other", targets=(Target(pool="q", model="up"),)),
            ],
        )
        self.balancer = Balancer(clock=lambda: self.now, rand=lambda: 0.5)
        stamps = itertools.count(1)
        self.parts = Parts.of(
            current=lambda: self.catalog,
            upstream=ScriptedUpstream(),
            facts=MemoryFacts(),
            balancer=self.balancer,
            session_keys=lambda: SessionKeys(b"secret"),
            session_wall=lambda: self.now,
            stamp=lambda: next(stamps),
            clock=lambda: self.now,
            wall=lambda: self.now,
            rand=lambda: 0.5,
            config=RelayConfig(**config),
        )
        self.balancer.changed = self.parts.queue.offer

    @property
    def route(self):
        return self.catalog.route("m", POLICY)

    async def turn(
        self, text: str = "Hi", remaining: float | None = None, form: Form | None = "messages", spoken: int = 1
    ) -> Turn:
        """`spoken` is how many messages there are: every other one is an answer."""
        key = ClientKey(id="k", tenant="t", digest=b"")
        admission = Admission(catalog=self.catalog, key=key, policy=POLICY)
        turn = Turn(self.parts, admission, "call", lambda: remaining)
        said = [{"role": "assistant" if n % 2 else "user", "content": text} for n in range(spoken)]
        body = {"model": "m", "messages": said, "max_tokens": 5}
        envelope = dialect_named("messages").envelope(WireRequest(body=msgspec.json.encode(body)))
        await turn.begin(form, envelope)
        return turn

    async def served(self, cached: int = 5000, **more) -> tuple[str, Turn]:
        """A whole turn: where it was served, and it."""
        turn = await self.turn(**more)
        chosen = await turn.place(self.route)
        self.answer(turn, chosen, cached)
        return chosen.candidate.account.id, turn

    def answer(self, turn, chosen, cached: int = 5000, read: int = 0) -> None:
        chosen.lease.release()
        usage = Usage(uncached_input=100, output=5, cache_write_5m=cached - read, cache_read=read)
        turn.heard(chosen.candidate, usage, self.now)
        turn.leave()

    def pause(self, name: str, seconds: float = 20.0) -> None:
        candidate = next(c for c in self.route if c.account.id == name)
        self.balancer.hear(candidate, msgspec.structs.replace(PAUSE, seconds=seconds))


async def test_a_session_stays_where_it_was_served():
    """Its first turn binds it; from then on it is at home."""
    world = World()
    home, first = await world.served()
    assert "new" == first.placement
    assert ("unknown", False) == ((moved := first.moved(5.0)).reason, moved.moved)
    for _ in range(5):
        again, turn = await world.served()
        assert (home, "home", None) == (again, turn.placement, turn.moved(5.0))
        assert ("stay", "free", 5000) == ((choice := turn.choice()).decision, choice.reason, choice.expected)


async def test_a_session_that_was_forgotten_is_new():
    """Its next turn is bound as its first was; late answers do not bring it back."""
    world = World()
    await world.served()
    late = await world.turn()
    chosen = await late.place(world.route)
    (pin,) = world.parts.pins
    world.parts.pins.put(forgotten(pin, Instant(hlc=100, node="n", now=world.now)), changed=True)
    world.answer(late, chosen)
    _, turn = await world.served()
    assert ("new", "unknown", False) == (turn.placement, (said := turn.moved(5.0)).reason, said.moved)
    assert (0, None) == ((choice := turn.choice()).expected, choice.home)
    _, again = await world.served()
    assert ("home", "stay") == (again.placement, again.choice().decision)


@pytest.mark.parametrize(
    ("spoken", "read", "met"), [(3, 5000, True), (3, 0, False), (1, 5000, False)], ids=["warm", "cold", "first turn"]
)
async def test_who_serves_a_session_as_well_is_met_in_its_cache(spoken, read, met):
    """It is new here, goes on with a conversation, and is warm. From then on it is known here."""
    world, meetings = World(), []
    world.balancer.met = lambda: meetings.append(1)
    turn = await world.turn(spoken=spoken)
    world.answer(turn, await turn.place(world.route), read=read)
    assert ([1] * met, met) == (meetings, turn.facts().elsewhere)
    turn = await world.turn(spoken=spoken + 2)
    world.answer(turn, await turn.place(world.route), read=5000)
    assert [1] * met == meetings


async def test_a_session_that_went_cold_goes_back_if_it_can():
    """A provider may keep a cache for longer than it promises."""
    world, homes = World(), []

    async def served(n: int) -> str:
        world.now += 5
        home, _ = await world.served(text=f"conversation {n}")
        return home

    for n in range(30):  # They go on, so it is not by their hash that sessions are placed.
        homes.append(await served(n))
        assert homes[n] == await served(n)
    world.now += 1000
    assert homes == [await served(n) for n in range(30)]


async def test_others_go_elsewhere():
    """Other conversations are spread by what they are."""
    world = World()
    homes = {(await world.served(text=f"conversation {n}"))[0] for n in range(30)}
    assert {"a", "b", "c"} == homes


async def test_trouble_at_home_moves_it_and_it_comes_back():
    """Where waiting would cost more than the cache is worth; home stays home, and what was lost is counted."""
    world = World()
    home, _ = await world.served(cached=5000)
    world.pause(home, 20.0)
    turn = await world.turn()
    chosen = await turn.place(world.route)
    assert home != chosen.candidate.account.id
    assert ("moved", "leaving_costs_less") == (turn.placement, turn.choice().reason)
    world.answer(turn, chosen, 5000)
    facts = turn.facts()
    assert (5000, 0, 5000, "cooldown") == (facts.expected, facts.observed, facts.lost, facts.cause)
    world.now += 25.0
    back, turn = await world.served()
    assert (home, "home", "home_is_warm") == (back, turn.placement, turn.choice().reason)


async def test_a_large_cache_is_waited_for():
    """The wait is recorded, and nobody overtakes."""
    world = World(time_scale=100.0)
    home, _ = await world.served(cached=50_000)
    world.pause(home, 20.0)
    turn = await world.turn()
    waiting = asyncio.get_running_loop().create_task(turn.place(world.route))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert turn.waits_since is not None
    world.now += 20.5
    world.parts.queue.offer()
    chosen = await asyncio.wait_for(waiting, 5)
    assert (home, "home") == (chosen.candidate.account.id, turn.placement)
    assert turn.waits_since is None
    assert 20.0 <= turn.waited <= 21.0
    world.answer(turn, chosen, 50_000, read=50_000)
    assert (50_000, 0) == ((facts := turn.facts()).observed, facts.lost)


async def test_without_an_account_it_says_why_and_when():
    """Not at once where one may come back in time; else with the seconds to the first that will."""
    world = World(max_wait_seconds=5.0)
    for name in "abc":
        world.pause(name, 60.0 if name == "a" else 90.0)
    turn = await world.turn()
    with pytest.raises(NoAccount, match="paus") as caught:
        await turn.place(world.route)
    assert 60.0 <= caught.value.retry_after < 80.0
    assert 0 == world.balancer.in_flight


async def test_all_cooling_is_waited_out():
    """Where the soonest is in reach, the call is served late rather than refused."""
    world = World(time_scale=100.0)
    for name in "abc":
        world.pause(name, 4.0 if name == "b" else 9.0)
    turn = await world.turn()
    waiting = asyncio.get_running_loop().create_task(turn.place(world.route))
    await asyncio.sleep(0)
    world.now += 5.0
    chosen = await asyncio.wait_for(waiting, 5)
    assert "b" == chosen.candidate.account.id
    chosen.give_back()


async def test_the_calls_own_time_bounds_the_wait():
    """A call with a second left does not begin to wait for four."""
    world = World()
    for name in "abc":
        world.pause(name, 4.0)
    turn = await world.turn(remaining=1.0)
    with pytest.raises(NoAccount):
        await turn.place(world.route)


async def test_no_more_may_wait_than_the_queue_holds():
    """The next one is told at once."""
    world = World(account("a", max_concurrency=1), max_waiting=1)
    held = await (await world.turn("one")).place(world.route)
    waiting = asyncio.get_running_loop().create_task((await world.turn("two")).place(world.route))
    await asyncio.sleep(0)
    with pytest.raises(NoAccount, match="no more may"):
        await (await world.turn("three")).place(world.route)
    held.give_back()
    (await waiting).give_back()
    assert (0, 0) == (world.balancer.in_flight, len(world.parts.queue))


async def test_who_waits_and_leaves_takes_nothing():
    """A cancelled call leaves no lease, whether it was served in that moment or not."""
    world = World(account("a", max_concurrency=1))
    held = await (await world.turn("one")).place(world.route)
    waiting = asyncio.get_running_loop().create_task((await world.turn("two")).place(world.route))
    await asyncio.sleep(0)
    held.give_back()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (0, 0) == (world.balancer.in_flight, len(world.parts.queue))


async def test_another_model_has_a_place_of_its_own():
    """The pin of the first stays as it was."""
    world = World()
    home, _ = await world.served()
    turn = await world.turn()
    other = world.catalog.route("other", POLICY)
    await turn.fall_back(Instead("other", "overloaded", other))
    chosen = await turn.place(other)
    assert ("d", "new", "other", "overloaded") == (
        chosen.candidate.account.id,
        turn.placement,
        (choice := turn.choice()).model,
        choice.cause,
    )
    world.answer(turn, chosen)
    assert (home, "home") == ((again := await world.served())[0], again[1].placement)


async def test_what_only_some_can_read_goes_to_them():
    """And to nobody else, whoever is free."""
    world = World()
    turn = await world.turn()
    turn.only_at({"c"})
    chosen = await turn.place(world.route)
    assert "c" == chosen.candidate.account.id
    chosen.give_back()
    with pytest.raises(NoAccount):
        await turn.place(world.route, ["c"])
    turn.only_at(None)
    (await turn.place(world.route, ["c"])).give_back()


async def test_a_removed_account_is_never_followed():
    """Also where the pin is warm and says so."""
    world = World()
    home, _ = await world.served()
    left = [account(name) for name in "abc" if name != home]
    world.catalog = World(*left, account("d", "q")).catalog
    again, turn = await world.served()
    assert again != home
    assert "gone" == turn.choice().reason
    assert "removal" == turn.facts().cause


async def test_a_call_of_no_form_belongs_to_no_session():
    """It is placed all the same, anywhere."""
    world = World()
    turn = await world.turn(form=None)
    (await turn.place(world.route)).give_back()
    assert ("none", None, None) == (turn.placement, turn.facts(), turn.moved(1.0))


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_who_waits_does_not_follow_an_account_that_went(how):
    """What an operator took out of use while the call was in the queue does not serve it."""
    world = World(account("a", max_concurrency=1), account("b", max_concurrency=1))
    held = [await (await world.turn(f"{n}")).place(world.route) for n in range(2)]
    turn = await world.turn("waits")
    waiting = asyncio.get_running_loop().create_task(turn.place(world.route))
    await asyncio.sleep(0)
    left = held[0].candidate.account
    others = [account(name, max_concurrency=1, enabled=name != left.id) for name in "ab"]
    world.catalog = World(*(o for o in others if how == "disabled" or o.enabled)).catalog
    held[0].give_back()
    await asyncio.sleep(0)
    assert not waiting.done()
    held[1].give_back()
    chosen = await asyncio.wait_for(waiting, 5)
    assert held[1].candidate.account.id == chosen.candidate.account.id


async def test_who_waits_for_one_model_holds_up_nobody_who_asks_for_another():
    """A model that rests everywhere is waited for beside the others, not before them."""
    world = World(account("a", max_concurrency=1))
    two = Model(name="two", targets=(Target(pool="p", model="up-two"),))
    world.catalog = Catalog.of(
        version="w", accounts=[account("a", max_concurrency=1)], models=[*world.catalog.models.values(), two]
    )
    resting = world.catalog.route("two", POLICY)
    for candidate in resting:
        world.balancer.hear(candidate, msgspec.structs.replace(PAUSE, whole=False))
    held = await (await world.turn("holds")).place(world.route)
    loop = asyncio.get_running_loop()
    first = loop.create_task((await world.turn("first")).place(resting))
    second = loop.create_task((await world.turn("second")).place(world.route))
    await asyncio.sleep(0)
    held.give_back()
    chosen = await asyncio.wait_for(second, 5)
    assert not first.done()
    chosen.give_back()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
