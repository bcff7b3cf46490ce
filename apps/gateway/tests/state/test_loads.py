import asyncio

from llmgw_balancer import Balancer, OtherLoad
from llmgw_balancer.states import NO_LOAD
from llmgw_gateway.state.loads import ToldLoads, WorkerLoads

M = {"m": OtherLoad(leases=1)}


class Worker(WorkerLoads):
    """With a time that is moved by hand, and a list of what it told."""

    def __init__(self, slot: int = 0) -> None:
        self.now = 0.0
        self.told: list[ToldLoads] = []
        super().__init__(slot, self.told.append, lambda: self.now)


class Loaded(Balancer):
    """A balancer whose loads are set by hand."""

    def __init__(self, loads: dict[str, OtherLoad]) -> None:
        self.set = loads

    def loads(self) -> dict[str, OtherLoad]:
        return self.set


def test_the_others_loads_are_summed():
    """By account and by model. What was not told of again is the same object."""
    worker = Worker()
    worker.heard(ToldLoads(1, {"a": OtherLoad(leases=1, spent=10, models=M), "b": OtherLoad(bindings=3)}))
    b = worker.others("b")
    worker.heard(ToldLoads(2, {"a": OtherLoad(leases=2, requests=5, tokens=9, models=M)}))
    models = {"m": OtherLoad(leases=2)}
    assert OtherLoad(leases=3, requests=5, tokens=9, spent=10, models=models) == worker.others("a")
    assert b is worker.others("b")
    worker.heard(ToldLoads(1, {"b": OtherLoad(bindings=3)}))
    assert b is worker.others("b")
    assert 2 == worker.others("a").leases
    worker.heard(ToldLoads(2, {}))
    assert NO_LOAD is worker.others("a")


def test_its_own_load_is_not_anothers():
    """Whatever comes back."""
    worker = Worker(1)
    worker.heard(ToldLoads(1, {"a": OtherLoad(leases=1)}))
    assert NO_LOAD is worker.others("a")


def test_a_worker_that_died_has_nothing():
    """After a moment without a word of it."""
    worker = Worker()
    worker.heard(ToldLoads(1, {"a": OtherLoad(leases=1)}))
    worker.now = 2.0
    worker.look(Loaded({}))
    assert 1 == worker.others("a").leases
    worker.now = 3.5
    worker.look(Loaded({}))
    assert NO_LOAD is worker.others("a")


def test_what_has_changed_is_told_at_once_and_the_rest_now_and_then():
    """So that the others know that it is there."""
    worker, balancer = Worker(), Loaded({"a": OtherLoad(leases=1)})
    for now, expected in ((0.0, 1), (0.1, 1), (0.9, 1), (1.0, 2)):
        worker.now = now
        worker.look(balancer)
        assert expected == len(worker.told)
    balancer.set = {"a": OtherLoad(leases=2)}
    worker.look(balancer)
    assert ToldLoads(0, balancer.set) == worker.told[-1]


async def test_it_looks_by_itself(monkeypatch):
    """Until it is cancelled."""
    monkeypatch.setattr("llmgw_gateway.state.loads._TELL_SECONDS", 0.001)
    worker = Worker()
    task = asyncio.get_running_loop().create_task(worker.run(Loaded({"a": OtherLoad(leases=1)})))
    for _ in range(500):
        if not worker.told:
            await asyncio.sleep(0.01)
    task.cancel()
    assert 1 == len(worker.told)
