import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from llmgw_simulator.accounts import Setting
from llmgw_simulator.cli import _parser, config_of, main
from llmgw_simulator.testing import KEYS, post, request_of


def test_the_command_serves_until_it_is_told_to_stop():
    """It prints its address, answers, and ends with 0 on SIGTERM."""
    command = [sys.executable, "-c", "from llmgw_simulator.cli import main; raise SystemExit(main())", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline()).group()
            with urllib.request.urlopen(f"{url}/_sim/health") as response:
                assert 200 == response.status
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)


@pytest.mark.parametrize(("fault", "ending"), [("reset-events=3", "reset"), ("fin-events=3", "closed")])
def test_the_command_breaks_connections_off(fault, ending):
    """On its own loop, which is uvloop's if that is installed."""
    command = [sys.executable, "-c", "from llmgw_simulator.cli import main; raise SystemExit(main())", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            port = int(re.search(r"http://\S+:(\d+)", process.stdout.readline()).group(1))
            path, body = request_of("chat", "Hello", stream=True)
            answer = asyncio.run(post(port, path, body, {**KEYS["chat"], "x-sim-fault": fault}))
        finally:
            process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert (3, ending) == (answer.body.count(b"data: "), answer.ending)


def test_a_port_that_is_taken_is_an_error(capsys):
    """With a reason on standard error and exit status 1."""
    assert 1 == main(["--host", "192.0.2.1", "--port", "9001"])
    assert "simulator: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--time-scale", "0"], ["--ttft", "-1"], ["--port", "x"], ["--aws-key", "A"], ["--account", "key,down=200"]],
)
def test_wrong_arguments_are_refused(arguments, capsys):
    """By argparse, with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert (2, True) == (caught.value.code, bool(capsys.readouterr().err))


def test_keys_are_read(tmp_path):
    """Secrets from the command line, public keys from files."""
    (tmp_path / "key.pem").write_text("PEM")
    found = config_of(_parser().parse_args(["--aws-key", "A=b=c", "--google-key", f"x@y={tmp_path / 'key.pem'}"]))
    assert ({"A": "b=c"}, {"x@y": "PEM"}) == (found.keyring.aws, found.keyring.google)


def test_accounts_are_read():
    """As often as they are given, oldest first; times are told in the caller's seconds if that is wanted."""
    found = config_of(_parser().parse_args(["--account", "a-*,concurrency=2", "--account", "a-1,down=529"]))
    assert (Setting(credential="a-*", concurrency=2), Setting(credential="a-1", down=529)) == found.accounts
    assert [False, True] == [
        config_of(_parser().parse_args(options)).tells_real_seconds for options in ([], ["--tell-real-seconds"])
    ]


def test_the_help_says_how_to_use_it(capsys):
    """The base URLs and the control paths are in it."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(word in text for word in ("/v1", "x-sim-fault", "/_sim/log", "--think"))
