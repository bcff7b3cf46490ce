from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from llmgw_gateway.private_keys import key_problem

PKCS8 = serialization.PrivateFormat.PKCS8


def pem(key: Any, encryption: Any = None) -> str:
    wrapped = encryption or serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, PKCS8, wrapped)
    return text.decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_a_key_of_google_s_can_sign(key: rsa.RSAPrivateKey) -> None:
    """An RSA key in PKCS 8, as Google's files have it."""
    assert key_problem(pem(key)) is None


def test_other_keys_can_t(key: rsa.RSAPrivateKey) -> None:
    """A key that is cut off, encrypted, or of another kind is told as what it is."""
    unreadable = "the service account's private_key can't be read"
    cut = pem(key)[:200] + "\n-----END PRIVATE KEY-----\n"
    assert [unreadable] * 3 == [
        key_problem(text)
        for text in (cut, "-----BEGIN PRIVATE KEY-----", pem(key, serialization.BestAvailableEncryption(b"x")))
    ]
    curve = ec.generate_private_key(ec.SECP256R1())
    assert "the service account's private_key is not an RSA key" == key_problem(pem(curve))
