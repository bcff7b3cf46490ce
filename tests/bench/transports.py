"""What a call costs over each transport: aiohttp on HTTP/1.1 against our client on HTTP/2, bare and over TLS.

    make bench

One gateway, one account for each way to the same canned upstream, one after the other. Prints Markdown, gates nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import costs
import measure
import products
import report
import trustme

HERE = Path(__file__).parent
PATH = "/v1/chat/completions"
CHAT = '{"model":"%s","messages":[{"role":"user","content":"Hello, how are you today?"}]}'
WAYS = [(transport, scheme) for scheme in ("https", "http") for transport in ("http1", "http2")]

_GATEWAY = """
[server]
data_bind = "127.0.0.1:{port}"
admin_bind = "127.0.0.1:{admin}"
engine = "{engine}"
workers = 0
[database]
url = "none"
[[keys]]
id = "bench"
hash = "sha256:{hash}"
"""
_WAY = """
[[accounts]]
id = "{model}"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{scheme}://127.0.0.1:{upstream}/v1"
transport = "{transport}"
pool = "{model}"
{ca}
[[models]]
name = "{model}"
targets = [{{ pool = "{model}", model = "gpt-4o" }}]
"""


class Figures(NamedTuple):
    name: str
    rate: float
    request_us: float
    chunk_us: float


def main() -> int:
    if not measure.have_wrk():
        print("bench: needs wrk (Debian package wrk)", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {measure.LOAD_CORE})
    began, load = time.monotonic(), os.getloadavg()
    found = [each for engine in ("hypercorn", "uvicorn") for each in _measured(engine)]
    print(report.header(load, time.monotonic() - began))
    report.table(
        ["", "requests/s on one core", "CPU a request", "CPU a streamed chunk"],
        *([f.name, f"{f.rate:,.0f}", f"{f.request_us:,.0f} us", f"{f.chunk_us:,.0f} us"] for f in found),
    )
    return 0


def _measured(engine: str) -> list[Figures]:
    port, admin, plain, secure = measure.free_ports(4)
    with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as name:
        folder = Path(name)
        upstream = [sys.executable, str(HERE / "canned.py"), str(plain), "--gap", str(costs.GAP)]
        upstream += ["--tls", str(secure), *_certificate(folder)]
        config = _config(folder, engine, port, admin, {"http": plain, "https": secure})
        gateway = str(Path(sys.executable).parent / "gateway")
        command = [gateway, "serve", "--config", str(config), "--data-dir", name]
        with (
            measure.process(measure.LOAD_CORE, upstream),
            measure.process(measure.PRODUCT_CORE, command, UP_KEY="sk-up") as pid,
        ):
            for each in (plain, secure, port):
                measure.wait_for(each)
            return [_figures(pid, port, engine, *way) for way in WAYS]


def _certificate(folder: Path) -> list[str]:
    """The upstream's certificate and key; `ca.pem` is who made it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "leaf.pem"))
    return [str(folder / "leaf.pem"), str(folder / "leaf.pem")]


def _config(folder: Path, engine: str, port: int, admin: int, upstreams: dict[str, int]) -> Path:
    file = folder / "gateway.toml"
    digest = hashlib.sha256(products.KEY.encode()).hexdigest()
    text = _GATEWAY.format(port=port, admin=admin, engine=engine, hash=digest)
    for transport, scheme in WAYS:
        ca = f'ca = "file:{folder}/ca.pem"' if scheme == "https" else ""
        model, upstream = f"{transport}-{scheme}", upstreams[scheme]
        text += _WAY.format(model=model, scheme=scheme, transport=transport, upstream=upstream, ca=ca)
    file.write_text(text)
    return file


def _figures(pid: int, port: int, engine: str, transport: str, scheme: str) -> Figures:
    name = f"{transport} over {scheme}, {engine}"
    print(f"bench: {name}", file=sys.stderr, flush=True)
    request = measure.Request(port, PATH, products.KEY, CHAT % f"{transport}-{scheme}")
    rate, request_us = costs.rate(pid, request)
    stream = request.body[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}'
    return Figures(name, rate, request_us, costs.chunk_us(pid, request._replace(body=stream)))


if __name__ == "__main__":
    sys.exit(main())
