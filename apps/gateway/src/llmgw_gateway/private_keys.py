"""Whether a service account's private key can sign, so that a broken one is told before a call needs it."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def key_problem(pem: str) -> str | None:
    """What is wrong with a private key in PEM, without a piece of it; None if it can sign as Google wants (RS256)."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "the service account's private_key can't be read"
    return None if isinstance(key, RSAPrivateKey) else "the service account's private_key is not an RSA key"
