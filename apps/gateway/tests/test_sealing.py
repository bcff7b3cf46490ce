from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from llmgw_gateway.sealing import MasterKey, SealingError, find_master_key, key_id_of, make_master_key

ONE, TWO = MasterKey(b"1" * 32), MasterKey(b"2" * 32)
TEXT_ONE = base64.b64encode(b"1" * 32).decode()


@given(st.text(max_size=80))
def test_what_is_sealed_can_be_opened(text: str) -> None:
    """Any text comes back, its sealed form differs each time and names the key."""
    first, second = ONE.seal(text), ONE.seal(text)
    assert (text, text, True) == (ONE.open(first), ONE.open(second), first != second)
    assert ONE.id == key_id_of(first)


def test_another_key_is_named() -> None:
    """Opening with the wrong key says which was used and which is there, and nothing of the text."""
    with pytest.raises(SealingError) as caught:
        TWO.open(ONE.seal("sk-secret"))
    assert [] == [word for word in (ONE.id, TWO.id) if word not in str(caught.value)]
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("position", [0, 15, 30, -1])
def test_a_changed_text_is_not_opened(position: int) -> None:
    """A flipped bit anywhere, nonce, ciphertext or tag, is noticed."""
    head, _, data = ONE.seal("a secret of some length").rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
    raw[position] ^= 1
    with pytest.raises(SealingError, match="damaged"):
        ONE.open(f"{head}:{base64.urlsafe_b64encode(raw).decode().rstrip('=')}")


def test_a_key_id_cannot_be_swapped() -> None:
    """The key id is bound to the ciphertext: under another key's name it is not opened by either."""
    sealed = ONE.seal("x").replace(ONE.id, TWO.id)
    with pytest.raises(SealingError):
        TWO.open(sealed)


def test_the_form_is_plain_aes_gcm() -> None:
    """A sealed value can be opened with any AES-256-GCM: nonce first, the text before the data as associated data."""
    head, _, data = ONE.seal("sk-1").rpartition(":")
    raw = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
    assert b"sk-1" == AESGCM(b"1" * 32).decrypt(raw[:12], raw[12:], head.encode())


@pytest.mark.parametrize("text", ["", "sealed:", "sealed:v1:", "sealed:v1:abc", "sealed:v1:abc:!!", "sealed:v2:a:AAAA"])
def test_what_is_not_sealed_is_refused(text: str) -> None:
    """A text of another form is told apart from a wrong key."""
    with pytest.raises(SealingError, match="gateway seal"):
        ONE.open(text)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 at all!", TEXT_ONE + "AAAA"])
def test_a_master_key_has_32_bytes(text: str) -> None:
    """Anything but the base64 of 32 bytes is no master key."""
    with pytest.raises(SealingError, match="master key"):
        MasterKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [base64.b64encode(b"\xff" * 32).decode() + "\n", base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")],
)
def test_both_alphabets_are_read(text: str) -> None:
    """A key is read from either base64 alphabet, with padding and white space around it or without."""
    assert MasterKey(b"\xff" * 32).id == MasterKey.parse(text).id


def test_a_made_key_is_private_and_stays(tmp_path: Path) -> None:
    """A master key is made once, for its owner only, and never replaced."""
    first, second = make_master_key(tmp_path), make_master_key(tmp_path)
    assert (first.id, 0o600) == (second.id, stat.S_IMODE((tmp_path / "master.key").stat().st_mode))


def test_the_sources_in_their_order(tmp_path: Path) -> None:
    """A reference wins over GATEWAY_MASTER_KEY, which wins over the data folder; without any there is none."""
    assert find_master_key(None, {}, tmp_path) is None
    made = make_master_key(tmp_path)
    (tmp_path / "k").write_text(TEXT_ONE)
    environ = {"GATEWAY_MASTER_KEY": base64.b64encode(b"2" * 32).decode(), "OTHER": TEXT_ONE}
    found = [
        find_master_key(None, {}, tmp_path),
        find_master_key(None, environ, tmp_path),
        find_master_key("env:OTHER", environ, tmp_path),
        find_master_key(f"file:{tmp_path / 'k'}", environ, tmp_path),
    ]
    assert [made.id, TWO.id, ONE.id, ONE.id] == [key.id if key else None for key in found]


@pytest.mark.parametrize("reference", ["env:NONE", "file:/nowhere/key", "sk-literal", "env:", "file:"])
def test_a_reference_to_nothing_is_refused(reference: str, tmp_path: Path) -> None:
    """A master key that was asked for and is not there is an error, not a reason to take another."""
    with pytest.raises(SealingError):
        find_master_key(reference, {"GATEWAY_MASTER_KEY": TEXT_ONE}, tmp_path)


def test_a_key_is_not_shown() -> None:
    """The repr names the key by its id only."""
    assert f"<MasterKey {ONE.id}>" == repr(ONE)
