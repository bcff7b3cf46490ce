"""TLS towards clients: a certificate that is read again when its files change, without a restart.

Every handshake takes what was read last; connections that are open keep what they began with. A pair that can't be used
changes nothing: it is tried on the side first.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0

HANDSHAKE_SECONDS = 10.0


class BadCertificate(Exception):
    """The files are no certificate chain with its key; the message says why."""


class Certificate:
    """A certificate chain and its key, both PEM files. `context` is for servers and stays the same object."""

    def __init__(self, cert: Path, key: Path, protocols: Sequence[str] = ("http/1.1",)) -> None:
        """`protocols` are offered by ALPN. Raises `BadCertificate`."""
        self._cert, self._key = cert, key
        self._seen = self._state()
        self.context = _context()
        self.context.set_alpn_protocols(list(protocols))
        self._load()

    def reload(self) -> None:
        """Reads the files again. Raises `BadCertificate`, and then keeps what it had."""
        self._seen = self._state()
        self._load()

    @property
    def changed(self) -> bool:
        """Whether the files are others than those that were read last, or were written to."""
        return self._state() != self._seen

    def _load(self) -> None:
        # A pair that does not fit would leave the context in use with half of it.
        for context in (_context(), self.context):
            try:
                context.load_cert_chain(self._cert, self._key, password=_refused)
            except _Encrypted:
                raise BadCertificate(f"{self._key}: the key is encrypted; it must need no password") from None
            except OSError as error:
                raise BadCertificate(self._why(error)) from None

    def _why(self, error: OSError) -> str:
        for file in (self._cert, self._key):
            try:
                file.read_bytes()
            except OSError as unreadable:
                return f"{file}: {unreadable.strerror}"
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            return f"{self._key} is not the key of {self._cert}"
        return f"{self._cert} and {self._key}: not a certificate chain and its key in PEM"

    def _state(self) -> tuple[object, ...]:
        found: list[object] = []
        for file in (self._cert, self._key):
            try:
                stat = file.stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def __repr__(self) -> str:
        return f"<Certificate {self._cert}>"


def renew(certificate: Certificate) -> None:
    """Reads a certificate again, and says in the log what came of it."""
    try:
        certificate.reload()
    except BadCertificate as error:
        _log.error("the new certificate can't be used, the old one stays: %s", error)
    else:
        _log.info("a new certificate is in use", extra={"certificate": repr(certificate)})


@asynccontextmanager
async def watched(certificate: Certificate, seconds: float = _LOOK_SECONDS) -> AsyncIterator[None]:
    """Reads a certificate again whenever its files have changed, while the context is open."""
    # Owned here: it is cancelled on leaving.
    task = asyncio.get_running_loop().create_task(_watch(certificate, seconds))
    try:
        yield
    finally:
        task.cancel()


async def _watch(certificate: Certificate, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        # Looking may take long where the files are elsewhere. Reading is short, and must not meet a handshake.
        if await asyncio.to_thread(lambda: certificate.changed):
            renew(certificate)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Encrypted(Exception):
    pass


def _refused() -> str:
    # Without this, OpenSSL would ask on the terminal.
    raise _Encrypted
