"""One side of an open connection, and the other one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from llmgw_cluster import Link, LinkLost, NotAnswered, read
from llmgw_cluster import link as module


class Notes:
    """A peer that writes down what it is told, and answers as it was told to."""

    def __init__(self, answer=None):
        self.told_of = []
        self.answer = answer

    def told(self, link, kind, body):
        self.told_of.append((kind, read(body, int)))

    async def asked(self, link, kind, body):
        return await self.answer(kind, read(body, object))


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the condition is of another task's making
        await asyncio.sleep(0.001)


@asynccontextmanager
async def linked(there: Notes):
    """A link, whose other side is `there`."""
    ours, theirs = socket.socketpair()
    near = Link(*await asyncio.open_connection(sock=ours), Notes())
    far = Link(*await asyncio.open_connection(sock=theirs), there)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(near.run())
        tasks.create_task(far.run())
        yield near, far
        near.close()


async def test_what_is_told_arrives_in_order():
    """A thousand messages are taken one after the other."""
    there = Notes()
    async with linked(there) as (near, _):
        for number in range(1000):
            near.tell("count", number)
        await until(lambda: len(there.told_of) == 1000)
    assert there.told_of == [("count", number) for number in range(1000)]


async def test_answers_find_their_questions():
    """Questions are worked on at once, and a slow one holds up nobody."""

    async def answer(kind, body):
        await asyncio.sleep(body / 100)
        return {"twice": body * 2}

    async with linked(Notes(answer)) as (near, _):
        got = await asyncio.gather(*(near.ask("twice", n, dict[str, int], 5) for n in (5, 1, 3)))
    assert got == [{"twice": 10}, {"twice": 2}, {"twice": 6}]


async def test_a_question_that_can_not_be_answered_says_why(caplog):
    """The peer's own reason is handed on; an unexpected failure is kept to its log."""

    async def answer(kind, body):
        if kind == "odd":
            raise NotAnswered("the database is away")
        raise ValueError("hunter2")

    async with linked(Notes(answer)) as (near, _):
        with pytest.raises(NotAnswered, match="the database is away"):
            await near.ask("odd", 1, int, 5)
        with pytest.raises(NotAnswered, match="an internal error"):
            await near.ask("even", 1, int, 5)
    assert "hunter2" in caplog.text


async def test_a_question_without_an_answer_is_given_up():
    """After its time, and the link goes on."""
    forever = asyncio.Event()

    async def answer(kind, body):
        if kind == "wait":
            await forever.wait()
        return body

    async with linked(Notes(answer)) as (near, _):
        with pytest.raises(TimeoutError):
            await near.ask("wait", 1, int, 0.02)
        assert 7 == await near.ask("echo", 7, int, 5)
        forever.set()


async def test_the_end_of_a_link_is_told_to_who_waits():
    """Whoever asked hears that the link broke, and later questions fail at once."""

    async def answer(kind, body):
        await asyncio.sleep(60)

    async with linked(Notes(answer)) as (near, _):
        asking = asyncio.gather(near.ask("x", 1, int, 30), return_exceptions=True)
        await asyncio.sleep(0.01)
        near.close()
        (lost,) = await asking
        assert isinstance(lost, LinkLost)
        with pytest.raises(LinkLost):
            await near.ask("x", 1, int, 30)
        near.tell("x", 1)
        assert near.lost


async def test_a_peer_that_does_not_read_is_cut(monkeypatch):
    """What is held for it is bounded."""
    monkeypatch.setattr(module, "_MOST_BEHIND", 1 << 20)
    ours, theirs = socket.socketpair()
    near = Link(*await asyncio.open_connection(sock=ours), Notes())
    sent = 0
    while not near.lost:
        near.tell("bulk", b"x" * 100_000)
        sent += 100_000
        assert sent < 10 << 20
    theirs.close()


async def test_a_body_of_another_shape_cuts_the_link(caplog):
    """Two versions that do not understand each other part, instead of going on with half of it."""
    there = Notes()
    async with linked(there) as (near, _):
        near.tell("count", "three")
        await until(lambda: near.lost)
    assert "link cut" in caplog.text
