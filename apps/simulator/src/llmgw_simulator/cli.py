"""The command `simulator`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from llmgw_simulator import certificates
from llmgw_simulator.accounts import Setting, parse_setting
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.script import Pace
from llmgw_simulator.simulator import Simulator

_EPILOG = """\
Use it as a provider: OpenAI base URL http://HOST:PORT/v1, Anthropic, Gemini, Bedrock and Vertex http://HOST:PORT.
Any API key works, but for those that start with "bad". Any model works, but for "missing-model".
The AWS secret access key of ID is "secret-of-ID"; a Google service account gets its tokens from /token.
HTTP/1.1 and HTTP/2 (by prior knowledge, or agreed on by TLS) share the port.
What was received: GET /_sim/log. What goes wrong: header x-sim-fault, or POST /_sim/faults. GET /_sim/connections.
Limits and trouble of credentials: --account, or POST /_sim/accounts. What it all cost: GET /_sim/ledger.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted. The exit status: 0, or 1 if the port cannot be had."""
    options = _parser().parse_args(argv)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(options))
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simulator",
        description="Simulates the HTTP APIs of OpenAI, Anthropic, Google (Gemini, Vertex AI) and Amazon Bedrock.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=9001, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--seed", type=int, default=0, help="another seed gives other answers; the same, the same (default: 0)")
    add("--ttft", type=_seconds, default=0.0, metavar="S", help="seconds before the headers (default: 0)")
    add(
        "--think",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="silent seconds between headers and first event (default: 0)",
    )
    add("--late-headers", action="store_true", help="keep the headers back while thinking, too")
    add("--tps", type=_seconds, default=0.0, metavar="N", help="output tokens a second; 0 for no delay (default: 0)")
    add("--tokens", type=int, default=0, metavar="N", help="make texts at least N tokens long (default: 0)")
    add("--burst", type=int, default=1, metavar="N", help="an event holds up to N tokens (default: 1)")
    add(
        "--account",
        type=_setting,
        action="append",
        default=[],
        metavar="PATTERN,NAME=VALUE,...",
        help="limits of credentials: requests-per-minute, tokens-per-minute, output-tokens-per-minute, concurrency; "
        "down=STATUS or down=reset",
    )
    add(
        "--aws-key",
        type=_pair,
        action="append",
        default=[],
        metavar="ID=SECRET",
        help="the secret of an AWS access key (default: secret-of-ID)",
    )
    add(
        "--google-key",
        type=_pair,
        action="append",
        default=[],
        metavar="EMAIL=FILE",
        help="the public key (PEM) of a service account; with one, no other account is known",
    )
    add("--tls", action="store_true", help="serve TLS, with a certificate that is made at the start")
    add("--tls-ca", type=Path, metavar="FILE", help="write the authority to trust (PEM) to this file; implies --tls")
    add("--tls-name", action="append", default=[], metavar="NAME", help="another host name or address for TLS")
    add("--alpn", default="h2,http/1.1", metavar="LIST", help='what TLS agrees on; "" for none (default: %(default)s)')
    add("--max-streams", type=int, default=128, metavar="N", help="streams of an HTTP/2 connection (default: 128)")
    add("--initial-window", type=int, metavar="BYTES", help="HTTP/2: of a request's body, before the caller waits")
    add("--no-windows", action="store_true", help="HTTP/2: never let a caller that waits go on")
    add("--calm-pings", type=int, metavar="N", help="HTTP/2: more PINGs than that are too many (ENHANCE_YOUR_CALM)")
    add("--calm-seconds", type=_scale, default=10.0, metavar="S", help="in so many seconds (default: 10)")
    add("--time-scale", type=_scale, default=1.0, metavar="N", help="let clocks run N times faster (default: 1)")
    add(
        "--tell-real-seconds",
        action="store_true",
        help="tell times in the caller's seconds, not in those of --time-scale",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if value < 0 or value != value:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def _setting(text: str) -> Setting:
    try:
        return parse_setting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _scale(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def config_of(options: argparse.Namespace) -> SimulatorConfig:
    """The settings that the command line asks for. Raises `OSError` if a key's file cannot be read."""
    names = ("ttft", "think", "tps", "tokens", "burst", "late_headers")
    pace = Pace(**{name: getattr(options, name) for name in names})
    google = {email: Path(file).read_text() for email, file in options.google_key}
    keyring = Keyring(aws=dict(options.aws_key), google=google)
    secure = options.tls or options.tls_ca is not None
    return SimulatorConfig(
        seed=options.seed,
        pace=pace,
        time_scale=options.time_scale,
        tells_real_seconds=options.tell_real_seconds,
        accounts=tuple(options.account),
        keyring=keyring,
        tls=certificates.make((*certificates.NAMES, *options.tls_name)) if secure else None,
        protocols=tuple(name for name in options.alpn.split(",") if name),
        max_streams=options.max_streams,
        initial_window=options.initial_window,
        opens_windows=not options.no_windows,
        calm_pings=options.calm_pings,
        calm_seconds=options.calm_seconds,
    )


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    config = config_of(options)
    if config.tls is not None and options.tls_ca is not None:
        options.tls_ca.write_bytes(config.tls.authority)
    async with Simulator(config).serve(options.host, options.port) as running:
        sys.stdout.write(f"simulator listens on {running.base_url}\n")
        sys.stdout.flush()
        await stop.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop if it is installed: about twice as fast, and not needed."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
