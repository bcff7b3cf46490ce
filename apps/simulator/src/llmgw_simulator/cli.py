"""The command `simulator`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.script import Pace
from llmgw_simulator.simulator import Simulator

_EPILOG = """\
Use it as a provider: OpenAI base URL http://HOST:PORT/v1, Anthropic, Gemini, Bedrock and Vertex http://HOST:PORT.
Any API key works, but for those that start with "bad". Any model works, but for "missing-model".
The AWS secret access key of ID is "secret-of-ID"; a Google service account gets its tokens from /token.
What was received: GET /_sim/log. What goes wrong: header x-sim-fault, or POST /_sim/faults.
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
    add("--time-scale", type=_scale, default=1.0, metavar="N", help="let clocks run N times faster (default: 1)")
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


def _scale(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def config_of(options: argparse.Namespace) -> SimulatorConfig:
    """The settings that the command line asks for. Raises `OSError` if a key's file cannot be read."""
    names = ("ttft", "think", "tps", "tokens", "late_headers")
    pace = Pace(**{name: getattr(options, name) for name in names})
    google = {email: Path(file).read_text() for email, file in options.google_key}
    keyring = Keyring(aws=dict(options.aws_key), google=google)
    return SimulatorConfig(seed=options.seed, pace=pace, time_scale=options.time_scale, keyring=keyring)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with Simulator(config_of(options)).serve(options.host, options.port) as running:
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
