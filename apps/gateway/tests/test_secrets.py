from __future__ import annotations

from pathlib import Path

import pytest

from llmgw_control import Unrevealed
from llmgw_domain import Secret
from llmgw_gateway.sealing import MasterKey, make_master_key
from llmgw_gateway.secrets import Secrets


def secrets(base: Path, **environ: str) -> Secrets:
    return Secrets(environ, base, base / "data")


def reason(store: Secrets, reference: str) -> str:
    with pytest.raises(Unrevealed) as caught:
        store.reveal(reference)
    return str(caught.value)


def test_a_variable(tmp_path: Path) -> None:
    """env:NAME is the variable's value, without the white space that a shell may have left around it."""
    assert Secret("sk-1") == secrets(tmp_path, A="sk-1\n").reveal("env:A")


def test_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """file:PATH is relative to the configuration, and one line end at its end is not part of the secret."""
    (tmp_path / "key").write_bytes(b"sk-2\r\n")
    assert Secret("sk-2") == secrets(tmp_path).reveal("file:key")
    assert Secret("sk-2") == secrets(Path("/elsewhere")).reveal(f"file:{tmp_path / 'key'}")


def test_a_sealed_value(tmp_path: Path) -> None:
    """A sealed value is opened with the master key of the data folder."""
    sealed = make_master_key(tmp_path / "data").seal("sk-3")
    assert Secret("sk-3") == secrets(tmp_path).reveal(sealed)


def test_a_sealed_value_without_a_master_key(tmp_path: Path) -> None:
    """Without a master key the reason names the key that is missing and where it was looked for."""
    key = MasterKey(b"1" * 32)
    text = reason(secrets(tmp_path), key.seal("sk-3"))
    assert [] == [w for w in (key.id, "GATEWAY_MASTER_KEY", "--master-key", str(tmp_path / "data")) if w not in text]


def test_a_sealed_value_of_another_key(tmp_path: Path) -> None:
    """The wrong master key is told with both ids."""
    made, other = make_master_key(tmp_path / "data"), MasterKey(b"1" * 32)
    text = reason(secrets(tmp_path), other.seal("sk-3"))
    assert (True, True) == (made.id in text, other.id in text)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:MISSING", "MISSING is not set"),
        ("env:EMPTY", "EMPTY is empty"),
        ("file:missing", "No such file"),
        ("file:binary", "not UTF-8"),
        ("file:large", "larger than"),
        ("file:.", "can't be read"),
        ("env:", "never written out"),
        ("sk-live-1234", "never written out"),
        ("builtin:sk-live-1234", "never written out"),
    ],
)
def test_what_leads_to_no_secret_is_told(reference: str, words: str, tmp_path: Path) -> None:
    """Each failure says what is missing and where, and never repeats what may be a secret."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    text = reason(secrets(tmp_path, EMPTY=""), reference)
    assert (True, False) == (words in text, "sk-live" in text)


def test_the_simulator_needs_no_secret(tmp_path: Path) -> None:
    """The built-in simulator's accounts have credentials of their own, told apart by name."""
    assert Secret("sim-openai") == secrets(tmp_path).reveal("builtin:sim-openai")
