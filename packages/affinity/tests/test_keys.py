"""Keys: the same for the same session of the same tenant and model, another one for everything else."""

from __future__ import annotations

import itertools

from llmgw_affinity import SessionKeys
from llmgw_affinity.carriers import Carried
from llmgw_affinity.fingerprint import Fingerprint
from llmgw_affinity.keys import LEAST_CACHED

KEYS = SessionKeys(b"secret")


def print_of(
    prefix: bytes = b"p" * 16, size: int = LEAST_CACHED, conversation: bytes | None = b"c" * 16
) -> Fingerprint:
    return Fingerprint(prefix=prefix, prefix_bytes=size, conversation=conversation)


def test_a_key_tells_nothing_and_stays() -> None:
    """32 hexadecimal digits that another process with the same secret makes as well."""
    key = KEYS.session("t", "m", Carried("x-session-id", "s"))
    assert key is not None
    assert (32, key) == (
        len(bytes.fromhex(key)) * 2,
        SessionKeys(b"secret").session("t", "m", Carried("thread-id", "s")),
    )
    assert "secret" not in repr(KEYS)


def test_tenant_model_name_and_secret_are_in_the_key() -> None:
    """No two of them meet, also where one ends with what the other begins with."""
    keys = [
        keyring.session(tenant, model, Carried("x-session-id", name))
        for keyring in (KEYS, SessionKeys(b"other"))
        for tenant, model, name in itertools.product(["t", "tm", "t\ud800"], ["m", "mm"], ["s", "ms"])
    ]
    keys += [KEYS.session("t", "m", print_of()), KEYS.session("t", "m", Carried("x", "c" * 16))]
    assert len(keys) == len(set(keys))


def test_no_user_message_names_no_session() -> None:
    """Otherwise everybody with this prefix would be one session."""
    assert KEYS.session("t", "m", print_of(conversation=None)) is None
