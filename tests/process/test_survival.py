"""What else happens to a process: sealed secrets, SIGKILL, a log that nobody reads, a socket that is handed in."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import subprocess

import msgspec
import pytest


def chat(address: tuple[str, int], key: str, model: str) -> int:
    connection = http.client.HTTPConnection(*address, timeout=20)
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_a_sealed_credential_is_served(start, simulator, configured, tmp_path):
    """What `gateway seal` prints goes into the file, and the provider gets the secret that went into the seal."""
    made = start("gateway", "seal", options={"stdin": subprocess.PIPE})
    made.process.stdin.write(b"sk-sealed-secret\n")
    made.process.stdin.close()
    assert made.ended() == 0
    sealed = made.out.strip()
    assert sealed.startswith("sealed:v1:")
    assert "sk-sealed-secret" not in made.out + made.err
    assert stat.S_IMODE((tmp_path / "data" / "master.key").stat().st_mode) == 0o600

    upstream = simulator()
    gateway = configured(upstream, credential=sealed)
    assert chat(gateway.ready(), "gw-client", "gpt") == 200
    host, port = upstream.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("GET", "/_sim/log")
    log = msgspec.json.decode(connection.getresponse().read())
    connection.close()
    assert [entry["credential"] for entry in log["requests"]] == ["sk-sealed-secret"]
    assert "sk-sealed-secret" not in gateway.out + gateway.err


def test_sigkill_leaves_nothing_behind(start, tmp_path):
    """Killed, the supervisor takes the others with it, and leaves a data folder that the next start uses."""
    gateway = start("gateway")
    address = gateway.ready()
    assert len(gateway.relatives()) == 2
    key = (tmp_path / "data" / "client-key").read_text().strip()
    assert chat(address, key, "sim/gpt") == 200
    gateway.process.kill()
    assert gateway.ended() == -9
    gateway.alone()
    assert gateway.relatives() == []
    again = start("gateway")
    assert chat(again.ready(), key, "sim/gpt") == 200
    assert "client-key" in os.listdir(tmp_path / "data")


@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")], ids="+".join)
def test_a_reader_that_has_gone_does_not_stop_the_serving(start, port, tmp_path, streams):
    """Output into a pipe that nobody reads is lost; calls are served, and SIGTERM ends with code 0."""
    environ = {"GATEWAY_PRINT_SECRETS": "1", "GATEWAY_SERVER__DATA_BIND": f"127.0.0.1:{port}"}
    gateway = start("gateway", options=dict.fromkeys(streams, subprocess.PIPE), **environ)
    for stream in streams:
        getattr(gateway.process, stream).close()
    gateway.until(lambda: gateway.reachable(port))
    key = (tmp_path / "data" / "client-key").read_text().strip()
    assert [chat(("127.0.0.1", port), key, "sim/gpt") for _ in range(3)] == [200, 200, 200]
    gateway.terminate()
    assert gateway.ended() == 0


def test_standard_streams_that_are_closed_do_not_stop_the_serving(start, port, tmp_path):
    """Started with standard input, output and error closed, as some service managers do, it serves."""
    environ = {"GATEWAY_SERVER__DATA_BIND": f"127.0.0.1:{port}"}

    def close_all() -> None:
        for descriptor in (0, 1, 2):
            os.close(descriptor)

    gateway = start("gateway", options={"preexec_fn": close_all}, **environ)
    gateway.until(lambda: gateway.reachable(port))
    key = (tmp_path / "data" / "client-key").read_text().strip()
    assert chat(("127.0.0.1", port), key, "sim/gpt") == 200
    gateway.terminate()
    assert gateway.ended() == 0


def test_a_listening_socket_can_be_handed_in(start, tmp_path):
    """`fd://N` serves on a socket that the service manager opened."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        there = sock.getsockname()
        environ = {"GATEWAY_SERVER__DATA_BIND": f"fd://{sock.fileno()}"}
        gateway = start("gateway", options={"pass_fds": (sock.fileno(),)}, **environ)
        assert gateway.ready() == there
    key = (tmp_path / "data" / "client-key").read_text().strip()
    assert chat(there, key, "sim/gpt") == 200
