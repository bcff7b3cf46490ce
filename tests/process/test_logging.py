"""What a process writes, and in which form: the keys of `[server]` that only a whole process honours."""

from __future__ import annotations

import http.client

import msgspec


def chat(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = msgspec.json.encode({"model": "sim/gpt", "messages": [{"role": "user", "content": "Hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"x-api-key": key})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def served(start, port: int, tmp_path, **environ: str) -> str:
    """The log of a gateway that served one call."""
    gateway = start("gateway", GATEWAY_SERVER__DATA_BIND=f"127.0.0.1:{port}", **environ)
    gateway.until(lambda: gateway.reachable(port))
    assert chat(port, (tmp_path / "data" / "client-key").read_text().strip()) == 200
    gateway.terminate()
    assert gateway.ended() == 0
    return gateway.err


def test_each_line_is_one_json_object(start, port, tmp_path):
    """Beyond a terminal the log is JSON lines and nothing else, on standard error."""
    events = [msgspec.json.decode(line)["event"] for line in served(start, port, tmp_path).splitlines()]
    assert events[0] == "ready"
    assert events[-3:] == ["request", "draining", "stopped"]


def test_log_format_console(start, port, tmp_path):
    """GATEWAY_SERVER__LOG_FORMAT=console is for people."""
    lines = served(start, port, tmp_path, GATEWAY_SERVER__LOG_FORMAT="console").splitlines()
    assert not any(line.startswith("{") for line in lines)
    assert any("sim/gpt -> sim-openai/sim-gpt" in line for line in lines)


def test_log_level_and_log_requests(start, port, tmp_path):
    """Without request lines, and from warnings on, a good day has an empty log."""
    log = served(start, port, tmp_path, GATEWAY_SERVER__LOG_LEVEL="warning", GATEWAY_SERVER__LOG_REQUESTS="false")
    assert log == ""
