from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from llmgw_gateway.verbs import client
from llmgw_gateway.verbs.client import Client, Place, TurnedAway, Unreachable, Wrong, step

Server = Callable[[bytes], tuple[str, list[bytes]]]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port that answers every connection with the given bytes; what it was sent is in the list."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> tuple[str, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        sent: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    sent.append(_request(connection))
                    connection.sendall(answer)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", sent

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def _request(connection: socket.socket) -> bytes:
    """A request with its body, which may come in a piece of its own."""
    data = connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        more = connection.recv(65536)
        data, body = data + more, body + more
    return data


def at(url: str, token: str | None = "gwa-1") -> Client:
    return Client(Place(url, token, "the value of GATEWAY_ADMIN_TOKEN"))


def test_a_request_has_its_token_and_its_body(server: Server) -> None:
    """Below the address's own path, with the query escaped and JSON declared."""
    url, sent = server(http("200 OK", b'{"ok": true}'))
    assert {"ok": True} == at(url + "/gw").call("POST", "keys", {"id": "k"}, {"after": "a/b", "limit": None})
    head, _, body = sent[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert (b"post /gw/api/v1/keys?after=a%2fb http/1.1", b'{"id":"k"}') == (lines[0], body)
    assert [True, True] == [
        line in lines for line in (b"authorization: bearer gwa-1", b"content-type: application/json")
    ]


def test_an_answer_without_a_body_is_none(server: Server) -> None:
    """As of a deletion."""
    url, _ = server(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert None is at(url).call("DELETE", "keys/k")


def test_a_refusal_is_told_in_the_gateways_words(server: Server) -> None:
    """One reason is the message itself; several stand below it; 401 says which token was sent, not its text."""
    one = b'{"error": {"message": "pool: missing", "reasons": [{"path": "pool", "message": "missing"}]}}'
    two = one.replace(b"]", b', {"path": "", "message": "odd"}]')
    texts = []
    for status, body in (("400 Bad", one), ("400 Bad", two), ("401 No", b'{"error": {"message": "Send a token."}}')):
        with pytest.raises(TurnedAway) as refused:
            at(server(http(status, body))[0]).call("GET", "keys")
        texts.append(refused.value.lines)
    assert [
        ("pool: missing",),
        ("pool: missing", "  pool: missing", "  odd"),
        ("Send a token.", "The token that was sent: the value of GATEWAY_ADMIN_TOKEN."),
    ] == texts


@pytest.mark.parametrize(
    "answer",
    [
        http("404 Not Found", b"nothing here"),
        http("200 OK", b"<html>"),
        http("302 Found", b""),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        http("200 OK", b'{"a": 1}')[:-4],
    ],
)
def test_what_is_no_admin_listener_is_said_to_be_none(server: Server, answer: bytes) -> None:
    """Another server, another protocol, half an answer: not a traceback, and no redirect is followed."""
    url, _ = server(answer)
    with pytest.raises(Unreachable, match=url):
        at(url).call("GET", "keys")


def test_nothing_listening_says_what_to_start() -> None:
    """The address that was tried, why not, and how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port} .*refused.*gateway serve.*--admin-url"):
        at(f"http://127.0.0.1:{port}").call("GET", "keys")


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it counts as not there."""
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable, match="timed out"):
        at(f"http://127.0.0.1:{silent.getsockname()[1]}").call("GET", "keys")


@pytest.mark.parametrize("url", ["localhost:8081", "ftp://x", "http://", "http://x:notaport", ""])
def test_an_address_that_is_none_is_wrong_usage(url: str) -> None:
    """With an example of one."""
    with pytest.raises(Wrong, match="http://127"):
        at(url)


@pytest.mark.parametrize(("text", "expected"), [("a", "a"), ("openai/*", "openai%2F%2A"), ("a b?#", "a%20b%3F%23")])
def test_an_id_is_one_step_of_a_path(text: str, expected: str) -> None:
    """Nothing in it is read as a path or a query."""
    assert expected == step(text)
