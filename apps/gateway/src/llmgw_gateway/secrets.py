"""From a reference to its secret: `env:NAME`, `file:PATH`, or a sealed text.

A secret that is written out is refused: configuration files are copied, shown and committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llmgw_control import Unrevealed
from llmgw_control.refusal import CannotSeal
from llmgw_domain import Secret
from llmgw_gateway.config import Settings
from llmgw_gateway.keyring import Keyring, find_keyring, make_keyring
from llmgw_gateway.sealing import PREFIX, SealingError, key_id_of

SIMULATED = {f"builtin:sim-{provider}" for provider in ("openai", "anthropic", "google")}
"""References of the built-in simulator's accounts; what they lead to is no secret."""

_MAX_FILE_BYTES = 64 * 1024


class Secrets:
    """Resolves references. Files are relative to `base`; the master key is only looked for when a value is sealed."""

    def __init__(self, environ: Mapping[str, str], base: Path, data_dir: Path, master_key: str | None = None) -> None:
        self._environ = environ
        self._base = base
        self._data_dir = data_dir
        self._master_key = master_key

    @classmethod
    def of(cls, settings: Settings) -> Secrets:
        return cls(settings.environ, settings.base, settings.data_dir, settings.master_key)

    def reveal(self, reference: str) -> Secret:
        """The secret that `reference` leads to. Raises `Unrevealed` with the reason, without any part of a secret."""
        kind, _, rest = reference.partition(":")
        if kind == "env" and rest:
            return self._from_environment(rest)
        if kind == "file" and rest:
            return self._from_file(rest)
        if reference.startswith(PREFIX):
            return self._opened(reference)
        if reference in SIMULATED:
            return Secret(rest)
        raise Unrevealed(
            "a secret is never written out in the configuration: refer to it with 'env:NAME' or 'file:PATH', "
            "or seal it with `gateway seal`"
        )

    def seal(self, text: str) -> str:
        """The text in its sealed form; a master key is made if there is none. Raises `CannotSeal`."""
        try:
            return (self.keyring() or make_keyring(self._data_dir)).seal_text(text)
        except SealingError as error:
            raise CannotSeal(str(error)) from None

    def keyring(self) -> Keyring | None:
        """The master keys, looked for anew: they may have been rotated. Raises `SealingError`."""
        return find_keyring(self._master_key, self._environ, self._data_dir)

    def _from_environment(self, name: str) -> Secret:
        value = self._environ.get(name)
        if not value:
            raise Unrevealed(f"the environment variable {name} is {'empty' if value == '' else 'not set'}")
        return Secret(value.strip())

    def _from_file(self, name: str) -> Secret:
        path = self._base / Path(name).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            text = content.decode()
        except OSError as error:
            raise Unrevealed(f"the file {path} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Unrevealed(f"the file {path} is not UTF-8 text") from None
        if len(content) > _MAX_FILE_BYTES:
            raise Unrevealed(f"the file {path} is larger than {_MAX_FILE_BYTES} bytes")
        return Secret(text.removesuffix("\n").removesuffix("\r"))

    def _opened(self, sealed: str) -> Secret:
        try:
            wanted = key_id_of(sealed)
            keyring = self.keyring()
            if keyring is None:
                raise Unrevealed(
                    f"the value is sealed with master key {wanted}, but there is no master key: neither "
                    f"GATEWAY_MASTER_KEY, nor --master-key, nor {self._data_dir / 'master.key'}"
                )
            return Secret(keyring.open_text(sealed))
        except SealingError as error:
            raise Unrevealed(str(error)) from None
