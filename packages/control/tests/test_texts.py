from __future__ import annotations

import hashlib
import os
import re

from llmgw_control._texts import KEY_PREFIX, TOKEN_PREFIX, hash_of, new_id, new_text


def test_a_text_carries_all_of_its_chance() -> None:
    """200 random bits, each of which makes another text, behind the prefix."""
    assert [25] == [count for count in _asked() if count >= 20]
    zero, one = (new_text(KEY_PREFIX, lambda n, last=last: bytes(n - 1) + bytes([last])) for last in (0, 1))
    assert ("gw-" + "a" * 40, True) == (zero, zero != one)
    assert re.fullmatch(r"gwa-[a-z2-7]{40}", new_text(TOKEN_PREFIX, os.urandom))


def _asked() -> list[int]:
    asked: list[int] = []

    def rand(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    new_text(KEY_PREFIX, rand)
    return asked


def test_hashes_and_names() -> None:
    """A hash is what `sha256sum` gives; a made-up name says what it names."""
    assert "sha256:" + hashlib.sha256(b"gw-x").hexdigest() == hash_of("gw-x")
    assert re.fullmatch(r"key-[a-z2-7]{8}", new_id("key", os.urandom))
