from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from llmgw_gateway import console


def run(code: str, closed: tuple[int, ...] = (), **options: Any) -> int:
    """Runs a script in a process of its own, with some of its standard streams closed; its exit code."""
    before = "".join(f"exec {number}>&-; " for number in closed)
    script = f"import os, sys\nfrom llmgw_gateway import console\n{code}"
    # -E: an environment that asks for unbuffered output would make `print` fail, not the flush after it.
    command = ["sh", "-c", f'{before}exec "$@"', "sh", sys.executable, "-E", "-c", script]
    return subprocess.run(command, check=False, timeout=20, **options).returncode


def test_what_is_said_goes_out_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """`say` writes to standard output and `complain` to standard error."""
    console.say("good\n")
    console.complain("bad\n")
    assert ("good\n", "bad\n") == capsys.readouterr()


def test_closed_streams_are_replaced() -> None:
    """With all three closed there are three again, so that a new file has a number of its own."""
    code = "console.open_missing()\nprint('lost')\nconsole.say('lost')\nfile = os.open('/dev/null', 0)\nos._exit(file)"
    assert 3 == run(code, closed=(0, 1, 2))


def test_open_streams_are_kept() -> None:
    """Where nothing is missing nothing changes, and no descriptor is left open."""
    before = len(os.listdir("/proc/self/fd"))
    streams = (sys.stdin, sys.stdout, sys.stderr)
    console.open_missing()
    assert (before, streams) == (len(os.listdir("/proc/self/fd")), (sys.stdin, sys.stdout, sys.stderr))


@pytest.mark.parametrize("saying", ["console.say('a')", "console.complain('a')", "print('a')", ""])
def test_a_broken_pipe_is_neither_an_error_nor_an_exit_code(saying: str) -> None:
    """Where nobody reads, the script goes on and ends with the code that it gives itself."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = run(f"{saying}\nconsole.finish()\nsys.exit(7)", stdout=writer, stderr=writer)
    finally:
        os.close(writer)
    assert 7 == ended
