"""Links over a unix socket, with a server that comes and goes."""

from __future__ import annotations

import asyncio
import socket

from llmgw_cluster import read, serving, staying


class Peer:
    def __init__(self):
        self.heard = []

    def told(self, link, kind, body):
        self.heard.append(read(body, str))

    async def asked(self, link, kind, body):
        return None


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the condition is of another task's making
        await asyncio.sleep(0.001)


def listening(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen()
    return sock


async def test_a_link_comes_back_after_its_server_does(tmp_path):
    """The one who came is greeted again by the next server, and hears it."""
    path, here = tmp_path / "control", Peer()
    met = []
    async with asyncio.TaskGroup() as tasks:
        stay = tasks.create_task(staying(path, here, met.append))
        await asyncio.sleep(0.03)
        for word in ("first", "second"):
            async with serving(listening(path), Peer, lambda link, word=word: link.tell("hello", word)):
                await until(lambda word=word: word in here.heard)
            path.unlink(missing_ok=True)
        stay.cancel()
    assert ["first", "second"] == here.heard
    assert 2 == len(met)


async def test_many_links_are_served_at_once_and_ended_together(tmp_path):
    """Closing the server ends every link, and leaves no task behind."""
    path = tmp_path / "control"
    links, peers = [], [Peer() for _ in range(5)]
    async with asyncio.TaskGroup() as tasks:
        async with serving(listening(path), Peer, links.append):
            stays = [tasks.create_task(staying(path, peer, lambda link: None)) for peer in peers]
            await until(lambda: len(links) == 5)
            for number, link in enumerate(links):
                link.tell("n", str(number))
            await until(lambda: sum(len(p.heard) for p in peers) == 5)
        assert all(link.lost for link in links)
        for stay in stays:
            stay.cancel()
