"""The keys that seal and open, over a rotation."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from llmgw_gateway.keyring import PREVIOUS_FILE, PREVIOUS_VARIABLE, Keyring, find_keyring, make_keyring, rotate
from llmgw_gateway.sealing import FILE_NAME, MasterKey, SealingError
from llmgw_relay.wrapping import Unopenable

ONE, TWO = MasterKey(b"1" * 32), MasterKey(b"2" * 32)


def test_the_first_key_seals_and_every_key_opens() -> None:
    """What the old key sealed is read, what is written is the new one's."""
    ring = Keyring([TWO, ONE])
    assert ("old", "new") == (ring.open_text(ONE.seal("old")), TWO.open(ring.seal_text("new")))
    assert b"old" == ring.open(ONE.seal_bytes(b"old", b"here"), b"here")
    assert b"new" == TWO.open_bytes(ring.seal(b"new", b"here"), b"here")
    assert [TWO.id, ONE.id] == ring.ids
    assert ring.opens(ONE.seal("x"))
    assert not Keyring([TWO]).opens(ONE.seal("x"))


@pytest.mark.parametrize(
    "sealed",
    [ONE.seal_bytes(b"x", b"there"), TWO.seal_bytes(b"x", b"here"), b"", ONE._mark],
    ids=["another context", "another key", "nothing", "a mark alone"],
)
def test_what_is_not_for_this_place_is_not_opened(sealed: bytes) -> None:
    """Another context, another key, and no sealed bytes at all."""
    with pytest.raises(Unopenable):
        Keyring([ONE]).open(sealed, b"here")


def test_a_text_of_an_unknown_key_names_both() -> None:
    """The current key is the one that is compared with."""
    with pytest.raises(SealingError, match=f"{ONE.id}.*{TWO.id}"):
        Keyring([TWO]).open_text(ONE.seal("x"))


def test_keys_are_found_where_they_are_given(tmp_path: Path) -> None:
    """The current one as ever, the one before in its variable and in its file."""
    assert find_keyring(None, {}, tmp_path) is None
    text = {key.id: base64.b64encode(b * 32).decode() for key, b in ((ONE, b"1"), (TWO, b"2"))}
    given = {"GATEWAY_MASTER_KEY": text[TWO.id], PREVIOUS_VARIABLE: text[ONE.id]}
    ring = find_keyring(None, given, tmp_path)
    assert ring is not None
    assert [TWO.id, ONE.id] == ring.ids
    with pytest.raises(SealingError):
        find_keyring(None, {**given, PREVIOUS_VARIABLE: "x"}, tmp_path)


def test_a_rotation_keeps_the_old_key(tmp_path: Path) -> None:
    """Afterwards the folder has both, private, and what was sealed before opens."""
    before = make_keyring(tmp_path)
    sealed = before.seal_text("secret")
    after = rotate(tmp_path)
    assert before.current.id != after.current.id
    found = find_keyring(None, {}, tmp_path)
    assert found is not None
    assert ([after.current.id, before.current.id], "secret") == (found.ids, found.open_text(sealed))
    assert {0o600} == {(tmp_path / name).stat().st_mode & 0o777 for name in (FILE_NAME, PREVIOUS_FILE)}


def test_what_earlier_rotations_left_opens_still(tmp_path: Path) -> None:
    """Two rotations with no start in between lose nothing."""
    sealed = make_keyring(tmp_path).seal_text("secret")
    rotate(tmp_path)
    rotate(tmp_path)
    found = find_keyring(None, {}, tmp_path)
    assert found is not None
    assert (3, "secret") == (len(found.ids), found.open_text(sealed))


def test_a_key_from_elsewhere_is_not_rotated_here(tmp_path: Path) -> None:
    """It says how that is done, and writes nothing."""
    with pytest.raises(SealingError, match=PREVIOUS_VARIABLE):
        rotate(tmp_path)
    assert [] == list(tmp_path.iterdir())
