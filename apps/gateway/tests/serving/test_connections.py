"""What both engines share."""

import asyncio
import socket

from llmgw_gateway.serving.connections import Connections, DateHeader, reset


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_the_end_is_waited_for() -> None:
    """Waiting ends with the last connection and the last task, or with the time."""
    connections = Connections()
    assert await connections.ended(0.01)
    connections.add("a", Transport())
    assert not await connections.ended(0.01)
    asyncio.get_running_loop().call_later(0.01, connections.discard, "a")
    assert await connections.ended(1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(0.02))
        connections.tasks.add(task)
        task.add_done_callback(connections.tasks.discard)
        assert await connections.ended(1)
        assert task.done()


async def test_all_are_cut_and_cancelled() -> None:
    """A reset reaches every connection, a cancellation every task."""
    connections, transport = Connections(), Transport()
    connections.add("a", transport)
    connections.reset()
    task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
    connections.tasks.add(task)
    task.add_done_callback(connections.tasks.discard)
    assert repr(connections) == "<Connections 1 open, 1 tasks>"
    await connections.cancel()
    assert (transport.aborted, task.cancelled(), len(connections.tasks)) == (True, True, 0)


async def test_a_reset_is_an_error_for_the_other_side() -> None:
    """A reset connection does not look like one that has ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        _, writer = await asyncio.open_connection(sock=accepted)
        reset(writer.transport)
        await asyncio.sleep(0)
        client.settimeout(1)
        try:
            received: object = client.recv(1)
        except ConnectionResetError:
            received = "reset"
        assert received == "reset"


def test_the_date_is_written_once_a_second() -> None:
    """Within a second it is the same list, in the next one it is new."""
    now = 0.5
    date = DateHeader(lambda: now)
    now = 1.2
    first = date.headers()
    now = 1.9
    assert date.headers() is first
    now = 2.0
    assert (first, date.headers()) == (
        [(b"date", b"Thu, 01 Jan 1970 00:00:01 GMT")],
        [(b"date", b"Thu, 01 Jan 1970 00:00:02 GMT")],
    )
