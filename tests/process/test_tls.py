"""A process that speaks TLS to its clients, behind a proxy or not."""

from __future__ import annotations

import http.client
import signal
import ssl
import subprocess

import msgspec
import pytest
import trustme


def ask(address: tuple[str, int], context: ssl.SSLContext, **headers: str) -> int:
    connection = http.client.HTTPSConnection("localhost", address[1], timeout=20, context=context)
    body = msgspec.json.encode({"model": "sim/gpt", "messages": [{"role": "user", "content": "Hi"}]})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/v1/chat/completions", body, {"authorization": "Bearer gw-key", **named})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
def test_a_certificate_is_renewed_by_a_signal(start, tmp_path, engine):
    """SIGHUP reads it again at once, and the process serves on; the log has clients' addresses from a trusted proxy."""
    authorities = [trustme.CA(), trustme.CA()]
    contexts = []
    for authority in authorities:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        contexts.append(context)

    def put(authority: trustme.CA) -> None:
        leaf = authority.issue_cert("localhost")
        (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        (tmp_path / "key.pem").write_bytes(leaf.private_key_pem.bytes())

    put(authorities[0])
    (tmp_path / "gateway.toml").write_text(
        f'[server]\nengine = "{engine}"\n'
        'log_format = "json"\ntrusted_proxies = ["127.0.0.0/8"]\n'
        'tls = { cert = "cert.pem", key = "key.pem" }\n[[keys]]\nid = "k"\nvalue = "env:CLIENT_KEY"\n'
    )
    options = ["--config", str(tmp_path / "gateway.toml")]
    gateway = start("gateway", "serve", *options, CLIENT_KEY="gw-key", GATEWAY_PRINT_SECRETS="1")
    address = gateway.ready()
    assert f"https://127.0.0.1:{address[1]}/v1" in gateway.out
    assert 200 == ask(address, contexts[0], x_forwarded_for="203.0.113.9, 127.0.0.2")
    gateway.until(lambda: any(line.get("client") == "203.0.113.9" for line in gateway.lines))

    put(authorities[1])
    gateway.process.send_signal(signal.SIGHUP)
    gateway.until(lambda: "a new certificate is in use" in gateway.err)
    assert 200 == ask(address, contexts[1])
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(address, contexts[0])
    gateway.terminate()
    assert 0 == gateway.ended()


def test_wrong_files_are_told_before_the_start(start, tmp_path):
    """`gateway check` and a start name the file and the line."""
    (tmp_path / "gateway.toml").write_text('[server]\n\n[server.tls]\ncert = "cert.pem"\nkey = "key.pem"\n')
    for verb in ("check", "serve"):
        program = start("gateway", verb, "--config", str(tmp_path / "gateway.toml"))
        assert 0 != program.ended()
        said = program.out + program.err
        assert "gateway.toml:3: server.tls: " in said.replace(f"{tmp_path}/", "")
        assert "cert.pem: No such file or directory" in said


def test_http2_to_clients(start, tmp_path):
    """Where it is asked for, and said to be experimental: a real client gets its stream by it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "leaf.pem"))
    (tmp_path / "gateway.toml").write_text(
        '[server]\nlog_format = "json"\nhttp2 = true\ntls = { cert = "leaf.pem", key = "leaf.pem" }\n'
        '[[keys]]\nid = "k"\nvalue = "env:CLIENT_KEY"\n'
    )
    gateway = start("gateway", "serve", "--config", str(tmp_path / "gateway.toml"), CLIENT_KEY="gw-key")
    port = gateway.ready()[1]
    assert "HTTP/2 to clients is experimental" in gateway.err
    body = '{"model": "sim/gpt", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    curl = ["curl", "-sSN", "--http2", "--cacert", str(tmp_path / "ca.pem"), "-w", "%{http_version}", "-d", body]
    curl += ["-H", "authorization: Bearer gw-key", f"https://localhost:{port}/v1/chat/completions"]
    done = subprocess.run(curl, capture_output=True, text=True, timeout=30)
    assert done.stdout.endswith("data: [DONE]\n\n2"), done.stderr


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('engine = "uvicorn"\ntls = { cert = "c", key = "k" }', 'needs server.engine = "hypercorn"'),
        ("", "needs server.tls"),
    ],
)
def test_http2_that_can_not_be_had(start, tmp_path, lines, why):
    (tmp_path / "gateway.toml").write_text(f"[server]\nhttp2 = true\n{lines}\n")
    program = start("gateway", "check", "--config", str(tmp_path / "gateway.toml"))
    assert 0 != program.ended()
    assert why in program.out + program.err
