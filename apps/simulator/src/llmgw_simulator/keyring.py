"""What signed credentials are checked with: AWS secrets and the public keys of Google service accounts.

Nothing has to be set for the usual test. An access key id without an entry has the secret `secret-of-<access key id>`,
and an assertion of a service account without an entry is checked in all but its signature.
"""

from __future__ import annotations

import msgspec


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """The known keys, and how long access tokens live."""

    aws: dict[str, str] = {}
    """Secret access keys by access key id."""

    google: dict[str, str] = {}
    """Public keys of service accounts by their e-mail address, in PEM."""

    token_seconds: int = 3599
    """How long an access token of `POST /token` is good for."""

    def aws_secret(self, access_key_id: str) -> str:
        """The secret that belongs to an access key id."""
        return self.aws.get(access_key_id, f"secret-of-{access_key_id}")
