"""A link: whole messages in order over one socket, questions with answers, and an end that both sides notice.

A link has no memory. What was told before it broke may or may not have arrived; whoever opens the next one begins with
all that the other side needs. What the other side does not read is bounded: beyond it the link is cut, since a peer
that is far behind is served better by a new beginning.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, TypeVar

import msgspec

from llmgw_cluster.frames import Answer, Ask, BadFrame, Frames, Message, Tell, encode

_READ_BYTES = 256 << 10
_MOST_BEHIND = 64 << 20
"""Bytes that are held for a peer that does not read, above one message of any size."""
_MOST_ASKED = 1024
"""Questions of the other side that are worked on at once."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class LinkLost(Exception):
    """The link is broken, or was before the answer came. Whether the other side acted is not known."""


class NotAnswered(Exception):
    """The other side could not answer; the message says why."""


class Peer(Protocol):
    """What a side of a link does with what it is sent. `body` is msgpack: decode it with `read`."""

    def told(self, link: Link, kind: str, body: msgspec.Raw) -> None:
        """Takes a message. Synchronous, so that messages are taken in the order of their sending."""
        ...

    async def asked(self, link: Link, kind: str, body: msgspec.Raw) -> object:
        """The answer to a question. Raises `NotAnswered` where there is none."""
        ...


class Link:
    """One side of an open connection. `run` reads until its end; the other methods are for while it runs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self.lost = False

    def tell(self, kind: str, body: object) -> None:
        """Sends a message, in the order of the calls. On a lost link it does nothing: the next one begins anew."""
        self._send(Tell(kind, _raw(body)))

    async def ask(self, kind: str, body: object, answer: type[T], seconds: float) -> T:
        """The answer, decoded as `answer`.

        Raises `LinkLost`, `NotAnswered`, and TimeoutError after `seconds`. A question that is given up is answered all
        the same; nobody hears it.
        """
        if self.lost:
            raise LinkLost("the link is broken")
        self._number += 1
        number = self._number
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send(Ask(number, kind, _raw(body)))
            async with asyncio.timeout(seconds):
                return read(await future, answer)
        finally:
            del self._waiting[number]

    async def run(self) -> None:
        """Takes what the other side sends until the link ends, by either side or by a message that is none."""
        frames = Frames()
        try:
            while data := await self._reader.read(_READ_BYTES):
                for message in frames.feed(data):
                    self._take(message)
                # Reading alone would let no task of this loop run while data keeps coming.
                await asyncio.sleep(0)
        except OSError as error:
            _log.debug("link ended: %r", error)
        except BadFrame as error:
            _log.error("link cut: %s", error)
        finally:
            self.close()
            await self._give_up()

    def close(self) -> None:
        """Ends the link; what waits for an answer is told. May be called again."""
        if self.lost:
            return
        self.lost = True
        self._writer.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkLost("the link broke before the answer came"))

    def _send(self, message: Message) -> None:
        if self.lost:
            return
        behind = self._writer.transport.get_write_buffer_size()
        if behind > _MOST_BEHIND:
            _log.warning("link cut: its other side does not read", extra={"bytes": behind})
            self.close()
            self._writer.transport.abort()
            return
        self._writer.write(encode(message))

    async def _give_up(self) -> None:
        """Ends the work on questions whose answers nobody could be sent."""
        for task in self._working:
            task.cancel()
        if self._working:
            await asyncio.wait(self._working)

    def _take(self, message: Message) -> None:
        match message:
            case Tell(kind, body):
                self._peer.told(self, kind, body)
            case Ask() if len(self._working) >= _MOST_ASKED:
                self._send(Answer(message.number, _NOTHING, "too many questions at once"))
            case Ask():
                # Owned by this link: `run` ends it.
                task = asyncio.get_running_loop().create_task(self._work(message))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
            case Answer(number, body, problem):
                self._answered(number, body, problem)

    def _answered(self, number: int, body: msgspec.Raw, problem: str | None) -> None:
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        if problem is None:
            future.set_result(body)
        else:
            future.set_exception(NotAnswered(problem))

    async def _work(self, question: Ask) -> None:
        try:
            body, problem = _raw(await self._peer.asked(self, question.kind, question.body)), None
        except NotAnswered as error:
            body, problem = _NOTHING, str(error)
        except Exception:
            _log.exception("a question over a link failed", extra={"question": question.kind})
            body, problem = _NOTHING, "an internal error; the log of the other process has it"
        self._send(Answer(question.number, body, problem))

    def __repr__(self) -> str:
        return f"<Link {'lost' if self.lost else 'open'}: {len(self._waiting)} questions out, {len(self._working)} in>"


def read(body: msgspec.Raw, kind: type[T]) -> T:
    """A message's body as `kind`. Raises `BadFrame`."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise BadFrame(f"a body is not as it should be: {error}") from None


def _raw(body: object) -> msgspec.Raw:
    return body if isinstance(body, msgspec.Raw) else msgspec.Raw(_ENCODER.encode(body))


_ENCODER: msgspec.msgpack.Encoder = msgspec.msgpack.Encoder()
_NOTHING = msgspec.Raw(msgspec.msgpack.encode(None))
