"""Plays recorded provider traffic through a gateway of this tree and judges what comes out: `make conformance`.

The recordings and the harness that plays them are no part of this tree, because neither is ours: the harness shares no
code with the gateway, so that the two can disagree. This script puts the pieces together: the recordings that this
version can serve, a configuration made of the harness's own template, a gateway on free ports, and the verdict. It
fails if anything that is not disputed does: pass-through (P), translation of answers (T) and of requests (Q), errors
(E), cut streams (C).
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

KEY = "gw-conformance-key-0123456789abcdefgh"
FAMILIES = ("P", "T", "Q", "E", "C")
SERVED = (
    "anthropic/messages",
    "google/generateContent",
    "google/streamGenerateContent",
    "google/openai_compat_chat_completions",
    "vertex/generateContent",
    "vertex/streamGenerateContent",
    "*/chat_completions",
    "*/responses",
    "bedrock/converse",
    "bedrock/converse_stream",
)
DISPUTED = {
    "pydantic-92dd26aa8872c0": "thinking that its provider left out of completion_tokens, but not out of the total, is "
    "output all the same: it is billed as such",
    "pydantic-049cd0b82b0c75": "a call with an empty `custom` beside its `function` is a function call, with arguments",
    "pydantic-13099229fda8a6": "Converse has no `none` for its tools, so they are left out where no history needs them",
    "pydantic-9476a5dd3f13b9": "Converse has no `none` for its tools, so they are left out where no history needs them",
}
"""Recordings of which the harness's reading is not ours, and why."""
READY_SECONDS = 20.0
STOP_SECONDS = 10.0


def main() -> int:
    options = _options()
    for folder in (options.recordings, options.harness):
        if not folder.is_dir():
            print(f"conformance: skipped, there is no folder {folder}")
            return 0
    with tempfile.TemporaryDirectory(prefix="llmgw-conformance-") as name:
        work = Path(name)
        count = _choose(options.recordings, work / "data", options.only)
        print(f"conformance: {count} recordings", flush=True)
        return _play(options, work) if count else 1


def _play(options: argparse.Namespace, work: Path) -> int:
    data_port, admin_port, replay_port = _free_ports(3)
    config = _configure(options.harness, work, data_port, admin_port, f"http://127.0.0.1:{replay_port}")
    out = options.out or work / "out"
    with _gateway(config, work, data_port):
        command = [*shlex.split(options.python), str(options.harness / "run.py"), "--target", "llmgw"]
        command += ["--data", str(work / "data"), "--base", f"http://127.0.0.1:{data_port}", "--key", KEY]
        command += ["--replay-port", str(replay_port), "--families", options.families, "--out", str(out)]
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([*command, *options.more], check=True, env=environ, cwd=work)
    return _verdict(out / "summary.json", out / "failures.jsonl")


def _options() -> argparse.Namespace:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--recordings", type=lambda p: Path(p).resolve(), required=True)
    args.add_argument("--harness", type=lambda p: Path(p).resolve(), required=True)
    args.add_argument("--python", default=sys.executable, help="the command that runs Python with the harness's needs")
    args.add_argument("--families", default=",".join(FAMILIES))
    args.add_argument("--only", default="", help="groups that begin so, separated by commas, e.g. openai/chat")
    args.add_argument("--out", type=lambda p: Path(p).resolve(), help="where to keep failures.jsonl and summary.json")
    args.add_argument("more", nargs="*", help="further arguments of the harness, after --")
    return args.parse_args()


# --- what to play, and through what -----------------------------------------------------------------------------------


def _choose(recordings: Path, chosen: Path, only: str) -> int:
    """Links the recordings that this version can serve into one folder; how many they are."""
    count = 0
    for pattern in SERVED:
        for folder in sorted(recordings.glob(pattern)):
            group = f"{folder.parent.name}/{folder.name}"
            if not group.startswith(tuple(only.split(","))):
                continue
            (chosen / group).mkdir(parents=True)
            for file in folder.glob("*.json"):
                (chosen / group / file.name).symlink_to(file)
                count += 1
    return count


def _configure(harness: Path, work: Path, data_port: int, admin_port: int, upstream: str) -> Path:
    """The harness's own configuration, rendered by itself with the files that it refers to, on ports of ours."""
    render = [sys.executable, str(harness / "targets" / "render.py"), "llmgw", "--upstream", upstream]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*render, "--out", str(work)], check=True, stdout=subprocess.DEVNULL, env=environ)
    config = work / "gateway.toml"
    text = config.read_text("utf-8")
    text = re.sub(r'data_bind = ".*"', f'data_bind = "127.0.0.1:{data_port}"', text)
    text = re.sub(r'admin_bind = ".*"', f'admin_bind = "127.0.0.1:{admin_port}"', text)
    config.write_text(text + '\n[[keys]]\nid = "conformance"\nvalue = "env:CONFORMANCE_KEY"\n', "utf-8")
    return config


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


@contextmanager
def _gateway(config: Path, work: Path, port: int) -> Iterator[None]:
    """A gateway process, ready; stopped on leaving."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    environ |= {"REPLAY_KEY": "sk-up", "REPLAY_AWS_KEY": "AKIAX:x", "CONFORMANCE_KEY": KEY}
    environ |= {"GATEWAY_DATA_DIR": str(work / "gateway"), "GATEWAY_DATABASE__URL": "none"}
    command = [str(Path(sys.executable).parent / "gateway"), "serve", "--config", str(config)]
    log = work / "gateway.log"
    with log.open("wb") as sink, subprocess.Popen(command, env=environ, stdout=sink, stderr=sink) as process:
        try:
            _wait_ready(process, f"http://127.0.0.1:{port}/readyz", log)
            yield
        finally:
            _stop(process)


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"conformance: the gateway did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass


# --- the verdict ------------------------------------------------------------------------------------------------------


def _verdict(summary: Path, failures: Path) -> int:
    """0 if every gated check passed, 1 if not; says which did not."""
    played = msgspec.json.decode(summary.read_bytes())["table"].keys()
    failed = [msgspec.json.decode(line) for line in failures.read_bytes().splitlines()]
    failed = [f for f in failed if f["family"] in FAMILIES]
    disputed = {f["id"] for f in failed} & DISPUTED.keys()
    for id_ in sorted(disputed):
        print(f"\nconformance: {id_} is not counted: {DISPUTED[id_]}")
    counted = [f for f in failed if f["id"] not in disputed]
    for failure in counted:
        print("conformance: failed:", *(failure[name] for name in ("family", "dialect", "group", "id", "why")))
    what = ", ".join(f for f in FAMILIES if f in played)
    print(f"\nconformance: {len(counted)} failures of {what}" if counted else f"\nconformance: full: {what}")
    return 1 if counted else 0


if __name__ == "__main__":
    sys.exit(main())
