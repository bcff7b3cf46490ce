"""Sealed secrets: AES-256-GCM under a master key that is kept apart from the configuration.

A sealed text is `sealed:v1:KEYID:DATA`, where DATA is the nonce and the ciphertext in base64url. The key id is bound to
the ciphertext as associated data, and says which key is missing when it can't be opened. Nonces are random, 96 bits;
at a few thousand secrets a key that is far from the bound of NIST SP 800-38D (2^32).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from llmgw_gateway.data_dir import create_once, open_data_dir

PREFIX = "sealed:v1:"
FILE_NAME = "master.key"
VARIABLE = "GATEWAY_MASTER_KEY"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_MOST_CIPHERS = 256
"""Derived ciphers that are remembered: those of the latest processes that sealed something."""


class SealingError(Exception):
    """A master key is missing or wrong, or a sealed text is damaged. The message holds no secret."""


class MasterKey:
    """Seals and opens texts. `id` tells keys apart and says nothing about the key."""

    def __init__(self, key: bytes) -> None:
        """Raises `SealingError` unless `key` is 32 bytes."""
        if len(key) != _KEY_BYTES:
            raise SealingError(f"a master key is {_KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        self.id = hashlib.sha256(b"llmgw master key\0" + key).hexdigest()[:8]
        self._mark = bytes.fromhex(self.id)
        self._key = key
        self._salt = os.urandom(_SALT_BYTES)
        self._ciphers: dict[bytes, AESGCM] = {}

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """From base64 of either alphabet, padded or not. Raises `SealingError`."""
        compact = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return cls(base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True))
        except (binascii.Error, ValueError):
            raise SealingError("a master key is the base64 text of 32 bytes") from None

    def seal(self, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        head = PREFIX + self.id
        data = nonce + self._cipher.encrypt(nonce, text.encode(), head.encode())
        return f"{head}:{base64.urlsafe_b64encode(data).decode().rstrip('=')}"

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises `SealingError`, naming both keys if it was another one."""
        key_id, data = _parts(sealed)
        if key_id != self.id:
            raise SealingError(f"the value is sealed with master key {key_id}, but the master key here is {self.id}")
        try:
            plain = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], (PREFIX + key_id).encode())
        except InvalidTag:
            raise SealingError(f"the sealed value is damaged (its master key {key_id} is the right one)") from None
        return plain.decode()

    def seal_bytes(self, body: bytes, context: bytes) -> bytes:
        """The key id's four bytes, a salt, the nonce, and the ciphertext, which opens with the same `context` alone.

        There are many of these, so each process seals with a key of its own, derived from this one with its salt:
        random nonces under one key would come near their bound (2^32) within months.
        """
        nonce, salt = os.urandom(_NONCE_BYTES), self._salt
        return self._mark + salt + nonce + self._derived(salt).encrypt(nonce, body, self._mark + context)

    def sealed_bytes(self, sealed: bytes) -> bool:
        """Whether bytes say that they are sealed with this key."""
        return sealed.startswith(self._mark)

    def open_bytes(self, sealed: bytes, context: bytes) -> bytes | None:
        """What was sealed, or None if it was sealed for another context, or is damaged."""
        start = len(self._mark)
        nonce_at = start + _SALT_BYTES
        salt, nonce = sealed[start:nonce_at], sealed[nonce_at : nonce_at + _NONCE_BYTES]
        try:
            return self._derived(salt).decrypt(nonce, sealed[nonce_at + _NONCE_BYTES :], self._mark + context)
        except (InvalidTag, ValueError):
            return None

    def _derived(self, salt: bytes) -> AESGCM:
        """The cipher of the process that drew this salt (HKDF, RFC 5869)."""
        found = self._ciphers.get(salt)
        if found is None:
            if len(self._ciphers) >= _MOST_CIPHERS:
                self._ciphers.clear()
            key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=b"llmgw kept").derive(self._key)
            found = self._ciphers[salt] = AESGCM(key)
        return found

    def __repr__(self) -> str:
        return f"<MasterKey {self.id}>"


def key_id_of(sealed: str) -> str:
    """The id of the key that a text was sealed with. Raises `SealingError` if it is not a sealed text."""
    return _parts(sealed)[0]


def find_master_key(reference: str | None, environ: Mapping[str, str], data_dir: Path) -> MasterKey | None:
    """The master key from `reference` (`env:NAME` or `file:PATH`), else `GATEWAY_MASTER_KEY`, else the data folder.

    None if none of them has one. Raises `SealingError` if one is given that is not a key.
    """
    if reference is not None:
        return MasterKey.parse(_referenced(reference, environ))
    if environ.get(VARIABLE):
        return MasterKey.parse(environ[VARIABLE])
    path = data_dir / FILE_NAME
    return MasterKey.parse(read_key_file(path)) if path.exists() else None


def make_master_key(data_dir: Path) -> MasterKey:
    """A new key in the data folder, or the one that is there already: a master key is never overwritten.

    Raises `SealingError` if the folder can't be written.
    """
    path = data_dir / FILE_NAME
    try:
        open_data_dir(data_dir)
        create_once(path, base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")
    except OSError as error:
        raise SealingError(f"no master key can be made at {path}: {error.strerror}") from None
    return MasterKey.parse(read_key_file(path))


def _parts(sealed: str) -> tuple[str, bytes]:
    key_id, _, data = sealed.removeprefix(PREFIX).partition(":")
    try:
        raw = base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not sealed.startswith(PREFIX) or not key_id or len(raw) < _NONCE_BYTES + 16:
        raise SealingError(f"a sealed value is '{PREFIX}KEYID:DATA', as `gateway seal` prints it")
    return key_id, raw


def _referenced(reference: str, environ: Mapping[str, str]) -> str:
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest:
        if not environ.get(rest):
            raise SealingError(f"the master key's environment variable {rest} is not set")
        return environ[rest]
    if kind == "file" and rest:
        return read_key_file(Path(rest).expanduser())
    raise SealingError("a master key is given as env:NAME or file:PATH")


def read_key_file(path: Path) -> str:
    """The text of a key's file. Raises `SealingError`."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SealingError(f"the master key {path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SealingError(f"the master key {path} is not base64 text") from None
