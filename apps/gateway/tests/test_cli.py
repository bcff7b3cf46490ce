from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType

import pytest

from llmgw_gateway.cli import main
from llmgw_gateway.config import Settings
from llmgw_gateway.sealing import find_master_key, make_master_key


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to run in, and no variable of the machine's own."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr("os.environ", {"HOME": str(tmp_path)})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the server was started with: the composition is replaced by a note of its settings."""
    seen: list[Settings] = []
    for name, entry in (("llmgw_gateway.build", "serve"), ("llmgw_gateway.processes.running", "supervise")):
        module = ModuleType(name)
        setattr(module, entry, lambda settings, arguments=(): seen.append(settings) or 7)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def test_serve_is_the_default(served: list[Settings]) -> None:
    """Without a command the gateway is served, and its exit code is the command's."""
    assert (7, 7, 7) == (main([]), main(["serve"]), main(["--data-bind", "127.0.0.1:1"]))
    assert ["127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:1"] == [s.config.server.data_bind for s in served]


def test_serve_takes_its_flags(served: list[Settings], tmp_path: Path) -> None:
    """Every flag of serve arrives in the settings."""
    (tmp_path / "g.toml").write_text('server.engine = "uvicorn"')
    flags = f"--config {tmp_path}/g.toml --data-bind :1 --admin-bind 127.0.0.1:2 --data-dir /d --master-key env:M"
    main(["serve", *flags.split()])
    settings = served[0]
    assert ("uvicorn", ":1", "127.0.0.1:2", Path("/d"), "env:M") == (
        settings.config.server.engine,
        settings.config.server.data_bind,
        settings.config.server.admin_bind,
        settings.data_dir,
        settings.master_key,
    )


def test_serve_refuses_what_check_refuses(served: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started on a wrong configuration; every problem goes to standard error."""
    Path("gateway.toml").write_text("[server]\nworkers = -1\nx = 1\n")
    assert (1, 1, []) == (main(["serve"]), main(["check"]), served)
    said = capsys.readouterr()
    assert "" == said.out
    assert 4 == said.err.count("gateway.toml:")


def test_check_says_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """A valid configuration is confirmed on standard output."""
    Path("gateway.toml").write_text("")
    assert 0 == main(["check"])
    assert capsys.readouterr().out.startswith("ok: gateway.toml: ")


@pytest.mark.parametrize("content", [None, "[server"])
def test_what_cannot_be_read_is_exit_code_2(content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file and one that is not TOML are told apart from a wrong one."""
    if content is not None:
        Path("given.toml").write_text(content)
    assert 2 == main(["check", "--config", "given.toml"])
    assert capsys.readouterr().err.startswith("given.toml")


def test_seal_prints_what_the_gateway_can_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret of standard input comes out sealed, under a key that is made once."""
    sealed = []
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.StringIO("sk-1\n"))
        assert 0 == main(["seal", "--data-dir", str(tmp_path / "d")])
        said = capsys.readouterr()
        sealed.append((said.out.strip(), "made master key" in said.err))
    key = find_master_key(None, {}, tmp_path / "d")
    assert key is not None
    assert [("sk-1", True), ("sk-1", False)] == [(key.open(text), made) for text, made in sealed]


def test_seal_asks_without_echo_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the secret is asked for through getpass, which does not show it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: "sk-2")
    assert 0 == main(["seal", "--data-dir", str(tmp_path / "d")])
    key = find_master_key(None, {}, tmp_path / "d")
    assert key is not None
    assert "sk-2" == key.open(capsys.readouterr().out.strip())


@pytest.mark.parametrize("flags", [[], ["--master-key", "env:NONE"]])
def test_seal_refuses(flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to seal and no such master key are refused, and nothing is printed as if it were sealed."""
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-1" if flags else ""))
    assert (1, "") == (main(["seal", *flags]), capsys.readouterr().out)


def test_seal_works_on_a_configuration_that_waits_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not valid yet does not keep a value from being sealed, and its data folder is used."""
    Path("gateway.toml").write_text('server.data_dir = "here"\n[[accounts]]\nid = "a"\n')
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-1"))
    assert (0, True) == (main(["seal"]), Path("here/master.key").exists())


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is one line, and the help lists every command and the exit codes."""
    assert 0 == main(["version"])
    assert capsys.readouterr().out.startswith("llmgw ")
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    text = capsys.readouterr().out
    assert 0 == left.value.code
    assert [] == [word for word in ("serve", "check", "seal", "version", "exit codes") if word not in text]


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command is told by the command line's own words."""
    with pytest.raises(SystemExit) as left:
        main(["sreve"])
    assert (2, True) == (left.value.code, "invalid choice" in capsys.readouterr().err)


def test_a_master_key_is_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to do next; without a key in the folder, what to do instead."""
    assert 1 == main(["rotate-master-key", "--data-dir", str(tmp_path / "d")])
    assert "GATEWAY_MASTER_KEY_PREVIOUS" in capsys.readouterr().err
    old = make_master_key(tmp_path / "d").id
    assert 0 == main(["rotate-master-key", "--data-dir", str(tmp_path / "d")])
    said = capsys.readouterr().out
    new = find_master_key(None, {}, tmp_path / "d")
    assert new is not None
    assert new.id != old
    assert [True, True] == [new.id in said, "Restart the gateway" in said]
